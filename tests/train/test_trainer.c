/* What the trainer does, says and refuses. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "core/file.h"
#include "eval/evaluate.h"
#include "fixture.h"
#include "formats/safetensors.h"
#include "formats/weights.h"
#include "train/setup.h"

/* What an observer heard. */
typedef struct heard {
    int steps, epochs, validations, started, warnings;
    char warning[1200]; /* the last one */
    an_progress progress;
    an_epoch_result results[16];
    an_train_settings settings;
    char last_layer[1024];
    void (*at_epoch)(struct heard *heard);
} heard;

static void hear_start(void *context, const an_train_start *start) {
    heard *h = context;
    const an_forecast *forecast = &start->forecast;
    h->started++;
    h->settings = *start->settings;
    snprintf(h->last_layer, sizeof h->last_layer, "%s", start->last_layer);
    assert_string_equal(start->network->arch->name, start->settings->arch);
    assert_true(start->pictures > 0);
    assert_true(forecast->plan.parameters > 0);
    assert_true(forecast->total >= forecast->plan.parameters + forecast->loader);
    assert_true(forecast->total < forecast->available); /* a tiny network */
    assert_true(forecast->largest_batch > (size_t)start->settings->batch);
}

static void hear_step(void *context, const an_progress *progress) {
    heard *h = context;
    h->steps++;
    h->progress = *progress;
    assert_true(progress->done > 0 && progress->done <= 1);
}

static void hear_validation(void *context, size_t done, size_t pictures) {
    heard *h = context;
    assert_true(done <= pictures);
    h->validations++;
}

static void hear_epoch(void *context, const an_epoch_result *result) {
    heard *h = context;
    h->results[h->epochs++ % 16] = *result;
    if (h->at_epoch)
        h->at_epoch(h);
}

static void hear_warning(void *context, const char *message) {
    heard *h = context;
    h->warnings++;
    snprintf(h->warning, sizeof h->warning, "%s", message);
}

static an_train_result result;

static alexnet_status train(const an_train_settings *settings, const char *folder, bool resume,
                            heard *h, alexnet_error *error) {
    const an_train_observer observer = {.context = h,
                                        .started = hear_start,
                                        .stepped = hear_step,
                                        .validating = hear_validation,
                                        .epoch = hear_epoch,
                                        .warned = hear_warning};
    return an_train_arch(&tiny_arch, settings, folder, resume, h ? &observer : NULL, &result,
                         error);
}

static json_t *read_json(const char *path) {
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    return root;
}

static void path_in(const char *folder, const char *name, char *path, size_t size) {
    snprintf(path, size, "%s/%s", folder, name);
}

/* --- what it does ---------------------------------------------------------------------------- */

static void test_learns_and_records(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.epochs = 12;
    heard h = {0};
    assert_ok(train(&settings, in_fixture("learns"), false, &h, error));
    assert_int_equal(h.started, 1);
    assert_int_equal(h.steps, 12 * FIXTURE_STEPS);
    assert_int_equal(h.epochs, 12);
    assert_int_equal(h.validations, 12 * 2);
    assert_true(h.progress.done < 1); /* the last validation was still to come */
    assert_int_equal(h.warnings, 0);
    assert_string_equal(h.settings.device, "reference");
    assert_int_equal(h.settings.classes, FIXTURE_CLASSES);
    assert_int_equal(h.settings.input_size, 16);
    assert_int_equal(h.progress.epoch, 12);
    assert_int_equal(h.progress.step, FIXTURE_STEPS);
    assert_true(h.progress.remaining_seconds >= 0);
    assert_true(result.val_top1 > 0.6);
    assert_true(h.results[11].train_loss < h.results[0].train_loss);

    /* The result is that of the best epoch, whose weights are in the file that it names. */
    int best = 0;
    for (int i = 1; i < 12; i++)
        if (h.results[i].best)
            best = i;
    assert_true(result.val_top1 == h.results[best].val_top1);
    an_weights_file weights;
    an_network network;
    assert_ok(an_network_build(&tiny_arch, FIXTURE_CLASSES, 0, &network, error));
    assert_ok(an_weights_open_network(result.checkpoint, &network, &weights, error));
    assert_string_equal(weights.class_names[0], "blue");
    assert_string_equal(weights.class_names[2], "red");
    assert_int_equal(weights.preprocess.resize, 18);
    an_weights_close(&weights);

    char path[600];
    path_in(in_fixture("learns"), "run.json", path, sizeof path);
    json_t *run = read_json(path);
    const json_t *recorded = json_object_get(run, "settings");
    assert_string_equal(json_string_value(json_object_get(recorded, "arch")), "tiny");
    assert_int_equal(json_integer_value(json_object_get(recorded, "batch")), FIXTURE_BATCH);
    assert_true(json_real_value(json_object_get(recorded, "weight_decay")) == 0.0005);
    assert_string_equal(json_string_value(json_object_get(recorded, "schedule")), "cosine");
    assert_int_equal(json_integer_value(json_object_get(recorded, "seed")), 7);
    assert_true(json_is_true(json_object_get(recorded, "deterministic")));
    assert_string_equal(json_string_value(json_object_get(run, "version")), alexnet_version());
    assert_true(json_integer_value(json_object_get(json_object_get(run, "machine"), "cores")) >= 1);
    json_decref(run);
}

