#include "eval/calibrate.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"

/* The share of a layer's inputs that its range holds. */
static const double covered = 0.9999;

/*
 * Magnitudes are counted by the upper half of their float32: 128 bins from each power of two to the
 * next, so that a range is found to within 1 / 128. Those of infinity and NaN are bins too.
 */
enum { bin_count = 1 << 15, bin_of_infinity = 0x7f80 };

typedef struct histogram {
    uint64_t counts[bin_count];
    float largest;
} histogram;

typedef struct observer {
    an_plan *plan;
    histogram *histograms; /* one a layer with weights */
    int layers[AN_MAX_LAYERS];
    int count;
    float *values; /* (batch, C, H, W) of the largest input */
    float *logits;
    size_t pictures;
} observer;

static void count_values(histogram *bins, const float *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bits &= 0x7fffffff;
        const float magnitude = fabsf(values[i]);
        bins->counts[bits >> 16]++;
        bins->largest = magnitude > bins->largest ? magnitude : bins->largest;
    }
}

/* The upper end of the bin with which enough values are covered. */
static float find_range(const histogram *bins) {
    uint64_t total = 0, seen = 0;
    for (int i = 0; i < bin_count; i++)
        total += bins->counts[i];
    uint32_t bin = 0;
    while (bin < bin_count - 1 && (double)(seen += bins->counts[bin]) < covered * (double)total)
        bin++;
    const uint32_t bits = (bin + 1) << 16;
    float end;
    memcpy(&end, &bits, sizeof end);
    return end < bins->largest ? end : bins->largest;
}

/* What the input of a layer is made of: the layers before it, or the picture. */
static alexnet_status observe_layer(const observer *on, int index, const an_batch *batch,
                                    alexnet_error *error) {
    const int l = on->layers[index];
    const size_t each = an_shape_count(on->plan->network.layers[l].in);
    const float *values = batch->input;
    if (l > 0) {
        AN_TRY(an_plan_read(on->plan, AN_ACTIVATION, l - 1, on->values, error));
        values = on->values;
    }
    for (int i = 0; i < batch->count; i++)
        if (batch->labels[i] >= 0)
            count_values(&on->histograms[index], values + (size_t)i * each, each);
    return ALEXNET_OK;
}

static alexnet_status observe_batch(observer *on, const an_batch *batch, alexnet_error *error) {
    AN_TRY(an_plan_forward(on->plan, batch->input, batch->count, on->logits, error));
    for (int i = 0; i < batch->count; i++)
        on->pictures += batch->labels[i] >= 0;
    for (int i = 0; i < on->count; i++)
        AN_TRY(observe_layer(on, i, batch, error));
    return ALEXNET_OK;
}

static alexnet_status take_memory(observer *on, alexnet_error *error) {
    const an_network *network = &on->plan->network;
    const size_t batch = (size_t)on->plan->options.batch;
    size_t largest = 0;
    for (int l = 0; l < network->layer_count; l++) {
        if (network->layers[l].weight < 0)
            continue;
        const size_t count = an_shape_count(network->layers[l].in);
        largest = count > largest ? count : largest;
        on->layers[on->count++] = l;
    }
    AN_TRY(an_alloc((void **)&on->histograms, (size_t)on->count, sizeof *on->histograms,
                    "histograms", error));
    AN_TRY(an_alloc((void **)&on->values, batch * largest, sizeof(float), "activations", error));
    return an_alloc((void **)&on->logits, batch * (size_t)network->classes, sizeof(float), "logits",
                    error);
}

static alexnet_status find_ranges(const observer *on, float *range, alexnet_error *error) {
    for (int i = 0; i < on->count; i++) {
        const histogram *bins = &on->histograms[i];
        for (int bin = bin_of_infinity; bin < bin_count; bin++)
            if (bins->counts[bin] > 0)
                return an_fail(error, ALEXNET_FORMAT,
                               "the input of %s holds values that are no finite numbers; are these "
                               "weights sound?",
                               on->plan->network.layers[on->layers[i]].spec.name);
        range[on->layers[i]] = find_range(bins);
    }
    return ALEXNET_OK;
}

alexnet_status an_calibrate(an_plan *plan, an_loader *loader, float range[AN_MAX_LAYERS],
                            size_t *pictures,
                            bool (*progress)(void *context, size_t done, size_t pictures),
                            void *context, alexnet_error *error) {
    const size_t all = an_loader_pictures(loader);
    observer on = {.plan = plan};
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
    else
        status = find_ranges(&on, range, error);
    *pictures = on.pictures;
cleanup:
    an_free(on.histograms);
    an_free(on.values);
    an_free(on.logits);
    return status;
}
