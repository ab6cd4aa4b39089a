/*
 * The cpu backend's first convolution, of every instruction set that this machine has, against the
 * reference backend's functions, between guard zones.
 *
 * Tolerance: sums of up to 4 * 11 * 11 products of standard normal numbers reach 80, and every
 * addition in another order errs by half of 2^-23 * 64; 22 of those (the root of their number) make
 * 8e-5. Sums of whole numbers are exact: only scaling errs, by a few 2^-24 * 80.
 */
#include <math.h>

#include "backend/cpu/first.h"
#include "backend/reference/layers.h"
#include "guard.h"
#include "kernel_tables.h"

static const double summed = 8e-5;
#ifdef __x86_64__
static const double exact = 2e-5;
#endif

static an_layer layer_of(int maps, int side, int kernel, int stride, int pad, int units,
                         bool round_up) {
    const int room = side + 2 * pad - kernel, up = round_up ? stride - 1 : 0;
    const int height = (room + up) / stride + 1, width = (room + 2 + up) / stride + 1;
    return (an_layer){.spec = {.type = AN_CONV,
                               .units = units,
                               .kernel = kernel,
                               .stride = stride,
                               .pad = pad,
                               .groups = 1,
                               .round_up = round_up},
                      .in = {maps, side, side + 2},
                      .out = {units, height, width}};
}

/* AlexNet's in small, and odd ones. */
static const struct {
    int images, maps, side, kernel, stride, pad, units;
    bool round_up;
} cases[] = {
    {1, 3, 67, 11, 4, 0, 96, false}, {3, 3, 31, 11, 4, 2, 64, false},
    {3, 3, 28, 11, 4, 0, 96, true},  {1, 1, 12, 3, 1, 1, 10, false},
    {3, 4, 13, 5, 2, 3, 17, false},  {3, 4, 9, 7, 3, 3, 10, true},
    {1, 3, 11, 11, 4, 0, 40, false}, {3, 1, 17, 4, 2, 1, 96, true},
    {3, 3, 10, 3, 4, 0, 33, false},
};

typedef struct first_case {
    an_layer layer;
    int images;
    an_guarded x, w, b, y; /* plain; y as the reference has it */
} first_case;

static first_case make_case(size_t i) {
    first_case c = {.layer =
                        layer_of(cases[i].maps, cases[i].side, cases[i].kernel, cases[i].stride,
                                 cases[i].pad, cases[i].units, cases[i].round_up),
                    .images = cases[i].images};
    const size_t taps = (size_t)c.layer.in.c * c.layer.spec.kernel * c.layer.spec.kernel;
    c.x = an_guard_random((size_t)c.images * an_shape_count(c.layer.in), 1);
    c.w = an_guard_random((size_t)c.layer.out.c * taps, 2);
    c.b = an_guard_random((size_t)c.layer.out.c, 3);
    c.y = an_guard((size_t)c.images * an_shape_count(c.layer.out));
    an_reference_conv_forward(&c.layer, c.images, c.x.data, c.w.data, c.b.data, c.y.data);
    return c;
}

static void free_case(first_case *c) {
    an_unguard(&c->x);
    an_unguard(&c->w);
    an_unguard(&c->b);
    an_unguard(&c->y);
}

static void assert_near(const char *what, size_t number, const an_guarded *expected,
                        const an_guarded *found, double tolerance) {
    for (size_t i = 0; i < expected->count; i++)
        if (!(fabs((double)expected->data[i] - (double)found->data[i]) <= tolerance))
            fail_msg("%s, case %zu: element %zu is %g rather than %g", what, number, i,
                     (double)found->data[i], (double)expected->data[i]);
}

/* The lanes behind the last map must be zero. */
static void assert_filled_up(const an_kernels *kernels, an_shape shape, int images,
                             const an_guarded *blocked) {
    const size_t block = (size_t)kernels->block, pixels = (size_t)shape.h * shape.w;
    const size_t blocks = ((size_t)shape.c + block - 1) / block;
    for (size_t i = 0; i < (size_t)images * blocks * pixels; i++)
        for (size_t lane = 0; lane < block; lane++)
            if (i / pixels % blocks * block + lane >= (size_t)shape.c)
                assert_true(blocked->data[i * block + lane] == 0);
}

/* How a case is computed. */
typedef struct first_way {
    const an_kernels *kernels;
    an_precision precision;
    int threads;
    float range; /* int8 */
} first_way;

