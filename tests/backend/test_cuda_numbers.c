/*
 * The numbers that the cuda backend computes in: how they are stored, that plans in them follow the
 * reference, and that gradients that were scaled on their way are the true ones again.
 */
#include <math.h>
#include <string.h>

#include "backend/check.h"
#include "backend/cuda/plan.h"
#include "backend/cuda_host.h"
#include "backend/twins.h"
#include "testing.h"

static float of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To the nearest, ties to even, infinities and NaN as they are. */
static void rounds_to_bfloat16(void **state) {
    (void)state;
    const struct {
        uint32_t bits;
        uint16_t rounded;
    } cases[] = {{0x3F800000, 0x3F80}, {0x3F808000, 0x3F80}, {0x3F818000, 0x3F82},
                 {0x3F808001, 0x3F81}, {0x7F7FFFFF, 0x7F80}, {0x7F800000, 0x7F80},
                 {0xFF800000, 0xFF80}, {0x80000000, 0x8000}, {0x00000001, 0x0000},
                 {0x7FC00001, 0x7FC0}, {0x7F800001, 0x7FC0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(an_to_bf16(of_bits(cases[i].bits)), cases[i].rounded);
    assert_true(an_of_bf16(0xC040) == -3);
}

/* Every number of half, against what its bits mean, and back. */
static void knows_every_half(void **state) {
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        const int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
        const float found = an_of_fp16((uint16_t)bits);
        assert_int_equal(signbit(found) != 0, bits >> 15);
        if (exponent == 31 && fraction > 0) {
            assert_true(isnan(found));
            assert_true(isnan(an_of_fp16(an_to_fp16(found))));
            continue;
        }
        const double size = exponent == 31  ? (double)INFINITY
                            : exponent == 0 ? ldexp(fraction, -24)
                                            : ldexp(1024 + fraction, exponent - 25);
        assert_true(fabs((double)found) == size);
        assert_int_equal(an_to_fp16(found), bits);
    }
}

/* Between all neighbours, and on both sides of where infinity begins. */
static void rounds_to_half(void **state) {
    (void)state;
    for (uint32_t bits = 0; bits < 0x7C00; bits++) {
        const float low = an_of_fp16((uint16_t)bits);
        const float high = bits == 0x7BFF ? 65536.0f : an_of_fp16((uint16_t)(bits + 1));
        const float middle = (low + high) / 2;
        for (int sign = 0; sign < 2; sign++) {
            const float s = sign ? -1 : 1;
            const uint32_t with = (uint32_t)sign << 15;
            assert_int_equal(an_to_fp16(s * nextafterf(middle, 0)), with | bits);
            assert_int_equal(an_to_fp16(s * middle), with | (bits + (bits & 1)));
            assert_int_equal(an_to_fp16(s * nextafterf(middle, INFINITY)), with | (bits + 1));
        }
    }
    const uint32_t beyond[] = {0x47800000, 0x477FF000, 0x7F7FFFFF, 0x7F800000};
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
        assert_int_equal(an_to_fp16(of_bits(beyond[i])), 0x7C00);
    assert_int_equal(an_to_fp16(of_bits(0x80000001)), 0x8000);
    assert_true(isnan(an_of_fp16(an_to_fp16(of_bits(0x7F800001)))));
}

/* Eight at once are eight times one, in each kind of number. */
static void takes_eight_at_once(void **state) {
    (void)state;
    const an_number numbers[] = {AN_NUMBER_FLOAT, AN_NUMBER_BF16, AN_NUMBER_FP16};
    for (int n = 0; n < 3; n++) {
        float values[16], some[16], memory[16];
        fill(values, 16, 300, 1);
        an_put_some(memory, numbers[n], 8, 8, values + 8);
        for (size_t i = 0; i < 8; i++)
            an_put(memory, numbers[n], i, values[i]);
        an_get_some(memory, numbers[n], 0, 8, some);
        for (size_t i = 0; i < 8; i++) {
            assert_true(some[i] == an_get(memory, numbers[n], i));
            some[8 + i] = an_get(memory, numbers[n], 8 + i);
        }
        int rounded = 0;
        for (size_t i = 0; i < 16; i++) {
            assert_true(fabsf(some[i] - values[i]) <= 0x1p-8f * fabsf(values[i]));
            rounded += some[i] != values[i];
        }
        assert_int_equal(rounded == 0, numbers[n] == AN_NUMBER_FLOAT);
    }
}

/* Other numbers are float32 but for roundings: of 2^-8 at most in bfloat16, of 2^-11 in half and in
 * TF32. They add up over the layers, and momentum carries on what single steps did. */
static void follows_the_reference(void **state) {
    (void)state;
    const struct {
        an_precision precision;
        double loss, parameter;
    } cases[] = {{AN_TF32, 6e-3, 2.5e-3}, {AN_BF16, 0.05, 0.02}, {AN_FP16, 6e-3, 2.5e-3}};
    slim_arch small;
    const an_arch *arch;
    assert_ok(an_arch_find("alexnet-paper", &arch, error));
    slim(arch, &small);
    thin_maps(&small);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const an_plan_options options = {
            .batch = 3, .training = true, .precision = cases[i].precision};
        twins t = make_twins(&an_backend_cuda_plan, &small.arch, 8, 67, options);
        an_update updates[AN_MAX_PARAMETERS];
        set_updates(&t, 1e-3f, updates);
        assert_int_equal(t.found->options.precision, cases[i].precision);
        assert_null(an_plan_fallback(t.found, cases[i].precision));
        for (int s = 0; s < 2; s++) {
            const an_step step = a_step(&t, updates, 3 * (uint64_t)s);
            an_step_result expected, found;
            assert_ok(an_plan_step(t.expected, &step, &expected, error));
            assert_ok(an_plan_step(t.found, &step, &found, error));
            const double off = fabs(found.loss - expected.loss) / (1 + fabs(expected.loss));
            assert_true(off <= cases[i].loss);
            assert_true(found.loss != expected.loss);
        }
        t.tolerance = cases[i].parameter;
        for (int p = 0; p < t.network.parameter_count; p++)
            compare(&t, AN_PARAMETER, p, "parameter", t.network.parameters[p].name,
                    t.network.parameters[p].count);
        free_twins(&t);
    }
}

