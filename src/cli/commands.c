/* The list of commands, and what is said about each. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

extern const an_command an_command_demo, an_command_summary, an_command_train, an_command_compare,
    an_command_eval, an_command_data, an_command_pack, an_command_classify, an_command_forward,
    an_command_features, an_command_similar, an_command_lpips, an_command_inspect,
    an_command_convert, an_command_pull, an_command_bench, an_command_check, an_command_completion,
    an_command_man;

const an_command *const an_commands[] = {
    &an_command_demo,    &an_command_summary,    &an_command_train,   &an_command_compare,
    &an_command_eval,    &an_command_data,       &an_command_pack,    &an_command_classify,
    &an_command_forward, &an_command_features,   &an_command_similar, &an_command_lpips,
    &an_command_inspect, &an_command_convert,    &an_command_pull,    &an_command_bench,
    &an_command_check,   &an_command_completion, &an_command_man,     NULL,
};

const an_command *an_command_find(const char *name) {
    for (const an_command *const *command = an_commands; *command; command++)
        if (strcmp((*command)->name, name) == 0)
            return *command;
    return NULL;
}

void *an_command_settings(const an_command *command) {
    void *settings = calloc(1, command->size);
    if (!settings)
        return NULL;
    ((an_common *)settings)->command = command->name;
    if (command->prepare)
        command->prepare(settings);
    an_options_defaults(command->options, settings);
    return settings;
}

void an_command_help(FILE *stream, const an_command *command) {
    void *settings = an_command_settings(command);
    if (!settings)
        return;
    fprintf(stream, "usage: alexnet %s [options]%s%s\n\n%s\n", command->name,
            command->arguments[0] ? " " : "", command->arguments, command->text);
    if (command->options && command->options->name) {
        fprintf(stream, "\nOptions:\n");
        an_options_help(stream, command->options, NULL, NULL, settings);
    }
    fprintf(stream, "\nCommon options:\n");
    an_options_help(stream, an_common_options, command->options, command->idle, settings);
    if (command->examples)
        fprintf(stream, "\nExamples:\n%s\n", command->examples);
    free(settings);
}
