/*
 * Every backend against PyTorch: logits, loss, the gradient of every parameter, five steps of
 * training and the initial weights of every network, as make.py has written them to oracle.json
 * (or to the file named as the argument).
 *
 * Tolerances. PyTorch computed in float64, so a difference is our rounding or our fault. A sum of n
 * products in float32 is off by about sqrt(n) * eps / 2 of its size, and the errors of the layers
 * that a value has passed add up: `rounding` below is the sum over the layers of that, 3e-5 for
 * these networks. A logit has passed each layer once, a gradient twice. As these are standard
 * deviations, four times as much is allowed. The inputs are chosen so that no unit is so near to a
 * kink (ReLU's zero, a tie in max pooling) that rounding could push it to the other side; that
 * cannot be had for all of the five steps, where one unit of the n that pass a gradient on in a
 * layer changes the gradient of the biases by 1 / sqrt(n): 1e-2 in conv5, where the last pooling
 * lets through a maximum in each of its windows. Two of them are allowed.
 */
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "backend/backend.h"
#include "core/memory.h"
#include "core/random.h"
#include "testing.h"

/* Of the velocities after the steps, of the losses after the first, and of the biases of
 * convolutions by Winograd's algorithm; see above. */
#define KINKS 5e-3

/* Random numbers give the signs of a direction 128 at a time. */
enum { blocks_at_once = 1 << 14, directions = 3, signs = 128 };

static json_t *oracle;

/* Our parameters, kept from one network to the next: most are shared. */
static float *values[AN_MAX_PARAMETERS];
static an_parameter described[AN_MAX_PARAMETERS];

static double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        fail_msg("oracle.json lacks the number \"%s\"", key);
    return json_number_value(value);
}

/* The list of `count` (0: any number of) items called `key`. */
static const json_t *list(const json_t *object, const char *key, size_t count) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_array(value) || (count && json_array_size(value) != count))
        fail_msg("oracle.json lacks the list \"%s\" of %zu", key, count);
    return value;
}

static double item(const json_t *array, size_t index) {
    return json_number_value(json_array_get(array, index));
}

/* The largest part of a tolerance that was needed, and by what. */
static struct {
    double part;
    char what[80];
} closest;

static void assert_near(double value, double expected, double tolerance, const char *what,
                        const char *name) {
    const double part = fabs(value - expected) / tolerance;
    if (value != expected && !(part <= 1))
        fail_msg("%s of %s is %.9g, not %.9g, %.2g times the tolerance", what, name, value,
                 expected, part);
    if (value != expected && part > closest.part) {
        closest.part = part;
        snprintf(closest.what, sizeof closest.what, "%s of %s", what, name);
    }
}

static float *take(size_t count) {
    void *block;
    assert_ok(an_alloc(&block, count, sizeof(float), "a test's tensor", error));
    return block;
}

static void fill_normal(const an_random *stream, size_t count, double deviation, float *out) {
    const size_t piece = 4 * (size_t)blocks_at_once;
#pragma omp parallel for schedule(static)
    for (size_t first = 0; first < count; first += piece)
        an_random_fill_normal(stream, first, count - first < piece ? count - first : piece,
                              deviation, out + first);
}

/* weights() of make.py. */
static an_weights fill_weights(const an_network *network) {
    an_weights weights = {0};
    const uint64_t seed = (uint64_t)number(oracle, "seed");
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *p = &network->parameters[i];
        if (!values[i] || described[i].count != p->count || described[i].fan_in != p->fan_in) {
            double deviation =
                p->is_bias ? number(oracle, "bias_deviation") : sqrt(2.0 / (double)p->fan_in);
            if (!p->is_bias && network->layers[p->layer].spec.units == network->classes)
                deviation *= number(oracle, "last_gain");
            an_free(values[i]);
            values[i] = take(p->count);
            const an_random stream = an_random_stream(seed, AN_RANDOM_TEST, 0, (uint64_t)i);
            fill_normal(&stream, p->count, deviation, values[i]);
            described[i] = *p;
        }
        weights.tensor[i] = values[i];
    }
    return weights;
}

/* What digest() of make.py computes of a tensor. */
typedef struct an_digest {
    double norm, sum, projection[directions];
} an_digest;

