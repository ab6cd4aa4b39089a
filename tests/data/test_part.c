/* Decoding no more of a picture than is needed: the same pixels, or near them where it is reduced.
 */
#include <math.h>
#include <stdlib.h>

#include "core/random.h"
#include "data/decode.h"
#include "pictures.h"
#include "testing.h"

#define NAME "folder/picture"

static const jpeg_recipe recipes[] = {
    {.width = 277, .height = 203, .channels = 3, .waves = true},
    {.width = 277, .height = 203, .channels = 3, .waves = true, .across = 2, .down = 2},
    {.width = 203, .height = 277, .channels = 3, .waves = true, .across = 2, .quality = 85},
    {.width = 250, .height = 203, .channels = 3, .waves = true, .down = 2, .quality = 60},
    {.width = 277, .height = 203, .channels = 3, .waves = true, .across = 4, .restart = 3},
    {.width = 320,
     .height = 208,
     .channels = 3,
     .waves = true,
     .across = 2,
     .down = 2,
     .restart = 1},
    {.width = 277, .height = 203, .channels = 1, .waves = true},
    {.width = 277, .height = 203, .channels = 1, .waves = true, .progressive = true},
    {.width = 277, .height = 203, .channels = 4, .waves = true},
    {.width = 277,
     .height = 203,
     .channels = 4,
     .waves = true,
     .ycck = true,
     .across = 2,
     .down = 2},
    {.width = 277,
     .height = 203,
     .channels = 3,
     .waves = true,
     .progressive = true,
     .across = 2,
     .down = 2},
    {.width = 33, .height = 17, .channels = 3, .waves = true, .across = 2, .down = 2},
    {.width = 1, .height = 40, .channels = 3, .waves = true, .across = 2},
    {.width = 9, .height = 1, .channels = 3, .waves = true, .down = 2},
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

static encoded make(const jpeg_recipe *recipe, int orientation) {
    uint8_t exif[EXIF_SIZE];
    jpeg_recipe turned = *recipe;
    make_exif(exif, false, orientation);
    turned.exif = exif;
    turned.exif_size = sizeof exif;
    return make_jpeg(&turned);
}

static an_need give(void *context, int width, int height) {
    (void)width, (void)height;
    return *(const an_need *)context;
}

static alexnet_status decode(encoded file, an_need need, an_decoded *out, alexnet_error *error) {
    const an_chooser chooser = {give, &need};
    return an_image_decode_part(file.bytes, file.size, NAME, &chooser, out, error);
}

static int below(an_random *random, int n) {
    return (int)an_random_below(random, (uint32_t)n);
}

/* Whatever is needed at full size is there, to the bit. */
static void test_parts_are_cut_out_of_the_whole(void **state) {
    (void)state;
    an_random random = an_random_stream(2, AN_RANDOM_TEST, 0, 0);
    an_image whole = {0};
    an_decoded got = {0};
    for (int r = 0; r < RECIPES; r++)
        for (int orientation = 1; orientation <= 8; orientation++) {
            const encoded file = make(&recipes[r], orientation);
            assert_ok(an_image_decode(file.bytes, file.size, NAME, &whole, error));
            assert_int_equal(whole.width, orientation < 5 ? recipes[r].width : recipes[r].height);
            const int shorter = whole.width < whole.height ? whole.width : whole.height;
            for (int i = 0; i < 12; i++) {
                const int side = 1 + below(&random, shorter);
                an_need need = {.side = side, .cut = i % 2};
                need.box = (an_box){below(&random, whole.width - side + 1),
                                    below(&random, whole.height - side + 1), side, side};
                if (i % 3 == 0) { /* between pixels */
                    need.box.x *= 0.99;
                    need.box.y *= 0.99;
                    need.box.width *= 0.99;
                }
                assert_int_equal(an_need_reduction(&need), 1);
                assert_ok(decode(file, need, &got, error));
                assert_int_equal(got.reduction, 1);
                assert_int_equal(got.width, whole.width);
                assert_int_equal(got.height, whole.height);
                const an_part part = an_need_part(&need, 1, whole.width, whole.height);
                const int left = part.x - got.left, top = part.y - got.top;
                assert_true(left >= 0 && left + part.width <= got.raster.width);
                assert_true(top >= 0 && top + part.height <= got.raster.height);
                for (int y = 0; y < part.height; y++)
                    if (memcmp(got.raster.pixels + (size_t)(top + y) * got.raster.stride +
                                   3 * (size_t)left,
                               whole.pixels + 3 * ((size_t)(part.y + y) * (size_t)whole.width +
                                                   (size_t)part.x),
                               3 * (size_t)part.width) != 0)
                        fail_msg("recipe %d, orientation %d: row %d of %d x %d at (%d, %d)", r,
                                 orientation, y, part.width, part.height, part.x, part.y);
            }
            free(file.bytes);
        }
    an_image_free(&whole);
    an_decoded_free(&got);
}

/* Resizes a need out of what was decoded. */
static void fit(const an_need *need, const an_decoded *decoded, an_image *out) {
    an_resizer resizer = {0};
    assert_ok(an_resize_box(&resizer, &decoded->raster, an_need_within(need, decoded), need->side,
                            need->side, out, error));
    an_resizer_free(&resizer);
}

/* A part holds all that resizing its box looks at: resized, it is what the whole picture gives. */
static void test_parts_are_resized_as_the_whole(void **state) {
    (void)state;
    an_random random = an_random_stream(5, AN_RANDOM_TEST, 0, 0);
    an_decoded whole = {0}, got = {0};
    an_image expected = {0}, out = {0};
    size_t values = 0, others = 0;
    for (int r = 0; r < RECIPES; r++) {
        const encoded file = make(&recipes[r], 1 + r % 8);
        assert_ok(an_image_decode_part(file.bytes, file.size, NAME, NULL, &whole, error));
        const int shorter = whole.width < whole.height ? whole.width : whole.height;
        for (int i = 0; i < 20; i++) {
            const double size = shorter * (0.1 + 0.8 * (double)an_random_uniform(&random));
            an_need need = {.side = 1 + (int)(size * (0.51 + 0.1 * (i % 10)))};
            need.box = (an_box){an_random_uniform(&random) * (whole.width - size),
                                an_random_uniform(&random) * (whole.height - size), size, size};
            assert_ok(decode(file, need, &got, error));
            assert_int_equal(got.reduction, 1);
            fit(&need, &whole, &expected);
            fit(&need, &got, &out);
            for (size_t k = 0; k < 3 * (size_t)need.side * (size_t)need.side; k++, values++) {
                assert_in_range(out.pixels[k] + 1 - expected.pixels[k], 0, 2); /* rounding */
                others += out.pixels[k] != expected.pixels[k];
            }
        }
        free(file.bytes);
    }
    assert_true(others < values / 10000);
    an_decoded_free(&whole);
    an_decoded_free(&got);
    an_image_free(&expected);
    an_image_free(&out);
}

/* Reduced while decoding and then resized is nearly what only resizing gives. */
static void test_reduced_pictures_are_near_the_exact_ones(void **state) {
    (void)state;
    an_random random = an_random_stream(3, AN_RANDOM_TEST, 0, 0);
    an_decoded exact = {0}, got = {0};
    an_image expected = {0}, out = {0};
    int reductions[9] = {0};
    for (int r = 0; r < RECIPES; r++)
        for (int orientation = 1; orientation <= 8; orientation++) {
            const encoded file = make(&recipes[r], orientation);
            assert_ok(an_image_decode_part(file.bytes, file.size, NAME, NULL, &exact, error));
            const int shorter = exact.width < exact.height ? exact.width : exact.height;
            for (int i = 0; i < 12 && shorter >= 100; i++) {
                const double size = shorter * (0.5 + 0.5 * (double)an_random_uniform(&random));
                an_need need = {.side = (int)(size / (2 << i % 3)) - below(&random, 3)};
                need.box = (an_box){an_random_uniform(&random) * (exact.width - size),
                                    an_random_uniform(&random) * (exact.height - size), size, size};
                if (i > 8) { /* up to the sides of the picture */
                    need.box.x = i % 2 ? 0 : exact.width - size;
                    need.box.y = i % 2 ? exact.height - size : 0;
                }
                assert_ok(decode(file, need, &got, error));
                assert_int_equal(an_need_reduction(&need), 2 << i % 3);
                const int across = recipes[r].across ? recipes[r].across : 1;
                const int down = recipes[r].down ? recipes[r].down : 1;
                const int uneven = across > down ? across / down : down / across;
                assert_int_equal(got.reduction, (2 << i % 3) / uneven ? (2 << i % 3) / uneven : 1);
                reductions[got.reduction]++;
                fit(&need, &exact, &expected);
                fit(&need, &got, &out);
                const size_t count = 3 * (size_t)need.side * (size_t)need.side;
                double sum = 0;
                int most = 0;
                for (size_t k = 0; k < count; k++) {
                    const int difference = abs(out.pixels[k] - expected.pixels[k]);
                    sum += difference;
                    most = difference > most ? difference : most;
                }
                if (sum / (double)count > 0.3 + 0.09 * got.reduction || most > 8)
                    fail_msg("recipe %d, orientation %d, 1/%d: differs by %.2f, at most %d", r,
                             orientation, got.reduction, sum / (double)count, most);
            }
            free(file.bytes);
        }
    assert_true(reductions[2] > 100 && reductions[4] > 100 && reductions[8] > 100);
    an_decoded_free(&exact);
    an_decoded_free(&got);
    an_image_free(&expected);
    an_image_free(&out);
}

/* Every kind of stored pixels, too. */
static void test_parts_of_plain_pixels(void **state) {
    (void)state;
    enum { WIDTH = 50, HEIGHT = 40, PLANE = WIDTH * HEIGHT };
    uint8_t rgb[3 * PLANE], planes[3 * PLANE], bgr[3 * PLANE];
    for (size_t i = 0; i < PLANE; i++)
        for (size_t c = 0; c < 3; c++) {
            rgb[3 * i + c] = (uint8_t)(i * 7 + c * 50);
            planes[c * PLANE + i] = bgr[(2 - c) * PLANE + i] = rgb[3 * i + c];
        }
    const an_sample samples[] = {
        {.form = AN_SAMPLE_RGB, .bytes = rgb, .size = sizeof rgb, .width = WIDTH, .height = HEIGHT},
        {AN_SAMPLE_PLANES, planes, sizeof planes, WIDTH, HEIGHT, NULL, 0},
        {AN_SAMPLE_BGR_PLANES, bgr, sizeof bgr, WIDTH, HEIGHT, NULL, 0}};
    an_decoded got = {0};
    for (size_t s = 0; s < 3; s++)
        for (int whole = 0; whole < 2; whole++) {
            an_need need = {.box = {7, 9, 20, 20}, .side = 20};
            const an_chooser chooser = {give, &need};
            assert_ok(
                an_sample_decode_part(&samples[s], NAME, whole ? NULL : &chooser, &got, error));
            const int x0 = whole ? 0 : 7, y0 = whole ? 0 : 9;
            assert_int_equal(got.left, x0);
            assert_int_equal(got.top, y0);
            assert_int_equal(got.raster.width, whole ? WIDTH : 20);
            assert_int_equal(got.raster.height, whole ? HEIGHT : 20);
            for (int y = 0; y < got.raster.height; y++)
                assert_memory_equal(got.raster.pixels + (size_t)y * got.raster.stride,
                                    rgb + 3 * ((size_t)(y0 + y) * WIDTH + (size_t)x0),
                                    3 * (size_t)got.raster.width);
        }
    an_sample wrong = samples[0];
    wrong.size--;
    assert_fails(an_sample_decode_part(&wrong, NAME, NULL, &got, error), ALEXNET_FORMAT,
                 "5999 bytes are not 50 x 40");
    wrong.width = -1;
    assert_fails(an_sample_decode_part(&wrong, NAME, NULL, &got, error), ALEXNET_FORMAT, "empty");
    wrong.width = 2000000000;
    assert_fails(an_sample_decode_part(&wrong, NAME, NULL, &got, error), ALEXNET_FORMAT, "at most");
    an_decoded_free(&got);
}

/* What is cut off is an error where it is needed. Whoever needs it sees no grey. */
static void test_files_that_are_cut_off(void **state) {
    (void)state;
    an_decoded got = {0};
    for (int r = 0; r < RECIPES; r++) {
        const encoded file = make(&recipes[r], 1);
        const int width = recipes[r].width, height = recipes[r].height;
        const int side = height < width ? (height + 3) / 4 : (width + 3) / 4;
        const an_need bottom = {.box = {0, height - side, side, side}, .side = side};
        const an_need top = {.box = {0, 0, side, side}, .side = side};
        for (size_t size = 0; size < file.size - 2; size += 1 + file.size / 20)
            assert_fails(decode((encoded){file.bytes, size}, bottom, &got, error), ALEXNET_FORMAT,
                         NAME);
        assert_ok(decode(file, bottom, &got, error));
        if (!recipes[r].progressive && height > 200)
            assert_ok(decode((encoded){file.bytes, file.size * 7 / 10}, top, &got, error));
        free(file.bytes);
    }
    an_decoded_free(&got);
}

/* Flipped bits may change pixels or fail, nothing else; the sanitizers watch. */
static void test_flipped_bits(void **state) {
    (void)state;
    an_random random = an_random_stream(4, AN_RANDOM_TEST, 0, 0);
    an_decoded got = {0};
    an_image out = {0};
    int survived = 0;
    for (int r = 0; r < RECIPES; r++) {
        const encoded file = make(&recipes[r], 1 + r % 8);
        uint8_t *bytes = malloc(file.size);
        for (int i = 0; i < 60; i++) {
            memcpy(bytes, file.bytes, file.size);
            for (int flips = 0; flips <= i % 3; flips++)
                bytes[below(&random, (int)file.size)] ^= (uint8_t)(1 << below(&random, 8));
            const double size = 1 + below(&random, 100) * 0.37;
            const an_need need = {.box = {below(&random, 3), below(&random, 3), size, size},
                                  .side = 1 + below(&random, 20)};
            const an_chooser chooser = {give, (void *)(uintptr_t)&need};
            if (an_image_decode_part(bytes, file.size, NAME, &chooser, &got, NULL) != ALEXNET_OK)
                continue;
            survived++;
            an_resizer resizer = {0}; /* which refuses what lies outside a smaller picture */
            (void)an_resize_box(&resizer, &got.raster, an_need_within(&need, &got), need.side,
                                need.side, &out, NULL);
            an_resizer_free(&resizer);
        }
        free(bytes);
        free(file.bytes);
    }
    assert_true(survived > RECIPES * 20);
    an_decoded_free(&got);
    an_image_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_are_cut_out_of_the_whole),
        cmocka_unit_test(test_parts_are_resized_as_the_whole),
        cmocka_unit_test(test_reduced_pictures_are_near_the_exact_ones),
        cmocka_unit_test(test_parts_of_plain_pixels),
        cmocka_unit_test(test_files_that_are_cut_off),
        cmocka_unit_test(test_flipped_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
