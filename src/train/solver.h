/* The solver: how each parameter is updated in a step. The rule itself is the backend's, an_step.
 */
#ifndef AN_TRAIN_SOLVER_H
#define AN_TRAIN_SOLVER_H

#include "train/trainer.h"

/*
 * Fills updates (parameter_count) for a step at learning rate `rate`: weights with it and
 * `weight_decay`, biases with bias_rate times the one and bias_decay times the other.
 */
void an_solver_updates(const an_train_settings *settings, const an_network *network, double rate,
                       an_update *updates);

#endif
