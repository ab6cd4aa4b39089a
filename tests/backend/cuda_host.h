/* What tests may change of the cuda backend's device in plain C, cuda_host.c. */
#ifndef AN_CUDA_HOST_H
#define AN_CUDA_HOST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct an_cuda_host {
    size_t memory; /* bytes that are free */
    bool bf16;
    bool no_bias; /* products are not made that add one */
    bool no_recordings;
    size_t replays; /* of recordings, so far */
    size_t feeds;   /* copies begun in feeds so far */
    int pinned;     /* blocks that are pinned */
    int measured;   /* operations that may be computed in the way that measures fastest, so far */
    int unkept;     /* ... of which nobody has said that what was measured is to be kept */
} an_cuda_host;

an_cuda_host *an_cuda_host_settings(void);

#endif
