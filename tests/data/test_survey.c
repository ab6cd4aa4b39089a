/* Headers, surveys and duplicates of pictures that were made to be odd, broken and the same. */
#include "data/survey.h"

#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/file.h"
#include "data/duplicates.h"
#include "pictures.h"
#include "testing.h"

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/alexnet-survey-XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char line[128];
    snprintf(line, sizeof line, "rm -rf %s", folder);
    return chdir("/") == 0 && system(line) == 0 ? 0 : -1;
}

static void put(const char *path, encoded file) {
    char *parent = strdup(path);
    assert_non_null(parent);
    *strrchr(parent, '/') = '\0';
    assert_ok(an_make_folder(parent, error));
    assert_ok(an_write_file(path, file.bytes, file.size, error));
    free(parent);
}

static void put_and_free(const char *path, encoded file) {
    put(path, file);
    free(file.bytes);
}

static encoded text_file(const char *text) {
    return (encoded){(uint8_t *)strdup(text), strlen(text)};
}

/* A PNG of any kind of pixels, with noise in it. */
static encoded png_of(int width, int height, int depth, int type) {
    static uint8_t rows[1 << 16];
    for (size_t i = 0; i < sizeof rows; i++)
        rows[i] = (uint8_t)(i * i * 7 >> 3);
    const uint8_t palette[6] = {1, 2, 3, 200, 100, 50};
    const bool indexed = type == PNG_COLOR_TYPE_PALETTE;
    if (indexed)
        for (size_t i = 0; i < sizeof rows; i++)
            rows[i] &= 1;
    return make_png(&(png_recipe){.width = width,
                                  .height = height,
                                  .depth = depth,
                                  .colour_type = type,
                                  .rows = rows,
                                  .palette = indexed ? palette : NULL,
                                  .palette_size = indexed ? 2 : 0});
}

#ifdef AN_WITH_WEBP

static encoded webp_of(int width, int height, bool alpha, int orientation) {
    static uint8_t pixels[1 << 13];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * i * 7 >> 3);
    uint8_t exif[EXIF_SIZE];
    make_exif(exif, true, orientation);
    return make_webp(&(webp_recipe){.width = width,
                                    .height = height,
                                    .pixels = pixels,
                                    .alpha = alpha,
                                    .quality = 80,
                                    .exif = orientation == 1 ? NULL : exif,
                                    .exif_size = sizeof exif});
}

#endif

/* 16 x 16 squares of random brightness, each `scale` pixels wide; `seed` makes other pictures. */
static encoded squares(int scale, unsigned seed, int brighter) {
    const int side = 16 * scale;
    const size_t pixels = (size_t)side * (size_t)side;
    uint8_t *rows = malloc(3 * pixels);
    assert_non_null(rows);
    for (size_t i = 0; i < pixels; i++) {
        const unsigned x = (unsigned)(i % (size_t)side) / (unsigned)scale;
        const unsigned y = (unsigned)(i / (size_t)side) / (unsigned)scale;
        const unsigned noise = ((x + 16 * y + 1) * 2654435761u ^ seed * 40503u) * 2246822519u >> 24;
        for (size_t c = 0; c < 3; c++)
            rows[3 * i + c] = (uint8_t)((int)(noise * 3 / 4) + brighter);
    }
    const encoded file = make_png(&(png_recipe){.width = side,
                                                .height = side,
                                                .depth = 8,
                                                .colour_type = PNG_COLOR_TYPE_RGB,
                                                .rows = rows});
    free(rows);
    return file;
}

/* The same pixels as a PPM. */
static encoded as_ppm(encoded png) {
    an_image image = {0};
    assert_ok(an_image_decode(png.bytes, png.size, "png", &image, error));
    const size_t size = 3 * (size_t)image.width * (size_t)image.height;
    encoded out = {malloc(size + 32), 0};
    assert_non_null(out.bytes);
    out.size =
        (size_t)snprintf((char *)out.bytes, 32, "P6\n%d %d\n255\n", image.width, image.height);
    memcpy(out.bytes + out.size, image.pixels, size);
    out.size += size;
    an_image_free(&image);
    return out;
}

/* ---- Headers. */

static an_image_info probed(encoded file) {
    an_image_info info;
    an_image image = {0};
    assert_ok(an_image_probe(file.bytes, file.size, "file", &info, error));
    assert_ok(an_image_decode(file.bytes, file.size, "file", &image, error));
    assert_int_equal(info.width, image.width); /* what the header says is what is decoded */
    assert_int_equal(info.height, image.height);
    an_image_free(&image);
    free(file.bytes);
    return info;
}

