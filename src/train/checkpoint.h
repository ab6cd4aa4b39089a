/*
 * Checkpoints: a weights file that also holds the momentum, as tensors "momentum.NAME", the
 * averaged weights where there are some, as "train.average.NAME", and where the run stands, as
 * metadata "train.FIELD" (whole numbers, and hexadecimal floats, which are exact). A run goes on
 * from one as if it had never stopped.
 */
#ifndef AN_TRAIN_CHECKPOINT_H
#define AN_TRAIN_CHECKPOINT_H

#include "backend/backend.h"
#include "formats/weights.h"
#include "train/schedule.h"

/* Where a run stands: everything besides weights and momentum that what follows depends on. */
typedef struct an_train_state {
    uint64_t epoch; /* complete ones */
    uint64_t step;  /* complete ones of the epoch under way */

    uint64_t counted, correct; /* pictures of the epoch under way: learned from, recognised */
    uint64_t broken;           /* ... and skipped */
    double loss_sum;           /* ... and the sum of their losses */

    double smoothed_loss; /* exponential mean over the steps; NaN before the first */
    uint64_t flat_steps;  /* for so many steps it has been that of guessing */
    uint64_t hinted;      /* whether the user has been told so */
    an_plateau plateau;

    double train_loss;                   /* of the last complete epoch */
    uint64_t best_epoch;                 /* 1, 2, ...; 0: none is complete */
    double best_loss;                    /* of the best epoch, as validated where it was */
    double best_val_top1, best_val_top5; /* NaN where nothing was validated */
    uint64_t metrics_bytes;              /* length of metrics.jsonl */
    uint64_t events_bytes;               /* ... and of the event file */
} an_train_state;

/* Before the first step. */
an_train_state an_train_state_begin(void);

/* What a checkpoint is made of. */
typedef struct an_checkpoint {
    an_plan *plan; /* for training */
    const an_preprocess *preprocess;
    char *const *class_names; /* NULL: unknown */
    const an_train_state *state;
    const float *average; /* all averaged weights, one behind the other; NULL: there are none */
} an_checkpoint;

/*
 * Writes weights, momentum and average, tensor by tensor, and the state. DIVERGED, and the file of
 * that name as it was, where a value is not a number.
 */
alexnet_status an_checkpoint_write(const char *path, const an_checkpoint *checkpoint,
                                   alexnet_error *error);

/* Writes a weights file of the averaged weights alone. */
alexnet_status an_checkpoint_write_average(const char *path, const an_checkpoint *checkpoint,
                                           alexnet_error *error);

/* The state in a checkpoint that an_weights_open_network has opened. */
alexnet_status an_checkpoint_state(const an_weights_file *file, an_train_state *state,
                                   alexnet_error *error);

/* Loads weights and momentum into a training plan. */
alexnet_status an_checkpoint_load(const an_weights_file *file, an_plan *plan, alexnet_error *error);

/* Copies the averaged weights (parameter_floats) out. */
alexnet_status an_checkpoint_load_average(const an_weights_file *file, const an_network *network,
                                          float *average, alexnet_error *error);

#endif