static an_digest digest(int parameter, const float *tensor, size_t count) {
    const uint64_t seed = (uint64_t)number(oracle, "seed");
    double squares = 0, sum = 0, projection[directions] = {0};
    uint32_t bit[32]; /* a shift by another amount in each lane needs AVX2 */
    for (int i = 0; i < 32; i++)
        bit[i] = UINT32_C(1) << i;
#pragma omp parallel for schedule(static) reduction(+ : squares, sum, projection[:directions])
    for (size_t first = 0; first < count; first += signs) {
        float block[signs] = {0};
        memcpy(block, tensor + first,
               (count - first < signs ? count - first : signs) * sizeof *block);
#pragma omp simd reduction(+ : squares, sum)
        for (int i = 0; i < signs; i++) {
            squares += (double)block[i] * block[i];
            sum += block[i];
        }
        for (int d = 0; d < directions; d++) {
            const an_random stream =
                an_random_stream(seed, AN_RANDOM_TEST, 1 + (uint32_t)d, (uint64_t)parameter);
            uint32_t words[signs / 32];
            an_random_block(&stream, (uint32_t)(first / signs), words);
            double along = 0;
            for (int w = 0; w < signs / 32; w++) {
#pragma omp simd reduction(+ : along)
                for (int i = 0; i < 32; i++)
                    along += words[w] & bit[i] ? block[32 * w + i] : -block[32 * w + i];
            }
            projection[d] += along;
        }
    }
    an_digest found = {.norm = sqrt(squares), .sum = sum};
    memcpy(found.projection, projection, sizeof projection);
    return found;
}

/* One tensor a parameter, read from a plan, against the list called `key`; of the biases of
 * convolutions less may be asked. */
static void check_tensors(an_plan *plan, an_tensor which, const json_t *expected, const char *key,
                          double most, double conv_bias) {
    const an_network *network = &plan->network;
    const json_t *tensors = list(expected, key, (size_t)network->parameter_count);
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *p = &network->parameters[i];
        const json_t *tensor = json_array_get(tensors, (size_t)i);
        const bool is_conv_bias = p->is_bias && network->layers[p->layer].spec.type == AN_CONV;
        const double tolerance = is_conv_bias ? conv_bias : most;
        assert_string_equal(json_string_value(json_object_get(tensor, "name")), p->name);
        float *read = take(p->count);
        assert_ok(an_plan_read(plan, which, i, read, error));

        /* An error of size e has a projection of about e on a direction of +-1, and at most
         * sqrt(count) * e on that of all ones, the sum. */
        const double norm = number(tensor, "norm"), allowed = 4 * tolerance * norm;
        assert_true(norm > 0);
        const an_digest found = digest(i, read, p->count);
        assert_near(found.norm, norm, allowed, "norm", p->name);
        assert_near(found.sum, number(tensor, "sum"), allowed * sqrt((double)p->count), "sum",
                    p->name);
        const json_t *projections = list(tensor, "projections", directions);
        for (int d = 0; d < directions; d++)
            assert_near(found.projection[d], item(projections, (size_t)d), allowed, "projection",
                        p->name);
        const json_t *entries = list(tensor, "entries", 0);
        for (size_t e = 0; e < json_array_size(entries); e++) {
            const json_t *entry = json_array_get(entries, e);
            const size_t place = (size_t)item(entry, 0);
            assert_true(place < p->count);
            const double value = item(entry, 1), typical = norm / sqrt((double)p->count);
            assert_near(read[place], value, 4 * tolerance * (fabs(value) + typical), "entry",
                        p->name);
        }
        an_free(read);
    }
}

/* Sum over the layers of sqrt(inputs of one output) * eps / 2; see above. */
static double rounding(const an_network *network) {
    double sum = 0;
    for (int i = 0; i < network->parameter_count; i += 2)
        sum += sqrt((double)network->parameters[i].fan_in);
    return sum * FLT_EPSILON / 2;
}