/* What `alexnet check` takes for sound is, and is not far from what there is. */
static void note(void *context, const an_check_row *row) {
    double *worst = context;
    if (!row->passed)
        print_message("%s of %s is off by %g\n", row->what, row->name, row->error);
    *worst = fmax(*worst, row->error / row->tolerance);
}

static void passes_its_check(void **state) {
    (void)state;
    slim_arch small;
    const an_arch *arch;
    an_network network;
    assert_ok(an_arch_find("alexnet", &arch, error));
    slim(arch, &small);
    thin_maps(&small);
    assert_ok(an_network_build(&small.arch, 10, 67, &network, error));
    for (int precision = AN_TF32; precision <= AN_FP16; precision++) {
        const an_check_options options = {.threads = 1, .precision = (an_precision)precision};
        double worst = 0;
        int failures;
        assert_ok(an_check_backend(&an_backend_cuda_plan, &an_backend_reference, &network, &options,
                                   note, &worst, &failures, error));
        assert_int_equal(failures, 0);
        assert_true(worst > 0.1);
    }
}

/* ---- Gradients in half, which are scaled on their way. */

static void scales_gradients(void **state) {
    (void)state;
    assert_true(an_gradient_scale(AN_NUMBER_FP16, 1) == 32);
    assert_true(an_gradient_scale(AN_NUMBER_FP16, 100) == 3200);
    assert_true(an_gradient_scale(AN_NUMBER_FP16, 512) == 16384);
    assert_true(an_gradient_scale(AN_NUMBER_FP16, 4096) == 16384);
    assert_true(an_gradient_scale(AN_NUMBER_BF16, 100) == 1);
    assert_true(an_gradient_scale(AN_NUMBER_FLOAT, 100) == 1);
}

