/* The public header alone: what a user's program may rely on. */
#include <alexnet/alexnet.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "colours.h"
#include "testing.h"

static char weights[64], picture[64], broken[64];
static const int orange[3] = {230, 140, 10};

static int set_up(void **state) {
    (void)state;
    snprintf(weights, sizeof weights, "/tmp/alexnet-public-%d.safetensors", (int)getpid());
    snprintf(picture, sizeof picture, "/tmp/alexnet-public-%d.ppm", (int)getpid());
    snprintf(broken, sizeof broken, "/tmp/alexnet-public-%d.jpg", (int)getpid());
    write_colour_weights(weights, false, true);
    write_colour_picture(picture, 90, 120, orange);
    FILE *file = fopen(broken, "w");
    if (!file)
        return -1;
    fputs("this is no picture\n", file);
    return fclose(file);
}

static int tear_down(void **state) {
    (void)state;
    unlink(weights);
    unlink(picture);
    unlink(broken);
    return 0;
}

static alexnet_classifier *open_classifier(const char *device) {
    const alexnet_options options = {.device = device, .batch = 2};
    alexnet_classifier *classifier;
    assert_ok(alexnet_classifier_open(weights, &options, &classifier, error));
    return classifier;
}

static void assert_orange(const alexnet_prediction top[5]) {
    double logits[COLOUR_CLASSES], sum = 0;
    colour_logits(orange, false, logits);
    for (int i = 0; i < COLOUR_CLASSES; i++)
        sum += exp(logits[i]);
    assert_int_equal(top[0].index, 0);
    assert_string_equal(top[0].label, "red");
    assert_int_equal(top[1].index, 1);
    assert_string_equal(top[1].label, "green");
    assert_string_equal(top[2].label, "nothing");
    assert_string_equal(top[3].label, "blue");
    for (int i = 0; i < COLOUR_CLASSES; i++)
        assert_true(fabs(top[i].probability - exp(logits[top[i].index]) / sum) < 1e-5);
    assert_int_equal(top[4].index, -1);
}

static void test_classifies(void **state) {
    (void)state;
    alexnet_classifier *classifier = open_classifier("reference");
    assert_int_equal(alexnet_classifier_classes(classifier), COLOUR_CLASSES);
    assert_int_equal(alexnet_classifier_input_size(classifier), COLOUR_SIDE);
    assert_string_equal(alexnet_classifier_label(classifier, 2), "blue");
    assert_null(alexnet_classifier_label(classifier, 4));
    assert_null(alexnet_classifier_label(classifier, -1));

    alexnet_prediction top[5];
    assert_ok(alexnet_classify_file(classifier, picture, top, 5, error));
    assert_orange(top);

    static uint8_t bytes[40000];
    FILE *file = fopen(picture, "rb");
    assert_non_null(file);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_ok(alexnet_classify_memory(classifier, bytes, size, top, 5, error));
    assert_orange(top);

    static uint8_t pixels[50 * (3 * 70 + 11)]; /* rows with a gap of black behind them */
    for (int y = 0; y < 50; y++)
        for (int i = 0; i < 3 * 70; i++)
            pixels[y * (3 * 70 + 11) + i] = (uint8_t)orange[i % 3];
    assert_ok(alexnet_classify_pixels(classifier, pixels, 70, 50, 3 * 70 + 11, top, 5, error));
    assert_orange(top);
    alexnet_classifier_free(classifier);
    alexnet_classifier_free(NULL);
}

static void test_classifies_on_the_default_device(void **state) {
    (void)state;
    const alexnet_options brief = {.brief = 1};
    for (int i = 0; i < 2; i++) {
        alexnet_classifier *classifier;
        alexnet_prediction top[5];
        assert_ok(alexnet_classifier_open(weights, i ? &brief : NULL, &classifier, error));
        assert_ok(alexnet_classify_file(classifier, picture, top, 5, error));
        assert_orange(top);
        alexnet_classifier_free(classifier);
    }
}

/* Five images through a plan of two: two whole batches and a half. */
static void test_forward(void **state) {
    (void)state;
    enum { images = 5, area = COLOUR_SIDE * COLOUR_SIDE };
    alexnet_classifier *classifier = open_classifier("reference");
    float *input = calloc((size_t)images * 3 * area, sizeof *input);
    float logits[images * COLOUR_CLASSES + 1];
    assert_non_null(input);
    for (int n = 0; n < images; n++) /* image n is red where n is even and blue where it is odd */
        for (int i = 0; i < area; i++)
            input[((size_t)n * 3 + (n % 2 ? 2 : 0)) * area + (size_t)i] = 1.0f + (float)n;
    logits[images * COLOUR_CLASSES] = 77;
    assert_ok(alexnet_forward(classifier, input, images, logits, error));
    for (int n = 0; n < images; n++) {
        const float *row = logits + (size_t)n * COLOUR_CLASSES;
        assert_true(row[n % 2 ? 0 : 2] == 0 && row[1] == 0 && row[3] == 0.0625f);
        assert_true(row[n % 2 ? 2 : 0] > 0.3f + 0.3f * (float)n);
    }
    assert_true(logits[images * COLOUR_CLASSES] == 77);
    assert_fails(alexnet_forward(classifier, input, 0, logits, error), ALEXNET_INVALID, "images");
    free(input);
    alexnet_classifier_free(classifier);
}

