/* The loader: the same batches whatever the number of workers, whole epochs, and broken pictures.
 */
#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "data/loader.h"
#include "pictures.h"
#include "testing.h"

enum { SIDE = 16, CROP = 12, INPUT = 3 * CROP * CROP };

/*
 * A data set whose pixels say where they are: red is the column, green the row, blue the sample.
 * Some pictures are larger and are resized, some come late, some are broken.
 */
typedef struct fake {
    an_dataset base;
    bool sizes, delays;
    int broken_every; /* 0: none */
    size_t starved;   /* the sample for which there is no memory; SIZE_MAX: none */
    int taller;       /* rows more than SIDE */
    bool jpeg;        /* JPEGs of another picture and of any size, each broken one cut off */
} fake;

static void pause_for(long microseconds) {
    const struct timespec time = {0, microseconds * 1000};
    nanosleep(&time, NULL);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void fake_destroy(an_dataset *dataset) {
    free(dataset);
}

static void fake_describe(const an_dataset *dataset, size_t index, char *text, size_t size) {
    (void)dataset;
    snprintf(text, size, "fake/%zu", index);
}

static alexnet_status fetch_jpeg(size_t index, bool broken, an_sample *out, alexnet_error *error) {
    const encoded file = make_jpeg(&(jpeg_recipe){.width = 20 + (int)(index * 37 % 150),
                                                  .height = 20 + (int)(index * 91 % 170),
                                                  .channels = index % 5 ? 3 : 1,
                                                  .progressive = index % 7 == 0,
                                                  .waves = true,
                                                  .across = 2,
                                                  .down = 2});
    const alexnet_status status = an_sample_reserve(out, broken ? file.size / 8 : file.size, error);
    if (status == ALEXNET_OK)
        memcpy(out->buffer, file.bytes, out->size);
    out->form = AN_SAMPLE_FILE;
    free(file.bytes);
    return status;
}

static alexnet_status fake_fetch(const an_dataset *dataset, size_t index, an_sample *out,
                                 alexnet_error *error) {
    const fake *self = (const fake *)dataset;
    if (self->delays)
        pause_for((long)(index * 7919 % 7) * 200);
    if (index == self->starved)
        return an_fail(error, ALEXNET_NO_MEMORY, "fake/%zu: no memory", index);
    const bool broken = self->broken_every && index % (size_t)self->broken_every == 0;
    if (self->jpeg)
        return fetch_jpeg(index, broken, out, error);
    if (broken)
        return an_fail(error, ALEXNET_FORMAT, "fake/%zu: is broken", index);
    const int larger = self->sizes ? (int)(index % 3) * 5 : 0;
    AN_TRY(an_sample_reserve_rgb(out, SIDE + larger, SIDE + 2 * larger + self->taller, error));
    for (int y = 0; y < out->height; y++)
        for (int x = 0; x < out->width; x++) {
            uint8_t *pixel = out->buffer + (y * out->width + x) * 3;
            pixel[0] = (uint8_t)x;
            pixel[1] = (uint8_t)y;
            pixel[2] = (uint8_t)index;
        }
    return ALEXNET_OK;
}

static const an_dataset_kind fake_kind = {"fake", fake_destroy, fake_fetch, fake_describe, NULL};

static fake *open_fake(size_t count) {
    fake *self = calloc(1, sizeof *self);
    assert_non_null(self);
    assert_ok(an_dataset_begin(&self->base, &fake_kind, "fake", count, 7, error));
    for (size_t i = 0; i < count; i++)
        self->base.labels[i] = (int32_t)(i % 7);
    self->starved = SIZE_MAX;
    return self;
}

static const an_preprocess preprocess = {
    .resize = SIDE, .crop = CROP, .scale = 1, .std = {1, 1, 1}};

static const an_loader_options defaults = {
    .batch = 8,
    .workers = 2,
    .seed = 11,
    .shuffle = true,
    .augmentation = {.crop = AN_CROP_RANDOM, .mirror = true, .shared = 1},
    .max_broken = 0.01};

static an_loader *create(const fake *data, an_loader_options options) {
    an_loader *loader = NULL;
    assert_ok(an_loader_create(&data->base, &preprocess, &options, &loader, error));
    return loader;
}

/* Takes batches until there are no more or one fails. */
static alexnet_status drain(an_loader *loader, alexnet_error *error) {
    const an_batch *batch;
    AN_TRY(an_loader_start(loader, 0, 0, error));
    do
        AN_TRY(an_loader_next(loader, &batch, error));
    while (batch);
    return ALEXNET_OK;
}

/* What the batches of an epoch held, one behind the other. */
typedef struct record {
    size_t places; /* positions, and the last batch's padding */
    float *input;
    int32_t *labels;
    size_t *indices;
} record;

static record take_epoch(an_loader *loader, int batch, uint32_t epoch, size_t first) {
    const size_t batches = an_loader_batches(loader) - first, n = (size_t)batch;
    record r = {.places = batches * n};
    r.input = malloc(r.places * INPUT * sizeof *r.input);
    r.labels = malloc(r.places * sizeof *r.labels);
    r.indices = malloc(r.places * sizeof *r.indices);
    assert_true(r.input && r.labels && r.indices);
    assert_ok(an_loader_start(loader, epoch, first, error));
    const an_batch *got;
    for (size_t b = 0; b < batches; b++) {
        assert_ok(an_loader_next(loader, &got, error));
        assert_non_null(got);
        const size_t position = (first + b) * n, left = an_loader_pictures(loader) - position;
        assert_int_equal(got->position, position);
        assert_int_equal(got->count, left < n ? left : n);
        assert_int_equal((uintptr_t)got->input % 64, 0);
        memcpy(r.input + b * n * INPUT, got->input, n * INPUT * sizeof *r.input);
        memcpy(r.labels + b * n, got->labels, n * sizeof *r.labels);
        memcpy(r.indices + b * n, got->indices, n * sizeof *r.indices);
    }
    for (int again = 0; again < 2; again++) {
        assert_ok(an_loader_next(loader, &got, error));
        assert_null(got);
    }
    return r;
}

static void forget(record *r) {
    free(r->input);
    free(r->labels);
    free(r->indices);
}

/* The places from `first` on of one record are all of another. */
static void assert_tail(const record *whole, size_t first, const record *tail) {
    assert_int_equal(whole->places - first, tail->places);
    assert_memory_equal(whole->indices + first, tail->indices,
                        tail->places * sizeof *tail->indices);
    assert_memory_equal(whole->labels + first, tail->labels, tail->places * sizeof *tail->labels);
    assert_memory_equal(whole->input + first * INPUT, tail->input,
                        tail->places * INPUT * sizeof *tail->input);
}

static void assert_any_workers_give_the_same(fake *data, an_loader_options options) {
    options.workers = 1;
    an_loader *alone = create(data, options);
    record expected = take_epoch(alone, options.batch, 3, 0);
    an_loader_free(alone);
    data->delays = true;
    for (int workers = 0; workers <= 5; workers++) {
        options.workers = workers;
        an_loader *loader = create(data, options);
        record r = take_epoch(loader, options.batch, 3, 0);
        assert_tail(&expected, 0, &r);
        forget(&r);
        an_loader_free(loader);
    }
    forget(&expected);
    data->delays = false;
}

/* Whatever is drawn, and from whatever files. */
static void batches_do_not_depend_on_workers(void **state) {
    (void)state;
    fake *data = open_fake(61);
    data->sizes = true;
    an_loader_options options = defaults;
    assert_any_workers_give_the_same(data, options);
    options.shuffle_window = 20;
    assert_any_workers_give_the_same(data, options);
    data->jpeg = true;
    assert_any_workers_give_the_same(data, options);
    options.augmentation = (an_augmentation){
        .crop = AN_CROP_RESIZED, .area_low = 0.08, .area_high = 1, .aspect = 2, .mirror = true};
    an_augmentation_set_noise(&options.augmentation, 0.3);
    assert_any_workers_give_the_same(data, options);
    options.augmentation.crop = AN_CROP_SQUARE;
    options.augmentation.shared = 4;
    assert_any_workers_give_the_same(data, options);
    an_dataset_close(&data->base);
}

/* What a loader gives at a place is the view that is drawn for it, of the sample that is there. */
static void inputs_are_the_views_that_are_drawn(void **state) {
    (void)state;
    fake *data = open_fake(40);
    data->jpeg = true;
    an_loader_options options = defaults;
    options.augmentation.crop = AN_CROP_SQUARE;
    options.augmentation.shared = 3;
    an_augmentation_set_noise(&options.augmentation, 0.2);
    an_loader *loader = create(data, options);
    record r = take_epoch(loader, options.batch, 6, 0);
    an_image image = {0}, fitted = {0};
    an_resizer resizer = {0};
    float wanted[INPUT];
    for (size_t i = 0; i < 40; i++) {
        assert_ok(an_dataset_read(&data->base, r.indices[i], &image, error));
        const an_occasion occasion = {options.seed, 6, r.indices[i], i};
        const an_view view =
            an_view_draw(&options.augmentation, &preprocess, &occasion, image.width, image.height);
        const an_raster whole = an_raster_of(&image);
        assert_ok(an_resize_box(&resizer, &whole, view.need.box, CROP, CROP, &fitted, error));
        const an_raster raster = an_raster_of(&fitted);
        an_normalise_pixels(&raster, view.mirror, &preprocess, &view.tint, wanted);
        double sum = 0; /* files are decoded at 1/2 to 1/8 here */
        for (size_t j = 0; j < INPUT; j++)
            sum += fabs((double)wanted[j] - (double)r.input[i * INPUT + j]);
        if (sum / INPUT > 1.2)
            fail_msg("sample %zu differs by %g", r.indices[i], sum / INPUT);
    }
    an_image_free(&image);
    an_image_free(&fitted);
    an_resizer_free(&resizer);
    forget(&r);
    an_loader_free(loader);
    an_dataset_close(&data->base);
}

/* Whoever needs what was cut off hears of it, by name, and gets zeros. */
static void cut_off_files_are_named(void **state) {
    (void)state;
    fake *data = open_fake(40);
    data->jpeg = true;
    data->broken_every = 4;
    an_loader_options options = defaults;
    options.max_broken = 0.01;
    an_loader *loader = create(data, options);
    record r = take_epoch(loader, options.batch, 0, 0);
    assert_int_equal(an_loader_broken(loader), 10);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(r.labels[i], r.indices[i] % 4 ? (int)(r.indices[i] % 7) : -1);
    data->broken_every = 2;
    assert_fails(drain(loader, error), ALEXNET_FORMAT, "is cut off");
    assert_fails(drain(loader, error), ALEXNET_FORMAT, "fake/");
    forget(&r);
    an_loader_free(loader);
    an_dataset_close(&data->base);
}

static void the_order_is_a_new_permutation_each_epoch(void **state) {
    (void)state;
    enum { COUNT = 61 };
    fake *data = open_fake(COUNT);
    an_loader *loader = create(data, defaults);
    record r[2];
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        r[epoch] = take_epoch(loader, defaults.batch, epoch, 0);
        bool seen[COUNT] = {false};
        for (size_t i = 0; i < COUNT; i++) {
            const size_t sample = r[epoch].indices[i];
            assert_in_range(sample, 0, COUNT - 1);
            assert_false(seen[sample]);
            seen[sample] = true;
            assert_int_equal(r[epoch].labels[i], sample % 7);
            assert_true(r[epoch].input[i * INPUT + 2 * CROP * CROP] == (float)sample);
        }
    }
    size_t moved = 0;
    for (size_t i = 0; i < COUNT; i++)
        moved += r[0].indices[i] != r[1].indices[i];
    assert_true(moved > COUNT / 2);
    forget(&r[0]);
    forget(&r[1]);
    an_loader_free(loader);
    an_dataset_close(&data->base);
}

