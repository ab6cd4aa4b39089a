/* Local response normalisation, reference/lrn.c. */
#ifndef AN_BACKEND_CUDA_KERNELS_LRN_H
#define AN_BACKEND_CUDA_KERNELS_LRN_H

#include "backend/cuda/kernels/bias.h"

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

#endif
