/*
 * The cpu backend's own kernels, of every instruction set that this machine has, against the
 * reference backend's functions, between guard zones.
 *
 * Tolerance: both do the same few float32 operations on an element, the reference's in part in
 * double precision; sums of up to 1000 products of order 1 err by 2^-24 * sqrt(1000) * a few.
 */
#include <math.h>

#include "backend/reference/layers.h"
#include "core/threads.h"
#include "guard.h"
#include "kernel_tables.h"

static const float tolerance = 2e-5f;

static void assert_near(const char *what, const an_guarded *expected, const an_guarded *found) {
    for (size_t i = 0; i < expected->count; i++)
        if (!(fabsf(expected->data[i] - found->data[i]) <=
              tolerance * (1 + fabsf(expected->data[i]))))
            fail_msg("%s: element %zu is %g rather than %g", what, i, (double)found->data[i],
                     (double)expected->data[i]);
}

/* A plain tensor blocked, and a blocked one made plain. */
static an_guarded blocked(const an_kernels *kernels, an_shape shape, int images,
                          const an_guarded *plain) {
    const an_guarded out = an_guard(an_blocked_count(kernels, shape, images));
    kernels->block_maps(shape, images, plain->data, out.data);
    return out;
}

static an_guarded plain(const an_kernels *kernels, an_shape shape, int images,
                        const an_guarded *from) {
    const an_guarded out = an_guard((size_t)images * an_shape_count(shape));
    kernels->unblock_maps(shape, images, from->data, out.data);
    return out;
}

/* Frees buffers up to a NULL, checking their guards. */
static void unguard_all(an_guarded *const *buffers) {
    for (; *buffers; buffers++)
        an_unguard(*buffers);
}

static const int images = 3;

/* Forward and backward of a layer on blocked activations against the reference's results. */
typedef struct layer_case {
    const an_kernels *kernels;
    const an_layer *layer;
    bool through_relu;
    an_guarded x, y, dy, dx; /* plain; y and dx as expected */
} layer_case;

static void compare_case(layer_case *c) {
    const an_kernels *k = c->kernels;
    const an_layer *layer = c->layer;
    const bool pool = layer->spec.type == AN_MAX_POOL;
    an_guarded x = blocked(k, layer->in, images, &c->x),
               dy = blocked(k, layer->out, images, &c->dy);
    an_guarded y = an_guard(an_blocked_count(k, layer->out, images));
    an_guarded dx = an_guard(an_blocked_count(k, layer->in, images));
    (pool ? k->pool_forward : k->lrn_forward)(layer, images, c->through_relu, x.data, y.data);
    (pool ? k->pool_backward : k->lrn_backward)(layer, images, c->through_relu, x.data, dy.data,
                                                dx.data);
    an_guarded y_plain = plain(k, layer->out, images, &y),
               dx_plain = plain(k, layer->in, images, &dx);
    assert_near(k->name, &c->y, &y_plain);
    assert_near(k->name, &c->dx, &dx_plain);
    unguard_all((an_guarded *[]){&x, &dy, &y, &dx, &y_plain, &dx_plain, NULL});
}

/* What the reference makes of a layer, with a ReLU before it if through_relu. */
static void check_layer(const an_layer *layer, bool through_relu) {
    const size_t in = (size_t)images * an_shape_count(layer->in);
    const size_t out = (size_t)images * an_shape_count(layer->out);
    const an_layer relu = {.spec = {.type = AN_RELU}, .in = layer->in, .out = layer->in};
    an_guarded raw = an_guard_random(in, 1), x = an_guard(in), scale = an_guard(in);
    an_guarded y = an_guard(out), dy = an_guard_random(out, 2), dx = an_guard(in);
    if (through_relu)
        an_reference_relu_forward(&relu, images, raw.data, x.data);
    else
        memcpy(x.data, raw.data, in * sizeof(float));
    if (layer->spec.type == AN_MAX_POOL) {
        an_reference_max_pool_forward(layer, images, x.data, y.data);
        an_reference_max_pool_backward(layer, images, x.data, dy.data, dx.data);
    } else {
        an_reference_lrn_forward(layer, images, x.data, scale.data, y.data);
        an_reference_lrn_backward(layer, images, x.data, scale.data, dy.data, dx.data);
    }
    if (through_relu)
        an_reference_relu_backward(&relu, images, x.data, dx.data, dx.data);
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++)
        if (layer->spec.type == AN_MAX_POOL || an_lrn_fits(*k, layer))
            compare_case(&(layer_case){*k, layer, through_relu, raw, y, dy, dx});
    unguard_all((an_guarded *[]){&raw, &x, &scale, &y, &dy, &dx, NULL});
}

