/*
 * The cpu backend's first convolution, of every instruction set that this machine has, against the
 * reference backend's functions, between guard zones.
 *
 * Tolerance: sums of up to 4 * 11 * 11 products of standard normal numbers in float32, in another
 * order: 2^-24 * 22 (their size) * a few.
 */
#include <math.h>

#include "backend/cpu/first.h"
#include "backend/reference/layers.h"
#include "guard.h"

/* The tables that can run here; ends with NULL. */
static const an_kernels *const *tables(void) {
    static const an_kernels *usable[4];
    int count = 0;
    usable[count++] = &an_kernels_base;
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        usable[count++] = &an_kernels_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        usable[count++] = &an_kernels_avx512;
#endif
    usable[count] = NULL;
    return usable;
}

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

static an_guarded forward(const an_kernels *kernels, const first_case *c, int threads) {
    const an_layer *layer = &c->layer;
    an_first first = {0};
    assert_ok(an_first_make(&first, kernels, layer, threads, error));
    an_guarded packed = an_guard(an_first_packed_bytes(&first) / sizeof(float));
    an_guarded work = an_guard(an_first_workspace_bytes(&first) / sizeof(float));
    an_guarded y = an_guard(an_blocked_count(kernels, layer->out, c->images));
    const an_guarded plain = an_guard((size_t)c->images * an_shape_count(layer->out));
    an_first_pack(&first, c->w.data, packed.data);
    an_first_forward(&first, c->images, c->x.data, packed.data, c->b.data, y.data, work.data);
    assert_filled_up(kernels, layer->out, c->images, &y);
    kernels->unblock_maps(layer->out, c->images, y.data, plain.data);
    an_unguard(&packed);
    an_unguard(&work);
    an_unguard(&y);
    an_first_free(&first);
    return plain;
}

static void forward_as_the_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        first_case c = make_case(i);
        for (const an_kernels *const *k = tables(); *k; k++) {
            for (int threads = 1; threads <= 3; threads++) {
                an_guarded y = forward(*k, &c, threads);
                assert_near((*k)->name, i, &c.y, &y, 2e-5);
                an_unguard(&y);
            }
        }
        free_case(&c);
    }
}

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
        cmocka_unit_test(fits_few_maps_in_one_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
