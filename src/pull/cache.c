#include "pull/cache.h"

#include <stdlib.h>

#include "core/cache.h"
#include "core/file.h"

alexnet_status an_cache_path(const an_known *known, char **out, alexnet_error *error) {
    char *folder;
    *out = NULL;
    AN_TRY(an_cache_folder(&folder, error));
    *out = an_path_join(folder, known->file);
    free(folder);
    if (!*out)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for a path");
    return ALEXNET_OK;
}

char *an_cache_find(const an_known *known) {
    char *path;
    if (an_cache_path(known, &path, NULL) != ALEXNET_OK)
        return NULL;
    if (an_is_file(path))
        return path;
    free(path);
    return NULL;
}
