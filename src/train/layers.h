/*
 * How large parameters are, and how far a step moves them: for each the mean magnitude of its
 * values and of the last update, and the ratio of both. (cuda-convnet prints the same; a ratio near
 * 0.001 is the old rule of thumb for a good learning rate.)
 */
#ifndef AN_TRAIN_LAYERS_H
#define AN_TRAIN_LAYERS_H

#include <jansson.h>

#include "backend/backend.h"

/* *out: {"conv1.weight": {"size", "update", "ratio"}, ...} after a step with these updates.
 * `scratch` is as large as the largest parameter. */
alexnet_status an_layers_measure(an_plan *plan, const an_update *updates, float *scratch,
                                 json_t **out, alexnet_error *error);

#endif