/* Keeps the gradients as gradient_ready hands them over. */
static void keep(void *context, int parameter, float *gradient, size_t count) {
    const twins *t = context;
    memcpy(t->b + t->network.parameters[parameter].offset, gradient, count * sizeof *gradient);
}

static double distance(const float *a, const float *b, size_t count) {
    double difference = 0, length = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        length += (double)a[i] * (double)a[i];
    }
    return sqrt(difference / length);
}

/* All gradients of a step are the reference's, as they are read and as they are handed over. */
static void check_gradients(twins *t, const an_step *common) {
    const size_t images = (size_t)t->found->options.batch;
    an_step_result expected, found;
    an_step step = *common;
    t->tolerance = 0.03;
    assert_ok(an_plan_step(t->expected, &step, &expected, error));
    step.gradient_ready = keep;
    step.context = t;
    assert_ok(an_plan_step(t->found, &step, &found, error));
    assert_int_equal(found.counted, expected.counted);
    for (int p = 0; p < t->network.parameter_count; p++) {
        const an_parameter *parameter = &t->network.parameters[p];
        assert_ok(an_plan_read(t->expected, AN_PARAMETER_GRADIENT, p, t->a, error));
        assert_true(distance(t->a, t->b + parameter->offset, parameter->count) < t->tolerance);
    }
    for (int p = 0; p < t->network.parameter_count; p++)
        compare(t, AN_PARAMETER_GRADIENT, p, "gradient", t->network.parameters[p].name,
                t->network.parameters[p].count);
    for (int l = t->network.layer_count - 1; l >= -1 && t->found->options.observe; l--)
        compare(t, AN_ACTIVATION_GRADIENT, l, "gradient",
                l < 0 ? "input" : t->network.layers[l].spec.name,
                images * an_shape_count(l < 0 ? t->network.input : t->network.layers[l].out));
}

/* With labels for all images and for one of them, whose gradient is then as large as all. */
static void gradients_are_true(void **state) {
    (void)state;
    const an_arch *const archs[] = {&odd_arch, &strange_arch};
    for (int i = 0; i < 8; i++) {
        const an_plan_options options = {
            .batch = 5, .training = true, .observe = i & 1, .precision = AN_FP16};
        twins t = make_twins(&an_backend_cuda_plan, archs[i & 2 ? 1 : 0], 4, 0, options);
        for (int n = 0; n < 5; n++)
            t.labels[n] = i & 4 && n != 2 ? -1 : n % 4;
        const an_step step = a_step(&t, NULL, 0);
        check_gradients(&t, &step);
        free_twins(&t);
    }
}

/* The caller's gradient, of numbers so small that half could hold them as they are to a fifth. */
static void small_gradients_do_not_vanish(void **state) {
    (void)state;
    const float gradient[8] = {4e-6f, -4e-6f, 2e-6f, 0, -1e-6f, 0, 8e-6f, 0};
    const an_plan_options options = {
        .batch = 2, .training = true, .observe = true, .precision = AN_FP16};
    twins t = make_twins(&an_backend_cuda_plan, &odd_arch, 4, 0, options);
    an_step step = a_step(&t, NULL, 0);
    step.logit_gradient = gradient;
    check_gradients(&t, &step);
    free_twins(&t);
}

/* ---- TF32: both kinds of products take it, and only where it is asked for. */

static const an_layer_spec only_fc[] = {{.name = "fc1", .type = AN_FC, .parameter = "fc1"}};
static const an_arch fc_arch = {.name = "fc", .input_size = 9, .layers = only_fc, .layer_count = 1};

