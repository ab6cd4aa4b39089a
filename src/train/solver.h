/* The solver: how each parameter is updated in a step. The rule itself is the backend's, an_step.
 */
#ifndef AN_TRAIN_SOLVER_H
#define AN_TRAIN_SOLVER_H

#include "train/phases.h"

/*
 * Fills updates (parameter_count) for a step at the schedule's rate and a time in epochs: weights
 * with that rate and `weight_decay`, biases with bias_rate times the one and bias_decay times the
 * other, all with the factors of the phases.
 */
void an_solver_updates(const an_train_settings *settings, const an_phases *phases,
                       const an_network *network, double rate, double epoch, an_update *updates);

/* The rate that weights have at the schedule's rate and a time: what is shown and logged. */
double an_solver_rate(const an_phases *phases, double rate, double epoch);

/*
 * LARS, for large batches: You, Gitman, Ginsburg 2017, "Large Batch Training of Convolutional
 * Networks". The rate of a weight tensor w with gradient g and weight decay d is multiplied by
 *
 *     trust |w| / (|g| + d |w|)                    1 where w or what it is divided by is 0
 *
 * (Euclidean lengths), so that every layer moves by the same share of its own size. Biases keep the
 * rate. An an_step's gradient_ready, with an an_lars as the context.
 */
typedef struct an_lars {
    an_plan *plan;
    an_update *updates; /* of the step under way; changed before they are read */
    double trust;
    float *scratch; /* as large as the largest parameter */
    alexnet_status status;
    alexnet_error *error; /* of the first parameter that could not be read */
} an_lars;

void an_lars_scale(void *context, int parameter, float *gradient, size_t count);

/* The factor itself. */
double an_lars_ratio(double trust, double weight_length, double gradient_length, double decay);

#endif
