/*
 * CIFAR-10's binary version: data_batch_1.bin, ... to learn from, test_batch.bin held out. A file
 * is a row of records of 3073 bytes: the class, then 32 x 32 red, green, and blue values. Source:
 * https://www.cs.toronto.edu/~kriz/cifar.html
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/dataset.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, RECORD = 1 + 3 * PLANE, CLASSES = 10, TRAIN_FILES = 5 };

static const char *const known_names[CLASSES] = {
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};

typedef struct batch_file {
    char name[24];
    an_mapping mapping;
    size_t records;
} batch_file;

typedef struct cifar10 {
    an_dataset base;
    batch_file files[TRAIN_FILES];
    int file_count;
} cifar10;

static void cifar10_destroy(an_dataset *dataset) {
    cifar10 *self = (cifar10 *)dataset;
    for (int i = 0; i < self->file_count; i++)
        an_unmap(&self->files[i].mapping);
    free(self);
}

/* The file that holds picture *index, which becomes the record's number in it. */
static const batch_file *find_record(const an_dataset *dataset, size_t *index) {
    const batch_file *file = ((const cifar10 *)dataset)->files;
    while (*index >= file->records)
        *index -= file++->records;
    return file;
}

static alexnet_status cifar10_fetch(const an_dataset *dataset, size_t index, an_sample *out,
                                    alexnet_error *error) {
    (void)error;
    const batch_file *file = find_record(dataset, &index);
    out->form = AN_SAMPLE_PLANES;
    out->width = out->height = SIDE;
    out->bytes = file->mapping.bytes + index * RECORD + 1;
    out->size = (size_t)3 * PLANE;
    return ALEXNET_OK;
}

static void cifar10_describe(const an_dataset *dataset, size_t index, char *text, size_t size) {
    const batch_file *file = find_record(dataset, &index);
    snprintf(text, size, "%s/%s, record %zu", dataset->name, file->name, index);
}

static const an_dataset_kind cifar10_kind = {"cifar10", cifar10_destroy, cifar10_fetch,
                                             cifar10_describe};

/* Maps the next batch and checks that it is whole. */
static alexnet_status add_file(cifar10 *self, const char *folder, const char *name,
                               alexnet_error *error) {
    char *path = an_path_join(folder, name);
    if (!path)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to open it", folder);
    batch_file *file = &self->files[self->file_count];
    snprintf(file->name, sizeof file->name, "%s", name);
    alexnet_status status = an_map(path, &file->mapping, error);
    if (status == ALEXNET_OK) {
        self->file_count++;
        file->records = file->mapping.size / RECORD;
        if (file->records == 0 || file->mapping.size % RECORD != 0)
            status = an_fail(error, ALEXNET_FORMAT,
                             "%s: its %zu bytes are not a number of whole CIFAR-10 records of %d "
                             "bytes; unpack or download it again",
                             path, file->mapping.size, RECORD);
    }
    free(path);
    return status;
}

/* The class names: the lines of batches.meta.txt where that file is there. */
static alexnet_status name_classes(cifar10 *self, const char *folder, alexnet_error *error) {
    enum { LIMIT = 4096 };
    uint8_t *text = NULL;
    size_t size = 0;
    char *path = an_path_join(folder, "batches.meta.txt");
    alexnet_status status = ALEXNET_OK;
    if (!path)
        status = an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to open it", folder);
    else if (an_is_file(path))
        status = an_read_file(path, LIMIT, &text, &size, error);
    const char *next = (const char *)text;
    const char *const end = next ? next + size : NULL;
    for (int i = 0; i < CLASSES && status == ALEXNET_OK; i++) {
        const char *name = known_names[i];
        size_t length = strlen(name);
        if (text) {
            name = next;
            while (next < end && *next != '\n' && *next != '\r' && *next != '\0')
                next++;
            length = (size_t)(next - name);
            while (next < end && (*next == '\n' || *next == '\r'))
                next++;
        }
        if (length == 0)
            status = an_fail(error, ALEXNET_FORMAT,
                             "%s: holds %d class names, not %d; unpack or download it again", path,
                             i, CLASSES);
        else if (!(self->base.class_names[i] = strndup(name, length)))
            status = an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for class names", path);
    }
    free(text);
    free(path);
    return status;
}

static alexnet_status label_records(cifar10 *self, alexnet_error *error) {
    int32_t *label = self->base.labels;
    for (int f = 0; f < self->file_count; f++) {
        const batch_file *file = &self->files[f];
        for (size_t i = 0; i < file->records; i++) {
            *label = file->mapping.bytes[i * RECORD];
            if (*label++ >= CLASSES)
                return an_fail(error, ALEXNET_FORMAT,
                               "%s/%s: record %zu says class %d of %d; unpack or download it again",
                               self->base.name, file->name, i, label[-1], CLASSES);
        }
    }
    return ALEXNET_OK;
}

static alexnet_status cifar10_open(const char *path, an_split split, uint64_t seed,
                                   an_dataset **out, alexnet_error *error) {
    (void)seed;
    *out = NULL;
    cifar10 *self = calloc(1, sizeof *self);
    if (!self)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to open it", path);
    self->base.kind = &cifar10_kind;
    alexnet_status status = ALEXNET_OK;
    if (split == AN_SPLIT_HELD_OUT)
        status = add_file(self, path, "test_batch.bin", error);
    for (int i = 1; i <= TRAIN_FILES && split == AN_SPLIT_TRAIN && status == ALEXNET_OK; i++) {
        char name[24];
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        status = add_file(self, path, name, error);
    }
    size_t count = 0;
    for (int i = 0; i < self->file_count; i++)
        count += self->files[i].records;
    AN_TRY_CLEANUP(status);
    AN_TRY_CLEANUP(an_dataset_begin(&self->base, &cifar10_kind, path, count, CLASSES, error));
    AN_TRY_CLEANUP(name_classes(self, path, error));
    AN_TRY_CLEANUP(label_records(self, error));
    *out = &self->base;
    return ALEXNET_OK;
cleanup:
    an_dataset_close(&self->base);
    return status;
}

static bool holds_file(const char *folder, const char *name) {
    char *path = an_path_join(folder, name);
    const bool found = path && an_is_file(path);
    free(path);
    return found;
}

static bool cifar10_recognise(const char *name) {
    return holds_file(name, "data_batch_1.bin") || holds_file(name, "test_batch.bin");
}

static bool cifar10_has_held_out(const char *name) {
    return holds_file(name, "data_batch_1.bin") && holds_file(name, "test_batch.bin");
}

const an_dataset_source an_cifar10_source = {cifar10_recognise, cifar10_has_held_out, cifar10_open};
