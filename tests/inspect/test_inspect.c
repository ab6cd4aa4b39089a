/* Pictures read back: sizes, colours at places that must show something, and refusals. */
#include "inspect/inspect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "inspect/chart.h"
#include "testing.h"

static char folder[] = "/tmp/alexnet-inspect-XXXXXX";

static const char *in_folder(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

static const uint8_t *pixel(const an_image *image, int x, int y) {
    return image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * 3;
}

/* The first filter is red where its weight is largest in the red channel and nowhere else. */
static void test_filters_show_their_colours(void **state) {
    (void)state;
    float weights[2 * 3 * 4] = {0};
    weights[0] = 1;          /* filter 0, red, top left pixel */
    weights[12 + 4 + 3] = 1; /* filter 1, green, bottom right pixel */
    const char *path = in_folder("filters.png");
    an_image image = {0};
    assert_ok(an_draw_filters(weights, 2, 2, false, "two filters", path, error));
    assert_ok(an_image_read(path, &image, error));
    const uint8_t *red = pixel(&image, 16 + 10, 48 + 10);
    assert_true(red[0] == 255 && red[1] == 0 && red[2] == 0);
    const uint8_t *green = pixel(&image, 16 + 72 + 50, 48 + 50);
    assert_true(green[0] == 0 && green[1] == 255 && green[2] == 0);
    assert_ok(an_draw_filters(weights, 2, 2, true, NULL, path, error)); /* BGR: red is blue */
    assert_ok(an_image_read(path, &image, error));
    const uint8_t *blue = pixel(&image, 16 + 10, 48 + 10);
    assert_true(blue[0] == 0 && blue[1] == 0 && blue[2] == 255);
    an_image_free(&image);
    unlink(path);
}

static void test_activations_of_every_shape(void **state) {
    (void)state;
    const an_shape shapes[] = {{96, 55, 55}, {256, 13, 13}, {4096, 1, 1},
                               {31, 1, 1},   {3, 300, 300}, {1, 1, 2}};
    const char *path = in_folder("activations.png");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const size_t count = an_shape_count(shapes[i]);
        float *values = calloc(count, sizeof *values);
        an_image image = {0};
        assert_non_null(values);
        values[0] = 3;
        values[count - 1] = (float)NAN; /* must not reach past the table of colours */
        assert_ok(an_draw_activations(values, shapes[i], NULL, "layer", path, error));
        assert_ok(an_image_read(path, &image, error));
        assert_in_range(image.width, 600, 1400); /* room for a title */
        const uint8_t *bright = pixel(&image, 16, 48);
        assert_true(bright[0] > 230 && bright[1] > 200);
        if (shapes[i].c == 31) /* 6 x 6 cells of 24 pixels: five have no value */
            for (int cell = 30; cell < 36; cell++) {
                const uint8_t *p = pixel(&image, 16 + cell % 6 * 24 + 12, 48 + 5 * 24 + 12);
                assert_true((p[0] == 255 && p[1] == 255 && p[2] == 255) == (cell > 30));
            }
        an_image_free(&image);
        free(values);
        unlink(path);
    }
}

/* A few values are bars to both sides of zero, with names. */
static void test_few_activations(void **state) {
    (void)state;
    const float values[] = {2, -1, 0, (float)NAN};
    const char *const names[] = {"猫 咪", "dog", "a name that is much longer than there is room",
                                 ""};
    const char *path = in_folder("bars.png");
    an_image image = {0};
    /* 336 pixels from -1 to 2: zero is 112 to the right of where the names end, at 216. */
    assert_ok(an_draw_activations(values, (an_shape){4, 1, 1}, names, "fc8", path, error));
    assert_ok(an_image_read(path, &image, error));
    assert_in_range(image.width, 600, 700);
    const uint8_t *largest = pixel(&image, 540, 48 + 7), *left = pixel(&image, 220, 48 + 24 + 7);
    assert_true(largest[2] > largest[0] + 100);
    assert_true(left[0] < 200 && left[2] < 200);
    assert_true(pixel(&image, 300, 48 + 7)[0] == 255);
    assert_true(pixel(&image, 400, 48 + 24 + 7)[0] == 255);
    assert_true(pixel(&image, 400, 48 + 48 + 7)[0] == 255);
    an_image_free(&image);
    const float none[AN_MOST_BARS] = {0};
    assert_ok(an_draw_activations(none, (an_shape){AN_MOST_BARS, 1, 1}, NULL, "fc8", path, error));
    unlink(path);
}

