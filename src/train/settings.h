/* The settings of a training run: everything that decides what it computes. */
#ifndef AN_TRAIN_SETTINGS_H
#define AN_TRAIN_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/backend.h"
#include "data/augment.h"
#include "train/schedule.h"

/* How the weights begin. */
typedef enum an_beginning {
    AN_BEGIN_ARCH, /* as the architecture's table says */
    AN_BEGIN_PAPER /* as §5 of the paper says, whatever the architecture */
} an_beginning;

/* Whether the dropout layers drop anything. */
typedef enum an_dropout_use {
    AN_DROPOUT_ARCH, /* as the architecture's table says */
    AN_DROPOUT_NONE  /* they act as in testing */
} an_dropout_use;

/* What is subtracted from the pictures' channels. */
typedef enum an_mean {
    AN_MEAN_ARCH, /* the means of the architecture's preprocessing, or of the weights begun with */
    AN_MEAN_DATA, /* those of the data set that is learned from */
    AN_MEAN_IMAGE /* the centre of that data set's mean picture, pixel by pixel, as net #145; where
                     it has none, its channel means, which files of weights hold in any case */
} an_mean;

/* Along which axes colour noise shifts pictures. */
typedef enum an_noise_axes {
    AN_AXES_PUBLISHED, /* those of ImageNet's colours that the authors published */
    AN_AXES_DATA       /* those of the data set that is learned from */
} an_noise_axes;

typedef enum an_shuffle {
    AN_SHUFFLE_EACH, /* a new order in each epoch */
    AN_SHUFFLE_ONCE  /* every epoch in one order, as net #145 */
} an_shuffle;

/* Recorded in run.json. Strings are not owned. */
typedef struct an_train_settings {
    const char *recipe; /* what they were taken from, for the record; NULL: unknown */
    const char *arch;   /* NULL: that of `weights`, or `alexnet` */
    int classes;        /* 0: the data set's; anything else must be the same */
    int input_size;     /* 0: that of `weights`, or the architecture's */
    const char *data;
    const char *validation;         /* NULL: the data set's held-out part where it has one */
    size_t limit, validation_limit; /* pictures; 0: all */
    const char *weights;            /* fine-tune from these; NULL: from the beginning */
    an_beginning init;              /* from the beginning */
    const char *device;             /* NULL: "auto" */
    an_precision precision;
    int threads;        /* 0: the cores this process may use */
    int workers;        /* loader threads; 0: the same */
    bool deterministic; /* as in an_plan_options */
    uint64_t seed;
    int epochs;
    int batch;

    an_schedule schedule; /* its `epochs` is set by the trainer */
    const char *phases;   /* what changes on the way, phases.h; NULL: nothing */
    const char *freeze;   /* "conv1,conv2": layers that do not learn; NULL: none */
    double momentum;
    double weight_decay;
    double bias_rate;  /* learning rate of biases, as a multiple */
    double bias_decay; /* weight decay of biases, as a multiple */
    double lars;       /* trust coefficient, lars.h; 0: not used */
    double ema;        /* decay of the averaged weights, average.h; 0: none are kept */

    an_dropout_use dropout;
    bool augment;                 /* false: nothing below, up to mixup, is done */
    an_augmentation augmentation; /* its axes are set by the trainer */
    an_noise_axes noise_axes;
    double mixup; /* alpha, mix.h; 0: pictures are not mixed */
    double label_smoothing;
    an_mean mean;
    an_shuffle shuffle;
    size_t shuffle_window; /* data on storage where jumping is dear: order.h; 0: shuffled freely */

    bool overfit_batch;        /* all steps on the first batch, without augmentation, dropout and
                                  validation; an epoch is AN_OVERFIT_STEPS steps */
    double max_broken;         /* share of broken pictures that ends the run */
    uint64_t checkpoint_steps; /* also in the middle of an epoch; 0: only at its end */
    uint64_t log_steps;
    bool layer_stats; /* log how large each parameter and its updates are */
} an_train_settings;

/* Those of the recipe `default`. */
an_train_settings an_train_defaults(void);

/* INVALID, with the setting, where one cannot work. */
alexnet_status an_settings_check(const an_train_settings *settings, alexnet_error *error);

#endif
