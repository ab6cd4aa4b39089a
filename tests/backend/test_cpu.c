/*
 * The cpu backend against the reference backend, through the contract: logits, loss, every
 * parameter's gradient, every activation and its gradient, updated parameters and momentum.
 */
#include <math.h>

#include "backend/twins.h"
#include "core/memory.h"
#include "testing.h"

static const double usual_size_tolerance = 3e-2;

static void every_network(void **state) {
    (void)state;
    for (const an_arch *const *arch = an_archs(); *arch; arch++) {
        slim_arch small;
        slim(*arch, &small);
        check_network(&an_backend_cpu, &small.arch, 7, working_size(*arch, 67), 2, 2);
    }
}

/* At the usual size windows and tiles end where they do in real use. */
static void usual_size(void **state) {
    (void)state;
    slim_arch small;
    const an_arch *arch;
    assert_ok(an_arch_find("alexnet", &arch, error));
    slim(arch, &small);
    twins t = make_twins(&an_backend_cpu, &small.arch, 10, 0,
                         (an_plan_options){.batch = 1, .training = true});
    t.tolerance = usual_size_tolerance;
    compare_step(&t, false);
    free_twins(&t);
}

static void odd_networks(void **state) {
    (void)state;
    const an_arch *const archs[] = {&odd_arch, &strange_arch};
    for (int i = 0; i < 2; i++) {
        check_network(&an_backend_cpu, archs[i], 7, 0, 1, 1);
        check_network(&an_backend_cpu, archs[i], 11, archs[i]->input_size + 6, 3, 2);
        check_network(&an_backend_cpu, archs[i], 1, 0, 17, 1);
    }
}

/* Small differences grow from step to step, but the losses stay together for a while. */
static void losses_follow(void **state) {
    (void)state;
    twins t = make_twins(&an_backend_cpu, &odd_arch, 4, 0,
                         (an_plan_options){.batch = 8, .training = true});
    an_update updates[AN_MAX_PARAMETERS];
    for (int p = 0; p < t.network.parameter_count; p++)
        updates[p] = (an_update){1e-2f, 5e-4f};
    double first = 0, last = 0;
    for (int s = 0; s < 12; s++) {
        const an_step step = a_step(&t, updates, 8 * (uint64_t)s);
        an_step_result expected, found;
        assert_ok(an_plan_step(t.expected, &step, &expected, error));
        assert_ok(an_plan_step(t.found, &step, &found, error));
        assert_true(fabs(found.loss - expected.loss) <= 1e-2 * (1 + fabs(expected.loss)));
        first = s == 0 ? found.loss : first;
        last = found.loss;
    }
    assert_true(last < first);
    free_twins(&t);
}

static void repeatable(void **state) {
    (void)state;
    check_repeatable(&an_backend_cpu, 1);
    check_repeatable(&an_backend_cpu, 2);
}

/* A NaN must reach the logits and the loss, where it is noticed, and an infinity as one. */
static void nan_is_not_hidden(void **state) {
    (void)state;
    static const an_precision precisions[] = {AN_FP32, AN_BF16, AN_INT8};
    slim_arch small;
    const an_arch *arch;
    assert_ok(an_arch_find("alexnet", &arch, error));
    slim(arch, &small);
    for (int i = 0; i < 3 * 2 * 2; i++) {
        const bool in_weights = i % 2;
        const an_plan_options options = {.batch = i / 2 % 2 ? 9 : 1,
                                         .precision = precisions[i / 4]};
        twins t = make_twins(&an_backend_cpu, &small.arch, 3, 67, options);
        const int weight = an_network_parameter(&t.network, "conv3.weight");
        if (in_weights)
            t.weights[t.network.parameters[weight].offset] = NAN;
        else
            t.input[100] = INFINITY;
        const an_weights weights = an_weights_of(&t.network, t.weights);
        assert_ok(an_plan_load(t.found, &weights, error));
        assert_ok(an_plan_forward(t.found, t.input, 1, t.a, error));
        assert_true(isnan(t.a[0]));
        free_twins(&t);
    }
}

static void note_release(void *context, int parameter) {
    *(unsigned *)context |= 1u << parameter;
}

/* What convolutions have packed is released; the rest stays where the caller has it. */
static void keeps_fully_connected_weights_in_place(void **state) {
    (void)state;
    const an_plan_options options[] = {{.batch = 1, .brief = true}, {.batch = 2}};
    for (int i = 0; i < 2; i++) {
        twins t = make_twins(&an_backend_cpu, &odd_arch, 4, 0, options[i]);
        unsigned released = 0;
        an_weights weights = an_weights_of(&t.network, t.weights);
        weights.release = note_release;
        weights.context = &released;
        assert_ok(an_plan_load(t.found, &weights, error));
        assert_int_equal(released, 0x3f); /* weights and biases of three convolutions */
        assert_true(an_plan_memory_of(t.found).parameters < 200000);
        free_twins(&t);
    }
}

