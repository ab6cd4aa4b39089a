/* Resizing against numbers that PIL computed, and against itself. */
#include "data/image.h"

#include "core/random.h"
#include "testing.h"

static an_image made(int width, int height) {
    an_image image = {0};
    assert_ok(an_image_reserve(&image, width, height, error));
    return image;
}

/* Pixels from a stream of random numbers. */
static an_image random_image(int width, int height) {
    an_image image = made(width, height);
    an_random stream = an_random_stream(1, AN_RANDOM_TEST, 0, 0);
    for (size_t i = 0; i < (size_t)width * (size_t)height * 3; i++)
        image.pixels[i] = (uint8_t)an_random_u32(&stream);
    return image;
}

/*
 * From PIL 9.4: pixel (x, y, c) of the input is (37 x + 91 y + 53 c + 7 x y) % 256; the numbers are
 * numpy.asarray(Image.fromarray(input).resize((width, height), Image.BILINEAR)).ravel().
 */
static void test_as_pil(void **state) {
    (void)state;
    static const struct {
        int in_width, in_height, width, height;
        uint8_t pixels[105];
    } cases[] = {
        {7,
         5,
         3,
         2,
         {105, 133, 143, 125, 129, 144, 133, 134, 127, 124, 135, 130, 139, 140, 134, 151, 132,
          125}},
        {3, 2, 7, 5, {0,   53,  106, 5,   58,  111, 21,  74,  127, 37,  90,  143, 53,  106, 159,
                      69,  122, 175, 74,  127, 180, 9,   62,  115, 14,  67,  120, 30,  83,  136,
                      47,  100, 153, 63,  116, 158, 79,  132, 163, 84,  137, 165, 46,  99,  152,
                      51,  104, 157, 69,  122, 175, 86,  139, 192, 104, 157, 155, 121, 174, 117,
                      127, 180, 105, 82,  135, 188, 88,  141, 194, 107, 160, 213, 125, 178, 231,
                      144, 197, 151, 163, 216, 71,  169, 222, 44,  91,  144, 197, 97,  150, 203,
                      116, 169, 222, 135, 188, 241, 154, 207, 150, 173, 226, 59,  179, 232, 29}},
        {1, 1, 3, 2, {0, 53, 106, 0, 53, 106, 0, 53, 106, 0, 53, 106, 0, 53, 106, 0, 53, 106}},
        {9, 1, 4, 1, {31, 84, 137, 106, 159, 205, 172, 156, 103, 61, 62, 115}},
        {2, 40, 1, 1, {125, 126, 127}},
        {5, 4, 5, 2, {65, 118, 134, 107, 123, 176, 112, 165, 109, 154, 98,  151, 87,  140, 193,
                      98, 151, 95,  151, 95,  148, 95,  148, 164, 148, 164, 107, 164, 107, 160}},
        {5, 4, 3, 4, {16,  69,  122, 74,  127, 180, 132, 185, 238, 110, 163, 216,
                      179, 175, 86,  102, 45,  98,  204, 147, 54,  85,  81,  134,
                      108, 161, 214, 42,  95,  148, 133, 186, 182, 224, 131, 74}},
        {300, 2, 2, 1, {128, 127, 127, 128, 127, 127}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        an_image image = made(cases[i].in_width, cases[i].in_height), out = {0};
        uint8_t *value = image.pixels;
        for (int y = 0; y < image.height; y++)
            for (int x = 0; x < image.width; x++)
                for (int c = 0; c < 3; c++)
                    *value++ = (uint8_t)(37 * x + 91 * y + 53 * c + 7 * x * y);
        assert_ok(an_image_resize(&image, cases[i].width, cases[i].height, &out, error));
        assert_int_equal(out.width, cases[i].width);
        assert_int_equal(out.height, cases[i].height);
        assert_memory_equal(out.pixels, cases[i].pixels,
                            (size_t)cases[i].width * (size_t)cases[i].height * 3);
        an_image_free(&image);
        an_image_free(&out);
    }
}

/* The definition in floating point, rounded only at the end, is never further away than 1. */
static double triangle_average(const an_image *image, double scale_x, double scale_y, int x, int y,
                               int channel) {
    const double wide = scale_x > 1 ? scale_x : 1, high = scale_y > 1 ? scale_y : 1;
    const double at_x = (x + 0.5) * scale_x, at_y = (y + 0.5) * scale_y;
    double sum = 0, weights = 0;
    for (int row = 0; row < image->height; row++)
        for (int column = 0; column < image->width; column++) {
            const double dx = (column + 0.5 - at_x) / wide, dy = (row + 0.5 - at_y) / high;
            const double weight_x = 1 - (dx < 0 ? -dx : dx), weight_y = 1 - (dy < 0 ? -dy : dy);
            if (weight_x <= 0 || weight_y <= 0)
                continue;
            const size_t pixel = (size_t)row * (size_t)image->width + (size_t)column;
            sum += weight_x * weight_y * image->pixels[3 * pixel + (size_t)channel];
            weights += weight_x * weight_y;
        }
    return sum / weights;
}

static void test_as_defined(void **state) {
    (void)state;
    static const int sizes[][4] = {
        {61, 47, 20, 31}, {61, 47, 90, 50}, {20, 90, 64, 13}, {257, 3, 4, 1}, {1, 50, 9, 9}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        an_image image = random_image(sizes[i][0], sizes[i][1]), out = {0};
        assert_ok(an_image_resize(&image, sizes[i][2], sizes[i][3], &out, error));
        for (int y = 0; y < out.height; y++)
            for (int x = 0; x < out.width; x++)
                for (int c = 0; c < 3; c++) {
                    const double wanted =
                        triangle_average(&image, (double)image.width / out.width,
                                         (double)image.height / out.height, x, y, c);
                    const int got =
                        out.pixels[3 * ((size_t)y * (size_t)out.width + (size_t)x) + (size_t)c];
                    if (got < wanted - 1.01 || got > wanted + 1.01)
                        fail_msg("case %zu, (%d, %d), channel %d: %d, not %f", i, x, y, c, got,
                                 wanted);
                }
        an_image_free(&image);
        an_image_free(&out);
    }
}

static void test_same_size_changes_nothing(void **state) {
    (void)state;
    an_image image = random_image(33, 21), out = {0};
    assert_ok(an_image_resize(&image, 33, 21, &out, error));
    assert_memory_equal(out.pixels, image.pixels, 33 * 21 * 3);
    an_image_free(&image);
    an_image_free(&out);
}

/* One colour stays that colour, whatever the sizes. */
static void test_one_colour(void **state) {
    (void)state;
    static const int sizes[][4] = {
        {1, 1, 100, 70}, {65500, 1, 1, 3}, {1, 65500, 2, 1}, {300, 200, 7, 300}, {5, 5, 1, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        an_image image = made(sizes[i][0], sizes[i][1]), out = {0};
        const uint8_t colour[3] = {255, 1, 128};
        for (size_t p = 0; p < (size_t)image.width * (size_t)image.height; p++)
            memcpy(image.pixels + 3 * p, colour, 3);
        assert_ok(an_image_resize(&image, sizes[i][2], sizes[i][3], &out, error));
        for (size_t p = 0; p < (size_t)out.width * (size_t)out.height; p++)
            assert_memory_equal(out.pixels + 3 * p, colour, 3);
        an_image_free(&image);
        an_image_free(&out);
    }
}

/*
 * The last rows and columns take the portable way, the others the processor's widest: where all
 * rows are alike, or all columns, they stay so.
 */
static void test_both_ways_give_the_same_bits(void **state) {
    (void)state;
    static const int sizes[][2] = {{90, 41}, {90, 500}, {1001, 40}, {7, 30}, {300, 299}};
    enum { OTHER = 45 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int in = sizes[i][0], out_length = sizes[i][1];
        an_image line = random_image(in, 1), rows = made(in, OTHER), columns = made(OTHER, in);
        an_image out = {0};
        for (int y = 0; y < in; y++)
            for (int x = 0; x < OTHER; x++) {
                const uint8_t *pixel = line.pixels + 3 * (size_t)y;
                memcpy(rows.pixels + 3 * ((size_t)x * (size_t)in + (size_t)y), pixel, 3);
                memcpy(columns.pixels + 3 * ((size_t)y * OTHER + (size_t)x), pixel, 3);
            }
        assert_ok(an_image_resize(&rows, out_length, OTHER, &out, error));
        const size_t row_size = 3 * (size_t)out_length;
        for (size_t y = 1; y < OTHER; y++)
            assert_memory_equal(out.pixels, out.pixels + y * row_size, row_size);
        assert_ok(an_image_resize(&columns, OTHER, out_length, &out, error));
        for (size_t p = 0; p < (size_t)OTHER * (size_t)out_length; p++)
            assert_memory_equal(out.pixels + 3 * p, out.pixels + 3 * (p - p % OTHER), 3);
        an_image_free(&line);
        an_image_free(&rows);
        an_image_free(&columns);
        an_image_free(&out);
    }
}

/* Every part is the same to the bit as cut out of the whole. */
static void test_parts(void **state) {
    (void)state;
    static const int sizes[][4] = {
        {53, 31, 22, 13}, {13, 11, 40, 30}, {30, 20, 30, 11}, {20, 30, 11, 30}, {24, 15, 24, 15}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int width = sizes[i][2], height = sizes[i][3];
        an_image image = random_image(sizes[i][0], sizes[i][1]), whole = {0}, out = {0};
        assert_ok(an_image_resize(&image, width, height, &whole, error));
        const an_part parts[] = {
            {0, 0, width, height},
            {0, 0, 1, 1},
            {3, 2, 6, 7},
            {width - 5, height - 4, 5, 4},
            {width - 1, height - 1, 1, 1},
            {0, 5, width, 1},
        };
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
            assert_ok(an_image_resize_part(&image, width, height, parts[p], &out, error));
            assert_int_equal(out.width, parts[p].width);
            assert_int_equal(out.height, parts[p].height);
            for (int y = 0; y < parts[p].height; y++)
                assert_memory_equal(out.pixels + 3 * (size_t)y * (size_t)out.width,
                                    whole.pixels + 3 * ((size_t)(parts[p].y + y) * (size_t)width +
                                                        (size_t)parts[p].x),
                                    3 * (size_t)out.width);
        }
        const an_part outside[] = {{-1, 0, 2, 2},     {0, -1, 2, 2},        {0, 0, 0, 1},
                                   {0, 0, 1, 0},      {1, 0, width, 1},     {0, 1, 1, height},
                                   {0, height, 1, 1}, {2147483647, 0, 1, 1}};
        for (size_t p = 0; p < sizeof outside / sizeof *outside; p++)
            assert_fails(an_image_resize_part(&image, width, height, outside[p], &out, error),
                         ALEXNET_INVALID, "do not lie inside");
        an_image_free(&image);
        an_image_free(&whole);
        an_image_free(&out);
    }
}

static void test_impossible_sizes(void **state) {
    (void)state;
    an_image empty = {0}, image = made(2, 2), out = {0};
    assert_fails(an_image_resize(&empty, 2, 2, &out, error), ALEXNET_INVALID, "empty picture");
    assert_fails(an_image_resize(&image, 0, 2, &out, error), ALEXNET_INVALID, "0 x 2");
    assert_fails(an_image_resize(&image, 2, -1, &out, error), ALEXNET_INVALID, "2 x -1");
    assert_fails(an_image_resize(&image, 65501, 2, &out, error), ALEXNET_INVALID, "65501 x 2");
    an_image_free(&image);
    an_image_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_pil),
        cmocka_unit_test(test_as_defined),
        cmocka_unit_test(test_same_size_changes_nothing),
        cmocka_unit_test(test_one_colour),
        cmocka_unit_test(test_both_ways_give_the_same_bits),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_impossible_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
