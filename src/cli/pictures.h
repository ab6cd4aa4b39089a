/* The picture files that a command's arguments name. */
#ifndef AN_CLI_PICTURES_H
#define AN_CLI_PICTURES_H

#include <stddef.h>

#include "core/status.h"

/* An all-zero list is empty. */
typedef struct an_pictures {
    char **paths;
    size_t count, capacity;
} an_pictures;

/*
 * Files and "-" as they are; of a folder and those in it every one that is named as a picture is
 * (an_image_has_name), in the order of their names. INVALID for a folder without any. Freed with
 * an_pictures_free, after a failure too.
 */
alexnet_status an_pictures_collect(an_pictures *pictures, char *const *arguments, int count,
                                   alexnet_error *error);

void an_pictures_free(an_pictures *pictures);

#endif
