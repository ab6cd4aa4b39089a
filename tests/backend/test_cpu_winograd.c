/*
 * Winograd's convolutions against sums in double precision, for every algorithm and instruction
 * set: forward, the input's gradient, and those of weights and biases.
 *
 * Tolerance: a transform multiplies rounding errors by up to about the sum of its matrices'
 * entries, which measures as 4.3e-5 of an output's root mean square for the largest tiles where
 * products are rounded before they are added, and less elsewhere. Integers of 11 bits round by 2^13
 * times as much as float32, of which the square root of the sums' length is saved where errors
 * cancel: 2e-2 at worst, and a quarter of that on average.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/random.h"
#include "kernel_tables.h"
#include "testing.h"

static const double tolerance = 8e-5, tolerance_int16 = 4e-2;

static float *numbers(size_t count, uint64_t item) {
    void *block;
    assert_ok(an_alloc(&block, count, sizeof(float), "numbers", error));
    const an_random stream = an_random_stream(3, AN_RANDOM_TEST, 0, item);
    an_random_fill_normal(&stream, 0, count, 1, block);
    return block;
}

static an_layer strided_layer(int window, int stride, int pad, an_shape in, int maps) {
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

static an_layer layer_of(int window, int pad, int groups, an_shape in, int maps) {
    an_layer layer = strided_layer(window, 1, pad, in, maps);
    layer.spec.groups = groups;
    return layer;
}

/* Calls `take` for each pair of an input and an output element that a weight connects. */
typedef void taking(void *context, size_t x, size_t w, size_t y);
static void each_product(const an_layer *layer, int images, taking *take, void *context) {
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
                        take(context, (map * in.h + h) * in.w + w,
                             ((size_t)o * depth + k) * spec->kernel * spec->kernel + i,
                             ((size_t)n * out.c + o) * out.h * out.w + p);
                    }
}

/* The sums as the textbook has them. */
typedef struct sums {
    const float *x, *w, *dy;
    double *y, *dx, *dw;
} sums;

static void add(void *context, size_t x, size_t w, size_t y) {
    sums *s = context;
    s->y[y] += (double)s->x[x] * s->w[w];
    s->dx[x] += (double)s->dy[y] * s->w[w];
    s->dw[w] += (double)s->dy[y] * s->x[x];
}

static void assert_close(const char *what, const char *kernels, int algorithm,
                         const double *expected, const float *found, size_t count, double most) {
    double squares = 0, worst = 0;
    for (size_t i = 0; i < count; i++) {
        squares += expected[i] * expected[i];
        worst = fmax(worst, fabs(found[i] - expected[i]));
    }
    const double error_ = worst / sqrt(squares / (double)count);
    if (!(error_ <= most))
        fail_msg("%s, algorithm %d, %s: off by %g of the root mean square", kernels, algorithm,
                 what, error_);
}

static double *zeros(size_t count) {
    double *block = calloc(count, sizeof *block);
    assert_non_null(block);
    return block;
}

