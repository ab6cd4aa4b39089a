/* What a run computes with: data sets, network, plan and loaders, made from its settings. */
#ifndef AN_TRAIN_SETUP_H
#define AN_TRAIN_SETUP_H

#include "data/loader.h"
#include "train/average.h"
#include "train/checkpoint.h"
#include "train/phases.h"
#include "train/settings.h"

/* Steps of an "epoch" when overfitting one batch: enough to see the loss fall to nothing. */
enum { AN_OVERFIT_STEPS = 100 };

typedef struct an_setup {
    an_dataset *data, *held_out; /* held_out: NULL where nothing is validated */
    const an_backend *backend;
    an_preprocess preprocess;
    float *mean_image;            /* that it points at; NULL: none */
    an_augmentation augmentation; /* at the beginning of the run */
    an_phases phases;
    an_plan *plan;
    an_average average;     /* of the weights; all zero where none is kept */
    float *scratch;         /* as large as the largest parameter; NULL where none is needed */
    int32_t *second_labels; /* (N) of mixed pictures; NULL where none are mixed */
    an_loader *loader, *validation; /* validation: NULL where nothing is validated */
    double noise;                   /* that the loader adds now */
    uint64_t steps_per_epoch;
    char last_layer[1024]; /* a sentence: what becomes of that of the weights that are begun with;
                              empty: there are none */
    size_t available;      /* bytes of memory that there were before; 0: unknown */
} an_setup;

/* Opens the data sets into an all-zero setup. */
alexnet_status an_setup_data(const an_train_settings *settings, an_setup *out,
                             alexnet_error *error);

/*
 * Then makes the plan and loads it (from the checkpoint `last` where that is not NULL, together
 * with `state`; otherwise with the weights to begin with), and starts the loaders. The settings
 * that follow from what is found (arch, classes, input_size, device, threads, workers) are filled
 * in. arch: NULL for the one that the settings name.
 */
alexnet_status an_setup_make(an_train_settings *settings, const an_arch *arch, const char *last,
                             an_setup *out, an_train_state *state, alexnet_error *error);

/* Brings the loader to what the phases ask for in an epoch (0, 1, ...); *renewed: it is another
 * one now. */
alexnet_status an_setup_epoch(const an_train_settings *settings, uint64_t epoch, an_setup *setup,
                              bool *renewed, alexnet_error *error);

/* The plan that validates: with the averaged weights, as they are now, where some are kept. */
alexnet_status an_setup_validating(an_setup *setup, an_plan **out, alexnet_error *error);

/* Releases a setup, also one that a failure left half made. */
void an_setup_free(an_setup *setup);

#endif
