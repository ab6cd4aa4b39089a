/*
 * Winograd's convolution for windows of 3 x 3 and 5 x 5 with stride 1, on blocked activations
 * (Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308).
 *
 * An output tile of m x m pixels comes from an input tile of p x p, p = m + r - 1. Both tile and
 * window are evaluated at p x p points, where the convolution is one product a point:
 *
 *     Y = A^T [ sum over maps (G w G^T) . (B^T d B) ] A
 *
 * For each point that sum is a matrix product (tiles x maps in) (maps in x maps out), and a direct
 * convolution would take (m r / p)^2 times as many multiplications: 4.6 for 3 x 3 windows with
 * m = 5, 6.3 for 5 x 5 with m = 4. The larger m, the larger the rounding errors and the transformed
 * weights, so there is a choice of algorithms (an_winograd_choose).
 *
 * The gradient of the input is the same operation on the output's gradient, with the window turned
 * around and its maps exchanged. That of the weights is the transposed one:
 *
 *     dw = G^T [ sum over tiles (B^T d B) . (A dY A^T) ] G
 *
 * A first convolution with a stride is seen in its phases (view.h). For 11 x 11 windows in steps of
 * 4 F(4x4, 3x3) needs 3.2 times fewer multiplications than the 11 x 11, F(5x5, 3x3) 3.9.
 */
#ifndef AN_BACKEND_CPU_WINOGRAD_H
#define AN_BACKEND_CPU_WINOGRAD_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/cpu/pass.h"
#include "backend/cpu/view.h"

/* F(m x m, r x r); the order is that of the kernels' table. */
typedef enum an_winograd_algorithm {
    AN_WINOGRAD_2_3,
    AN_WINOGRAD_4_3,
    AN_WINOGRAD_5_3,
    AN_WINOGRAD_2_5,
    AN_WINOGRAD_4_5,
    AN_WINOGRAD_ALGORITHMS
} an_winograd_algorithm;

/* How pairs of 16-bit integers are multiplied: not at all, by instructions that AVX2 and AVX-512
 * have in any case, or by those of AVX-VNNI and AVX512_VNNI. To the same bits. */
typedef enum an_int16 { AN_INT16_NONE, AN_INT16_PAIRS, AN_INT16_VNNI } an_int16;

/* One pass of a convolution, as the kernels see it. */
typedef struct an_winograd {
    an_winograd_algorithm algorithm;
    int tile, window, points; /* m, r, p */
    int groups;
    an_phase_maps phases;
    an_shape in, out; /* in: of phases */
    int pad;
    bool turned;    /* weights come for the opposite direction: this is the gradient of the input */
    an_int16 int16; /* whether its products are those of integers: inference below float32 */
    int block;      /* B of the kernels */
    int threads;    /* as many as the workspace is for */
    int tiles_down, tiles_across;
    /* Images are done in rounds, whose transformed tiles fit the cache that the cores share, and
     * tiles in chunks, whose products fit a core's own. */
    int round; /* images */
    int chunk; /* tiles */
} an_winograd;

/* Whether the kernels with blocks of B maps can do a layer: window, stride, whole blocks, and of
 * the output pairs of them; and the gradient of its input, where the input has to be in pairs. */
bool an_winograd_fits(const an_layer *layer, int block);
bool an_winograd_fits_input(const an_layer *layer, int block);

/* Whether they can do the first layer by its phases, from plain images; not to the gradient of its
 * input. */
bool an_winograd_fits_phases(const an_layer *layer, int block);

/* How a plan uses it. */
typedef struct an_winograd_options {
    an_pass pass;
    int images; /* of a batch */
    int threads;
    int block;      /* B of the kernels */
    an_int16 int16; /* AN_PASS_FORWARD: at most an_can_int16() */
} an_winograd_options;

/* How an algorithm of the layer's window does that. */
an_winograd an_winograd_of(const an_layer *layer, an_winograd_algorithm algorithm,
                           const an_winograd_options *options);

/* The same with the algorithm that is expected to be the fastest. */
an_winograd an_winograd_choose(const an_layer *layer, const an_winograd_options *options);

/* Floats from a chunk's inputs (tile, C) at one point to those at the next: a line of the cache
 * more than they have, or in powers of two all points would be in the same sets of a cache. */
static inline size_t an_winograd_matrix_floats(const an_winograd *w) {
    return (size_t)w->chunk * w->in.c + 16;
}

/* Floats of the phases that a thread takes out of an image at a time: a block of maps, or of
 * integers a row of tiles of all maps. */
static inline size_t an_winograd_phase_floats(const an_winograd *w) {
    if (w->phases.stride == 1)
        return 0;
    return (size_t)w->in.w * (w->int16 ? w->points * w->in.c : w->in.h * w->block);
}

/* Floats of the transformed weights, or of their gradient. */
size_t an_winograd_weight_floats(const an_winograd *w);

/* Floats of the workspace of a pass (besides transformed weights), and of transforming weights. */
size_t an_winograd_work_floats(const an_winograd *w);

#endif
