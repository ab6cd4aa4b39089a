/*
 * The kernels: for each its arguments and what it does for one index, written so that it runs on a
 * GPU, a thread an index, and in plain C, a turn of a loop an index. Nothing is shared between
 * indices and every sum has one order, so that a step always gives the same bits.
 *
 * Letters as in reference/layers.h; activations are (N, H, W, C), of float32 or bfloat16, and what
 * is computed is float32. Kernels over activations take `width` maps at once: 8, which is 16 bytes
 * in bfloat16, or 1 where the maps are no multiple of 8. The index counts these portions.
 */
#ifndef AN_BACKEND_CUDA_KERNELS_H
#define AN_BACKEND_CUDA_KERNELS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/philox.h"

/* How numbers are stored on the device. */
typedef enum an_number { AN_NUMBER_FLOAT, AN_NUMBER_BF16 } an_number;

/* Maps that a kernel takes at once. */
AN_ANYWHERE int an_width(int maps) {
    return maps % 8 == 0 ? 8 : 1;
}

/* X(name, lanes): the kernels; those with lanes have a warp's threads work on one index. */
#define AN_CUDA_KERNELS(X)                                                                         \
    X(maps_last, 1)                                                                                \
    X(maps_first, 1)                                                                               \
    X(cast, 1)                                                                                     \
    X(bias, 1)                                                                                     \
    X(relu_backward, 1)                                                                            \
    X(row_sums, 1)                                                                                 \
    X(lrn, 1)                                                                                      \
    X(lrn_backward, 1)                                                                             \
    X(lrn_within, 1)                                                                               \
    X(lrn_within_backward, 1)                                                                      \
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

/* ---- Numbers. */

AN_ANYWHERE float an_of_bf16(uint16_t bits) {
    const uint32_t all = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &all, sizeof value);
    return value;
}

/* To the nearest, ties to even; NaN stays one. */
AN_ANYWHERE uint16_t an_to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

AN_ANYWHERE float an_get(const void *data, an_number number, size_t i) {
    return number == AN_NUMBER_BF16 ? an_of_bf16(((const uint16_t *)data)[i])
                                    : ((const float *)data)[i];
}

AN_ANYWHERE void an_put(void *data, an_number number, size_t i, float value) {
    if (number == AN_NUMBER_BF16)
        ((uint16_t *)data)[i] = an_to_bf16(value);
    else
        ((float *)data)[i] = value;
}

/* 16 bytes, which a GPU reads and writes in one go. */
typedef struct an_sixteen {
    uint32_t word[4];
}
#ifdef __CUDACC__
__align__(16)
#endif
    an_sixteen;

AN_ANYWHERE an_sixteen an_load_sixteen(const void *from) {
#ifdef __CUDA_ARCH__
    return *(const an_sixteen *)from;
#else
    an_sixteen all; /* whatever type it was written as */
    memcpy(&all, from, sizeof all);
    return all;
#endif
}

AN_ANYWHERE void an_store_sixteen(void *to, an_sixteen all) {
#ifdef __CUDA_ARCH__
    *(an_sixteen *)to = all;
#else
    memcpy(to, &all, sizeof all);
#endif
}

/* `width` values from the first on, which is a multiple of it. */
AN_ANYWHERE void an_get_some(const void *data, an_number number, size_t first, const int width,
                             float *out) {
    if (width == 8 && number == AN_NUMBER_BF16) {
        const an_sixteen all = an_load_sixteen((const uint16_t *)data + first);
        for (int i = 0; i < 4; i++) {
            out[2 * i] = an_of_bf16((uint16_t)all.word[i]);
            out[2 * i + 1] = an_of_bf16((uint16_t)(all.word[i] >> 16));
        }
        return;
    }
    for (int i = 0; i < width; i++)
        out[i] = an_get(data, number, first + (size_t)i);
}

AN_ANYWHERE void an_put_some(void *data, an_number number, size_t first, const int width,
                             const float *values) {
    if (width == 8 && number == AN_NUMBER_BF16) {
        an_sixteen all;
        for (int i = 0; i < 4; i++)
            all.word[i] = an_to_bf16(values[2 * i]) | (uint32_t)an_to_bf16(values[2 * i + 1]) << 16;
        an_store_sixteen((uint16_t *)data + first, all);
        return;
    }
    for (int i = 0; i < width; i++)
        an_put(data, number, first + (size_t)i, values[i]);
}

/* ---- Layouts. */

/* Maps first (N, C, P) and maps last (N, P, S), P places; of the S >= C maps that are stored, those
 * from C on are 0. Images, and with places for pixels of a window, weights. */
typedef struct an_cuda_maps {
    const void *from;
    void *to;
    an_number from_number, to_number;
    int maps, stored, places;
} an_cuda_maps, an_cuda_maps_last, an_cuda_maps_first;

