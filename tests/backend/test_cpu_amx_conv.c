/*
 * Convolutions by the tiles of AMX against sums in double precision: forward, the input's gradient,
 * and those of weights and biases; where the processor has them.
 *
 * The factors are numbers that bfloat16, or a byte, has, so that products are exact. Sums of
 * bfloat16 in float32 round by at most 2^-24 of what they have become, at each of up to 4000
 * summands, which is 1e-5 of an output's root mean square with room; those of bytes are exact.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "backend/cpu/amx_conv.h"
#include "convolutions.h"
#include "core/memory.h"
#include "kernel_tables.h"
#include "testing.h"

static const double tolerance = 1e-5;

/* To the nearest that bfloat16 has, as far as its last bit but one goes. */
static void round_numbers(float *x, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int exponent;
        const float fraction = frexpf(x[i], &exponent);
        x[i] = ldexpf(rintf(fraction * 128), exponent - 7);
    }
}

/* Integers of a byte: from -most to most, or from 0. */
static void make_bytes(float *x, size_t count, int most, bool is_signed) {
    for (size_t i = 0; i < count; i++) {
        x[i] = rintf(
            fminf(fmaxf(x[i] * (float)most / 2, (float)(is_signed ? -most : 0)), (float)most));
    }
}

static an_amx_conv conv_of(const an_layer *layer, an_pass pass, an_precision precision,
                           bool signed_input, int images) {
    return an_amx_conv_of(layer, &(an_amx_conv_options){.pass = pass,
                                                        .precision = precision,
                                                        .signed_input = signed_input,
                                                        .images = images,
                                                        .threads = 2});
}

/* One convolution, and what it is computed with. */
typedef struct fixture {
    const an_layer *layer;
    int images;
    bool plain_input;
    size_t in, out, weights;
    float *x, *w, *dy, *bias; /* plain */
    float *taken, *taken_dy;  /* x and dy as the kernels take them */
    an_sums sums;
} fixture;

/* Those with tiles; NULL where the processor has none. */
static const an_kernels *kernels(void) {
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++)
        if ((*k)->tiles && an_can_amx())
            return *k;
    return NULL;
}

static fixture fixture_of(const an_layer *layer, int images) {
    fixture f = {.layer = layer,
                 .images = images,
                 .plain_input = layer->spec.stride > 1,
                 .in = images * an_shape_count(layer->in),
                 .out = images * an_shape_count(layer->out),
                 .weights = an_weight_count(layer)};
    f.x = an_numbers(f.in, 0);
    f.w = an_numbers(f.weights, 1);
    f.dy = an_numbers(f.out, 2);
    f.bias = an_numbers((size_t)layer->out.c, 3);
    f.taken = an_numbers(f.in, 4);
    f.taken_dy = an_numbers(f.out, 5);
    return f;
}

/* Once the numbers are what they shall be. */
static void take(fixture *f) {
    f->sums = an_sums_of(f->layer, f->images, f->x, f->w, f->dy);
    if (f->plain_input)
        memcpy(f->taken, f->x, f->in * sizeof *f->x);
    else
        kernels()->block_maps(f->layer->in, f->images, f->x, f->taken);
    kernels()->block_maps(f->layer->out, f->images, f->dy, f->taken_dy);
}

static void free_fixture(fixture *f) {
    float *const all[] = {f->x, f->w, f->dy, f->bias, f->taken, f->taken_dy};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        an_free(all[i]);
    an_sums_free(&f->sums);
}

/* y, or dx, plain, of `x` by a pass; freed by the caller. */
static float *computed(const fixture *f, const an_amx_conv *conv, const float *x, float range,
                       const float *bias, bool relu) {
    const size_t count = f->images * an_shape_count(conv->out);
    float *blocked = an_numbers(count, 6), *plain = an_numbers(count, 7);
    float *packed = an_numbers(an_amx_conv_packed_bytes(conv) / sizeof(float), 8);
    float *work = an_numbers(an_amx_conv_work_bytes(conv) / sizeof(float), 9);
    /* What is in the workspace before must not matter, NaN included. */
    memset(work, 0xff, an_amx_conv_work_bytes(conv));
    kernels()->tiles->pack(conv, f->w, range, packed);
    kernels()->tiles->forward(conv, f->images, x, packed, bias, relu, blocked, work);
    kernels()->unblock_maps(conv->out, f->images, blocked, plain);
    an_free(blocked);
    an_free(packed);
    an_free(work);
    return plain;
}

static void check_gradient(const fixture *f) {
    const an_amx_conv conv = conv_of(f->layer, AN_PASS_WEIGHTS, AN_BF16, false, f->images);
    const size_t bytes = an_amx_conv_packed_bytes(&conv) + an_amx_conv_work_bytes(&conv);
    float *dw = an_numbers(f->weights, 6), *db = an_numbers((size_t)f->layer->out.c, 7);
    float *work = an_numbers(bytes / sizeof(float), 8);
    memset(work, 0xff, bytes);
    kernels()->tiles->gradient(&conv, f->images, f->taken, f->taken_dy, dw, db, work);
    an_assert_close("gradient of the weights", f->sums.dw, dw, f->weights, tolerance);
    an_assert_bias_gradient(f->layer, f->images, f->dy, db);
    an_free(dw);
    an_free(db);
    an_free(work);
}