static an_guarded forward(const first_case *c, const first_way *way) {
    const an_layer *layer = &c->layer;
    const an_kernels *kernels = way->kernels;
    an_first first = {0};
    assert_ok(an_first_make(&first, kernels, layer, way->precision, way->threads, error));
    an_guarded packed = an_guard(an_first_packed_bytes(&first) / sizeof(float));
    an_guarded work = an_guard(an_first_workspace_bytes(&first, false) / sizeof(float));
    an_guarded y = an_guard(an_blocked_count(kernels, layer->out, c->images));
    const an_guarded plain = an_guard((size_t)c->images * an_shape_count(layer->out));
    an_first_pack(&first, c->w.data, way->range, packed.data);
    an_first_forward(&first, c->images, c->x.data, packed.data, c->b.data, y.data, work.data);
    assert_filled_up(kernels, layer->out, c->images, &y);
    kernels->unblock_maps(layer->out, c->images, y.data, plain.data);
    an_unguard(&packed);
    an_unguard(&work);
    an_unguard(&y);
    an_first_free(&first);
    return plain;
}

static void assert_all_threads(const first_case *c, size_t number, first_way way,
                               double tolerance) {
    for (way.threads = 1; way.threads <= 3; way.threads++) {
        an_guarded y = forward(c, &way);
        assert_near(way.kernels->name, number, &c->y, &y, tolerance);
        an_unguard(&y);
    }
}

static void forward_as_the_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        first_case c = make_case(i);
        for (const an_kernels *const *k = an_kernel_tables(); *k; k++)
            assert_all_threads(&c, i, (first_way){.kernels = *k, .precision = AN_FP32}, summed);
        free_case(&c);
    }
}

#ifdef __x86_64__
/* The values with the 8 bits of a bfloat16's fraction, by arithmetic. */
static void round_to_bfloat(const an_guarded *values) {
    for (size_t i = 0; i < values->count; i++) {
        int exponent;
        const float fraction = frexpf(values->data[i], &exponent);
        values->data[i] = ldexpf(rintf(fraction * 256), exponent - 8);
    }
}

/* Factors in bfloat16, products and sums in float32: the reference's result of rounded values. */
static void forward_in_bfloat16(void **state) {
    (void)state;
    if (!an_can_bf16())
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        first_case c = make_case(i), rounded = make_case(i);
        round_to_bfloat(&rounded.x);
        round_to_bfloat(&rounded.w);
        an_reference_conv_forward(&c.layer, c.images, rounded.x.data, rounded.w.data, c.b.data,
                                  c.y.data);
        assert_all_threads(&c, i, (first_way){.kernels = &an_kernels_avx512, .precision = AN_BF16},
                           summed);
        free_case(&c);
        free_case(&rounded);
    }
}

static float largest(const float *values, size_t count) {
    float most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf(values[i]));
    return most;
}

/* The values as whole multiples of range / 127, as which they are returned. */
static void to_whole(float *values, size_t count, float range) {
    for (size_t i = 0; i < count; i++)
        values[i] = fminf(fmaxf(rintf(values[i] * (127 / range)), -127), 127);
}

/* The result of int8: whole numbers, whose products the reference sums up exactly in float32 (less
 * than 2^24), then scaled. */
static void expect_in_int8(first_case *c, float range) {
    const size_t image = an_shape_count(c->layer.in), maps = c->b.count;
    const size_t taps = c->w.count / maps, pixels = (size_t)c->layer.out.h * c->layer.out.w;
    an_guarded x = an_guard(c->x.count), w = an_guard(c->w.count);
    static const float none[96];
    float ranges[3] = {0};
    for (int n = 0; n < c->images; n++) {
        const size_t first = (size_t)n * image;
        memcpy(x.data + first, c->x.data + first, image * sizeof(float));
        ranges[n] = range > 0 ? range : largest(x.data + first, image);
        to_whole(x.data + first, image, ranges[n]);
    }
    memcpy(w.data, c->w.data, w.count * sizeof(float));
    for (size_t o = 0; o < maps; o++) {
        const float scale = largest(w.data + o * taps, taps) / 127;
        for (size_t i = o * taps; i < (o + 1) * taps; i++)
            w.data[i] = rintf(w.data[i] / scale);
    }
    an_reference_conv_forward(&c->layer, c->images, x.data, w.data, none, c->y.data);
    for (size_t i = 0; i < c->y.count; i++) {
        const size_t o = i / pixels % maps, n = i / pixels / maps;
        const float scale = largest(c->w.data + o * taps, taps) / 127;
        c->y.data[i] = c->y.data[i] * (scale * (ranges[n] / 127)) + c->b.data[o];
    }
    an_unguard(&x);
    an_unguard(&w);
}

static void forward_in_int8(void **state) {
    (void)state;
    if (!an_can_int8())
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int known = 0; known < 2; known++) {
            first_case c = make_case(i);
            const float range = known ? 2.5f : 0; /* so that a few values are beyond it */
            expect_in_int8(&c, range);
            assert_all_threads(
                &c, i,
                (first_way){.kernels = &an_kernels_avx512, .precision = AN_INT8, .range = range},
                exact);
            free_case(&c);
        }
    }
}