static void rounds_factors_to_tf32(void **state) {
    (void)state;
    const an_arch *const archs[] = {&fc_arch, &odd_arch};
    for (int i = 0; i < 4; i++) {
        const bool tf32 = i & 1;
        twins t = make_twins(&an_backend_cuda_plan, archs[i / 2], 6, 0,
                             (an_plan_options){.batch = 3,
                                               .training = true,
                                               .observe = true,
                                               .precision = tf32 ? AN_TF32 : AN_FP32});
        const size_t outputs = 3 * an_shape_count(t.network.layers[0].out);
        const an_step step = a_step(&t, NULL, 0);
        an_step_result result;
        assert_ok(an_plan_step(t.expected, &step, &result, error));
        assert_ok(an_plan_step(t.found, &step, &result, error));
        for (int tensor = 0; tensor < 2; tensor++) {
            const an_tensor what = tensor ? AN_PARAMETER_GRADIENT : AN_ACTIVATION;
            assert_ok(an_plan_read(t.expected, what, 0, t.a, error));
            assert_ok(an_plan_read(t.found, what, 0, t.b, error));
            const double off = distance(t.a, t.b, tensor ? t.network.parameters[0].count : outputs);
            assert_true(tf32 ? off > 5e-5 && off < 5e-3 : off < 1e-5);
        }
        free_twins(&t);
    }
}

/* ---- What a device cannot do. */

static void falls_back_to_float32(void **state) {
    (void)state;
    const struct {
        an_precision precision;
        const char *sentence; /* NULL: it can */
    } cases[] = {{AN_TF32, "this GPU has no TF32 instructions (those of compute capability 8.0 and "
                           "later have); computing in float32"},
                 {AN_BF16, "this GPU has no bfloat16 instructions (those of compute capability 8.0 "
                           "and later have); computing in float32"},
                 {AN_FP16, NULL},
                 {AN_INT8, "int8 is not computed on GPUs; computing in float32"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const an_precision asked = cases[i].precision;
        const char *sentence = cases[i].sentence;
        an_cuda_host_settings()->bf16 = false;
        twins t = make_twins(&an_backend_cuda_plan, &odd_arch, 4, 0,
                             (an_plan_options){.batch = 1, .precision = asked});
        an_cuda_host_settings()->bf16 = true;
        assert_int_equal(t.found->options.precision, sentence ? AN_FP32 : asked);
        if (sentence) {
            assert_string_equal(an_plan_fallback(t.found, asked), sentence);
            compare_logits(&t, 1);
        } else {
            assert_null(an_plan_fallback(t.found, asked));
        }
        free_twins(&t);
    }
}

/* int8 is for processors, and for inference. */
static void does_not_train_in_int8(void **state) {
    (void)state;
    an_network network;
    an_plan *plan;
    const an_plan_options options = {.batch = 1, .training = true, .precision = AN_INT8};
    assert_ok(an_network_build(&odd_arch, 7, 0, &network, error));
    assert_fails(an_plan_create(&an_backend_cuda_plan, &network, &options, &plan, error),
                 ALEXNET_UNSUPPORTED, "--precision fp32, tf32, bf16 or fp16");
}

/* Products that cannot add a bias leave it to a kernel. */
static void adds_biases_itself(void **state) {
    (void)state;
    an_cuda_host_settings()->no_bias = true;
    check_network(&an_backend_cuda_plan, &odd_arch, 7, 0, 2, 1);
    check_network(&an_backend_cuda_plan, &strange_arch, 7, 0, 2, 1);
    an_cuda_host_settings()->no_bias = false;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_to_bfloat16),
        cmocka_unit_test(knows_every_half),
        cmocka_unit_test(rounds_to_half),
        cmocka_unit_test(takes_eight_at_once),
        cmocka_unit_test(follows_the_reference),
        cmocka_unit_test(passes_its_check),
        cmocka_unit_test(scales_gradients),
        cmocka_unit_test(gradients_are_true),
        cmocka_unit_test(small_gradients_do_not_vanish),
        cmocka_unit_test(rounds_factors_to_tf32),
        cmocka_unit_test(falls_back_to_float32),
        cmocka_unit_test(does_not_train_in_int8),
        cmocka_unit_test(adds_biases_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
