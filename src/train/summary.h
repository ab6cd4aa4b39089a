/* What came of a run, read from its folder. */
#ifndef AN_TRAIN_SUMMARY_H
#define AN_TRAIN_SUMMARY_H

#include <stdint.h>

#include "core/status.h"

typedef struct an_run_summary {
    char recipe[40], arch[40]; /* without control characters */
    uint32_t epochs, planned;  /* complete ones, and how many the settings ask for */
    double train_loss;         /* of the last epoch; NaN before one is complete, as all below */
    uint32_t best_epoch;       /* 1, 2, ...; 0: none is complete */
    double val_top1, val_top5; /* of the best epoch; NaN where nothing was validated */
    double images_per_second;  /* mean over the time */
    double seconds;            /* of the complete epochs, with validation */
} an_run_summary;

/* Of a run that has ended or goes on still. IO, FORMAT where it is no run. */
alexnet_status an_run_summarise(const char *folder, an_run_summary *out, alexnet_error *error);

#endif
