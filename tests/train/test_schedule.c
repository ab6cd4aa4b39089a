/* Learning rates against values worked out by hand. */
#include <math.h>

#include "testing.h"
#include "train/schedule.h"

enum { STEPS = 10 }; /* in an epoch */

#define assert_near(value, expected, tolerance)                                                    \
    assert_true(fabs((value) - (expected)) <= (tolerance))

static double rate(const an_schedule *schedule, uint64_t step) {
    return an_schedule_rate(schedule, NULL, step, STEPS);
}

static void test_constant(void **state) {
    (void)state;
    const an_schedule schedule = {.kind = AN_SCHEDULE_CONSTANT, .base = 0.01, .epochs = 3};
    assert_near(rate(&schedule, 0), 0.01, 0);
    assert_near(rate(&schedule, 29), 0.01, 0);
}

static void test_step(void **state) {
    (void)state;
    const an_schedule schedule = {
        .kind = AN_SCHEDULE_STEP, .base = 0.1, .factor = 0.5, .every = 2, .epochs = 6};
    assert_near(rate(&schedule, 19), 0.1, 0);
    assert_near(rate(&schedule, 20), 0.05, 0);
    assert_near(rate(&schedule, 39), 0.05, 0);
    assert_near(rate(&schedule, 40), 0.025, 0);
}

static void test_step_within_an_epoch(void **state) {
    (void)state;
    const an_schedule schedule = {
        .kind = AN_SCHEDULE_STEP, .base = 1, .factor = 0.1, .every = 0.5, .epochs = 6};
    assert_near(rate(&schedule, 4), 1, 0);
    assert_near(rate(&schedule, 5), 0.1, 1e-15);
    assert_near(rate(&schedule, 10), 0.01, 1e-15);
}

static void test_cosine(void **state) {
    (void)state;
    const an_schedule schedule = {.kind = AN_SCHEDULE_COSINE, .base = 0.2, .epochs = 4};
    assert_near(rate(&schedule, 0), 0.2, 0);
    assert_near(rate(&schedule, 10), 0.1 * (1 + sqrt(0.5)), 1e-15);
    assert_near(rate(&schedule, 20), 0.1, 1e-15);
    assert_near(rate(&schedule, 30), 0.1 * (1 - sqrt(0.5)), 1e-15);
    assert_true(rate(&schedule, 39) > 0);
    assert_near(rate(&schedule, 40), 0, 1e-15);
    assert_near(rate(&schedule, 1000), 0, 1e-15);
}

static void test_warmup(void **state) {
    (void)state;
    const an_schedule schedule = {
        .kind = AN_SCHEDULE_COSINE, .base = 0.2, .warmup = 1, .epochs = 3};
    assert_near(rate(&schedule, 0), 0.02, 1e-15);
    assert_near(rate(&schedule, 4), 0.1, 1e-15);
    assert_near(rate(&schedule, 9), 0.2, 1e-15);
    assert_near(rate(&schedule, 10), 0.2, 1e-15);
    assert_near(rate(&schedule, 20), 0.1, 1e-15); /* half of what is left */
    const an_schedule fraction = {
        .kind = AN_SCHEDULE_CONSTANT, .base = 0.5, .warmup = 0.25, .epochs = 3};
    assert_near(rate(&fraction, 0), 0.2, 1e-15); /* 1 of 2.5 steps */
    assert_near(rate(&fraction, 1), 0.4, 1e-15);
    assert_near(rate(&fraction, 2), 0.5, 0);
}

static void test_plateau(void **state) {
    (void)state;
    const an_schedule schedule = {
        .kind = AN_SCHEDULE_PLATEAU, .base = 1, .factor = 0.1, .patience = 2, .epochs = 9};
    an_plateau plateau = {.best = INFINITY};
    const struct {
        double loss;
        int bad, drops;
    } epochs[] = {{2, 0, 0},   {1.5, 0, 0}, {1.5, 1, 0}, {1.4, 0, 0}, {1.6, 1, 0},
                  {1.7, 0, 1}, {1.4, 1, 1}, {1.3, 0, 1}, {9, 1, 1},   {9, 0, 2}};
    for (size_t i = 0; i < sizeof epochs / sizeof *epochs; i++) {
        an_plateau_update(&schedule, &plateau, epochs[i].loss);
        assert_int_equal(plateau.bad, epochs[i].bad);
        assert_int_equal(plateau.drops, epochs[i].drops);
        assert_near(an_schedule_rate(&schedule, &plateau, 5, STEPS), pow(0.1, epochs[i].drops),
                    1e-15);
    }
    assert_near(plateau.best, 1.3, 0);
}

/* "Divided by 10 when validation stopped improving, three times prior to termination." */
static void test_three_drops(void **state) {
    (void)state;
    const an_schedule schedule = {.kind = AN_SCHEDULE_PLATEAU,
                                  .base = 0.01,
                                  .factor = 0.1,
                                  .patience = 2,
                                  .max_drops = 3,
                                  .epochs = 90};
    an_plateau plateau = {.best = INFINITY};
    an_plateau_update(&schedule, &plateau, 1);
    static const double rates[] = {0.01, 0.001, 0.0001, 0.00001};
    for (int drop = 0; drop < 4; drop++)
        for (int epoch = 0; epoch < 2; epoch++) {
            assert_false(an_plateau_ended(&schedule, &plateau));
            assert_near(an_schedule_rate(&schedule, &plateau, 5, STEPS), rates[drop],
                        1e-12 * rates[drop]);
            an_plateau_update(&schedule, &plateau, 1);
        }
    assert_true(an_plateau_ended(&schedule, &plateau));
    assert_near(an_schedule_rate(&schedule, &plateau, 5, STEPS), 0.00001, 1e-17);
    an_schedule endless = schedule;
    endless.max_drops = 0;
    assert_false(an_plateau_ended(&endless, &plateau));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_constant),
                                       cmocka_unit_test(test_step),
                                       cmocka_unit_test(test_step_within_an_epoch),
                                       cmocka_unit_test(test_cosine),
                                       cmocka_unit_test(test_warmup),
                                       cmocka_unit_test(test_plateau),
                                       cmocka_unit_test(test_three_drops)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
