/* Where the time of a run goes, and how long it will still take. */
#ifndef AN_TRAIN_PACE_H
#define AN_TRAIN_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Without the first step, which warms caches up and waits for the loader. */
typedef struct an_pace_sums {
    double seconds; /* of steps, with the waiting */
    double waited;  /* for data */
    uint64_t images, steps;
} an_pace_sums;

typedef struct an_pace {
    bool warm;                                     /* the first step is done */
    an_pace_sums all, epoch;                       /* of this call, of this epoch */
    double validation_seconds, checkpoint_seconds; /* how long the last one took; 0: none was */
} an_pace;

/* What is still to be done. */
typedef struct an_pace_rest {
    double steps, epochs, checkpoints;
    size_t validation_pictures; /* after each epoch */
} an_pace_rest;

void an_pace_add(an_pace *pace, double seconds, double waited, int images);

double an_pace_rate(const an_pace_sums *sums);    /* images a second; 0 before the second step */
double an_pace_waiting(const an_pace_sums *sums); /* share of the time */

/* Seconds for the rest, from what steps, validations and checkpoints took so far. A validation that
 * has not been is taken to cost a third of training as many pictures. */
double an_pace_remaining(const an_pace *pace, const an_pace_rest *rest);

#endif