/* The index is that of the element in `to`. */
AN_ANYWHERE void an_cuda_maps_last_at(const an_cuda_maps_last *a, uint32_t i) {
    const uint32_t stored = (uint32_t)a->stored, places = (uint32_t)a->places;
    const uint32_t map = i % stored, place = i / stored % places, image = i / stored / places;
    float value = 0;
    if (map < (uint32_t)a->maps)
        value = an_get(a->from, a->from_number,
                       ((size_t)image * (size_t)a->maps + map) * places + place);
    an_put(a->to, a->to_number, i, value);
}

AN_ANYWHERE void an_cuda_maps_first_at(const an_cuda_maps_first *a, uint32_t i) {
    const uint32_t maps = (uint32_t)a->maps, places = (uint32_t)a->places;
    const uint32_t place = i % places, map = i / places % maps, image = i / places / maps;
    an_put(a->to, a->to_number, i,
           an_get(a->from, a->from_number,
                  ((size_t)image * places + place) * (size_t)a->stored + map));
}

/* From one type of number to another, element by element. */
typedef struct an_cuda_cast {
    const void *from;
    void *to;
    an_number from_number, to_number;
} an_cuda_cast;

AN_ANYWHERE void an_cuda_cast_at(const an_cuda_cast *a, uint32_t i) {
    an_put(a->to, a->to_number, i, an_get(a->from, a->from_number, i));
}

/* ---- Biases and ReLU. */

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
 * p * portion to (p + 1) * portion. The index is that of the element in `sums`. */
typedef struct an_cuda_row_sums {
    const void *x;
    float *sums;
    an_number number;
    int maps;
    uint32_t rows, portion;
} an_cuda_row_sums;

AN_ANYWHERE void an_cuda_row_sums_at(const an_cuda_row_sums *a, uint32_t i) {
    const uint32_t map = i % (uint32_t)a->maps, begin = i / (uint32_t)a->maps * a->portion;
    const uint32_t end = begin + a->portion < a->rows ? begin + a->portion : a->rows;
    float sum = 0;
    for (uint32_t row = begin; row < end; row++)
        sum += an_get(a->x, a->number, (size_t)row * (size_t)a->maps + map);
    a->sums[i] = sum;
}

/* ---- Local response normalisation, reference/lrn.c. */

/* Where `bias` is not NULL, x is what a convolution left: its bias is yet to be added, then comes
 * ReLU, and backward dx is the gradient of the sum. */
typedef struct an_cuda_lrn {
    const void *x, *dy; /* dy: backward */
    void *y;            /* backward: dx */
    const float *bias;  /* (C) */
    an_number number;
    int maps, tower; /* maps of a tower */
    int size;
    float alpha; /* divided by the size */
    float beta, k;
} an_cuda_lrn, an_cuda_lrn_backward;

/* base ^ -beta */
AN_ANYWHERE float an_damping(float base, float beta) {
    if (beta == 0.75f) {
        const float root = sqrtf(base);
        return 1 / (root * sqrtf(root));
    }
    return powf(base, -beta);
}

/* What a convolution left, with its bias and after ReLU; NaN stays one. */
AN_ANYWHERE float an_entered(float value, const float *bias, int c) {
    if (!bias)
        return value;
    const float sum = value + bias[c];
    return sum <= 0 ? 0 : sum;
}

/* The maps from c - 8 to c + 15 of a pixel, c a multiple of 8; 0 outside of c's tower, whose maps
 * are a multiple of 8. */
AN_ANYWHERE void an_lrn_around(const an_cuda_lrn *a, const void *data, const float *bias,
                               size_t pixel, int c, float *out) {
    const int low = c / a->tower * a->tower, high = low + a->tower;
    const size_t first = pixel * (size_t)a->maps + (size_t)c;
    for (int part = 0; part < 3; part++) {
        const int begin = c + 8 * (part - 1);
        if (begin < low || begin >= high) {
            for (int k = 0; k < 8; k++)
                out[8 * part + k] = 0;
            continue;
        }
        an_get_some(data, a->number, first + (size_t)(8 * part) - 8, 8, out + 8 * part);
        for (int k = 0; k < 8; k++)
            out[8 * part + k] = an_entered(out[8 * part + k], bias, begin + k);
    }
}

/* The base of the power at place p of what an_lrn_around gave, for windows of 5. */
AN_ANYWHERE float an_lrn_base(const an_cuda_lrn *a, const float *x, int p) {
    float sum = 0;
    for (int q = p - 2; q <= p + 2; q++)
        sum += x[q] * x[q];
    return a->k + a->alpha * sum;
}

/* Windows of 5 in towers of multiples of 8; the index counts portions of 8 maps. */
AN_ANYWHERE void an_lrn_8(const an_cuda_lrn *a, uint32_t i) {
    const uint32_t portions = (uint32_t)a->maps / 8;
    const int c = (int)(i % portions) * 8;
    float x[24], y[8];
    an_lrn_around(a, a->x, a->bias, i / portions, c, x);
    for (int j = 0; j < 8; j++)
        y[j] = x[8 + j] * an_damping(an_lrn_base(a, x, 8 + j), a->beta);
    an_put_some(a->y, a->number, (size_t)i * 8, 8, y);
}

