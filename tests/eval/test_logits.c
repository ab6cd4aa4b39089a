/* Softmax and the best k, with numbers that tempt to overflow and ties. */
#include "eval/logits.h"

#include <math.h>

#include "testing.h"

static void test_softmax(void **state) {
    (void)state;
    const float small[3] = {1, 2, 3}, huge[3] = {3e38f, 3e38f, -3e38f};
    float p[3];
    an_softmax(small, 3, p);
    const double sum = exp(1) + exp(2) + exp(3);
    for (int i = 0; i < 3; i++)
        assert_true(fabs((double)p[i] - exp((double)small[i]) / sum) < 1e-7);
    assert_true(fabs(an_cross_entropy(small, 3, 1) - (log(sum) - 2)) < 1e-12);
    assert_true(fabs(an_cross_entropy(huge, 3, 0) - log(2)) < 1e-12);
    an_softmax(huge, 3, p);
    assert_true(p[0] == 0.5f && p[1] == 0.5f && p[2] == 0);
    an_softmax(small, 1, p);
    assert_true(p[0] == 1);
}

static void assert_top(const float *values, int count, int k, const int *expected) {
    int indices[8] = {9, 9, 9, 9, 9, 9, 9, 9};
    an_top_k(values, count, k, indices);
    for (int i = 0; i < k; i++)
        assert_int_equal(indices[i], expected[i]);
    assert_int_equal(indices[k], 9);
}

static void test_top_k(void **state) {
    (void)state;
    const float values[6] = {2, 5, -1, 5, 7, 2};
    assert_top(values, 6, 1, (int[]){4});
    assert_top(values, 6, 3, (int[]){4, 1, 3});
    assert_top(values, 6, 6, (int[]){4, 1, 3, 0, 5, 2});
    assert_top(values, 3, 5, (int[]){1, 0, 2, -1, -1});
    const float odd[4] = {NAN, -INFINITY, NAN, 1};
    assert_top(odd, 4, 4, (int[]){3, 1, 0, 2});
}

/* Against the definition: the k-th answer has exactly k values before it. */
static void test_top_k_at_random(void **state) {
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 200; round++) {
        float values[40];
        int indices[7];
        for (int i = 0; i < 40; i++) {
            seed = seed * 1664525 + 1013904223;
            values[i] = (float)(seed >> 28); /* of sixteen values: many ties */
        }
        an_top_k(values, 40, 7, indices);
        for (int k = 0; k < 7; k++) {
            int before = 0;
            for (int i = 0; i < 40; i++)
                before += values[i] > values[indices[k]] ||
                          (i < indices[k] && values[i] == values[indices[k]]);
            assert_int_equal(before, k);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_top_k),
        cmocka_unit_test(test_top_k_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
