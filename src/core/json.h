/* What the writers of JSON share. */
#ifndef AN_CORE_JSON_H
#define AN_CORE_JSON_H

#include <jansson.h>

#include "core/status.h"

/* Any text as a JSON string: where it is not UTF-8, every byte that is not ASCII becomes '?', so
 * that an odd folder name cannot keep a file from being written. NULL where memory ran out. */
json_t *an_json_string(const char *text);

/* A number; null for what JSON cannot say (NaN, infinity). */
json_t *an_json_number(double value);

/*
 * Hands each line of a file of JSON documents, one a line, to `take`, until that fails. A last line
 * without an end is passed over: somebody is writing it. FORMAT, naming the line, where one is no
 * JSON.
 */
alexnet_status an_json_lines(const char *path,
                             alexnet_status (*take)(void *context, const json_t *line,
                                                    alexnet_error *error),
                             void *context, alexnet_error *error);

#endif
