/* What the plug-in shows to the library. */
#include "backend/cuda/plugin.h"

#include "backend/cuda/device.h"
#include "backend/cuda/plan.h"

/* The name that AN_CUDA_PLUGIN says. */
extern const an_cuda_plugin an_cuda_plugin_v1 __attribute__((visibility("default")));

const an_cuda_plugin an_cuda_plugin_v1 = {
    .version = ALEXNET_VERSION,
    .backend = &an_backend_cuda_plan,
    .available = an_device_probe,
};
