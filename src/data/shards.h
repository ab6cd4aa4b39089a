/*
 * Names of many files by one: shards/train-{000000..000146}.tar stands for 147. A range counts up,
 * with zeros in front where one of its ends has them; there may be several in a name.
 */
#ifndef AN_DATA_SHARDS_H
#define AN_DATA_SHARDS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

typedef struct an_shards {
    char **paths;
    size_t count, capacity;
} an_shards;

/*
 * The files that a name stands for, in order; where `existing`, those of them that are there. *out
 * is released with an_shards_free. INVALID where braces hold no range, or there are too many files.
 */
alexnet_status an_shards_expand(const char *name, bool existing, an_shards *out,
                                alexnet_error *error);

/* Allowed on one that is all zero. */
void an_shards_free(an_shards *shards);

/*
 * The name of the held-out shards that lie with those to learn from: `val` or `test` in place of
 * the last `train`, where there are such files. Freed with free(); NULL where there are none.
 */
char *an_shards_held_out(const char *name);

#endif
