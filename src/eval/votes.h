/*
 * Evaluation by vote: the probabilities that several passes over the same pictures give are
 * averaged, as the paper does with ten views of each picture (§4.1) and with several networks (§6).
 * A pass is a network and a loader, which need nothing in common but the pictures and classes; the
 * loader may give several views of each picture.
 */
#ifndef AN_EVAL_VOTES_H
#define AN_EVAL_VOTES_H

#include "eval/evaluate.h"

typedef struct an_votes {
    size_t pictures;
    int classes;
    int views;       /* of each picture, over all passes */
    float *sums;     /* (pictures, classes), in the order of the loader's epoch 0 */
    int32_t *labels; /* (pictures), -1 where a picture was broken */
    size_t *indices; /* (pictures) in the data set */
    size_t broken;
    double seconds; /* of all passes */
} an_votes;

/* Freed with an_votes_free, after a failure too. */
alexnet_status an_votes_begin(an_votes *votes, size_t pictures, int classes, alexnet_error *error);

void an_votes_free(an_votes *votes);

/*
 * Adds a pass: a loader's epoch 0 through a plan. MISMATCH where its pictures or classes are not
 * as many. `progress` may be NULL; INTERRUPTED where it says false.
 */
alexnet_status an_votes_add(an_votes *votes, an_plan *plan, an_loader *loader,
                            bool (*progress)(void *context, size_t done, size_t pictures),
                            void *context, alexnet_error *error);

/* What the votes so far come to; `seconds` are those of all passes. FORMAT where no picture could
 * be read. */
alexnet_status an_votes_count(const an_votes *votes, an_evaluation *out, alexnet_error *error);

#endif
