/* One step of learning: the updates that the solver asks for, mixing, the plan's step, and the
 * averaged weights. */
#ifndef AN_TRAIN_LEARN_H
#define AN_TRAIN_LEARN_H

#include "train/setup.h"

typedef struct an_learner {
    const an_train_settings *settings;
    an_setup *setup;
    an_update updates[AN_MAX_PARAMETERS]; /* of the last step */
    double learning_rate;                 /* ... of weights in it */
} an_learner;

/* Fills in updates and learning_rate for the step that follows `step` steps of the run. */
void an_learner_prepare(an_learner *learner, const an_plateau *plateau, uint64_t step);

/* Learns from a batch, whose pictures it may change; `state` is that before the step. */
alexnet_status an_learner_step(an_learner *learner, const an_train_state *state,
                               const an_batch *batch, an_step_result *result, alexnet_error *error);

#endif