AN_ANYWHERE void an_lrn_backward_8(const an_cuda_lrn *a, uint32_t i) {
    const uint32_t portions = (uint32_t)a->maps / 8;
    const int c = (int)(i % portions) * 8;
    const float factor = 2 * a->alpha * a->beta;
    float x[24], dy[24], direct[12], through[12], dx[8];
    an_lrn_around(a, a->x, a->bias, i / portions, c, x);
    an_lrn_around(a, a->dy, NULL, i / portions, c, dy);
    for (int j = 0; j < 12; j++) { /* maps c - 2 to c + 9 */
        const float base = an_lrn_base(a, x, 6 + j);
        direct[j] = dy[6 + j] * an_damping(base, a->beta);
        through[j] = direct[j] * x[6 + j] / base;
    }
    for (int j = 0; j < 8; j++) {
        float sum = 0;
        for (int q = j; q < j + 5; q++)
            sum += through[q];
        dx[j] = a->bias && x[8 + j] <= 0 ? 0 : direct[j + 2] - factor * x[8 + j] * sum;
    }
    an_put_some(a->y, a->number, (size_t)i * 8, 8, dx);
}

/* Map c of a pixel, as it enters. */
AN_ANYWHERE float an_lrn_x(const an_cuda_lrn *a, size_t pixel, int c) {
    return an_entered(an_get(a->x, a->number, pixel * (size_t)a->maps + (size_t)c), a->bias, c);
}

/* The base of the power at map c of a pixel, for any window. */
AN_ANYWHERE float an_lrn_base_of(const an_cuda_lrn *a, size_t pixel, int c) {
    const int low = c / a->tower * a->tower, high = low + a->tower;
    const int begin = c - a->size / 2, end = begin + a->size;
    float sum = 0;
    for (int q = begin > low ? begin : low; q < (end < high ? end : high); q++) {
        const float value = an_lrn_x(a, pixel, q);
        sum += value * value;
    }
    return a->k + a->alpha * sum;
}

AN_ANYWHERE void an_lrn_1(const an_cuda_lrn *a, uint32_t i) {
    const int c = (int)(i % (uint32_t)a->maps);
    const size_t pixel = i / (uint32_t)a->maps;
    const float base = an_lrn_base_of(a, pixel, c);
    an_put(a->y, a->number, i, an_lrn_x(a, pixel, c) * an_damping(base, a->beta));
}

AN_ANYWHERE void an_lrn_backward_1(const an_cuda_lrn *a, uint32_t i) {
    const int c = (int)(i % (uint32_t)a->maps);
    const int low = c / a->tower * a->tower, high = low + a->tower;
    const size_t pixel = i / (uint32_t)a->maps, first = pixel * (size_t)a->maps;
    /* The maps whose window holds c. */
    const int begin = c + a->size / 2 - a->size + 1, end = c + a->size / 2 + 1;
    float own = 0, sum = 0;
    for (int q = begin > low ? begin : low; q < (end < high ? end : high); q++) {
        const float base = an_lrn_base_of(a, pixel, q);
        const float direct =
            an_get(a->dy, a->number, first + (size_t)q) * an_damping(base, a->beta);
        sum += direct * an_lrn_x(a, pixel, q) / base;
        if (q == c)
            own = direct;
    }
    const float x = an_lrn_x(a, pixel, c);
    an_put(a->y, a->number, i, a->bias && x <= 0 ? 0 : own - 2 * a->alpha * a->beta * x * sum);
}

/* Whether a portion is 8 maps. */
AN_ANYWHERE bool an_lrn_by_8(const an_cuda_lrn *a) {
    return a->size == 5 && a->tower % 8 == 0;
}

AN_ANYWHERE void an_cuda_lrn_at(const an_cuda_lrn *a, uint32_t i) {
    if (an_lrn_by_8(a))
        an_lrn_8(a, i);
    else
        an_lrn_1(a, i);
}

AN_ANYWHERE void an_cuda_lrn_backward_at(const an_cuda_lrn_backward *a, uint32_t i) {
    if (an_lrn_by_8(a))
        an_lrn_backward_8(a, i);
    else
        an_lrn_backward_1(a, i);
}

/* Within a map, over a square of pixels; the index is the element's. */
typedef struct an_cuda_lrn_within {
    const void *x, *dy; /* dy: backward */
    void *y;            /* backward: dx */
    float *base;        /* (N, H, W, C), of the power */
    an_number number;
    int maps, height, width;
    int size;
    float alpha; /* divided by the size's square */
    float beta, k;
} an_cuda_lrn_within, an_cuda_lrn_within_backward;

