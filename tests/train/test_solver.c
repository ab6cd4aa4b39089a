/* Averaged weights, LARS and mixup against values worked out by hand. */
#include <math.h>
#include <stdlib.h>

#include "core/random.h"
#include "fixture.h"
#include "train/average.h"
#include "train/mix.h"
#include "train/solver.h"
#include "train/sums.h"

static an_network network;

static an_plan *make_plan(const float *values) {
    const an_plan_options options = {.batch = 1, .training = true, .threads = 1};
    an_plan *plan;
    const an_backend *backend;
    assert_ok(an_backend_find("reference", &backend, error));
    assert_ok(an_network_build(&tiny_arch, FIXTURE_CLASSES, 0, &network, error));
    assert_ok(an_plan_create(backend, &network, &options, &plan, error));
    if (values) {
        const an_weights weights = an_weights_of(&network, values);
        assert_ok(an_plan_load(plan, &weights, error));
    }
    return plan;
}

/* Loads weights that are all `value`. */
static void load_all(an_plan *plan, float *room, float value) {
    for (size_t i = 0; i < network.parameter_floats; i++)
        room[i] = value;
    const an_weights weights = an_weights_of(&network, room);
    assert_ok(an_plan_load(plan, &weights, error));
}

static void assert_all(const an_average *average, float value) {
    for (size_t i = 0; i < network.parameter_floats; i++)
        assert_true(average->values[i] == value);
}

/*
 * From 1, with the weights 12, 12 and 3.25 after the first steps: shares 1 - 2/11 = 9/11 and
 * 1 - 3/12 = 3/4 while the decay is below 0.75, then 1/4.
 */
static void test_average_by_hand(void **state) {
    (void)state;
    an_plan *plan = make_plan(NULL);
    float *room = calloc(network.parameter_floats, sizeof *room);
    float *scratch = calloc(network.parameter_floats, sizeof *scratch);
    an_average average;
    assert_true(room && scratch);
    load_all(plan, room, 1);
    assert_ok(an_average_begin(&average, plan, 0.75, scratch, error));
    assert_all(&average, 1);
    load_all(plan, room, 12);
    assert_ok(an_average_add(&average, plan, 1, error));
    const float first = 1 + (float)(1 - 2.0 / 11) * (12.0f - 1); /* 10 */
    assert_true(fabsf(first - 10) < 1e-5f);
    assert_all(&average, first);
    assert_ok(an_average_add(&average, plan, 2, error));
    const float second = first + 0.75f * (12 - first); /* 11.5 */
    assert_all(&average, second);
    load_all(plan, room, 3.5f);
    assert_ok(an_average_add(&average, plan, 1000, error));
    assert_all(&average, second + 0.25f * (3.5f - second));

    /* Its plan computes with the averages, not with the weights. */
    float *input = calloc(an_shape_count(network.input), sizeof *input), logits[2][FIXTURE_CLASSES];
    assert_non_null(input);
    input[7] = 1;
    an_plan *other = make_plan(average.values);
    assert_ok(an_average_load(&average, error));
    assert_ok(an_plan_forward(average.plan, input, 1, logits[0], error));
    assert_ok(an_plan_forward(other, input, 1, logits[1], error));
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    free(input);
    free(room);
    free(scratch);
    an_average_free(&average);
    an_plan_free(other);
    an_plan_free(plan);
}

static void test_lars_ratio(void **state) {
    (void)state;
    assert_true(an_lars_ratio(0.001, 3, 4, 0) == 0.001 * 3 / 4);
    assert_true(an_lars_ratio(0.5, 2, 1, 0.25) == 0.5 * 2 / 1.5);
    assert_true(an_lars_ratio(0.001, 0, 4, 0.1) == 1); /* weights of zero must be able to move */
    assert_true(an_lars_ratio(0.001, 3, 0, 0) == 1);
    const float values[] = {3, 0, -4};
    assert_true(an_length(values, 3) == 5);
    assert_true(an_mean_magnitude(values, 3) == 7.0 / 3);
    assert_true(an_length(values, 0) == 0 && an_mean_magnitude(values, 0) == 0);
}

