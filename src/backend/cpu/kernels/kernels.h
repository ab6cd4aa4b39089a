/*
 * The cpu backend's own kernels, for what oneDNN does not do or does more slowly.
 *
 * They work on blocked activations (N, C / B, H, W, B): B = 16 or 8 maps side by side, as many as a
 * vector register holds, so that every operation along pixels is done for B maps at once. Where C
 * is no multiple of B the last block is filled up with zeros, and every kernel keeps them zero.
 * This is oneDNN's nChw16c and nChw8c. "Plain" is (N, C, H, W).
 *
 * The kernels are written once (kernels_*.h) in terms of a vector of B floats (vector.h) and
 * compiled for each instruction set (kernels_avx512.c, ...): a table of functions each.
 *
 * `layer` has the shapes and constants as in the reference backend's functions, whose formulas
 * these kernels share; `images` is N. Buffers of activations are aligned to AN_ALIGNMENT; x and y
 * (or dy and dx) must not overlap unless it says so. Each runs in an OpenMP team and gives the same
 * bits for the same number of threads.
 */
#ifndef AN_BACKEND_CPU_KERNELS_H
#define AN_BACKEND_CPU_KERNELS_H

#include "backend/backend.h"
#include "backend/cpu/amx_conv.h"
#include "backend/cpu/kernels/fc_engine.h"
#include "backend/cpu/kernels/first_work.h"
#include "backend/cpu/winograd.h"

typedef struct an_kernels {
    const char *name; /* of the instruction set */
    int block;        /* B */

    /* Between plain and blocked activations. */
    void (*block_maps)(an_shape shape, int images, const float *plain, float *blocked);
    void (*unblock_maps)(an_shape shape, int images, const float *blocked, float *plain);

    /* The first convolution, forward, and the gradient of its weights; see first_work.h. */
    void (*first_forward)(const an_first_work *work, const an_first_data *data);
    void (*first_gradient)(const an_first_work *work, const an_first_data *data);

    /* y = max(x, 0), NaN staying NaN; dx = dy where y > 0, else 0. In place too; any layout. */
    void (*relu_forward)(size_t count, const float *x, float *y);
    void (*relu_backward)(size_t count, const float *y, const float *dy, float *dx);

    /* Max pooling, blocked. through_relu: of max(x, 0), as if a ReLU came before, and dx the
     * gradient of that ReLU's input. */
    void (*pool_forward)(const an_layer *layer, int images, bool through_relu, const float *x,
                         float *y);
    void (*pool_backward)(const an_layer *layer, int images, bool through_relu, const float *x,
                          const float *dy, float *dx);

    /* Local response normalisation across maps, blocked; those that an_lrn_fits only. through_relu
     * as for pooling. */
    void (*lrn_forward)(const an_layer *layer, int images, bool through_relu, const float *x,
                        float *y);
    void (*lrn_backward)(const an_layer *layer, int images, bool through_relu, const float *x,
                         const float *dy, float *dx);

    /* Normalisation and the pooling above it in one pass, where an_lrn_pool_fits. through_relu as
     * if a ReLU came before both. `work` has lrn_pool_floats for each thread. */
    size_t (*lrn_pool_floats)(const an_layer *lrn, const an_layer *pool);
    void (*lrn_pool_forward)(const an_layer *lrn, const an_layer *pool, int images,
                             bool through_relu, const float *x, float *y, float *work);
    void (*lrn_pool_backward)(const an_layer *lrn, const an_layer *pool, int images,
                              bool through_relu, const float *x, const float *dy, float *dx,
                              float *work);

    /*
     * Winograd's convolution (winograd.h): plain weights transformed, for either direction; y, or
     * the gradient of the input, with bias (NULL: none) and ReLU on top; and the gradients of
     * weights and biases, whose transformed form needs as much memory as the weights'.
     */
    void (*winograd_weights)(const an_winograd *w, const float *plain, float *weights, float *work);
    void (*winograd_forward)(const an_winograd *w, int images, const float *x, const float *weights,
                             const float *bias, bool relu, float *y, float *work);
    void (*winograd_gradient)(const an_winograd *w, int images, const float *x, const float *dy,
                              float *dw, float *db, float *gradient, float *work);

    /* Convolutions by tiles; NULL: none with blocks of B maps. */
    const an_amx_conv_kernels *tiles;

    /* Fully connected, plain, in float32; and of one image, whose zeros are skipped, with weights
     * in AN_FP32, AN_BF16 or AN_INT8. */
    an_fc_engine fc;
    const an_fc_engine *fc_sparse[AN_INT8 + 1];
    const an_fc_engine *fc_int8; /* of pairs of 16-bit integers; NULL: none */
    /* db (O) = sum over images of dy (N, O). */
    void (*sum_images)(int images, int outputs, const float *dy, float *db);

    /* x <- x * mask * factor, plain, in place; see backend.h for the mask. */
    void (*dropout)(const an_layer *layer, int index, int images, const an_step *step, float *x);

    /* v <- m v - d e w - e g; w <- w + v. */
    void (*update)(const an_update *update, float momentum, size_t count, const float *gradient,
                   float *v, float *w);

    /* For measuring limits, by the calling thread alone: does multiply-adds in registers and
     * returns how many operations that were; reads all of x, count a multiple of B. */
    double (*multiply_adds)(int rounds);
    double (*multiply_adds_int16[AN_INT16_VNNI + 1])(int rounds); /* NULL: none by these */
    float (*read_through)(size_t count, const float *x);
} an_kernels;

/* The best kernels that this machine, and what oneDNN has been limited to, can run. */
const an_kernels *an_kernels_best(void);

/* Whether this machine, and what oneDNN has been limited to, multiplies pairs of bfloat16
 * (AVX512_BF16), or quadruples of bytes (AVX512_VNNI); and how `kernels`, which it can run, best
 * multiply pairs of 16-bit integers. */
bool an_can_bf16(void);
bool an_can_int8(void);
bool an_can_amx(void); /* both, in tiles; amx.h */
an_int16 an_can_int16(const an_kernels *kernels);

/* As multiply_adds, by those instructions, which must be there. */
double an_multiply_adds_bf16(int rounds);
double an_multiply_adds_int8(int rounds);
double an_multiply_adds_amx_bf16(int rounds);
double an_multiply_adds_amx_int8(int rounds);

/* Whether the kernels' normalisation fits a layer: across maps, 5 of them, beta = 0.75, towers of
 * whole blocks. Other layers go to the reference backend's functions. */
bool an_lrn_fits(const an_kernels *kernels, const an_layer *layer);

/* Whether lrn_pool_forward and lrn_pool_backward can do a normalisation and the pooling above it:
 * windows of 3 x 3 in steps of 2 that cover the picture exactly. */
bool an_lrn_pool_fits(const an_kernels *kernels, const an_layer *lrn, const an_layer *pool);

/* Number of floats of `images` blocked images of a shape. */
size_t an_blocked_count(const an_kernels *kernels, an_shape shape, int images);

extern const an_kernels an_kernels_base; /* any processor */
#ifdef __x86_64__
extern const an_kernels an_kernels_avx2;
extern const an_kernels an_kernels_avx512;
#endif

#endif