AN_ANYWHERE void an_cuda_lrn_within_at(const an_cuda_lrn_within *a, uint32_t i) {
    const uint32_t maps = (uint32_t)a->maps, width = (uint32_t)a->width;
    const int w = (int)(i / maps % width), h = (int)(i / maps / width % (uint32_t)a->height);
    float sum = 0;
    for (int r = -(a->size / 2); r < a->size - a->size / 2; r++)
        for (int s = -(a->size / 2); s < a->size - a->size / 2; s++)
            if (h + r >= 0 && h + r < a->height && w + s >= 0 && w + s < a->width) {
                const ptrdiff_t there = ((ptrdiff_t)r * a->width + s) * a->maps;
                const float value = an_get(a->x, a->number, (size_t)((ptrdiff_t)i + there));
                sum += value * value;
            }
    const float base = a->k + a->alpha * sum;
    a->base[i] = base;
    an_put(a->y, a->number, i, an_get(a->x, a->number, i) * an_damping(base, a->beta));
}

AN_ANYWHERE void an_cuda_lrn_within_backward_at(const an_cuda_lrn_within_backward *a, uint32_t i) {
    const uint32_t maps = (uint32_t)a->maps, width = (uint32_t)a->width;
    const int w = (int)(i / maps % width), h = (int)(i / maps / width % (uint32_t)a->height);
    float sum = 0;
    /* The pixels whose window holds this one. */
    for (int r = a->size / 2 - a->size + 1; r <= a->size / 2; r++)
        for (int s = a->size / 2 - a->size + 1; s <= a->size / 2; s++)
            if (h + r >= 0 && h + r < a->height && w + s >= 0 && w + s < a->width) {
                const size_t j = (size_t)((ptrdiff_t)i + ((ptrdiff_t)r * a->width + s) * a->maps);
                sum += an_get(a->dy, a->number, j) * an_get(a->x, a->number, j) *
                       an_damping(a->base[j], a->beta) / a->base[j];
            }
    an_put(a->y, a->number, i,
           an_get(a->dy, a->number, i) * an_damping(a->base[i], a->beta) -
               2 * a->alpha * a->beta * an_get(a->x, a->number, i) * sum);
}

/* ---- Pooling. */

/* In an_cuda_max_pool.place: the maximum is 0 by ReLU, and no pixel has its gradient. */
enum { AN_NO_PLACE = 255 };

/* Max pooling with windows of kernel x kernel, as far as they are inside the picture. Where `bias`
 * is not NULL, x is what a convolution left: its bias is yet to be added, then comes ReLU, neither
 * of which changes where a maximum is. */
typedef struct an_cuda_max_pool {
    const void *x;     /* backward: dy */
    void *y;           /* backward: dx */
    const float *bias; /* (C) */
    uint8_t *place;    /* (N, H', W', C): where in its window a maximum was; NULL: not kept */
    an_number number;
    int maps, in_height, in_width, out_height, out_width, kernel, stride;
} an_cuda_max_pool, an_cuda_max_pool_backward;

AN_ANYWHERE void an_max_pool_some(const an_cuda_max_pool *a, uint32_t i, const int width) {
    const uint32_t portions = (uint32_t)(a->maps / width);
    const uint32_t pixel = i / portions, out_width = (uint32_t)a->out_width;
    const int left = (int)(pixel % out_width) * a->stride;
    const int top = (int)(pixel / out_width % (uint32_t)a->out_height) * a->stride;
    const size_t image = pixel / out_width / (uint32_t)a->out_height;
    const size_t map = i % portions * (uint32_t)width;
    float best[8], values[8];
    uint8_t place[8];
    for (int k = 0; k < width; k++) {
        best[k] = 0;
        place[k] = 0;
    }
    for (int r = 0; r < a->kernel && top + r < a->in_height; r++)
        for (int s = 0; s < a->kernel && left + s < a->in_width; s++) {
            const size_t at =
                (image * (size_t)a->in_height + (size_t)(top + r)) * (size_t)a->in_width +
                (size_t)(left + s);
            an_get_some(a->x, a->number, at * (size_t)a->maps + map, width, values);
            for (int k = 0; k < width; k++)
                if ((r == 0 && s == 0) || values[k] > best[k] || values[k] != values[k]) {
                    best[k] = values[k];
                    place[k] = (uint8_t)(r * a->kernel + s);
                }
        }
    for (int k = 0; a->bias && k < width; k++) {
        best[k] = an_entered(best[k], a->bias, (int)map + k);
        if (best[k] <= 0)
            place[k] = AN_NO_PLACE;
    }
    an_put_some(a->y, a->number, (size_t)i * (size_t)width, width, best);
    for (int k = 0; a->place && k < width; k++)
        a->place[(size_t)i * (size_t)width + (size_t)k] = place[k];
}

AN_ANYWHERE void an_cuda_max_pool_at(const an_cuda_max_pool *a, uint32_t i) {
    if (an_width(a->maps) == 8)
        an_max_pool_some(a, i, 8);
    else
        an_max_pool_some(a, i, 1);
}