static void test_saliency_and_sheet(void **state) {
    (void)state;
    an_image picture = {0}, image = {0};
    assert_ok(an_image_reserve(&picture, 20, 20, error));
    for (int i = 0; i < 1200; i++)
        picture.pixels[i] = (uint8_t)(i % 3 == 1 ? 200 : 30);
    float gradient[3 * 400] = {0};
    gradient[400 + 10 * 20 + 10] = -2;
    const char *path = in_folder("saliency.png");
    assert_ok(an_draw_saliency(&picture, gradient, 20, "where", path, error));
    assert_ok(an_image_read(path, &image, error));
    const uint8_t *left = pixel(&image, 200, 200);
    assert_true(left[1] == 200 && left[0] == 30);
    assert_true(pixel(&image, 32 + 454 + 238, 48 + 238)[0] > 200); /* the middle is bright */
    assert_true(pixel(&image, 32 + 454 + 20, 48 + 20)[0] < 50);    /* the corner dark */
    unlink(path);

    const an_sheet_entry entries[] = {
        {&picture,
         "circle",
         2,
         {"circle", "ein sehr langer Name, der nirgends ganz hinpasst"},
         {0.9f, 0.1f},
         0},
        {&picture, NULL, 1, {"ring"}, {1.0f}, -2},
    };
    path = in_folder("sheet.png");
    assert_ok(an_draw_sheet(entries, 2, "sheet", path, error));
    assert_ok(an_image_read(path, &image, error));
    assert_true(pixel(&image, 100, 100)[1] > 190);
    an_image_free(&picture);
    an_image_free(&image);
    unlink(path);
    assert_fails(an_draw_sheet(entries, 0, "sheet", path, error), ALEXNET_INVALID, "no picture");
}

/* The colours of a matrix's cells, at every size from three classes to a thousand. */
static void test_matrix(void **state) {
    (void)state;
    static const int sizes[] = {1, 3, 10, 25, 40, 100, 300, 1000};
    const char *path = in_folder("matrix.png");
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const int n = sizes[s];
        uint32_t *counts = calloc((size_t)n * (size_t)n, sizeof *counts);
        int *order = calloc((size_t)n, sizeof *order), *blocks = calloc((size_t)n, sizeof *blocks);
        char **names = calloc((size_t)n, sizeof *names);
        char name[] = "a name of some length";
        an_image image = {0};
        assert_true(counts && order && blocks && names);
        for (int i = 0; i < n; i++) {
            order[i] = n - 1 - i; /* class 0 comes last where there is an order */
            blocks[i] = i / 20;
            names[i] = name;
            counts[(size_t)i * (size_t)n + (size_t)i] = 9;
            counts[(size_t)i * (size_t)n] += i == n - 1 ? 0 : 1; /* many are taken for class 0 */
        }
        const an_matrix_pair pair = {"one", "another", 7};
        const an_matrix matrix = {n, counts, names, order, blocks, &pair, n > 25 ? 1 : 0};
        assert_ok(an_draw_matrix(&matrix, "matrix", path, error));
        assert_ok(an_image_read(path, &image, error));
        int green = 0, red = 0;
        for (size_t i = 0; i < (size_t)image.width * (size_t)image.height; i++) {
            const uint8_t *p = image.pixels + 3 * i;
            green += p[1] > p[0] + 40 && p[1] > p[2] + 20;
            red += p[0] > p[1] + 12 && p[0] > p[2] + 12;
        }
        /* The diagonal is green over nearly all of each cell, the column of class 0 red. */
        const int cell = n <= 10    ? 40
                         : n <= 25  ? 30
                         : n <= 40  ? 18
                         : n <= 100 ? 11
                         : n <= 300 ? 4
                                    : 2;
        assert_in_range(image.width, n * cell, 480 + n * 60 + 600);
        assert_true(green >= n * cell * cell * 6 / 10);
        assert_true(red >= (n - 2) * cell * cell * 6 / 10);
        free(counts);
        free(order);
        free(blocks);
        free(names);
        an_image_free(&image);
        unlink(path);
    }
}

