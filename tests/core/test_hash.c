/* The hash against known values (of the reference implementation, as in its documentation), and
 * every length's tail. */
#include "core/hash.h"

#include "testing.h"

static void test_known_values(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t first, second;
    } known[] = {
        {"", 0, 0},
        {"hello", 0xcbd8a7b341bd9b02, 0x5b1e906a48ae1d19},
        {"The quick brown fox jumps over the lazy dog", 0xe34bbc7bbc071b6c, 0x7a433ca9c49a9347},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const an_hash hash = an_hash_bytes(known[i].text, strlen(known[i].text), 0);
        assert_true(hash.first == known[i].first && hash.second == known[i].second);
    }
}

/* Any byte and the length matter, wherever the bytes begin. */
static void test_every_byte_counts(void **state) {
    (void)state;
    enum { most = 40 };
    uint8_t bytes[most + 1] = {0};
    for (size_t size = 1; size <= most; size++) {
        const an_hash zeros = an_hash_bytes(bytes, size, 7);
        assert_int_not_equal(an_hash_compare(zeros, an_hash_bytes(bytes, size - 1, 7)), 0);
        assert_int_not_equal(an_hash_compare(zeros, an_hash_bytes(bytes, size, 8)), 0);
        assert_int_equal(an_hash_compare(zeros, an_hash_bytes(bytes + 1, size, 7)), 0);
        for (size_t i = 0; i < size; i++) {
            bytes[i] = 1;
            const an_hash other = an_hash_bytes(bytes, size, 7);
            assert_int_equal(an_hash_compare(zeros, other), -an_hash_compare(other, zeros));
            assert_int_not_equal(an_hash_compare(zeros, other), 0);
            bytes[i] = 0;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_every_byte_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
