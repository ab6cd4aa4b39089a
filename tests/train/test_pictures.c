/*
 * Training on pictures as bytes is to the bit training on floats. The cuda backend is that of the
 * plug-in on a device in plain C, and stands in this program for the one that looks for the
 * plug-in.
 */
#include "backend/cuda/plan.h"
#include "fixture.h"

/* Whether it takes pictures, and how many steps were on them. */
static bool takes;
static int steps_on_pictures;

static alexnet_status count_step(an_plan *plan, const an_step *step, an_step_result *result,
                                 alexnet_error *error) {
    steps_on_pictures += step->pictures != NULL;
    return an_backend_cuda_plan.step(plan, step, result, error);
}

static alexnet_status create(const an_network *network, const an_plan_options *options,
                             an_plan **out, alexnet_error *error) {
    static an_backend counting;
    counting = an_backend_cuda_plan;
    counting.step = count_step;
    counting.forward_pictures = takes ? counting.forward_pictures : NULL;
    AN_TRY(an_backend_cuda_plan.create(network, options, out, error));
    (*out)->backend = &counting;
    return ALEXNET_OK;
}

const an_backend an_backend_cuda = {.name = "cuda", .description = "for tests", .create = create};

/* Trains on floats and on pictures, which must be in `steps` steps. */
static void assert_same(const an_train_settings *settings, const char *name, int steps) {
    char folders[2][64];
    for (int i = 0; i < 2; i++) {
        an_train_result result;
        takes = i == 1;
        steps_on_pictures = 0;
        snprintf(folders[i], sizeof folders[i], "%s-%d", name, i);
        assert_ok(an_train_arch(&tiny_arch, settings, in_fixture(folders[i]), false, NULL, &result,
                                error));
        assert_int_equal(steps_on_pictures, takes ? steps : 0);
    }
    assert_same_runs(in_fixture(folders[0]), in_fixture(folders[1]));
}

static an_train_settings settings_on(const char *data) {
    an_train_settings settings = fixture_settings_on(data);
    settings.device = "cuda";
    return settings;
}

/* Random crops, mirrored, with colour noise that ends, after which there is another loader; some
 * pictures are broken, and the last batch of an epoch is not full. */
static void test_same_bits(void **state) {
    (void)state;
    write_data(in_fixture("few-broken"));
    break_picture(in_fixture("few-broken/train/red/2.ppm"));
    break_picture(in_fixture("few-broken/train/blue/5.ppm"));
    an_train_settings settings = settings_on("few-broken");
    settings.augmentation.noise = 0.3;
    settings.phases = "3:noise=0";
    assert_same(&settings, "plain", 4 * FIXTURE_STEPS);
    settings.precision = AN_BF16;
    assert_same(&settings, "bf16", 4 * FIXTURE_STEPS);
}

static void test_same_bits_of_one_batch(void **state) {
    (void)state;
    an_train_settings settings = settings_on("data");
    settings.overfit_batch = true;
    settings.epochs = 1;
    assert_same(&settings, "one-batch", AN_OVERFIT_STEPS);
}

/* What is done to whole inputs is done to floats. */
static void test_mixed_ones_are_floats(void **state) {
    (void)state;
    an_train_settings settings = settings_on("data");
    settings.mixup = 0.4;
    assert_same(&settings, "mixed", 0);
    settings.augment = false; /* then nothing is mixed */
    assert_same(&settings, "not-mixed", 4 * FIXTURE_STEPS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_same_bits_of_one_batch),
        cmocka_unit_test(test_mixed_ones_are_floats),
    };
    return cmocka_run_group_tests(tests, make_fixture, remove_fixture);
}