static void test_headers(void **state) {
    (void)state;
    an_image_info info =
        probed(make_jpeg(&(jpeg_recipe){.width = 40, .height = 30, .channels = 3}));
    assert_true(info.format == AN_FORMAT_JPEG && info.channels == 3 && info.depth == 8);
    assert_false(info.progressive || info.cmyk || info.alpha || info.palette);
    assert_int_equal(info.orientation, 1);
    info = probed(
        make_jpeg(&(jpeg_recipe){.width = 40, .height = 30, .channels = 1, .progressive = true}));
    assert_true(info.progressive && info.channels == 1);
    info =
        probed(make_jpeg(&(jpeg_recipe){.width = 40, .height = 30, .channels = 4, .ycck = true}));
    assert_true(info.cmyk && info.channels == 4);
    for (int orientation = 1; orientation <= 8; orientation++) {
        uint8_t exif[EXIF_SIZE];
        make_exif(exif, orientation % 2, orientation);
        info = probed(make_jpeg(&(jpeg_recipe){
            .width = 40, .height = 30, .channels = 3, .exif = exif, .exif_size = sizeof exif}));
        assert_int_equal(info.orientation, orientation);
        assert_int_equal(info.width, orientation >= 5 ? 30 : 40);
    }
    static const struct {
        int depth, type, channels, told;
        bool alpha, palette;
    } pngs[] = {
        {8, PNG_COLOR_TYPE_RGB, 3, 8, false, false},
        {16, PNG_COLOR_TYPE_RGB, 3, 16, false, false},
        {1, PNG_COLOR_TYPE_GRAY, 1, 1, false, false},
        {8, PNG_COLOR_TYPE_GRAY_ALPHA, 2, 8, true, false},
        {8, PNG_COLOR_TYPE_RGB_ALPHA, 4, 8, true, false},
        {8, PNG_COLOR_TYPE_PALETTE, 3, 8, false, true},
    };
    for (size_t i = 0; i < sizeof pngs / sizeof *pngs; i++) {
        info = probed(png_of(20, 10, pngs[i].depth, pngs[i].type));
        assert_int_equal(info.format, AN_FORMAT_PNG);
        assert_int_equal(info.channels, pngs[i].channels);
        assert_int_equal(info.depth, pngs[i].told);
        assert_true(info.alpha == pngs[i].alpha && info.palette == pngs[i].palette);
    }
    const uint16_t transparent[3] = {1, 2, 3};
    uint8_t rows[12] = {0};
    info = probed(make_png(&(png_recipe){.width = 2,
                                         .height = 2,
                                         .depth = 8,
                                         .colour_type = PNG_COLOR_TYPE_RGB,
                                         .rows = rows,
                                         .transparent = transparent}));
    assert_true(info.alpha && info.channels == 3);
    info = probed(text_file("P5 # c\n3 2 999\n............"));
    assert_true(info.format == AN_FORMAT_PPM && info.channels == 1 && info.depth == 16);
}

static void test_bad_headers(void **state) {
    (void)state;
    an_image_info info;
    assert_fails(an_image_probe((const uint8_t *)"", 0, "x.jpg", &info, error), ALEXNET_FORMAT,
                 "x.jpg: is empty");
    assert_fails(an_image_probe((const uint8_t *)"GIF89a", 6, "x.jpg", &info, error),
                 ALEXNET_FORMAT, "a GIF picture");
    uint8_t exif[EXIF_SIZE];
    make_exif(exif, true, 6);
    encoded files[] = {
        make_jpeg(&(jpeg_recipe){
            .width = 40, .height = 30, .channels = 3, .exif = exif, .exif_size = sizeof exif}),
        png_of(20, 10, 8, PNG_COLOR_TYPE_RGB),
        text_file("P6 20 10 255\n"),
#ifdef AN_WITH_WEBP
        webp_of(20, 10, true, 6),
#endif
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t first = 0;
        for (size_t size = 1; size <= files[i].size; size++) {
            uint8_t *copy = malloc(size); /* of this size, so that a byte too far is found */
            assert_non_null(copy);
            memcpy(copy, files[i].bytes, size);
            const alexnet_status status = an_image_probe(copy, size, "cut", &info, NULL);
            first = first == 0 && status == ALEXNET_OK ? size : first;
            assert_true(status == ALEXNET_FORMAT || (status == ALEXNET_OK && info.width > 0));
            free(copy);
        }
        assert_true(first > 8 && first <= files[i].size);
        for (size_t at = 0; at < files[i].size && at < 700; at++) {
            const uint8_t before = files[i].bytes[at];
            for (int value = 0; value < 256; value += 17) {
                files[i].bytes[at] = (uint8_t)value;
                const alexnet_status status =
                    an_image_probe(files[i].bytes, files[i].size, "odd", &info, NULL);
                assert_true(status == ALEXNET_FORMAT || (info.width > 0 && info.height > 0));
            }
            files[i].bytes[at] = before;
        }
        free(files[i].bytes);
    }
}