/* The same run written out: what a step sees, how it updates, and what is validated. */
static void test_computes_as_by_hand(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.epochs = 2;
    heard h = {0};
    assert_ok(train(&settings, in_fixture("by-trainer"), false, &h, error));

    const an_backend *backend;
    an_dataset *data, *held_out;
    an_network network;
    an_plan *plan;
    an_loader *loader, *validation;
    assert_ok(an_backend_find("reference", &backend, error));
    assert_ok(an_dataset_open(settings.data, AN_SPLIT_TRAIN, 7, &data, error));
    assert_ok(an_dataset_open(settings.data, AN_SPLIT_HELD_OUT, 7, &held_out, error));
    assert_ok(an_network_build(&tiny_arch, FIXTURE_CLASSES, 0, &network, error));
    const an_plan_options planning = {.batch = FIXTURE_BATCH, .training = true, .threads = 1};
    assert_ok(an_plan_create(backend, &network, &planning, &plan, error));
    const an_preprocess preprocess = an_network_preprocess(&network);
    an_loader_options loading = {.batch = FIXTURE_BATCH,
                                 .workers = 1,
                                 .seed = 7,
                                 .shuffle = true,
                                 .augmentation = an_plain_augmentation};
    assert_ok(an_loader_create(data, &preprocess, &loading, &loader, error));
    loading.shuffle = false;
    loading.augmentation = an_no_augmentation;
    assert_ok(an_loader_create(held_out, &preprocess, &loading, &validation, error));
    float *initial = calloc(network.parameter_floats, sizeof *initial);
    assert_non_null(initial);
    an_initialise(&network, 7, initial);
    const an_weights weights = an_weights_of(&network, initial);
    assert_ok(an_plan_load(plan, &weights, error));
    free(initial);

    settings.schedule.epochs = 2;
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        assert_ok(an_loader_start(loader, epoch, 0, error));
        const an_batch *batch;
        for (uint64_t i = 0;; i++) {
            assert_ok(an_loader_next(loader, &batch, error));
            if (!batch)
                break;
            const double rate = an_schedule_rate(&settings.schedule, NULL,
                                                 FIXTURE_STEPS * epoch + i, FIXTURE_STEPS);
            const an_update weight = {(float)rate, 0.0005f}, bias = {(float)(2 * rate), 0};
            const an_update updates[] = {weight, bias, weight, bias, weight, bias};
            const an_step step = {.input = batch->input,
                                  .labels = batch->labels,
                                  .seed = 7,
                                  .epoch = epoch,
                                  .position = FIXTURE_BATCH * i,
                                  .momentum = 0.9f,
                                  .updates = updates};
            an_step_result found;
            assert_ok(an_plan_step(plan, &step, &found, error));
        }
        an_evaluation found;
        assert_ok(an_evaluate(plan, validation, &found, NULL, NULL, error));
        assert_true(found.loss == h.results[epoch].val_loss);
        assert_true(found.top1 == h.results[epoch].val_top1);
    }

    an_weights_file last;
    assert_ok(
        an_weights_open_network(in_fixture("by-trainer/last.safetensors"), &network, &last, error));
    float *values = calloc(network.parameter_floats, sizeof *values);
    assert_non_null(values);
    for (int i = 0; i < network.parameter_count; i++) {
        assert_ok(an_plan_read(plan, AN_PARAMETER, i, values, error));
        assert_memory_equal(values, last.weights.tensor[i],
                            network.parameters[i].count * sizeof *values);
    }
    free(values);
    an_weights_close(&last);
    an_loader_free(loader);
    an_loader_free(validation);
    an_plan_free(plan);
    an_dataset_close(data);
    an_dataset_close(held_out);
}

