/*
 * Fully connected layers on plain activations (N, I).
 *
 * In float32 the weights (O, I) are used where they are. In bfloat16 and int8, and for one image
 * behind a ReLU (kernels/fc_sparse.h), a plan for inference packs them once and forgets the plain
 * ones; one for training keeps float32 weights and rounds them to bfloat16 in every pass.
 */
#ifndef AN_BACKEND_CPU_FC_H
#define AN_BACKEND_CPU_FC_H

#include "backend/cpu/kernels/fc_engine.h"
#include "backend/cpu/kernels/kernels.h"

/* A layer and how it is computed; nothing to free. */
typedef struct an_fc {
    const an_layer *layer;
    const an_kernels *kernels;
    const an_fc_engine *engine;
    int images; /* the most at a time */
    bool training;
    bool signed_input; /* x may be negative */
} an_fc;

/* How a plan uses a layer. */
typedef struct an_fc_options {
    int images;
    bool training;
    bool signed_input;
    bool brief;
    an_precision precision;
} an_fc_options;

an_fc an_fc_make(const an_kernels *kernels, const an_layer *layer, const an_fc_options *options);

/* Bytes of the packed weights that an_fc_forward takes; 0 where it takes the plain ones. */
size_t an_fc_packed_bytes(const an_fc *fc);

/* Bytes of the workspace that each pass takes. */
size_t an_fc_workspace_bytes(const an_fc *fc);

/* Packs plain weights w of outputs [first, last); see an_fc_packing. */
void an_fc_pack(const an_fc *fc, int first, int last, const float *w, void *packed);

/* Once all outputs are packed: makes the weights fit for an_fc_forward. */
alexnet_status an_fc_arrange(const an_fc *fc, void *packed, alexnet_error *error);

/* y (N, O) = x w^T + b, with ReLU on top where asked for; w plain or packed. */
void an_fc_forward(const an_fc *fc, int images, const float *x, const float *w, const float *b,
                   bool relu, float *y, void *workspace);

/* dx (N, I) = dy w, w plain */
void an_fc_backward_input(const an_fc *fc, const float *w, const float *dy, float *dx,
                          void *workspace);

/* The update of weights w and their velocity v. */
typedef struct an_fc_update {
    const an_update *rule;
    float momentum;
    float *v, *w;
} an_fc_update;

/* dw (O, I) = dy^T x, db (O) = sum of dy over the images; and the update, unless NULL: gradients
 * are in the registers then, and memory is passed once rather than twice. */
void an_fc_backward_weights(const an_fc *fc, const float *x, const float *dy, float *dw, float *db,
                            const an_fc_update *update, void *workspace);

#endif
