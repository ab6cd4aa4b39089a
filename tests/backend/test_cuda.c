/*
 * The cuda backend's plans and kernels, on the device in plain C (cuda_host.c), against the
 * reference backend. What cuDNN, cuBLASLt and a GPU's threads do is tested where there is a GPU:
 * `alexnet check --device cuda`, bench/gpu.
 */
#include <math.h>
#include <string.h>

#include "backend/cuda/plan.h"
#include "backend/cuda_host.h"
#include "backend/twins.h"
#include "core/memory.h"
#include "testing.h"

/* A quarter of the maps, too: the plain kernels are slow. */
static void thin_maps(slim_arch *small) {
    for (int l = 0; l < small->arch.layer_count; l++)
        if (small->layers[l].type == AN_CONV)
            small->layers[l].units /= 4;
}

static void every_network(void **state) {
    (void)state;
    for (const an_arch *const *arch = an_archs(); *arch; arch++) {
        slim_arch small;
        slim(*arch, &small);
        thin_maps(&small);
        check_network(&an_backend_cuda_plan, &small.arch, 7, working_size(*arch, 67), 2, 1);
    }
}

static void odd_networks(void **state) {
    (void)state;
    const an_arch *const archs[] = {&odd_arch, &strange_arch};
    for (int i = 0; i < 2; i++) {
        check_network(&an_backend_cuda_plan, archs[i], 7, 0, 1, 1);
        check_network(&an_backend_cuda_plan, archs[i], 11, archs[i]->input_size + 6, 3, 1);
        check_network(&an_backend_cuda_plan, archs[i], 1, 0, 17, 1);
    }
}

static void set_updates(const twins *t, float rate, an_update *updates) {
    for (int p = 0; p < t->network.parameter_count; p++)
        updates[p] = (an_update){rate, 5e-4f};
}

/* Step after step, most of them replayed, with what changes between steps: positions, epochs,
 * rates, mixed labels, smoothing, dropout. */
static void replays_follow(void **state) {
    (void)state;
    twins t = make_twins(&an_backend_cuda_plan, &odd_arch, 4, 0,
                         (an_plan_options){.batch = 8, .training = true});
    const int32_t second[8] = {1, 2, 3, 0, 1, 2, 3, 0};
    const size_t before = an_cuda_host_settings()->replays;
    an_update updates[AN_MAX_PARAMETERS];
    for (int s = 0; s < 12; s++) {
        an_step step = a_step(&t, updates, 8 * (uint64_t)s);
        an_step_result expected, found;
        set_updates(&t, 1e-3f * (float)(1 + s % 3), updates);
        step.epoch = (uint32_t)(s / 4);
        step.smoothing = s % 2 ? 0.1 : 0;
        step.second_labels = s % 3 == 1 ? second : NULL;
        step.share = 0.3;
        step.no_dropout = s == 7;
        t.labels[s % 8] = s % 4;
        assert_ok(an_plan_step(t.expected, &step, &expected, error));
        assert_ok(an_plan_step(t.found, &step, &found, error));
        assert_true(fabs(found.loss - expected.loss) <= 1e-3 * (1 + fabs(expected.loss)));
        assert_int_equal(found.counted, expected.counted);
        assert_int_equal(found.correct, expected.correct);
        assert_int_equal(found.correct5, expected.correct5);
    }
    assert_int_equal(an_cuda_host_settings()->replays - before, 11);
    for (int p = 0; p < t.network.parameter_count; p++)
        compare(&t, AN_PARAMETER, p, "parameter", t.network.parameters[p].name,
                t.network.parameters[p].count);
    free_twins(&t);
}

/* Inputs on their way while the step before is computed, as a loader hands them over, among them
 * one that then is not wanted, and five that were never announced: of four steps and a forward. */
