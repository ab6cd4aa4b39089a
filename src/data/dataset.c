#include "data/dataset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"

/* Where the parts of a data set are kept, the first that is there. */
static const char *const train_folders[] = {"train", NULL};
static const char *const held_out_folders[] = {"val", "test", NULL};

/* The first of `names` that is a folder inside `path`, freed with free(); NULL where none is. */
static char *find_folder(const char *path, const char *const *names) {
    for (; *names; names++) {
        char *folder = an_path_join(path, *names);
        if (folder && an_is_folder(folder))
            return folder;
        free(folder);
    }
    return NULL;
}

static bool holds_file(const char *folder, const char *name) {
    char *path = an_path_join(folder, name);
    const bool found = path && an_is_file(path);
    free(path);
    return found;
}

static bool is_cifar10(const char *path) {
    return holds_file(path, "data_batch_1.bin") || holds_file(path, "test_batch.bin");
}

static bool is_shapes(const char *name) {
    return strcmp(name, "shapes") == 0 || strncmp(name, "shapes:", 7) == 0;
}

/* `shapes`, or `shapes:N`: N pictures to learn from, and a quarter as many held out. */
static alexnet_status open_shapes(const char *name, an_split split, uint64_t seed, an_dataset **out,
                                  alexnet_error *error) {
    size_t count = 0; /* the default */
    if (name[6] == ':') {
        const char *digits = name + 7;
        char *end;
        errno = 0;
        count = strtoul(digits, &end, 10);
        if (*digits < '0' || *digits > '9' || *end || errno || count == 0)
            return an_fail(error, ALEXNET_INVALID,
                           "%s: behind the colon stands how many pictures to draw, as in "
                           "shapes:2000",
                           name);
        if (split == AN_SPLIT_HELD_OUT)
            count = (count + 3) / 4;
    }
    return an_shapes_open(count, split, seed, out, error);
}

alexnet_status an_dataset_open(const char *name, an_split split, uint64_t seed, an_dataset **out,
                               alexnet_error *error) {
    *out = NULL;
    if (is_shapes(name))
        return open_shapes(name, split, seed, out, error);
    if (!an_is_folder(name))
        return an_fail(error, ALEXNET_IO,
                       an_is_file(name)
                           ? "%s: is a file; a data set is a folder: unpack an archive first"
                           : "%s: there is no such folder; name a folder of class folders, one "
                             "with CIFAR-10's binary batches, or `shapes`",
                       name);
    if (is_cifar10(name))
        return an_cifar10_open(name, split, out, error);
    char *train = find_folder(name, train_folders);
    char *held_out = find_folder(name, held_out_folders);
    const char *path = name;
    if (train && held_out)
        path = split == AN_SPLIT_TRAIN ? train : held_out;
    const alexnet_status status = an_folder_open(path, out, error);
    free(train);
    free(held_out);
    return status;
}

bool an_dataset_has_held_out(const char *name) {
    if (is_shapes(name))
        return true;
    if (is_cifar10(name))
        return holds_file(name, "data_batch_1.bin") && holds_file(name, "test_batch.bin");
    char *train = find_folder(name, train_folders);
    char *held_out = find_folder(name, held_out_folders);
    const bool both = train && held_out;
    free(train);
    free(held_out);
    return both;
}

alexnet_status an_dataset_begin(an_dataset *dataset, const an_dataset_kind *kind, const char *name,
                                size_t count, int classes, alexnet_error *error) {
    dataset->kind = kind;
    dataset->count = count;
    dataset->classes = classes;
    dataset->name = an_string_copy(name);
    dataset->class_names = calloc((size_t)classes + 1, sizeof *dataset->class_names);
    dataset->labels = calloc(count + 1, sizeof *dataset->labels);
    if (!dataset->name || !dataset->class_names || !dataset->labels)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to list %zu pictures", name, count);
    return ALEXNET_OK;
}

void an_dataset_close(an_dataset *dataset) {
    if (!dataset)
        return;
    for (int i = 0; dataset->class_names && i < dataset->classes; i++)
        free(dataset->class_names[i]);
    free(dataset->class_names);
    free(dataset->labels);
    free(dataset->name);
    dataset->kind->destroy(dataset);
}

alexnet_status an_dataset_read(const an_dataset *dataset, size_t index, an_image *out,
                               alexnet_error *error) {
    if (index >= dataset->count)
        return an_fail(error, ALEXNET_INVALID, "%s: has no picture %zu, only %zu", dataset->name,
                       index, dataset->count);
    return dataset->kind->read(dataset, index, out, error);
}

void an_dataset_describe(const an_dataset *dataset, size_t index, char *text, size_t size) {
    dataset->kind->describe(dataset, index, text, size);
}
