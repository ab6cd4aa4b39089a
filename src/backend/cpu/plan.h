/*
 * The cpu backend's plan: what is decided once (build.c), and done for every batch (run.c).
 *
 * Activations are blocked (kernels/kernels.h) from the first convolution to the last pooling layer
 * and plain from the first fully connected layer or dropout on; between the two, and around the few
 * layers that the reference backend's functions do, they are converted.
 *
 * For inference the layers below the second convolution, whose maps are the largest by far, take a
 * few images at a time through all of them, so that these maps stay in the caches (the front).
 *
 * Every tensor stands in a buffer. Training needs every layer's output until the backward pass has
 * come to it, so each has a buffer of its own; for inference two take turns, and in training two
 * others do for the gradients. ReLU and dropout work in place. With options.observe, nothing is
 * fused, in place or shared, so that every layer's output can be read.
 */
#ifndef AN_BACKEND_CPU_PLAN_H
#define AN_BACKEND_CPU_PLAN_H

#include "backend/cpu/conv.h"
#include "backend/cpu/fc.h"
#include "core/memory.h"

enum { AN_CPU_MAX_BUFFERS = 5 * AN_MAX_LAYERS };

/* Memory for one tensor after the other. */
typedef struct an_cpu_buffer {
    size_t count; /* floats */
    float *data;
} an_cpu_buffer;

/* A layer and its tensors, which are indices of buffers; -1: none. */
typedef struct an_cpu_layer {
    const an_layer *layer;
    bool in_blocked, out_blocked; /* layouts of its input, as it takes it, and of its output */
    bool skip;                    /* forward, there is nothing (left) to do */
    bool skip_backward;           /* likewise */
    bool relu;                    /* AN_CONV, AN_FC: does the ReLU that follows, too */
    bool through_relu;            /* AN_MAX_POOL, AN_LRN: does the ReLU below, too */
    const an_layer *lrn;          /* AN_MAX_POOL: does that normalisation below, too */
    bool reference;               /* the reference backend's functions do it */
    int converted;                /* the input in the other layout */
    int x, y;                     /* input as taken (-1: the network's), output */
    int scale;                    /* reference normalisation: what its backward pass needs */
    int dy, dx;                   /* their gradients */
    int dconverted;               /* gradient of what was converted; dx is that of `converted` */
    an_conv conv;                 /* AN_CONV */
    an_fc fc;                     /* AN_FC */
} an_cpu_layer;

typedef struct an_cpu_plan {
    an_plan base;
    an_dnnl dnnl;
    const an_kernels *kernels;
    an_cpu_layer layers[AN_MAX_LAYERS];
    an_cpu_buffer buffers[AN_CPU_MAX_BUFFERS];
    int buffer_count;
    int front;   /* so many layers at the bottom do ... */
    int portion; /* ... so many images at a time */
    int staging; /* the input of fewer images than the batch, filled up for a first layer that
                  takes whole batches; -1: never needed */
    int input_gradient; /* plain (N, C, H, W); -1 unless observing and training */
    an_arena activation_memory, parameter_memory, gradient_memory, momentum_memory,
        workspace_memory;
    /* In training, all parameters one behind the other in the network's order, and likewise: */
    float *parameters, *gradients, *momentum;
    /* Where the plain parameters are. For inference, those of layers that pack their weights are
     * packed[] (of weights) and copies (biases), and the others stay with the caller. */
    const float *tensor[AN_MAX_PARAMETERS];
    float *packed[AN_MAX_PARAMETERS];
    float *packing;   /* training: packed weights of the convolution at work */
    float *workspace; /* of the convolution or fully connected layer at work */
} an_cpu_plan;

/* Decides layouts, fusions and buffers of all layers; makes the convolutions. */
alexnet_status an_cpu_build(an_cpu_plan *plan, alexnet_error *error);

/* The data of a buffer. */
static inline float *an_cpu_data(const an_cpu_plan *plan, int buffer) {
    return plan->buffers[buffer].data;
}

/* All layers forward on `images` images; `step` is NULL in testing. */
alexnet_status an_cpu_run_forward(an_cpu_plan *plan, const float *input, int images,
                                  const an_step *step, alexnet_error *error);

/* All layers backward, from the gradient in the last layer's dy, with the updates. */
alexnet_status an_cpu_run_backward(an_cpu_plan *plan, const an_step *step, alexnet_error *error);

#endif
