/* The folder in which what was pulled is kept for all commands. */
#ifndef AN_PULL_CACHE_H
#define AN_PULL_CACHE_H

#include "pull/known.h"

/*
 * $ALEXNET_CACHE, else alexnet in $XDG_CACHE_HOME, else ~/.cache/alexnet; it need not be there yet.
 * *out: freed with free(). INVALID where none of these is set.
 */
alexnet_status an_cache_folder(char **out, alexnet_error *error);

/* Where the cache has, or would have, a known file. *out: freed with free(). */
alexnet_status an_cache_path(const an_known *known, char **out, alexnet_error *error);

/* The path of a known file that is in the cache, freed with free(); NULL where it is not. */
char *an_cache_find(const an_known *known);

#endif
