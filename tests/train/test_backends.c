/* Every backend trains `shapes` to the same accuracy, with a network small enough for a test. */
#include <math.h>

#include "fixture.h"

static const an_layer_spec layers[] = {
    {.name = "conv1",
     .type = AN_CONV,
     .units = 32,
     .kernel = 5,
     .stride = 2,
     .pad = 2,
     .groups = 1,
     .parameter = "conv1"},
    {.name = "relu1", .type = AN_RELU},
    {.name = "norm1",
     .type = AN_LRN,
     .size = 5,
     .alpha = 1e-4f,
     .beta = 0.75f,
     .k = 2,
     .towers = 2},
    {.name = "pool1", .type = AN_MAX_POOL, .kernel = 3, .stride = 2},
    {.name = "conv2",
     .type = AN_CONV,
     .units = 32,
     .kernel = 3,
     .stride = 1,
     .pad = 1,
     .groups = 2,
     .parameter = "conv2"},
    {.name = "relu2", .type = AN_RELU},
    {.name = "pool2", .type = AN_MAX_POOL, .kernel = 3, .stride = 2},
    {.name = "fc3", .type = AN_FC, .units = 64, .parameter = "fc3"},
    {.name = "relu3", .type = AN_RELU},
    {.name = "drop3", .type = AN_DROPOUT, .rate = 0.25f},
    {.name = "fc4", .type = AN_FC, .parameter = "fc4"},
};

static const an_arch small_arch = {
    .name = "small",
    .title = "for tests",
    .input_size = 39,
    .preprocess = {.resize = 42,
                   .crop = 39,
                   .scale = 1.0f / 255,
                   .mean = {0.5f, 0.5f, 0.5f},
                   .std = {0.25f, 0.25f, 0.25f}},
    .layers = layers,
    .layer_count = sizeof layers / sizeof *layers,
};

static void test_same_accuracy(void **state) {
    (void)state;
    an_train_settings settings = an_train_defaults();
    settings.data = "shapes:256";
    settings.validation_limit = 100;
    settings.threads = 1;
    settings.epochs = 4;
    settings.batch = 8;
    settings.schedule = (an_schedule){.kind = AN_SCHEDULE_COSINE, .base = 0.02, .warmup = 0.5};
    double first = NAN;
    for (const an_backend *const *backend = an_backends(); *backend; backend++) {
        if (!an_backend_usable(*backend))
            continue;
        an_train_result result;
        settings.device = (*backend)->name;
        assert_ok(an_train_arch(&small_arch, &settings, in_fixture(settings.device), false, NULL,
                                &result, error));
        print_message("%s: top-1 %.3f, training loss %.4f, %.1f s\n", settings.device,
                      result.val_top1, result.train_loss, result.seconds);
        assert_true(result.val_top1 > 0.3); /* of ten classes */
        if (isnan(first))
            first = result.val_top1;
        assert_true(fabs(result.val_top1 - first) < 0.1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_accuracy)};
    return cmocka_run_group_tests(tests, make_fixture, remove_fixture);
}