/* A pixel gathers from the windows that it was the maximum of. */
AN_ANYWHERE void an_max_pool_backward_some(const an_cuda_max_pool_backward *a, uint32_t i,
                                           const int width) {
    const uint32_t portions = (uint32_t)(a->maps / width);
    const uint32_t pixel = i / portions, in_width = (uint32_t)a->in_width;
    const int w = (int)(pixel % in_width), h = (int)(pixel / in_width % (uint32_t)a->in_height);
    const size_t image = pixel / in_width / (uint32_t)a->in_height;
    const size_t map = i % portions * (uint32_t)width;
    const int top = h < a->kernel ? 0 : (h - a->kernel) / a->stride + 1;
    const int left = w < a->kernel ? 0 : (w - a->kernel) / a->stride + 1;
    float sum[8], values[8];
    for (int k = 0; k < width; k++)
        sum[k] = 0;
    for (int row = top; row <= h / a->stride && row < a->out_height; row++)
        for (int column = left; column <= w / a->stride && column < a->out_width; column++) {
            const size_t at =
                ((image * (size_t)a->out_height + (size_t)row) * (size_t)a->out_width +
                 (size_t)column) *
                    (size_t)a->maps +
                map;
            const int place = (h - row * a->stride) * a->kernel + w - column * a->stride;
            an_get_some(a->x, a->number, at, width, values);
            for (int k = 0; k < width; k++)
                if (a->place[at + (size_t)k] == place)
                    sum[k] += values[k];
        }
    an_put_some(a->y, a->number, (size_t)i * (size_t)width, width, sum);
}

AN_ANYWHERE void an_cuda_max_pool_backward_at(const an_cuda_max_pool_backward *a, uint32_t i) {
    if (an_width(a->maps) == 8)
        an_max_pool_backward_some(a, i, 8);
    else
        an_max_pool_backward_some(a, i, 1);
}

/* Adaptive average pooling, reference/avg_pool.c; the index is the element's in `y`. */
typedef struct an_cuda_avg_pool {
    const void *x; /* backward: dy */
    void *y;       /* backward: dx */
    an_number number;
    int maps, in_height, in_width, out_height, out_width;
} an_cuda_avg_pool, an_cuda_avg_pool_backward;

AN_ANYWHERE int an_bin_begin(int i, int bins, int side) {
    return (int)((int64_t)i * side / bins);
}

AN_ANYWHERE int an_bin_end(int i, int bins, int side) {
    return (int)((((int64_t)i + 1) * side + bins - 1) / bins);
}

AN_ANYWHERE void an_cuda_avg_pool_at(const an_cuda_avg_pool *a, uint32_t i) {
    const uint32_t maps = (uint32_t)a->maps, pixel = i / maps, width = (uint32_t)a->out_width;
    const int w = (int)(pixel % width), h = (int)(pixel / width % (uint32_t)a->out_height);
    const size_t image = pixel / width / (uint32_t)a->out_height;
    const int top = an_bin_begin(h, a->out_height, a->in_height);
    const int bottom = an_bin_end(h, a->out_height, a->in_height);
    const int left = an_bin_begin(w, a->out_width, a->in_width);
    const int right = an_bin_end(w, a->out_width, a->in_width);
    float sum = 0;
    for (int row = top; row < bottom; row++)
        for (int column = left; column < right; column++)
            sum += an_get(a->x, a->number,
                          ((image * (size_t)a->in_height + (size_t)row) * (size_t)a->in_width +
                           (size_t)column) *
                                  maps +
                              i % maps);
    an_put(a->y, a->number, i, sum / (float)((bottom - top) * (right - left)));
}

AN_ANYWHERE void an_cuda_avg_pool_backward_at(const an_cuda_avg_pool_backward *a, uint32_t i) {
    const uint32_t maps = (uint32_t)a->maps, pixel = i / maps, width = (uint32_t)a->in_width;
    const int w = (int)(pixel % width), h = (int)(pixel / width % (uint32_t)a->in_height);
    const size_t image = pixel / width / (uint32_t)a->in_height;
    float sum = 0;
    for (int row = 0; row < a->out_height; row++) {
        const int top = an_bin_begin(row, a->out_height, a->in_height);
        const int bottom = an_bin_end(row, a->out_height, a->in_height);
        for (int column = 0; h >= top && h < bottom && column < a->out_width; column++) {
            const int left = an_bin_begin(column, a->out_width, a->in_width);
            const int right = an_bin_end(column, a->out_width, a->in_width);
            if (w >= left && w < right)
                sum +=
                    an_get(a->x, a->number,
                           ((image * (size_t)a->out_height + (size_t)row) * (size_t)a->out_width +
                            (size_t)column) *
                                   maps +
                               i % maps) /
                    (float)((bottom - top) * (right - left));
        }
    }
    an_put(a->y, a->number, i, sum);
}

/* ---- What changes from step to step; in the device's memory, so that a recording may stay. */

enum { AN_CUDA_PARAMETERS = 16 };

