/*
 * Fully connected layers of any number of images: an engine for each type.
 *
 * That of float32 (an_kernels.fc) takes the weights (O, I) where they are. Those of bfloat16 and
 * int8 have them packed for inference: an instruction multiplies four bytes of an image (2 bfloat16
 * or 4 bytes) with those of 16 outputs and adds up in 32 bits. Weights lie so that both one image
 * and many read them in one long run: panels of 32 outputs, in which four bytes of one output stand
 * next to the same of the next. With one image that run is all there is to it; with many, a panel
 * is multiplied with tiles of images, whose sums stay in registers, block by block of what fits the
 * first cache.
 */
#ifndef AN_BACKEND_CPU_KERNELS_FC_ENGINE_H
#define AN_BACKEND_CPU_KERNELS_FC_ENGINE_H

#include "backend/backend.h"
#include "core/memory.h"

/* y (N, O) = x (N, I) w^T + b, ReLU on top if `relu`. */
typedef struct an_fc_job {
    int images, inputs, outputs;
    const float *x;
    const void *packed; /* w, by the engine's pack; or NULL and */
    const float *w;     /* w as it is: float32, and bfloat16 in training */
    const float *b;
    bool relu;
    float *y;
    void *workspace;   /* of the engine's workspace_bytes, aligned */
    bool signed_input; /* int8: x may be negative */
} an_fc_job;

/* Outputs [first, last) of w are packed. Others may be at another time: the bounds are multiples of
 * the engine's packed_together, but for the last of all. */
typedef struct an_fc_packing {
    int inputs, outputs;
    int first, last;
    const float *w; /* (last - first, I) */
    void *packed;   /* of all outputs */
} an_fc_packing;

/* dw (O, I) = dy (N, O)^T x (N, I), and then the update of w and its velocity v, unless NULL. */
typedef struct an_fc_gradient {
    int images, inputs, outputs;
    const float *x, *dy;
    float *dw;
    const an_update *update;
    float momentum;
    float *v, *w;
    void *workspace; /* of the engine's backward_workspace_bytes, aligned */
} an_fc_gradient;

/* What there is of each type. Bytes are multiples of AN_ALIGNMENT. */
typedef struct an_fc_engine {
    /* NULL where weights are never packed. */
    size_t (*packed_bytes)(int inputs, int outputs);
    int packed_together;
    void (*pack)(const an_fc_packing *job);
    /* Once all outputs are packed; NULL: nothing is left to do then. */
    alexnet_status (*arrange)(int inputs, int outputs, void *packed, alexnet_error *error);
    /* Of forward; does not grow when images become fewer. */
    size_t (*workspace_bytes)(int images, int inputs, int outputs);
    void (*forward)(const an_fc_job *job);
    /* Training, with plain weights; NULL: not in this type. dx (N, I) = dy (N, O) w (O, I). */
    size_t (*backward_workspace_bytes)(int images, int inputs, int outputs);
    void (*backward_input)(int images, int inputs, int outputs, const float *w, const float *dy,
                           float *dx, void *workspace);
    void (*backward_weights)(const an_fc_gradient *job);
} an_fc_engine;

#ifdef __x86_64__
extern const an_fc_engine an_fc_bf16;                     /* where an_can_bf16() */
extern const an_fc_engine an_fc_int8;                     /* where an_can_int8() */
extern const an_fc_engine an_fc_amx_bf16, an_fc_amx_int8; /* where an_can_amx() */
#endif

#endif
