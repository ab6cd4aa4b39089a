/* What the parts of the plug-in that speak CUDA have in common. */
#ifndef AN_BACKEND_CUDA_GPU_H
#define AN_BACKEND_CUDA_GPU_H

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include "backend/cuda/device.h"
#include "backend/cuda/tuning.h"

#ifdef __cplusplus
extern "C" {
#endif

struct an_device {
    int number;
    cudaStream_t stream;
    cudaStream_t copies; /* of feeds */
    cudnnHandle_t cudnn;
    cublasLtHandle_t cublas;
    an_tuning *tuning; /* what is computed fastest how on such a card */
    bool bf16;
};

/* BACKEND, with "GPU: while `doing`: what CUDA says", where a call failed. */
alexnet_status an_gpu_check(cudaError_t result, const char *doing, alexnet_error *error);
alexnet_status an_gpu_check_cudnn(cudnnStatus_t result, const char *doing, alexnet_error *error);
alexnet_status an_gpu_check_cublas(cublasStatus_t result, const char *doing, alexnet_error *error);

/* For kernels with more indices than they count. */
alexnet_status an_gpu_too_many(alexnet_error *error);

#ifdef __cplusplus
}
#endif

#endif
