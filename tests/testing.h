/* What every test begins with. */
#ifndef AN_TESTING_H
#define AN_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/status.h"

/* The call must succeed; its sentence is printed when it does not. */
#define assert_ok(call)                                                                            \
    do {                                                                                           \
        alexnet_error an_error = {0};                                                              \
        alexnet_error *error = &an_error;                                                          \
        if ((call) != ALEXNET_OK)                                                                  \
            fail_msg("%s: %s", #call, error->message);                                             \
    } while (0)

/* The call must fail with this status and a sentence that holds `part`. */
#define assert_fails(call, expected, part)                                                         \
    do {                                                                                           \
        alexnet_error an_error = {0};                                                              \
        alexnet_error *error = &an_error;                                                          \
        assert_int_equal((call), (expected));                                                      \
        assert_int_equal(error->status, (expected));                                               \
        if (!strstr(error->message, (part)))                                                       \
            fail_msg("%s: \"%s\" lacks \"%s\"", #call, error->message, part);                      \
    } while (0)

#endif
