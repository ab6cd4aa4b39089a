/* The folder in which the command keeps what it can get or find out again. */
#ifndef AN_CORE_CACHE_H
#define AN_CORE_CACHE_H

#include "core/status.h"

/*
 * $ALEXNET_CACHE, else alexnet in $XDG_CACHE_HOME, else ~/.cache/alexnet; it need not be there yet.
 * *out: freed with free(). INVALID where none of these is set.
 */
alexnet_status an_cache_folder(char **out, alexnet_error *error);

#endif
