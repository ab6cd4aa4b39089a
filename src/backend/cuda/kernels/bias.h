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

/* Sums over rows, the gradient of a bias: x (rows, maps) to sums (parts, maps), part p of rows
 * p * portion to (p + 1) * portion, times a factor. The index is that of the element in `sums`. */
typedef struct an_cuda_row_sums {
    const void *x;
    float *sums;
    an_number number;
    int maps;
    uint32_t rows, portion;
    float factor;
} an_cuda_row_sums;

AN_ANYWHERE void an_cuda_row_sums_at(const an_cuda_row_sums *a, uint32_t i) {
    const uint32_t map = i % (uint32_t)a->maps, begin = i / (uint32_t)a->maps * a->portion;
    const uint32_t end = begin + a->portion < a->rows ? begin + a->portion : a->rows;
    float sum = 0;
    for (uint32_t row = begin; row < end; row++)
        sum += an_get(a->x, a->number, (size_t)row * (size_t)a->maps + map);
    a->sums[i] = a->factor * sum;
}

/* What a convolution left, with its bias and after ReLU; NaN stays one. */
AN_ANYWHERE float an_entered(float value, const float *bias, int c) {
    if (!bias)
        return value;
    const float sum = value + bias[c];
    return sum <= 0 ? 0 : sum;
}

#endif