static void test_refusals(void **state) {
    (void)state;
    alexnet_classifier *classifier;
    alexnet_prediction top[1];
    assert_fails(alexnet_classifier_open("/nowhere/x.safetensors", NULL, &classifier, error),
                 ALEXNET_IO, "/nowhere/x.safetensors");
    assert_null(classifier);
    assert_fails(alexnet_classifier_open(NULL, NULL, &classifier, error), ALEXNET_INVALID, "file");
    assert_fails(alexnet_classifier_open(picture, NULL, &classifier, error), ALEXNET_FORMAT,
                 picture);
    const alexnet_options other = {.arch = "torchvision"}, device = {.device = "abacus"},
                          batch = {.batch = -1}, threads = {.threads = -1},
                          precision = {.precision = "fp8"};
    assert_fails(alexnet_classifier_open(weights, &other, &classifier, error), ALEXNET_MISMATCH,
                 "torchvision");
    assert_fails(alexnet_classifier_open(weights, &device, &classifier, error), ALEXNET_UNSUPPORTED,
                 "abacus");
    assert_fails(alexnet_classifier_open(weights, &precision, &classifier, error), ALEXNET_INVALID,
                 "'fp8'; there are fp32, tf32, bf16, fp16 and int8");
    assert_fails(alexnet_classifier_open(weights, &batch, &classifier, error), ALEXNET_INVALID,
                 "batch");
    assert_fails(alexnet_classifier_open(weights, &threads, &classifier, error), ALEXNET_INVALID,
                 "threads");

    classifier = open_classifier("reference");
    assert_fails(alexnet_classify_file(classifier, broken, top, 1, error), ALEXNET_FORMAT, broken);
    assert_fails(alexnet_classify_file(classifier, "/nowhere.jpg", top, 1, error), ALEXNET_IO,
                 "/nowhere.jpg");
    assert_fails(alexnet_classify_file(classifier, picture, top, 0, error), ALEXNET_INVALID,
                 "at least 1");
    assert_fails(alexnet_classify_memory(classifier, "", 0, top, 1, error), ALEXNET_FORMAT,
                 "memory");
    const uint8_t pixel[3] = {0};
    assert_fails(alexnet_classify_pixels(classifier, pixel, 0, 1, 3, top, 1, error),
                 ALEXNET_INVALID, "0 x 1");
    assert_fails(alexnet_classify_pixels(classifier, pixel, 2, 1, 3, top, 1, error),
                 ALEXNET_INVALID, "3 bytes apart");
    assert_ok(alexnet_classify_pixels(classifier, pixel, 1, 1, 3, top, 1, error));
    alexnet_classifier_free(classifier);
}

/* The call is refused with a sentence that names the argument. */
#define assert_needed(call, name) assert_fails(call, ALEXNET_INVALID, name " is NULL")

static void test_missing_arguments(void **state) {
    (void)state;
    alexnet_classifier *classifier = open_classifier("reference");
    alexnet_prediction top[1];
    const uint8_t pixel[3] = {0};
    float logits[COLOUR_CLASSES];
    static const float input[3 * COLOUR_SIDE * COLOUR_SIDE];
    assert_needed(alexnet_classifier_open(weights, NULL, NULL, error), "out");
    assert_needed(alexnet_classify_file(NULL, picture, top, 1, error), "classifier");
    assert_needed(alexnet_classify_file(classifier, NULL, top, 1, error), "path");
    assert_needed(alexnet_classify_file(classifier, picture, NULL, 1, error), "top");
    assert_needed(alexnet_classify_memory(NULL, pixel, 3, top, 1, error), "classifier");
    assert_needed(alexnet_classify_memory(classifier, NULL, 3, top, 1, error), "bytes");
    assert_needed(alexnet_classify_memory(classifier, pixel, 3, NULL, 1, error), "top");
    assert_needed(alexnet_classify_pixels(NULL, pixel, 1, 1, 3, top, 1, error), "classifier");
    assert_needed(alexnet_classify_pixels(classifier, NULL, 1, 1, 3, top, 1, error), "pixels");
    assert_needed(alexnet_classify_pixels(classifier, pixel, 1, 1, 3, NULL, 1, error), "top");
    assert_needed(alexnet_forward(NULL, input, 1, logits, error), "classifier");
    assert_needed(alexnet_forward(classifier, NULL, 1, logits, error), "input");
    assert_needed(alexnet_forward(classifier, input, 1, NULL, error), "logits");
    assert_int_equal(alexnet_classify_file(classifier, NULL, top, 1, NULL), ALEXNET_INVALID);
    assert_int_equal(alexnet_classifier_classes(NULL), 0);
    assert_int_equal(alexnet_classifier_input_size(NULL), 0);
    assert_null(alexnet_classifier_label(NULL, 0));
    alexnet_classifier_free(classifier);
}

/* The colours are told apart in every precision, by processors that lack one too. */
static void test_precisions(void **state) {
    (void)state;
    static const char *const precisions[] = {"fp32", "tf32", "bf16", "fp16", "int8"};
    for (size_t i = 0; i < sizeof precisions / sizeof *precisions; i++) {
        const alexnet_options options = {.device = "cpu", .precision = precisions[i]};
        alexnet_classifier *classifier;
        alexnet_prediction top[2];
        assert_ok(alexnet_classifier_open(weights, &options, &classifier, error));
        assert_ok(alexnet_classify_file(classifier, picture, top, 2, error));
        assert_string_equal(top[0].label, "red");
        assert_string_equal(top[1].label, "green");
        alexnet_classifier_free(classifier);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classifies),
        cmocka_unit_test(test_classifies_on_the_default_device),
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_missing_arguments),
        cmocka_unit_test(test_precisions),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
