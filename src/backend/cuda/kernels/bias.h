/* Biases, with ReLU, and their gradients. */
#ifndef AN_BACKEND_CUDA_KERNELS_BIAS_H
#define AN_BACKEND_CUDA_KERNELS_BIAS_H

#include "backend/cuda/kernels/numbers.h"

/* y = x + bias[map], and ReLU where it is asked for; x and y may be the same. */
typedef struct an_cuda_bias {
    const void *x;
    void *y;
    const float *bias; /* (C); NULL: none */
    an_number number;
    int maps;
    bool relu;
} an_cuda_bias;

AN_ANYWHERE void an_bias_some(const an_cuda_bias *a, uint32_t i, const int width) {
    const uint32_t portions = (uint32_t)(a->maps / width);
    const uint32_t map = i % portions * (uint32_t)width;
    float values[8];
    an_get_some(a->x, a->number, (size_t)i * (size_t)width, width, values);
    for (int k = 0; k < width; k++) {
        const float value = a->bias ? values[k] + a->bias[map + (uint32_t)k] : values[k];
        values[k] = a->relu && value <= 0 ? 0 : value; /* NaN stays one */
    }
    an_put_some(a->y, a->number, (size_t)i * (size_t)width, width, values);
}

AN_ANYWHERE void an_cuda_bias_at(const an_cuda_bias *a, uint32_t i) {
    if (an_width(a->maps) == 8)
        an_bias_some(a, i, 8);
    else
        an_bias_some(a, i, 1);
}

/* dx = dy where y > 0, else 0; dx and dy may be the same. */
typedef struct an_cuda_relu_backward {
    const void *y, *dy;
    void *dx;
    an_number number;
    int maps;
} an_cuda_relu_backward;

AN_ANYWHERE void an_relu_backward_some(const an_cuda_relu_backward *a, uint32_t i,
                                       const int width) {
    const size_t first = (size_t)i * (size_t)width;
    float y[8], gradient[8];
    an_get_some(a->y, a->number, first, width, y);
    an_get_some(a->dy, a->number, first, width, gradient);
    for (int k = 0; k < width; k++)
        gradient[k] = y[k] <= 0 ? 0 : gradient[k];
    an_put_some(a->dx, a->number, first, width, gradient);
}

AN_ANYWHERE void an_cuda_relu_backward_at(const an_cuda_relu_backward *a, uint32_t i) {
    if (an_width(a->maps) == 8)
        an_relu_backward_some(a, i, 8);
    else
        an_relu_backward_some(a, i, 1);
}

/* Sums over rows, the gradient of a bias: x (rows, maps) to sums (parts, maps), part p of
 * AN_SUMMED_ROWS rows, times a factor. The index counts portions of `sums`. */
typedef struct an_cuda_row_sums {
    const void *x;
    float *sums;
    an_number number;
    int maps;
    uint32_t rows;
    float factor;
} an_cuda_row_sums;

/* As few as keep the GPU's threads busy; so many are fetched before the first is added. */
enum { AN_SUMMED_ROWS = 64, AN_FETCHED_ROWS = 8 };

AN_ANYWHERE uint32_t an_row_parts(uint32_t rows) {
    return (rows + AN_SUMMED_ROWS - 1) / AN_SUMMED_ROWS;
}

AN_ANYWHERE void an_row_sums_some(const an_cuda_row_sums *a, uint32_t i, const int width,
                                  const an_number number) {
    const uint32_t portions = (uint32_t)(a->maps / width);
    const uint32_t map = i % portions * (uint32_t)width, begin = i / portions * AN_SUMMED_ROWS;
    const uint32_t end = begin + AN_SUMMED_ROWS < a->rows ? begin + AN_SUMMED_ROWS : a->rows;
    const size_t maps = (size_t)a->maps;
    float sums[8] = {0}, values[AN_FETCHED_ROWS][8];
    uint32_t row = begin;
    for (; row + AN_FETCHED_ROWS <= end; row += AN_FETCHED_ROWS) {
        for (uint32_t r = 0; r < AN_FETCHED_ROWS; r++)
            an_get_some(a->x, number, (row + r) * maps + map, width, values[r]);
        for (int r = 0; r < AN_FETCHED_ROWS; r++)
            for (int k = 0; k < width; k++)
                sums[k] += values[r][k];
    }
    for (; row < end; row++) {
        an_get_some(a->x, number, row * maps + map, width, values[0]);
        for (int k = 0; k < width; k++)
            sums[k] += values[0][k];
    }
    for (int k = 0; k < width; k++)
        sums[k] *= a->factor;
    an_put_some(a->sums, AN_NUMBER_FLOAT, (size_t)i * (size_t)width, width, sums);
}

AN_ANYWHERE void an_row_sums_of(const an_cuda_row_sums *a, uint32_t i, const an_number number) {
    if (an_width(a->maps) == 8)
        an_row_sums_some(a, i, 8, number);
    else
        an_row_sums_some(a, i, 1, number);
}

/* The compiler leaves what kind of numbers they are inside the loops. */
AN_ANYWHERE void an_cuda_row_sums_at(const an_cuda_row_sums *a, uint32_t i) {
    if (a->number == AN_NUMBER_BF16)
        an_row_sums_of(a, i, AN_NUMBER_BF16);
    else if (a->number == AN_NUMBER_FP16)
        an_row_sums_of(a, i, AN_NUMBER_FP16);
    else
        an_row_sums_of(a, i, AN_NUMBER_FLOAT);
}

/* What a convolution left, with its bias and after ReLU; NaN stays one. */
AN_ANYWHERE float an_entered(float value, const float *bias, int c) {
    if (!bias)
        return value;
    const float sum = value + bias[c];
    return sum <= 0 ? 0 : sum;
}

#endif
