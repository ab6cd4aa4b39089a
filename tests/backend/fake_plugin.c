/* A plug-in as the library expects it, but that the reference backend is in it. */
#include "backend/cuda/plugin.h"

static alexnet_status available(alexnet_error *error) {
    (void)error;
    return ALEXNET_OK;
}

extern const an_cuda_plugin an_cuda_plugin_v1 __attribute__((visibility("default")));

const an_cuda_plugin an_cuda_plugin_v1 = {
    .version = FAKE_VERSION,
    .backend = &an_backend_reference,
    .available = available,
};
