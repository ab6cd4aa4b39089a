/* What a run makes of its data set's colours, where the data set says what they are like. */
#include <math.h>

#include "core/memory.h"
#include "testing.h"
#include "train/colours.h"
#include "train/recipes.h"

enum { SIDE = 6, CROP = 2 };

static float mean_image[3 * SIDE * SIDE];
static an_statistics statistics = {.mean = {10, 20, 30},
                                   .covariance = {{4, 0, 0}, {0, 16, 0}, {0, 0, 9}},
                                   .side = SIDE,
                                   .mean_image = mean_image};
static const an_dataset data = {.statistics = &statistics};

static an_preprocess preprocess_of(bool bgr) {
    return (an_preprocess){.resize = SIDE,
                           .crop = CROP,
                           .bgr = bgr,
                           .scale = 0.5f,
                           .mean = {1, 2, 3},
                           .std = {1, 1, 1}};
}

static void test_mean(void **state) {
    (void)state;
    an_train_settings settings = an_train_defaults();
    float *image;
    for (int bgr = 0; bgr < 2; bgr++) {
        an_preprocess preprocess = preprocess_of(bgr);
        an_augmentation augmentation = settings.augmentation;
        settings.mean = AN_MEAN_ARCH;
        assert_ok(an_colours_apply(&settings, &data, &preprocess, &augmentation, &image, error));
        assert_true(preprocess.mean[0] == 1 && preprocess.mean[2] == 3);
        settings.mean = AN_MEAN_DATA;
        assert_ok(an_colours_apply(&settings, &data, &preprocess, &augmentation, &image, error));
        assert_true(preprocess.mean[0] == (bgr ? 15 : 5) && preprocess.mean[1] == 10);
        assert_null(image);
        assert_null(preprocess.mean_image);
    }
}

/* Pixel (x, y) of channel c of the mean picture is 100 c + 10 y + x. */
static void test_mean_image(void **state) {
    (void)state;
    an_train_settings settings = an_train_defaults();
    an_augmentation augmentation = settings.augmentation;
    float *image;
    settings.mean = AN_MEAN_IMAGE;
    for (int i = 0; i < 3 * SIDE * SIDE; i++) {
        const int c = i / (SIDE * SIDE), y = i / SIDE % SIDE, x = i % SIDE;
        mean_image[i] = (float)(100 * c + 10 * y + x);
    }
    for (int bgr = 0; bgr < 2; bgr++) {
        an_preprocess preprocess = preprocess_of(bgr);
        assert_ok(an_colours_apply(&settings, &data, &preprocess, &augmentation, &image, error));
        assert_ptr_equal(preprocess.mean_image, image);
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < CROP * CROP; i++) {
                const int channel = bgr ? 2 - c : c, x = 2 + i % CROP, y = 2 + i / CROP;
                assert_true(image[c * CROP * CROP + i] ==
                            0.5f * (float)(100 * channel + 10 * y + x));
            }
        an_free(image);
    }
    /* Of another size, it is no mean of what crops are cut out of: the channel means are taken. */
    an_preprocess preprocess = preprocess_of(false);
    preprocess.resize = SIDE + 1;
    assert_ok(an_colours_apply(&settings, &data, &preprocess, &augmentation, &image, error));
    assert_null(image);
    assert_null(preprocess.mean_image);
    assert_true(preprocess.mean[0] == 5);
}

static void test_axes(void **state) {
    (void)state;
    an_train_settings settings = an_train_defaults();
    an_preprocess preprocess = preprocess_of(false);
    an_augmentation augmentation = {.noise = 0.1};
    float *image;
    settings.noise_axes = AN_AXES_PUBLISHED;
    assert_ok(an_colours_apply(&settings, &data, &preprocess, &augmentation, &image, error));
    assert_true(augmentation.noise == 0.1);
    assert_memory_equal(augmentation.vectors, an_imagenet_vectors, sizeof augmentation.vectors);
    settings.noise_axes = AN_AXES_DATA;
    assert_ok(an_colours_apply(&settings, &data, &preprocess, &augmentation, &image, error));
    const double deviations[] = {2, 3, 4};
    const int channels[] = {0, 2, 1};
    for (int i = 0; i < 3; i++) {
        assert_true(fabs(augmentation.deviations[i] - deviations[i]) < 1e-12);
        assert_true(fabs(fabs(augmentation.vectors[i][channels[i]]) - 1) < 1e-12);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mean),
                                       cmocka_unit_test(test_mean_image),
                                       cmocka_unit_test(test_axes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