static void without_shuffling_and_augmenting_it_is_the_data_set(void **state) {
    (void)state;
    fake *data = open_fake(30);
    data->sizes = true;
    an_loader_options options = defaults;
    options.shuffle = false;
    options.augmentation = an_no_augmentation;
    an_loader *loader = create(data, options);
    record r = take_epoch(loader, options.batch, 5, 0);
    an_image image = {0}, scratch = {0};
    float expected[INPUT];
    for (size_t i = 0; i < 30; i++) {
        assert_int_equal(r.indices[i], i);
        assert_ok(an_dataset_read(&data->base, i, &image, error));
        assert_ok(an_image_preprocess(&image, &preprocess, &scratch, expected, error));
        assert_memory_equal(r.input + i * INPUT, expected, sizeof expected);
    }
    for (size_t i = 30; i < r.places; i++) { /* the padding of the last batch */
        assert_int_equal(r.labels[i], -1);
        for (size_t j = 0; j < INPUT; j++)
            assert_true(r.input[i * INPUT + j] == 0);
    }
    an_image_free(&image);
    an_image_free(&scratch);
    forget(&r);
    an_loader_free(loader);
    an_dataset_close(&data->base);
}

/* The pixels say where a crop was taken: every place and both directions must occur. */
static void augmenting_crops_everywhere_and_mirrors_half(void **state) {
    (void)state;
    enum { COUNT = 200, PLACES = SIDE - CROP + 1 };
    fake *data = open_fake(COUNT);
    an_loader *loader = create(data, defaults);
    record r = take_epoch(loader, defaults.batch, 0, 0), next = take_epoch(loader, 8, 1, 0);
    int at[PLACES][PLACES] = {{0}}, mirrored = 0, places = 0;
    float first_epoch[COUNT] = {0}, changed = 0;
    for (size_t i = 0; i < COUNT; i++) {
        const float *red = r.input + i * INPUT, *green = red + CROP * CROP;
        const bool mirror = red[0] > red[1];
        const int x = (int)red[mirror ? CROP - 1 : 0], y = (int)green[0];
        assert_in_range(x, 0, PLACES - 1);
        assert_in_range(y, 0, PLACES - 1);
        assert_true(red[mirror ? 0 : CROP - 1] == (float)(x + CROP - 1));
        assert_true(green[CROP * CROP - 1] == (float)(y + CROP - 1));
        mirrored += mirror;
        places += at[y][x]++ == 0;
        first_epoch[r.indices[i]] = red[0] + 100 * green[0];
    }
    for (size_t i = 0; i < COUNT; i++) {
        const float *red = next.input + i * INPUT;
        changed += first_epoch[next.indices[i]] != red[0] + 100 * red[CROP * CROP];
    }
    assert_int_equal(places, PLACES * PLACES);
    assert_in_range(mirrored, COUNT * 2 / 5, COUNT * 3 / 5);
    assert_true(changed > COUNT * 0.8f);
    forget(&r);
    forget(&next);
    an_loader_free(loader);
    an_dataset_close(&data->base);
}

