/*
 * Calibration for int8: how large the inputs of a network's layers become on pictures.
 *
 * int8 says a layer's input x as round(x / s), between -127 and 127, with s = range / 127, where
 * range is the largest magnitude that was seen. (Cutting off the largest hundred-thousandth, or
 * more, agreed less with float32: docs/results.md.)
 */
#ifndef AN_EVAL_CALIBRATE_H
#define AN_EVAL_CALIBRATE_H

#include "backend/backend.h"
#include "data/loader.h"

/*
 * Runs a loader's epoch 0 through an observing plan in float32 and finds the range of every
 * convolution's and fully connected layer's input; range[l] of the other layers is 0. Pictures that
 * cannot be read do not count; *pictures: those that do. FORMAT where there is none, or a value is
 * no finite number. `progress` may be NULL; INTERRUPTED where it says false.
 */
alexnet_status an_calibrate(an_plan *plan, an_loader *loader, float range[AN_MAX_LAYERS],
                            size_t *pictures,
                            bool (*progress)(void *context, size_t done, size_t pictures),
                            void *context, alexnet_error *error);

#endif
