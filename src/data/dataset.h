/*
 * Data sets: numbered pictures with a class each.
 *
 * Recognised by what is named: a folder of class folders (class index = position of the folder's
 * name in byte order, as in torchvision's ImageFolder), a folder with CIFAR-10's or CIFAR-100's
 * binary files, ILSVRC's archives or the folder that holds them, tar shards of WebDataset, an LMDB
 * database with Caffe's records, or `shapes[:N]`, drawn by the program. A folder that holds train/
 * and val/ or test/ stands for the one that the split asks for; docs/data.md says what does for the
 * others.
 *
 * One file each kind; a kind fills an an_dataset_kind.
 */
#ifndef AN_DATA_DATASET_H
#define AN_DATA_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/image.h"
#include "data/unread.h"

/* Which part of a data set: the one to learn from or the one held out. */
typedef enum an_split { AN_SPLIT_TRAIN, AN_SPLIT_HELD_OUT } an_split;

typedef struct an_dataset an_dataset;

/* How a picture is stored. */
typedef enum an_sample_form {
    AN_SAMPLE_FILE,      /* a picture file's bytes: JPEG, PNG, WebP, PPM */
    AN_SAMPLE_RGB,       /* (H, W, 3) */
    AN_SAMPLE_PLANES,    /* (3, H, W), red first */
    AN_SAMPLE_BGR_PLANES /* (3, H, W), blue first: Caffe's Datum */
} an_sample_form;

/*
 * A stored picture, as it comes from a data set. Its bytes lie in what the data set has mapped, or
 * in the sample's own buffer, whose memory is reused from picture to picture. An all-zero sample is
 * valid and empty.
 */
typedef struct an_sample {
    an_sample_form form;
    const uint8_t *bytes; /* valid until the next fetch into this sample */
    size_t size;
    int width, height; /* of the forms that are no file */
    uint8_t *buffer;
    size_t capacity;
} an_sample;

/* Makes room for `size` bytes in the sample's buffer, which `bytes` then is; the content is
 * undefined. */
alexnet_status an_sample_reserve(an_sample *sample, size_t size, alexnet_error *error);

/* Makes room for a picture of AN_SAMPLE_RGB. */
alexnet_status an_sample_reserve_rgb(an_sample *sample, int width, int height,
                                     alexnet_error *error);

/* Reads a picture file into the sample. */
alexnet_status an_sample_read_file(an_sample *sample, const char *path, alexnet_error *error);

/* Frees the buffer; the sample is empty afterwards and may be used again. */
void an_sample_free(an_sample *sample);

/* Decodes a sample whole. `name` stands in messages. Errors as an_image_decode's. */
alexnet_status an_sample_decode(const an_sample *sample, const char *name, an_image *out,
                                alexnet_error *error);

/*
 * What a kind of data set implements. `fetch` is called by many threads at once. `destroy` frees
 * what the kind has added and the structure itself: an_dataset_close has freed the common part.
 */
typedef struct an_dataset_kind {
    const char *name; /* "folder", "cifar10", "ilsvrc", "shapes" */
    void (*destroy)(an_dataset *dataset);
    alexnet_status (*fetch)(const an_dataset *dataset, size_t index, an_sample *out,
                            alexnet_error *error);
    /* The picture's name: a path, or a description such as "shapes/circle/17". */
    void (*describe)(const an_dataset *dataset, size_t index, char *text, size_t size);
    /* Says that these samples will soon be fetched, for a kind that can have them read in one go;
     * called by many threads at once. NULL where that gains nothing. */
    void (*expect)(const an_dataset *dataset, size_t first, size_t count);
} an_dataset_kind;

/* How the colours of a data set's pictures are distributed; RGB, 0 to 255. */
typedef struct an_statistics {
    double mean[3];
    double covariance[3][3]; /* of the pixels */
    int side;                /* of the mean image, 0: none */
    float *mean_image;       /* (3, side, side) */
} an_statistics;