/* The paper's ten views: centre and corners of the centre square, as they are and mirrored. */
static void views_are_centre_and_corners(void **state) {
    (void)state;
    enum { MARGIN = SIDE - CROP, ABOVE = 3 };
    static const int places[5][2] = {{MARGIN / 2, ABOVE + MARGIN / 2},
                                     {0, ABOVE},
                                     {MARGIN, ABOVE},
                                     {0, ABOVE + MARGIN},
                                     {MARGIN, ABOVE + MARGIN}};
    fake *data = open_fake(3);
    data->taller = 2 * ABOVE;
    an_loader_options options = defaults;
    options.augmentation = an_no_augmentation;
    options.views = AN_VIEWS;
    an_loader *loader = create(data, options), *none;
    const an_batch *batch;
    assert_ok(an_loader_start(loader, 0, 0, error));
    assert_ok(an_loader_next(loader, &batch, error));
    assert_int_equal(batch->views, AN_VIEWS);
    for (int input = 0; input < 3 * AN_VIEWS; input++) {
        const int view = input % AN_VIEWS, picture = input / AN_VIEWS;
        const float *red = batch->input + input * INPUT, *green = red + CROP * CROP;
        const float *blue = green + CROP * CROP;
        const bool mirror = view >= 5;
        assert_true(red[mirror ? CROP - 1 : 0] == (float)places[view % 5][0]);
        assert_true(red[mirror ? 0 : CROP - 1] == (float)(places[view % 5][0] + CROP - 1));
        assert_true(green[0] == (float)places[view % 5][1]);
        assert_true(blue[0] == (float)batch->indices[picture]);
    }
    an_loader_free(loader);
    options.views = 2;
    assert_fails(an_loader_create(&data->base, &preprocess, &options, &none, error),
                 ALEXNET_INVALID, "2 views of each picture: there are 1 or 10");
    options.views = AN_VIEWS;
    options.augmentation.mirror = true;
    assert_fails(an_loader_create(&data->base, &preprocess, &options, &none, error),
                 ALEXNET_INVALID, "have no 10 views");
    an_dataset_close(&data->base);
}