/* For picture after picture, those behind a ReLU are packed as well, and given back in pieces. */
typedef struct given_back {
    unsigned released;
    size_t forgotten[AN_MAX_PARAMETERS];
} given_back;

static void note_release_of(void *context, int parameter) {
    note_release(&((given_back *)context)->released, parameter);
}

static void note_forgotten(void *context, int parameter, size_t first, size_t count) {
    given_back *back = context;
    assert_int_equal(first, back->forgotten[parameter]);
    back->forgotten[parameter] += count;
}

static void packs_what_is_behind_a_relu(void **state) {
    (void)state;
    twins t = make_twins(&an_backend_cpu, &odd_arch, 4, 0, (an_plan_options){.batch = 1});
    given_back back = {0};
    an_weights weights = an_weights_of(&t.network, t.weights);
    weights.release = note_release_of;
    weights.forget = note_forgotten;
    weights.context = &back;
    assert_ok(an_plan_load(t.found, &weights, error));
    int packed = 0;
    for (int p = 0; p < t.network.parameter_count; p++) {
        const an_parameter *parameter = &t.network.parameters[p];
        if (t.network.layers[parameter->layer].spec.type != AN_FC || parameter->is_bias)
            continue;
        const bool released = back.released >> p & 1;
        assert_int_equal(back.forgotten[p], released ? parameter->count : 0);
        packed += released;
    }
    assert_true(packed > 0);
    free_twins(&t);
}

static void ignore_gradient(void *context, int parameter, float *gradient, size_t count) {
    (void)context, (void)parameter, (void)gradient, (void)count;
}

/* The largest difference between a tensor of both plans, over its largest magnitude. */
static double difference(twins *t, an_tensor tensor, int parameter) {
    double most = 0, magnitude = 0;
    assert_ok(an_plan_read(t->found, tensor, parameter, t->a, error));
    assert_ok(an_plan_read(t->expected, tensor, parameter, t->b, error));
    for (size_t i = 0; i < t->network.parameters[parameter].count; i++) {
        most = fmax(most, fabs((double)t->a[i] - (double)t->b[i]));
        magnitude = fmax(magnitude, fabs((double)t->b[i]));
    }
    return most / magnitude;
}

static void check_training_in_bfloat16(const an_arch *arch, int size, int steps, bool waiting) {
    twins t = make_twins(&an_backend_cpu, arch, 4, size,
                         (an_plan_options){.batch = 9, .training = true, .precision = AN_BF16});
    an_update updates[AN_MAX_PARAMETERS];
    set_updates(&t, 1e-2f, updates);
    for (int s = 0; s < steps; s++) {
        an_step step = a_step(&t, updates, 9 * (uint64_t)s);
        step.gradient_ready = waiting ? ignore_gradient : NULL;
        an_step_result result;
        assert_ok(an_plan_step(t.expected, &step, &result, error));
        assert_ok(an_plan_step(t.found, &step, &result, error));
    }
    for (int p = 0; p < t.network.parameter_count; p++) {
        assert_true(difference(&t, AN_PARAMETER, p) < 0.02);
        const bool fc = t.network.layers[t.network.parameters[p].layer].spec.type == AN_FC;
        /* Below, other pixels are maxima here and there, and other units zero. */
        const double most = fc && steps > 1 ? 0.02 : 0.3;
        assert_true(difference(&t, AN_MOMENTUM, p) < most);
        assert_true(difference(&t, AN_PARAMETER_GRADIENT, p) < most);
    }
    free_twins(&t);
}

/* Training in bfloat16 is float32's but for the rounding of products, whose relative error is
 * 2^-9 each; whether the update is done at once or somebody waits for the gradients. */
static void trains_in_bfloat16(void **state) {
    (void)state;
    slim_arch small;
    const an_arch *arch;
    assert_ok(an_arch_find("alexnet-paper", &arch, error));
    slim(arch, &small);
    for (int waiting = 0; waiting < 2; waiting++) {
        check_training_in_bfloat16(&odd_arch, 0, 2, waiting);
        check_training_in_bfloat16(&small.arch, 67, 1, waiting);
    }
}

