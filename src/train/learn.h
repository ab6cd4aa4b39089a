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

/* Begins to learn from a batch, whose pictures it may change, `under_way` steps behind `state`. The
 * plan has the result: an_plan_finish. */
alexnet_status an_learner_begin(an_learner *learner, const an_train_state *state,
                                uint64_t under_way, const an_batch *batch, alexnet_error *error);

#endif
