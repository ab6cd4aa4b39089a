/* What the readers and writers of JSON share. */
#ifndef AN_FORMATS_JSON_H
#define AN_FORMATS_JSON_H

#include <jansson.h>

/* Any text as a JSON string: where it is not UTF-8, every byte that is not ASCII becomes '?', so
 * that an odd folder name cannot keep a file from being written. NULL where memory ran out. */
json_t *an_json_string(const char *text);

/* A number; null for what JSON cannot say (NaN, infinity). */
json_t *an_json_number(double value);

#endif
