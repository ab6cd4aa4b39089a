/* The generator against published vectors, and the shapes of its distributions. */
#include "core/random.h"

#include <math.h>
#include <stdlib.h>

#include "testing.h"

/* Known answers of philox4x32-10 from the authors' Random123 distribution (kat_vectors). */
static void test_philox_known_answers(void **state) {
    (void)state;
    const struct {
        uint32_t counter[4], key[2], out[4];
    } vectors[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint32_t out[4];
        an_philox(vectors[i].counter, vectors[i].key, out);
        assert_memory_equal(out, vectors[i].out, sizeof out);
    }
}

static void test_streams_differ_in_every_coordinate(void **state) {
    (void)state;
    an_random streams[] = {
        an_random_stream(1, AN_RANDOM_TEST, 0, 0),
        an_random_stream(2, AN_RANDOM_TEST, 0, 0),
        an_random_stream(1, AN_RANDOM_INIT, 0, 0),
        an_random_stream(1, AN_RANDOM_TEST, 1, 0),
        an_random_stream(1, AN_RANDOM_TEST, 0, 1),
        an_random_stream(1, AN_RANDOM_TEST, 0, 1ull << 40),
        an_random_stream(1ull << 32 | 1, AN_RANDOM_TEST, 0, 0),
    };
    uint32_t first[7];
    for (int i = 0; i < 7; i++) {
        first[i] = an_random_u32(&streams[i]);
        for (int j = 0; j < i; j++)
            assert_int_not_equal(first[i], first[j]);
    }
}

static void test_below_is_uniform(void **state) {
    (void)state;
    an_random stream = an_random_stream(3, AN_RANDOM_TEST, 0, 0);
    int counts[33] = {0};
    for (int i = 0; i < 33000; i++)
        counts[an_random_below(&stream, 33)]++;
    for (int i = 0; i < 33; i++) /* six standard deviations of a binomial */
        assert_true(abs(counts[i] - 1000) < 6 * 31.2);
}

static void test_fill_parts_equal_the_whole(void **state) {
    (void)state;
    const an_random stream = an_random_stream(4, AN_RANDOM_TEST, 0, 0);
    float whole[1003], part[1003];
    an_random_fill_normal(&stream, 0, 1003, 2.0, whole);
    an_random_fill_normal(&stream, 0, 500, 2.0, part);
    an_random_fill_normal(&stream, 500, 503, 2.0, part + 500);
    assert_memory_equal(whole, part, sizeof whole);
    double sum = 0, squares = 0;
    for (int i = 0; i < 1003; i++) {
        sum += whole[i];
        squares += (double)whole[i] * whole[i];
    }
    assert_true(fabs(sum / 1003) < 6 * 2.0 / sqrt(1003));
    assert_true(fabs(squares / 1003 - 4) < 6 * 4 * sqrt(2.0 / 1003));
}

static void test_permutation_holds_each_once(void **state) {
    (void)state;
    an_random stream = an_random_stream(5, AN_RANDOM_TEST, 0, 0);
    uint32_t order[1000];
    int seen[1000] = {0}, moved = 0;
    an_random_permutation(&stream, order, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        seen[order[i]]++;
        moved += order[i] != i;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(seen[i], 1);
    assert_true(moved > 980);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox_known_answers),
        cmocka_unit_test(test_streams_differ_in_every_coordinate),
        cmocka_unit_test(test_below_is_uniform),
        cmocka_unit_test(test_fill_parts_equal_the_whole),
        cmocka_unit_test(test_permutation_holds_each_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
