/*
 * The cpu backend against the reference backend, through the contract: logits, loss, every
 * parameter's gradient, every activation and its gradient, updated parameters and momentum.
 *
 * Tolerance. Both compute in float32 sums of up to K products, in other orders, and Winograd's
 * algorithm other products. A sum of K terms of random sign errs by about sqrt(K) roundings of its
 * root mean square, so a tensor's error, Euclidean and relative to its length, is about eps sqrt(K)
 * in a layer, and adds up over the layers. With K at most 9216, eps = 2^-24, and about a dozen
 * roundings a term in Winograd's transforms, 2^-24 * sqrt(9216) * 12 = 7e-5. Where a rounding makes
 * another pixel the largest of a window, or turns a ReLU, single elements differ by as much as they
 * are large; of n elements that adds some 1 / sqrt(n): none in the small networks here, but a few
 * in one of the usual size, whose gradients are held to a looser bound.
 */
#include <math.h>
#include <stdlib.h>

#include "backend/backend.h"
#include "core/memory.h"
#include "core/random.h"
#include "testing.h"

static const double tolerance = 2e-4, usual_size_tolerance = 3e-2;

static float *floats(size_t count) {
    void *block;
    assert_ok(an_alloc(&block, count, sizeof(float), "floats", error));
    return block;
}

/* Uniform with the given standard deviation. */
static void fill(float *out, size_t count, uint64_t item, double deviation) {
    const an_random stream = an_random_stream(9, AN_RANDOM_TEST, 0, item);
    an_random_fill_uniform(&stream, 0, count, sqrt(3.0) * deviation, out);
}

static void assert_close(const char *network, const char *what, const char *name,
                         const float *expected, const float *found, size_t count, double most) {
    double difference = 0, length = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = (double)found[i] - (double)expected[i];
        difference += d * d;
        length += (double)expected[i] * (double)expected[i];
    }
    const double error = length > 0 ? sqrt(difference / length) : sqrt(difference);
    if (!(error <= most))
        fail_msg("%s: %s of %s differs by %g (length %g)", network, what, name, error,
                 sqrt(length));
}

/* A network's plans on both backends, with the same weights. */
typedef struct twins {
    an_network network;
    an_plan *expected, *found;
    float *weights, *input, *a, *b;
    int32_t *labels;
    double tolerance; /* of a step's tensors */
} twins;

static twins make_twins(const an_arch *arch, int classes, int size, an_plan_options options) {
    twins t = {.tolerance = tolerance};
    assert_ok(an_network_build(arch, classes, size, &t.network, error));
    size_t largest = t.network.parameter_floats;
    for (int l = 0; l < t.network.layer_count; l++) {
        const size_t count = (size_t)options.batch * an_shape_count(t.network.layers[l].out);
        largest = count > largest ? count : largest;
    }
    const size_t inputs = (size_t)options.batch * an_shape_count(t.network.input);
    largest = inputs > largest ? inputs : largest;
    t.weights = floats(t.network.parameter_floats);
    t.a = floats(largest);
    t.b = floats(largest);
    t.input = floats(inputs);
    fill(t.input, inputs, AN_MAX_PARAMETERS, 1);
    t.labels = calloc((size_t)options.batch, sizeof *t.labels);
    for (int n = 0; n < options.batch; n++)
        t.labels[n] = n % 5 == 3 ? -1 : n % t.network.classes;
    /* He's initialisation in every network, so that signals keep their size in small ones, too. */
    for (int p = 0; p < t.network.parameter_count; p++) {
        const an_parameter *parameter = &t.network.parameters[p];
        fill(t.weights + parameter->offset, parameter->count, (uint64_t)p,
             parameter->is_bias ? 0.1 : sqrt(2.0 / (double)parameter->fan_in));
    }
    const an_weights weights = an_weights_of(&t.network, t.weights);
    an_plan_options exact = options;
    exact.precision = AN_FP32;
    assert_ok(an_plan_create(&an_backend_reference, &t.network, &exact, &t.expected, error));
    assert_ok(an_plan_create(&an_backend_cpu, &t.network, &options, &t.found, error));
    assert_ok(an_plan_load(t.expected, &weights, error));
    assert_ok(an_plan_load(t.found, &weights, error));
    return t;
}

