/*
 * The kernels: for each its arguments and what it does for one index, written so that it runs on a
 * GPU, a thread an index, and in plain C, a turn of a loop an index. Nothing is shared between
 * indices and every sum has one order, so that a step always gives the same bits.
 *
 * Letters as in reference/layers.h; activations are (N, H, W, C), of float32 or 16 bits, and what
 * is computed is float32. Kernels over activations take `width` maps at once: 8, which is 16 bytes
 * of 16-bit numbers, or 1 where the maps are no multiple of 8. The index counts these portions.
 */
#ifndef AN_BACKEND_CUDA_KERNELS_H
#define AN_BACKEND_CUDA_KERNELS_H

#include "backend/cuda/kernels/bias.h"
#include "backend/cuda/kernels/conv.h"
#include "backend/cuda/kernels/dropout.h"
#include "backend/cuda/kernels/layout.h"
#include "backend/cuda/kernels/loss.h"
#include "backend/cuda/kernels/lrn.h"
#include "backend/cuda/kernels/lrn_pool.h"
#include "backend/cuda/kernels/pictures.h"
#include "backend/cuda/kernels/pool.h"
#include "backend/cuda/kernels/update.h"

/* X(name, lanes): the kernels; those with lanes have a warp's threads work on one index. */
#define AN_CUDA_KERNELS(X)                                                                         \
    X(maps_last, 1)                                                                                \
    X(maps_first, 1)                                                                               \
    X(cast, 1)                                                                                     \
    X(pictures, 1)                                                                                 \
    X(bias, 1)                                                                                     \
    X(relu_backward, 1)                                                                            \
    X(row_sums, 1)                                                                                 \
    X(lrn, 1)                                                                                      \
    X(lrn_backward, 1)                                                                             \
    X(lrn_within, 1)                                                                               \
    X(lrn_within_backward, 1)                                                                      \
    X(lrn_pool, 1)                                                                                 \
    X(lrn_pool_backward, 1)                                                                        \
    X(max_pool, 1)                                                                                 \
    X(max_pool_backward, 1)                                                                        \
    X(avg_pool, 1)                                                                                 \
    X(avg_pool_backward, 1)                                                                        \
    X(dropout, 1)                                                                                  \
    X(loss, AN_LANES)                                                                              \
    X(tally, AN_LANES)                                                                             \
    X(update, 1)                                                                                   \
    X(conv, 1)                                                                                     \
    X(conv_input, 1)                                                                               \
    X(conv_weights, 1)

#endif
