/* What each ingredient of a recipe does to a run. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "core/json.h"
#include "data/loader.h"
#include "eval/evaluate.h"
#include "fixture.h"
#include "formats/safetensors.h"
#include "formats/weights.h"

static an_train_result result;

static void train_with(const an_train_settings *settings, const char *folder,
                       const an_train_observer *observer) {
    assert_ok(
        an_train_arch(&tiny_arch, settings, in_fixture(folder), false, observer, &result, error));
}

/* A checkpoint's tensor, in a file that the caller closes. */
static const float *tensor_of(const an_tensor_file *file, const char *name, size_t *count) {
    const an_file_tensor *tensor = an_tensor_find(file, name);
    assert_non_null(tensor);
    *count = tensor->size / sizeof(float);
    return (const float *)(const void *)tensor->bytes;
}

static void open_last(const char *folder, an_tensor_file *file) {
    char path[600];
    snprintf(path, sizeof path, "%s/last.safetensors", in_fixture(folder));
    assert_ok(an_safetensors_open(path, file, error));
}

static uint32_t bits_of(const float *value) {
    uint32_t bits;
    memcpy(&bits, value, sizeof bits);
    return bits;
}

/* How many values of a tensor differ between two checkpoints. */
static size_t differences(const char *folder, const char *other, const char *name) {
    an_tensor_file a, b;
    size_t count, other_count, different = 0;
    open_last(folder, &a);
    open_last(other, &b);
    const float *left = tensor_of(&a, name, &count), *right = tensor_of(&b, name, &other_count);
    assert_int_equal(count, other_count);
    for (size_t i = 0; i < count; i++)
        different += bits_of(&left[i]) != bits_of(&right[i]);
    an_tensor_file_close(&a);
    an_tensor_file_close(&b);
    return different;
}

/* Frozen from the third epoch on, a layer stays as the second left it, and its velocity too. */
static void test_frozen_on_the_way(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.schedule = (an_schedule){.kind = AN_SCHEDULE_CONSTANT, .base = 0.05};
    settings.phases = "2:conv1=0";
    train_with(&settings, "frozen", NULL);
    settings.epochs = 2;
    train_with(&settings, "until-frozen", NULL);
    static const char *const still[] = {"conv1.weight", "conv1.bias", "momentum.conv1.weight",
                                        "momentum.conv1.bias"};
    for (size_t i = 0; i < sizeof still / sizeof *still; i++)
        assert_int_equal(differences("frozen", "until-frozen", still[i]), 0);
    assert_true(differences("frozen", "until-frozen", "fc2.weight") > 100);
}

static void test_frozen_throughout(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.epochs = 1;
    settings.freeze = "conv1,fc3";
    train_with(&settings, "freeze", NULL);
    an_network network;
    an_tensor_file file;
    assert_ok(an_network_build(&tiny_arch, FIXTURE_CLASSES, 0, &network, error));
    open_last("freeze", &file);
    for (int i = 0; i < network.parameter_count; i++) {
        const an_parameter *p = &network.parameters[i];
        size_t count;
        const float *values = tensor_of(&file, p->name, &count);
        float *initial = calloc(count, sizeof *initial);
        assert_non_null(initial);
        an_initialise_parameter(&network, i, settings.seed, initial);
        const bool same = memcmp(values, initial, count * sizeof *values) == 0;
        assert_int_equal(same, strncmp(p->name, "fc2", 3) != 0);
        free(initial);
    }
    an_tensor_file_close(&file);
}

