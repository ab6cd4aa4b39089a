/*
 * A command: one file with its settings, its table of options, what it does, and this description,
 * listed in commands.c. To add one, copy the smallest (check.c) and change every part of it.
 */
#ifndef AN_CLI_COMMAND_H
#define AN_CLI_COMMAND_H

#include "cli/options.h"
#include "cli/output.h"

typedef struct an_command {
    const char *name;
    const char *arguments; /* as in the usage line: "IMAGE..."; "" where it takes none */
    int least, most;       /* how many of them */
    const char *title;     /* one line for the list of commands */
    const char *text;      /* paragraphs for --help and the manual */
    const char *examples;  /* lines one can paste */
    const an_option *options;
    /* Common options that it takes as every command does, but that do nothing here: help and
     * completion leave them out. "arch|seed"; NULL: none. */
    const char *idle;
    size_t size;                     /* of the settings' struct, which begins with an_common */
    void (*prepare)(void *settings); /* fills in defaults that the table does not; NULL: none */
    /* Does the work. INVALID is wrong usage (2), INTERRUPTED 130, any other failure 1. */
    alexnet_status (*run)(void *settings, char **arguments, int count, alexnet_error *error);
} an_command;

/* The commands in the order they are listed; ends with NULL. */
extern const an_command *const an_commands[];

/* The command called `name`; NULL where there is none. */
const an_command *an_command_find(const char *name);

/* Writes a command's --help. */
void an_command_help(FILE *stream, const an_command *command);

/* A command's settings with their defaults, freed with free(); NULL where memory ran out. */
void *an_command_settings(const an_command *command);

#endif
