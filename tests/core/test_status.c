/* Failures as values. */
#include "core/status.h"

#include "testing.h"

static void test_messages(void **state) {
    (void)state;
    alexnet_error error = {0};
    assert_int_equal(an_fail(NULL, ALEXNET_IO, "nobody listens"), ALEXNET_IO);
    assert_int_equal(an_fail(&error, ALEXNET_IO, "%s: gone", "x"), ALEXNET_IO);
    assert_string_equal(error.message, "x: gone");
    assert_int_equal(an_fail_in(&error, ALEXNET_FORMAT, "file %d", 7), ALEXNET_FORMAT);
    assert_int_equal(error.status, ALEXNET_FORMAT);
    assert_string_equal(error.message, "file 7: x: gone");

    /* A name in a file that would clear the terminal and begin another line. */
    (void)an_fail(&error, ALEXNET_FORMAT, "tensor '%s'", "\x1b[2J\nalexnet: all is well\x7f");
    assert_string_equal(error.message, "tensor '?[2J?alexnet: all is well?'");
    (void)an_fail_in(&error, ALEXNET_FORMAT, "a\tb");
    assert_string_equal(error.message, "a?b: tensor '?[2J?alexnet: all is well?'");

    char large[3000]; /* longer than a message can be */
    memset(large, 'a', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    (void)an_fail(&error, ALEXNET_FORMAT, "%s", large);
    (void)an_fail_in(&error, ALEXNET_FORMAT, "%s", large);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_messages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
