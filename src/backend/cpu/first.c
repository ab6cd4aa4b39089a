#include "backend/cpu/first.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/memory.h"

static int divided_up(int a, int b) {
    return (a + b - 1) / b;
}

/* Words in one row of a filter. */
static int row_words(const an_first_work *work) {
    return divided_up(work->layer->spec.kernel, work->elements);
}

bool an_first_fits(const an_layer *layer) {
    return layer->spec.type == AN_CONV && layer->spec.groups == 1 &&
           layer->in.c <= AN_FIRST_MAX_MAPS;
}

static int greatest_common_divisor(int a, int b) {
    return b == 0 ? a : greatest_common_divisor(b, a % b);
}

/* Where word `i` of a row of a filter lies in a row that is spread out. */
static int offset_in_row(const an_first_work *work, int i) {
    const int stride = work->layer->spec.stride, column = i * work->elements;
    return column % stride / work->phase_step * work->columns + column / stride;
}

static void fill_offsets(an_first_work *work) {
    const int kernel = work->layer->spec.kernel;
    int *offset = work->offsets;
    for (int c = 0; c < work->layer->in.c; c++)
        for (int r = 0; r < kernel; r++)
            for (int i = 0; i < row_words(work); i++)
                *offset++ =
                    (c * work->rows + r) * work->phases * work->columns + offset_in_row(work, i);
}

/* Maps in a tile. */
static int tile_maps(const an_first *first) {
    return AN_FIRST_VECTORS * first->kernels->block;
}

/* What first_gradient.h has in its scratch memory. */
static size_t gradient_bytes(const an_first_work *work) {
    const an_layer *layer = work->layer;
    const int kernel = layer->spec.kernel, pairs = divided_up(layer->out.w, work->elements);
    const int rows = (AN_FIRST_GRADIENT_ROWS - 1) * layer->spec.stride + kernel;
    const size_t sums = (size_t)work->maps * (layer->in.c * kernel * kernel + 1);
    const size_t dy = (size_t)work->maps * AN_FIRST_GRADIENT_ROWS * pairs;
    const size_t x = (size_t)layer->in.c * rows * work->line;
    const size_t row = (size_t)work->line + (size_t)(work->elements - 1) * layer->spec.stride;
    return an_aligned((sums + dy + x + row) * sizeof(uint32_t));
}

alexnet_status an_first_make(an_first *first, const an_kernels *kernels, const an_layer *layer,
                             an_precision precision, int threads, alexnet_error *error) {
    const int stride = layer->spec.stride, kernel = layer->spec.kernel;
    an_first_work *work = &first->work;
    first->kernels = kernels;
    first->precision = precision;
    work->layer = layer;
    work->threads = threads;
    work->elements = precision == AN_INT8 ? 4 : precision == AN_BF16 ? 2 : 1;
    work->phase_step = greatest_common_divisor(stride, work->elements);
    work->phases = stride / work->phase_step;
    work->columns = layer->out.w + (row_words(work) - 1) * work->elements / stride;
    work->rows = (layer->out.h - 1) * stride + kernel;
    work->words = layer->in.c * kernel * row_words(work);
    work->maps = divided_up(layer->out.c, tile_maps(first)) * tile_maps(first);
    work->weight_bytes = (size_t)work->maps * work->words * sizeof(uint32_t);
    const size_t picture = (size_t)layer->in.c * work->rows * work->phases * work->columns;
    const size_t plain = (size_t)work->columns * stride + work->elements;
    work->scratch_bytes = an_aligned((picture + plain) * sizeof(uint32_t));
    work->line = (divided_up(layer->out.w, work->elements) - 1) * work->elements * stride + kernel;
    work->gradient_bytes = gradient_bytes(work);
    void *offsets;
    AN_TRY(an_alloc(&offsets, (size_t)work->words, sizeof *work->offsets, "offsets", error));
    work->offsets = offsets;
    fill_offsets(work);
    return ALEXNET_OK;
}

void an_first_free(an_first *first) {
    an_free(first->work.offsets);
    first->work.offsets = NULL;
}

size_t an_first_packed_bytes(const an_first *first) {
    const an_first_work *work = &first->work;
    const size_t behind = (2 * (size_t)work->maps + 1) * sizeof(float);
    return work->weight_bytes + (first->precision == AN_INT8 ? an_aligned(behind) : 0);
}

