/* The order of an epoch: every picture once, and with a window from few places. */
#include "data/order.h"

#include <stdbool.h>
#include <stdlib.h>

#include "testing.h"

enum { MOST = 5000 };

static void shuffle(uint64_t seed, uint32_t epoch, size_t window, uint32_t *order, uint32_t count) {
    assert_ok(an_order_shuffle(seed, epoch, window, order, count, error));
}

static void test_every_sample_comes_once(void **state) {
    (void)state;
    static const uint32_t counts[] = {1, 2, 7, 8, 9, 100, 1000, MOST};
    static const size_t windows[] = {0, 1, 2, 7, 8, 9, 64, 99, 100, 4999, 5000, 1u << 31, SIZE_MAX};
    static uint32_t order[MOST];
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
        for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
            bool seen[MOST] = {false};
            shuffle(3, 4, windows[w], order, counts[c]);
            for (uint32_t i = 0; i < counts[c]; i++) {
                assert_true(order[i] < counts[c]);
                assert_false(seen[order[i]]);
                seen[order[i]] = true;
            }
        }
}

static void test_a_function_of_seed_and_epoch(void **state) {
    (void)state;
    enum { COUNT = 1000, WINDOW = 160 };
    static uint32_t first[COUNT], other[COUNT];
    shuffle(1, 2, WINDOW, first, COUNT);
    shuffle(1, 2, WINDOW, other, COUNT);
    assert_memory_equal(first, other, sizeof first);
    for (int change = 0; change < 3; change++) {
        shuffle(change == 0 ? 2 : 1, change == 1 ? 3 : 2, change == 2 ? 0 : WINDOW, other, COUNT);
        int same = 0;
        for (size_t i = 0; i < COUNT; i++)
            same += first[i] == other[i];
        assert_true(same < COUNT / 20);
    }
}

static int ascending(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* A window's samples lie in a few runs of neighbours, which come in no order. */
static void test_a_window_is_read_from_few_places(void **state) {
    (void)state;
    enum { COUNT = 4000, WINDOW = 400 };
    static uint32_t order[COUNT];
    shuffle(5, 0, WINDOW, order, COUNT);
    int neighbours = 0;
    for (size_t i = 1; i < COUNT; i++)
        neighbours += order[i] == order[i - 1] + 1;
    assert_true(neighbours < COUNT / 50);
    for (size_t begin = 0; begin < COUNT; begin += WINDOW) {
        qsort(order + begin, WINDOW, sizeof *order, ascending);
        int runs = 1;
        for (size_t i = begin + 1; i < begin + WINDOW; i++)
            runs += order[i] != order[i - 1] + 1;
        assert_in_range(runs, 2, 8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_sample_comes_once),
        cmocka_unit_test(test_a_function_of_seed_and_epoch),
        cmocka_unit_test(test_a_window_is_read_from_few_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
