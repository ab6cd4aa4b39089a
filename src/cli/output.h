/* What commands print with: numbers for people, bars, JSON, and progress. */
#ifndef AN_CLI_OUTPUT_H
#define AN_CLI_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/options.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/status.h"
#include "data/dataset.h"

/* A short text as a value, so that several can stand in one printf. */
typedef struct an_text {
    char text[128];
} an_text;

an_text an_thousands(uint64_t value); /* "62,378,344" */
an_text an_bytes(uint64_t bytes);     /* "249.5 MB" */
an_text an_duration(double seconds);  /* "2 min 05 s" */
an_text an_percent(double fraction);  /* "97.5 %"; "-" where it is no number */

/* "s" behind the name of so many things, "" behind that of one. */
const char *an_plural(uint64_t count);

/* What the terminal behind a stream can show. All false where it is none. */
typedef struct an_terminal {
    bool is_terminal;
    bool colour; /* NO_COLOR and TERM=dumb are respected */
    bool utf8;
    int width; /* columns */
} an_terminal;

an_terminal an_terminal_of(FILE *stream);

/* A bar of `width` columns, `fraction` of it full: in eighths of a block, or of # without UTF-8. */
an_text an_bar(double fraction, int width, bool utf8);

/* Prints a name from a file system or a file: control characters become "?", so that it cannot
 * steer the terminal. */
void an_print_name(FILE *stream, const char *name);

/* Columns that a text of UTF-8 takes on the terminal, where Chinese characters take two. */
int an_columns(const char *text);

/* What a text leaves of so many columns; 0 where it takes all of them. */
int an_columns_left(int columns, const char *text);

/*
 * Prints a document on stdout and releases it. NULL, which jansson's builders return where memory
 * runs out or a string is not UTF-8, fails.
 */
alexnet_status an_print_json(json_t *json, alexnet_error *error);

/* --progress, in the order of its choices. */
typedef enum an_progress_mode {
    AN_PROGRESS_AUTO,
    AN_PROGRESS_BAR,
    AN_PROGRESS_PLAIN,
    AN_PROGRESS_NONE
} an_progress_mode;

/* Progress on stderr: one line that changes in place, or a line now and then. */
typedef struct an_display {
    const char *command;   /* which warnings begin with */
    an_progress_mode mode; /* never AUTO */
    an_terminal terminal;
    double shown; /* when, an_seconds(); 0: never */
    bool drawn;   /* a bar stands in the current line */
} an_display;

an_display an_display_begin(const an_common *common);

/* Shows how far things are (0 to 1) and a text, if the last time was long enough ago. */
void an_display_show(an_display *display, double fraction, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A line that stays, above the bar; silent with AN_PROGRESS_NONE. */
void an_display_line(an_display *display, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A warning, "alexnet eval: ...": a line that stays, in every mode. */
void an_display_warn(an_display *display, const char *message);

/* Warns of what a data set leaves out since it is in formats that are not read. */
void an_display_unread(an_display *display, const an_dataset *dataset);

/* Wipes the bar. */
void an_display_end(an_display *display);

#endif
