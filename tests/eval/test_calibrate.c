/* Calibration against ranges worked out by hand. */
#include "eval/calibrate.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "colours.h"
#include "eval/classifier.h"
#include "testing.h"

/* A data set of pictures of one colour, of which the first pixels may be white. */
typedef struct made_dataset {
    an_dataset base;
    int side;
    int colours[8][3];
    int white[8]; /* so many values are 255 */
    bool broken[8];
    int32_t labels[8];
} made_dataset;

static alexnet_status fetch_made(const an_dataset *dataset, size_t index, an_sample *out,
                                 alexnet_error *error) {
    const made_dataset *self = (const made_dataset *)dataset;
    if (self->broken[index])
        return an_fail(error, ALEXNET_FORMAT, "picture %zu is broken", index);
    AN_TRY(an_sample_reserve_rgb(out, self->side, self->side, error));
    for (int i = 0; i < self->side * self->side * 3; i++)
        out->buffer[i] = (uint8_t)(i < self->white[index] ? 255 : self->colours[index][i % 3]);
    return ALEXNET_OK;
}

static void describe_made(const an_dataset *dataset, size_t index, char *text, size_t size) {
    (void)dataset;
    snprintf(text, size, "made/%zu", index);
}

static const an_dataset_kind made_kind = {
    .name = "made", .fetch = fetch_made, .describe = describe_made};

static void make_dataset(made_dataset *self, size_t count, int side) {
    static char name[] = "made";
    *self = (made_dataset){
        .base = {.kind = &made_kind, .name = name, .count = count, .classes = COLOUR_CLASSES},
        .side = side};
    self->base.labels = self->labels;
}

static an_loader *open_loader(const made_dataset *dataset, const an_preprocess *preprocess,
                              int batch) {
    const an_loader_options options = {.batch = batch, .workers = 2, .max_broken = 1};
    an_loader *loader;
    assert_ok(an_loader_create(&dataset->base, preprocess, &options, &loader, error));
    return loader;
}

/* The network that knows colours: behind each layer its values can be told from the picture's. */
static void test_a_network(void **state) {
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "/tmp/alexnet-calibrate-%d.safetensors", (int)getpid());
    write_colour_weights(path, false, true);
    alexnet_classifier *classifier;
    const an_classifier_options options = {
        .weights = path, .device = "reference", .plan = {.batch = 2, .observe = true}};
    assert_ok(an_classifier_open(&options, &classifier, error));
    unlink(path);

    static const int colours[3][3] = {{200, 10, 0}, {255, 255, 255}, {90, 250, 90}};
    made_dataset dataset;
    make_dataset(&dataset, 3, COLOUR_SIDE);
    memcpy(dataset.colours, colours, sizeof colours);
    dataset.broken[1] = true; /* the one that would decide */
    an_loader *loader = open_loader(&dataset, &classifier->weights.preprocess, 2);
    float range[AN_MAX_LAYERS];
    size_t pictures;
    assert_ok(an_calibrate(classifier->plan, loader, range, &pictures, NULL, NULL, error));
    assert_int_equal(pictures, 2);

    double expected[3] = {0}; /* behind no, one and two normalisations */
    for (int norms = 0; norms < 3; norms++)
        for (int i = 0; i < 3; i += 2) {
            double value[3];
            colour_values(colours[i], false, norms, value);
            for (int c = 0; c < 3; c++)
                expected[norms] = fmax(expected[norms], value[c]);
        }
    const an_network *network = &classifier->weights.network;
    int seen = 0;
    for (int l = 0; l < network->layer_count; l++) {
        const char *name = network->layers[l].spec.name;
        const double should = network->layers[l].weight < 0 ? 0
                              : strcmp(name, "conv1") == 0  ? expected[0]
                              : strcmp(name, "conv2") == 0  ? expected[1]
                                                            : expected[2];
        if (fabs((double)range[l] - should) > 1e-5 * should)
            fail_msg("%s: %g instead of %g", name, (double)range[l], should);
        seen += range[l] > 0;
    }
    assert_int_equal(seen, 8);
    an_loader_free(loader);
    alexnet_classifier_free(classifier);
}

/* A network of one layer that only looks at the picture. */
static alexnet_status forward_nothing(an_plan *plan, const float *input, int images, float *logits,
                                      alexnet_error *error) {
    (void)plan, (void)input, (void)images, (void)logits, (void)error;
    return ALEXNET_OK;
}

