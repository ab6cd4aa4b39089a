#include "backend/cpu/first.h"

#include <string.h>

#include "core/memory.h"

static int divided_up(int a, int b) {
    return (a + b - 1) / b;
}

static size_t aligned(size_t bytes) {
    return (bytes + AN_ALIGNMENT - 1) / AN_ALIGNMENT * AN_ALIGNMENT;
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

alexnet_status an_first_make(an_first *first, const an_kernels *kernels, const an_layer *layer,
                             int threads, alexnet_error *error) {
    const int stride = layer->spec.stride, kernel = layer->spec.kernel;
    an_first_work *work = &first->work;
    first->kernels = kernels;
    work->layer = layer;
    work->threads = threads;
    work->elements = 1;
    work->phase_step = greatest_common_divisor(stride, work->elements);
    work->phases = stride / work->phase_step;
    work->columns = layer->out.w + (row_words(work) - 1) * work->elements / stride;
    work->rows = (layer->out.h - 1) * stride + kernel;
    work->words = layer->in.c * kernel * row_words(work);
    const size_t picture = (size_t)layer->in.c * work->rows * work->phases * work->columns;
    const size_t plain = (size_t)work->columns * stride + work->elements;
    work->scratch_bytes = aligned((picture + plain) * sizeof(uint32_t));
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

/* Maps in a tile. */
static int tile_maps(const an_first *first) {
    return AN_FIRST_VECTORS * first->kernels->block;
}

size_t an_first_packed_bytes(const an_first *first) {
    const size_t groups = (size_t)divided_up(first->work.layer->out.c, tile_maps(first));
    return groups * (size_t)tile_maps(first) * first->work.words * sizeof(uint32_t);
}

size_t an_first_workspace_bytes(const an_first *first) {
    return (size_t)first->work.threads * first->work.scratch_bytes;
}

void an_first_pack(const an_first *first, const float *weights, void *packed) {
    const an_first_work *work = &first->work;
    const int maps = tile_maps(first);
    float *to = packed;
    for (int map = 0; map < work->layer->out.c; map += maps)
        for (int i = 0; i < work->words; i++)
            for (int o = map; o < map + maps; o++)
                *to++ = o < work->layer->out.c ? weights[(size_t)o * work->words + i] : 0;
}

void an_first_forward(const an_first *first, int images, const float *x, const void *packed,
                      const float *bias, float *y, void *workspace) {
    const an_first_data data = {
        .images = images, .x = x, .packed = packed, .bias = bias, .y = y, .scratch = workspace};
    first->kernels->first_forward(&first->work, &data);
}
