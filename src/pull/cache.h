/* Where in the cache (core/cache.h) what was pulled is kept for all commands. */
#ifndef AN_PULL_CACHE_H
#define AN_PULL_CACHE_H

#include "pull/known.h"

/* Where the cache has, or would have, a known file. *out: freed with free(). */
alexnet_status an_cache_path(const an_known *known, char **out, alexnet_error *error);

/* The path of a known file that is in the cache, freed with free(); NULL where it is not. */
char *an_cache_find(const an_known *known);

#endif
