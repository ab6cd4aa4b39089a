/* The list of the backends in this build. */
#include <string.h>

#include "backend/backend.h"

const an_backend *const *an_backends(void) {
    static const an_backend *const backends[] = {
#ifdef AN_WITH_CPU
        &an_backend_cpu,
#endif
        &an_backend_reference,
        NULL,
    };
    return backends;
}

alexnet_status an_backend_find(const char *device, const an_backend **out, alexnet_error *error) {
    char names[128] = "auto";
    for (const an_backend *const *backend = an_backends(); *backend; backend++) {
        if (strcmp(device, "auto") == 0 || strcmp(device, (*backend)->name) == 0) {
            *out = *backend;
            return ALEXNET_OK;
        }
        strncat(names, " ", sizeof names - strlen(names) - 1);
        strncat(names, (*backend)->name, sizeof names - strlen(names) - 1);
    }
    *out = NULL;
    return an_fail(error, ALEXNET_UNSUPPORTED, "device '%s' is not in this build; there are: %s",
                   device, names);
}
