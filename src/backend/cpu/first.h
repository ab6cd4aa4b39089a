/*
 * The first convolution by own kernels (kernels/first_work.h): plain input of at most four maps,
 * any window, stride and padding, blocked output.
 *
 * The functions are those of conv.h, without the gradient of the input, which only an observing
 * plan wants.
 */
#ifndef AN_BACKEND_CPU_FIRST_H
#define AN_BACKEND_CPU_FIRST_H

#include "backend/cpu/kernels/kernels.h"

enum { AN_FIRST_MAX_MAPS = 4 };

/* All zero until made; freed with an_first_free. */
typedef struct an_first {
    const an_kernels *kernels;
    an_precision precision;
    an_first_work work;
} an_first;

/* Whether these kernels can compute a layer. */
bool an_first_fits(const an_layer *layer);

/* To be computed by `threads` threads in a precision that the machine can. */
alexnet_status an_first_make(an_first *first, const an_kernels *kernels, const an_layer *layer,
                             an_precision precision, int threads, alexnet_error *error);
void an_first_free(an_first *first);

/* Bytes of the packed weights that an_first_forward takes. */
size_t an_first_packed_bytes(const an_first *first);

/* Bytes of the workspace that the other functions take, forward only or also backward. */
size_t an_first_workspace_bytes(const an_first *first, bool training);

/* Packs plain weights (O, C, K, K) for an_first_forward. int8: `range` is the largest magnitude of
 * x that counts, 0 where that is each image's own. */
void an_first_pack(const an_first *first, const float *weights, float range, void *packed);

/* y (blocked) from x (images, C, H, W), packed weights and biases (O). */
void an_first_forward(const an_first *first, int images, const float *x, const void *packed,
                      const float *bias, float *y, void *workspace);

/* dw (O, C, K, K) and db (O) from x and dy (blocked); float32 and bfloat16. */
void an_first_backward_weights(const an_first *first, int images, const float *x, const float *dy,
                               float *dw, float *db, void *workspace);

#endif