static void stages_inputs(void **state) {
    (void)state;
    enum { inputs = 3 };
    twins t = make_twins(&an_backend_cuda_plan, &odd_arch, 4, 0,
                         (an_plan_options){.batch = 4, .training = true});
    const size_t count = 4 * an_shape_count(t.network.input);
    const size_t before = an_cuda_host_settings()->transfers;
    float *input[inputs], *own = t.input;
    an_update updates[AN_MAX_PARAMETERS];
    set_updates(&t, 1e-3f, updates);
    for (int i = 0; i < inputs; i++) {
        input[i] = floats(count);
        an_plan_pin(t.found, input[i], count * sizeof(float), true);
    }
    assert_int_equal(an_cuda_host_settings()->pinned, inputs);
    fill(input[0], count, 70, 1);
    for (int s = 0; s < 14; s++) {
        const bool announced = s % 5 != 4;
        an_step_result expected, found;
        fill(input[(s + 1) % inputs], count, 71 + (uint64_t)s, 1);
        if (announced)
            an_plan_stage(t.found, input[(s + 1) % inputs]);
        t.input = input[s % inputs];
        if (s == 8) { /* what was staged for it stays unread */
            fill(own, count, 200, 1);
            t.input = own;
        }
        const an_step step = a_step(&t, updates, 4 * (uint64_t)s);
        assert_ok(an_plan_step(t.expected, &step, &expected, error));
        assert_ok(an_plan_step(t.found, &step, &found, error));
        assert_true(fabs(found.loss - expected.loss) <= 1e-3 * (1 + fabs(expected.loss)));
        if (s == 6) { /* in between, as validation does */
            assert_ok(an_plan_forward(t.expected, own, 3, t.a, error));
            assert_ok(an_plan_forward(t.found, own, 3, t.b, error));
            for (size_t i = 0; i < 3 * (size_t)t.network.classes; i++)
                assert_true(fabs((double)t.a[i] - (double)t.b[i]) < 1e-2);
        }
    }
    assert_int_equal(an_cuda_host_settings()->transfers - before, 12 + 5);
    t.input = own;
    for (int i = 0; i < inputs; i++) {
        an_plan_pin(t.found, input[i], count * sizeof(float), false);
        an_free(input[i]);
    }
    assert_int_equal(an_cuda_host_settings()->pinned, 0);
    free_twins(&t);
}

/* A gradient of the logits that the caller gives, and updates that gradient_ready changes. */
static void slow_down(void *context, int parameter, float *gradient, size_t count) {
    an_update *updates = context;
    updates[parameter].learning_rate = 5e-4f;
    for (size_t i = 0; i < count; i++)
        gradient[i] *= 2;
}

static void takes_part_in_steps(void **state) {
    (void)state;
    twins t = make_twins(&an_backend_cuda_plan, &odd_arch, 4, 0,
                         (an_plan_options){.batch = 2, .training = true});
    const float gradient[8] = {1, -1, 0.5f, 0, -0.25f, 0, 2, 0};
    an_update updates[AN_MAX_PARAMETERS];
    for (int twin = 0; twin < 2; twin++) {
        an_step step = a_step(&t, updates, 0);
        an_step_result result;
        set_updates(&t, 1e-2f, updates);
        step.logit_gradient = gradient;
        step.gradient_ready = slow_down;
        step.context = updates;
        assert_ok(an_plan_step(twin ? t.found : t.expected, &step, &result, error));
    }
    for (int p = 0; p < t.network.parameter_count; p++) {
        compare(&t, AN_PARAMETER_GRADIENT, p, "gradient", t.network.parameters[p].name,
                t.network.parameters[p].count);
        compare(&t, AN_MOMENTUM, p, "momentum", t.network.parameters[p].name,
                t.network.parameters[p].count);
    }
    free_twins(&t);
}

static void repeatable(void **state) {
    (void)state;
    check_repeatable(&an_backend_cuda_plan, 1);
}

/* bfloat16 is float32 but for roundings of 2^-9 in activations, weights and their gradients. */
static void computes_in_bfloat16(void **state) {
    (void)state;
    slim_arch small;
    const an_arch *arch;
    assert_ok(an_arch_find("alexnet-paper", &arch, error));
    slim(arch, &small);
    thin_maps(&small);
    twins t = make_twins(&an_backend_cuda_plan, &small.arch, 8, 67,
                         (an_plan_options){.batch = 3, .training = true, .precision = AN_BF16});
    an_update updates[AN_MAX_PARAMETERS];
    set_updates(&t, 1e-3f, updates);
    assert_int_equal(t.found->options.precision, AN_BF16);
    for (int s = 0; s < 3; s++) {
        const an_step step = a_step(&t, updates, 3 * (uint64_t)s);
        an_step_result expected, found;
        assert_ok(an_plan_step(t.expected, &step, &expected, error));
        assert_ok(an_plan_step(t.found, &step, &found, error));
        assert_true(fabs(found.loss - expected.loss) <= 0.05 * (1 + fabs(expected.loss)));
        assert_true(found.loss != expected.loss);
    }
    t.tolerance = 0.02;
    for (int p = 0; p < t.network.parameter_count; p++)
        compare(&t, AN_PARAMETER, p, "parameter", t.network.parameters[p].name,
                t.network.parameters[p].count);
    free_twins(&t);
}

