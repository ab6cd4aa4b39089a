/* alexnet man: the manual page alexnet(1), from the commands' tables. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

/* roff takes a backslash as an escape and a line's first dot or quote as a request. */
static void print_text(const char *text) {
    bool line_begins = true;
    for (; *text; text++) {
        if (line_begins && (*text == '.' || *text == '\''))
            printf("\\&");
        if (*text == '\\')
            printf("\\e");
        else if (*text == '-')
            printf("\\-");
        else
            putchar(*text);
        line_begins = *text == '\n';
    }
}

static void print_option(const an_option *option, const void *settings) {
    char words[512], value[512];
    const bool flag = option->type == AN_OPTION_FLAG || option->type == AN_OPTION_OFF;
    const char *choices = an_option_choices(option, words, sizeof words);
    printf(".TP\n.B \\-\\-");
    print_text(option->name);
    if (!flag)
        printf(" \\fI%s\\fR", option->value);
    putchar('\n');
    print_text(option->help);
    if (choices) {
        printf(":\n");
        print_text(choices);
    }
    if (!flag) {
        an_option_format(option, settings, value, sizeof value);
        printf("\n(default: ");
        print_text(value);
        printf(")");
    }
    printf(".\n");
}

static alexnet_status print_command(const an_command *command, alexnet_error *error) {
    void *settings = an_command_settings(command);
    if (!settings)
        return an_fail(error, ALEXNET_NO_MEMORY, "memory ran out");
    printf(".SS \"alexnet %s [options] ", command->name);
    print_text(command->arguments);
    printf("\"\n");
    print_text(command->text);
    putchar('\n');
    for (const an_option *option = command->options; option && option->name; option++)
        print_option(option, settings);
    if (command->examples) {
        printf(".PP\n.nf\n");
        print_text(command->examples);
        printf("\n.fi\n");
    }
    free(settings);
    return ALEXNET_OK;
}

static alexnet_status run(void *settings, char **arguments, int count, alexnet_error *error) {
    (void)arguments;
    (void)count;
    printf(".TH ALEXNET 1 \"\" \"alexnet %s\" \"User Commands\"\n"
           ".SH NAME\nalexnet \\- AlexNet, complete and fast, in C\n"
           ".SH SYNOPSIS\n.B alexnet\n.I COMMAND\n[options] [arguments]\n"
           ".SH COMMANDS\n",
           alexnet_version());
    for (const an_command *const *command = an_commands; *command; command++)
        AN_TRY(print_command(*command, error));
    printf(".SH \"COMMON OPTIONS\"\nEvery command takes these; one that has no use for one of them "
           "passes it over.\n");
    for (const an_option *option = an_common_options; option->name; option++)
        print_option(option, settings);
    printf(".SH \"EXIT STATUS\"\n"
           ".TP\n.B 0\ndone.\n.TP\n.B 1\nfailed; a sentence on standard error says why.\n"
           ".TP\n.B 2\nwrong usage.\n.TP\n.B 130\ninterrupted, with a checkpoint written.\n"
           ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nwhere set, nothing is printed in colour.\n");
    return ALEXNET_OK;
}

const an_command an_command_man = {
    .name = "man",
    .arguments = "",
    .title = "print the manual page",
    .text = "Prints the manual page alexnet(1), which is made from the tables of options.",
    .examples = "  alexnet man | man -l -",
    .idle = "arch|weights|device|precision|batch|threads|seed|json|progress",
    .size = sizeof(an_common),
    .run = run,
};