/* ---- Surveys. */

static void make_odd_set(void) {
    uint8_t exif[EXIF_SIZE];
    make_exif(exif, true, 6);
    const encoded jpeg = make_jpeg(&(jpeg_recipe){.width = 60, .height = 40, .channels = 3});
    const encoded one = squares(3, 1, 0), good = squares(4, 3, 0);
    put("odd/train/a/good.png", good);
    put("odd/train/a/plain.jpg", jpeg);
    put("odd/train/a/cut.jpg", (encoded){jpeg.bytes, jpeg.size / 2});
    put_and_free("odd/train/a/cmyk.jpg",
                 make_jpeg(&(jpeg_recipe){.width = 64, .height = 40, .channels = 4}));
    put_and_free("odd/train/a/gray.jpg",
                 make_jpeg(&(jpeg_recipe){.width = 32, .height = 33, .channels = 1}));
    put_and_free(
        "odd/train/a/progressive.jpg",
        make_jpeg(&(jpeg_recipe){.width = 50, .height = 41, .channels = 3, .progressive = true}));
    put_and_free(
        "odd/train/a/turned.jpg",
        make_jpeg(&(jpeg_recipe){
            .width = 70, .height = 42, .channels = 3, .exif = exif, .exif_size = sizeof exif}));
    put_and_free("odd/train/a/text.jpg", text_file("this is no picture at all\n"));
    put_and_free("odd/train/a/empty.png", text_file(""));
    put_and_free("odd/train/b/png.jpg", png_of(41, 43, 8, PNG_COLOR_TYPE_RGB));
    put_and_free("odd/train/b/alpha.png", png_of(30, 44, 8, PNG_COLOR_TYPE_RGB_ALPHA));
    put_and_free("odd/train/b/deep.png", png_of(31, 45, 16, PNG_COLOR_TYPE_RGB));
    put_and_free("odd/train/b/small.png", png_of(9, 20, 8, PNG_COLOR_TYPE_RGB));
    put_and_free("odd/train/b/narrow.png", png_of(100, 24, 8, PNG_COLOR_TYPE_RGB));
    put("odd/train/b/again.png", good); /* in another class */
    put("odd/train/b/squares.png", one);
    put_and_free("odd/train/b/squares.ppm", as_ppm(one)); /* the same pixels */
    put("odd/val/a/held.png", good);                      /* in the other part */
    put_and_free("odd/val/b/brighter.png", squares(5, 1, 9));
    put_and_free("odd/val/b/other.png", squares(5, 2, 0));
    free(jpeg.bytes);
    free(good.bytes);
    free(one.bytes);
    char flat[4096] = "P3 20 20 255\n";
    for (size_t used = strlen(flat), i = 0; i < 1200; i++)
        used += (size_t)snprintf(flat + used, sizeof flat - used, "9 ");
    put_and_free("odd/train/b/flat.ppm", text_file(flat));
}

static an_survey taken(const an_dataset *dataset, int threads, bool headers_only) {
    an_survey survey;
    const an_survey_options options = {.threads = threads, .headers_only = headers_only};
    assert_ok(an_survey_take(dataset, &options, &survey, error));
    return survey;
}

static const an_survey_picture *picture_of(const an_survey *survey, const char *name) {
    for (size_t i = 0; i < survey->dataset->count; i++) {
        char text[256];
        an_dataset_describe(survey->dataset, i, text, sizeof text);
        if (strcmp(an_path_base(text), name) == 0)
            return &survey->pictures[i];
    }
    fail_msg("there is no %s", name);
    return NULL;
}

#ifdef AN_WITH_WEBP