static void free_twins(twins *t) {
    an_plan_free(t->expected);
    an_plan_free(t->found);
    an_free(t->weights);
    an_free(t->input);
    an_free(t->a);
    an_free(t->b);
    free(t->labels);
}

static void compare(twins *t, an_tensor tensor, int index, const char *what, const char *name,
                    size_t count) {
    assert_ok(an_plan_read(t->expected, tensor, index, t->a, error));
    assert_ok(an_plan_read(t->found, tensor, index, t->b, error));
    assert_close(t->network.arch->name, what, name, t->a, t->b, count, t->tolerance);
}

static void compare_logits(twins *t, int images) {
    assert_ok(an_plan_forward(t->expected, t->input, images, t->a, error));
    assert_ok(an_plan_forward(t->found, t->input, images, t->b, error));
    assert_close(t->network.arch->name, "logits", "the network", t->a, t->b,
                 (size_t)images * (size_t)t->network.classes, tolerance);
}

static void compare_parameters(twins *t, an_tensor tensor, const char *what) {
    for (int p = 0; p < t->network.parameter_count; p++)
        compare(t, tensor, p, what, t->network.parameters[p].name, t->network.parameters[p].count);
}

static void compare_layers(twins *t, an_tensor tensor, const char *what) {
    const size_t images = (size_t)t->found->options.batch;
    for (int l = t->network.layer_count - 1; l >= 0; l--)
        compare(t, tensor, l, what, t->network.layers[l].spec.name,
                images * an_shape_count(t->network.layers[l].out));
}

/* Counts the calls of gradient_ready and checks that each parameter comes once. */
typedef struct readiness {
    int calls[AN_MAX_PARAMETERS];
} readiness;

static void ready(void *context, int parameter, float *gradient, size_t count) {
    readiness *seen = context;
    seen->calls[parameter]++;
    assert_non_null(gradient);
    assert_true(count > 0);
}

static an_step a_step(const twins *t, const an_update *updates, uint64_t position) {
    return (an_step){.input = t->input,
                     .labels = t->labels,
                     .seed = 5,
                     .epoch = 2,
                     .position = position,
                     .momentum = 0.9f,
                     .updates = updates};
}

/* One step from the same weights and momentum. */
static void compare_step(twins *t, bool layers) {
    an_update updates[AN_MAX_PARAMETERS];
    readiness seen = {0};
    an_step_result expected, found;
    for (int p = 0; p < t->network.parameter_count; p++) {
        updates[p] = (an_update){p == 3 ? 0 : 1e-3f, 5e-4f};
        fill(t->a, t->network.parameters[p].count, 100 + (uint64_t)p, 1e-3);
        assert_ok(an_plan_write_momentum(t->expected, p, t->a, error));
        assert_ok(an_plan_write_momentum(t->found, p, t->a, error));
    }
    an_step step = a_step(t, updates, 70);
    assert_ok(an_plan_step(t->expected, &step, &expected, error));
    step.gradient_ready = ready;
    step.context = &seen;
    assert_ok(an_plan_step(t->found, &step, &found, error));
    for (int p = 0; p < t->network.parameter_count; p++)
        assert_int_equal(seen.calls[p], 1);
    assert_int_equal(found.counted, expected.counted);
    assert_true(fabs(found.loss - expected.loss) <= tolerance * (1 + fabs(expected.loss)));
    if (layers) {
        compare_layers(t, AN_ACTIVATION, "activation");
        compare_layers(t, AN_ACTIVATION_GRADIENT, "activation gradient");
        compare(t, AN_ACTIVATION_GRADIENT, -1, "gradient", "the input",
                (size_t)t->found->options.batch * an_shape_count(t->network.input));
    }
    compare_parameters(t, AN_PARAMETER_GRADIENT, "gradient");
    compare_parameters(t, AN_PARAMETER, "updated parameter");
    compare_parameters(t, AN_MOMENTUM, "momentum");
}

