/* The list of the backends in this build. */
#include <string.h>

#include "backend/backend.h"

const an_backend *const *an_backends(void) {
    static const an_backend *const backends[] = {
        &an_backend_cuda,
#ifdef AN_WITH_CPU
        &an_backend_cpu,
#endif
        &an_backend_reference,
        NULL,
    };
    return backends;
}

bool an_backend_usable(const an_backend *backend) {
    return !backend->available || backend->available(NULL) == ALEXNET_OK;
}

alexnet_status an_backend_find(const char *device, const an_backend **out, alexnet_error *error) {
    const bool any = strcmp(device, "auto") == 0;
    char names[128] = "auto";
    *out = NULL;
    for (const an_backend *const *backend = an_backends(); *backend; backend++) {
        const bool named = strcmp(device, (*backend)->name) == 0;
        if (named && (*backend)->available)
            AN_TRY((*backend)->available(error));
        if (named || (any && an_backend_usable(*backend))) {
            *out = *backend;
            return ALEXNET_OK;
        }
        strncat(names, " ", sizeof names - strlen(names) - 1);
        strncat(names, (*backend)->name, sizeof names - strlen(names) - 1);
    }
    return an_fail(error, ALEXNET_UNSUPPORTED, "device '%s' is not in this build; there are: %s",
                   device, names);
}
