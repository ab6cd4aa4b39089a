/*
 * The loader: worker threads decode, augment and normalise pictures into batches ahead of the
 * computation.
 *
 * The order of an epoch, and each picture's crop and mirroring, are functions of (seed, epoch) and
 * (seed, epoch, sample): the batches are the same for any number of workers.
 */
#ifndef AN_DATA_LOADER_H
#define AN_DATA_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/augment.h"
#include "data/dataset.h"

typedef struct an_loader_options {
    int batch; /* pictures */
    int views; /* inputs of each picture: 0 and 1 for one, or the paper's ten (§4.1), in the order
                  of an_view_crop; more than one only where nothing is random */
    bool pictures; /* batches of an_picture, which are to become inputs elsewhere; of one view, and
                      without a mean image */
    int workers;   /* 0: the cores this process may use */
    uint64_t seed;
    bool shuffle;          /* a new order each epoch; otherwise the data set's */
    bool shuffle_once;     /* with shuffle: every epoch in the first one's order (net #145) */
    size_t shuffle_window; /* pictures in each part of an epoch that is read from few places of the
                              data set (order.h), each announced to it while the one before is
                              read; 0: the epoch, from everywhere */
    an_augmentation augmentation;
    size_t limit;      /* use only this many pictures, a random choice by the seed; 0: all */
    double max_broken; /* give up once more than this share of an epoch's pictures (and more than
                          ten) could not be read; 0: at the first one */
} an_loader_options;

/* A batch, owned by the loader; valid until it is given back. */
typedef struct an_batch {
    float *input; /* (N, views, 3, H, W), zeros where there is no picture; or NULL, and ... */
    an_picture *pictures; /* (N), an_picture_bytes apart, likewise */
    int32_t *labels;   /* (N), -1 where there is no picture: behind the last one, or a broken one */
    size_t *indices;   /* (N) in the data set, SIZE_MAX behind the last picture */
    int count;         /* positions of the epoch's order in this batch, <= N */
    int views;         /* of each picture */
    uint64_t position; /* of the first in the epoch's order */
} an_batch;

/* A picture that could not be read; called on the thread that takes the batch, in epoch order. */
typedef void (*an_broken_callback)(void *context, const char *message);

typedef struct an_loader an_loader;

/* Starts the workers. The data set must outlive the loader. Freed with an_loader_free. */
alexnet_status an_loader_create(const an_dataset *dataset, const an_preprocess *preprocess,
                                const an_loader_options *options, an_loader **out,
                                alexnet_error *error);

/* Stops the workers and frees everything; NULL is allowed. */
void an_loader_free(an_loader *loader);

void an_loader_on_broken(an_loader *loader, an_broken_callback callback, void *context);

/* Pictures in an epoch (the limit applied) and batches, the last one possibly not full. */
size_t an_loader_pictures(const an_loader *loader);
size_t an_loader_batches(const an_loader *loader);

/* Bytes that its batches take. */
size_t an_loader_memory(const an_loader *loader);

/* Begins an epoch at batch `first_batch` (0, or where a resumed run goes on). */
alexnet_status an_loader_start(an_loader *loader, uint32_t epoch, size_t first_batch,
                               alexnet_error *error);

/*
 * Waits for the next batch; *out is NULL behind the epoch's last. The batch before is given back.
 * FORMAT, naming the last broken picture, once too many could not be read.
 */
alexnet_status an_loader_next(an_loader *loader, const an_batch **out, alexnet_error *error);

/* The batch that an_loader_next will give next, where it is complete already; NULL otherwise, and
 * behind the last. */
const an_batch *an_loader_peek(an_loader *loader);

/* Calls `visit` with the memory of each batch's inputs, or pictures, that there is room for. */
void an_loader_each_input(const an_loader *loader,
                          void (*visit)(void *context, void *memory, size_t bytes), void *context);

/* Seconds that an_loader_next has waited since the epoch began. */
double an_loader_waited(const an_loader *loader);

/* Pictures that could not be read since the epoch began. */
size_t an_loader_broken(const an_loader *loader);

#endif
