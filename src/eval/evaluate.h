/* Evaluation of a network on a data set. */
#ifndef AN_EVAL_EVALUATE_H
#define AN_EVAL_EVALUATE_H

#include "backend/backend.h"
#include "data/loader.h"
#include "eval/logits.h"

typedef struct an_evaluation {
    size_t images, broken;
    double top1, top5, loss; /* fractions of the images; mean cross-entropy */
    double seconds;
} an_evaluation;

/* Runs a loader's epoch 0 through a plan. `progress` may be NULL; INTERRUPTED where it says false.
 */
alexnet_status an_evaluate(an_plan *plan, an_loader *loader, an_evaluation *out,
                           bool (*progress)(void *context, size_t done, size_t pictures),
                           void *context, alexnet_error *error);

#endif