/* Each row's pictures stand in their places; an empty one leaves a gap. */
static void test_rows(void **state) {
    (void)state;
    an_image images[3] = {0}, sheet = {0};
    for (int i = 0; i < 3; i += 2) {
        assert_ok(an_image_reserve(&images[i], 30, 20, error));
        for (int v = 0; v < 1800; v++)
            images[i].pixels[v] = (uint8_t)(v % 3 == i ? 220 : 10);
    }
    const char *path = in_folder("rows.png");
    an_sheet_row rows[500];
    for (size_t i = 0; i < 500; i++)
        rows[i] = (an_sheet_row){"a class", "3 pictures", images, 3};
    assert_ok(an_draw_rows(rows, 2, "rows", path, error));
    assert_ok(an_image_read(path, &sheet, error));
    const int left = 16 + 180, step = 84;
    for (int row = 0; row < 2; row++) {
        assert_true(pixel(&sheet, left + 40, 48 + row * step + 40)[0] == 220);
        assert_true(pixel(&sheet, left + step + 40, 48 + row * step + 40)[0] == 255);
        assert_true(pixel(&sheet, left + 2 * step + 40, 48 + row * step + 40)[2] == 220);
    }
    assert_ok(an_draw_rows(rows, 500, "rows", path, error));
    assert_ok(an_image_read(path, &sheet, error));
    assert_true(sheet.width < 5 * sheet.height && sheet.height < 5 * sheet.width);
    assert_fails(an_draw_rows(rows, 0, "rows", path, error), ALEXNET_INVALID, "no picture");
    for (int i = 0; i < 3; i++)
        an_image_free(&images[i]);
    an_image_free(&sheet);
    unlink(path);
}

/* Draws a row with a label and no picture. */
static void draw_label(const char *label, an_image *sheet) {
    const char *path = in_folder("label.png");
    const an_sheet_row row = {label, "", NULL, 0};
    assert_ok(an_draw_rows(&row, 1, NULL, path, error));
    assert_ok(an_image_read(path, sheet, error));
    unlink(path);
}

/* Whether two labels look different. */
static bool look_different(const char *one, const char *other) {
    an_image a = {0}, b = {0};
    draw_label(one, &a);
    draw_label(other, &b);
    assert_true(a.width == b.width && a.height == b.height);
    const size_t size = (size_t)a.width * (size_t)a.height * 3;
    const bool different = memcmp(a.pixels, b.pixels, size) != 0;
    an_image_free(&a);
    an_image_free(&b);
    return different;
}

/* One font has not the letters of every language, and a folder's name need not be text at all. A
 * character that no font has becomes a box with its number. Where CMakeLists.txt takes all fonts
 * away, all that counts is that something is drawn. */
static void test_labels_of_every_kind(void **state) {
    (void)state;
    const bool fonts = getenv("FONTCONFIG_FILE") == NULL;
    assert_true(look_different("狗", ""));
    assert_true(look_different("caf\xe9", ""));
    assert_true(look_different("狗", "猫") || !fonts);
    assert_true(look_different("猫 咪", "猫") || !fonts);
    assert_true(look_different("two\nlines", "two") || !fonts);
    /* What does not fit ends in an ellipsis. */
    assert_true(!fonts ||
                !look_different("一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十",
                                "一二三四五六七八九十一二三四五六七八九十一二三四五六七八九百"));
}

