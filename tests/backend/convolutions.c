#include "convolutions.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/random.h"
#include "testing.h"

float *an_numbers(size_t count, uint64_t item) {
    void *block;
    assert_ok(an_alloc(&block, count, sizeof(float), "numbers", error));
    const an_random stream = an_random_stream(3, AN_RANDOM_TEST, 0, item);
    an_random_fill_normal(&stream, 0, count, 1, block);
    return block;
}

an_layer an_strided_layer(int window, int stride, int pad, an_shape in, int maps) {
    return (an_layer){.spec = {.name = "conv",
                               .type = AN_CONV,
                               .kernel = window,
                               .stride = stride,
                               .pad = pad,
                               .groups = 1,
                               .units = maps},
                      .in = in,
                      .out = {maps, (in.h + 2 * pad - window) / stride + 1,
                              (in.w + 2 * pad - window) / stride + 1}};
}

an_layer an_layer_of(int window, int pad, int groups, an_shape in, int maps) {
    an_layer layer = an_strided_layer(window, 1, pad, in, maps);
    layer.spec.groups = groups;
    return layer;
}

size_t an_weight_count(const an_layer *layer) {
    const an_layer_spec *spec = &layer->spec;
    return (size_t)layer->out.c * layer->in.c / spec->groups * spec->kernel * spec->kernel;
}

static void add(an_sums *s, size_t x, size_t w, size_t y) {
    s->y[y] += (double)s->x[x] * s->w[w];
    s->dx[x] += (double)s->dy[y] * s->w[w];
    s->dw[w] += (double)s->dy[y] * s->x[x];
}

/* All pairs of an input and an output element that a weight connects. */
static void add_all(an_sums *sums, const an_layer *layer, int images) {
    const an_layer_spec *spec = &layer->spec;
    const an_shape in = layer->in, out = layer->out;
    const int depth = in.c / spec->groups, maps = out.c / spec->groups;
    for (int n = 0; n < images; n++)
        for (int o = 0; o < out.c; o++)
            for (int k = 0; k < depth; k++)
                for (int i = 0; i < spec->kernel * spec->kernel; i++)
                    for (int p = 0; p < out.h * out.w; p++) {
                        const int h = p / out.w * spec->stride + i / spec->kernel - spec->pad;
                        const int w = p % out.w * spec->stride + i % spec->kernel - spec->pad;
                        if (h < 0 || h >= in.h || w < 0 || w >= in.w)
                            continue;
                        const size_t map = (size_t)n * in.c + o / maps * depth + k;
                        add(sums, (map * in.h + h) * in.w + w,
                            ((size_t)o * depth + k) * spec->kernel * spec->kernel + i,
                            ((size_t)n * out.c + o) * out.h * out.w + p);
                    }
}

static double *zeros(size_t count) {
    double *block = calloc(count, sizeof *block);
    assert_non_null(block);
    return block;
}

an_sums an_sums_of(const an_layer *layer, int images, const float *x, const float *w,
                   const float *dy) {
    an_sums sums = {x,
                    w,
                    dy,
                    zeros(images * an_shape_count(layer->out)),
                    zeros(images * an_shape_count(layer->in)),
                    zeros(an_weight_count(layer))};
    add_all(&sums, layer, images);
    return sums;
}

void an_sums_free(an_sums *sums) {
    free(sums->y);
    free(sums->dx);
    free(sums->dw);
}

void an_sums_finish(an_sums *sums, const an_layer *layer, int images, const float *bias) {
    const size_t pixels = (size_t)layer->out.h * layer->out.w, maps = layer->out.c;
    for (size_t i = 0; i < images * maps * pixels; i++)
        sums->y[i] = fmax(0, sums->y[i] + (bias ? (double)bias[i / pixels % maps] : 0));
}

void an_assert_bias_gradient(const an_layer *layer, int images, const float *dy, const float *db) {
    const size_t pixels = (size_t)layer->out.h * layer->out.w, maps = layer->out.c;
    const size_t count = images * maps * pixels;
    for (size_t o = 0; o < maps; o++) {
        double sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += i / pixels % maps == o ? dy[i] : 0;
        assert_true(fabs(db[o] - sum) < 1e-6 * (double)count);
    }
}

void an_assert_close(const char *what, const double *expected, const float *found, size_t count,
                     double most) {
    double squares = 0, worst = 0;
    for (size_t i = 0; i < count; i++) {
        squares += expected[i] * expected[i];
        worst = fmax(worst, fabs(found[i] - expected[i]));
        if (isnan(found[i]))
            fail_msg("%s: number %zu is NaN", what, i);
    }
    const double error_ = worst / sqrt(squares / (double)count);
    if (!(error_ <= most))
        fail_msg("%s: off by %g of the root mean square", what, error_);
}
