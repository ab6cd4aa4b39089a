/* The checks that users run must pass on the reference, and fail on backends that are wrong. */
#include "backend/check.h"

#include <math.h>

#include "guard.h"
#include "tiny.h"

/* What came of a check: how many rows, and which failed. */
typedef struct outcome {
    int rows, vacuous, failed;
    char last_failed[64];
} outcome;

static void note(void *context, const an_check_row *row) {
    outcome *o = context;
    o->rows++;
    o->vacuous += row->vacuous;
    if (!row->passed) {
        o->failed++;
        snprintf(o->last_failed, sizeof o->last_failed, "%s %s", row->what, row->name);
    }
}

typedef alexnet_status read_function(an_plan *plan, an_tensor tensor, int index, float *out,
                                     alexnet_error *error);

static const int faulty_parameter = 2; /* conv2.weight */

/* Reads a gradient with its elements from `begin` on times `factor`. */
static alexnet_status read_with_fault(an_plan *plan, an_tensor tensor, int index, float *out,
                                      double begin, float factor, alexnet_error *error) {
    AN_TRY(an_backend_reference.read(plan, tensor, index, out, error));
    const size_t count = plan->network.parameters[faulty_parameter].count;
    if (tensor == AN_PARAMETER_GRADIENT && index == faulty_parameter)
        for (size_t i = (size_t)(begin * (double)count); i < count; i++)
            out[i] *= factor;
    return ALEXNET_OK;
}

static alexnet_status read_scaled(an_plan *plan, an_tensor tensor, int index, float *out,
                                  alexnet_error *error) {
    return read_with_fault(plan, tensor, index, out, 0, 1.05f, error);
}

static alexnet_status read_partly(an_plan *plan, an_tensor tensor, int index, float *out,
                                  alexnet_error *error) {
    return read_with_fault(plan, tensor, index, out, 0.5, 0, error);
}

static alexnet_status read_nan(an_plan *plan, an_tensor tensor, int index, float *out,
                               alexnet_error *error) {
    return read_with_fault(plan, tensor, index, out, 0.9, NAN, error);
}

static alexnet_status forward_wrong(an_plan *plan, const float *input, int images, float *logits,
                                    alexnet_error *error) {
    AN_TRY(an_backend_reference.forward(plan, input, images, logits, error));
    logits[3] *= 1.01f;
    return ALEXNET_OK;
}

/* Wrong only in what an update does. */
static alexnet_status step_twice_as_far(an_plan *plan, const an_step *step, an_step_result *result,
                                        alexnet_error *error) {
    an_step forced = *step;
    an_update updates[AN_MAX_PARAMETERS];
    for (int p = 0; step->updates && p < plan->network.parameter_count; p++) {
        updates[p] = step->updates[p];
        updates[p].learning_rate *= 2;
    }
    if (step->updates)
        forced.updates = updates;
    return an_backend_reference.step(plan, &forced, result, error);
}

/* The reference but for one fault: a test puts its functions in. */
static an_backend faulty;

static alexnet_status create_faulty(const an_network *network, const an_plan_options *options,
                                    an_plan **out, alexnet_error *error) {
    AN_TRY(an_backend_reference.create(network, options, out, error));
    (*out)->backend = &faulty;
    return ALEXNET_OK;
}

static void set_up_faulty(void) {
    faulty = an_backend_reference;
    faulty.create = create_faulty;
}

static outcome check_gradients(const an_backend *backend, uint64_t seed) {
    const an_network network = an_tiny();
    const an_check_options options = {.seed = seed, .batch = 4, .samples = 2, .threads = 1};
    outcome o = {0};
    int failures;
    assert_ok(an_check_gradients(backend, &network, &options, note, &o, &failures, error));
    assert_int_equal(o.rows, 4 * network.parameter_count);
    assert_int_equal(o.failed, failures);
    return o;
}

static outcome check_backend(const an_backend *backend) {
    const an_network network = an_tiny();
    const an_check_options options = {.batch = 2, .threads = 1};
    outcome o = {0};
    int failures;
    assert_ok(an_check_backend(backend, &an_backend_reference, &network, &options, note, &o,
                               &failures, error));
    assert_int_equal(o.rows, 4 + 2 * network.layer_count + 1 + 2 * network.parameter_count);
    assert_int_equal(o.failed, failures);
    return o;
}

static void test_gradients_of_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 3; seed++) {
        const outcome o = check_gradients(&an_backend_reference, seed);
        if (o.failed)
            fail_msg("seed %d: %d rows failed, the last is %s", (int)seed, o.failed, o.last_failed);
        assert_int_equal(o.vacuous, 0);
    }
}

/* Wrong by 5 % throughout, by a missing half, by a few NaN: each must show, and only there. */
static void test_wrong_gradients_are_found(void **state) {
    (void)state;
    read_function *const faults[] = {read_scaled, read_partly, read_nan};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        set_up_faulty();
        faulty.read = faults[i];
        outcome o = check_gradients(&faulty, 0);
        assert_in_range(o.failed, 1, 4);
        assert_non_null(strstr(o.last_failed, "conv2.weight"));
        o = check_backend(&faulty);
        assert_int_equal(o.failed, 2); /* with layers looked at, and without */
        assert_string_equal(o.last_failed, "gradient conv2.weight");
    }
}

static void test_comparing_backends(void **state) {
    (void)state;
    outcome o = check_backend(&an_backend_reference);
    assert_int_equal(o.failed, 0);
    assert_int_equal(o.vacuous, 0);
    set_up_faulty();
    faulty.forward = forward_wrong;
    o = check_backend(&faulty);
    assert_int_equal(o.failed, 2);
    assert_string_equal(o.last_failed, "logits fc4");
    set_up_faulty();
    faulty.step = step_twice_as_far;
    o = check_backend(&faulty);
    assert_int_equal(o.failed, 1);
    assert_string_equal(o.last_failed, "training losses of 10 steps");
}

/* A gradient that is nothing but zeros, where the loss does not change either, proves nothing. */
static void test_vacuous_rows_are_flagged(void **state) {
    (void)state;
    an_layer_spec layers[sizeof an_tiny_layers / sizeof *an_tiny_layers];
    memcpy(layers, an_tiny_layers, sizeof layers);
    layers[4].bias = -1e6f; /* conv2: its ReLUs never open */
    layers[9].bias = 0.1f;  /* fc3: open all the same */
    an_arch arch = an_tiny_arch;
    arch.layers = layers;
    an_network network;
    assert_ok(an_network_build(&arch, 7, 0, &network, error));
    const an_check_options options = {.threads = 1};
    outcome o = {0};
    int failures;
    assert_ok(
        an_check_gradients(&an_backend_reference, &network, &options, note, &o, &failures, error));
    assert_int_equal(failures, 0);
    assert_int_equal(o.vacuous, 10); /* conv1 and conv2, and fc3's weights */
}

static void test_senseless_options(void **state) {
    (void)state;
    const an_network network = an_tiny();
    int failures;
    const an_check_options options = {.batch = -1};
    assert_fails(
        an_check_gradients(&an_backend_reference, &network, &options, note, NULL, &failures, error),
        ALEXNET_INVALID, "batch -1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_of_the_reference),
        cmocka_unit_test(test_wrong_gradients_are_found),
        cmocka_unit_test(test_comparing_backends),
        cmocka_unit_test(test_vacuous_rows_are_flagged),
        cmocka_unit_test(test_senseless_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
