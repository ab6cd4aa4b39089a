/*
 * Convolutions on blocked activations (the network's input: plain): in bfloat16 and int8 by tiles
 * where the processor has them, by Winograd's algorithm where that fits, a first one with a stride
 * by its phases, or else by kernels for few maps (first.h); others, and the gradient of a plain
 * input, by oneDNN.
 *
 * Each wants weights in a form of its own, another for each pass. A plan for inference packs them
 * once and forgets the plain ones; a plan for training keeps plain master weights and packs them in
 * every pass, which costs little: all convolutions of AlexNet have 15 MB.
 */
#ifndef AN_BACKEND_CPU_CONV_H
#define AN_BACKEND_CPU_CONV_H

#include "backend/cpu/amx_conv.h"
#include "backend/cpu/dnnl.h"
#include "backend/cpu/first.h"
#include "backend/cpu/kernels/kernels.h"

/* One pass of a convolution by oneDNN, and the way of its weights to or from the plain layout. */
typedef struct an_conv_pass {
    an_primitive compute, reorder;
    size_t weight_bytes; /* of the packed weights, or their packed gradient */
    size_t scratch_bytes;
} an_conv_pass;

/* How a convolution is computed: all passes, but that oneDNN does the gradient of a plain input,
 * and of one that Winograd's kernels have not in pairs of blocks. */
typedef enum an_conv_way {
    AN_BY_DNNL,
    AN_BY_WINOGRAD,
    AN_BY_FIRST, /* kernels for few maps */
    AN_BY_TILES  /* of AMX */
} an_conv_way;

/* All zero until made; freed with an_conv_free. */
typedef struct an_conv {
    const an_layer *layer;
    const an_kernels *kernels;
    const an_dnnl *dnnl;
    int images;
    bool training, plain_input;
    an_conv_way way;
    an_winograd winograd, winograd_input, winograd_weights;
    an_amx_conv tiles, tiles_input, tiles_weights;
    an_first first;
    an_conv_pass forward, input, weights; /* by oneDNN; the latter two in training */
} an_conv;

/* How a plan uses a convolution. */
typedef struct an_conv_options {
    int images;       /* of a batch */
    int threads;      /* that compute */
    bool plain_input; /* x is plain, not blocked */
    bool training;
    bool input_gradient;
    bool signed_input; /* int8: x may be negative */
    an_precision precision;
} an_conv_options;

/* `dnnl` and `kernels` must outlive it. */
alexnet_status an_conv_make(an_conv *conv, const an_dnnl *dnnl, const an_kernels *kernels,
                            const an_layer *layer, const an_conv_options *options,
                            alexnet_error *error);
void an_conv_free(an_conv *conv);

/* Whether a convolution of blocked activations would do the ReLU behind it, too. (oneDNN's turns
 * NaN into 0, and so would hide that training has gone astray.) */
bool an_conv_does_relu(const an_kernels *kernels, const an_layer *layer);

/* Whether an_conv_forward reads and computes whole batches, however few images are asked for. */
bool an_conv_takes_whole_batches(const an_conv *conv);

/* Bytes of the packed weights that an_conv_forward takes. */
size_t an_conv_packed_bytes(const an_conv *conv);

/* Bytes of the workspace that the other functions take: the most that one of them needs. */
size_t an_conv_workspace_bytes(const an_conv *conv);

/* Packs plain weights for an_conv_forward. `input_range` as in an_weights, 0 where unknown; of
 * pictures it is used, of other layers' inputs each image's own range is, as fully connected layers
 * do, since other pictures may exceed what was seen. */
alexnet_status an_conv_pack(const an_conv *conv, const float *weights, float input_range,
                            float *packed, void *workspace, alexnet_error *error);

/* Forward with packed weights, of `images` images at least. relu: where an_conv_does_relu. */
alexnet_status an_conv_forward(const an_conv *conv, int images, const float *x, const float *packed,
                               const float *bias, bool relu, float *y, void *workspace,
                               alexnet_error *error);

/* dx from dy and plain weights; dw (plain) and db from x and dy. */
alexnet_status an_conv_backward_input(const an_conv *conv, const float *weights, const float *dy,
                                      float *dx, void *workspace, alexnet_error *error);
alexnet_status an_conv_backward_weights(const an_conv *conv, const float *x, const float *dy,
                                        float *dw, float *db, void *workspace,
                                        alexnet_error *error);

#endif
