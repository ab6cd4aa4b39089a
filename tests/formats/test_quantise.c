/* Eight bits and sixteen: known values, what comes back, and the order in which loops share out. */
#include "formats/quantise.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/random.h"
#include "testing.h"

static void test_known_values(void **state) {
    (void)state;
    const float w[4][4] = {
        {127, -63.5f, 62.5f, 0.4f}, /* scale 1: halves go to the even neighbour */
        {-254, 3, 5, 1},            /* scale 2 */
        {0, -0.0f, 0, 0},
        {1e-39f, -1e-39f, 0, 0}, /* too small for a scale */
    };
    const int8_t expected[4][4] = {{127, -64, 62, 0}, {-127, 2, 2, 0}, {0}, {0}};
    float scale[4], back[4][4];
    int8_t q[4][4];
    assert_true(an_quantise_scales(w[0], 4, 4, scale));
    assert_true(scale[0] == 1 && scale[1] == 2 && scale[2] == 0 && scale[3] == 0);
    an_quantise(w[0], scale, 4, 4, q[0]);
    assert_memory_equal(q, expected, sizeof q);
    assert_true(an_dequantise(q[0], scale, 4, 4, back[0]));
    for (int r = 0; r < 4; r++)
        for (int c = 0; c < 4; c++)
            assert_true(back[r][c] == (float)q[r][c] * scale[r]);
    q[1][3] = -128;
    assert_false(an_dequantise(q[0], scale, 4, 4, back[0]));
}

static void test_refuses_what_is_not_finite(void **state) {
    (void)state;
    static const float odd[] = {INFINITY, -INFINITY, NAN, -NAN};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        float w[3][2] = {{1, 2}, {3, 4}, {5, 6}}, scale[3];
        assert_true(an_quantise_scales(w[0], 3, 2, scale));
        w[1][i % 2] = odd[i];
        assert_false(an_quantise_scales(w[0], 3, 2, scale));
    }
}

/* Each weight is within half a scale, and what was quantised once keeps its bytes. */
static void test_again_the_same(void **state) {
    (void)state;
    enum { rows = 331, columns = 97, count = rows * columns };
    float *w = malloc(count * sizeof *w), *back = malloc(count * sizeof *back);
    int8_t *q = malloc(count), *again = malloc(count);
    float scale[rows], scale_again[rows];
    assert_true(w && back && q && again);
    const an_random stream = an_random_stream(3, AN_RANDOM_SYNTHETIC, 0, 0);
    an_random_fill_normal(&stream, 0, count, 1, w);
    for (int i = 0; i < count; i++) /* rows of every size that weights may have, and far more */
        w[i] = ldexpf(w[i], i / columns % 240 - 120);
    assert_true(an_quantise_scales(w, rows, columns, scale));
    an_quantise(w, scale, rows, columns, q);
    assert_true(an_dequantise(q, scale, rows, columns, back));
    for (int i = 0; i < count; i++)
        assert_true(fabsf(back[i] - w[i]) <= 0.50001f * scale[i / columns]);
    assert_true(an_quantise_scales(back, rows, columns, scale_again));
    an_quantise(back, scale_again, rows, columns, again);
    assert_memory_equal(q, again, count);
    free(w);
    free(back);
    free(q);
    free(again);
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void test_bfloat(void **state) {
    (void)state;
    uint16_t every[1 << 16], back[1 << 16];
    static float values[1 << 16];
    for (int i = 0; i < 1 << 16; i++)
        every[i] = (uint16_t)i;
    an_from_bfloat((const uint8_t *)every, 1 << 16, values);
    an_to_bfloat(values, 1 << 16, (uint8_t *)back);
    for (int i = 0; i < 1 << 16; i++) {
        assert_int_equal(bits_of(values[i]), (uint32_t)i << 16);
        if (isnan(values[i]))
            assert_int_equal(back[i], i | 0x40); /* quiet */
        else
            assert_int_equal(back[i], i);
    }

    const float odd[] = {0x1.01p0f, 0x1.010002p0f, 0x1.03p0f, -0x1.00fffep0f, FLT_MAX};
    const uint16_t nearest[] = {0x3f80, 0x3f81, 0x3f82, 0xbf80, 0x7f80};
    uint16_t found[5];
    an_to_bfloat(odd, 5, (uint8_t *)found);
    assert_memory_equal(found, nearest, sizeof found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_refuses_what_is_not_finite),
        cmocka_unit_test(test_again_the_same),
        cmocka_unit_test(test_bfloat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
