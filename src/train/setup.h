/* What a run computes with: data sets, network, plan and loaders, made from its settings. */
#ifndef AN_TRAIN_SETUP_H
#define AN_TRAIN_SETUP_H

#include "data/loader.h"
#include "train/checkpoint.h"
#include "train/run.h"
#include "train/trainer.h"

typedef struct an_setup {
    an_dataset *data, *held_out; /* held_out: NULL where nothing is validated */
    const an_backend *backend;
    an_preprocess preprocess;
    an_plan *plan;
    an_loader *loader, *validation; /* validation: NULL where nothing is validated */
    uint64_t steps_per_epoch;
} an_setup;

/* INVALID, with the setting, where one cannot work. */
alexnet_status an_setup_check(const an_train_settings *settings, alexnet_error *error);

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

/* Releases a setup, also one that a failure left half made. */
void an_setup_free(an_setup *setup);

#endif