static void test_every_picture_once(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.epochs = 1;
    heard h = {0};
    assert_ok(train(&settings, in_fixture("once"), false, &h, error));
    assert_int_equal(h.progress.steps_per_epoch, FIXTURE_STEPS);
    /* 21 pictures: a share of recognised ones is a multiple of 1/21. */
    const double recognised = h.results[0].train_top1 * FIXTURE_CLASSES * FIXTURE_TRAIN;
    assert_true(fabs(recognised - round(recognised)) < 1e-9);
}

static void test_overfits(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.overfit_batch = true;
    settings.epochs = 1;
    settings.schedule = (an_schedule){.kind = AN_SCHEDULE_CONSTANT, .base = 0.02};
    heard h = {0};
    assert_ok(train(&settings, in_fixture("overfits"), false, &h, error));
    assert_int_equal(h.steps, AN_OVERFIT_STEPS);
    assert_int_equal(h.validations, 0);
    assert_true(h.progress.loss < 0.05);
    assert_true(isnan(result.val_top1));
    assert_false(h.results[0].validated);
}

/* At this rate no weight changes, so that no epoch is better than the first. */
static void test_plateau_lowers_the_rate(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.schedule =
        (an_schedule){.kind = AN_SCHEDULE_PLATEAU, .base = 1e-30, .factor = 0.5, .patience = 2};
    settings.epochs = 6;
    heard h = {0};
    assert_ok(train(&settings, in_fixture("plateau"), false, &h, error));
    static const double rates[] = {1e-30, 1e-30, 1e-30, 5e-31, 5e-31, 2.5e-31};
    for (int i = 0; i < 6; i++) {
        assert_true(fabs(h.results[i].learning_rate / rates[i] - 1) < 1e-12);
        assert_int_equal(h.results[i].best, i == 0);
    }
}

/* --- what it says ---------------------------------------------------------------------------- */

static void test_hint_when_guessing(void **state) {
    (void)state;
    an_layer_spec layers[AN_MAX_LAYERS];
    memcpy(layers, tiny_arch.layers, (size_t)tiny_arch.layer_count * sizeof *layers);
    layers[tiny_arch.layer_count - 1].init = AN_INIT_NORMAL; /* with a deviation of 0 */
    an_arch arch = tiny_arch;
    arch.layers = layers;
    an_train_settings settings = fixture_settings();
    settings.epochs = 75;
    settings.validation_limit = 1;
    settings.schedule = (an_schedule){.kind = AN_SCHEDULE_CONSTANT, .base = 0};
    heard h = {0};
    const an_train_observer observer = {.context = &h, .warned = hear_warning};
    assert_ok(
        an_train_arch(&arch, &settings, in_fixture("guesses"), false, &observer, &result, error));
    assert_int_equal(h.warnings, 1);
    assert_non_null(strstr(h.warning, "ln(3) = 1.099"));
}

static void test_broken_pictures(void **state) {
    (void)state;
    write_data(in_fixture("few-broken"));
    break_picture(in_fixture("few-broken/train/red/2.ppm"));
    break_picture(in_fixture("few-broken/train/blue/5.ppm"));
    break_picture(in_fixture("few-broken/val/blue/0.ppm"));
    an_train_settings settings = fixture_settings_on("few-broken");
    settings.epochs = 1;
    heard h = {0};
    assert_ok(train(&settings, in_fixture("broken-run"), false, &h, error));
    assert_int_equal(h.results[0].broken, 3);
    assert_int_equal(h.warnings, 3);
    assert_non_null(strstr(h.warning, "few-broken/val/blue/0.ppm"));
    assert_true(isfinite(h.results[0].train_loss));
}

