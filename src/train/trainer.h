/*
 * The trainer: epochs of steps, validation, checkpoints, and the run's record.
 *
 * A run is a folder: run.json (every setting, version, seed, machine), metrics.jsonl (one object a
 * logged step and an epoch), last.safetensors and best.safetensors (weights, momentum, progress).
 * Stopped anywhere and resumed, it ends with the bits of the unbroken run.
 */
#ifndef AN_TRAIN_TRAINER_H
#define AN_TRAIN_TRAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/backend.h"
#include "train/schedule.h"

/* Steps of an "epoch" when overfitting one batch: enough to see the loss fall to nothing. */
enum { AN_OVERFIT_STEPS = 100 };

/* Everything that decides what a run computes; recorded in run.json. Strings are not owned. */
typedef struct an_train_settings {
    const char *arch; /* NULL: that of `weights`, or `alexnet` */
    int classes;      /* 0: the data set's; anything else must be the same */
    int input_size;   /* 0: that of `weights`, or the architecture's */
    const char *data;
    const char *validation;         /* NULL: the data set's held-out part where it has one */
    size_t limit, validation_limit; /* pictures; 0: all */
    const char *weights;            /* fine-tune from these; NULL: from the beginning */
    const char *device;             /* NULL: "auto" */
    an_precision precision;
    int threads; /* 0: the cores this process may use */
    int workers; /* loader threads; 0: the same */
    uint64_t seed;
    int epochs;
    int batch;
    an_schedule schedule; /* its `epochs` is set by the trainer */
    double momentum;
    double weight_decay;
    double bias_rate;  /* learning rate of biases, as a multiple */
    double bias_decay; /* weight decay of biases, as a multiple */
    bool augment;
    bool overfit_batch;        /* all steps on the first batch, without augmentation, dropout and
                                  validation; an epoch is AN_OVERFIT_STEPS steps */
    double max_broken;         /* share of broken pictures that ends the run */
    uint64_t checkpoint_steps; /* also in the middle of an epoch; 0: only at its end */
    uint64_t log_steps;
} an_train_settings;

/* The defaults: the paper's (batch 128, momentum 0.9, decay 0.0005, rate 0.01) where not stated. */
an_train_settings an_train_defaults(void);

/* Where a run stands; passed to the observer after every step. */
typedef struct an_progress {
    uint32_t epoch, epochs;         /* epoch: 1, 2, ... */
    uint64_t step, steps_per_epoch; /* within the epoch; step: 1, 2, ... */
    double loss;                    /* of this step */
    double smoothed_loss;           /* exponential mean */
    double top1;                    /* of the epoch so far, 0 to 1 */
    double learning_rate;
    double images_per_second; /* without validation and checkpoints; 0 in the first step */
    double waiting;           /* share of the time spent waiting for data */
    double remaining_seconds; /* of the whole run, with validation and checkpoints */
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

/* What the caller hears of; every function may be NULL. `stop` is asked after every step and
 * every batch of a validation. */
typedef struct an_train_observer {
    void *context;
    /* `settings` with all defaults filled in; after resuming, those of the run. */
    void (*started)(void *context, const an_train_settings *settings, const an_network *network,
                    const an_plan_memory *memory, size_t pictures, size_t validation_pictures);
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
    char checkpoint[1024];             /* path of the best weights */
} an_train_result;

/*
 * Trains into `folder`, which must not hold a run unless `resume`. The best epoch is that with the
 * highest validation top-1 (of equal ones the lowest loss), or where nothing is validated that with
 * the lowest training loss.
 *
 * When the observer asks to stop, a checkpoint is written and INTERRUPTED returned. DIVERGED, with
 * the step, on a loss or weights that are no numbers: the last good checkpoint stays. IO where a
 * file of the run cannot be written: what it held before stays, whole.
 *
 * `resume` reads the settings from the folder; of those passed only device, threads and workers
 * count, where they are not NULL or 0. A run that is complete returns its result at once.
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
