/* Libraries that are loaded when they are needed: those that are there, and what is said otherwise.
 */
#include "core/library.h"

#include <math.h>

#include "testing.h"

typedef struct maths {
    double (*cosine)(double);
    double (*root)(double);
} maths;

static alexnet_status load(const char *const *names, const char *second, maths *out,
                           alexnet_error *error) {
    const an_library_function functions[] = {{"cos", offsetof(maths, cosine)},
                                             {second, offsetof(maths, root)}};
    const an_library library = {.names = names,
                                .what = "libm, which computes",
                                .package = "libc6",
                                .functions = functions,
                                .function_count = 2};
    return an_library_load(&library, out, error);
}

static void test_loads(void **state) {
    (void)state;
    const char *const names[] = {"libnowhere.so.7", "libm.so.6", NULL};
    maths found = {0};
    assert_ok(load(names, "sqrt", &found, error));
    assert_true(found.cosine(0) == 1);
    assert_true(found.root(4) == 2);
}

static void test_what_is_missing(void **state) {
    (void)state;
    const char *const none[] = {"libnowhere.so.7", NULL}, *const names[] = {"libm.so.6", NULL};
    maths found = {0};
    assert_fails(load(none, "sqrt", &found, error), ALEXNET_UNSUPPORTED,
                 "libm, which computes, cannot be loaded: libnowhere.so.7");
    assert_fails(load(none, "sqrt", &found, error), ALEXNET_UNSUPPORTED, "; install libc6");
    assert_fails(load(names, "squirt", &found, error), ALEXNET_UNSUPPORTED,
                 "libm, which computes, lacks the function squirt");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_loads),
                                       cmocka_unit_test(test_what_is_missing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
