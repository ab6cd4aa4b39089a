/*
 * Convolutions by oneDNN, on blocked activations (the network's input: plain).
 *
 * oneDNN wants weights in layouts of its own, another for each pass. A plan for inference packs
 * them once and forgets the plain ones; a plan for training keeps plain master weights and packs
 * them in every pass, which costs next to nothing: all convolutions of AlexNet have 15 MB.
 */
#ifndef AN_BACKEND_CPU_CONV_H
#define AN_BACKEND_CPU_CONV_H

#include "backend/cpu/dnnl.h"
#include "backend/cpu/kernels/kernels.h"

/* One pass of a convolution, and the way of its weights to or from the plain layout. */
typedef struct an_conv_pass {
    an_primitive compute, reorder;
    size_t weight_bytes; /* of the packed weights, or their packed gradient */
    size_t scratch_bytes;
} an_conv_pass;

/* All zero until made; freed with an_conv_free. */
typedef struct an_conv {
    const an_layer *layer;
    an_conv_pass forward, input, weights; /* the latter two in training */
} an_conv;

/* How a plan uses a convolution. */
typedef struct an_conv_options {
    int images;
    bool plain_input; /* x is plain, not blocked */
    bool training;
    bool input_gradient;
} an_conv_options;

alexnet_status an_conv_make(an_conv *conv, const an_dnnl *dnnl, const an_kernels *kernels,
                            const an_layer *layer, const an_conv_options *options,
                            alexnet_error *error);
void an_conv_free(an_conv *conv);

/* Bytes of the packed weights that an_conv_forward takes. */
size_t an_conv_packed_bytes(const an_conv *conv);

/* Bytes of the workspace that the other functions take: the most that one of them needs. */
size_t an_conv_workspace_bytes(const an_conv *conv);

/* Packs plain weights for an_conv_forward. */
alexnet_status an_conv_pack(const an_conv *conv, const an_dnnl *dnnl, const float *weights,
                            float *packed, alexnet_error *error);

/* Forward with packed weights. */
alexnet_status an_conv_forward(const an_conv *conv, const an_dnnl *dnnl, const float *x,
                               const float *packed, const float *bias, float *y, void *workspace,
                               alexnet_error *error);

/* dx from dy and plain weights; dw (plain) and db from x and dy. */
alexnet_status an_conv_backward_input(const an_conv *conv, const an_dnnl *dnnl,
                                      const float *weights, const float *dy, float *dx,
                                      void *workspace, alexnet_error *error);
alexnet_status an_conv_backward_weights(const an_conv *conv, const an_dnnl *dnnl, const float *x,
                                        const float *dy, float *dw, float *db, void *workspace,
                                        alexnet_error *error);

#endif
