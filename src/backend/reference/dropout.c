/*
 * Dropout (the paper's §4.2): in training each unit is silent with probability `rate`, so that no
 * unit can rely on particular others. In testing all speak, and the sum that reaches the next layer
 * must be the expected one. Two ways to see to that:
 *
 *     training  y = m x / (1 - rate)    testing  y = x                 ("inverted", as used today)
 *     training  y = m x                 testing  y = (1 - rate) x      (`scale_at_test`, the paper)
 *
 * with m = 0 or 1. The mask is not stored: it is a function of (seed, epoch, position of the image
 * in the epoch's order, layer, unit), by the rule in backend.h, so that the backward pass computes
 * it anew and every backend, thread and rank sees the same one.
 */
#include "backend/reference/layers.h"
#include "core/random.h"

/* Testing: one factor for all. */
static void scale_all(const an_layer *layer, int images, const float *x, float *y) {
    const size_t count = (size_t)images * an_shape_count(layer->in);
    const float factor = layer->spec.scale_at_test ? 1 - layer->spec.rate : 1;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++)
        y[i] = factor * x[i];
}

void an_reference_dropout(const an_layer *layer, int index, int images, const an_step *step,
                          const float *x, float *y) {
    if (!step || step->no_dropout) {
        scale_all(layer, images, x, y);
        return;
    }
    const size_t units = an_shape_count(layer->in);
    const double threshold = (double)layer->spec.rate * 0x1p32;
    const float factor = layer->spec.scale_at_test ? 1 : 1 / (1 - layer->spec.rate);
#pragma omp parallel for schedule(static)
    for (int n = 0; n < images; n++) {
        const uint64_t position = step->position + (uint64_t)n;
        const an_random stream = an_random_stream(step->seed, AN_RANDOM_DROPOUT, step->epoch,
                                                  position * AN_MAX_LAYERS + (uint64_t)index);
        const size_t first = (size_t)n * units;
        for (size_t u = 0; u < units; u += 4) {
            uint32_t words[4];
            an_random_block(&stream, (uint32_t)(u / 4), words);
            for (size_t k = 0; k < 4 && u + k < units; k++)
                y[first + u + k] = words[k] < threshold ? 0 : factor * x[first + u + k];
        }
    }
}