size_t an_first_workspace_bytes(const an_first *first, bool training) {
    const an_first_work *work = &first->work;
    const bool backward = training && work->gradient_bytes > work->scratch_bytes;
    return (size_t)work->threads * (backward ? work->gradient_bytes : work->scratch_bytes);
}

/* The upper half of a float32, rounded to nearest even; NaN stays NaN. */
static uint16_t bfloat_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) /* NOLINT(misc-redundant-expression): only NaN differs from itself */
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* What a map's weights are multiples of in int8. */
static float scale_of(const float *weights, size_t count) {
    float most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf(weights[i]));
    return most / 127 >= FLT_MIN ? most / 127 : 0;
}

/* `count` weights as a word in a precision, the rest of it zero. */
static uint32_t word_of(an_precision precision, const float *weights, int count, float scale) {
    uint32_t word = 0;
    uint16_t pair[2] = {0};
    int8_t bytes[4] = {0};
    switch (precision) {
    case AN_FP32:
        memcpy(&word, weights, sizeof word);
        break;
    case AN_BF16:
        for (int i = 0; i < count; i++)
            pair[i] = bfloat_of(weights[i]);
        memcpy(&word, pair, sizeof word);
        break;
    case AN_INT8:
        for (int i = 0; i < count && scale > 0; i++)
            bytes[i] = (int8_t)lrintf(weights[i] / scale);
        memcpy(&word, bytes, sizeof word);
        break;
    case AN_TF32:
    case AN_FP16: /* on GPUs only */
        break;
    }
    return word;
}

/* Packs one map's weights, each word `step` words behind the other; returns their sum in int8. */
static int32_t pack_map(const an_first *first, const float *weights, float scale, size_t step,
                        uint32_t *to) {
    const an_first_work *work = &first->work;
    const int kernel = work->layer->spec.kernel;
    int32_t sum = 0;
    for (int row = 0; row < work->layer->in.c * kernel; row++, weights += kernel) {
        for (int i = 0; i < kernel; i += work->elements, to += step) {
            const int count = kernel - i < work->elements ? kernel - i : work->elements;
            *to = word_of(first->precision, weights + i, count, scale);
            int8_t bytes[4];
            memcpy(bytes, to, sizeof bytes);
            for (int e = 0; e < 4; e++)
                sum += bytes[e];
        }
    }
    return sum;
}

void an_first_pack(const an_first *first, const float *weights, float range, void *packed) {
    const an_first_work *work = &first->work;
    const an_layer *layer = work->layer;
    const size_t taps = (size_t)layer->in.c * layer->spec.kernel * layer->spec.kernel;
    const int tile = tile_maps(first);
    int32_t *starts = (int32_t *)(void *)((char *)packed + work->weight_bytes);
    float *scales = (float *)(void *)(starts + work->maps);
    memset(packed, 0, an_first_packed_bytes(first));
    for (int map = 0; map < layer->out.c; map++) {
        const float *filter = weights + (size_t)map * taps;
        const float scale = scale_of(filter, taps);
        uint32_t *to = (uint32_t *)packed + (size_t)(map - map % tile) * work->words + map % tile;
        const int32_t sum = pack_map(first, filter, scale, (size_t)tile, to);
        if (first->precision == AN_INT8) {
            starts[map] = -128 * sum;
            scales[map] = scale;
        }
    }
    if (first->precision == AN_INT8)
        scales[work->maps] = range;
}

void an_first_forward(const an_first *first, int images, const float *x, const void *packed,
                      const float *bias, float *y, void *workspace) {
    const an_first_work *work = &first->work;
    const an_first_data data = {
        .images = images, .x = x, .packed = packed, .bias = bias, .y = y, .scratch = workspace};
    switch (first->precision) {
    case AN_FP32:
        first->kernels->first_forward(work, &data);
        break;
#ifdef __x86_64__
    case AN_BF16:
        an_first_forward_bf16(work, &data);
        break;
    case AN_INT8:
        an_first_forward_int8(work, &data);
        break;
#endif
    default:
        break;
    }
}

void an_first_backward_weights(const an_first *first, int images, const float *x, const float *dy,
                               float *dw, float *db, void *workspace) {
    const an_first_data data = {
        .images = images, .x = x, .dy = dy, .dw = dw, .db = db, .scratch = workspace};
#ifdef __x86_64__
    if (first->precision == AN_BF16) {
        an_first_gradient_bf16(&first->work, &data);
        return;
    }
#endif
    first->kernels->first_gradient(&first->work, &data);
}