static void an_epoch_can_begin_in_the_middle(void **state) {
    (void)state;
    fake *data = open_fake(61);
    an_loader *loader = create(data, defaults), *other = create(data, defaults);
    record whole = take_epoch(loader, defaults.batch, 2, 0);
    for (size_t first = 0; first <= an_loader_batches(loader); first++) {
        record tail = take_epoch(other, defaults.batch, 2, first);
        assert_tail(&whole, first * (size_t)defaults.batch, &tail);
        forget(&tail);
    }
    assert_fails(an_loader_start(loader, 2, an_loader_batches(loader) + 1, error), ALEXNET_INVALID,
                 "it has only 8");
    forget(&whole);
    an_loader_free(loader);
    an_loader_free(other);
    an_dataset_close(&data->base);
}

static void an_epoch_can_be_abandoned(void **state) {
    (void)state;
    fake *data = open_fake(61);
    an_loader_options options = defaults;
    options.workers = 3;
    an_loader *loader = create(data, options);
    const an_batch *batch;
    assert_fails(an_loader_next(loader, &batch, error), ALEXNET_INVALID, "start one");
    record expected = take_epoch(loader, options.batch, 9, 0);
    data->delays = true;
    for (size_t taken = 0; taken < 5; taken++) {
        assert_ok(an_loader_start(loader, 1, 0, error));
        for (size_t b = 0; b < taken; b++)
            assert_ok(an_loader_next(loader, &batch, error));
        record r = take_epoch(loader, options.batch, 9, 0);
        assert_tail(&expected, 0, &r);
        forget(&r);
    }
    assert_ok(an_loader_start(loader, 1, 0, error));
    an_loader_free(loader); /* while pictures are being made */
    an_loader_free(NULL);
    forget(&expected);
    an_dataset_close(&data->base);
}