/* An architecture with small fully connected layers, whose size costs time and tests nothing. */
typedef struct slim_arch {
    an_arch arch;
    an_layer_spec layers[AN_MAX_LAYERS];
} slim_arch;

static void slim(const an_arch *arch, slim_arch *out) {
    out->arch = *arch;
    out->arch.layers = out->layers;
    for (int l = 0; l < arch->layer_count; l++) {
        out->layers[l] = arch->layers[l];
        if (out->layers[l].type == AN_FC && out->layers[l].units > 0)
            out->layers[l].units = 75 + l;
    }
}

/* The smallest input size from `least` that a network works with. */
static int working_size(const an_arch *arch, int least) {
    an_network network;
    while (an_network_build(arch, 7, least, &network, NULL) != ALEXNET_OK)
        least++;
    return least;
}

static void check_network(const an_arch *arch, int classes, int size, int batch, int threads) {
    an_plan_options options = {.batch = batch, .threads = threads};
    twins t = make_twins(arch, classes, size, options);
    compare_logits(&t, batch);
    if (batch > 1)
        compare_logits(&t, batch - 1);
    free_twins(&t);

    options.training = true;
    t = make_twins(arch, classes, size, options);
    compare_step(&t, false);
    compare_logits(&t, batch);
    free_twins(&t);

    options.observe = true;
    t = make_twins(arch, classes, size, options);
    compare_step(&t, true);
    free_twins(&t);
}

static void every_network(void **state) {
    (void)state;
    for (const an_arch *const *arch = an_archs(); *arch; arch++) {
        slim_arch small;
        slim(*arch, &small);
        check_network(&small.arch, 7, working_size(*arch, 67), 2, 2);
    }
}

/* At the usual size windows and tiles end where they do in real use. */
static void usual_size(void **state) {
    (void)state;
    slim_arch small;
    const an_arch *arch;
    assert_ok(an_arch_find("alexnet", &arch, error));
    slim(arch, &small);
    twins t = make_twins(&small.arch, 10, 0, (an_plan_options){.batch = 1, .training = true});
    t.tolerance = usual_size_tolerance;
    compare_step(&t, false);
    free_twins(&t);
}

/* Numbers of maps that fill no block, groups, remainders of strides, normalisations and dropout in
 * places where no AlexNet has them. */
static const an_layer_spec odd_layers[] = {
    {.name = "conv1",
     .type = AN_CONV,
     .units = 20,
     .kernel = 5,
     .stride = 2,
     .pad = 1,
     .groups = 1,
     .parameter = "conv1"},
    {.name = "relu1", .type = AN_RELU},
    {.name = "norm1", .type = AN_LRN, .size = 5, .alpha = 0.5f, .beta = 0.75f, .k = 2, .towers = 1},
    {.name = "pool1", .type = AN_MAX_POOL, .kernel = 3, .stride = 2, .round_up = true},
    {.name = "conv2",
     .type = AN_CONV,
     .units = 24,
     .kernel = 3,
     .stride = 1,
     .pad = 1,
     .groups = 2,
     .parameter = "conv2"},
    {.name = "relu2", .type = AN_RELU},
    {.name = "norm2", .type = AN_LRN, .size = 5, .alpha = 0.5f, .beta = 0.75f, .k = 1, .towers = 2},
    {.name = "pool2", .type = AN_MAX_POOL, .kernel = 2, .stride = 2},
    {.name = "norm3", .type = AN_LRN, .size = 3, .alpha = 0.5f, .beta = 0.5f, .k = 1, .towers = 1},
    {.name = "conv3",
     .type = AN_CONV,
     .units = 17,
     .kernel = 3,
     .stride = 1,
     .pad = 1,
     .groups = 1,
     .parameter = "conv3"},
    {.name = "relu3", .type = AN_RELU},
    {.name = "drop3", .type = AN_DROPOUT, .rate = 0.25f},
    {.name = "fc4", .type = AN_FC, .units = 33, .parameter = "fc4"},
    {.name = "relu4", .type = AN_RELU},
    {.name = "drop4", .type = AN_DROPOUT, .rate = 0.5f, .scale_at_test = true},
    {.name = "fc5", .type = AN_FC, .parameter = "fc5"},
};