/* What is not finite must show: all that comes of the picture from then on. */
static void int8_does_not_hide_nan(void **state) {
    (void)state;
    if (!an_can_int8())
        skip();
    const float odd[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        first_case c = make_case(0);
        c.x.data[0] = odd[i];
        for (int known = 0; known < 2; known++) {
            const first_way way = {&an_kernels_avx512, AN_INT8, 1, known ? 2.5f : 0};
            an_guarded y = forward(&c, &way);
            assert_true(isnan(y.data[0]));
            an_unguard(&y);
        }
        free_case(&c);
    }
}
#endif

/* The gradients of weights and biases from dy and x as the reference has them; `way` says how. */
static void check_gradients(const first_case *c, const an_guarded *dy, const an_guarded *dw,
                            const an_guarded *db, const first_way *way, double tolerance) {
    const an_kernels *kernels = way->kernels;
    const an_layer *layer = &c->layer;
    an_first first = {0};
    assert_ok(an_first_make(&first, kernels, layer, way->precision, way->threads, error));
    an_guarded work = an_guard(an_first_workspace_bytes(&first, true) / sizeof(float));
    an_guarded blocked = an_guard(an_blocked_count(kernels, layer->out, c->images));
    an_guarded weights = an_guard(dw->count), biases = an_guard(db->count);
    kernels->block_maps(layer->out, c->images, dy->data, blocked.data);
    an_first_backward_weights(&first, c->images, c->x.data, blocked.data, weights.data, biases.data,
                              work.data);
    assert_near(kernels->name, 0, dw, &weights, tolerance);
    assert_near(kernels->name, 0, db, &biases, tolerance);
    an_unguard(&work);
    an_unguard(&blocked);
    an_unguard(&weights);
    an_unguard(&biases);
    an_first_free(&first);
}

static void gradients_as_the_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        first_case c = make_case(i);
        an_guarded dy = an_guard_random(c.y.count, 4);
        an_guarded dw = an_guard(c.w.count), db = an_guard(c.b.count);
        an_reference_conv_backward_weights(&c.layer, c.images, c.x.data, dy.data, dw.data, db.data);
        for (const an_kernels *const *k = an_kernel_tables(); *k; k++)
            for (int threads = 1; threads <= 3; threads++)
                check_gradients(&c, &dy, &dw, &db, &(first_way){*k, AN_FP32, threads, 0}, summed);
        an_unguard(&dy);
        an_unguard(&dw);
        an_unguard(&db);
        free_case(&c);
    }
}

#ifdef __x86_64__
/* Products are those of rounded factors; the biases' sums are not rounded. */
static void gradients_in_bfloat16(void **state) {
    (void)state;
    if (!an_can_bf16())
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        first_case c = make_case(i);
        an_guarded dy = an_guard_random(c.y.count, 4), rounded = an_guard_random(c.y.count, 4);
        an_guarded dw = an_guard(c.w.count), db = an_guard(c.b.count), none = an_guard(c.b.count);
        round_to_bfloat(&rounded);
        an_reference_conv_backward_weights(&c.layer, c.images, c.x.data, dy.data, dw.data, db.data);
        round_to_bfloat(&c.x);
        an_reference_conv_backward_weights(&c.layer, c.images, c.x.data, rounded.data, dw.data,
                                           none.data);
        for (int threads = 1; threads <= 3; threads++)
            check_gradients(&c, &dy, &dw, &db,
                            &(first_way){&an_kernels_avx512, AN_BF16, threads, 0}, summed);
        an_unguard(&dy);
        an_unguard(&rounded);
        an_unguard(&dw);
        an_unguard(&db);
        an_unguard(&none);
        free_case(&c);
    }
}
#endif

static void fits_few_maps_in_one_group(void **state) {
    (void)state;
    an_layer layer = layer_of(3, 20, 11, 4, 0, 96, false);
    assert_true(an_first_fits(&layer));
    layer.in.c = 5;
    assert_false(an_first_fits(&layer));
    layer.in.c = 4;
    layer.spec.groups = 2;
    assert_false(an_first_fits(&layer));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_as_the_reference),
#ifdef __x86_64__
        cmocka_unit_test(forward_in_bfloat16),        cmocka_unit_test(forward_in_int8),
        cmocka_unit_test(int8_does_not_hide_nan),     cmocka_unit_test(gradients_in_bfloat16),
#endif
        cmocka_unit_test(gradients_as_the_reference), cmocka_unit_test(fits_few_maps_in_one_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