typedef struct an_cuda_state {
    uint64_t seed, position;
    uint32_t epoch;
    uint32_t purpose; /* of dropout's random numbers */
    int32_t dropout;  /* 0: dropout layers act as in testing */
    int32_t counted;  /* images with a label */
    int32_t mixed;    /* 1: images have a second label */
    float momentum;
    float share;     /* of an image's first label */
    float smoothing; /* of the target, that all classes have alike */
    float learning_rate[AN_CUDA_PARAMETERS], weight_decay[AN_CUDA_PARAMETERS];
} an_cuda_state;

/* ---- Dropout, reference/dropout.c. */

/* The index counts fours of an image's units in the order (C, H, W), as backend.h numbers them; x
 * and y may be the same. In testing `state` is NULL. */
typedef struct an_cuda_dropout {
    const void *x;
    void *y;
    const an_cuda_state *state;
    an_number number;
    int maps, places;
    int item; /* the layer's index, and how many items an image has */
    int items;
    uint64_t threshold;      /* rate * 2^32 */
    float factor_in_testing; /* of all units */
    float factor;            /* of those that are kept */
} an_cuda_dropout;

AN_ANYWHERE void an_cuda_dropout_at(const an_cuda_dropout *a, uint32_t i) {
    const uint32_t units = (uint32_t)a->maps * (uint32_t)a->places, fours = (units + 3) / 4;
    const uint32_t image = i / fours, block = i % fours;
    const bool drops = a->state && a->state->dropout;
    uint32_t words[4] = {0, 0, 0, 0};
    if (drops) {
        uint32_t counter[4], key[2];
        const uint64_t position = a->state->position + image;
        an_philox_stream(a->state->seed, a->state->purpose, a->state->epoch,
                         position * (uint64_t)a->items + (uint64_t)a->item, counter, key);
        counter[0] = block;
        an_philox_block(counter, key, words);
    }
    for (uint32_t k = 0; k < 4 && 4 * block + k < units; k++) {
        const uint32_t unit = 4 * block + k, places = (uint32_t)a->places;
        const size_t at =
            (size_t)image * units + (size_t)(unit % places) * (size_t)a->maps + unit / places;
        const float value = an_get(a->x, a->number, at);
        an_put(a->y, a->number, at,
               !drops                    ? a->factor_in_testing * value
               : words[k] < a->threshold ? 0
                                         : a->factor * value);
    }
}

/* ---- The loss, reference/loss.c. */

/* A warp's threads share an index on a GPU; in plain C there is one. */
#ifdef __CUDA_ARCH__
#define AN_LANES 32
AN_ANYWHERE float an_lanes_sum(float value) {
    for (int distance = 16; distance > 0; distance /= 2)
        value += __shfl_xor_sync(0xFFFFFFFFu, value, distance);
    return value;
}
AN_ANYWHERE float an_lanes_max(float value) {
    for (int distance = 16; distance > 0; distance /= 2)
        value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, distance));
    return value;
}
#elif defined(__CUDACC__)
#define AN_LANES 32
AN_ANYWHERE float an_lanes_sum(float value) {
    return value;
}
AN_ANYWHERE float an_lanes_max(float value) {
    return value;
}
#else
#define AN_LANES 1
AN_ANYWHERE float an_lanes_sum(float value) {
    return value;
}
AN_ANYWHERE float an_lanes_max(float value) {
    return value;
}
#endif

/* Of each image its loss and how many classes come before its label, and the logits' gradient. */
typedef struct an_cuda_loss {
    const float *logits;            /* (N, classes) */
    void *dlogits;                  /* the same */
    const int32_t *labels, *second; /* (N) */
    float *losses;                  /* (N), 0 where there is no label */
    int32_t *ranks;                 /* (N), -1 where there is no label */
    const an_cuda_state *state;
    an_number number; /* of dlogits */
    int classes;
} an_cuda_loss;

/* What the probability of class j should be. */
AN_ANYWHERE float an_target(const an_cuda_loss *a, int j, int label, int second) {
    const float sure = 1 - a->state->smoothing;
    const float share = second < 0 ? 1 : a->state->share;
    return (j == label ? sure * share : 0) + (j == second ? sure * (1 - share) : 0) +
           a->state->smoothing / (float)a->classes;
}