static void test_too_many_broken_pictures(void **state) {
    (void)state;
    write_data(in_fixture("many-broken"));
    for (int i = 0; i < 11; i++) {
        char name[64];
        snprintf(name, sizeof name, "many-broken/train/%s/%d.ppm", i < 6 ? "red" : "green", i % 6);
        break_picture(in_fixture(name));
    }
    an_train_settings settings = fixture_settings_on("many-broken");
    heard h = {0};
    assert_fails(train(&settings, in_fixture("many-run"), false, &h, error), ALEXNET_FORMAT,
                 "could not be read");
    assert_true(h.steps > 0);
    assert_true(an_is_file(in_fixture("many-run/last.safetensors")));
    /* Once they are mended the run goes on. */
    write_data(in_fixture("many-broken"));
    const an_train_settings none = no_settings();
    assert_ok(train(&none, in_fixture("many-run"), true, &h, error));
}

static void test_divergence(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.schedule = (an_schedule){.kind = AN_SCHEDULE_CONSTANT, .base = 1e6};
    settings.weight_decay = 1e6; /* weights grow a million million times in a step */
    assert_fails(train(&settings, in_fixture("diverges"), false, NULL, error), ALEXNET_DIVERGED,
                 "lower than 1e+06");
    assert_false(an_is_file(in_fixture("diverges/last.safetensors")));

    /* With checkpoints on the way, the last one holds numbers only. */
    settings.schedule.base = 1e4;
    settings.weight_decay = 1;
    settings.checkpoint_steps = 1;
    settings.epochs = 20;
    assert_fails(train(&settings, in_fixture("diverges-later"), false, NULL, error),
                 ALEXNET_DIVERGED, "stays as it was after step");
    an_tensor_file last;
    assert_ok(an_safetensors_open(in_fixture("diverges-later/last.safetensors"), &last, error));
    for (size_t i = 0; i < last.tensor_count; i++)
        for (size_t j = 0; j < last.tensors[i].size / sizeof(float); j++) {
            float value;
            memcpy(&value, last.tensors[i].bytes + j * sizeof value, sizeof value);
            assert_true(isfinite(value));
        }
    an_tensor_file_close(&last);
}

/* --- fine-tuning --------------------------------------------------------------------------------
 */

/* `alexnet` for small pictures, with another number of classes than the data set has. */
static void write_trained_weights(const char *path, int classes, an_network *network) {
    const an_arch *arch;
    assert_ok(an_arch_find("alexnet", &arch, error));
    assert_ok(an_network_build(arch, classes, 67, network, error));
    an_weights_file weights;
    assert_ok(an_weights_initialise(network, 99, &weights, error));
    an_tensor_source tensors[AN_MAX_PARAMETERS];
    for (int i = 0; i < network->parameter_count; i++) {
        tensors[i] = (an_tensor_source){.name = network->parameters[i].name,
                                        .dims = network->parameters[i].dims,
                                        .values = weights.weights.tensor[i]};
        memcpy(tensors[i].shape, network->parameters[i].shape, sizeof network->parameters[i].shape);
    }
    weights.preprocess.resize = 70;
    an_metadata *metadata;
    size_t count;
    assert_ok(an_weights_metadata(network, &weights.preprocess, NULL, &metadata, &count, error));
    assert_ok(an_safetensors_write(path, tensors, (size_t)network->parameter_count, metadata, count,
                                   NULL, NULL, error));
    an_metadata_free(metadata, count);
    an_weights_close(&weights);
}

static void test_fine_tuning(void **state) {
    (void)state;
    an_network network;
    char trained[512];
    snprintf(trained, sizeof trained, "%s", in_fixture("trained.safetensors"));
    write_trained_weights(trained, 5, &network);
    an_train_settings settings = fixture_settings();
    settings.weights = trained;
    settings.epochs = 1;
    settings.limit = settings.validation_limit = settings.batch = 2;
    settings.threads = 0;
    settings.schedule.base = 0; /* so that what was kept can be seen to be */
    heard h = {0};
    const an_train_observer observer = {.context = &h, .started = hear_start};
    assert_ok(an_train(&settings, in_fixture("tuned"), false, &observer, &result, error));
    assert_string_equal(h.settings.arch, "alexnet");
    assert_int_equal(h.settings.input_size, 67);
    assert_string_equal(h.last_layer, "fc8 is new: 3 classes instead of 5");

    an_weights_file before, after;
    assert_ok(an_weights_open(trained, NULL, &before, error));
    assert_ok(an_weights_open(result.checkpoint, NULL, &after, error));
    assert_int_equal(after.network.classes, FIXTURE_CLASSES);
    assert_int_equal(after.preprocess.resize, 70);
    for (int i = 0; i < network.parameter_count; i++) {
        const an_parameter *parameter = &after.network.parameters[i];
        if (parameter->layer < after.network.layer_count - 1)
            assert_memory_equal(after.weights.tensor[i], before.weights.tensor[i],
                                parameter->count * sizeof(float));
    }
    an_weights_close(&before);
    an_weights_close(&after);

    settings.arch = "caffenet";
    assert_fails(an_train(&settings, in_fixture("untuned"), false, NULL, &result, error),
                 ALEXNET_MISMATCH, "'alexnet', but 'caffenet'");
    settings.arch = NULL;
    settings.input_size = 131;
    assert_fails(an_train(&settings, in_fixture("untuned"), false, NULL, &result, error),
                 ALEXNET_MISMATCH, "fc6.weight does not fit");
}

