/* The classifier behind the commands: files in batches, activations of layers, untrained networks.
 */
#include "eval/classifier.h"

#include <math.h>

#include "colours.h"
#include "formats/temporary.h"

static const int colours[3][3] = {{250, 60, 40}, {10, 200, 30}, {90, 100, 220}};

static int set_up(void **state) {
    if (make_temporary_folder(state) != 0)
        return -1;
    write_colour_weights(temporary("rgb.safetensors"), false, true);
    write_colour_weights(temporary("bgr.safetensors"), true, false);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.ppm", i);
        write_colour_picture(temporary(name), 80 + i, 90 - i, colours[i]);
    }
    write_temporary("broken.jpg", "no picture", 10);
    return 0;
}

static alexnet_classifier *open_classifier(const char *name, bool observe, int batch) {
    const an_classifier_options options = {.weights = temporary(name),
                                           .device = "reference",
                                           .plan = {.batch = batch, .observe = observe}};
    alexnet_classifier *classifier;
    assert_ok(an_classifier_open(&options, &classifier, error));
    return classifier;
}

enum { files = 5 };

/* Five files in batches of two: good, broken; missing, good; good. */
static void get_paths(char copies[files][512], const char *paths[files]) {
    static const char *const names[files] = {"0.ppm", "broken.jpg", "missing.png", "1.ppm",
                                             "2.ppm"};
    for (int i = 0; i < files; i++) {
        snprintf(copies[i], sizeof copies[i], "%s", temporary(names[i]));
        paths[i] = copies[i];
    }
}

static void assert_failures(const alexnet_error failures[files], const char *const paths[files]) {
    assert_int_equal(failures[0].status, ALEXNET_OK);
    assert_int_equal(failures[1].status, ALEXNET_FORMAT);
    assert_non_null(strstr(failures[1].message, paths[1]));
    assert_int_equal(failures[2].status, ALEXNET_IO);
    assert_non_null(strstr(failures[2].message, paths[2]));
    assert_int_equal(failures[3].status, ALEXNET_OK);
    assert_int_equal(failures[4].status, ALEXNET_OK);
}

static void test_files(void **state) {
    (void)state;
    char copies[files][512];
    const char *paths[files];
    get_paths(copies, paths);
    for (int bgr = 0; bgr < 2; bgr++) {
        alexnet_classifier *classifier =
            open_classifier(bgr ? "bgr.safetensors" : "rgb.safetensors", false, 2);
        alexnet_error failures[files];
        float logits[files * COLOUR_CLASSES];
        assert_ok(
            an_classifier_files(classifier, AN_LOGITS, paths, files, logits, failures, error));
        assert_failures(failures, paths);
        static const int colour_of[files] = {0, -1, -1, 1, 2};
        for (int i = 0; i < files; i++) {
            double expected[COLOUR_CLASSES] = {0};
            if (colour_of[i] >= 0)
                colour_logits(colours[colour_of[i]], bgr, expected);
            for (int c = 0; c < COLOUR_CLASSES; c++)
                assert_true(fabs((double)logits[i * COLOUR_CLASSES + c] - expected[c]) < 1e-5);
        }
        alexnet_prediction top[6];
        assert_ok(an_classifier_top(classifier, logits, top, 6, error));
        assert_int_equal(top[0].index, bgr ? 2 : 0);
        assert_string_equal(top[0].label, bgr ? "class 2" : "red");
        assert_true(top[4].index == -1 && top[5].index == -1 && top[5].label[0] == '\0');
        alexnet_classifier_free(classifier);
    }
}