AN_ANYWHERE void an_cuda_loss_at(const an_cuda_loss *a, uint32_t i) {
    const uint32_t image = i / AN_LANES;
    const int lane = (int)(i % AN_LANES), label = a->labels[image];
    const int second = a->state->mixed ? a->second[image] : -1;
    const float *z = a->logits + (size_t)image * (size_t)a->classes;
    const size_t first = (size_t)image * (size_t)a->classes;
    float most = -INFINITY, sum = 0, loss = 0, before = 0;
    for (int j = lane; j < a->classes; j += AN_LANES)
        most = fmaxf(most, z[j]);
    most = an_lanes_max(most);
    for (int j = lane; j < a->classes; j += AN_LANES)
        sum += expf(z[j] - most);
    const float normaliser = most + logf(an_lanes_sum(sum));
    for (int j = lane; j < a->classes; j += AN_LANES) {
        float gradient = 0;
        if (label >= 0) {
            const float target = an_target(a, j, label, second);
            gradient = (expf(z[j] - normaliser) - target) / (float)a->state->counted;
            loss += target > 0 ? target * (normaliser - z[j]) : 0;
            if (j != label && !(z[j] < z[label] || (j > label && z[j] == z[label])))
                before++;
        }
        an_put(a->dlogits, a->number, first + (size_t)j, gradient);
    }
    loss = an_lanes_sum(loss);
    before = an_lanes_sum(before);
    if (lane == 0) {
        a->losses[image] = loss;
        a->ranks[image] = label < 0 ? -1 : (int32_t)before;
    }
}

/* What comes of a step, or of several. */
typedef struct an_cuda_outcome {
    float loss; /* the mean over the images that count */
    int32_t correct, correct5;
} an_cuda_outcome;

/* The sums over the images; there is one index. */
typedef struct an_cuda_tally {
    const float *losses;
    const int32_t *ranks;
    const an_cuda_state *state;
    an_cuda_outcome *outcome;
    int images;
} an_cuda_tally;

AN_ANYWHERE void an_cuda_tally_at(const an_cuda_tally *a, uint32_t i) {
    float loss = 0, correct = 0, correct5 = 0;
    for (int n = (int)(i % AN_LANES); n < a->images; n += AN_LANES) {
        loss += a->losses[n];
        correct += a->ranks[n] >= 0 && a->ranks[n] < 1 ? 1.0f : 0.0f;
        correct5 += a->ranks[n] >= 0 && a->ranks[n] < 5 ? 1.0f : 0.0f;
    }
    loss = an_lanes_sum(loss);
    correct = an_lanes_sum(correct);
    correct5 = an_lanes_sum(correct5);
    if (i % AN_LANES == 0) {
        a->outcome->loss = a->state->counted > 0 ? loss / (float)a->state->counted : 0;
        a->outcome->correct = (int32_t)correct;
        a->outcome->correct5 = (int32_t)correct5;
    }
}

/* ---- The update of all parameters, reference/update.c; the index counts eights. */

typedef struct an_cuda_update {
    float *parameters, *momentum;
    const float *gradients;
    uint16_t *rounded; /* the parameters in bfloat16; NULL: not needed */
    const an_cuda_state *state;
    size_t begin[AN_CUDA_PARAMETERS]; /* where each parameter begins, a multiple of 8 */
    int count;
} an_cuda_update;

AN_ANYWHERE void an_cuda_update_at(const an_cuda_update *a, uint32_t i) {
    const size_t first = (size_t)i * 8;
    int parameter = 0;
    while (parameter + 1 < a->count && first >= a->begin[parameter + 1])
        parameter++;
    const float rate = a->state->learning_rate[parameter];
    const float decay = a->state->weight_decay[parameter];
    float w[8], v[8], g[8];
    if (rate == 0)
        return;
    an_get_some(a->parameters, AN_NUMBER_FLOAT, first, 8, w);
    an_get_some(a->momentum, AN_NUMBER_FLOAT, first, 8, v);
    an_get_some(a->gradients, AN_NUMBER_FLOAT, first, 8, g);
    for (int k = 0; k < 8; k++) {
        v[k] = a->state->momentum * v[k] - decay * rate * w[k] - rate * g[k];
        w[k] += v[k];
    }
    an_put_some(a->momentum, AN_NUMBER_FLOAT, first, 8, v);
    an_put_some(a->parameters, AN_NUMBER_FLOAT, first, 8, w);
    if (a->rounded)
        an_put_some(a->rounded, AN_NUMBER_BF16, first, 8, w);
}

/* ---- Convolutions that cuDNN does not do, and those of tests: plain, and slow. */

/* Shapes of a convolution. */
typedef struct an_cuda_window {
    an_number number;
    int images;
    int in_maps, in_height, in_width; /* maps as they are stored */
    int out_maps, out_height, out_width;
    int kernel, stride, pad, groups;
} an_cuda_window;

/* Elements of y, of x and of w. */
AN_ANYWHERE size_t an_window_outputs(const an_cuda_window *a) {
    return (size_t)a->images * (size_t)a->out_height * (size_t)a->out_width * (size_t)a->out_maps;
}

AN_ANYWHERE size_t an_window_inputs(const an_cuda_window *a) {
    return (size_t)a->images * (size_t)a->in_height * (size_t)a->in_width * (size_t)a->in_maps;
}

AN_ANYWHERE size_t an_window_weights(const an_cuda_window *a) {
    return (size_t)a->out_maps * (size_t)a->kernel * (size_t)a->kernel *
           (size_t)(a->in_maps / a->groups);
}

typedef struct an_cuda_conv {
    an_cuda_window window;
    const void *x, *w, *dy;
    void *y;   /* forward: y; of the input: dx */
    float *dw; /* of the weights */
} an_cuda_conv, an_cuda_conv_input, an_cuda_conv_weights;

