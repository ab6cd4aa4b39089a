/* What a run will need, before it begins. */
#ifndef AN_TRAIN_FORECAST_H
#define AN_TRAIN_FORECAST_H

#include "train/setup.h"

/* Bytes. */
typedef struct an_forecast {
    an_plan_memory plan;
    size_t average;       /* of averaged weights, with the plan that computes with them */
    size_t loader;        /* of its batches */
    size_t total;         /* of all that */
    size_t available;     /* what the machine had before the run took any; 0: unknown */
    size_t checkpoints;   /* on the disk: last and best, and the one being written */
    size_t largest_batch; /* the largest with which it fits into what is available; 0: unknown */
} an_forecast;

/* Of a setup that has been made. What grows with the batch is taken to be proportional to it. */
void an_forecast_of(const an_train_settings *settings, const an_setup *setup, an_forecast *out);

#endif
