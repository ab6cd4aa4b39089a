#include "core/cache.h"

#include <stdlib.h>

#include "core/file.h"
#include "core/memory.h"

/* The value of a variable that is set to something. */
static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

alexnet_status an_cache_folder(char **out, alexnet_error *error) {
    const char *own = variable("ALEXNET_CACHE"), *all = variable("XDG_CACHE_HOME"),
               *home = variable("HOME");
    *out = NULL;
    if (own)
        *out = an_string_copy(own);
    else if (all && all[0] == '/') /* XDG's specification: any other is to be ignored */
        *out = an_path_join(all, "alexnet");
    else if (home)
        *out = an_path_join(home, ".cache/alexnet");
    else
        return an_fail(error, ALEXNET_INVALID,
                       "there is no folder for the cache: set ALEXNET_CACHE to one");
    if (!*out)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for a path");
    return ALEXNET_OK;
}
