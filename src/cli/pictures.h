/* The picture files that a command's arguments name. */
#ifndef AN_CLI_PICTURES_H
#define AN_CLI_PICTURES_H

#include <stddef.h>

#include "cli/output.h"
#include "data/unread.h"

/* A folder among the arguments in which there is no picture, and the sentence about it. */
typedef struct an_empty_folder {
    const char *path; /* the argument */
    alexnet_error why;
} an_empty_folder;

/* An all-zero list is empty. */
typedef struct an_pictures {
    char **paths;
    size_t count, capacity;
    an_empty_folder *empty;
    size_t empty_count, empty_capacity;
} an_pictures;

/*
 * Files and "-" as they are; of a folder and those in it every regular file that is named as a
 * picture is (an_image_has_name), in the order of their names. What lies there in formats that are
 * not read is counted in a warning, and so is a folder without any picture; INVALID where that
 * leaves none. Freed with an_pictures_free, after a failure too.
 */
alexnet_status an_pictures_collect(an_pictures *pictures, char *const *arguments, int count,
                                   an_display *display, alexnet_error *error);

/* What is to be said of `broken` among `count` pictures and of `empty` folders, not all 0: "2 of 5
 * pictures could not be read, and 1 folder holds none". */
an_text an_pictures_missed(size_t broken, size_t count, size_t empty);

/* The same for programs, of a picture, or a folder without any: {"file": path, "error": why}. */
json_t *an_pictures_failure(const char *path, const alexnet_error *why);

/* Appends that of each folder without any picture to `list`; NULL: there is none. */
void an_pictures_add_empty(const an_pictures *pictures, json_t *list);

void an_pictures_free(an_pictures *pictures);

#endif
