#include "cli/pictures.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/descent.h"
#include "core/file.h"
#include "core/memory.h"
#include "data/image.h"

static alexnet_status no_memory(alexnet_error *error) {
    return an_fail(error, ALEXNET_NO_MEMORY, "memory ran out while listing the pictures");
}

/* Takes `path` over; NULL where memory ran out. */
static alexnet_status add(an_pictures *pictures, char *path, alexnet_error *error) {
    if (!path || !an_grow((void **)&pictures->paths, &pictures->capacity, pictures->count + 1,
                          sizeof *pictures->paths)) {
        free(path);
        return no_memory(error);
    }
    pictures->paths[pictures->count++] = path;
    return ALEXNET_OK;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* A pipe would be waited for, and a device need not end. What is not there, behind a link, is no
 * such thing: reading it says so. */
static bool may_be_read(const char *path) {
    struct stat info;
    return stat(path, &info) != 0 || S_ISREG(info.st_mode);
}

static alexnet_status add_folder(an_pictures *pictures, const char *folder, const an_descent *above,
                                 an_unread *unread, alexnet_error *error);

/* Adds what lies in a folder under a name; takes `path` over. */
static alexnet_status add_entry(an_pictures *pictures, char *path, const an_descent *in,
                                an_unread *unread, alexnet_error *error) {
    alexnet_status status = ALEXNET_OK;
    if (!path)
        return no_memory(error);
    if (an_is_folder(path)) {
        if (in->depth < AN_DEEPEST)
            status = add_folder(pictures, path, in, unread, error);
    } else if (may_be_read(path)) {
        if (an_image_has_name(path))
            return add(pictures, path, error);
        an_unread_count(unread, path);
    }
    free(path);
    return status;
}

static alexnet_status add_folder(an_pictures *pictures, const char *folder, const an_descent *above,
                                 an_unread *unread, alexnet_error *error) {
    struct dirent **entries;
    an_descent here;
    if (!an_descend(folder, above, &here))
        return ALEXNET_OK;
    const int count = scandir(folder, &entries, NULL, by_name);
    if (count < 0)
        return an_fail(error, ALEXNET_IO, "%s: the folder cannot be read: %s", folder,
                       strerror(errno));
    alexnet_status status = ALEXNET_OK;
    for (int i = 0; i < count; i++) {
        if (status == ALEXNET_OK && entries[i]->d_name[0] != '.')
            status =
                add_entry(pictures, an_path_join(folder, entries[i]->d_name), &here, unread, error);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static alexnet_status note_empty(an_pictures *pictures, const char *folder, const an_unread *unread,
                                 alexnet_error *error) {
    char others[256];
    if (!an_grow((void **)&pictures->empty, &pictures->empty_capacity, pictures->empty_count + 1,
                 sizeof *pictures->empty))
        return no_memory(error);
    an_empty_folder *empty = &pictures->empty[pictures->empty_count++];
    empty->path = folder;
    an_unread_describe(unread, others, sizeof others);
    (void)an_fail(&empty->why, ALEXNET_INVALID,
                  "%s: this folder holds no picture (" AN_IMAGE_NAMES ")%s%s", folder,
                  others[0] ? ", only " : "", others);
    return ALEXNET_OK;
}

alexnet_status an_pictures_collect(an_pictures *pictures, char *const *arguments, int count,
                                   an_display *display, alexnet_error *error) {
    const size_t begin = pictures->empty_count;
    for (int i = 0; i < count; i++) {
        const size_t before = pictures->count;
        an_unread unread = {0};
        char text[1100];
        if (!an_is_folder(arguments[i])) {
            AN_TRY(add(pictures, an_string_copy(arguments[i]), error));
            continue;
        }
        AN_TRY(add_folder(pictures, arguments[i], NULL, &unread, error));
        if (pictures->count == before)
            AN_TRY(note_empty(pictures, arguments[i], &unread, error));
        else if (an_unread_tell(&unread, arguments[i], text, sizeof text))
            an_display_warn(display, text);
    }
    if (pictures->count == 0 && pictures->empty_count > 0) {
        *error = pictures->empty[0].why;
        return ALEXNET_INVALID;
    }
    for (size_t i = begin; i < pictures->empty_count; i++)
        an_display_warn(display, pictures->empty[i].why.message);
    return ALEXNET_OK;
}

an_text an_pictures_missed(size_t broken, size_t count, size_t empty) {
    an_text out = {""}, folders = {""};
    if (empty > 0)
        snprintf(folders.text, sizeof folders.text, "%s%zu folder%s no%s", broken ? ", and " : "",
                 empty, empty == 1 ? " holds" : "s hold", broken ? "ne" : " picture");
    if (broken > 0 && count == 1)
        snprintf(out.text, sizeof out.text, "the picture could not be read%.60s", folders.text);
    else if (broken > 0)
        snprintf(out.text, sizeof out.text, "%zu of %zu pictures could not be read%.60s", broken,
                 count, folders.text);
    else
        out = folders;
    return out;
}

json_t *an_pictures_failure(const char *path, const alexnet_error *why) {
    return json_pack("{s:o, s:o}", "file", an_json_string(path), "error",
                     an_json_string(why->message));
}

void an_pictures_add_empty(const an_pictures *pictures, json_t *list) {
    for (size_t i = 0; list && i < pictures->empty_count; i++)
        json_array_append_new(
            list, an_pictures_failure(pictures->empty[i].path, &pictures->empty[i].why));
}

void an_pictures_free(an_pictures *pictures) {
    for (size_t i = 0; i < pictures->count; i++)
        free(pictures->paths[i]);
    free(pictures->paths);
    free(pictures->empty);
    *pictures = (an_pictures){0};
}
