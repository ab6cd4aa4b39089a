#include "fixture.h"

#include <ftw.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/random.h"
#include "formats/safetensors.h"

static const an_layer_spec tiny_layers[] = {
    {.name = "conv1",
     .type = AN_CONV,
     .units = 8,
     .kernel = 5,
     .stride = 2,
     .groups = 1,
     .parameter = "conv1"},
    {.name = "relu1", .type = AN_RELU},
    {.name = "norm1",
     .type = AN_LRN,
     .size = 5,
     .alpha = 1e-4f,
     .beta = 0.75f,
     .k = 2,
     .towers = 1},
    {.name = "pool1", .type = AN_MAX_POOL, .kernel = 3, .stride = 2},
    {.name = "fc2", .type = AN_FC, .units = 24, .parameter = "fc2"},
    {.name = "relu2", .type = AN_RELU},
    {.name = "drop2", .type = AN_DROPOUT, .rate = 0.5f},
    {.name = "fc3", .type = AN_FC, .parameter = "fc3"},
};

const an_arch tiny_arch = {
    .name = "tiny",
    .title = "for tests",
    .input_size = 16,
    .preprocess = {.resize = 18,
                   .crop = 16,
                   .scale = 1.0f / 255,
                   .mean = {0.5f, 0.5f, 0.5f},
                   .std = {0.25f, 0.25f, 0.25f}},
    .layers = tiny_layers,
    .layer_count = sizeof tiny_layers / sizeof *tiny_layers,
};

static char root[256];

const char *in_fixture(const char *name) {
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

/* A picture in which one channel is a little brighter than the others, under much noise. */
static void write_picture(const char *path, int class, int number) {
    enum { side = 20 };
    an_random random = an_random_stream(1, AN_RANDOM_TEST, (uint32_t) class, number);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "P6\n%d %d\n255\n", side, side);
    for (int i = 0; i < side * side; i++)
        for (int c = 0; c < 3; c++)
            fputc((int)an_random_below(&random, 180) + (c == class ? 60 : 0), file);
    assert_int_equal(fclose(file), 0);
}

void write_data(const char *folder) {
    static const char *const splits[] = {"train", "val"};
    static const char *const classes[] = {"red", "green", "blue"};
    for (int s = 0; s < 2; s++)
        for (int c = 0; c < FIXTURE_CLASSES; c++) {
            char path[512];
            snprintf(path, sizeof path, "%s/%s/%s", folder, splits[s], classes[c]);
            assert_ok(an_make_folder(path, error));
            for (int i = 0; i < (s == 0 ? FIXTURE_TRAIN : FIXTURE_HELD_OUT); i++) {
                snprintf(path, sizeof path, "%s/%s/%s/%d.ppm", folder, splits[s], classes[c], i);
                write_picture(path, c, 100 * s + i);
            }
        }
}

void break_picture(const char *path) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "this is no picture\n");
    assert_int_equal(fclose(file), 0);
}

int make_fixture(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/alexnet-train-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(root))
        return -1;
    write_data(in_fixture("data"));
    return 0;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

