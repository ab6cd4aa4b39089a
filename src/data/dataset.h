/*
 * Data sets: numbered pictures with a class each.
 *
 * Recognised by what is named: a folder of class folders (class index = position of the folder's
 * name in byte order, as in torchvision's ImageFolder), a folder with CIFAR-10's binary batches, or
 * `shapes[:N]`, drawn by the program. A folder that holds train/ and val/ or test/ stands for the
 * one that the split asks for.
 *
 * One file each kind; a kind fills an an_dataset_kind.
 */
#ifndef AN_DATA_DATASET_H
#define AN_DATA_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "data/image.h"

/* Which part of a data set: the one to learn from or the one held out. */
typedef enum an_split { AN_SPLIT_TRAIN, AN_SPLIT_HELD_OUT } an_split;

typedef struct an_dataset an_dataset;

/*
 * What a kind of data set implements. `read` is called by many threads at once. `destroy` frees
 * what the kind has added and the structure itself: an_dataset_close has freed the common part.
 */
typedef struct an_dataset_kind {
    const char *name; /* "folder", "cifar10", "shapes" */
    void (*destroy)(an_dataset *dataset);
    alexnet_status (*read)(const an_dataset *dataset, size_t index, an_image *out,
                           alexnet_error *error);
    /* The picture's name: a path, or a description such as "shapes/circle/17". */
    void (*describe)(const an_dataset *dataset, size_t index, char *text, size_t size);
} an_dataset_kind;

/* What every data set begins with. */
struct an_dataset {
    const an_dataset_kind *kind;
    char *name;   /* the folder that was opened, or as the user named it */
    size_t count; /* pictures */
    int classes;
    char **class_names; /* (classes) */
    int32_t *labels;    /* (count) */
};

/*
 * Opens a data set. `seed` matters to those that are drawn. *out is freed with an_dataset_close.
 * A data set of no picture, of one class, or with a folder that cannot be read is refused.
 */
alexnet_status an_dataset_open(const char *name, an_split split, uint64_t seed, an_dataset **out,
                               alexnet_error *error);

/* True where an_dataset_open with AN_SPLIT_HELD_OUT finds other pictures than with AN_SPLIT_TRAIN.
 */
bool an_dataset_has_held_out(const char *name);

/* Closes a data set; NULL is allowed. */
void an_dataset_close(an_dataset *dataset);

/* Decodes picture `index` into `out`, whose memory is reused. */
alexnet_status an_dataset_read(const an_dataset *dataset, size_t index, an_image *out,
                               alexnet_error *error);

/* The picture's name, for messages and contact sheets. */
void an_dataset_describe(const an_dataset *dataset, size_t index, char *text, size_t size);

/*
 * For the kinds: fills the common part of a zeroed structure, with labels of 0 and class names that
 * are NULL, for the kind to set (with strings that free() takes). After a failure, as later in the
 * kind's own work, an_dataset_close cleans up.
 */
alexnet_status an_dataset_begin(an_dataset *dataset, const an_dataset_kind *kind, const char *name,
                                size_t count, int classes, alexnet_error *error);

/*
 * The kinds' own openers, called by an_dataset_open. Of `shapes`, `count` pictures are drawn;
 * 0 stands for 2,000 to learn from and 500 held out.
 */
alexnet_status an_folder_open(const char *path, an_dataset **out, alexnet_error *error);
alexnet_status an_cifar10_open(const char *path, an_split split, an_dataset **out,
                               alexnet_error *error);
alexnet_status an_shapes_open(size_t count, an_split split, uint64_t seed, an_dataset **out,
                              alexnet_error *error);

#endif
