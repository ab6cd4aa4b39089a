/* The command: finds the sub-command, hands it its arguments, and turns what comes of it into an
 * exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted. */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "cli/command.h"
#include "cli/network.h"
#include "cli/waiting.h"
#include "pull/download.h"

enum { exit_done = 0, exit_failed = 1, exit_usage = 2, exit_interrupted = 130 };

static void print_help(FILE *stream) {
    fprintf(stream, "usage: alexnet COMMAND [options] [arguments]\n\n"
                    "AlexNet, complete and fast, in C.\n\nCommands:\n");
    for (const an_command *const *command = an_commands; *command; command++)
        fprintf(stream, "  %-12s %s\n", (*command)->name, (*command)->title);
    fprintf(stream, "\nalexnet COMMAND --help says more about each; alexnet --version says what is "
                    "in this build.\n"
                    "A good first command: alexnet demo\n");
}

static void print_version(void) {
    printf("alexnet %s\n", alexnet_version());
    for (const an_backend *const *backend = an_backends(); *backend; backend++) {
        alexnet_error error;
        if ((*backend)->available && (*backend)->available(&error) != ALEXNET_OK)
            printf("  device %-10s not usable: %s\n", (*backend)->name, error.message);
        else
            printf("  device %-10s %s\n", (*backend)->name, (*backend)->description);
    }
#ifdef AN_WITH_WEBP
    printf("  WebP              pictures are read (libwebp)\n");
#else
    printf("  WebP              none: built without libwebp\n");
#endif
#ifdef AN_WITH_CAIRO
    printf("  pictures          with text and curves (cairo, Pango)\n");
#else
    printf("  pictures          none: built without cairo or Pango\n");
#endif
#ifdef AN_WITH_LMDB
    printf("  packing           data sets into databases (liblmdb)\n");
#else
    printf("  packing           none: built without liblmdb\n");
#endif
#ifdef AN_WITH_MATIO
    printf("  ILSVRC archives   with names and validation labels (libmatio)\n");
#else
    printf("  ILSVRC archives   without names and validation labels: built without libmatio\n");
#endif
    printf("  downloads         %s\n", an_download_available()
                                           ? "of known weights (libcurl, nettle)"
                                           : "none: built without libcurl or nettle");
}

static int exit_code(alexnet_status status) {
    switch (status) {
    case ALEXNET_OK:
        return exit_done;
    case ALEXNET_INVALID:
        return exit_usage;
    case ALEXNET_INTERRUPTED:
        return exit_interrupted;
    default:
        return exit_failed;
    }
}

static alexnet_status count_arguments(const an_command *command, int count, char **arguments,
                                      alexnet_error *error) {
    if (count < command->least)
        return an_fail(error, ALEXNET_INVALID, "it needs %s", command->arguments);
    if (count > command->most)
        return an_fail(error, ALEXNET_INVALID, "'%s' is an argument too many",
                       arguments[command->most]);
    return ALEXNET_OK;
}

/* Runs it with the file that --weights names. */
static alexnet_status run_with_weights(const an_command *command, an_common *settings,
                                       char **arguments, int count, alexnet_error *error) {
    char *weights = NULL;
    if (settings->weights)
        AN_TRY(an_weights_path(settings->weights, &weights, error));
    settings->weights = weights;
    const alexnet_status status = command->run(settings, arguments, count, error);
    free(weights);
    return status;
}

static int run_command(const an_command *command, int argc, char **argv) {
    alexnet_error error = {0};
    int count = 0;
    an_common *settings = an_command_settings(command);
    if (!settings) {
        fprintf(stderr, "alexnet %s: memory ran out\n", command->name);
        return exit_failed;
    }
    alexnet_status status =
        an_options_parse(command->options, settings, argc, argv, &count, &error);
    if (status == ALEXNET_OK && settings->help) {
        an_command_help(stdout, command);
    } else {
        if (status == ALEXNET_OK)
            status = count_arguments(command, count, argv, &error);
        if (status == ALEXNET_OK)
            status = run_with_weights(command, settings, argv, count, &error);
    }
    free(settings);
    if (status != ALEXNET_OK)
        fprintf(stderr, "alexnet %s: %s\n", command->name, error.message);
    if (status == ALEXNET_INVALID)
        fprintf(stderr, "alexnet %s --help lists what it takes.\n", command->name);
    return exit_code(status);
}

static int unknown_command(const char *name) {
    char names[256] = "", near[64];
    size_t used = 0;
    for (const an_command *const *command = an_commands; *command && used < sizeof names; command++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? "|" : "",
                                 (*command)->name);
    const char *nearest = an_nearest(name, names, near, sizeof near);
    fprintf(stderr, "alexnet: there is no command '%s'%s%s%s; alexnet --help lists them\n", name,
            nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return exit_usage;
}

static int dispatch(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name) {
        print_help(stderr);
        return exit_usage;
    }
    if (strcmp(name, "--version") == 0) {
        print_version();
        return exit_done;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        const an_command *command = argc > 2 ? an_command_find(argv[2]) : NULL;
        if (argc > 2 && !command)
            return unknown_command(argv[2]);
        if (command)
            an_command_help(stdout, command);
        else
            print_help(stdout);
        return exit_done;
    }
    const an_command *command = an_command_find(name);
    return command ? run_command(command, argc - 2, argv + 2) : unknown_command(name);
}

int main(int argc, char **argv) {
    an_wait_briefly(argv);
    setlocale(LC_CTYPE, ""); /* whether the terminal shows UTF-8; numbers keep their points */
    const int code = dispatch(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "alexnet: the result could not be written to standard output\n");
        return code == exit_done ? exit_failed : code;
    }
    return code;
}