AN_ANYWHERE size_t an_in_at(const an_cuda_window *a, size_t image, int row, int column, int map) {
    return ((image * (size_t)a->in_height + (size_t)row) * (size_t)a->in_width + (size_t)column) *
               (size_t)a->in_maps +
           (size_t)map;
}

AN_ANYWHERE size_t an_out_at(const an_cuda_window *a, size_t image, int row, int column, int map) {
    return ((image * (size_t)a->out_height + (size_t)row) * (size_t)a->out_width + (size_t)column) *
               (size_t)a->out_maps +
           (size_t)map;
}

AN_ANYWHERE size_t an_weight_at(const an_cuda_window *a, int out, int r, int s, int in) {
    return (((size_t)out * (size_t)a->kernel + (size_t)r) * (size_t)a->kernel + (size_t)s) *
               (size_t)(a->in_maps / a->groups) +
           (size_t)in;
}

/* The index is that of the element of y (N, H', W', O). */
AN_ANYWHERE void an_cuda_conv_at(const an_cuda_conv *c, uint32_t i) {
    const an_cuda_window *a = &c->window;
    const uint32_t maps = (uint32_t)a->out_maps, pixel = i / maps;
    const uint32_t out_width = (uint32_t)a->out_width, out_height = (uint32_t)a->out_height;
    const int out = (int)(i % maps), left = (int)(pixel % out_width) * a->stride - a->pad;
    const int top = (int)(pixel / out_width % out_height) * a->stride - a->pad;
    const size_t image = pixel / out_width / out_height;
    const int depth = a->in_maps / a->groups, first = out / (a->out_maps / a->groups) * depth;
    float sum = 0;
    for (int r = 0; r < a->kernel; r++)
        for (int s = 0; s < a->kernel; s++) {
            if (top + r < 0 || top + r >= a->in_height || left + s < 0 || left + s >= a->in_width)
                continue;
            for (int k = 0; k < depth; k++)
                sum += an_get(c->x, a->number, an_in_at(a, image, top + r, left + s, first + k)) *
                       an_get(c->w, a->number, an_weight_at(a, out, r, s, k));
        }
    an_put(c->y, a->number, i, sum);
}

/* The index is that of the element of dx (N, H, W, C). */
AN_ANYWHERE void an_cuda_conv_input_at(const an_cuda_conv_input *c, uint32_t i) {
    const an_cuda_window *a = &c->window;
    const uint32_t maps = (uint32_t)a->in_maps, pixel = i / maps;
    const uint32_t in_width = (uint32_t)a->in_width, in_height = (uint32_t)a->in_height;
    const int in = (int)(i % maps), w = (int)(pixel % in_width) + a->pad;
    const int h = (int)(pixel / in_width % in_height) + a->pad;
    const size_t image = pixel / in_width / in_height;
    const int depth = a->in_maps / a->groups, outs = a->out_maps / a->groups;
    const int first = in / depth * outs;
    float sum = 0;
    for (int r = 0; r < a->kernel; r++)
        for (int s = 0; s < a->kernel; s++) {
            const int row = (h - r) / a->stride, column = (w - s) / a->stride;
            if (h < r || w < s || row * a->stride != h - r || column * a->stride != w - s ||
                row >= a->out_height || column >= a->out_width)
                continue;
            for (int o = first; o < first + outs; o++)
                sum += an_get(c->dy, a->number, an_out_at(a, image, row, column, o)) *
                       an_get(c->w, a->number, an_weight_at(a, o, r, s, in % depth));
        }
    an_put(c->y, a->number, i, sum);
}

/* The index is that of the element of dw (O, K, K, C / groups). */
AN_ANYWHERE void an_cuda_conv_weights_at(const an_cuda_conv_weights *c, uint32_t i) {
    const an_cuda_window *a = &c->window;
    const int depth = a->in_maps / a->groups, kernel = a->kernel;
    const int in = (int)(i % (uint32_t)depth), tap = (int)(i / (uint32_t)depth);
    const int s = tap % kernel, r = tap / kernel % kernel, out = tap / kernel / kernel;
    const int map = out / (a->out_maps / a->groups) * depth + in;
    float sum = 0;
    for (int image = 0; image < a->images; image++)
        for (int row = 0; row < a->out_height; row++) {
            float row_sum = 0;
            const int h = row * a->stride + r - a->pad;
            for (int column = 0; h >= 0 && h < a->in_height && column < a->out_width; column++) {
                const int w = column * a->stride + s - a->pad;
                if (w >= 0 && w < a->in_width)
                    row_sum +=
                        an_get(c->dy, a->number, an_out_at(a, (size_t)image, row, column, out)) *
                        an_get(c->x, a->number, an_in_at(a, (size_t)image, h, w, map));
            }
            sum += row_sum;
        }
    c->dw[i] = sum;
}

#endif