static void pooling(void **state) {
    (void)state;
    const an_layer layers[] = {
        {.spec = {.type = AN_MAX_POOL, .kernel = 3, .stride = 2},
         .in = {32, 13, 11},
         .out = {32, 6, 5}},
        {.spec = {.type = AN_MAX_POOL, .kernel = 3, .stride = 2, .round_up = true},
         .in = {21, 8, 6},
         .out = {21, 4, 3}},
        {.spec = {.type = AN_MAX_POOL, .kernel = 2, .stride = 3},
         .in = {1, 5, 5},
         .out = {1, 2, 2}},
    };
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        for (int relu = 0; relu < 2; relu++)
            check_layer(&layers[i], relu);
}

/* A NaN makes the windows that see it NaN, wherever in them it is, and no others. */
static void pooling_keeps_nan(void **state) {
    (void)state;
    const an_layer layer = {
        .spec = {.type = AN_MAX_POOL, .kernel = 3, .stride = 2}, .in = {1, 7, 7}, .out = {1, 3, 3}};
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++) {
        for (int pixel = 0; pixel < 49; pixel++) {
            const int block = (*k)->block, row = pixel / 7, column = pixel % 7;
            an_guarded x = an_guard_random((size_t)49 * block, 1), y = an_guard((size_t)9 * block);
            for (int lane = 0; lane < block; lane++)
                x.data[pixel * block + lane] = lane % 2 ? NAN : -NAN;
            (*k)->pool_forward(&layer, 1, pixel % 2, x.data, y.data);
            for (int i = 0; i < 9 * block; i++) {
                const int down = row - i / block / 3 * 2, right = column - i / block % 3 * 2;
                const bool sees = down >= 0 && down < 3 && right >= 0 && right < 3;
                assert_true(sees == (bool)isnan(y.data[i]));
            }
            an_unguard(&x);
            an_unguard(&y);
        }
    }
}

static void normalisation(void **state) {
    (void)state;
    const an_layer_spec one = {
        .type = AN_LRN, .size = 5, .alpha = 0.7f, .beta = 0.75f, .k = 2, .towers = 1};
    an_layer_spec two = one;
    two.towers = 2;
    const an_layer layers[] = {
        {.spec = one, .in = {96, 3, 5}, .out = {96, 3, 5}},
        {.spec = one, .in = {16, 2, 1}, .out = {16, 2, 1}},
        {.spec = one, .in = {37, 4, 4}, .out = {37, 4, 4}},
        {.spec = one, .in = {3, 1, 2}, .out = {3, 1, 2}},
        {.spec = two, .in = {96, 2, 3}, .out = {96, 2, 3}},
        {.spec = two, .in = {32, 2, 3}, .out = {32, 2, 3}},
    };
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        for (int relu = 0; relu < 2; relu++)
            check_layer(&layers[i], relu);
}

enum { pair_threads = 3 };

/* A normalisation and the pooling above it. */
typedef struct layer_pair {
    const an_kernels *kernels;
    an_layer lrn, pool;
    bool through_relu;
} layer_pair;

static layer_pair pair_of(const an_kernels *k, int towers, an_shape in, bool through_relu) {
    layer_pair pair = {.kernels = k,
                       .lrn = {.spec = {.type = AN_LRN,
                                        .size = 5,
                                        .towers = towers,
                                        .k = 2,
                                        .alpha = 0.5f,
                                        .beta = 0.75f}},
                       .pool = {.spec = {.type = AN_MAX_POOL, .kernel = 3, .stride = 2}},
                       .through_relu = through_relu};
    pair.lrn.in = pair.lrn.out = pair.pool.in = in;
    pair.pool.out = (an_shape){in.c, (in.h - 1) / 2, (in.w - 1) / 2};
    return pair;
}

/* Both ways, in two passes and in one. */
static void check_lrn_pool(const layer_pair *pair, int n) {
    const an_kernels *k = pair->kernels;
    const size_t in = an_blocked_count(k, pair->pool.in, n);
    const size_t out = an_blocked_count(k, pair->pool.out, n);
    an_guarded x = an_guard_random(in, 1), dy = an_guard_random(out, 2), between = an_guard(in);
    an_guarded dbetween = an_guard(in), y = an_guard(out), dx = an_guard(in),
               work = an_guard(k->lrn_pool_floats(&pair->lrn, &pair->pool) * pair_threads);
    an_guarded y_once = an_guard(out), dx_once = an_guard(in);
    assert_true(an_lrn_pool_fits(k, &pair->lrn, &pair->pool));
    k->lrn_forward(&pair->lrn, n, pair->through_relu, x.data, between.data);
    k->pool_forward(&pair->pool, n, false, between.data, y.data);
    k->pool_backward(&pair->pool, n, false, between.data, dy.data, dbetween.data);
    k->lrn_backward(&pair->lrn, n, pair->through_relu, x.data, dbetween.data, dx.data);
    k->lrn_pool_forward(&pair->lrn, &pair->pool, n, pair->through_relu, x.data, y_once.data,
                        work.data);
    k->lrn_pool_backward(&pair->lrn, &pair->pool, n, pair->through_relu, x.data, dy.data,
                         dx_once.data, work.data);
    assert_memory_equal(y.data, y_once.data, out * sizeof(float));
    assert_memory_equal(dx.data, dx_once.data, in * sizeof(float));
    unguard_all(
        (an_guarded *[]){&x, &dy, &between, &dbetween, &y, &dx, &work, &y_once, &dx_once, NULL});
}