static void test_layers(void **state) {
    (void)state;
    char copies[files][512];
    const char *paths[files];
    get_paths(copies, paths);
    alexnet_classifier *classifier = open_classifier("rgb.safetensors", true, 2);
    const an_network *network = &classifier->weights.network;
    int layer;
    assert_ok(an_layer_find(network, "relu1", &layer, error));
    const an_shape shape = an_result_shape(network, layer);
    assert_true(shape.c == 96 && shape.h == 15 && shape.w == 15);
    const size_t count = an_shape_count(shape), area = 15 * 15;
    float *out = malloc(files * count * sizeof *out);
    assert_non_null(out);
    alexnet_error failures[files];
    assert_ok(an_classifier_files(classifier, layer, paths, files, out, failures, error));
    assert_failures(failures, paths);
    for (int c = 0; c < 3; c++) {
        const an_preprocess *p = &classifier->weights.preprocess;
        for (int i = 0; i < 3; i++) {
            const double pixel = colours[i][c] * (double)p->scale;
            const double expected = fmax(0, (pixel - (double)p->mean[c]) / (double)p->std[c]);
            const float *map = out + (size_t)(i ? i + 2 : 0) * count + (size_t)c * area;
            assert_true(fabs((double)map[0] - expected) < 1e-5);
            assert_true(fabs((double)map[area - 1] - expected) < 1e-5);
        }
    }
    for (size_t i = count; i < 3 * count; i++)
        assert_true(out[i] == 0); /* the two that could not be read */

    /* The last layer's activations are the logits. */
    float logits[3 * COLOUR_CLASSES], last[3 * COLOUR_CLASSES];
    const size_t in = an_shape_count(network->input);
    float *input = malloc(3 * in * sizeof *input);
    assert_non_null(input);
    for (size_t i = 0; i < 3 * in; i++)
        input[i] = (float)(i % 7) / 7;
    assert_ok(an_layer_find(network, "fc8", &layer, error));
    assert_int_equal(an_shape_count(an_result_shape(network, layer)), COLOUR_CLASSES);
    assert_ok(an_classifier_compute(classifier, layer, input, 3, last, error));
    assert_ok(an_classifier_compute(classifier, AN_LOGITS, input, 3, logits, error));
    assert_memory_equal(last, logits, sizeof logits);

    assert_fails(an_layer_find(network, "fc9", &layer, error), ALEXNET_INVALID,
                 "no layer called 'fc9'; there are: conv1 relu1");
    alexnet_classifier_free(classifier);

    classifier = open_classifier("rgb.safetensors", false, 2);
    assert_fails(an_classifier_compute(classifier, 0, input, 1, out, error), ALEXNET_INVALID,
                 "keep");
    alexnet_classifier_free(classifier);
    free(input);
    free(out);
}

static void test_untrained(void **state) {
    (void)state;
    an_classifier_options options = {.arch = "alexnet",
                                     .classes = 3,
                                     .input_size = 67,
                                     .seed = 4,
                                     .device = "reference",
                                     .plan = {.batch = 1}};
    float logits[3][3];
    const size_t in = (size_t)3 * 67 * 67;
    float *input = malloc(in * sizeof *input);
    assert_non_null(input);
    for (size_t i = 0; i < in; i++)
        input[i] = (float)(i % 11) / 11;
    for (int i = 0; i < 3; i++) {
        alexnet_classifier *classifier;
        options.seed = i < 2 ? 4 : 5;
        assert_ok(an_classifier_open(&options, &classifier, error));
        assert_int_equal(alexnet_classifier_classes(classifier), 3);
        assert_string_equal(alexnet_classifier_label(classifier, 1), "class 1");
        assert_ok(alexnet_forward(classifier, input, 1, logits[i], error));
        alexnet_classifier_free(classifier);
    }
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    assert_memory_not_equal(logits[0], logits[2], sizeof logits[0]);
    free(input);

    alexnet_classifier *classifier;
    options.input_size = 12;
    assert_fails(an_classifier_open(&options, &classifier, error), ALEXNET_INVALID, "pool1");
    options.arch = "lenet";
    assert_fails(an_classifier_open(&options, &classifier, error), ALEXNET_INVALID, "lenet");
    options = (an_classifier_options){.weights = temporary("rgb.safetensors"), .classes = 5};
    assert_fails(an_classifier_open(&options, &classifier, error), ALEXNET_INVALID,
                 "cannot be chosen");
    assert_null(classifier);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_untrained),
    };
    return cmocka_run_group_tests(tests, set_up, remove_temporary_folder);
}
