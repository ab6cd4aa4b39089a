/* Failures as values: every function returns a status and fills one sentence for the user. */
#ifndef AN_CORE_STATUS_H
#define AN_CORE_STATUS_H

#include "alexnet/alexnet.h"

/*
 * Fills `error` (NULL is allowed) with a printf-formatted sentence and returns `status`, so that a
 * failure reads `return an_fail(error, ALEXNET_IO, "%s: cannot be opened: %s", path, reason);`.
 */
alexnet_status an_fail(alexnet_error *error, alexnet_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the sentence of an error on its way up, and returns the error's status. */
alexnet_status an_fail_in(alexnet_error *error, alexnet_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Returns from the calling function when `call` does not succeed. */
#define AN_TRY(call)                                                                               \
    do {                                                                                           \
        const alexnet_status an_try_status = (call);                                               \
        if (an_try_status != ALEXNET_OK)                                                           \
            return an_try_status;                                                                  \
    } while (0)

/* The same for functions with a `status` variable and one `cleanup:` label that releases things. */
#define AN_TRY_CLEANUP(call)                                                                       \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != ALEXNET_OK)                                                                  \
            goto cleanup;                                                                          \
    } while (0)

#endif