/* The best checkpoint holds the averages, and what was validated is theirs. */
static void test_averages_are_validated_and_kept(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.epochs = 1;
    settings.ema = 0.9;
    train_with(&settings, "averaged", NULL);
    an_network network;
    an_weights_file best;
    an_tensor_file last;
    assert_ok(an_network_build(&tiny_arch, FIXTURE_CLASSES, 0, &network, error));
    assert_ok(an_weights_open_network(result.checkpoint, &network, &best, error));
    open_last("averaged", &last);
    for (int i = 0; i < network.parameter_count; i++) {
        char name[64];
        size_t count;
        snprintf(name, sizeof name, "train.average.%s", network.parameters[i].name);
        const float *average = tensor_of(&last, name, &count);
        assert_memory_equal(average, best.weights.tensor[i], count * sizeof *average);
        assert_memory_not_equal(tensor_of(&last, network.parameters[i].name, &count), average,
                                count * sizeof *average);
    }
    an_tensor_file_close(&last);

    const an_plan_options planning = {.batch = FIXTURE_BATCH, .threads = 1};
    const an_loader_options loading = {
        .batch = FIXTURE_BATCH, .workers = 1, .augmentation = an_no_augmentation};
    const an_backend *backend;
    an_plan *plan;
    an_dataset *held_out;
    an_loader *loader;
    an_evaluation found;
    assert_ok(an_backend_find("reference", &backend, error));
    assert_ok(an_plan_create(backend, &network, &planning, &plan, error));
    assert_ok(an_plan_load(plan, &best.weights, error));
    assert_ok(an_dataset_open(settings.data, AN_SPLIT_HELD_OUT, 7, &held_out, error));
    assert_ok(an_loader_create(held_out, &best.preprocess, &loading, &loader, error));
    assert_ok(an_evaluate(plan, loader, &found, NULL, NULL, error));
    assert_true(found.top1 == result.val_top1 && found.top5 == result.val_top5);
    an_loader_free(loader);
    an_dataset_close(held_out);
    an_plan_free(plan);
    an_weights_close(&best);
}

/* The channel means of the 21 pictures go into the preprocessing that travels with the weights. */
static void test_mean_of_the_data(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.epochs = 1;
    settings.mean = AN_MEAN_DATA;
    train_with(&settings, "means", NULL);
    an_dataset *data;
    an_image image = {0};
    double sums[3] = {0}, pixels = 0;
    assert_ok(an_dataset_open(settings.data, AN_SPLIT_TRAIN, 0, &data, error));
    for (size_t i = 0; i < data->count; i++) {
        assert_ok(an_dataset_read(data, i, &image, error));
        for (int p = 0; p < image.width * image.height; p++, pixels++)
            for (int c = 0; c < 3; c++)
                sums[c] += image.pixels[3 * p + c];
    }
    an_image_free(&image);
    an_dataset_close(data);
    an_network network;
    an_weights_file best;
    assert_ok(an_network_build(&tiny_arch, FIXTURE_CLASSES, 0, &network, error));
    assert_ok(an_weights_open_network(result.checkpoint, &network, &best, error));
    for (int c = 0; c < 3; c++)
        assert_true(fabs((double)best.preprocess.mean[c] - sums[c] / pixels / 255) < 1e-6);
    an_weights_close(&best);
}

static void test_begins_as_the_paper_says(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.epochs = 1;
    settings.init = AN_BEGIN_PAPER;
    settings.schedule = (an_schedule){.kind = AN_SCHEDULE_CONSTANT, .base = 0};
    train_with(&settings, "as-paper", NULL);
    an_tensor_file file;
    size_t count;
    double squares = 0;
    open_last("as-paper", &file);
    const float *weights = tensor_of(&file, "conv1.weight", &count);
    for (size_t i = 0; i < count; i++)
        squares += (double)weights[i] * (double)weights[i];
    assert_true(fabs(sqrt(squares / (double)count) - 0.01) < 0.001);
    an_tensor_file_close(&file);
}

/* With every label spread over all classes, the loss at the beginning is that of guessing and the
 * only thing to learn is to guess. */
static void test_smoothed_labels_reach_the_loss(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.label_smoothing = 1;
    settings.epochs = 4;
    train_with(&settings, "smoothed", NULL);
    assert_true(result.train_loss > log(3) - 1e-6 && result.train_loss < log(3) + 0.3);
}

/* Mixed pictures give other weights than whole ones, and their training loss is higher. */
static void test_mixing_reaches_the_pictures(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.schedule = (an_schedule){.kind = AN_SCHEDULE_CONSTANT, .base = 0.02};
    settings.epochs = 30;
    settings.validation_limit = 1;
    train_with(&settings, "whole", NULL);
    const double whole = result.train_loss;
    settings.mixup = 1;
    train_with(&settings, "mixed", NULL);
    assert_true(differences("whole", "mixed", "conv1.weight") > 100);
    assert_true(result.train_loss > whole);
}

/* What the lines of `layers` say. */
typedef struct logged {
    int lines;
    double still, moved; /* of conv1.weight and fc2.weight in the last line */
} logged;