static void check_backend(const an_backend *backend, const an_network *network,
                          const an_weights *weights, const json_t *expected, bool update) {
    const int batch = (int)number(oracle, "batch");
    const size_t inputs = (size_t)batch * an_shape_count(network->input);
    const size_t outputs = (size_t)batch * (size_t)network->classes;
    const json_t *labels = list(oracle, "labels", (size_t)batch);
    int32_t label[16];
    assert_true(batch <= 16);
    for (int n = 0; n < batch; n++)
        label[n] = (int32_t)item(labels, (size_t)n);
    float *input = take(inputs), *logits = take(outputs);
    const an_random stream = an_random_stream((uint64_t)number(oracle, "seed"), AN_RANDOM_SYNTHETIC,
                                              0, (uint64_t)number(expected, "input_item"));
    fill_normal(&stream, inputs, number(oracle, "input_deviation"), input);

    an_plan *plan;
    const an_plan_options options = {.batch = batch, .training = true};
    assert_ok(an_plan_create(backend, network, &options, &plan, error));
    assert_ok(an_plan_load(plan, weights, error));

    const double once = rounding(network), twice = 2 * once;
    assert_ok(an_plan_forward(plan, input, batch, logits, error));
    const json_t *expected_logits = list(expected, "logits", outputs);
    double squares = 0;
    for (size_t i = 0; i < outputs; i++)
        squares += item(expected_logits, i) * item(expected_logits, i);
    const double typical = sqrt(squares / (double)outputs);
    assert_true(typical > 0.05); /* or there would be nothing to compare */
    for (size_t i = 0; i < outputs; i++)
        assert_near(logits[i], item(expected_logits, i), 4 * once * typical, "a logit",
                    backend->name);

    an_update updates[AN_MAX_PARAMETERS];
    for (int i = 0; i < network->parameter_count; i++) {
        const bool is_bias = network->parameters[i].is_bias;
        const double rate = number(oracle, "learning_rate");
        updates[i].learning_rate =
            (float)(is_bias ? rate * number(oracle, "bias_multiplier") : rate);
        updates[i].weight_decay = is_bias ? 0 : (float)number(oracle, "weight_decay");
    }
    an_step step = {
        .input = input,
        .labels = label,
        .seed = (uint64_t)number(oracle, "seed"),
        .epoch = (uint32_t)number(oracle, "epoch"),
        .momentum = (float)number(oracle, "momentum"),
        .updates = update ? updates : NULL,
    };
    const json_t *losses = list(expected, "losses", 0);
    for (int s = 0; s < (update ? (int)json_array_size(losses) : 1); s++) {
        an_step_result result;
        step.position = (uint64_t)number(oracle, "position") + (uint64_t)(s * batch);
        assert_ok(an_plan_step(plan, &step, &result, error));
        const double loss = item(losses, (size_t)s);
        assert_int_equal(result.counted, batch);
        assert_near(result.loss, loss, 4 * (s ? KINKS : once) * (typical + loss), "the loss",
                    backend->name);
        if (s == 0)
            check_tensors(plan, AN_PARAMETER_GRADIENT, expected, "gradients", twice,
                          backend == &an_backend_reference ? twice : KINKS);
    }
    if (update)
        check_tensors(plan, AN_MOMENTUM, expected, "velocities", KINKS, KINKS);
    print_message("%s: at most %.2g of the tolerance, for %s\n", backend->name, closest.part,
                  closest.what);
    closest.part = 0;
    an_plan_free(plan);
    an_free(input);
    an_free(logits);
}

/* initial() of make.py: the architecture's own first weights. */
static void check_initialisation(const an_network *network, const json_t *expected) {
    const json_t *initial = list(expected, "initial", (size_t)network->parameter_count);
    float *floats = take(network->parameter_floats);
    an_initialise(network, (uint64_t)number(oracle, "seed"), floats);
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *p = &network->parameters[i];
        const json_t *places = json_array_get(initial, (size_t)i);
        assert_true(json_array_size(places) > 0);
        for (size_t e = 0; e < json_array_size(places); e++) {
            const json_t *place = json_array_get(places, e);
            const double value = item(place, 1);
            assert_near(floats[p->offset + (size_t)item(place, 0)], value,
                        4 * FLT_EPSILON * fabs(value), "a first value", p->name);
        }
    }
    an_free(floats);
}

static void test_network(void **state) {
    const json_t *expected = *state;
    const an_arch *arch;
    an_network network;
    assert_ok(an_arch_find(json_string_value(json_object_get(expected, "arch")), &arch, error));
    assert_ok(an_network_build(arch, (int)number(oracle, "classes"),
                               (int)number(expected, "input_size"), &network, error));
    check_initialisation(&network, expected);
    const an_weights weights = fill_weights(&network);
    for (const an_backend *const *backend = an_backends(); *backend; backend++) {
        if (!an_backend_usable(*backend))
            continue;
        bool update = true;
        if (*backend == &an_backend_reference) {
            /* The reference is slow, and an update is the same in all networks: one will do. */
            update = strcmp(arch->name, "alexnet") == 0;
        }
        check_backend(*backend, &network, &weights, expected, update);
    }
}

int main(int argc, char **argv) {
    json_error_t problem;
    oracle = json_load_file(argc > 1 ? argv[1] : ORACLE_FILE, 0, &problem);
    if (!oracle) {
        fprintf(stderr, "oracle.json, line %d: %s\n", problem.line, problem.text);
        return 1;
    }
    struct CMUnitTest tests[16] = {0};
    json_t *networks = json_object_get(oracle, "networks");
    const size_t count = json_array_size(networks);
    if (count < 1 || count > sizeof tests / sizeof *tests) {
        fprintf(stderr, "oracle.json holds %zu networks\n", count);
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        json_t *network = json_array_get(networks, i);
        tests[i] = (struct CMUnitTest){
            .name = json_string_value(json_object_get(network, "arch")),
            .test_func = test_network,
            .initial_state = network,
        };
    }
    const int failures = _cmocka_run_group_tests("oracle", tests, count, NULL, NULL);
    for (int i = 0; i < AN_MAX_PARAMETERS; i++)
        an_free(values[i]);
    json_decref(oracle);
    return failures;
}
