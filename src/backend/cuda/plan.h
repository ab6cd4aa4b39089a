/* The plans of the cuda backend; plan.c. They know the device only through device.h. */
#ifndef AN_BACKEND_CUDA_PLAN_H
#define AN_BACKEND_CUDA_PLAN_H

#include "backend/backend.h"
#include "backend/cuda/device.h"

/* The backend that the plug-in offers; in the library an_backend_cuda stands for it. */
extern const an_backend an_backend_cuda_plan;

/* What a block of the device's memory is for, as an_plan_memory has it. */
typedef enum an_cuda_use {
    AN_CUDA_PARAMETERS_USE,
    AN_CUDA_GRADIENTS_USE,
    AN_CUDA_MOMENTUM_USE,
    AN_CUDA_ACTIVATIONS_USE,
    AN_CUDA_WORKSPACE_USE,
    AN_CUDA_USES
} an_cuda_use;

/* Parts of the one block of memory that a plan takes. */
typedef struct an_cuda_part {
    void *pointer; /* the pointer to it that is to be set, of whatever type */
    size_t bytes;
} an_cuda_part;

/* A layer, as this plan computes it. Activations are (N, H, W, C). */
typedef struct an_cuda_layer {
    const an_layer *layer;
    int in_maps;      /* of its input, as they are stored */
    an_number number; /* of its output */
    int x, y;         /* buffers of its input and output */
    int dx, dy;       /* ... of their gradients; dx -1: nobody wants it */
    bool relu;        /* AN_CONV, AN_FC: it does the ReLU above, too */
    bool bare;        /* AN_CONV: its bias and the ReLU above are left to the layer above that;
                         AN_FC: the ReLU is */
    bool done;        /* AN_RELU, AN_LRN: another layer does it */
    bool undone;      /* ... and its gradient */
    int norm;         /* AN_MAX_POOL: the AN_LRN below, if it does that, too; -1: it does not */
    int entry;        /* AN_MAX_POOL, AN_LRN: the bias that it adds to its input before ReLU, as a
                         parameter's index; AN_DROPOUT: it only does ReLU; -1: neither */
    uint8_t *place;   /* max pooling, training: where the maxima were */
    float *base;      /* AN_LRN_WITHIN: the bases of the powers */
    an_convolution *convolution;
    an_product *forward, *input, *weights; /* AN_FC */
} an_cuda_layer;

enum {
    AN_CUDA_ALIGNMENT = 128, /* numbers: the 256 bytes that cuBLASLt expects, in 16 bits, too */
    AN_CUDA_MAX_BUFFERS = 2 * AN_MAX_LAYERS + 2,
    AN_CUDA_MAX_PARTS = AN_CUDA_MAX_BUFFERS + 2 * AN_MAX_LAYERS + 16
};

/* What a step takes along and what comes back, in the program's memory. */
typedef struct an_cuda_letter {
    an_cuda_state state;
    an_cuda_outcome outcome;
    int32_t labels[]; /* (2, N): labels and second labels */
} an_cuda_letter;

/* What is enqueued in the same way each time, and so recorded. */
typedef struct an_cuda_usual {
    uint64_t times;             /* that it was done, so far */
    an_recording *recording[2]; /* of one that reads either arrival; NULL: there is none */
} an_cuda_usual;

typedef struct an_cuda_plan {
    an_plan base;
    an_device *device;
    an_cuda_layer layers[AN_MAX_LAYERS];
    an_number number;     /* of activations and of the weights that products read */
    float gradient_scale; /* of activations' gradients: an_gradient_scale */

    /* Activations and their gradients, several of which may share a buffer. */
    void *buffers[AN_CUDA_MAX_BUFFERS];
    size_t buffer_bytes[AN_CUDA_MAX_BUFFERS];
    int buffer_count, input, input_gradient; /* input_gradient -1: not computed */
    int input_maps;                          /* as they are stored */

    /* Parameters in the order of the network: weights (O, K, K, C / groups), fully connected ones
     * (O, H, W, C), each at a multiple of AN_CUDA_ALIGNMENT. */
    float *parameters, *gradients, *momentum;
    uint16_t *rounded; /* the parameters in 16 bits; NULL: computing in float32 */
    size_t begin[AN_MAX_PARAMETERS], stored[AN_MAX_PARAMETERS];
    size_t stored_floats; /* of all of them */

    /* Inputs as they come, (N, C, H, W) or pictures: one may be on its way while the other is
     * read. */
    void *arrival[2];
    an_feed *feed[2];
    const void
        *staged[2]; /* what is on its way into each, or there and not read yet; NULL: nothing */
    int newest;     /* of the two, the one into which a copy was begun last */
    int slot;       /* ... that what is under way, or was last, has read */
    bool pictures;  /* ... and whether it held pictures */

    float
        *plain; /* another tensor on its way between program and device, in the contract's layout */
    float *bias_parts; /* partial sums of biases' gradients */
    void *workspace;   /* of convolutions and products */
    size_t plain_floats, bias_floats, workspace_bytes;
    int32_t *labels, *second, *ranks; /* (N) */
    float *losses;                    /* (N) */
    an_cuda_state *state;
    an_cuda_outcome *outcome;
    an_exchange *exchange[AN_STEPS_UNDER_WAY]; /* training: an_cuda_letter of step s in s % 2 */

    an_cuda_part parts[AN_CUDA_USES][AN_CUDA_MAX_PARTS];
    int part_count[AN_CUDA_USES];
    size_t bytes[AN_CUDA_USES];
    void *block; /* that holds all of it */
    /* On floats, and on pictures: */
    an_cuda_usual steps[2];
    an_cuda_usual forwards[2]; /* inference */
    bool unrecordable;         /* recording was tried, and failed */
} an_cuda_plan;

/* build.c: decides on layouts and buffers, takes the memory, and prepares the device's operations.
 * What there is after a failure an_cuda_plan_free frees. */
alexnet_status an_cuda_build(an_cuda_plan *plan, alexnet_error *error);

/* run.c: all layers forward, from the input's buffer; `step` is NULL in testing. */
alexnet_status an_cuda_run_forward(an_cuda_plan *plan, const an_step *step, alexnet_error *error);

/* All layers backward, from the gradient in the last layer's place. */
alexnet_status an_cuda_run_backward(an_cuda_plan *plan, const an_step *step, alexnet_error *error);

/* plan.c: copies a parameter's gradient out and back in, for the step's gradient_ready. */
alexnet_status an_cuda_report_gradient(an_cuda_plan *plan, const an_step *step, int parameter,
                                       alexnet_error *error);

#endif