/* --- the best checkpoint ------------------------------------------------------------------------
 */

static ino_t file_number(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_ino;
}

/* Where the file system has no links, as seen from where the second name would be, it is copied. */
static void test_best_without_links(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.epochs = 1;
    assert_ok(an_make_folder(in_fixture("linkless/best.safetensors.linked"), error));
    assert_ok(train(&settings, in_fixture("linkless"), false, NULL, error));
    assert_ok(train(&settings, in_fixture("linked"), false, NULL, error));
    assert_same_runs(in_fixture("linked"), in_fixture("linkless"));
    assert_true(file_number(in_fixture("linked/best.safetensors")) ==
                file_number(in_fixture("linked/last.safetensors")));
    /* Killed before the best checkpoint had its second name: it gets it when resumed. */
    const an_train_settings none = no_settings();
    assert_ok(train(&none, in_fixture("linked"), true, NULL, error));
    assert_false(an_is_file(in_fixture("linked/best.safetensors.linked")));
    assert_int_equal(unlink(in_fixture("linked/best.safetensors")), 0);
    assert_ok(train(&none, in_fixture("linked"), true, NULL, error));
    assert_same_runs(in_fixture("linked"), in_fixture("linkless"));
    assert_false(file_number(in_fixture("linkless/best.safetensors")) ==
                 file_number(in_fixture("linkless/last.safetensors")));
}

/* --- a full disk ------------------------------------------------------------------------------ */

