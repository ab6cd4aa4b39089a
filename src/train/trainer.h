/*
 * The trainer: epochs of steps, validation, checkpoints, and the run's record.
 *
 * A run is a folder (run.h): run.json (every setting, version, seed, machine), metrics.jsonl (one
 * object a logged step and an epoch) and the same for TensorBoard, last.safetensors (weights,
 * momentum, progress) and best.safetensors. Stopped anywhere and resumed, it ends with the bits of
 * the unbroken run.
 */
#ifndef AN_TRAIN_TRAINER_H
#define AN_TRAIN_TRAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "train/forecast.h"
#include "train/settings.h"

/* Where a run stands; passed to the observer after every step. */
typedef struct an_progress {
    uint32_t epoch, epochs;         /* epoch: 1, 2, ... */
    uint64_t step, steps_per_epoch; /* within the epoch; step: 1, 2, ... */
    double loss;                    /* of this step, with smoothed and mixed labels */
    double smoothed_loss;           /* exponential mean */
    double top1;                    /* of the epoch so far, 0 to 1 */
    double learning_rate;           /* of weights */
    double images_per_second;       /* without validation and checkpoints; 0 in the first step */
    double done;                    /* share of the whole run, by time, with both; 0 to 1 */
    double waiting;                 /* share of the time spent waiting for data */
    double remaining_seconds;       /* of the whole run, with validation and checkpoints */
} an_progress;

typedef struct an_epoch_result {
    uint32_t epoch; /* 1, 2, ... */
    double train_loss, train_top1;
    bool validated;
    double val_loss, val_top1, val_top5;
    double learning_rate; /* of its last step */
    double seconds, images_per_second, waiting;
    size_t broken;
    bool best;
} an_epoch_result;

/* A run that is about to begin, or to go on. */
typedef struct an_train_start {
    const an_train_settings *settings; /* with all defaults filled in; after resuming, the run's */
    const an_network *network;
    size_t pictures, validation_pictures;
    const char *last_layer; /* what becomes of that of `weights`; "" where there are none */
    an_forecast forecast;
} an_train_start;

/* What the caller hears of; every function may be NULL. `stop` is asked after every step and
 * every batch of a validation; a step that has been begun by then is finished, too. */
typedef struct an_train_observer {
    void *context;
    void (*started)(void *context, const an_train_start *start);
    void (*stepped)(void *context, const an_progress *progress);
    void (*validating)(void *context, size_t done, size_t pictures);
    void (*epoch)(void *context, const an_epoch_result *result);
    void (*warned)(void *context, const char *message); /* broken pictures, a loss that stays put */
    bool (*stop)(void *context);
} an_train_observer;

typedef struct an_train_result {
    uint32_t epochs;
    uint64_t steps;
    double train_loss;                 /* of the last epoch */
    double val_top1, val_top5;         /* of `checkpoint`; NaN where nothing was validated */
    double images_per_second, seconds; /* of this call */
    bool was_complete;                 /* before it */
    char checkpoint[1024];             /* path of the best weights */
} an_train_result;

/*
 * Trains into `folder`, which must not hold a run unless `resume`. Validation is of the averaged
 * weights where the settings ask for such, of the weights otherwise. The best epoch is that with
 * the highest validation top-1 (of equal ones the lowest loss), or where nothing is validated that
 * with the lowest training loss.
 *
 * When the observer asks to stop, a checkpoint is written and INTERRUPTED returned. DIVERGED, with
 * the step, on a loss or weights that are no numbers: the last good checkpoint stays. IO where a
 * file of the run cannot be written: what it held before stays, whole.
 *
 * `resume` reads the settings from the folder; of those passed only device, threads and workers
 * count, where they are not NULL or 0. A run that is complete returns its result at once. IO where
 * its checkpoint is gone.
 */
alexnet_status an_train(const an_train_settings *settings, const char *folder, bool resume,
                        const an_train_observer *observer, an_train_result *result,
                        alexnet_error *error);

/* The same for an architecture that is not among an_archs(), as tests and experiments have. Its
 * runs cannot start from `weights`. */
alexnet_status an_train_arch(const an_arch *arch, const an_train_settings *settings,
                             const char *folder, bool resume, const an_train_observer *observer,
                             an_train_result *result, alexnet_error *error);

#endif