static void falls_back_to_float32(void **state) {
    (void)state;
    an_cuda_host_settings()->bf16 = false;
    twins t = make_twins(&an_backend_cuda_plan, &odd_arch, 4, 0,
                         (an_plan_options){.batch = 1, .precision = AN_BF16});
    an_cuda_host_settings()->bf16 = true;
    assert_int_equal(t.found->options.precision, AN_FP32);
    compare_logits(&t, 1);
    free_twins(&t);
}

static void nan_is_not_hidden(void **state) {
    (void)state;
    for (int precision = AN_FP32; precision <= AN_BF16; precision++) {
        twins t = make_twins(&an_backend_cuda_plan, &odd_arch, 3, 0,
                             (an_plan_options){.batch = 1, .precision = (an_precision)precision});
        t.weights[t.network.parameters[an_network_parameter(&t.network, "conv2.weight")].offset] =
            NAN;
        const an_weights weights = an_weights_of(&t.network, t.weights);
        assert_ok(an_plan_load(t.found, &weights, error));
        assert_ok(an_plan_forward(t.found, t.input, 1, t.a, error));
        assert_true(isnan(t.a[0]));
        free_twins(&t);
    }
}

/* What a plan is said to take is what it asks the device for, and too much is refused with the
 * batch that would fit. */
static void plans_its_memory(void **state) {
    (void)state;
    an_network network;
    an_plan *plan;
    an_plan_options options = {.batch = 10, .training = true, .threads = 1};
    assert_ok(an_network_build(&odd_arch, 7, 0, &network, error));
    assert_ok(an_plan_create(&an_backend_cuda_plan, &network, &options, &plan, error));
    const an_plan_memory memory = an_plan_memory_of(plan);
    const size_t all = memory.parameters + memory.gradients + memory.momentum + memory.activations +
                       memory.workspace;
    an_plan_free(plan);
    assert_true(memory.parameters >= network.parameter_floats * sizeof(float));
    an_cuda_host_settings()->memory = all;
    assert_ok(an_plan_create(&an_backend_cuda_plan, &network, &options, &plan, error));
    an_plan_free(plan);
    an_cuda_host_settings()->memory = all - 1;
    assert_fails(an_plan_create(&an_backend_cuda_plan, &network, &options, &plan, error),
                 ALEXNET_NO_MEMORY, "about --batch 9 would fit");
    an_cuda_host_settings()->memory = 1000;
    assert_fails(an_plan_create(&an_backend_cuda_plan, &network, &options, &plan, error),
                 ALEXNET_NO_MEMORY, "GB are free");
    an_cuda_host_settings()->memory = (size_t)1 << 40;
}

/* int8 is for processors: for inference float32 stands in. */
static void has_no_int8(void **state) {
    (void)state;
    an_network network;
    an_plan *plan;
    an_plan_options options = {.batch = 1, .training = true, .precision = AN_INT8, .threads = 1};
    assert_ok(an_network_build(&odd_arch, 7, 0, &network, error));
    assert_fails(an_plan_create(&an_backend_cuda_plan, &network, &options, &plan, error),
                 ALEXNET_UNSUPPORTED, "--precision fp32 or bf16");
    options.training = false;
    assert_ok(an_plan_create(&an_backend_cuda_plan, &network, &options, &plan, error));
    assert_string_equal(an_plan_fallback(plan, AN_INT8),
                        "int8 is not computed on GPUs; computing in float32");
    an_plan_free(plan);
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
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float value;
        memcpy(&value, &cases[i].bits, sizeof value);
        assert_int_equal(an_to_bf16(value), cases[i].rounded);
    }
    assert_true(an_of_bf16(0xC040) == -3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_network),        cmocka_unit_test(odd_networks),
        cmocka_unit_test(replays_follow),       cmocka_unit_test(stages_inputs),
        cmocka_unit_test(takes_part_in_steps),  cmocka_unit_test(repeatable),
        cmocka_unit_test(computes_in_bfloat16), cmocka_unit_test(falls_back_to_float32),
        cmocka_unit_test(nan_is_not_hidden),    cmocka_unit_test(plans_its_memory),
        cmocka_unit_test(has_no_int8),          cmocka_unit_test(rounds_to_bfloat16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