int remove_fixture(void **state) {
    (void)state;
    return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

an_train_settings fixture_settings_on(const char *data) {
    static char path[512];
    snprintf(path, sizeof path, "%s", in_fixture(data));
    an_train_settings settings = an_train_defaults();
    settings.data = path;
    settings.device = "reference";
    settings.threads = 1;
    settings.deterministic = true;
    settings.workers = 2;
    settings.seed = 7;
    settings.epochs = 4;
    settings.batch = FIXTURE_BATCH;
    settings.schedule =
        (an_schedule){.kind = AN_SCHEDULE_COSINE, .base = 0.05, .factor = 0.1, .warmup = 0.9};
    settings.bias_rate = 2;
    settings.bias_decay = 0;
    settings.log_steps = 1;
    return settings;
}

an_train_settings fixture_settings(void) {
    return fixture_settings_on("data");
}

an_train_settings rich_settings(void) {
    an_train_settings settings = fixture_settings();
    settings.ema = 0.9;
    settings.mixup = 0.4;
    settings.label_smoothing = 0.1;
    settings.lars = 0.1;
    settings.augmentation.crop = AN_CROP_SQUARE;
    settings.augmentation.shared = 3;
    settings.augmentation.noise = 0.3;
    settings.noise_axes = AN_AXES_DATA;
    settings.mean = AN_MEAN_DATA;
    settings.shuffle = AN_SHUFFLE_ONCE;
    settings.phases = "1:lr=0.5 2:conv1=0,noise=0.5 3:noise=0 4:end";
    settings.layer_stats = true;
    return settings;
}

an_train_settings no_settings(void) {
    return (an_train_settings){0};
}

/* --- comparing runs -------------------------------------------------------------------------- */

/* `tensors`: how many both must hold. */
static void assert_same_checkpoints(const char *path, const char *other, size_t tensors) {
    an_tensor_file a, b;
    assert_ok(an_safetensors_open(path, &a, error));
    assert_ok(an_safetensors_open(other, &b, error));
    assert_int_equal(a.tensor_count, tensors);
    assert_int_equal(b.tensor_count, tensors);
    for (size_t i = 0; i < a.tensor_count; i++) {
        const an_file_tensor *tensor = an_tensor_find(&b, a.tensors[i].name);
        assert_non_null(tensor);
        assert_int_equal(tensor->size, a.tensors[i].size);
        assert_memory_equal(tensor->bytes, a.tensors[i].bytes, tensor->size);
    }
    assert_int_equal(b.metadata_count, a.metadata_count);
    for (size_t i = 0; i < a.metadata_count; i++) {
        const char *value = an_tensor_file_metadata(&b, a.metadata[i].key);
        assert_non_null(value);
        if (strcmp(a.metadata[i].key, "train.metrics_bytes") != 0) /* times differ in length */
            assert_string_equal(value, a.metadata[i].value);
    }
    an_tensor_file_close(&a);
    an_tensor_file_close(&b);
}

/* The lines of a file as an array, without what is measured in time. */
static json_t *read_metrics(const char *path) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    json_t *lines = json_array();
    char text[8192];
    while (fgets(text, sizeof text, file)) {
        json_t *line = json_loads(text, 0, NULL);
        assert_non_null(line);
        json_object_del(line, "images_per_second");
        json_object_del(line, "waiting");
        json_object_del(line, "seconds");
        json_array_append_new(lines, line);
    }
    fclose(file);
    return lines;
}

static size_t size_of(const char *folder, const char *name) {
    char path[600];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(stat(path, &info), 0);
    return (size_t)info.st_size;
}

static bool keeps_averages(const char *folder) {
    char path[600];
    snprintf(path, sizeof path, "%s/run.json", folder);
    json_t *run = json_load_file(path, 0, NULL);
    assert_non_null(run);
    const double ema = json_number_value(json_object_get(json_object_get(run, "settings"), "ema"));
    json_decref(run);
    return ema > 0;
}

void assert_same_runs(const char *folder, const char *other) {
    /* Three weights and three biases; in the last checkpoint their momentum, and averages where
     * such are kept, which then are all that the best one holds. */
    const bool averages = keeps_averages(folder);
    const struct {
        const char *name;
        size_t tensors;
    } checkpoints[] = {{"last.safetensors", averages ? 18 : 12},
                       {"best.safetensors", averages ? 6 : 12}};
    char a[600], b[600];
    for (int i = 0; i < 2; i++) {
        snprintf(a, sizeof a, "%s/%s", folder, checkpoints[i].name);
        snprintf(b, sizeof b, "%s/%s", other, checkpoints[i].name);
        assert_same_checkpoints(a, b, checkpoints[i].tensors);
    }
    snprintf(a, sizeof a, "%s/metrics.jsonl", folder);
    snprintf(b, sizeof b, "%s/metrics.jsonl", other);
    json_t *left = read_metrics(a), *right = read_metrics(b);
    assert_true(json_equal(left, right));
    json_decref(left);
    json_decref(right);
    /* Times have one width in events; what they hold is tested by events.py. */
    static const char events[] = "events.out.tfevents.0.alexnet";
    assert_int_equal(size_of(folder, events), size_of(other, events));
}
