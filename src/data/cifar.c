/*
 * The binary versions of CIFAR-10 and CIFAR-100. A file is a row of records: one byte of the class
 * (CIFAR-100: two, the superclass and the class), then 32 x 32 red, green, and blue values. Source:
 * https://www.cs.toronto.edu/~kriz/cifar.html
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/labels.h"
#include "core/memory.h"
#include "data/dataset.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, MOST_FILES = 5 };

/* One of the two. */
typedef struct version {
    an_dataset_kind kind;
    const char *title;
    int classes;
    size_t label_size; /* in bytes, of which the last is the class */
    const char *train[MOST_FILES];
    const char *held_out;
    const char *names_file; /* one class a line */
    const char *const *known_names;
} version;

typedef struct record_file {
    const char *name;
    an_mapping mapping;
    size_t records;
} record_file;

typedef struct cifar {
    an_dataset base;
    const version *which;
    record_file files[MOST_FILES];
    int file_count;
} cifar;

static size_t record_size(const version *which) {
    return which->label_size + (size_t)3 * PLANE;
}

static void cifar_destroy(an_dataset *dataset) {
    cifar *self = (cifar *)dataset;
    for (int i = 0; i < self->file_count; i++)
        an_unmap(&self->files[i].mapping);
    free(self);
}

/* The file that holds picture *index, which becomes the record's number in it. */
static const record_file *find_record(const an_dataset *dataset, size_t *index) {
    const record_file *file = ((const cifar *)dataset)->files;
    while (*index >= file->records)
        *index -= file++->records;
    return file;
}

static alexnet_status cifar_fetch(const an_dataset *dataset, size_t index, an_sample *out,
                                  alexnet_error *error) {
    (void)error;
    const version *which = ((const cifar *)dataset)->which;
    const record_file *file = find_record(dataset, &index);
    out->form = AN_SAMPLE_PLANES;
    out->width = out->height = SIDE;
    out->bytes = file->mapping.bytes + index * record_size(which) + which->label_size;
    out->size = (size_t)3 * PLANE;
    return ALEXNET_OK;
}

static void cifar_describe(const an_dataset *dataset, size_t index, char *text, size_t size) {
    const record_file *file = find_record(dataset, &index);
    snprintf(text, size, "%s/%s, record %zu", dataset->name, file->name, index);
}

static const char *const names_of_10[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                          "dog",      "frog",       "horse", "ship", "truck"};

static const char *const names_of_100[] = {
    "apple",       "aquarium_fish", "baby",      "bear",       "beaver",       "bed",
    "bee",         "beetle",        "bicycle",   "bottle",     "bowl",         "boy",
    "bridge",      "bus",           "butterfly", "camel",      "can",          "castle",
    "caterpillar", "cattle",        "chair",     "chimpanzee", "clock",        "cloud",
    "cockroach",   "couch",         "crab",      "crocodile",  "cup",          "dinosaur",
    "dolphin",     "elephant",      "flatfish",  "forest",     "fox",          "girl",
    "hamster",     "house",         "kangaroo",  "keyboard",   "lamp",         "lawn_mower",
    "leopard",     "lion",          "lizard",    "lobster",    "man",          "maple_tree",
    "motorcycle",  "mountain",      "mouse",     "mushroom",   "oak_tree",     "orange",
    "orchid",      "otter",         "palm_tree", "pear",       "pickup_truck", "pine_tree",
    "plain",       "plate",         "poppy",     "porcupine",  "possum",       "rabbit",
    "raccoon",     "ray",           "road",      "rocket",     "rose",         "sea",
    "seal",        "shark",         "shrew",     "skunk",      "skyscraper",   "snail",
    "snake",       "spider",        "squirrel",  "streetcar",  "sunflower",    "sweet_pepper",
    "table",       "tank",          "telephone", "television", "tiger",        "tractor",
    "train",       "trout",         "tulip",     "turtle",     "wardrobe",     "whale",
    "willow_tree", "wolf",          "woman",     "worm"};

static const version versions[] = {
    {.kind = {"cifar10", cifar_destroy, cifar_fetch, cifar_describe},
     .title = "CIFAR-10",
     .classes = 10,
     .label_size = 1,
     .train = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
               "data_batch_5.bin"},
     .held_out = "test_batch.bin",
     .names_file = "batches.meta.txt",
     .known_names = names_of_10},
    {.kind = {"cifar100", cifar_destroy, cifar_fetch, cifar_describe},
     .title = "CIFAR-100",
     .classes = 100,
     .label_size = 2,
     .train = {"train.bin"},
     .held_out = "test.bin",
     .names_file = "fine_label_names.txt",
     .known_names = names_of_100},
};

