/*
 * A folder of class folders, as torchvision's ImageFolder reads it: classes in the byte order of
 * their names; in a class all pictures below it, in the order of their folder, then of their name.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/descent.h"
#include "core/file.h"
#include "core/memory.h"
#include "data/dataset.h"

/* A picture: its path from the data set's folder, as a place in the list's text. */
typedef struct entry {
    size_t path;
    size_t folder_length; /* of the part before its last slash */
} entry;

/* One text for all paths: a million pictures do not need a million allocations. */
typedef struct folder {
    an_dataset base;
    char *root; /* the folder without slashes at its end */
    char *text;
    size_t text_size, text_capacity;
    entry *entries;
    size_t entry_count, entry_capacity;
    an_unread unread; /* in the class folder that is being listed */
} folder;

static void folder_destroy(an_dataset *dataset) {
    folder *self = (folder *)dataset;
    free(self->root);
    free(self->text);
    free(self->entries);
    free(self);
}

static void folder_describe(const an_dataset *dataset, size_t index, char *text, size_t size) {
    const folder *self = (const folder *)dataset;
    snprintf(text, size, "%s/%s", dataset->name, self->text + self->entries[index].path);
}

static alexnet_status folder_fetch(const an_dataset *dataset, size_t index, an_sample *out,
                                   alexnet_error *error) {
    char path[PATH_MAX];
    folder_describe(dataset, index, path, sizeof path);
    return an_sample_read_file(out, path, error);
}

static const an_dataset_kind folder_kind = {"folder", folder_destroy, folder_fetch, folder_describe,
                                            NULL};

static alexnet_status add_entry(folder *self, const char *path, alexnet_error *error) {
    const size_t size = strlen(path) + 1;
    if (!an_grow((void **)&self->text, &self->text_capacity, self->text_size + size, 1) ||
        !an_grow((void **)&self->entries, &self->entry_capacity, self->entry_count + 1,
                 sizeof *self->entries))
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to list the pictures", path);
    memcpy(self->text + self->text_size, path, size);
    self->entries[self->entry_count++] =
        (entry){self->text_size, (size_t)(an_path_base(path) - path) - 1};
    self->text_size += size;
    return ALEXNET_OK;
}

/* What is done with each thing in the folder `in`; `path` is whole. */
typedef alexnet_status (*visitor)(void *context, const char *path, bool is_folder,
                                  const an_descent *in, alexnet_error *error);

/* Visits what a folder holds, in no order, but for hidden names. */
static alexnet_status list_folder(const char *path, const an_descent *above, visitor visit,
                                  void *context, alexnet_error *error) {
    an_descent here;
    if (!an_descend(path, above, &here))
        return an_fail(error, ALEXNET_IO,
                       "%s: this link leads back up, to a folder that it lies in; take it away",
                       path);
    DIR *stream = opendir(path);
    if (!stream)
        return an_fail(error, ALEXNET_IO,
                       "%s: this folder cannot be read: %s; check its permissions or take it away",
                       path, strerror(errno));
    alexnet_status status = ALEXNET_OK;
    while (status == ALEXNET_OK) {
        errno = 0;
        const struct dirent *found = readdir(stream);
        if (!found) {
            if (errno != 0)
                status = an_fail(error, ALEXNET_IO, "%s: this folder cannot be read: %s", path,
                                 strerror(errno));
            break;
        }
        if (found->d_name[0] == '.')
            continue;
        char inner[PATH_MAX];
        if (snprintf(inner, sizeof inner, "%s/%s", path, found->d_name) >= (int)sizeof inner) {
            status = an_fail(error, ALEXNET_IO, "%s: the path of %s in it is too long", path,
                             found->d_name);
            break;
        }
        /* What is neither file nor folder by its entry may be a link to one. */
        if (found->d_type == DT_DIR || (found->d_type != DT_REG && an_is_folder(inner)))
            status = visit(context, inner, true, &here, error);
        else if (found->d_type == DT_REG || an_is_file(inner))
            status = visit(context, inner, false, &here, error);
    }
    closedir(stream);
    return status;
}

/* Takes a class folder's pictures, also those of the folders inside it. */
static alexnet_status visit_class(void *context, const char *path, bool is_folder,
                                  const an_descent *in, alexnet_error *error) {
    folder *self = context;
    if (!is_folder && an_image_has_name(path))
        return add_entry(self, path + strlen(self->root) + 1, error);
    if (!is_folder) {
        an_unread_count(&self->unread, path);
        return ALEXNET_OK;
    }
    if (in->depth >= AN_DEEPEST)
        return an_fail(error, ALEXNET_IO, "%s: folders lie more than %d deep; move them up", path,
                       AN_DEEPEST);
    return list_folder(path, in, visit_class, self, error);
}

/* The class folders of a data set. */
typedef struct class_list {
    char **names;
    size_t count, capacity;
    bool pictures; /* there are pictures beside them */
} class_list;

