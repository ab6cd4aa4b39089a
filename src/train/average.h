/*
 * Averaged weights (Polyak and Juditsky 1992, as an exponential mean): after step t = 1, 2, ... of
 * the run
 *
 *     a <- a + (1 - min(decay, (1 + t) / (10 + t))) (w - a)
 *
 * from a = w at the beginning. The lower decay of the first steps lets go of the random weights.
 * Validation uses them, and best.safetensors holds them; they live beside a plan that evaluates
 * them.
 */
#ifndef AN_TRAIN_AVERAGE_H
#define AN_TRAIN_AVERAGE_H

#include "backend/backend.h"

typedef struct an_average {
    double decay;   /* 0: nothing is averaged */
    float *values;  /* all parameters, one behind the other; NULL where nothing is averaged */
    an_plan *plan;  /* computes with them, after an_average_load */
    float *scratch; /* not owned: as large as the largest parameter */
} an_average;

/* Takes the memory, of a training plan's size, and begins with the weights that it has. */
alexnet_status an_average_begin(an_average *average, an_plan *plan, double decay, float *scratch,
                                alexnet_error *error);

/* Takes the weights after step `step` of the run (1, 2, ...) in. */
alexnet_status an_average_add(an_average *average, an_plan *plan, uint64_t step,
                              alexnet_error *error);

/* Has average->plan compute with the values as they are now. */
alexnet_status an_average_load(an_average *average, alexnet_error *error);

/* Frees it; an all-zero one is allowed. */
void an_average_free(an_average *average);

#endif