static void check_bfloat16(const an_layer *layer, int images) {
    fixture f = fixture_of(layer, images);
    round_numbers(f.x, f.in);
    round_numbers(f.w, f.weights);
    round_numbers(f.dy, f.out);
    take(&f);
    if (!f.plain_input) {
        const an_amx_conv input = conv_of(layer, AN_PASS_INPUT, AN_BF16, false, images);
        float *dx = computed(&f, &input, f.taken_dy, 0, NULL, false);
        an_assert_close("gradient of the input", f.sums.dx, dx, f.in, tolerance);
        an_free(dx);
    }
    check_gradient(&f);
    const an_amx_conv forward = conv_of(layer, AN_PASS_FORWARD, AN_BF16, false, images);
    float *y = computed(&f, &forward, f.taken, 0, f.bias, true);
    an_sums_finish(&f.sums, layer, images, f.bias);
    an_assert_close("forward", f.sums.y, y, f.out, tolerance);
    an_free(y);
    free_fixture(&f);
}

/* Bytes whose scales are 1: one of each map's weights is 127, and one of each image the largest. */
static void check_bytes(const an_layer *layer, int images, bool is_signed) {
    fixture f = fixture_of(layer, images);
    const size_t each = f.in / images, taps = f.weights / layer->out.c;
    const int most = is_signed ? 127 : 255;
    make_bytes(f.x, f.in, 20, is_signed);
    make_bytes(f.w, f.weights, 20, true);
    for (int n = 0; n < images; n++)
        f.x[n * each + (size_t)n * 7 % each] = (float)most;
    for (int o = 0; o < layer->out.c; o++)
        f.w[o * taps + (size_t)o * 5 % taps] = o % 2 ? 127 : -127;
    take(&f);
    const an_amx_conv conv = conv_of(layer, AN_PASS_FORWARD, AN_INT8, is_signed, images);
    float *y = computed(&f, &conv, f.taken, 0, NULL, true);
    float *clear = computed(&f, &conv, f.taken, (float)most, NULL, true);
    an_sums_finish(&f.sums, layer, images, NULL);
    an_assert_close("each image's own range", f.sums.y, y, f.out, 1e-6);
    an_assert_close("a range", f.sums.y, clear, f.out, 1e-6);
    an_free(y);
    an_free(clear);
    free_fixture(&f);
}

/* Windows, edges, groups, blocks of maps that are a pair or one more, pictures whose positions are
 * a few more or less than whole tiles, and phases. More images than a round has, too. */
static void every_pass(void **state) {
    (void)state;
    if (!kernels())
        skip();
    an_layer layers[] = {
        an_layer_of(3, 1, 1, (an_shape){32, 13, 13}, 64),
        an_layer_of(3, 0, 2, (an_shape){32, 7, 10}, 64),
        an_layer_of(5, 2, 2, (an_shape){96, 9, 6}, 64),
        an_layer_of(5, 0, 1, (an_shape){16, 6, 5}, 32),
        an_layer_of(1, 0, 1, (an_shape){32, 8, 8}, 32),
        an_layer_of(7, 3, 1, (an_shape){16, 8, 9}, 32),
        an_strided_layer(11, 4, 2, (an_shape){3, 31, 40}, 32),
        an_strided_layer(11, 4, 0, (an_shape){1, 30, 27}, 32),
        an_strided_layer(9, 2, 3, (an_shape){4, 15, 13}, 32),
        an_strided_layer(5, 2, 1, (an_shape){8, 8, 9}, 64),
    };
    layers[7].out.h++;
    for (size_t l = 0; l < sizeof layers / sizeof *layers; l++) {
        assert_true(an_amx_conv_fits(&layers[l]));
        check_bfloat16(&layers[l], 3);
        check_bytes(&layers[l], 3, false);
        check_bytes(&layers[l], 3, true);
    }
    const an_layer large = an_layer_of(3, 1, 1, (an_shape){128, 32, 32}, 32);
    assert_true(conv_of(&large, AN_PASS_FORWARD, AN_BF16, false, 9).round < 9);
    check_bfloat16(&large, 9);
    check_bytes(&large, 9, false);
}

/* What is not finite shows: in bfloat16 in what depends on it, in bytes in all of its image. */
static void nan_shows(void **state) {
    (void)state;
    if (!kernels())
        skip();
    const an_layer layer = an_layer_of(3, 1, 1, (an_shape){32, 13, 13}, 32);
    for (int i = 0; i < 4; i++) {
        const an_precision precision = i % 2 ? AN_INT8 : AN_BF16;
        fixture f = fixture_of(&layer, 2);
        if (i < 2)
            f.x[f.in / 2 + 100] = i == 0 ? NAN : INFINITY;
        else
            f.w[40] = NAN;
        take(&f);
        const an_amx_conv conv = conv_of(&layer, AN_PASS_FORWARD, precision, true, 2);
        float *y = computed(&f, &conv, f.taken, precision == AN_INT8 ? 3 : 0, f.bias, true);
        const size_t seen = (size_t)(100 / 13) * 13 + 100 % 13; /* of the output's first map */
        assert_true(isnan(y[i < 2 ? f.out / 2 + seen : 0]));
        assert_true(i >= 2 || !isnan(y[seen]));
        assert_true(i < 2 || !isnan(y[13 * 13]));
        an_free(y);
        free_fixture(&f);
    }
}

static void does_not_fit(void **state) {
    (void)state;
    const an_layer layers[] = {
        an_layer_of(3, 1, 1, (an_shape){24, 13, 13}, 32), /* no whole blocks in, */
        an_layer_of(3, 1, 1, (an_shape){32, 13, 13}, 48), /* no pairs of them out, */
        an_layer_of(5, 2, 1, (an_shape){2656, 5, 5}, 32), /* more products than a sum holds, */
        an_layer_of(3, 1, 1, (an_shape){3, 32, 32}, 32),  /* and a picture without phases */
    };
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        assert_false(an_amx_conv_fits(&layers[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pass),
        cmocka_unit_test(nan_shows),
        cmocka_unit_test(does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