/* What comes next is shown once it is complete, and is what then comes; nothing behind the last. */
static void note_input(void *context, void *memory, size_t bytes) {
    const void **inputs = context;
    assert_int_equal(bytes, 8 * INPUT * sizeof(float));
    while (*inputs)
        inputs++;
    *inputs = memory;
}

static void the_next_batch_can_be_seen(void **state) {
    (void)state;
    fake *data = open_fake(60);
    const void *inputs[16] = {NULL};
    an_loader *loader = create(data, defaults);
    an_loader_each_input(loader, note_input, inputs);
    assert_null(an_loader_peek(loader)); /* no epoch yet */
    assert_ok(an_loader_start(loader, 0, 0, error));
    for (size_t b = 0; b < an_loader_batches(loader); b++) {
        const an_batch *next = NULL, *batch;
        for (int tries = 0; !next && tries < 10000; tries++) {
            next = an_loader_peek(loader);
            pause_for(1000);
        }
        assert_non_null(next);
        assert_ok(an_loader_next(loader, &batch, error));
        assert_ptr_equal(batch, next);
        int place = 0;
        while (inputs[place] && inputs[place] != batch->input)
            place++;
        assert_non_null(inputs[place]);
    }
    assert_null(an_loader_peek(loader));
    an_loader_free(loader);
    an_dataset_close(&data->base);
}

/* What the picture at a place of a batch stands for, pixel by pixel. */
static void look_up(const an_batch *batch, size_t place, float *out) {
    const char *bytes = (const char *)batch->pictures + place * an_picture_bytes(CROP, CROP);
    const an_picture *picture = (const an_picture *)(const void *)bytes;
    for (size_t i = 0; i < INPUT; i++) {
        const size_t plane = i / (CROP * CROP), y = i / CROP % CROP, x = i % CROP;
        const size_t colour = picture->bgr ? 2 - plane : plane;
        const size_t from = picture->mirrored ? CROP - 1 - x : x;
        out[i] = picture->value[colour][picture->bytes[(y * CROP + from) * 3 + colour]];
    }
}

static void note_bytes(void *context, void *memory, size_t bytes) {
    size_t *sum = context;
    assert_non_null(memory);
    *sum += bytes;
}

/* An epoch as bytes is to the bit what it is as floats; how many pictures were mirrored. */
static int assert_same_as_floats(const fake *data, const an_preprocess *by,
                                 an_loader_options options) {
    an_loader *loader;
    const an_batch *batch;
    int mirrored = 0;
    size_t bytes = 0;
    assert_ok(an_loader_create(&data->base, by, &options, &loader, error));
    record expected = take_epoch(loader, options.batch, 4, 0);
    an_loader_free(loader);
    options.pictures = true;
    options.workers = 3;
    assert_ok(an_loader_create(&data->base, by, &options, &loader, error));
    an_loader_each_input(loader, note_bytes, &bytes);
    assert_int_equal(bytes, an_loader_memory(loader));
    assert_true(bytes % ((size_t)options.batch * an_picture_bytes(CROP, CROP)) == 0);
    for (int epoch = 3; epoch <= 4; epoch++) { /* the second one over the first one's pictures */
        assert_ok(an_loader_start(loader, (uint32_t)epoch, 0, error));
        for (size_t b = 0; b < an_loader_batches(loader); b++) {
            assert_ok(an_loader_next(loader, &batch, error));
            assert_null(batch->input);
            assert_int_equal((uintptr_t)batch->pictures % 64, 0);
            for (size_t i = 0; epoch == 4 && i < (size_t)options.batch; i++) {
                const size_t place = b * (size_t)options.batch + i;
                float found[INPUT];
                look_up(batch, i, found);
                assert_int_equal(batch->labels[i], expected.labels[place]);
                assert_int_equal(batch->indices[i], expected.indices[place]);
                assert_memory_equal(found, expected.input + place * INPUT, sizeof found);
                mirrored += found[0] > found[1];
            }
        }
    }
    forget(&expected);
    an_loader_free(loader);
    return mirrored;
}

