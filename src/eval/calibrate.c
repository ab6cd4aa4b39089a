#include "eval/calibrate.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/memory.h"

typedef struct observer {
    an_plan *plan;
    float *range;  /* of each layer; infinite where a value is no finite number */
    float *values; /* (batch, C, H, W) of the largest input */
    float *logits;
    size_t pictures;
} observer;

static float largest(const float *values, size_t count, float most) {
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        const float magnitude = fabsf(values[i]);
        most = magnitude > most ? magnitude : most;
        finite &= magnitude <= FLT_MAX;
    }
    return finite ? most : INFINITY;
}

/* The input of a layer is the output of the one before, or the picture. */
static alexnet_status observe_layer(const observer *on, int layer, const an_batch *batch,
                                    alexnet_error *error) {
    const size_t each = an_shape_count(on->plan->network.layers[layer].in);
    const float *values = batch->input;
    if (layer > 0) {
        AN_TRY(an_plan_read(on->plan, AN_ACTIVATION, layer - 1, on->values, error));
        values = on->values;
    }
    for (int i = 0; i < batch->count; i++)
        if (batch->labels[i] >= 0)
            on->range[layer] = largest(values + (size_t)i * each, each, on->range[layer]);
    if (on->range[layer] <= FLT_MAX)
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_FORMAT,
                   "the input of %s holds values that are no finite numbers; are these weights "
                   "sound?",
                   on->plan->network.layers[layer].spec.name);
}

static alexnet_status observe_batch(observer *on, const an_batch *batch, alexnet_error *error) {
    const an_network *network = &on->plan->network;
    AN_TRY(an_plan_forward(on->plan, batch->input, batch->count, on->logits, error));
    for (int i = 0; i < batch->count; i++)
        on->pictures += batch->labels[i] >= 0;
    for (int l = 0; l < network->layer_count; l++)
        if (network->layers[l].weight >= 0)
            AN_TRY(observe_layer(on, l, batch, error));
    return ALEXNET_OK;
}

static alexnet_status take_memory(observer *on, alexnet_error *error) {
    const an_network *network = &on->plan->network;
    const size_t batch = (size_t)on->plan->options.batch;
    size_t most = 0;
    for (int l = 0; l < network->layer_count; l++) {
        const size_t count = an_shape_count(network->layers[l].in);
        most = count > most ? count : most;
    }
    AN_TRY(an_alloc((void **)&on->values, batch * most, sizeof(float), "activations", error));
    return an_alloc((void **)&on->logits, batch * (size_t)network->classes, sizeof(float), "logits",
                    error);
}

alexnet_status an_calibrate(an_plan *plan, an_loader *loader, float range[AN_MAX_LAYERS],
                            size_t *pictures,
                            bool (*progress)(void *context, size_t done, size_t pictures),
                            void *context, alexnet_error *error) {
    const size_t all = an_loader_pictures(loader);
    observer on = {.plan = plan, .range = range};
    alexnet_status status;
    memset(range, 0, AN_MAX_LAYERS * sizeof *range);
    AN_TRY_CLEANUP(take_memory(&on, error));
    AN_TRY_CLEANUP(an_loader_start(loader, 0, 0, error));
    for (const an_batch *batch;;) {
        AN_TRY_CLEANUP(an_loader_next(loader, &batch, error));
        if (!batch)
            break;
        AN_TRY_CLEANUP(observe_batch(&on, batch, error));
        const size_t done = (size_t)batch->position + (size_t)batch->count;
        if (progress && !progress(context, done, all)) {
            status = an_fail(error, ALEXNET_INTERRUPTED,
                             "the calibration was stopped after %zu of %zu pictures", done, all);
            goto cleanup;
        }
    }
    if (on.pictures == 0)
        status = an_fail(error, ALEXNET_FORMAT,
                         "not one of the %zu pictures could be read, so there is nothing to "
                         "calibrate with",
                         all);
    *pictures = on.pictures;
cleanup:
    an_free(on.values);
    an_free(on.logits);
    return status;
}
