/* Trying out on the GPU how something is computed fastest, before a plan takes its memory. */
#ifndef AN_BACKEND_CUDA_TRIAL_H
#define AN_BACKEND_CUDA_TRIAL_H

#include "backend/cuda/gpu.h"

enum { AN_TRIAL_PARTS = 4 };

typedef struct an_trial {
    an_device *device;
    void *block, *part[AN_TRIAL_PARTS]; /* the block's, aligned as CUDA's allocations are */
    cudaEvent_t begin, end;
} an_trial;

/* Takes parts of so many bytes, zeroed, for a while; false where they cannot be had. Ended with
 * an_trial_end where it is true. */
bool an_trial_begin(an_trial *trial, an_device *device, const size_t bytes[AN_TRIAL_PARTS]);
void an_trial_end(an_trial *trial);

/* The number of the fastest of `ways`, each of which `enqueue` enqueues in the device's stream; -1
 * where none works. */
int an_trial_fastest(const an_trial *trial, int ways,
                     alexnet_status (*enqueue)(void *context, int way), void *context);

#endif