/* In one pass the very bits of two, however rows are shared among threads. */
static void normalisation_and_pooling(void **state) {
    (void)state;
    const an_shape shapes[] = {{32, 13, 11}, {96, 3, 3}, {64, 27, 5}, {32, 55, 7}};
    const int threads_before = an_threads_enter(pair_threads);
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++) {
        for (int i = 0; i < 16; i++) {
            const bool through_relu = i & 1, towers = i & 2;
            const layer_pair pair = pair_of(*k, towers ? 2 : 1, shapes[i / 4], through_relu);
            for (int n = 1; n <= 9; n += 4)
                check_lrn_pool(&pair, n);
        }
        /* Maps that fill no block; a picture that windows do not cover. */
        const layer_pair odd = pair_of(*k, 1, (an_shape){21, 9, 9}, true);
        layer_pair uncovered = pair_of(*k, 1, (an_shape){32, 9, 10}, true);
        check_lrn_pool(&odd, 2);
        assert_false(an_lrn_pool_fits(*k, &uncovered.lrn, &uncovered.pool));
    }
    an_threads_leave(threads_before);
}

/* The mask must be the reference's, bit for bit. */
static void dropping_out(void **state) {
    (void)state;
    const an_step step = {.seed = 0x123456789abcdefu, .epoch = 7, .position = 1000000007};
    const float rates[] = {0.5f, 0.1f, 0};
    const int units[] = {4096, 130, 3};
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++) {
        for (int i = 0; i < 3; i++) {
            const an_layer layer = {
                .spec = {.type = AN_DROPOUT, .rate = rates[i], .scale_at_test = i == 1},
                .in = {units[i], 1, 1},
                .out = {units[i], 1, 1}};
            an_guarded x = an_guard_random((size_t)images * units[i], 1);
            an_guarded y = an_guard((size_t)images * units[i]);
            an_reference_dropout(&layer, 17, images, &step, x.data, y.data);
            (*k)->dropout(&layer, 17, images, &step, x.data);
            assert_memory_equal(x.data, y.data, x.count * sizeof(float));
            an_unguard(&x);
            an_unguard(&y);
        }
    }
}

static void rectifying_and_updating(void **state) {
    (void)state;
    const size_t count = 1037;
    const an_layer layer = {.spec = {.type = AN_RELU}, .in = {1037, 1, 1}, .out = {1037, 1, 1}};
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++) {
        an_guarded x = an_guard_random(count, 1), dy = an_guard_random(count, 2);
        an_guarded a = an_guard(count), b = an_guard(count);
        x.data[5] = NAN;
        an_reference_relu_forward(&layer, 1, x.data, a.data);
        (*k)->relu_forward(count, x.data, b.data);
        assert_memory_equal(a.data, b.data, count * sizeof(float));
        an_reference_relu_backward(&layer, 1, a.data, dy.data, b.data);
        (*k)->relu_backward(count, a.data, dy.data, dy.data);
        assert_memory_equal(b.data, dy.data, count * sizeof(float));
        x.data[5] = 1;
        an_guarded v = an_guard_random(count, 3), v2 = an_guard_random(count, 3);
        an_guarded w = an_guard_random(count, 4), w2 = an_guard_random(count, 4);
        const an_update rules[] = {{0.1f, 0.01f}, {0, 0.01f}};
        for (int i = 0; i < 2; i++) {
            an_reference_update(&rules[i], 0.9f, count, x.data, v.data, w.data);
            (*k)->update(&rules[i], 0.9f, count, x.data, v2.data, w2.data);
            assert_near((*k)->name, &v, &v2);
            assert_near((*k)->name, &w, &w2);
        }
        unguard_all((an_guarded *[]){&x, &dy, &a, &b, &v, &v2, &w, &w2, NULL});
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pooling),       cmocka_unit_test(pooling_keeps_nan),
        cmocka_unit_test(normalisation), cmocka_unit_test(normalisation_and_pooling),
        cmocka_unit_test(dropping_out),  cmocka_unit_test(rectifying_and_updating),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
