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
#include <stdio.h>
#include <string.h>

#include "convolutions.h"
#include "core/memory.h"
#include "kernel_tables.h"
#include "testing.h"

static const double tolerance = 8e-5, tolerance_int16 = 4e-2;

/* an_assert_close, and by which kernels and algorithm. */
static void assert_close(const char *what, const char *kernels, int algorithm,
                         const double *expected, const float *found, size_t count, double most) {
    char where[128];
    snprintf(where, sizeof where, "%s, algorithm %d, %s", kernels, algorithm, what);
    an_assert_close(where, expected, found, count, most);
}

static void check(const an_kernels *kernels, an_winograd_algorithm algorithm, const an_layer *layer,
                  int images, an_int16 int16) {
    const size_t in = images * an_shape_count(layer->in), out = images * an_shape_count(layer->out);
    const size_t weights = an_weight_count(layer);
    an_winograd_options options = {AN_PASS_FORWARD, images, 2, kernels->block, int16};
    const double most = int16 ? tolerance_int16 : tolerance;
    const an_winograd forward = an_winograd_of(layer, algorithm, &options);
    const bool plain_input = layer->spec.stride > 1;
    const bool has_input = !plain_input && an_winograd_fits_input(layer, kernels->block);
    options.int16 = AN_INT16_NONE;
    options.pass = has_input ? AN_PASS_INPUT : AN_PASS_FORWARD;
    const an_winograd backward = an_winograd_of(layer, algorithm, &options);
    options.pass = AN_PASS_WEIGHTS;
    const an_winograd gradient = an_winograd_of(layer, algorithm, &options);
    const size_t largest = in > out ? in : out;
    float *x = an_numbers(in, 0), *w = an_numbers(weights, 1), *dy = an_numbers(out, 2);
    float *bias = an_numbers((size_t)layer->out.c, 3), *dw = an_numbers(weights, 4),
          *db = an_numbers(64, 5);
    float *blocked = an_numbers(in, 6), *blocked_dy = an_numbers(out, 7),
          *result = an_numbers(largest, 8);
    float *plain = an_numbers(largest, 9);
    float *u = an_numbers(an_winograd_weight_floats(&gradient), 10);
    float *v = an_numbers(an_winograd_weight_floats(&backward), 11);
    float *work = an_numbers(an_winograd_work_floats(&forward), 12);
    float *backward_work = an_numbers(an_winograd_work_floats(&backward), 13);
    float *gradient_work = an_numbers(an_winograd_work_floats(&gradient), 14);
    an_sums s = an_sums_of(layer, images, x, w, dy);
    if (plain_input)
        memcpy(blocked, x, in * sizeof *x);
    else
        kernels->block_maps(layer->in, images, x, blocked);
    kernels->block_maps(layer->out, images, dy, blocked_dy);

    kernels->winograd_weights(&forward, w, u, work);
    kernels->winograd_forward(&forward, images, blocked, u, bias, true, result, work);
    kernels->unblock_maps(layer->out, images, result, plain);
    an_sums_finish(&s, layer, images, bias);
    assert_close("forward", kernels->name, (int)algorithm, s.y, plain, out, most);

    if (has_input) {
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
    an_assert_bias_gradient(layer, images, dy, db);
    float *const all[] = {x,  w,       dy,         bias,          dw,
                          db, blocked, blocked_dy, result,        plain,
                          u,  v,       work,       backward_work, gradient_work};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        an_free(all[i]);
    an_sums_free(&s);
}

static void every_algorithm(const an_kernels *kernels, an_int16 int16) {
    const int one = 2 * kernels->block; /* the fewest maps of a group */
    const an_layer layers[] = {
        an_layer_of(3, 1, 1, (an_shape){one, 13, 13}, 2 * one),
        an_layer_of(3, 0, 2, (an_shape){2 * one, 7, 10}, 2 * one),
        an_layer_of(5, 2, 2, (an_shape){2 * one, 9, 6}, 2 * one),
        an_layer_of(5, 0, 1, (an_shape){one, 6, 5}, one),
        an_layer_of(5, 2, 2, (an_shape){3 * one, 6, 7}, 2 * one), /* 3 blocks a group */
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
        an_strided_layer(11, 4, 2, (an_shape){3, 31, 40}, maps),
        an_strided_layer(11, 4, 0, (an_shape){1, 30, 27}, maps),
        an_strided_layer(9, 2, 3, (an_shape){4, 15, 13}, maps),
        an_strided_layer(5, 2, 1, (an_shape){8, 8, 9}, 2 * maps),
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
    float *y = an_numbers(an_shape_count(layer->out), 3);
    float *u = an_numbers(an_winograd_weight_floats(&w), 4);
    float *work = an_numbers(an_winograd_work_floats(&w), 5);
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
        const an_layer layer = an_layer_of(5, 2, 1, (an_shape){maps, 9, 7}, maps);
        const size_t count = an_shape_count(layer.in);
        float *x = an_numbers(count, 1), *weights = an_numbers((size_t)maps * maps * 25, 2);
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
    const an_layer conv2 = an_layer_of(5, 2, 1, (an_shape){96, 27, 27}, 256);
    const an_layer conv3 = an_layer_of(3, 1, 1, (an_shape){256, 13, 13}, 384);
    assert_int_equal(chosen(&conv2, 1), AN_WINOGRAD_4_5);
    assert_int_equal(chosen(&conv3, 1), AN_WINOGRAD_2_3);
    assert_int_equal(chosen(&conv3, 64), AN_WINOGRAD_5_3);
    assert_int_equal(chosen_of_integers(&conv3, 1), AN_WINOGRAD_5_3);
    an_layer strided = conv3;
    strided.spec.stride = 2;
    assert_false(an_winograd_fits(&strided, 16));
    const an_layer one = an_layer_of(3, 1, 1, (an_shape){16, 13, 13}, 384);
    assert_true(an_winograd_fits(&one, 16));
    assert_false(an_winograd_fits_input(&one, 16));
    const an_layer few = an_layer_of(3, 1, 1, (an_shape){8, 13, 13}, 384);
    assert_false(an_winograd_fits(&few, 16));
    const an_layer conv1 = an_strided_layer(11, 4, 0, (an_shape){3, 227, 227}, 96);
    assert_int_equal(chosen(&conv1, 64), AN_WINOGRAD_4_3);
    const an_layer sevens = an_strided_layer(7, 2, 1, (an_shape){4, 224, 224}, 96);
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
