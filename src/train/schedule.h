/* Learning rate schedules. */
#ifndef AN_TRAIN_SCHEDULE_H
#define AN_TRAIN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum an_schedule_kind {
    AN_SCHEDULE_CONSTANT,
    AN_SCHEDULE_STEP,   /* times `factor` every `every` epochs */
    AN_SCHEDULE_COSINE, /* half a cosine from the base rate to zero */
    AN_SCHEDULE_PLATEAU /* times `factor` when validation has stopped improving, §5 of the paper */
} an_schedule_kind;

typedef struct an_schedule {
    an_schedule_kind kind;
    double base;   /* learning rate */
    double factor; /* step, plateau: 0.1 */
    double every;  /* step: epochs, which may be a fraction */
    int patience;  /* plateau: epochs without a better validation loss */
    int max_drops; /* plateau: how often the rate drops; where it would once more, the run ends;
                      0: as often as may be */
    double warmup; /* epochs over which the rate rises linearly from zero */
    double epochs; /* of the whole run */
} an_schedule;

/* What a plateau schedule remembers; part of a checkpoint. */
typedef struct an_plateau {
    double best; /* validation loss; infinity at the beginning */
    int bad;     /* epochs since */
    int drops;   /* times the rate was lowered; max_drops + 1: it would have been once more */
} an_plateau;

/*
 * The learning rate of step `step` (0, 1, ...) with `steps_per_epoch` steps in an epoch. `plateau`
 * may be NULL for the other kinds.
 *
 * With t = step / steps_per_epoch, w the warm-up and T the whole run, in epochs:
 *     step      base * factor^floor(t / every)
 *     cosine    base * (1 + cos(pi (t - w) / (T - w))) / 2
 *     plateau   base * factor^min(drops, max_drops)
 * During the warm-up, base * (step + 1) / (w * steps_per_epoch): the first step moves, too.
 */
double an_schedule_rate(const an_schedule *schedule, const an_plateau *plateau, uint64_t step,
                        uint64_t steps_per_epoch);

/* Tells a plateau schedule an epoch's validation loss (its training loss where nothing is
 * validated). After `patience` epochs in a row that were not better the rate drops. */
void an_plateau_update(const an_schedule *schedule, an_plateau *plateau, double loss);

/* Whether a plateau schedule has lowered the rate for the last time, and validation stands still
 * again: "three times prior to termination" (§5). */
bool an_plateau_ended(const an_schedule *schedule, const an_plateau *plateau);

#endif