static void limit_file_size(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void fill_disk(heard *h) {
    if (h->epochs == 2)
        limit_file_size(4096); /* enough for a line, not for a checkpoint */
}

static void test_full_disk(void **state) {
    (void)state;
    const an_train_settings settings = fixture_settings(), none = no_settings();
    assert_ok(train(&settings, in_fixture("roomy"), false, NULL, error));
    signal(SIGXFSZ, SIG_IGN);
    heard h = {.at_epoch = fill_disk};
    assert_fails(train(&settings, in_fixture("full"), false, &h, error), ALEXNET_IO,
                 "what it held before stays");
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(h.epochs, 2);
    assert_ok(train(&none, in_fixture("full"), true, NULL, error));
    assert_same_runs(in_fixture("roomy"), in_fixture("full"));
}

/* --- what it refuses ----------------------------------------------------------------------------
 */

static void test_refuses_to_overwrite(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.epochs = 1;
    assert_ok(train(&settings, in_fixture("taken"), false, NULL, error));
    assert_fails(train(&settings, in_fixture("taken"), false, NULL, error), ALEXNET_INVALID,
                 "already holds a run");
    assert_fails(train(&settings, in_fixture("free"), true, NULL, error), ALEXNET_IO,
                 "holds no run");
}

static size_t size_of(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? (size_t)info.st_size : 0;
}

/* A run whose last checkpoint is gone is not begun again over what is left of it. */
static void test_lost_checkpoint(void **state) {
    (void)state;
    char last[600], best[600], metrics[600];
    const an_train_settings none = no_settings();
    an_train_settings settings = fixture_settings();
    settings.epochs = 2;
    settings.log_steps = 100; /* more than there are: only epochs are logged */
    heard h = {0};
    assert_ok(train(&settings, in_fixture("lost"), false, &h, error));
    path_in(in_fixture("lost"), "last.safetensors", last, sizeof last);
    path_in(in_fixture("lost"), "best.safetensors", best, sizeof best);
    path_in(in_fixture("lost"), "metrics.jsonl", metrics, sizeof metrics);
    const size_t logged = size_of(metrics);
    assert_int_equal(unlink(last), 0);
    assert_fails(train(&none, in_fixture("lost"), true, &h, error), ALEXNET_IO,
                 "last.safetensors: is not there any more");
    assert_true(an_is_file(best));
    assert_int_equal(unlink(best), 0);
    assert_fails(train(&none, in_fixture("lost"), true, &h, error), ALEXNET_IO,
                 "last.safetensors: is not there any more");
    assert_int_equal(size_of(metrics), logged);
    assert_int_equal(h.warnings, 0);

    /* An epoch is logged before its checkpoint is written: there the run may have been killed. */
    uint8_t *bytes;
    size_t size;
    assert_ok(an_read_file(metrics, 1 << 20, &bytes, &size, error));
    const uint8_t *end = memchr(bytes, '\n', size);
    assert_non_null(end);
    assert_ok(an_write_file(metrics, bytes, (size_t)(end + 1 - bytes), error));
    free(bytes);
    assert_ok(train(&none, in_fixture("lost"), true, &h, error));
    assert_int_equal(h.warnings, 1);
    assert_non_null(strstr(h.warning, "begins anew"));
    assert_int_equal(result.steps, 2 * FIXTURE_STEPS);
    assert_true(an_is_file(last) && an_is_file(best));
}

static void train_beside(heard *h) {
    (void)h;
    const an_train_settings none = no_settings();
    an_train_result other;
    assert_fails(an_train_arch(&tiny_arch, &none, in_fixture("twice"), true, NULL, &other, error),
                 ALEXNET_IO, "another process");
}

static void test_refuses_two_at_once(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.epochs = 1;
    heard h = {.at_epoch = train_beside};
    assert_ok(train(&settings, in_fixture("twice"), false, &h, error));
    assert_int_equal(h.epochs, 1);
}

static void test_refuses_other_data(void **state) {
    (void)state;
    write_data(in_fixture("changing"));
    an_train_settings settings = fixture_settings_on("changing");
    settings.epochs = 1;
    assert_ok(train(&settings, in_fixture("changed"), false, NULL, error));
    const an_train_settings none = no_settings();

    assert_int_equal(unlink(in_fixture("changing/train/red/0.ppm")), 0);
    assert_fails(train(&none, in_fixture("changed"), true, NULL, error), ALEXNET_MISMATCH,
                 "now 20 of 3");
    write_data(in_fixture("changing"));
    assert_int_equal(rename(in_fixture("changing/train/red"), in_fixture("changing/train/rot")), 0);
    assert_int_equal(rename(in_fixture("changing/val/red"), in_fixture("changing/val/rot")), 0);
    assert_fails(train(&none, in_fixture("changed"), true, NULL, error), ALEXNET_MISMATCH,
                 "other class names");
    assert_int_equal(rename(in_fixture("changing/val/rot"), in_fixture("changing/val/red")), 0);
    assert_fails(train(&settings, in_fixture("new"), false, NULL, error), ALEXNET_MISMATCH,
                 "they must be the same");
}

static void test_refuses_settings(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.classes = 10;
    assert_fails(train(&settings, in_fixture("no"), false, NULL, error), ALEXNET_INVALID,
                 "has 3 classes, but 10");
    settings = fixture_settings();
    settings.precision = AN_INT8;
    assert_fails(train(&settings, in_fixture("no"), false, NULL, error), ALEXNET_INVALID,
                 "int8 is for inference");
    settings = fixture_settings();
    settings.epochs = 0;
    assert_fails(train(&settings, in_fixture("no"), false, NULL, error), ALEXNET_INVALID, "epochs");
    settings = fixture_settings();
    settings.schedule.base = NAN;
    assert_fails(train(&settings, in_fixture("no"), false, NULL, error), ALEXNET_INVALID,
                 "learning rate");
    settings = fixture_settings();
    settings.schedule.warmup = 4;
    assert_fails(train(&settings, in_fixture("no"), false, NULL, error), ALEXNET_INVALID,
                 "warm-up");
    settings = fixture_settings_on("nowhere");
    assert_fails(train(&settings, in_fixture("no"), false, NULL, error), ALEXNET_IO, "nowhere");
    assert_false(an_is_folder(in_fixture("no"))); /* nothing was begun */
}

/* A checkpoint and a description from who knows where. */
static void test_refuses_damaged_runs(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.epochs = 1;
    const an_train_settings none = no_settings();
    assert_ok(train(&settings, in_fixture("damaged"), false, NULL, error));
    char last[600], description[600];
    path_in(in_fixture("damaged"), "last.safetensors", last, sizeof last);
    path_in(in_fixture("damaged"), "run.json", description, sizeof description);

    json_t *run = read_json(description);
    json_t *recorded = json_object_get(run, "settings");
    json_object_set_new(recorded, "batch", json_string("many"));
    assert_int_equal(json_dump_file(run, description, 0), 0);
    assert_fails(train(&none, in_fixture("damaged"), true, NULL, error), ALEXNET_FORMAT, "'batch'");
    json_object_set_new(recorded, "batch", json_integer(-1));
    assert_int_equal(json_dump_file(run, description, 0), 0);
    assert_fails(train(&none, in_fixture("damaged"), true, NULL, error), ALEXNET_INVALID, "batch");
    json_object_set_new(recorded, "batch", json_integer(FIXTURE_BATCH));
    json_object_set_new(recorded, "schedule", json_string("exponential"));
    assert_int_equal(json_dump_file(run, description, 0), 0);
    assert_fails(train(&none, in_fixture("damaged"), true, NULL, error), ALEXNET_FORMAT,
                 "'schedule'");
    json_object_set_new(recorded, "schedule", json_string("cosine"));
    assert_int_equal(json_dump_file(run, description, 0), 0);
    json_decref(run);

    uint8_t *bytes;
    size_t size;
    assert_ok(an_read_file(last, 1 << 20, &bytes, &size, error));
    static const char key[] = "\"train.step\":\"";
    char *step = memmem(bytes, size, key, strlen(key));
    assert_non_null(step);
    step[strlen(key)] = '9';
    assert_ok(an_write_file(last, bytes, size, error));
    assert_fails(train(&none, in_fixture("damaged"), true, NULL, error), ALEXNET_MISMATCH,
                 "only 3");
    step[strlen(key)] = 'x';
    assert_ok(an_write_file(last, bytes, size, error));
    assert_fails(train(&none, in_fixture("damaged"), true, NULL, error), ALEXNET_FORMAT,
                 "train.step is not a number");
    assert_ok(an_write_file(last, bytes, size / 2, error));
    assert_fails(train(&none, in_fixture("damaged"), true, NULL, error), ALEXNET_FORMAT, "last");
    free(bytes);
}

/* Every plan of a run is told whether its bits are to be the same each time. */
static void test_deterministic(void **state) {
    (void)state;
    for (int wanted = 0; wanted <= 1; wanted++) {
        an_train_settings settings = rich_settings();
        an_train_state begin;
        an_setup setup = {0};
        settings.deterministic = wanted;
        assert_ok(an_setup_data(&settings, &setup, error));
        assert_ok(an_setup_make(&settings, &tiny_arch, NULL, &setup, &begin, error));
        assert_int_equal(setup.plan->options.deterministic, wanted);
        assert_int_equal(setup.average.plan->options.deterministic, wanted);
        an_setup_free(&setup);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns_and_records),
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_computes_as_by_hand),
        cmocka_unit_test(test_every_picture_once),
        cmocka_unit_test(test_overfits),
        cmocka_unit_test(test_plateau_lowers_the_rate),
        cmocka_unit_test(test_hint_when_guessing),
        cmocka_unit_test(test_broken_pictures),
        cmocka_unit_test(test_too_many_broken_pictures),
        cmocka_unit_test(test_divergence),
        cmocka_unit_test(test_fine_tuning),
        cmocka_unit_test(test_best_without_links),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_refuses_to_overwrite),
        cmocka_unit_test(test_lost_checkpoint),
        cmocka_unit_test(test_refuses_two_at_once),
        cmocka_unit_test(test_refuses_other_data),
        cmocka_unit_test(test_refuses_settings),
        cmocka_unit_test(test_refuses_damaged_runs),
    };
    return cmocka_run_group_tests(tests, make_fixture, remove_fixture);
}
