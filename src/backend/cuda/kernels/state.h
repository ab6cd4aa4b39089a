/* What changes from step to step; in the device's memory, so that a recording may stay. */
#ifndef AN_BACKEND_CUDA_KERNELS_STATE_H
#define AN_BACKEND_CUDA_KERNELS_STATE_H

#include <stdint.h>

enum { AN_CUDA_PARAMETERS = 16 };

typedef struct an_cuda_state {
    uint64_t seed, position;
    uint32_t epoch;
    uint32_t purpose; /* of dropout's random numbers */
    int32_t dropout;  /* 0: dropout layers act as in testing */
    int32_t counted;  /* images with a label */
    int32_t mixed;    /* 1: images have a second label */
    float momentum;
    float share;     /* of an image's first label */
    float smoothing; /* of the target, that all classes have alike */
    float learning_rate[AN_CUDA_PARAMETERS], weight_decay[AN_CUDA_PARAMETERS];
} an_cuda_state;

#endif
