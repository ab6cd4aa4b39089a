/*
 * The fronts of networks on pictures that are not square: the cpu backend against the reference
 * backend, a front against an observing plan, and rectangles against the squares they are part of.
 */
#include <math.h>

#include "backend/backend.h"
#include "core/memory.h"
#include "core/random.h"
#include "tiny.h"

/* As in test_cpu.c. */
static const double tolerance = 2e-4;

static float *floats(size_t count) {
    void *block;
    assert_ok(an_alloc(&block, count, sizeof(float), "floats", error));
    return block;
}

static void fill(float *out, size_t count, uint64_t item, double deviation) {
    const an_random stream = an_random_stream(5, AN_RANDOM_TEST, 0, item);
    an_random_fill_uniform(&stream, 0, count, sqrt(3.0) * deviation, out);
}

/* Weights that keep signals their size (He's); freed with an_free. */
static float *weights_of(const an_network *network) {
    float *weights = floats(network->parameter_floats);
    for (int p = 0; p < network->parameter_count; p++) {
        const an_parameter *parameter = &network->parameters[p];
        fill(weights + parameter->offset, parameter->count, (uint64_t)p,
             parameter->is_bias ? 0.1 : sqrt(2.0 / (double)parameter->fan_in));
    }
    return weights;
}

static an_plan *plan_of(const an_backend *backend, const an_network *network, const float *weights,
                        int batch, bool observe) {
    const an_weights view = an_weights_of(network, weights);
    an_plan *plan;
    assert_ok(an_plan_create(backend, network,
                             &(an_plan_options){.batch = batch, .observe = observe, .threads = 2},
                             &plan, error));
    assert_ok(an_plan_load(plan, &view, error));
    return plan;
}

/* The Euclidean distance of two tensors by the length of the first, which is not 0. */
static double distance(const float *a, const float *b, size_t count) {
    double apart = 0, length = 0;
    for (size_t i = 0; i < count; i++) {
        apart += pow((double)b[i] - (double)a[i], 2);
        length += (double)a[i] * (double)a[i];
    }
    assert_true(length > 0);
    return sqrt(apart / length);
}

/* What each front of a network gives for `images` pictures of height x width, on every backend. */
static void compare_fronts(const an_arch *arch, int height, int width, int last) {
    enum { images = 2 };
    an_network whole;
    assert_ok(an_network_build_front(arch, last, height, width, &whole, error));
    float *weights = weights_of(&whole);
    const size_t in = images * an_shape_count(whole.input);
    float *input = floats(in), *expected = NULL, *found = NULL;
    fill(input, in, AN_MAX_PARAMETERS, 1);
    an_plan *observing = plan_of(&an_backend_reference, &whole, weights, images, true);
    float *output = floats(images * an_shape_count(whole.layers[last].out));
    assert_ok(an_plan_forward(observing, input, images, output, error));
    for (int l = 0; l <= last; l++) {
        const size_t count = images * an_shape_count(whole.layers[l].out);
        expected = floats(count);
        found = floats(count);
        assert_ok(an_plan_read(observing, AN_ACTIVATION, l, expected, error));
        if (l == last)
            assert_memory_equal(output, expected, count * sizeof *output);
        an_network front;
        assert_ok(an_network_build_front(arch, l, height, width, &front, error));
        for (const an_backend *const *backend = an_backends(); *backend; backend++) {
            if (!an_backend_usable(*backend))
                continue;
            /* A batch with an empty place, too. */
            an_plan *plan = plan_of(*backend, &front, weights, images + 1, false);
            assert_ok(an_plan_forward(plan, input, images, found, error));
            const double apart = distance(expected, found, count);
            if (!(apart <= tolerance))
                fail_msg("%s up to %s on %s differs by %g", arch->name, front.layers[l].spec.name,
                         (*backend)->name, apart);
            an_plan_free(plan);
        }
        an_free(expected);
        an_free(found);
    }
    an_plan_free(observing);
    an_free(output);
    an_free(weights);
    an_free(input);
}

static void test_fronts(void **state) {
    (void)state;
    const an_arch *arch;
    assert_ok(an_arch_find("torchvision", &arch, error));
    compare_fronts(arch, 70, 113, 13); /* up to avgpool */
    compare_fronts(arch, 131, 31, 10); /* up to relu5, no wider than the least */
    assert_ok(an_arch_find("alexnet-paper", &arch, error)); /* groups, normalisation */
    compare_fronts(arch, 99, 70, 14);
    compare_fronts(&an_tiny_arch, 12, 31, 8);
}

/* Where no window sees the other half, a picture's left half is computed as by itself. */
static void test_halves(void **state) {
    (void)state;
    enum { height = 40, width = 90, part = 51 };
    const an_arch *arch;
    an_network wide, narrow;
    assert_ok(an_arch_find("torchvision", &arch, error));
    assert_ok(an_network_build_front(arch, 0, height, width, &wide, error));
    assert_ok(an_network_build_front(arch, 0, height, part, &narrow, error));
    float *weights = weights_of(&wide), *input = floats(an_shape_count(wide.input)),
          *half = floats(an_shape_count(narrow.input));
    fill(input, an_shape_count(wide.input), 1, 1);
    for (size_t row = 0; row < (size_t)3 * height; row++)
        memcpy(half + row * part, input + row * width, part * sizeof *half);
    const an_shape out = wide.layers[0].out, out_half = narrow.layers[0].out;
    float *a = floats(an_shape_count(out)), *b = floats(an_shape_count(out_half));
    for (const an_backend *const *backend = an_backends(); *backend; backend++) {
        if (!an_backend_usable(*backend))
            continue;
        an_plan *plan = plan_of(*backend, &wide, weights, 1, false);
        assert_ok(an_plan_forward(plan, input, 1, a, error));
        an_plan_free(plan);
        plan = plan_of(*backend, &narrow, weights, 1, false);
        assert_ok(an_plan_forward(plan, half, 1, b, error));
        an_plan_free(plan);
        /* Windows begin at column 4 i - 2 and end 11 later; the last one that fits has i = 10. */
        for (size_t row = 0; row < (size_t)out.c * (size_t)out.h; row++)
            for (size_t i = 0; i <= 10; i++)
                assert_true(fabsf(a[row * (size_t)out.w + i] - b[row * (size_t)out_half.w + i]) <
                            1e-4f);
    }
    an_free(weights);
    an_free(input);
    an_free(half);
    an_free(a);
    an_free(b);
}

static void test_no_training(void **state) {
    (void)state;
    an_network front;
    an_plan *plan;
    assert_ok(an_network_build_front(&an_tiny_arch, 4, 15, 15, &front, error));
    for (const an_backend *const *backend = an_backends(); *backend; backend++)
        assert_fails(an_plan_create(*backend, &front,
                                    &(an_plan_options){.batch = 1, .training = true}, &plan, error),
                     ALEXNET_INVALID, "without its last layer");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fronts),
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_no_training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