/* Bytes stand for what floats would have been: colours in either order, mirrored or not, noise,
 * pictures that are broken, places behind the last one. */
static void pictures_stand_for_inputs(void **state) {
    (void)state;
    fake *data = open_fake(61);
    an_preprocess by[2] = {preprocess, preprocess};
    const float mean[3] = {0.4f, 3.7f, 9.1f}, std[3] = {0.3f, 1.9f, 7};
    memcpy(by[1].mean, mean, sizeof mean);
    memcpy(by[1].std, std, sizeof std);
    by[1].scale = 1 / 3.0f;
    by[1].bgr = true;
    an_loader_options options = defaults;
    options.max_broken = 0.5;
    for (int kind = 0; kind < 2; kind++) {
        options.augmentation = defaults.augmentation;
        data->sizes = kind == 1;
        data->broken_every = kind ? 5 : 0;
        const int mirrored = assert_same_as_floats(data, &by[kind], options);
        assert_true(kind || (mirrored > 15 && mirrored < 45));
        options.augmentation.noise_divides = true;
        an_augmentation_set_noise(&options.augmentation, 0.4);
        (void)assert_same_as_floats(data, &by[kind], options);
        options.augmentation = an_no_augmentation;
        (void)assert_same_as_floats(data, &by[kind], options);
    }
    data->jpeg = true;
    options.augmentation = defaults.augmentation;
    (void)assert_same_as_floats(data, &by[1], options);
    an_dataset_close(&data->base);
}

/* What a data set was told to expect, and how many pictures had been fetched by then. */
typedef struct expected {
    fake base;
    _Atomic int fetched;
    int told[100]; /* fetched when the sample was announced; -1: never */
    int runs;
} expected;

static void expect_run(const an_dataset *dataset, size_t first, size_t count) {
    expected *self = (expected *)(uintptr_t)dataset;
    self->runs++;
    for (size_t i = first; i < first + count; i++) {
        assert_int_equal(self->told[i], -1);
        self->told[i] = self->fetched;
    }
}

static alexnet_status fetch_counted(const an_dataset *dataset, size_t index, an_sample *out,
                                    alexnet_error *error) {
    expected *self = (expected *)(uintptr_t)dataset;
    self->fetched++;
    return fake_fetch(dataset, index, out, error);
}

/* Every sample is announced once, in a few runs, a window before it is fetched. */
static void windows_are_announced(void **state) {
    (void)state;
    enum { COUNT = 100, WINDOW = 40 };
    static const an_dataset_kind kind = {"fake", fake_destroy, fetch_counted, fake_describe,
                                         expect_run};
    expected *data = calloc(1, sizeof *data);
    assert_non_null(data);
    assert_ok(an_dataset_begin(&data->base.base, &kind, "fake", COUNT, 7, error));
    data->base.starved = SIZE_MAX;
    an_loader_options options = defaults;
    options.shuffle_window = WINDOW;
    options.workers = 1;
    for (size_t first = 0; first <= 6; first += 6) { /* from batch 6 of 8 on: the second window */
        data->fetched = data->runs = 0;
        for (int i = 0; i < COUNT; i++)
            data->told[i] = -1;
        an_loader *loader = create(&data->base, options);
        record r = take_epoch(loader, options.batch, 0, first);
        assert_in_range(data->runs, 3, 3 * 8);
        for (size_t i = 0; i + first * 8 < COUNT; i++) {
            const size_t window = (i + first * 8) / WINDOW;
            const int begin = (int)(window * WINDOW) - (int)(first * 8),
                      told = data->told[r.indices[i]];
            assert_true(told == 0 || told == begin - WINDOW);
        }
        forget(&r);
        an_loader_free(loader);
    }
    an_dataset_close(&data->base.base);
}

