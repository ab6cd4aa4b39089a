/* Fully connected layers in float32 as an engine (fc_engine.h), which takes weights as they are. */
#include "backend/cpu/kernels/fc_few.h"
#include "backend/cpu/kernels/fc_gradient.h"
#include "backend/cpu/kernels/fc_many.h"
#include "backend/cpu/kernels/fc_sparse.h"
#ifdef __AVX2__
#include "backend/cpu/kernels/fc_pairs.h"
#endif

enum { few_images = 8 }; /* up to so many, reading the weights takes longer than multiplying */

static size_t fc_workspace_bytes(int images, int inputs, int outputs) {
    (void)outputs;
    return images <= few_images ? 0 : fc_many_bytes(images, inputs);
}

static void fc_forward(const an_fc_job *job) {
    (job->images <= few_images ? fc_forward_few : fc_forward_many)(job);
}

SPARSE_ENGINE(fp32, AN_FP32)
SPARSE_ENGINE(bf16, AN_BF16)
SPARSE_ENGINE(int8, AN_INT8)