static void test_webp(void **state) {
    (void)state;
    an_image_info info = probed(webp_of(40, 30, false, 1));
    assert_true(info.format == AN_FORMAT_WEBP && info.channels == 3 && info.depth == 8);
    assert_false(info.progressive || info.cmyk || info.alpha || info.palette);
    assert_int_equal(info.orientation, 1);
    info = probed(webp_of(40, 30, true, 6));
    assert_true(info.channels == 4 && info.alpha && info.orientation == 6 && info.width == 30);

    put_and_free("webp/a/1.webp", webp_of(40, 30, false, 1));
    put_and_free("webp/a/2.WEBP", webp_of(40, 30, true, 1));
    put_and_free("webp/b/3.jpg", webp_of(40, 30, false, 6));
    an_dataset *dataset;
    an_survey_summary all;
    assert_ok(an_dataset_open("webp", AN_SPLIT_TRAIN, 0, &dataset, error));
    an_survey survey = taken(dataset, 2, false);
    assert_ok(an_survey_summarise(&survey, &all, error));
    assert_true(all.pictures == 3 && all.broken == 0 && all.webp == 3);
    assert_int_equal(picture_of(&survey, "1.webp")->odd, 0);
    assert_int_equal(picture_of(&survey, "2.WEBP")->odd, AN_ODD_ALPHA);
    assert_int_equal(picture_of(&survey, "3.jpg")->odd, AN_ODD_EXTENSION | AN_ODD_TURNED);
    an_survey_free(&survey);
    an_dataset_close(dataset);
}

#endif

static void test_survey(void **state) {
    (void)state;
    an_dataset *train;
    an_survey_summary all;
    size_t counts[2];
    assert_ok(an_dataset_open("odd", AN_SPLIT_TRAIN, 0, &train, error));
    an_survey survey = taken(train, 2, false);
    static const struct {
        const char *name;
        unsigned odd;
    } expected[] = {{"good.png", 0},
                    {"plain.jpg", 0},
                    {"cmyk.jpg", AN_ODD_CMYK},
                    {"gray.jpg", AN_ODD_GRAYSCALE},
                    {"progressive.jpg", 0},
                    {"turned.jpg", AN_ODD_TURNED},
                    {"png.jpg", AN_ODD_EXTENSION},
                    {"alpha.png", AN_ODD_ALPHA},
                    {"deep.png", AN_ODD_DEEP},
                    {"small.png", AN_ODD_SMALL},
                    {"narrow.png", AN_ODD_NARROW},
                    {"flat.ppm", AN_ODD_FLAT},
                    {"squares.png", 0}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const an_survey_picture *picture = picture_of(&survey, expected[i].name);
        if (picture->failure || picture->odd != expected[i].odd)
            fail_msg("%s: %u, not %u; %s", expected[i].name, picture->odd, expected[i].odd,
                     picture->failure ? picture->failure : "");
    }
    assert_non_null(strstr(picture_of(&survey, "cut.jpg")->failure, "odd/train/a/cut.jpg"));
    assert_non_null(strstr(picture_of(&survey, "cut.jpg")->failure, "cut off"));
    assert_non_null(strstr(picture_of(&survey, "text.jpg")->failure, "this is no pictu"));
    assert_non_null(strstr(picture_of(&survey, "empty.png")->failure, "is empty"));

    assert_ok(an_survey_summarise(&survey, &all, error));
    an_survey_classes(train, counts);
    assert_true(counts[0] == 9 && counts[1] == 9);
    assert_int_equal(all.pictures, 18);
    assert_int_equal(all.broken, 3);
    assert_true(all.jpeg == 5 && all.png == 8 && all.ppm == 2 && all.pixels == 0);
    assert_int_equal(all.progressive, 1);
    assert_true(all.width.least == 9 && all.width.most == 100);
    assert_true(all.height.least == 20 && all.height.most == 70); /* upright */
    assert_true(all.shorter.least == 9 && all.shorter.median == 40);
    assert_true(fabs(all.aspect.most - 100.0 / 24) < 1e-12);
    an_survey_free(&survey);

    /* Headers alone: what is cut off is not seen, and that flat is flat. */
    survey = taken(train, 1, true);
    assert_ok(an_survey_summarise(&survey, &all, error));
    assert_int_equal(all.broken, 2);
    assert_int_equal(all.odd[8], 0);
    assert_int_equal(all.odd[0], 1);
    assert_true(all.mean[0] == 0);
    an_survey_free(&survey);
    an_dataset_close(train);
}