static const an_layer_spec strange_layers[] = {
    {.name = "pool0", .type = AN_MAX_POOL, .kernel = 2, .stride = 1},
    {.name = "conv1",
     .type = AN_CONV,
     .units = 32,
     .kernel = 3,
     .stride = 2,
     .pad = 0,
     .groups = 1,
     .round_up = true,
     .parameter = "conv1"},
    {.name = "norm1", .type = AN_LRN, .size = 5, .alpha = 0.5f, .beta = 0.75f, .k = 2, .towers = 2},
    {.name = "pool1", .type = AN_MAX_POOL, .kernel = 3, .stride = 2},
    {.name = "relu1", .type = AN_RELU},
    {.name = "cnorm1", .type = AN_LRN_WITHIN, .size = 3, .alpha = 0.5f, .beta = 0.75f, .k = 1},
    {.name = "relu1b", .type = AN_RELU},
    {.name = "avgpool", .type = AN_ADAPTIVE_AVG_POOL, .units = 5},
    {.name = "same", .type = AN_ADAPTIVE_AVG_POOL, .units = 5},
    {.name = "pool2", .type = AN_MAX_POOL, .kernel = 3, .stride = 1},
    {.name = "drop2", .type = AN_DROPOUT, .rate = 0.5f},
    {.name = "fc3", .type = AN_FC, .parameter = "fc3"},
};

static void odd_networks(void **state) {
    (void)state;
    const an_arch archs[] = {
        {.name = "odd",
         .input_size = 27,
         .layers = odd_layers,
         .layer_count = sizeof odd_layers / sizeof *odd_layers},
        {.name = "strange",
         .input_size = 22,
         .layers = strange_layers,
         .layer_count = sizeof strange_layers / sizeof *strange_layers},
    };
    for (int i = 0; i < 2; i++) {
        check_network(&archs[i], 7, 0, 1, 1);
        check_network(&archs[i], 11, archs[i].input_size + 6, 3, 2);
        check_network(&archs[i], 1, 0, 17, 1);
    }
}

