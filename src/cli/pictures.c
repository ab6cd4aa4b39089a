#include "cli/pictures.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/image.h"

/* Deeper than any collection; a link that leads in a circle ends here. */
enum { deepest = 32 };

static alexnet_status add(an_pictures *pictures, char *path, alexnet_error *error) {
    if (path && pictures->count == pictures->capacity) {
        const size_t capacity = pictures->capacity ? 2 * pictures->capacity : 64;
        char **paths = realloc(pictures->paths, capacity * sizeof *paths);
        if (!paths) {
            free(path);
            path = NULL;
        } else {
            pictures->paths = paths;
            pictures->capacity = capacity;
        }
    }
    if (!path)
        return an_fail(error, ALEXNET_NO_MEMORY, "memory ran out while listing the pictures");
    pictures->paths[pictures->count++] = path;
    return ALEXNET_OK;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static alexnet_status add_folder(an_pictures *pictures, const char *folder, int depth,
                                 alexnet_error *error) {
    struct dirent **entries;
    const int count = scandir(folder, &entries, NULL, by_name);
    if (count < 0)
        return an_fail(error, ALEXNET_IO, "%s: the folder cannot be read: %s", folder,
                       strerror(errno));
    alexnet_status status = ALEXNET_OK;
    for (int i = 0; i < count; i++) {
        if (status == ALEXNET_OK && entries[i]->d_name[0] != '.') {
            char *path = an_path_join(folder, entries[i]->d_name);
            if (path && an_is_folder(path)) {
                if (depth < deepest)
                    status = add_folder(pictures, path, depth + 1, error);
                free(path);
            } else if (!path || an_image_has_name(path)) {
                status = add(pictures, path, error);
            } else {
                free(path);
            }
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

alexnet_status an_pictures_collect(an_pictures *pictures, char *const *arguments, int count,
                                   alexnet_error *error) {
    for (int i = 0; i < count; i++) {
        const size_t before = pictures->count;
        if (!an_is_folder(arguments[i])) {
            AN_TRY(add(pictures, an_string_copy(arguments[i]), error));
            continue;
        }
        AN_TRY(add_folder(pictures, arguments[i], 0, error));
        if (pictures->count == before)
            return an_fail(error, ALEXNET_INVALID,
                           "%s: this folder holds no picture (" AN_IMAGE_NAMES ")", arguments[i]);
    }
    return ALEXNET_OK;
}

void an_pictures_free(an_pictures *pictures) {
    for (size_t i = 0; i < pictures->count; i++)
        free(pictures->paths[i]);
    free(pictures->paths);
    *pictures = (an_pictures){0};
}