static alexnet_status read_layers(void *context, const json_t *line, alexnet_error *error) {
    logged *log = context;
    (void)error;
    if (strcmp(json_string_value(json_object_get(line, "kind")), "layers") != 0)
        return ALEXNET_OK;
    log->lines++;
    const json_t *conv1 = json_object_get(line, "conv1.weight");
    const json_t *fc2 = json_object_get(line, "fc2.weight");
    const double size = json_number_value(json_object_get(fc2, "size"));
    const double update = json_number_value(json_object_get(fc2, "update"));
    log->still = json_number_value(json_object_get(conv1, "update"));
    log->moved = json_number_value(json_object_get(fc2, "ratio"));
    assert_true(size > 0 && fabs(log->moved - update / size) < 1e-8);
    return ALEXNET_OK;
}

static void test_layers_are_logged(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.layer_stats = true;
    settings.freeze = "conv1";
    settings.epochs = 2;
    settings.log_steps = 2;
    train_with(&settings, "layers", NULL);
    logged log = {0};
    assert_ok(an_json_lines(in_fixture("layers/metrics.jsonl"), read_layers, &log, error));
    assert_int_equal(log.lines, 2 * FIXTURE_STEPS / 2);
    assert_true(log.still == 0);
    assert_true(log.moved > 0 && log.moved < 1);
}

/* The samples of an epoch in their order. */
static void order_of(an_loader *loader, uint32_t epoch, size_t *order) {
    const an_batch *batch;
    assert_ok(an_loader_start(loader, epoch, 0, error));
    for (size_t n = 0;;) {
        assert_ok(an_loader_next(loader, &batch, error));
        if (!batch)
            break;
        for (int i = 0; i < batch->count; i++)
            order[n++] = batch->indices[i];
    }
}

static void test_shuffled_once(void **state) {
    (void)state;
    const an_preprocess preprocess = tiny_arch.preprocess;
    for (int once = 0; once < 2; once++) {
        const an_loader_options options = {.batch = FIXTURE_BATCH,
                                           .workers = 1,
                                           .seed = 3,
                                           .shuffle = true,
                                           .shuffle_once = once,
                                           .augmentation = an_no_augmentation};
        size_t first[FIXTURE_CLASSES * FIXTURE_TRAIN], later[FIXTURE_CLASSES * FIXTURE_TRAIN];
        an_dataset *data;
        an_loader *loader;
        assert_ok(an_dataset_open(in_fixture("data"), AN_SPLIT_TRAIN, 0, &data, error));
        assert_ok(an_loader_create(data, &preprocess, &options, &loader, error));
        order_of(loader, 0, first);
        order_of(loader, 5, later);
        assert_int_equal(memcmp(first, later, sizeof first) == 0, once);
        an_loader_free(loader);
        an_dataset_close(data);
    }
}

/* The loader is renewed with other noise where a phase begins, and at no other time. */
static void test_noise_ends(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.augmentation.noise = 1;
    settings.phases = "2:noise=0";
    train_with(&settings, "noise-ends", NULL);
    settings.phases = NULL;
    train_with(&settings, "noise-stays", NULL);
    settings.epochs = 2;
    settings.schedule = (an_schedule){.kind = AN_SCHEDULE_CONSTANT, .base = 0.05};
    train_with(&settings, "noise", NULL);
    settings.phases = "2:noise=0";
    train_with(&settings, "noise-not-yet", NULL);
    assert_true(differences("noise-ends", "noise-stays", "conv1.weight") > 100);
    assert_int_equal(differences("noise", "noise-not-yet", "conv1.weight"), 0);
}

static void test_layers_that_are_not_there(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.freeze = "conv7";
    assert_fails(
        an_train_arch(&tiny_arch, &settings, in_fixture("none"), false, NULL, &result, error),
        ALEXNET_INVALID, "'conv7' is no layer of tiny");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frozen_on_the_way),
        cmocka_unit_test(test_frozen_throughout),
        cmocka_unit_test(test_averages_are_validated_and_kept),
        cmocka_unit_test(test_mean_of_the_data),
        cmocka_unit_test(test_begins_as_the_paper_says),
        cmocka_unit_test(test_smoothed_labels_reach_the_loss),
        cmocka_unit_test(test_mixing_reaches_the_pictures),
        cmocka_unit_test(test_layers_are_logged),
        cmocka_unit_test(test_shuffled_once),
        cmocka_unit_test(test_noise_ends),
        cmocka_unit_test(test_layers_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, make_fixture, remove_fixture);
}