static void check(const an_kernels *kernels, an_winograd_algorithm algorithm, const an_layer *layer,
                  int images, an_int16 int16) {
    const size_t in = images * an_shape_count(layer->in), out = images * an_shape_count(layer->out);
    const size_t weights = (size_t)layer->out.c * layer->in.c / layer->spec.groups *
                           layer->spec.kernel * layer->spec.kernel;
    an_winograd_options options = {AN_PASS_FORWARD, images, 2, kernels->block, int16};
    const double most = int16 ? tolerance_int16 : tolerance;
    const an_winograd forward = an_winograd_of(layer, algorithm, &options);
    const bool plain_input = layer->spec.stride > 1;
    options.int16 = AN_INT16_NONE;
    options.pass = plain_input ? AN_PASS_FORWARD : AN_PASS_INPUT;
    const an_winograd backward = an_winograd_of(layer, algorithm, &options);
    options.pass = AN_PASS_WEIGHTS;
    const an_winograd gradient = an_winograd_of(layer, algorithm, &options);
    const size_t largest = in > out ? in : out;
    float *x = numbers(in, 0), *w = numbers(weights, 1), *dy = numbers(out, 2);
    float *bias = numbers((size_t)layer->out.c, 3), *dw = numbers(weights, 4), *db = numbers(64, 5);
    float *blocked = numbers(in, 6), *blocked_dy = numbers(out, 7), *result = numbers(largest, 8);
    float *plain = numbers(largest, 9);
    float *u = numbers(an_winograd_weight_floats(&gradient), 10);
    float *v = numbers(an_winograd_weight_floats(&backward), 11);
    float *work = numbers(an_winograd_work_floats(&forward), 12);
    float *backward_work = numbers(an_winograd_work_floats(&backward), 13);
    float *gradient_work = numbers(an_winograd_work_floats(&gradient), 14);
    sums s = {x, w, dy, zeros(out), zeros(in), zeros(weights)};
    each_product(layer, images, add, &s);
    if (plain_input)
        memcpy(blocked, x, in * sizeof *x);
    else
        kernels->block_maps(layer->in, images, x, blocked);
    kernels->block_maps(layer->out, images, dy, blocked_dy);

    kernels->winograd_weights(&forward, w, u, work);
    kernels->winograd_forward(&forward, images, blocked, u, bias, true, result, work);
    kernels->unblock_maps(layer->out, images, result, plain);
    const size_t pixels = (size_t)layer->out.h * layer->out.w;
    for (size_t i = 0; i < out; i++)
        s.y[i] = fmax(0, s.y[i] + bias[i / pixels % (size_t)layer->out.c]);
    assert_close("forward", kernels->name, (int)algorithm, s.y, plain, out, most);

    if (!plain_input) {
        kernels->winograd_weights(&backward, w, v, backward_work);
        kernels->winograd_forward(&backward, images, blocked_dy, v, NULL, false, result,
                                  backward_work);
        kernels->unblock_maps(layer->in, images, result, plain);
        assert_close("gradient of the input", kernels->name, (int)algorithm, s.dx, plain, in,
                     tolerance);
    }

    kernels->winograd_gradient(&gradient, images, blocked, blocked_dy, dw, db, u, gradient_work);
    assert_close("gradient of the weights", kernels->name, (int)algorithm, s.dw, dw, weights,
                 tolerance);
    for (int o = 0; o < layer->out.c; o++) {
        double sum = 0;
        for (size_t i = 0; i < out; i++)
            sum += i / pixels % (size_t)layer->out.c == (size_t)o ? dy[i] : 0;
        assert_true(fabs(db[o] - sum) < 1e-6 * (double)out);
    }
    float *const all[] = {x,  w,       dy,         bias,          dw,
                          db, blocked, blocked_dy, result,        plain,
                          u,  v,       work,       backward_work, gradient_work};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        an_free(all[i]);
    free(s.y);
    free(s.dx);
    free(s.dw);
}

static void every_algorithm(const an_kernels *kernels, an_int16 int16) {
    const int one = 2 * kernels->block; /* the fewest maps of a group */
    const an_layer layers[] = {
        layer_of(3, 1, 1, (an_shape){one, 13, 13}, 2 * one),
        layer_of(3, 0, 2, (an_shape){2 * one, 7, 10}, 2 * one),
        layer_of(5, 2, 2, (an_shape){2 * one, 9, 6}, 2 * one),
        layer_of(5, 0, 1, (an_shape){one, 6, 5}, one),
    };
    for (size_t l = 0; l < sizeof layers / sizeof *layers; l++) {
        assert_true(an_winograd_fits(&layers[l], kernels->block));
        const int from = layers[l].spec.kernel == 3 ? AN_WINOGRAD_2_3 : AN_WINOGRAD_2_5;
        const int to = layers[l].spec.kernel == 3 ? AN_WINOGRAD_5_3 : AN_WINOGRAD_4_5;
        for (int a = from; a <= to; a++)
            check(kernels, (an_winograd_algorithm)a, &layers[l], 3, int16);
    }
}

/* First layers by their phases: AlexNet's, whose last column is left over; one whose last row of
 * windows reaches over the edge; and windows of other sizes. Of so many images rows of tiles are in
 * two chunks. */
static void every_phase(const an_kernels *kernels, an_int16 int16) {
    const int maps = 2 * kernels->block;
    an_layer layers[] = {
        strided_layer(11, 4, 2, (an_shape){3, 31, 40}, maps),
        strided_layer(11, 4, 0, (an_shape){1, 30, 27}, maps),
        strided_layer(9, 2, 3, (an_shape){4, 15, 13}, maps),
        strided_layer(5, 2, 1, (an_shape){8, 8, 9}, 2 * maps),
    };
    layers[1].out.h++;
    for (size_t l = 0; l < sizeof layers / sizeof *layers; l++) {
        assert_true(an_winograd_fits_phases(&layers[l], kernels->block));
        const bool wide = layers[l].spec.kernel == 9; /* 5 steps of 2 */
        const int from = wide ? AN_WINOGRAD_2_5 : AN_WINOGRAD_2_3;
        const int to = wide ? AN_WINOGRAD_4_5 : AN_WINOGRAD_5_3;
        for (int a = from; a <= to; a++)
            check(kernels, (an_winograd_algorithm)a, &layers[l], 4, int16);
    }
}