static void a_limit_is_a_choice_by_the_seed(void **state) {
    (void)state;
    enum { COUNT = 100, LIMIT = 20 };
    fake *data = open_fake(COUNT);
    an_loader_options options = defaults;
    options.limit = LIMIT;
    bool chosen[2][COUNT] = {{false}};
    for (int seed = 0; seed < 2; seed++) {
        options.seed = (uint64_t)seed;
        an_loader *loader = create(data, options);
        assert_int_equal(an_loader_pictures(loader), LIMIT);
        for (uint32_t epoch = 0; epoch < 2; epoch++) { /* the same ones in each epoch */
            record r = take_epoch(loader, options.batch, epoch, 0);
            for (size_t i = 0; i < LIMIT; i++) {
                assert_true(epoch == 0 || chosen[seed][r.indices[i]]);
                chosen[seed][r.indices[i]] = true;
            }
            forget(&r);
        }
        an_loader_free(loader);
    }
    assert_memory_not_equal(chosen[0], chosen[1], sizeof chosen[0]);
    options.limit = COUNT + 1;
    an_loader *loader = create(data, options);
    assert_int_equal(an_loader_pictures(loader), COUNT);
    an_loader_free(loader);
    an_dataset_close(&data->base);
}

typedef struct complaints {
    int count;
    size_t samples[100];
} complaints;

static void complain(void *context, const char *message) {
    complaints *heard = context;
    assert_int_equal(sscanf(message, "fake/%zu: is broken", &heard->samples[heard->count]), 1);
    heard->count++;
}

static void broken_pictures_are_left_out_and_named_in_order(void **state) {
    (void)state;
    enum { COUNT = 100 };
    fake *data = open_fake(COUNT);
    an_loader_options options = defaults;
    options.max_broken = 0.2;
    options.workers = 4;
    an_loader *loader = create(data, options);
    record sound = take_epoch(loader, options.batch, 0, 0);
    data->broken_every = 5; /* a fifth, which is not more than a fifth */
    data->delays = true;
    complaints heard = {0};
    an_loader_on_broken(loader, complain, &heard);
    record r = take_epoch(loader, options.batch, 0, 0);
    assert_memory_equal(r.indices, sound.indices, r.places * sizeof *r.indices);
    int broken = 0;
    for (size_t i = 0; i < COUNT; i++) {
        if (r.indices[i] % 5) {
            assert_int_equal(r.labels[i], sound.labels[i]);
            assert_memory_equal(r.input + i * INPUT, sound.input + i * INPUT,
                                INPUT * sizeof *r.input);
            continue;
        }
        assert_int_equal(r.labels[i], -1);
        for (size_t j = 0; j < INPUT; j++)
            assert_true(r.input[i * INPUT + j] == 0);
        assert_int_equal(heard.samples[broken], r.indices[i]);
        broken++;
    }
    assert_int_equal(broken, 20);
    assert_int_equal(heard.count, 20);
    assert_int_equal(an_loader_broken(loader), 20);
    data->broken_every = 0;
    record again = take_epoch(loader, options.batch, 0, 0);
    assert_tail(&sound, 0, &again);
    assert_int_equal(an_loader_broken(loader), 0);
    forget(&sound);
    forget(&r);
    forget(&again);
    an_loader_free(loader);
    an_dataset_close(&data->base);
}

static void too_many_broken_pictures_end_the_epoch(void **state) {
    (void)state;
    fake *data = open_fake(100);
    data->broken_every = 5;
    an_loader_options options = defaults;
    options.max_broken = 0.19;
    an_loader *loader = create(data, options);
    const an_batch *batch;
    assert_fails(drain(loader, error), ALEXNET_FORMAT, "20 of 100 pictures could not be read");
    assert_fails(an_loader_next(loader, &batch, error), ALEXNET_INVALID, "start one");
    data->broken_every = 0;
    assert_ok(drain(loader, error));
    data->starved = 40;
    assert_fails(drain(loader, error), ALEXNET_NO_MEMORY, "fake/40: no memory");
    an_loader_free(loader);
    an_dataset_close(&data->base);

    data = open_fake(50); /* ten are borne, whatever their share */
    data->broken_every = 5;
    options.max_broken = 0.01;
    loader = create(data, options);
    assert_ok(drain(loader, error));
    assert_int_equal(an_loader_broken(loader), 10);
    data->broken_every = 4;
    assert_fails(drain(loader, error), ALEXNET_FORMAT, "already 11 of 50");
    an_loader_free(loader);
    options.max_broken = 0; /* but not by who wants none */
    loader = create(data, options);
    assert_fails(drain(loader, error), ALEXNET_FORMAT, "already 1 of 50");
    an_loader_free(loader);
    an_dataset_close(&data->base);
}