static bool holds_file(const char *folder, const char *name) {
    char *path = an_path_join(folder, name);
    const bool found = path && an_is_file(path);
    free(path);
    return found;
}

/* Whose files a folder holds; NULL: neither's. */
static const version *find_version(const char *folder) {
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
        if (holds_file(folder, versions[i].train[0]) || holds_file(folder, versions[i].held_out))
            return &versions[i];
    return NULL;
}

/* Maps the next file and checks that it is whole. */
static alexnet_status add_file(cifar *self, const char *folder, const char *name,
                               alexnet_error *error) {
    const size_t record = record_size(self->which);
    char *path = an_path_join(folder, name);
    if (!path)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to open it", folder);
    record_file *file = &self->files[self->file_count];
    file->name = name;
    alexnet_status status = an_map(path, &file->mapping, error);
    if (status == ALEXNET_OK) {
        self->file_count++;
        file->records = file->mapping.size / record;
        if (file->records == 0 || file->mapping.size % record != 0)
            status = an_fail(error, ALEXNET_FORMAT,
                             "%s: its %zu bytes are not a number of whole %s records of %zu bytes; "
                             "unpack or download it again",
                             path, file->mapping.size, self->which->title, record);
    }
    free(path);
    return status;
}

/* The class names: the lines of the file for them where it is there. */
static alexnet_status name_classes(cifar *self, const char *folder, alexnet_error *error) {
    int classes = self->which->classes;
    char **names = self->base.class_names;
    char *path = an_path_join(folder, self->which->names_file);
    if (path && an_is_file(path)) {
        free(names);
        const alexnet_status status =
            an_labels_read(path, &classes, &self->base.class_names, error);
        free(path);
        return status;
    }
    free(path);
    for (int i = 0; i < classes; i++)
        if (!(names[i] = an_string_copy(self->which->known_names[i])))
            return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for class names", folder);
    return ALEXNET_OK;
}

static alexnet_status label_records(cifar *self, alexnet_error *error) {
    const version *which = self->which;
    int32_t *label = self->base.labels;
    for (int f = 0; f < self->file_count; f++) {
        const record_file *file = &self->files[f];
        for (size_t i = 0; i < file->records; i++) {
            const uint8_t *pixels =
                file->mapping.bytes + i * record_size(which) + which->label_size;
            *label++ = pixels[-1];
            if (pixels[-1] >= which->classes)
                return an_fail(error, ALEXNET_FORMAT,
                               "%s/%s: record %zu says class %d of %d; unpack or download it again",
                               self->base.name, file->name, i, pixels[-1], which->classes);
        }
    }
    return ALEXNET_OK;
}

static alexnet_status cifar_open(const char *path, an_split split, uint64_t seed, an_dataset **out,
                                 alexnet_error *error) {
    (void)seed;
    *out = NULL;
    const version *which = find_version(path);
    if (!which)
        return an_fail(error, ALEXNET_IO, "%s: holds no files of CIFAR any more", path);
    cifar *self = calloc(1, sizeof *self);
    if (!self)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to open it", path);
    self->which = which;
    self->base.kind = &which->kind;
    alexnet_status status = ALEXNET_OK;
    if (split == AN_SPLIT_HELD_OUT)
        status = add_file(self, path, which->held_out, error);
    for (int i = 0; split == AN_SPLIT_TRAIN && status == ALEXNET_OK && i < MOST_FILES; i++)
        if (which->train[i])
            status = add_file(self, path, which->train[i], error);
    size_t count = 0;
    for (int i = 0; i < self->file_count; i++)
        count += self->files[i].records;
    AN_TRY_CLEANUP(status);
    AN_TRY_CLEANUP(an_dataset_begin(&self->base, &which->kind, path, count, which->classes, error));
    AN_TRY_CLEANUP(name_classes(self, path, error));
    AN_TRY_CLEANUP(label_records(self, error));
    *out = &self->base;
    return ALEXNET_OK;
cleanup:
    an_dataset_close(&self->base);
    return status;
}

static bool cifar_recognise(const char *name) {
    return find_version(name) != NULL;
}

static bool cifar_has_held_out(const char *name) {
    const version *which = find_version(name);
    return which && holds_file(name, which->train[0]) && holds_file(name, which->held_out);
}

const an_dataset_source an_cifar_source = {cifar_recognise, cifar_has_held_out, cifar_open};
