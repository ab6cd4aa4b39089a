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

/* base ^ -0.5, and base ^ -0.75 from it: on a GPU by its units for roots, whose last bits may be
 * wrong, in an instruction each, where a division takes some ten. Bases are at least k, so that
 * neither they nor their roots are small enough for these to take them for 0. */
AN_ANYWHERE float an_inverse_root(float base) {
#ifdef __CUDA_ARCH__
    float root;
    asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(root) : "f"(base));
    return root;
#else
    return 1 / sqrtf(base);
#endif
}

AN_ANYWHERE float an_damping_of(float inverse_root) {
#ifdef __CUDA_ARCH__
    float root;
    asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(root) : "f"(inverse_root));
    return inverse_root * root;
#else
    return inverse_root * sqrtf(inverse_root);
#endif
}

/* base ^ -beta */
AN_ANYWHERE float an_damping(float base, float beta) {
    return beta == 0.75f ? an_damping_of(an_inverse_root(base)) : powf(base, -beta);
}

/* Maps c to c + 7, c a multiple of 8, of the tower that is maps `low` to `high` - 1; its maps are a
 * multiple of 8, too. */
typedef struct an_lrn_maps {
    int c, low, high;
} an_lrn_maps;

AN_ANYWHERE an_lrn_maps an_lrn_maps_from(const an_cuda_lrn *a, int c) {
    an_lrn_maps maps;
    maps.c = c;
    maps.low = c / a->tower * a->tower;
    maps.high = maps.low + a->tower;
    return maps;
}

/* Of a pixel (C) the maps from c - 8 to c + 15; 0 outside of the tower. */
AN_ANYWHERE void an_lrn_around(const an_cuda_lrn *a, const void *data, an_number number,
                               size_t pixel, an_lrn_maps maps, float *out) {
    const size_t first = pixel * (size_t)a->maps + (size_t)maps.c;
    for (int part = 0; part < 3; part++) {
        const int begin = maps.c + 8 * (part - 1);
        if (begin < maps.low || begin >= maps.high) {
            for (int k = 0; k < 8; k++)
                out[8 * part + k] = 0;
            continue;
        }
        an_get_some(data, number, first + (size_t)(8 * part) - 8, 8, out + 8 * part);
    }
}

/* The biases around maps, for an_lrn_inputs. */
AN_ANYWHERE void an_lrn_biases(const an_cuda_lrn *a, an_lrn_maps maps, float *out) {
    for (int k = 0; k < 24; k++)
        out[k] = 0;
    if (a->bias)
        an_lrn_around(a, a->bias, AN_NUMBER_FLOAT, 0, maps, out);
}

/* What enters at a pixel around c; of it c - 4 to c + 11, which is all that c to c + 7 depend on,
 * forward and backward. */
AN_ANYWHERE void an_lrn_inputs(const an_cuda_lrn *a, const float *biases, size_t pixel,
                               an_lrn_maps maps, float *out) {
    an_lrn_around(a, a->x, a->number, pixel, maps, out);
    for (int p = 4; a->bias && p < 20; p++)
        out[p] = an_entered(out[p], biases, p);
}

/* base ^ -0.5 at place p of what an_lrn_inputs gave, for windows of 5. */
AN_ANYWHERE float an_lrn_root(const an_cuda_lrn *a, const float *x, int p) {
    float sum = 0;
    for (int q = p - 2; q <= p + 2; q++)
        sum += x[q] * x[q];
    return an_inverse_root(a->k + a->alpha * sum);
}

/* y (8) of what an_lrn_inputs gave. */
AN_ANYWHERE void an_lrn_outputs(const an_cuda_lrn *a, const float *x, float *y) {
    for (int j = 0; j < 8; j++)
        y[j] = x[8 + j] * an_damping_of(an_lrn_root(a, x, 8 + j));
}

/* dx (8) of what an_lrn_inputs gave, and an_lrn_around of dy. */
AN_ANYWHERE void an_lrn_gradients(const an_cuda_lrn *a, const float *x, const float *dy,
                                  float *dx) {
    const float factor = 2 * a->alpha * a->beta;
    float direct[12], through[12];
    for (int j = 0; j < 12; j++) { /* maps c - 2 to c + 9 */
        const float root = an_lrn_root(a, x, 6 + j);
        direct[j] = dy[6 + j] * an_damping_of(root);
        through[j] = direct[j] * x[6 + j] * (root * root);
    }
    for (int j = 0; j < 8; j++) {
        float sum = through[j];
        for (int q = j + 1; q < j + 5; q++)
            sum += through[q];
        dx[j] = a->bias && x[8 + j] <= 0 ? 0 : direct[j + 2] - factor * x[8 + j] * sum;
    }
}

/* As AlexNets have it: windows of 5 in towers of multiples of 8, beta 0.75; the index counts
 * portions of 8 maps. */
AN_ANYWHERE void an_lrn_8(const an_cuda_lrn *a, uint32_t i) {
    const uint32_t portions = (uint32_t)a->maps / 8;
    const an_lrn_maps maps = an_lrn_maps_from(a, (int)(i % portions) * 8);
    float biases[24], x[24], y[8];
    an_lrn_biases(a, maps, biases);
    an_lrn_inputs(a, biases, i / portions, maps, x);
    an_lrn_outputs(a, x, y);
    an_put_some(a->y, a->number, (size_t)i * 8, 8, y);
}

AN_ANYWHERE void an_lrn_backward_8(const an_cuda_lrn *a, uint32_t i) {
    const uint32_t portions = (uint32_t)a->maps / 8;
    const an_lrn_maps maps = an_lrn_maps_from(a, (int)(i % portions) * 8);
    float biases[24], x[24], dy[24], dx[8];
    an_lrn_biases(a, maps, biases);
    an_lrn_inputs(a, biases, i / portions, maps, x);
    an_lrn_around(a, a->dy, a->number, i / portions, maps, dy);
    an_lrn_gradients(a, x, dy, dx);
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
    return a->size == 5 && a->tower % 8 == 0 && a->beta == 0.75f;
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