/* Small differences grow from step to step, but the losses stay together for a while. */
static void losses_follow(void **state) {
    (void)state;
    const an_arch arch = {.name = "odd",
                          .input_size = 27,
                          .layers = odd_layers,
                          .layer_count = sizeof odd_layers / sizeof *odd_layers};
    twins t = make_twins(&arch, 4, 0, (an_plan_options){.batch = 8, .training = true});
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

/* The same bits from run to run, for one thread and for two. */
static void repeatable(void **state) {
    (void)state;
    const an_arch arch = {.name = "odd",
                          .input_size = 27,
                          .layers = odd_layers,
                          .layer_count = sizeof odd_layers / sizeof *odd_layers};
    for (int threads = 1; threads <= 2; threads++) {
        float *kept = NULL;
        for (int run = 0; run < 2; run++) {
            twins t = make_twins(
                &arch, 4, 0, (an_plan_options){.batch = 9, .training = true, .threads = threads});
            an_update updates[AN_MAX_PARAMETERS];
            for (int p = 0; p < t.network.parameter_count; p++)
                updates[p] = (an_update){1e-2f, 5e-4f};
            for (int s = 0; s < 3; s++) {
                const an_step step = a_step(&t, updates, 9 * (uint64_t)s);
                an_step_result result;
                assert_ok(an_plan_step(t.found, &step, &result, error));
            }
            float *all = floats(t.network.parameter_floats);
            for (int p = 0; p < t.network.parameter_count; p++)
                assert_ok(an_plan_read(t.found, AN_PARAMETER, p,
                                       all + t.network.parameters[p].offset, error));
            if (run == 0)
                kept = all;
            else {
                assert_memory_equal(kept, all, t.network.parameter_floats * sizeof *all);
                an_free(all);
            }
            free_twins(&t);
        }
        an_free(kept);
    }
}

/* A NaN must reach the logits and the loss, where it is noticed. */
static void nan_is_not_hidden(void **state) {
    (void)state;
    slim_arch small;
    const an_arch *arch;
    assert_ok(an_arch_find("alexnet", &arch, error));
    slim(arch, &small);
    twins t = make_twins(&small.arch, 3, 67, (an_plan_options){.batch = 1});
    t.weights[t.network.parameters[an_network_parameter(&t.network, "conv3.weight")].offset] = NAN;
    const an_weights weights = an_weights_of(&t.network, t.weights);
    assert_ok(an_plan_load(t.found, &weights, error));
    assert_ok(an_plan_forward(t.found, t.input, 1, t.a, error));
    assert_true(isnan(t.a[0]));
    free_twins(&t);
}

/* What convolutions have packed is released; the rest stays where the caller has it. */
static void note_release(void *context, int parameter) {
    *(unsigned *)context |= 1u << parameter;
}

static void keeps_fully_connected_weights_in_place(void **state) {
    (void)state;
    const an_arch arch = {.name = "odd",
                          .input_size = 27,
                          .layers = odd_layers,
                          .layer_count = sizeof odd_layers / sizeof *odd_layers};
    twins t = make_twins(&arch, 4, 0, (an_plan_options){.batch = 1});
    unsigned released = 0;
    an_weights weights = an_weights_of(&t.network, t.weights);
    weights.release = note_release;
    weights.context = &released;
    assert_ok(an_plan_load(t.found, &weights, error));
    assert_int_equal(released, 0x3f); /* weights and biases of three convolutions */
    assert_true(an_plan_memory_of(t.found).parameters < 200000);
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

/* Training in bfloat16 is float32's but for the rounding of products, whose relative error is
 * 2^-9 each; whether the update is done at once or somebody waits for the gradients. */
static void trains_in_bfloat16(void **state) {
    (void)state;
    const an_arch arch = {.name = "odd",
                          .input_size = 27,
                          .layers = odd_layers,
                          .layer_count = sizeof odd_layers / sizeof *odd_layers};
    for (int waiting = 0; waiting < 2; waiting++) {
        twins t = make_twins(&arch, 4, 0,
                             (an_plan_options){.batch = 9, .training = true, .precision = AN_BF16});
        an_update updates[AN_MAX_PARAMETERS];
        for (int p = 0; p < t.network.parameter_count; p++)
            updates[p] = (an_update){1e-2f, 5e-4f};
        for (int s = 0; s < 2; s++) {
            an_step step = a_step(&t, updates, 9 * (uint64_t)s);
            step.gradient_ready = waiting ? ignore_gradient : NULL;
            an_step_result result;
            assert_ok(an_plan_step(t.expected, &step, &result, error));
            assert_ok(an_plan_step(t.found, &step, &result, error));
        }
        for (int p = 0; p < t.network.parameter_count; p++) {
            assert_true(difference(&t, AN_PARAMETER, p) < 0.01);
            const bool fc = t.network.layers[t.network.parameters[p].layer].spec.type == AN_FC;
            const double most = fc ? 0.02 : 0.3; /* below, maxima are other pixels here and there */
            assert_true(difference(&t, AN_MOMENTUM, p) < most);
            assert_true(difference(&t, AN_PARAMETER_GRADIENT, p) < most);
        }
        free_twins(&t);
    }
}

/* In the other precisions every layer's weights are packed, and none of the caller's needed. */
static void packs_weights_of_few_bits(void **state) {
    (void)state;
    const an_arch arch = {.name = "odd",
                          .input_size = 27,
                          .layers = odd_layers,
                          .layer_count = sizeof odd_layers / sizeof *odd_layers};
    for (int i = 0; i < 2; i++) {
        const an_precision precision = i ? AN_INT8 : AN_BF16;
        twins t = make_twins(&arch, 4, 0, (an_plan_options){.batch = 1, .precision = precision});
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
        cmocka_unit_test(trains_in_bfloat16),
        cmocka_unit_test(packs_weights_of_few_bits),
        cmocka_unit_test(refuses_to_train_in_int8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
