/* The kernels of kernels.h on a GPU: a thread an index. */
#include "backend/cuda/gpu.h"

enum { block = 256 };

#define AN_CUDA_DEFINE(name, lanes)                                                                \
    static __global__ void __launch_bounds__(block)                                                \
        name##_kernel(const __grid_constant__ an_cuda_##name arguments, uint32_t count) {          \
        const uint32_t i = blockIdx.x * block + threadIdx.x;                                       \
        if (i < count)                                                                             \
            an_cuda_##name##_at(&arguments, i);                                                    \
    }                                                                                              \
    alexnet_status an_device_##name(an_device *device, const an_cuda_##name *arguments,            \
                                    size_t count, alexnet_error *error) {                          \
        if (count == 0)                                                                            \
            return ALEXNET_OK;                                                                     \
        if (count > INT32_MAX / (lanes))                                                           \
            return an_gpu_too_many(error);                                                         \
        const uint32_t threads = (uint32_t)count * (lanes);                                        \
        name##_kernel<<<(threads + block - 1) / block, block, 0, device->stream>>>(*arguments,     \
                                                                                   threads);       \
        return an_gpu_check(cudaGetLastError(), "starting the kernel " #name, error);              \
    }

AN_CUDA_KERNELS(AN_CUDA_DEFINE)
