/*
 * Options as tables.
 *
 * A command has a struct that holds its settings and a table with a row for each option: where its
 * value goes, what it may be, its default, and a sentence. The parser, `--help`, the manual page,
 * the shell completion and the printed table of settings are all made from that table.
 *
 * Grammar: --name VALUE, --name=VALUE, --name for flags; `--` ends the options; options and
 * arguments may be mixed; "-" is an argument (standard input).
 */
#ifndef AN_CLI_OPTIONS_H
#define AN_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

typedef enum an_option_type {
    AN_OPTION_FLAG,   /* bool, set to true; takes no value */
    AN_OPTION_OFF,    /* bool, set to false; takes no value; its name begins with "no-" */
    AN_OPTION_INT,    /* int, low to high */
    AN_OPTION_COUNT,  /* uint64_t (or size_t), low to high */
    AN_OPTION_NUMBER, /* double, low to high */
    AN_OPTION_TEXT,   /* const char * */
    AN_OPTION_WORD,   /* const char *, one of `choices` */
    AN_OPTION_CHOICE, /* int or enum: the position among `choices` */
    AN_OPTION_LIST    /* an_list, longer by one each time the option is given */
} an_option_type;

enum { AN_LIST_LENGTH = 16 };

/* What an AN_OPTION_LIST collects. */
typedef struct an_list {
    const char *items[AN_LIST_LENGTH];
    int count;
} an_list;

/* One row; a table ends with a row without a name. */
typedef struct an_option {
    const char *name; /* "batch" for --batch */
    an_option_type type;
    size_t offset;        /* of the value in the command's struct */
    const char *value;    /* what --help calls the value: "N", "FILE" */
    const char *choices;  /* "auto|cpu|reference"; AN_OPTION_WORD with NULL: the architectures */
    const char *synonyms; /* "gpu|cuda": in pairs, what may be typed and the choice that is meant */
    double low, high;     /* of AN_OPTION_INT, _COUNT, _NUMBER */
    const char *fallback; /* the default as one would type it; NULL: what the struct holds */
    const char *unset;    /* what 0, or no text, stands for: "every core" */
    const char *help;     /* without a capital or full stop */
} an_option;

/* The settings that every command has; the first member of each command's struct. */
typedef struct an_common {
    const char *command; /* its name, for messages */
    const char *arch;
    const char *weights;
    const char *device;
    int precision; /* an_precision */
    int batch;
    int threads;
    uint64_t seed;
    bool json;
    int progress; /* an_progress_mode */
    bool help;
    uint64_t given;        /* bit i: row i of the command's own table was on the command line */
    uint64_t given_common; /* the same of the common table */
} an_common;

/* The row of --batch for a command with a default, or a meaning, of its own. */
#define AN_OPTION_BATCH(fallback_, help_)                                                          \
    {                                                                                              \
        .name = "batch", .type = AN_OPTION_INT, .offset = offsetof(an_common, batch),              \
        .value = "N", .low = 1, .high = 65536, .fallback = (fallback_), .help = (help_)            \
    }

/* Their table. A command's row of the same name goes before one of these. */
extern const an_option an_common_options[];

/* The row called `name` of a command's table or the common one; NULL where there is none. */
const an_option *an_option_find(const an_option *options, const char *name);

/* Fills a command's struct with the defaults of the common table and its own. */
void an_options_defaults(const an_option *options, void *settings);

/*
 * Parses argv[0 .. argc) into `settings` and moves the arguments that are no options to the front
 * of argv; *count is their number. INVALID with a sentence for an unknown option, a missing value
 * or one out of range.
 */
alexnet_status an_options_parse(const an_option *options, void *settings, int argc, char **argv,
                                int *count, alexnet_error *error);

/* Copies the settings of the rows in `given` (bit i: row i) from one command's struct to another.
 */
void an_options_overlay(const an_option *options, uint64_t given, const void *from, void *to);

/* "auto|cpu|reference": what a WORD or CHOICE may be. Holds until the next call with `text`. */
const char *an_option_choices(const an_option *option, char *text, size_t size);

/* A setting as text: "128", "yes", or what `unset` says. */
void an_option_format(const an_option *option, const void *settings, char *text, size_t size);

/* Whether an option is one of "arch|seed"; NULL: there are none. */
bool an_option_is_among(const an_option *option, const char *names);

/* Writes --help's lines for a table; rows that `hidden` (NULL: none) has too, and those that are
 * among `idle`, are left out. */
void an_options_help(FILE *stream, const an_option *options, const an_option *hidden,
                     const char *idle, const void *settings);

/* Writes "name  value" for every row of a table, as at the start of a training run. */
void an_options_print(FILE *stream, const an_option *options, const void *settings);

/* The word of `words` ("a|b|c") most like `word`, copied to `text`; NULL where none is near. */
const char *an_nearest(const char *word, const char *words, char *text, size_t size);

#endif
