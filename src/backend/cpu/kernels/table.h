/* Compiles all kernels for one instruction set: the including file defines AN_BLOCK, AN_KERNELS
 * (the name of the table) and AN_KERNELS_NAME, and sets the target. */
#include "backend/cpu/kernels/vector.h"

#include "backend/cpu/kernels/peak.h"
#include "backend/cpu/kernels/product.h"

#ifdef __AVX2__
#include "backend/cpu/kernels/product_int16.h"
#endif

#include "backend/cpu/kernels/dropout.h"
#include "backend/cpu/kernels/fc.h"
#include "backend/cpu/kernels/first.h"
#include "backend/cpu/kernels/layout.h"
#include "backend/cpu/kernels/lrn.h"
#include "backend/cpu/kernels/pool.h"
#include "backend/cpu/kernels/relu.h"
#include "backend/cpu/kernels/update.h"
#include "backend/cpu/kernels/winograd.h"

#include "backend/cpu/kernels/lrn_pool.h"

const an_kernels AN_KERNELS = {
    .name = AN_KERNELS_NAME,
    .block = AN_BLOCK,
    .block_maps = block_maps,
    .unblock_maps = unblock_maps,
    .first_forward = first_forward,
    .first_gradient = first_gradient,
    .relu_forward = relu_forward,
    .relu_backward = relu_backward,
    .pool_forward = pool_forward,
    .pool_backward = pool_backward,
    .lrn_forward = lrn_forward,
    .lrn_backward = lrn_backward,
    .lrn_pool_floats = lrn_pool_floats,
    .lrn_pool_forward = lrn_pool_forward,
    .lrn_pool_backward = lrn_pool_backward,
    .winograd_weights = winograd_weights,
    .winograd_forward = winograd_forward,
    .winograd_gradient = winograd_gradient,
#ifdef __AVX512F__
    .tiles = &an_amx_conv_all,
#endif
    .fc = {.workspace_bytes = fc_workspace_bytes,
           .forward = fc_forward,
           .backward_workspace_bytes = fc_backward_bytes,
           .backward_input = fc_backward_input,
           .backward_weights = fc_backward_weights},
    .fc_sparse = {[AN_FP32] = &sparse_fp32, [AN_BF16] = &sparse_bf16, [AN_INT8] = &sparse_int8},
    .sum_images = sum_images,
    .dropout = dropout,
    .update = update,
    .multiply_adds = multiply_adds,
#ifdef __AVX2__
    .fc_int8 = &fc_pairs,
    .multiply_adds_int16 =
        {[AN_INT16_PAIRS] = multiply_adds_pairs, [AN_INT16_VNNI] = multiply_adds_vnni},
#endif
    .read_through = read_through,
};
