#include "eval/evaluate.h"

#include "core/clock.h"
#include "core/memory.h"

/* What is added up over the pictures. */
typedef struct tally {
    size_t images, first, among5;
    double loss;
} tally;

static void count_image(tally *sums, const float *logits, int classes, int label) {
    int top[5];
    an_top_k(logits, classes, 5, top);
    sums->images++;
    sums->first += top[0] == label;
    for (int i = 0; i < 5; i++)
        sums->among5 += top[i] == label;
    sums->loss += an_cross_entropy(logits, classes, label);
}

static alexnet_status evaluate_batch(an_plan *plan, const an_batch *batch, float *logits,
                                     tally *sums, alexnet_error *error) {
    const int classes = plan->network.classes;
    AN_TRY(an_plan_forward(plan, batch->input, batch->count, logits, error));
    for (int i = 0; i < batch->count; i++) {
        const int32_t label = batch->labels[i];
        if (label >= classes)
            return an_fail(error, ALEXNET_MISMATCH,
                           "the data set has a class %d, but the network tells only %d classes "
                           "apart; these weights are for another data set",
                           (int)label, classes);
        if (label >= 0)
            count_image(sums, logits + (size_t)i * (size_t)classes, classes, label);
    }
    return ALEXNET_OK;
}

alexnet_status an_evaluate(an_plan *plan, an_loader *loader, an_evaluation *out,
                           bool (*progress)(void *context, size_t done, size_t pictures),
                           void *context, alexnet_error *error) {
    *out = (an_evaluation){0};
    const double begin = an_seconds();
    const size_t pictures = an_loader_pictures(loader);
    tally sums = {0};
    void *logits;
    AN_TRY(an_alloc(&logits, (size_t)plan->options.batch * (size_t)plan->network.classes,
                    sizeof(float), "logits", error));
    alexnet_status status = ALEXNET_OK;
    AN_TRY_CLEANUP(an_loader_start(loader, 0, 0, error));
    for (const an_batch *batch;;) {
        AN_TRY_CLEANUP(an_loader_next(loader, &batch, error));
        if (!batch)
            break;
        AN_TRY_CLEANUP(evaluate_batch(plan, batch, logits, &sums, error));
        const size_t done = (size_t)batch->position + (size_t)batch->count;
        if (progress && !progress(context, done, pictures)) {
            status =
                an_fail(error, ALEXNET_INTERRUPTED,
                        "the evaluation was stopped after %zu of %zu pictures", done, pictures);
            goto cleanup;
        }
    }
    if (sums.images == 0) {
        status = an_fail(error, ALEXNET_FORMAT,
                         "not one of the %zu pictures could be read, so there is nothing to "
                         "evaluate",
                         pictures);
        goto cleanup;
    }
    *out = (an_evaluation){.images = sums.images,
                           .broken = an_loader_broken(loader),
                           .top1 = (double)sums.first / (double)sums.images,
                           .top5 = (double)sums.among5 / (double)sums.images,
                           .loss = sums.loss / (double)sums.images,
                           .seconds = an_seconds() - begin};

cleanup:
    an_free(logits);
    return status;
}