static void waiting_is_measured_and_costs_nothing(void **state) {
    (void)state;
    fake *data = open_fake(40);
    data->delays = true;
    an_loader_options options = defaults;
    options.workers = 1;
    an_loader *loader = create(data, options);
    const double begin = now();
    assert_ok(drain(loader, error));
    const double waited = an_loader_waited(loader), elapsed = now() - begin;
    assert_true(waited > 0.005 && waited <= elapsed); /* the delays sum to over 20 ms */

    /* Workers whose slots are full sleep. */
    const an_batch *batch;
    assert_ok(an_loader_start(loader, 1, 0, error));
    assert_ok(an_loader_next(loader, &batch, error));
    pause_for(50000);
    const clock_t before = clock();
    for (int i = 0; i < 5; i++)
        pause_for(20000);
    assert_true((double)(clock() - before) / CLOCKS_PER_SEC < 0.01);

    /* And those batches are ready. */
    const double so_far = an_loader_waited(loader);
    assert_ok(an_loader_next(loader, &batch, error));
    assert_ok(an_loader_next(loader, &batch, error));
    assert_true(an_loader_waited(loader) == so_far);
    an_loader_free(loader);
    an_dataset_close(&data->base);
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    fake *data = open_fake(10);
    an_loader *loader;
    an_loader_options options = defaults;
    an_preprocess wrong = preprocess;
    wrong.crop = SIDE + 1;
    assert_fails(an_loader_create(&data->base, &wrong, &options, &loader, error), ALEXNET_INVALID,
                 "between 1 and 16");
    assert_null(loader);
    options.batch = 0;
    assert_fails(an_loader_create(&data->base, &preprocess, &options, &loader, error),
                 ALEXNET_INVALID, "choose 1 or more");
    options = defaults;
    options.workers = -1;
    assert_fails(an_loader_create(&data->base, &preprocess, &options, &loader, error),
                 ALEXNET_INVALID, "-1 loader threads");
    options = defaults;
    options.max_broken = NAN;
    assert_fails(an_loader_create(&data->base, &preprocess, &options, &loader, error),
                 ALEXNET_INVALID, "between 0 and 1");
    options = defaults;
    options.augmentation.noise = NAN;
    assert_fails(an_loader_create(&data->base, &preprocess, &options, &loader, error),
                 ALEXNET_INVALID, "noise of nan");
    const float mean[INPUT] = {0};
    options = defaults;
    options.pictures = true;
    wrong = preprocess;
    wrong.mean_image = mean;
    assert_fails(an_loader_create(&data->base, &wrong, &options, &loader, error), ALEXNET_INVALID,
                 "a mean image cannot be loaded as bytes");
    options.augmentation = an_no_augmentation;
    options.views = AN_VIEWS;
    assert_fails(an_loader_create(&data->base, &preprocess, &options, &loader, error),
                 ALEXNET_INVALID, "with 10 views");
    an_dataset_close(&data->base);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* With no address space left for stacks, the threads that did start are stopped again. */
static void threads_that_do_not_start_are_reported(void **state) {
    (void)state;
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    limit = before;
    limit.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)256 << 20);
    fake *data = open_fake(10);
    an_loader_options options = defaults;
    options.workers = 1000;
    an_loader *loader;
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
    alexnet_error error = {0};
    const alexnet_status status =
        an_loader_create(&data->base, &preprocess, &options, &loader, &error);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(status, ALEXNET_NO_MEMORY);
    assert_non_null(strstr(error.message, "of 1000 loader threads could be started"));
    assert_null(loader);
    an_dataset_close(&data->base);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_do_not_depend_on_workers),
        cmocka_unit_test(inputs_are_the_views_that_are_drawn),
        cmocka_unit_test(cut_off_files_are_named),
        cmocka_unit_test(the_order_is_a_new_permutation_each_epoch),
        cmocka_unit_test(without_shuffling_and_augmenting_it_is_the_data_set),
        cmocka_unit_test(augmenting_crops_everywhere_and_mirrors_half),
        cmocka_unit_test(views_are_centre_and_corners),
        cmocka_unit_test(an_epoch_can_begin_in_the_middle),
        cmocka_unit_test(an_epoch_can_be_abandoned),
        cmocka_unit_test(the_next_batch_can_be_seen),
        cmocka_unit_test(pictures_stand_for_inputs),
        cmocka_unit_test(windows_are_announced),
        cmocka_unit_test(a_limit_is_a_choice_by_the_seed),
        cmocka_unit_test(broken_pictures_are_left_out_and_named_in_order),
        cmocka_unit_test(too_many_broken_pictures_end_the_epoch),
        cmocka_unit_test(waiting_is_measured_and_costs_nothing),
        cmocka_unit_test(what_cannot_be_is_refused),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(threads_that_do_not_start_are_reported),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
