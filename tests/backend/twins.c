#include "backend/twins.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/random.h"
#include "testing.h"

float *floats(size_t count) {
    void *block;
    assert_ok(an_alloc(&block, count, sizeof(float), "floats", error));
    return block;
}

void fill(float *out, size_t count, uint64_t item, double deviation) {
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

twins make_twins(const an_backend *backend, const an_arch *arch, int classes, int size,
                 an_plan_options options) {
    twins t = {.tolerance = twins_tolerance};
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
    assert_ok(an_plan_create(backend, &t.network, &options, &t.found, error));
    assert_ok(an_plan_load(t.expected, &weights, error));
    assert_ok(an_plan_load(t.found, &weights, error));
    return t;
}

void free_twins(twins *t) {
    an_plan_free(t->expected);
    an_plan_free(t->found);
    an_free(t->weights);
    an_free(t->input);
    an_free(t->a);
    an_free(t->b);
    free(t->labels);
}

void compare(twins *t, an_tensor tensor, int index, const char *what, const char *name,
             size_t count) {
    assert_ok(an_plan_read(t->expected, tensor, index, t->a, error));
    assert_ok(an_plan_read(t->found, tensor, index, t->b, error));
    assert_close(t->network.arch->name, what, name, t->a, t->b, count, t->tolerance);
}

void compare_logits(twins *t, int images) {
    assert_ok(an_plan_forward(t->expected, t->input, images, t->a, error));
    assert_ok(an_plan_forward(t->found, t->input, images, t->b, error));
    assert_close(t->network.arch->name, "logits", "the network", t->a, t->b,
                 (size_t)images * (size_t)t->network.classes, twins_tolerance);
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

an_step a_step(const twins *t, const an_update *updates, uint64_t position) {
    return (an_step){.input = t->input,
                     .labels = t->labels,
                     .seed = 5,
                     .epoch = 2,
                     .position = position,
                     .momentum = 0.9f,
                     .updates = updates};
}

void compare_step(twins *t, bool layers) {
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
    assert_true(fabs(found.loss - expected.loss) <= twins_tolerance * (1 + fabs(expected.loss)));
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

void slim(const an_arch *arch, slim_arch *out) {
    out->arch = *arch;
    out->arch.layers = out->layers;
    for (int l = 0; l < arch->layer_count; l++) {
        out->layers[l] = arch->layers[l];
        if (out->layers[l].type == AN_FC && out->layers[l].units > 0)
            out->layers[l].units = 75 + l;
    }
}

void thin_maps(slim_arch *small) {
    for (int l = 0; l < small->arch.layer_count; l++)
        if (small->layers[l].type == AN_CONV)
            small->layers[l].units /= 4;
}

void set_updates(const twins *t, float rate, an_update *updates) {
    for (int p = 0; p < t->network.parameter_count; p++)
        updates[p] = (an_update){rate, 5e-4f};
}

int working_size(const an_arch *arch, int least) {
    an_network network;
    while (an_network_build(arch, 7, least, &network, NULL) != ALEXNET_OK)
        least++;
    return least;
}

void check_network(const an_backend *backend, const an_arch *arch, int classes, int size, int batch,
                   int threads) {
    an_plan_options options = {.batch = batch, .threads = threads};
    twins t = make_twins(backend, arch, classes, size, options);
    compare_logits(&t, batch);
    if (batch > 1)
        compare_logits(&t, batch - 1);
    free_twins(&t);

    options.training = true;
    t = make_twins(backend, arch, classes, size, options);
    compare_step(&t, false);
    compare_logits(&t, batch);
    free_twins(&t);

    options.observe = true;
    t = make_twins(backend, arch, classes, size, options);
    compare_step(&t, true);
    free_twins(&t);
}

/* Numbers of maps that fill no block, groups, remainders of strides, normalisations and dropout in
 * places where no AlexNet has them. */
/* The parameters after four steps, freed with an_free. */
static float *after_four_steps(const an_backend *backend, int threads, size_t *count) {
    twins t = make_twins(
        backend, &odd_arch, 4, 0,
        (an_plan_options){.batch = 9, .training = true, .threads = threads, .deterministic = true});
    an_update updates[AN_MAX_PARAMETERS];
    for (int p = 0; p < t.network.parameter_count; p++)
        updates[p] = (an_update){1e-2f, 5e-4f};
    for (int s = 0; s < 4; s++) {
        const an_step step = a_step(&t, updates, 9 * (uint64_t)s);
        an_step_result result;
        assert_ok(an_plan_step(t.found, &step, &result, error));
    }
    *count = t.network.parameter_floats;
    float *all = floats(*count);
    for (int p = 0; p < t.network.parameter_count; p++)
        assert_ok(
            an_plan_read(t.found, AN_PARAMETER, p, all + t.network.parameters[p].offset, error));
    free_twins(&t);
    return all;
}

void check_repeatable(const an_backend *backend, int threads) {
    size_t count;
    float *first = after_four_steps(backend, threads, &count);
    float *second = after_four_steps(backend, threads, &count);
    assert_memory_equal(first, second, count * sizeof *first);
    an_free(first);
    an_free(second);
}

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

const an_arch odd_arch = {.name = "odd",
                          .input_size = 27,
                          .layers = odd_layers,
                          .layer_count = sizeof odd_layers / sizeof *odd_layers};

const an_arch strange_arch = {.name = "strange",
                              .input_size = 22,
                              .layers = strange_layers,
                              .layer_count = sizeof strange_layers / sizeof *strange_layers};
