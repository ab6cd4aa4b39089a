/* The floor under a plan's time, against its definition by hand; and that limits are measured. */
#include "backend/limits.h"
#include "testing.h"

/* A plan as far as its floor depends on it. */
static an_plan plan_of(an_precision precision, int batch, bool training) {
    const an_arch *arch;
    an_plan plan = {.options = {.batch = batch, .training = training, .precision = precision}};
    assert_ok(an_arch_find("alexnet", &arch, error));
    assert_ok(an_network_build(arch, 1000, 0, &plan.network, error));
    return plan;
}

static void assert_near(double found, double expected) {
    if (!(found > 0.999999 * expected && found < 1.000001 * expected))
        fail_msg("%g instead of %g", found, expected);
}

/* Multiply-adds and weights of the whole network and of conv1, as in docs/alexnet.md. */
static const double macs = 1135256096, conv1_macs = 105415200, weights = 62367776;

static const an_plan_limits only_arithmetic = {1e12, 1e30}, only_memory = {1e30, 1e10};

static void test_arithmetic(void **state) {
    (void)state;
    const an_plan one = plan_of(AN_FP32, 1, false), many = plan_of(AN_BF16, 64, false);
    const an_plan training = plan_of(AN_FP32, 64, true);
    assert_near(an_plan_floor(&one, &only_arithmetic), 2 * macs / 1e12);
    assert_near(an_plan_floor(&many, &only_arithmetic), 64 * 2 * macs / 1e12);
    /* Nobody needs the gradient of the pictures. */
    assert_near(an_plan_floor(&training, &only_arithmetic),
                64 * 2 * (3 * macs - conv1_macs) / 1e12);
}

static void test_memory(void **state) {
    (void)state;
    const double bytes[] = {
        [AN_FP32] = 4, [AN_TF32] = 4, [AN_BF16] = 2, [AN_FP16] = 2, [AN_INT8] = 1};
    for (int precision = AN_FP32; precision <= AN_INT8; precision++) {
        const an_plan plan = plan_of((an_precision)precision, 64, false);
        assert_near(an_plan_floor(&plan, &only_memory), bytes[precision] * weights / 1e10);
    }
    /* Read forward and, but conv1's, backward; weights and momentum changed. */
    const an_plan training = plan_of(AN_FP32, 1, true);
    assert_near(an_plan_floor(&training, &only_memory),
                (4 * (2 * weights - 96 * 363) + 16 * weights) / 1e10);
}

static void test_the_larger_counts(void **state) {
    (void)state;
    const an_plan plan = plan_of(AN_FP32, 1, false);
    const an_plan_limits limits = {500e9, 50e9};
    double sum = 0;
    for (int l = 0; l < plan.network.layer_count; l++) {
        const an_layer *layer = &plan.network.layers[l];
        if (layer->weight < 0)
            continue;
        const double seconds =
            layer->spec.type == AN_FC
                ? 4 * (double)plan.network.parameters[layer->weight].count / limits.read
                : 2 * (double)layer->macs / limits.operations;
        assert_near(an_pass_floor(&plan, &limits, AN_TIMED_FORWARD, l), seconds);
        sum += seconds;
    }
    assert_near(an_plan_floor(&plan, &limits), sum);
}

static void test_nothing_known(void **state) {
    (void)state;
    const an_plan plan = plan_of(AN_FP32, 1, false);
    assert_true(an_plan_floor(&plan, &(an_plan_limits){0}) == 0);
    assert_true(an_backend_limit(&an_backend_reference, AN_LIMIT_FP32, 1, 0.01).a_second == 0);
}

/* Every processor has float32 and memory; figures that cannot be are those of an emptied loop. */
static void test_measured(void **state) {
    (void)state;
    const an_backend *backend;
    if (an_backend_find("cpu", &backend, NULL) != ALEXNET_OK)
        skip();
    for (int i = 0; i < AN_LIMITS; i++) {
        const double rate = an_backend_limit(backend, (an_limit)i, 1, 0.02).a_second;
        const bool must = i != AN_LIMIT_BF16 && i != AN_LIMIT_INT8;
        if ((must && rate < 1e7) || rate > 2e13)
            fail_msg("limit %d: %g a second", i, rate);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arithmetic),        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_the_larger_counts), cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