static void test_curves(void **state) {
    (void)state;
    static const char metrics[] = "{\"step\": 1, \"loss\": 2.3}\n"
                                  "{\"step\": 2, \"loss\": 1.9}\n"
                                  "{\"step\": 2, \"train_loss\": 2.1, \"train_top1\": 0.4, "
                                  "\"val_loss\": 1.5, \"val_top1\": 0.5}\n";
    char metrics_path[256];
    snprintf(metrics_path, sizeof metrics_path, "%s", in_folder("metrics.jsonl"));
    const char *path = in_folder("curves.svg");
    assert_fails(an_draw_curves(folder, path, error), ALEXNET_IO, "metrics.jsonl");
    assert_ok(an_write_file(metrics_path, metrics, sizeof metrics - 1, error));
    assert_ok(an_draw_curves(folder, path, error));
    assert_true(an_is_file(path));
    unlink(path);
    assert_ok(an_write_file(metrics_path, "{\"step\": 1}\nnonsense\n", 21, error));
    assert_fails(an_draw_curves(folder, path, error), ALEXNET_FORMAT, "line 2");
    assert_ok(an_write_file(metrics_path, "", 0, error));
    assert_fails(an_draw_curves(folder, path, error), ALEXNET_FORMAT, "nothing to draw");
    assert_false(an_is_file(path));
    unlink(metrics_path);
}

/* Whether a picture of these metrics has the pale blue of single steps. */
static bool shows_steps(const char *metrics) {
    char metrics_path[256];
    snprintf(metrics_path, sizeof metrics_path, "%s", in_folder("metrics.jsonl"));
    const char *path = in_folder("curves.png");
    an_image image = {0};
    assert_ok(an_write_file(metrics_path, metrics, strlen(metrics), error));
    assert_ok(an_draw_curves(folder, path, error));
    assert_ok(an_image_read(path, &image, error));
    bool found = false;
    for (size_t i = 0; i < (size_t)image.width * (size_t)image.height; i++) {
        const uint8_t *p = image.pixels + 3 * i;
        found = found || (abs(p[0] - 168) + abs(p[1] - 196) + abs(p[2] - 230) < 4);
    }
    an_image_free(&image);
    unlink(path);
    unlink(metrics_path);
    return found;
}

/* What is not drawn is not in the legend. */
static void test_legend(void **state) {
    (void)state;
    static const char epoch[] = "{\"step\": 9, \"train_loss\": 2.1, \"train_top1\": 0.4}\n";
    char steps[256];
    assert_false(shows_steps(epoch));
    snprintf(steps, sizeof steps, "{\"step\": 4, \"loss\": 2.3}\n%s", epoch);
    assert_false(shows_steps(steps)); /* a single one makes no line */
    snprintf(steps, sizeof steps, "{\"step\": 4, \"loss\": 2}\n{\"step\": 8, \"loss\": 1}\n%s",
             epoch);
    assert_true(shows_steps(steps));
}

static void test_steps_are_round(void **state) {
    (void)state;
    assert_true(an_chart_step(100, 8) == 20);
    assert_true(an_chart_step(1, 6) == 0.2);
    assert_true(an_chart_step(0.9, 10) > 0.0999 && an_chart_step(0.9, 10) < 0.1001);
}

static void test_refuses_other_types(void **state) {
    (void)state;
    const float weights[12] = {0};
    assert_fails(an_draw_filters(weights, 1, 2, false, NULL, "filters.gif", error), ALEXNET_INVALID,
                 ".png or .svg");
    assert_fails(an_draw_filters(weights, 1, 2, false, NULL, "/nowhere/at/all.png", error),
                 ALEXNET_IO, "/nowhere/at/all.png");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters_show_their_colours),
        cmocka_unit_test(test_activations_of_every_shape),
        cmocka_unit_test(test_few_activations),
        cmocka_unit_test(test_saliency_and_sheet),
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_labels_of_every_kind),
        cmocka_unit_test(test_curves),
        cmocka_unit_test(test_legend),
        cmocka_unit_test(test_steps_are_round),
        cmocka_unit_test(test_refuses_other_types),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