static alexnet_status visit_root(void *context, const char *path, bool is_folder,
                                 const an_descent *in, alexnet_error *error) {
    (void)in;
    class_list *list = context;
    if (!is_folder) {
        list->pictures = list->pictures || an_image_has_name(path);
        return ALEXNET_OK;
    }
    char *name = an_string_copy(an_path_base(path));
    if (!name ||
        !an_grow((void **)&list->names, &list->capacity, list->count + 1, sizeof(char *))) {
        free(name);
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to list the classes", path);
    }
    list->names[list->count++] = name;
    return ALEXNET_OK;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* By folder, then by name. */
static int compare_entries(const void *a, const void *b, void *text) {
    const entry *x = a, *y = b;
    const char *p = (const char *)text + x->path, *q = (const char *)text + y->path;
    const size_t shorter =
        x->folder_length < y->folder_length ? x->folder_length : y->folder_length;
    const int order = memcmp(p, q, shorter);
    if (order != 0)
        return order;
    if (x->folder_length != y->folder_length)
        return x->folder_length < y->folder_length ? -1 : 1;
    return strcmp(p, q);
}

/* Reads all class folders into self's list; ends[class] becomes the count of entries up to it. */
static alexnet_status list_classes(folder *self, const class_list *classes, size_t *ends,
                                   alexnet_error *error) {
    const char *root = self->root;
    int empty_classes = 0;
    an_descent top;
    if (classes->count == 0)
        return an_fail(error, ALEXNET_FORMAT,
                       classes->pictures
                           ? "%s: holds pictures but no class folders; put the pictures of each "
                             "class into a folder of its own"
                           : "%s: holds no class folders; make a folder for each class, with its "
                             "pictures inside",
                       root);
    if (classes->count == 1)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: holds a single class folder, %s; to tell classes apart takes two or "
                       "more (or name the folder above or below)",
                       root, classes->names[0]);
    an_descend(root, NULL, &top);
    for (size_t i = 0; i < classes->count; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", root, classes->names[i]);
        const size_t begin = self->entry_count;
        self->unread = (an_unread){0};
        AN_TRY(list_folder(path, &top, visit_class, self, error));
        an_unread_add(&self->base.unread, &self->unread);
        if (self->entry_count > begin)
            qsort_r(self->entries + begin, self->entry_count - begin, sizeof *self->entries,
                    compare_entries, self->text);
        else if (empty_classes++ == 0)
            self->base.unread_alone = self->unread;
        ends[i] = self->entry_count;
    }
    char unread[256];
    an_unread_describe(&self->base.unread, unread, sizeof unread);
    if (self->entry_count == 0)
        return an_fail(error, ALEXNET_FORMAT,
                       unread[0] ? "%s: its class folders hold no pictures (" AN_IMAGE_NAMES
                                   "), only %s; convert them"
                                 : "%s: its class folders hold no pictures (" AN_IMAGE_NAMES
                                   "); add some%s",
                       root, unread);
    return ALEXNET_OK;
}

/* Opens one folder of class folders. */
static alexnet_status open_folder(const char *path, an_dataset **out, alexnet_error *error) {
    *out = NULL;
    folder *self = calloc(1, sizeof *self);
    char *root = an_string_copy(path);
    if (!self || !root) {
        free(self);
        free(root);
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to open it", path);
    }
    self->base.kind = &folder_kind;
    self->root = root;
    class_list classes = {0};
    size_t *ends = NULL;
    alexnet_status status;
    for (size_t end = strlen(root); end > 1 && root[end - 1] == '/'; end--)
        root[end - 1] = '\0';
    AN_TRY_CLEANUP(list_folder(root, NULL, visit_root, &classes, error));
    if (classes.count > 0)
        qsort(classes.names, classes.count, sizeof *classes.names, compare_names);
    AN_TRY_CLEANUP(
        an_alloc((void **)&ends, classes.count, sizeof *ends, "listing the classes", error));
    AN_TRY_CLEANUP(list_classes(self, &classes, ends, error));
    AN_TRY_CLEANUP(an_dataset_begin(&self->base, &folder_kind, root, self->entry_count,
                                    (int)classes.count, error));
    self->base.folders = true;
    for (size_t i = 0, picture = 0; i < classes.count; i++) {
        self->base.class_names[i] = classes.names[i];
        classes.names[i] = NULL;
        while (picture < ends[i])
            self->base.labels[picture++] = (int32_t)i;
    }
    *out = &self->base;
cleanup:
    for (size_t i = 0; i < classes.count; i++)
        free(classes.names[i]);
    free(classes.names);
    an_free(ends);
    if (status != ALEXNET_OK)
        an_dataset_close(&self->base);
    return status;
}

/* The first of `names` that is a folder inside `path`, freed with free(); NULL where none is. */
static char *find_folder(const char *path, const char *const *names) {
    for (; *names; names++) {
        char *inner = an_path_join(path, *names);
        if (inner && an_is_folder(inner))
            return inner;
        free(inner);
    }
    return NULL;
}

/* The folders of the two parts, freed with free(); both NULL where the data set is not divided. */
static void find_parts(const char *path, char **train, char **held_out) {
    static const char *const train_names[] = {"train", NULL};
    static const char *const held_out_names[] = {"val", "test", NULL};
    *train = find_folder(path, train_names);
    *held_out = find_folder(path, held_out_names);
    if (!*train || !*held_out) {
        free(*train);
        free(*held_out);
        *train = *held_out = NULL;
    }
}

static bool folder_has_held_out(const char *name) {
    char *train, *held_out;
    find_parts(name, &train, &held_out);
    const bool found = held_out != NULL;
    free(train);
    free(held_out);
    return found;
}

static alexnet_status folder_open(const char *name, an_split split, uint64_t seed, an_dataset **out,
                                  alexnet_error *error) {
    (void)seed;
    char *train, *held_out;
    find_parts(name, &train, &held_out);
    const char *part = split == AN_SPLIT_TRAIN ? train : held_out;
    const alexnet_status status = open_folder(part ? part : name, out, error);
    free(train);
    free(held_out);
    return status;
}

const an_dataset_source an_folder_source = {an_is_folder, folder_has_held_out, folder_open};