static void every_instruction_set(void **state) {
    (void)state;
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++) {
        every_algorithm(*k, AN_INT16_NONE);
        every_phase(*k, AN_INT16_NONE);
    }
}

static void integers(void **state) {
    (void)state;
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++) {
        for (int i = AN_INT16_PAIRS; i <= (int)an_can_int16(*k); i++) {
            every_algorithm(*k, (an_int16)i);
            every_phase(*k, (an_int16)i);
        }
    }
}

/* y of a layer by one way to multiply integers. */
static float *forward_by(const an_kernels *kernels, const an_layer *layer, an_int16 int16,
                         const float *x, const float *weights) {
    const an_winograd_options options = {AN_PASS_FORWARD, 1, 2, kernels->block, int16};
    const an_winograd w = an_winograd_of(layer, AN_WINOGRAD_4_5, &options);
    float *y = numbers(an_shape_count(layer->out), 3);
    float *u = numbers(an_winograd_weight_floats(&w), 4);
    float *work = numbers(an_winograd_work_floats(&w), 5);
    kernels->winograd_weights(&w, weights, u, work);
    kernels->winograd_forward(&w, 1, x, u, NULL, false, y, work);
    an_free(u);
    an_free(work);
    return y;
}

/* However integers are multiplied, the sums are exact. */
static void integers_to_the_same_bits(void **state) {
    (void)state;
    bool done = false;
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++) {
        if (an_can_int16(*k) != AN_INT16_VNNI)
            continue;
        const int maps = 2 * (*k)->block;
        const an_layer layer = layer_of(5, 2, 1, (an_shape){maps, 9, 7}, maps);
        const size_t count = an_shape_count(layer.in);
        float *x = numbers(count, 1), *weights = numbers((size_t)maps * maps * 25, 2);
        float *pairs = forward_by(*k, &layer, AN_INT16_PAIRS, x, weights);
        float *vnni = forward_by(*k, &layer, AN_INT16_VNNI, x, weights);
        assert_memory_equal(pairs, vnni, count * sizeof *x);
        float *const all[] = {x, weights, pairs, vnni};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            an_free(all[i]);
        done = true;
    }
    if (!done)
        skip();
}

static int chosen(const an_layer *layer, int images) {
    const an_winograd_options options = {AN_PASS_FORWARD, images, 2, 16, AN_INT16_NONE};
    return (int)an_winograd_choose(layer, &options).algorithm;
}

/* The same of integers with AVX2, whose weights are read twice as fast. */
static int chosen_of_integers(const an_layer *layer, int images) {
    const an_winograd_options options = {AN_PASS_FORWARD, images, 2, 8, AN_INT16_PAIRS};
    return (int)an_winograd_choose(layer, &options).algorithm;
}

/* Larger tiles for larger batches, where transformed weights are shared. */
static void chooses(void **state) {
    (void)state;
    const an_layer conv2 = layer_of(5, 2, 1, (an_shape){96, 27, 27}, 256);
    const an_layer conv3 = layer_of(3, 1, 1, (an_shape){256, 13, 13}, 384);
    assert_int_equal(chosen(&conv2, 1), AN_WINOGRAD_4_5);
    assert_int_equal(chosen(&conv3, 1), AN_WINOGRAD_2_3);
    assert_int_equal(chosen(&conv3, 64), AN_WINOGRAD_5_3);
    assert_int_equal(chosen_of_integers(&conv3, 1), AN_WINOGRAD_5_3);
    an_layer strided = conv3;
    strided.spec.stride = 2;
    assert_false(an_winograd_fits(&strided, 16));
    const an_layer few = layer_of(3, 1, 1, (an_shape){16, 13, 13}, 384);
    assert_false(an_winograd_fits(&few, 16));
    const an_layer conv1 = strided_layer(11, 4, 0, (an_shape){3, 227, 227}, 96);
    assert_int_equal(chosen(&conv1, 64), AN_WINOGRAD_4_3);
    const an_layer sevens = strided_layer(7, 2, 1, (an_shape){4, 224, 224}, 96);
    assert_false(an_winograd_fits_phases(&sevens, 16));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_set),
        cmocka_unit_test(integers),
        cmocka_unit_test(integers_to_the_same_bits),
        cmocka_unit_test(chooses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