/* Layer l gives so many values of l + 1. */
static alexnet_status read_index(an_plan *plan, an_tensor tensor, int index, float *out,
                                 alexnet_error *error) {
    (void)error;
    assert_int_equal(tensor, AN_ACTIVATION);
    const size_t count = 2 * an_shape_count(plan->network.layers[index].out);
    for (size_t i = 0; i < count; i++)
        out[i] = (float)(index + 1);
    return ALEXNET_OK;
}

static const an_backend looking = {.name = "looks", .forward = forward_nothing, .read = read_index};

enum { side = 20 };

static an_plan looking_plan(void) {
    an_plan plan = {.backend = &looking,
                    .network = {.classes = COLOUR_CLASSES,
                                .input_size = side,
                                .input = {3, side, side},
                                .layer_count = 1},
                    .options = {.batch = 2, .observe = true, .threads = 1}};
    plan.network.layers[0].in = plan.network.input;
    return plan;
}

typedef struct heard {
    int calls, most; /* most: calls after which it asks to stop, 0: never */
} heard;

static bool hear(void *context, size_t done, size_t pictures) {
    heard *h = context;
    assert_true(done <= pictures);
    h->calls++;
    return h->calls != h->most;
}

static void test_largest_value(void **state) {
    (void)state;
    const an_preprocess as_it_is = {.resize = side, .crop = side, .scale = 1, .std = {1, 1, 1}};
    made_dataset dataset;
    make_dataset(&dataset, 3, side);
    for (int i = 0; i < 3; i++)
        for (int c = 0; c < 3; c++)
            dataset.colours[i][c] = 100;
    an_plan plan = looking_plan();
    float range[AN_MAX_LAYERS];
    size_t pictures;
    heard h = {0};
    an_loader *loader = open_loader(&dataset, &as_it_is, 2);
    assert_ok(an_calibrate(&plan, loader, range, &pictures, hear, &h, error));
    assert_true(range[0] == 100);
    assert_true(pictures == 3 && h.calls == 2);

    dataset.white[1] = 1;
    assert_ok(an_calibrate(&plan, loader, range, &pictures, NULL, NULL, error));
    assert_true(range[0] == 255);

    h = (heard){.most = 1};
    assert_fails(an_calibrate(&plan, loader, range, &pictures, hear, &h, error),
                 ALEXNET_INTERRUPTED, "stopped after 2 of 3");
    memset(dataset.broken, 1, sizeof dataset.broken);
    assert_fails(an_calibrate(&plan, loader, range, &pictures, NULL, NULL, error), ALEXNET_FORMAT,
                 "not one of the 3");
    an_loader_free(loader);
}

/* The input of a layer is the output of the one before it, whether that has weights or not. */
static void test_layer_before(void **state) {
    (void)state;
    const an_preprocess as_it_is = {.resize = side, .crop = side, .scale = 1, .std = {1, 1, 1}};
    made_dataset dataset;
    make_dataset(&dataset, 3, side);
    dataset.colours[0][0] = 9;
    an_plan plan = looking_plan();
    plan.network.layer_count = 4;
    for (int l = 0; l < 4; l++) {
        plan.network.layers[l].out = (an_shape){l + 1, 5, 1};
        plan.network.layers[l].weight = l == 2 ? -1 : 0;
        if (l > 0)
            plan.network.layers[l].in = plan.network.layers[l - 1].out;
    }
    float range[AN_MAX_LAYERS];
    size_t pictures;
    an_loader *loader = open_loader(&dataset, &as_it_is, 2);
    assert_ok(an_calibrate(&plan, loader, range, &pictures, NULL, NULL, error));
    const float expected[4] = {9, 1, 0, 3};
    assert_memory_equal(range, expected, sizeof expected);
    an_loader_free(loader);
}

static void test_no_numbers(void **state) {
    (void)state;
    const an_preprocess infinite = {.resize = side, .crop = side, .scale = 3e38f, .std = {1, 1, 1}};
    made_dataset dataset;
    make_dataset(&dataset, 1, side);
    dataset.white[0] = 1;
    an_plan plan = looking_plan();
    plan.network.layers[0].spec.name = "conv1";
    float range[AN_MAX_LAYERS];
    size_t pictures;
    an_loader *loader = open_loader(&dataset, &infinite, 2);
    assert_fails(an_calibrate(&plan, loader, range, &pictures, NULL, NULL, error), ALEXNET_FORMAT,
                 "the input of conv1");
    an_loader_free(loader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_network),
        cmocka_unit_test(test_largest_value),
        cmocka_unit_test(test_layer_before),
        cmocka_unit_test(test_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
