/* Running the built command in a temporary folder, and files to run it on. */
#ifndef AN_TESTS_COMMAND_H
#define AN_TESTS_COMMAND_H

#include <jansson.h>

/* What a run left behind. */
typedef struct outcome {
    int code;  /* exit code, or 128 + the signal */
    char *out; /* stdout */
    char *err; /* stderr */
} outcome;

/* Makes a temporary folder the current one; left and removed by leave_folder. */
void enter_folder(void);
void leave_folder(void);

/*
 * Runs the command with arguments as a shell would read them. The outcome belongs to this file and
 * holds until the next run.
 */
const outcome *alexnet(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs it; the exit code must be `code`, and stderr hold `part`. */
void expect(int code, const char *part, const char *arguments);

/* Runs it with --json; it must succeed with one document on stdout, which json_decref frees. */
json_t *document(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The value of a key (`name` a path with dots), which must be there. */
json_t *value(json_t *json, const char *name);

/* The whole content of a file; freed with free(). */
char *read_text(const char *path);
void write_text(const char *path, const char *text);

/* Weights of an `alexnet` with `input_size` and `classes`, as it begins. */
void write_weights(const char *path, int input_size, int classes);

/* A picture, not all of one colour. */
void write_picture(const char *path, int width, int height);

#endif
