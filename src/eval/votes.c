#include "eval/votes.h"

#include <float.h>
#include <math.h>

#include "core/clock.h"
#include "core/memory.h"

alexnet_status an_votes_begin(an_votes *votes, size_t pictures, int classes, alexnet_error *error) {
    *votes = (an_votes){.pictures = pictures, .classes = classes};
    AN_TRY(an_alloc((void **)&votes->sums, pictures, (size_t)classes * sizeof *votes->sums,
                    "the answers for all pictures", error));
    AN_TRY(an_alloc((void **)&votes->labels, pictures, sizeof *votes->labels, "labels", error));
    return an_alloc((void **)&votes->indices, pictures, sizeof *votes->indices, "indices", error);
}

void an_votes_free(an_votes *votes) {
    an_free(votes->sums);
    an_free(votes->labels);
    an_free(votes->indices);
    *votes = (an_votes){0};
}

/* Adds the probabilities of the inputs from `first` on of a batch, as many as the plan takes at a
 * time. logits (N, classes) become probabilities in place. */
static alexnet_status add_inputs(an_votes *votes, an_plan *plan, const an_batch *batch, int first,
                                 int count, float *logits, alexnet_error *error) {
    const size_t classes = (size_t)votes->classes;
    const size_t floats = 3 * (size_t)plan->network.input.h * (size_t)plan->network.input.w;
    AN_TRY(an_plan_forward(plan, batch->input + (size_t)first * floats, count, logits, error));
    for (int i = 0; i < count; i++) {
        const size_t picture = (size_t)batch->position + (size_t)((first + i) / batch->views);
        float *own = logits + (size_t)i * classes, *sums = votes->sums + picture * classes;
        an_softmax(own, votes->classes, own);
        for (size_t c = 0; c < classes; c++)
            sums[c] += own[c];
    }
    return ALEXNET_OK;
}

static alexnet_status add_batch(an_votes *votes, an_plan *plan, const an_batch *batch,
                                float *logits, alexnet_error *error) {
    for (int i = 0; i < batch->count; i++) {
        votes->indices[batch->position + (size_t)i] = batch->indices[i];
        if (batch->labels[i] >= votes->classes)
            return an_fail(error, ALEXNET_MISMATCH,
                           "the data set has a class %d, but the network tells only %d classes "
                           "apart; these weights are for another data set",
                           (int)batch->labels[i], votes->classes);
        votes->labels[batch->position + (size_t)i] = batch->labels[i];
    }
    const int inputs = batch->count * batch->views, at_once = plan->options.batch;
    for (int first = 0; first < inputs; first += at_once) {
        const int left = inputs - first;
        AN_TRY(
            add_inputs(votes, plan, batch, first, left < at_once ? left : at_once, logits, error));
    }
    return ALEXNET_OK;
}

alexnet_status an_votes_add(an_votes *votes, an_plan *plan, an_loader *loader,
                            bool (*progress)(void *context, size_t done, size_t pictures),
                            void *context, alexnet_error *error) {
    const double begin = an_seconds();
    float *logits;
    int views = 1;
    if (plan->network.classes != votes->classes || an_loader_pictures(loader) != votes->pictures)
        return an_fail(error, ALEXNET_MISMATCH,
                       "networks with %d and %d classes, or %zu and %zu pictures, cannot vote "
                       "together",
                       votes->classes, plan->network.classes, votes->pictures,
                       an_loader_pictures(loader));
    AN_TRY(an_alloc((void **)&logits, (size_t)plan->options.batch * (size_t)votes->classes,
                    sizeof *logits, "logits", error));
    alexnet_status status;
    AN_TRY_CLEANUP(an_loader_start(loader, 0, 0, error));
    for (const an_batch *batch;;) {
        AN_TRY_CLEANUP(an_loader_next(loader, &batch, error));
        if (!batch)
            break;
        AN_TRY_CLEANUP(add_batch(votes, plan, batch, logits, error));
        views = batch->views;
        const size_t done = (size_t)batch->position + (size_t)batch->count;
        if (progress && !progress(context, done, votes->pictures)) {
            status = an_fail(error, ALEXNET_INTERRUPTED,
                             "the evaluation was stopped after %zu of %zu pictures", done,
                             votes->pictures);
            goto cleanup;
        }
    }
    votes->views += views;
    votes->broken = an_loader_broken(loader);
    votes->seconds += an_seconds() - begin;
cleanup:
    an_free(logits);
    return status;
}

alexnet_status an_votes_count(const an_votes *votes, an_evaluation *out, alexnet_error *error) {
    *out = (an_evaluation){.broken = votes->broken, .seconds = votes->seconds};
    for (size_t picture = 0; picture < votes->pictures; picture++) {
        const float *sums = votes->sums + picture * (size_t)votes->classes;
        const int label = votes->labels[picture];
        int top[5];
        if (label < 0)
            continue;
        an_top_k(sums, votes->classes, 5, top);
        out->images++;
        out->top1 += top[0] == label;
        for (int i = 0; i < 5; i++)
            out->top5 += top[i] == label;
        /* A float32 probability may have become 0, where the loss would be infinite. */
        out->loss -= log(fmax((double)sums[label], (double)FLT_MIN) / votes->views);
    }
    if (out->images == 0)
        return an_fail(error, ALEXNET_FORMAT,
                       "not one of the %zu pictures could be read, so there is nothing to evaluate",
                       votes->pictures);
    out->top1 /= (double)out->images;
    out->top5 /= (double)out->images;
    out->loss /= (double)out->images;
    return ALEXNET_OK;
}