static void test_colours(void **state) {
    (void)state;
    /* Means 10, 20, 30 and 110, 40, 30, of different sizes: each counts the same. */
    put_and_free("colours/a/1.ppm", text_file("P3 1 2 255\n0 20 30 20 20 30"));
    put_and_free("colours/b/1.ppm",
                 text_file("P3 2 2 255\n110 40 30 110 40 30 110 40 30 110 40 30"));
    put_and_free("colours/b/2.ppm", text_file("P3 2 2 255\n1"));
    an_dataset *dataset;
    an_survey_summary all;
    assert_ok(an_dataset_open("colours", AN_SPLIT_TRAIN, 0, &dataset, error));
    an_survey survey = taken(dataset, 2, false);
    assert_ok(an_survey_summarise(&survey, &all, error));
    assert_true(all.mean[0] == 60 && all.mean[1] == 30 && all.mean[2] == 30);
    assert_true(fabs(all.deviation[0] - sqrt((200 + 12100) / 2.0 - 3600)) < 1e-9);
    assert_true(all.deviation[1] == 10 && all.deviation[2] == 0);
    an_survey_free(&survey);
    an_dataset_close(dataset);

    double values[] = {4, 1, 3, 2};
    const an_spread spread = an_spread_of(values, 4);
    assert_true(spread.least == 1 && spread.median == 2 && spread.most == 4);
    assert_true(an_spread_of(values, 0).most == 0);
}

static bool stop_at_once(void *context, size_t done, size_t pictures) {
    size_t *calls = context;
    assert_true(done <= pictures);
    ++*calls;
    return false;
}

static void test_threads(void **state) {
    (void)state;
    an_dataset *train;
    assert_ok(an_dataset_open("odd", AN_SPLIT_TRAIN, 0, &train, error));
    an_survey one = taken(train, 1, false), four = taken(train, 4, false);
    for (size_t i = 0; i < train->count; i++) {
        an_survey_picture *a = &one.pictures[i], *b = &four.pictures[i];
        assert_int_equal(a->failure == NULL, b->failure == NULL);
        if (a->failure)
            assert_string_equal(a->failure, b->failure);
        assert_true(a->bytes == b->bytes && a->odd == b->odd);
        assert_memory_equal(&a->pixels, &b->pixels, sizeof a->pixels);
        assert_memory_equal(&a->content, &b->content, sizeof a->content);
        assert_memory_equal(&a->likeness, &b->likeness, sizeof a->likeness);
        assert_memory_equal(a->mean, b->mean, sizeof a->mean);
        assert_memory_equal(a->square, b->square, sizeof a->square);
    }
    an_survey_free(&one);
    an_survey_free(&four);

    size_t calls = 0;
    const an_survey_options stopping = {.threads = 1, .progress = stop_at_once, .context = &calls};
    assert_fails(an_survey_take(train, &stopping, &one, error), ALEXNET_INTERRUPTED, "stopped");
    assert_int_equal(calls, 1);
    an_survey_free(&one);
    an_dataset_close(train);
}

/* ---- Duplicates. */

/* The group that a picture is in; NULL: none. */
static const an_duplicate *group_of(const an_duplicates *all, const an_survey *const *surveys,
                                    int survey, const char *name) {
    for (size_t g = 0; g < all->count; g++) {
        for (size_t i = 0; i < all->groups[g].count; i++) {
            const an_place *place = &all->places[all->groups[g].first + i];
            char text[256];
            an_dataset_describe(surveys[place->survey]->dataset, place->index, text, sizeof text);
            if (place->survey == survey && strcmp(an_path_base(text), name) == 0)
                return &all->groups[g];
        }
    }
    return NULL;
}

