/* From bytes to the network's input, against the formula, value by value. */
#include "data/normalise.h"

#include <stdlib.h>

#include "testing.h"

static const an_preprocess kinds[] = {
    {.scale = 1 / 255.0f, .mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}},
    {.scale = 1, .mean = {104.007f, 116.669f, 122.679f}, .std = {1, 1, 1}, .bgr = true},
    {.scale = 1, .mean = {127.305f, 119.715f, 104.913f}, .std = {1, 1, 1}},
    {.scale = 0.017f, .mean = {0.1f, 1e-9f, -3}, .std = {0.3f, 7, 1e-3f}},
    /* values that cancel to zero or overflow: the fast way may not have the table's bits */
    {.scale = 3e38f, .mean = {3e38f, 0, 1}, .std = {1e-3f, 1, 1e-38f}},
    {.scale = 1 / 3.0f, .mean = {85, 1 / 3.0f, 17}, .std = {1 / 3.0f, 3, 0.1f}},
};

static uint8_t value_at(size_t i) {
    return (uint8_t)(i * 37 + i / 256 * 11);
}

static uint32_t bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* What a picture stands for. */
static float look_up(const an_picture *picture, size_t side, size_t plane, size_t y, size_t x) {
    const size_t c = picture->bgr ? 2 - plane : plane;
    const size_t from = picture->mirrored ? side - 1 - x : x;
    return picture->value[c][picture->bytes[(y * side + from) * 3 + c]];
}

/* Every side, so that all ends of rows occur; wider rows than the raster's. */
static void test_to_the_bit_as_the_formula(void **state) {
    (void)state;
    enum { MOST = 61, BETWEEN = 7, STRIDE = 3 * MOST + BETWEEN };
    uint8_t *bytes = malloc(STRIDE * MOST);
    float *out = malloc((3 * MOST * MOST + 1) * sizeof *out);
    an_picture *picture = malloc(an_picture_bytes(MOST, MOST) + 1);
    assert_true(bytes && out && picture);
    for (size_t i = 0; i < STRIDE * MOST; i++)
        bytes[i] = value_at(i);
    for (int variant = 0; variant < 2 * (int)(sizeof kinds / sizeof *kinds); variant++)
        for (int side = 1; side <= MOST; side++) {
            const bool mirror = variant & 1;
            an_preprocess p = kinds[variant / 2];
            p.crop = side;
            const an_tint tint = {.shift = {3.7, -20.1, 0.3}, .divisor = side % 2 ? 1 : 1.1};
            const an_tint none = {.divisor = 1}, *by = side % 3 ? &tint : &none;
            const an_raster raster = {bytes, bytes + STRIDE * MOST, STRIDE, side, side};
            const size_t n = (size_t)side;
            out[3 * n * n] = 12345;
            uint8_t *behind = picture->bytes + 3 * n * n;
            *behind = 123;
            an_normalise_pixels(&raster, mirror, &p, side % 3 ? &tint : NULL, out);
            an_normalise_picture(&raster, mirror, &p, side % 3 ? &tint : NULL, picture);
            for (size_t i = 0; i < 3 * n * n; i++) {
                const size_t plane = i / (n * n), y = i / n % n, x = i % n;
                const size_t c = p.bgr ? 2 - plane : plane, from = mirror ? n - 1 - x : x;
                const double value = bytes[y * STRIDE + 3 * from + c];
                const float wanted =
                    (float)(((value + by->shift[c]) * (double)p.scale - (double)p.mean[plane]) /
                            (double)p.std[plane] / by->divisor);
                const float later = look_up(picture, n, plane, y, x);
                if (bits(out[i]) != bits(wanted) || bits(later) != bits(wanted))
                    fail_msg("kind %d, side %d, value %zu: %.9g, as a picture %.9g, not %.9g",
                             variant / 2, side, i, (double)out[i], (double)later, (double)wanted);
            }
            assert_true(out[3 * n * n] == 12345);
            assert_int_equal(*behind, 123);
        }
    free(bytes);
    free(out);
    free(picture);
}

/* The mean image stays where it is, whether the picture is mirrored or not. */
static void test_mean_image(void **state) {
    (void)state;
    enum { SIDE = 20 };
    uint8_t bytes[3 * SIDE * SIDE];
    float mean[3 * SIDE * SIDE], out[3 * SIDE * SIDE];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = value_at(i);
        mean[i] = (float)(i % 251) + 0.25f;
    }
    for (int variant = 0; variant < 4; variant++) {
        const an_preprocess p = {.crop = SIDE,
                                 .bgr = variant & 1,
                                 .scale = 1,
                                 .mean = {500, 500, 500},
                                 .std = {1, 2, 4},
                                 .mean_image = mean};
        const bool mirror = variant & 2;
        const an_raster raster = {bytes, bytes + sizeof bytes, 3 * SIDE, SIDE, SIDE};
        an_normalise_pixels(&raster, mirror, &p, NULL, out);
        for (size_t i = 0; i < 3 * SIDE * SIDE; i++) {
            const size_t plane = i / (SIDE * SIDE), y = i / SIDE % SIDE, x = i % SIDE;
            const size_t from = mirror ? SIDE - 1 - x : x;
            const float value = bytes[(y * SIDE + from) * 3 + (p.bgr ? 2 - plane : plane)];
            assert_true(out[i] == (value - mean[i]) / p.std[plane]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_the_bit_as_the_formula),
        cmocka_unit_test(test_mean_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