/* Frees them; NULL is allowed. */
void an_statistics_free(an_statistics *statistics);

/* What every data set begins with. */
struct an_dataset {
    const an_dataset_kind *kind;
    char *name;   /* the folder that was opened, or as the user named it */
    bool folders; /* classes are folders: that one has no picture is a mistake */
    size_t count; /* pictures */
    int classes;
    char **class_names;        /* (classes) for people: "tench" */
    char **class_ids;          /* (classes) "n01440764"; NULL where the names are all there is */
    int32_t *labels;           /* (count) */
    an_statistics *statistics; /* NULL where they are not known */
    an_unread unread;          /* what lies among the pictures and is left out */
    an_unread unread_alone;    /* ... in the first class folder without pictures */
};

/* A kind as data sets of it are recognised and opened. */
typedef struct an_dataset_source {
    /* Whether this kind is what a user's name stands for. */
    bool (*recognise)(const char *name);
    /* Whether the held-out part has other pictures than the one to learn from. */
    bool (*has_held_out)(const char *name);
    alexnet_status (*open)(const char *name, an_split split, uint64_t seed, an_dataset **out,
                           alexnet_error *error);
} an_dataset_source;

/*
 * Opens a data set. `seed` matters to those that are drawn. *out is freed with an_dataset_close.
 * A data set of no picture, of one class, or with a folder that cannot be read is refused.
 */
alexnet_status an_dataset_open(const char *name, an_split split, uint64_t seed, an_dataset **out,
                               alexnet_error *error);

/* The same for looking at what is there: class folders without pictures are fine, if there is one
 * with some. */
alexnet_status an_dataset_open_to_look(const char *name, an_split split, uint64_t seed,
                                       an_dataset **out, alexnet_error *error);

/* True where an_dataset_open with AN_SPLIT_HELD_OUT finds other pictures than with AN_SPLIT_TRAIN.
 */
bool an_dataset_has_held_out(const char *name);

/*
 * The first class that is called otherwise than in `names` (as many as there are classes; NULL:
 * unknown); -1 where there is none. Ids count as names. What cannot be compared is no difference:
 * bare numbers, which stand for names that nobody knows, and WordNet's ids on one side alone.
 */
int an_dataset_other_class(const an_dataset *dataset, char *const *names);

/* Closes a data set; NULL is allowed. */
void an_dataset_close(an_dataset *dataset);

/* Picture `index` as it is stored. */
alexnet_status an_dataset_fetch(const an_dataset *dataset, size_t index, an_sample *out,
                                alexnet_error *error);

/* Fetches picture `index` and decodes it into `out`, whose memory is reused. */
alexnet_status an_dataset_read(const an_dataset *dataset, size_t index, an_image *out,
                               alexnet_error *error);

/* Whether so many broken pictures of `count` are too many: more than ten, and more than the share
 * `max_broken`; where that is 0, any. */
bool an_too_many_broken(size_t broken, size_t count, double max_broken);

/* The picture's name, for messages and contact sheets. */
void an_dataset_describe(const an_dataset *dataset, size_t index, char *text, size_t size);

/*
 * For the kinds: fills the common part of a zeroed structure, with labels of 0 and class names that
 * are NULL, for the kind to set (with strings that free() takes). After a failure, as later in the
 * kind's own work, an_dataset_close cleans up.
 */
alexnet_status an_dataset_begin(an_dataset *dataset, const an_dataset_kind *kind, const char *name,
                                size_t count, int classes, alexnet_error *error);

/* The kinds, in the order in which a name is tried: a row in dataset.c each. */
extern const an_dataset_source an_shapes_source, an_ilsvrc_source, an_ilsvrc_folder_source,
    an_webdataset_source, an_cifar_source, an_lmdb_source, an_folder_source;

/* `count` pictures of `shapes`; 0 stands for 2,000 to learn from and 500 held out. */
alexnet_status an_shapes_open(size_t count, an_split split, uint64_t seed, an_dataset **out,
                              alexnet_error *error);

#endif