/* On every backend a step moves each weight tensor by the share of its length that LARS says. */
static void test_lars_in_a_step(void **state) {
    (void)state;
    enum { images = 4 };
    const double trust = 0.01, rate = 0.5;
    static const int32_t labels[images] = {0, 1, 2, 0};
    for (const an_backend *const *backend = an_backends(); *backend; backend++) {
        if (!an_backend_usable(*backend))
            continue;
        const an_plan_options options = {.batch = images, .training = true, .threads = 2};
        an_plan *plan;
        assert_ok(an_network_build(&tiny_arch, FIXTURE_CLASSES, 0, &network, error));
        assert_ok(an_plan_create(*backend, &network, &options, &plan, error));
        const size_t floats = network.parameter_floats;
        float *before = calloc(floats, sizeof *before), *scratch = calloc(floats, sizeof *before);
        float *input = calloc(images * an_shape_count(network.input), sizeof *input);
        assert_true(before && scratch && input);
        const an_random noise = an_random_stream(4, AN_RANDOM_TEST, 0, 0);
        an_random_fill_normal(&noise, 0, images * an_shape_count(network.input), 1, input);
        an_initialise(&network, 3, before);
        const an_weights weights = an_weights_of(&network, before);
        assert_ok(an_plan_load(plan, &weights, error));
        an_update updates[AN_MAX_PARAMETERS];
        for (int i = 0; i < network.parameter_count; i++)
            updates[i] = (an_update){.learning_rate = (float)rate};
        an_lars lars = {.plan = plan, .updates = updates, .trust = trust, .scratch = scratch};
        const an_step step = {.input = input,
                              .labels = labels,
                              .no_dropout = true,
                              .updates = updates,
                              .gradient_ready = an_lars_scale,
                              .context = &lars};
        an_step_result result;
        assert_ok(an_plan_step(plan, &step, &result, error));
        assert_int_equal(lars.status, ALEXNET_OK);
        for (int i = 0; i < network.parameter_count; i++) {
            const an_parameter *p = &network.parameters[i];
            assert_ok(an_plan_read(plan, AN_MOMENTUM, i, scratch, error)); /* what was added */
            if (p->is_bias)
                assert_true(updates[i].learning_rate == (float)rate);
            else
                assert_true(fabs(an_length(scratch, p->count) /
                                     (rate * trust * an_length(before + p->offset, p->count)) -
                                 1) < 1e-5);
        }
        free(before);
        free(scratch);
        free(input);
        an_plan_free(plan);
    }
}

static void test_mixed_by_hand(void **state) {
    (void)state;
    float input[] = {1, 2, 10, 20, 100, 200, 0, 0};
    int32_t labels[] = {3, 4, 5, -1}, second[4];
    const an_batch batch = {.input = input, .labels = labels, .count = 3};
    an_mix(&batch, 4, 2, 0.75, second);
    const float expected[] = {25.75f, 51.5f, 10, 20, 75.25f, 150.5f, 0, 0};
    assert_memory_equal(input, expected, sizeof input);
    const int32_t seconds[] = {5, 4, 3, -1}; /* the one in the middle is its own partner */
    assert_memory_equal(second, seconds, sizeof second);

    /* A broken picture is mixed with none. */
    const float whole[] = {1, 2, 10, 20, 0, 0, 5, 5};
    int32_t broken_labels[] = {3, 4, 6, -1};
    memcpy(input, whole, sizeof input);
    const an_batch broken = {.input = input, .labels = broken_labels, .count = 4};
    an_mix(&broken, 4, 2, 0.5, second);
    const float kept[] = {1, 2, 5, 10, 5, 10, 5, 5};
    assert_memory_equal(input, kept, sizeof input);
    const int32_t others[] = {3, 6, 4, -1};
    assert_memory_equal(second, others, sizeof second);
}

/* The larger of a share of Beta(a, a) and what is left: the mean of (s - 1/2)^2 is a quarter of
 * 1 / (2 a + 1). */
static void test_shares_are_of_beta(void **state) {
    (void)state;
    static const double alphas[] = {0.1, 0.2, 1, 4};
    enum { draws = 20000 };
    for (size_t i = 0; i < sizeof alphas / sizeof *alphas; i++) {
        double sum = 0;
        for (uint64_t n = 0; n < draws; n++) {
            const double share = an_mix_share(alphas[i], 5, 1, n);
            assert_true(share >= 0.5 && share <= 1);
            sum += (share - 0.5) * (share - 0.5);
        }
        const double expected = 0.25 / (2 * alphas[i] + 1);
        assert_true(fabs(sum / draws / expected - 1) < 0.03);
    }
    assert_true(an_mix_share(0.3, 5, 1, 8) == an_mix_share(0.3, 5, 1, 8));
    assert_true(an_mix_share(0.3, 5, 1, 8) != an_mix_share(0.3, 5, 2, 8));
    assert_true(an_mix_share(0.001, 5, 1, 8) <= 1); /* too small for U^(1/a) */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_average_by_hand),    cmocka_unit_test(test_lars_ratio),
        cmocka_unit_test(test_lars_in_a_step),     cmocka_unit_test(test_mixed_by_hand),
        cmocka_unit_test(test_shares_are_of_beta),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