/* How far the logits of both plans are apart, relative to their length. */
static double logit_difference(twins *t, int images) {
    const size_t count = (size_t)images * t->network.classes;
    double apart = 0, length = 0;
    assert_ok(an_plan_forward(t->expected, t->input, images, t->a, error));
    assert_ok(an_plan_forward(t->found, t->input, images, t->b, error));
    for (size_t i = 0; i < count; i++) {
        apart += pow((double)t->a[i] - (double)t->b[i], 2);
        length += pow((double)t->a[i], 2);
    }
    return sqrt(apart / length);
}

/* Eight layers of factors that are rounded by up to 2^-9 of themselves, or 2^-8 of the largest. */
static void answers_in_fewer_bits(void **state) {
    (void)state;
    const char *const names[] = {"alexnet", "alexnet-paper"};
    for (int i = 0; i < 2 * 2 * 2; i++) {
        slim_arch small;
        const an_arch *arch;
        assert_ok(an_arch_find(names[i % 2], &arch, error));
        slim(arch, &small);
        const bool bytes = i / 2 % 2;
        const int batch = i / 4 ? 9 : 1;
        twins t =
            make_twins(&an_backend_cpu, &small.arch, 5, 67,
                       (an_plan_options){.batch = batch, .precision = bytes ? AN_INT8 : AN_BF16});
        const double apart = logit_difference(&t, batch);
        if (!(apart < (bytes ? 0.04 : 0.02)))
            fail_msg("%s, %s, batch %d: off by %g", names[i % 2], bytes ? "int8" : "bf16", batch,
                     apart);
        free_twins(&t);
    }
}

/* Of many images the first layers take a few at a time, and what is left over in the end. */
static void goes_in_portions(void **state) {
    (void)state;
    const char *const names[] = {"alexnet", "alexnet-paper"};
    for (int i = 0; i < 2; i++) {
        slim_arch small;
        const an_arch *arch;
        assert_ok(an_arch_find(names[i], &arch, error));
        slim(arch, &small);
        thin_maps(&small);
        twins t = make_twins(&an_backend_cpu, &small.arch, 5, 0,
                             (an_plan_options){.batch = 8, .threads = 1});
        compare_logits(&t, 8);
        compare_logits(&t, 6);
        free_twins(&t);
    }
}

/* In the other precisions every layer's weights are packed, and none of the caller's needed. */
static void packs_weights_of_few_bits(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        const an_precision precision = i ? AN_INT8 : AN_BF16;
        twins t = make_twins(&an_backend_cpu, &odd_arch, 4, 0,
                             (an_plan_options){.batch = 1, .precision = precision});
        unsigned released = 0;
        an_weights weights = an_weights_of(&t.network, t.weights);
        weights.release = note_release;
        weights.context = &released;
        assert_ok(an_plan_load(t.found, &weights, error));
        if (t.found->options.precision == precision)
            assert_int_equal(released, (1u << t.network.parameter_count) - 1);
        free_twins(&t);
    }
}

/* Those of GPUs are computed in float32. */
static void has_no_tf32_and_no_fp16(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        const an_precision precision = i ? AN_FP16 : AN_TF32;
        twins t =
            make_twins(&an_backend_cpu, &odd_arch, 4, 0,
                       (an_plan_options){.batch = 2, .training = true, .precision = precision});
        assert_int_equal(t.found->options.precision, AN_FP32);
        assert_string_equal(an_plan_fallback(t.found, precision),
                            i ? "float16 is computed on GPUs only; computing in float32"
                              : "TF32 is computed on GPUs only; computing in float32");
        compare_step(&t, false);
        free_twins(&t);
    }
}

static void refuses_to_train_in_int8(void **state) {
    (void)state;
    an_network network;
    an_plan *plan;
    assert_ok(an_network_build(an_archs()[0], 10, 67, &network, error));
    const an_plan_options options = {.batch = 1, .training = true, .precision = AN_INT8};
    assert_fails(an_plan_create(&an_backend_cpu, &network, &options, &plan, error),
                 ALEXNET_UNSUPPORTED, "fp32");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_network),
        cmocka_unit_test(usual_size),
        cmocka_unit_test(odd_networks),
        cmocka_unit_test(losses_follow),
        cmocka_unit_test(repeatable),
        cmocka_unit_test(nan_is_not_hidden),
        cmocka_unit_test(keeps_fully_connected_weights_in_place),
        cmocka_unit_test(packs_what_is_behind_a_relu),
        cmocka_unit_test(trains_in_bfloat16),
        cmocka_unit_test(answers_in_fewer_bits),
        cmocka_unit_test(goes_in_portions),
        cmocka_unit_test(packs_weights_of_few_bits),
        cmocka_unit_test(has_no_tf32_and_no_fp16),
        cmocka_unit_test(refuses_to_train_in_int8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
