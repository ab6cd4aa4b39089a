/* What alexnet train can be told: its settings, and a row for each. */
#ifndef AN_CLI_TRAIN_OPTIONS_H
#define AN_CLI_TRAIN_OPTIONS_H

#include "cli/options.h"
#include "train/settings.h"

typedef struct an_train_chosen {
    an_common common;
    an_train_settings run; /* arch, weights, device, precision, threads, seed, batch: from common */
    const char *out;
    const char *resume;
    const char *recipe;
    bool print;
} an_train_chosen;

extern const an_option an_train_options[];

#endif