static void test_duplicates(void **state) {
    (void)state;
    an_dataset *parts[2];
    an_survey surveys[2];
    const an_survey *both[2] = {&surveys[0], &surveys[1]};
    an_duplicates found;
    assert_ok(an_dataset_open("odd", AN_SPLIT_TRAIN, 0, &parts[0], error));
    assert_ok(an_dataset_open("odd", AN_SPLIT_HELD_OUT, 0, &parts[1], error));
    for (int i = 0; i < 2; i++)
        surveys[i] = taken(parts[i], 2, false);
    assert_ok(an_duplicates_find(both, 2, &found, error));
    assert_int_equal(found.count, 3); /* the JPEGs are all of one smooth colouring, too */
    assert_int_equal(found.spare, 4 + 1);
    assert_non_null(group_of(&found, both, 0, "progressive.jpg"));
    const an_duplicate *good = group_of(&found, both, 0, "good.png");
    const an_duplicate *alike = group_of(&found, both, 0, "squares.png");
    if (!good || !alike) {
        fail();
        return;
    }
    assert_ptr_equal(good, group_of(&found, both, 0, "again.png"));
    assert_ptr_equal(good, group_of(&found, both, 1, "held.png"));
    assert_true(good->count == 3 && good->sameness == AN_SAME_BYTES);
    assert_true(good->across_parts && good->across_classes);
    assert_ptr_equal(alike, group_of(&found, both, 0, "squares.ppm"));
    assert_ptr_equal(alike, group_of(&found, both, 1, "brighter.png"));
    assert_true(alike->count == 3 && alike->sameness == AN_LOOK_ALIKE);
    assert_true(alike->across_parts && !alike->across_classes);
    assert_null(group_of(&found, both, 1, "other.png"));
    assert_null(group_of(&found, both, 0, "flat.ppm"));
    an_duplicates_free(&found);

    assert_ok(an_duplicates_find(both, 1, &found, error)); /* within one part */
    assert_int_equal(found.count, 3);
    assert_int_equal(group_of(&found, both, 0, "squares.png")->sameness, AN_SAME_PIXELS);
    assert_false(group_of(&found, both, 0, "good.png")->across_parts);
    an_duplicates_free(&found);
    for (int i = 0; i < 2; i++) {
        an_survey_free(&surveys[i]);
        surveys[i] = taken(parts[i], 2, true);
    }
    assert_ok(an_duplicates_find(both, 2, &found, error)); /* by their bytes alone */
    assert_int_equal(found.count, 1);
    assert_int_equal(found.groups[0].sameness, AN_SAME_BYTES);
    an_duplicates_free(&found);
    for (int i = 0; i < 2; i++) {
        an_survey_free(&surveys[i]);
        an_dataset_close(parts[i]);
    }
}

/* Made likenesses: how many bits may differ, and chains. */
static void test_likeness(void **state) {
    (void)state;
    enum { count = 9 };
    static const uint64_t rich = 0x5a3c96f00f69c3a5; /* half of its bits are set */
    an_survey_picture pictures[count] = {0};
    int32_t labels[count] = {0};
    char name[] = "class";
    char *names[] = {name};
    const an_dataset dataset = {
        .count = count, .classes = 1, .class_names = names, .labels = labels};
    const an_survey survey = {.dataset = &dataset, .decoded = true, .pictures = pictures};
    const an_survey *surveys[] = {&survey};
    an_duplicates found;
    for (size_t i = 0; i < count; i++)
        pictures[i].pixels.first = i; /* none are the same */
    pictures[0].likeness = (an_likeness){rich, rich};
    pictures[1].likeness = (an_likeness){rich ^ 0x0001000100010001, rich ^ 0x0000000100010001};
    pictures[2].likeness = (an_likeness){rich ^ 0x0001000100010001, rich ^ 0x8000000100010001 ^ 14};
    pictures[3].likeness = (an_likeness){~rich, ~rich};
    pictures[4].likeness = (an_likeness){~rich ^ 0xff, ~rich}; /* eight bits */
    pictures[5].likeness = (an_likeness){0xff, 0};             /* plain: one bit may differ */
    pictures[6].likeness = (an_likeness){0x1ff, 0};
    pictures[7].likeness = (an_likeness){0x7ff, 0};
    pictures[8].likeness = (an_likeness){0, 0x7f}; /* too plain for anything */
    assert_ok(an_duplicates_find(surveys, 1, &found, error));
    assert_int_equal(found.count, 2);
    assert_int_equal(found.groups[0].count, 3); /* 0 and 2 are alike through 1 */
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(found.places[i].index, i);
    assert_int_equal(found.groups[1].count, 2);
    assert_int_equal(found.places[3].index, 5);
    assert_int_equal(found.places[4].index, 6);
    an_duplicates_free(&found);
}

static int set_up(void **state) {
    const int failed = make_folder(state);
    if (!failed)
        make_odd_set();
    return failed;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),  cmocka_unit_test(test_bad_headers),
#ifdef AN_WITH_WEBP
        cmocka_unit_test(test_webp),
#endif
        cmocka_unit_test(test_survey),   cmocka_unit_test(test_colours),
        cmocka_unit_test(test_threads),  cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_likeness),
    };
    return cmocka_run_group_tests(tests, set_up, remove_folder);
}
