/*
 * Convolutions in steps of 1 (view.h) in bfloat16 and int8 by the tiles of AMX (kernels/amx.h),
 * summed in 32 bits: directly, since an instruction for tiles multiplies 16 or 32 times as much as
 * one of AVX-512 for float32, and so leaves Winograd's algorithm nothing to win.
 *
 * A picture lies with its maps innermost, (groups, H, W, C / groups), so that the pixels of a row
 * of a window lie in one run, whatever their number of maps: each 64 bytes of it are a row of a
 * tile, a step. Rows of the picture follow one another with `pad` columns of zeros between them,
 * which are the edge of both. The position q = h * pitch + w of the output has its window's row k
 * from position q + k * pitch of the input on; so tiles are 16 positions in a row, whatever the
 * width, and those between two rows are computed and forgotten (one in 14 of conv3 to conv5).
 *
 * The gradient of the input is the same operation on the output's gradient, with the window turned
 * around and its maps exchanged. That of the weights is
 *
 *     dw (O, tap, C) = sum over positions q: dy (q, O)^T x (q + tap, C)
 *
 * of tiles that have 32 positions in a row of dy, turned over, and pairs of positions of x.
 */
#ifndef AN_BACKEND_CPU_AMX_CONV_H
#define AN_BACKEND_CPU_AMX_CONV_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/backend.h"
#include "backend/cpu/pass.h"
#include "backend/cpu/view.h"

enum {
    AN_AMX_PAIR = 32, /* positions, or maps, of two tiles, which are computed together */
    AN_AMX_STEP = 64  /* bytes of a row of a tile */
};

/* One pass of a convolution, as the kernels see it. */
typedef struct an_amx_conv {
    an_pass pass;
    an_precision precision; /* AN_BF16 or AN_INT8 */
    bool signed_input;      /* int8 */
    int threads;            /* as many as the workspace is for */
    an_view view;           /* of x, but in AN_PASS_INPUT: of dy */
    an_shape out;           /* y, but in AN_PASS_INPUT: dx */
    int groups;
    int pitch;     /* positions of a row of the picture */
    int positions; /* of the output, filled up to whole pairs of tiles */
    int steps;     /* of 64 bytes, of a row of the window */
    int round;     /* images at a time, which fit the cores' own caches */
} an_amx_conv;

/* How a plan uses it. */
typedef struct an_amx_conv_options {
    an_pass pass;
    an_precision precision;
    bool signed_input; /* int8: x may be negative */
    int images;        /* of a batch */
    int threads;
} an_amx_conv_options;

/* Whether it can do a layer: an input in whole blocks of 16 maps, or phases, and an output in pairs
 * of them. */
bool an_amx_conv_fits(const an_layer *layer);

an_amx_conv an_amx_conv_of(const an_layer *layer, const an_amx_conv_options *options);

/* Bytes of the packed weights, or of their gradient, and of the workspace of a pass besides. */
size_t an_amx_conv_packed_bytes(const an_amx_conv *conv);
size_t an_amx_conv_work_bytes(const an_amx_conv *conv);

/* Panels of 32 maps, in which the output's are computed: whole ones of each group. */
int an_amx_conv_panels(const an_amx_conv *conv);

/* Bytes of one group of a picture, in the layout above; AN_PASS_WEIGHTS: positions of it that are
 * looked at. */
size_t an_amx_conv_group_bytes(const an_amx_conv *conv);
size_t an_amx_conv_lines(const an_amx_conv *conv);

/* The kernels, for where an_can_amx(). */
typedef struct an_amx_conv_kernels {
    /* Packs plain weights (O, C / groups, K, K). int8: `range` is the largest magnitude of x that
     * counts, 0 where that is each image's own. */
    void (*pack)(const an_amx_conv *conv, const float *weights, float range, void *packed);

    /* y, or the gradient of the input, blocked, with bias (NULL: none) and ReLU on top. */
    void (*forward)(const an_amx_conv *conv, int images, const float *x, const void *packed,
                    const float *bias, bool relu, float *y, void *work);

    /* dw (O, C / groups, K, K) and db (O) from x and dy (blocked); `work` has room for the packed
     * gradient as well. */
    void (*gradient)(const an_amx_conv *conv, int images, const float *x, const float *dy,
                     float *dw, float *db, void *work);
} an_amx_conv_kernels;

#ifdef __x86_64__
extern const an_amx_conv_kernels an_amx_conv_all;
#endif

#endif
