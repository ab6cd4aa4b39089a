/* Pooling, reference/max_pool.c and avg_pool.c. */
#ifndef AN_BACKEND_CUDA_KERNELS_POOL_H
#define AN_BACKEND_CUDA_KERNELS_POOL_H

#include "backend/cuda/kernels/bias.h"

/* In an_cuda_max_pool.place: the maximum is 0 by ReLU, and no pixel has its gradient. */
enum { AN_NO_PLACE = 255 };

/* 8 bytes, which a GPU reads and writes in one go; they lie at a multiple of 8. */
AN_ANYWHERE uint64_t an_load_eight(const uint8_t *from) {
#ifdef __CUDA_ARCH__
    return *(const uint64_t *)from;
#else
    uint64_t all;
    memcpy(&all, from, sizeof all);
    return all;
#endif
}

AN_ANYWHERE void an_store_eight(uint8_t *to, uint64_t all) {
#ifdef __CUDA_ARCH__
    *(uint64_t *)to = all;
#else
    memcpy(to, &all, sizeof all);
#endif
}

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

/* Maxima so far, and where they were. Of equal ones it is the first, and a NaN is more than any. */
typedef struct an_maxima {
    float value[8];
    uint8_t place[8];
} an_maxima;

AN_ANYWHERE void an_maxima_clear(an_maxima *all) {
    for (int k = 0; k < 8; k++) {
        all->value[k] = 0;
        all->place[k] = 0;
    }
}

/* Another value of maximum k; `first`: there was none before it. */
AN_ANYWHERE void an_maxima_take(an_maxima *all, int k, bool first, float value, int place) {
    if (first || value > all->value[k] || value != value) {
        all->value[k] = value;
        all->place[k] = (uint8_t)place;
    }
}

/* The places of `width` maps from the first on, which is a multiple of it. */
AN_ANYWHERE void an_get_places(const uint8_t *from, size_t first, const int width, uint8_t *out) {
    if (width == 8) {
        const uint64_t all = an_load_eight(from + first);
        for (int k = 0; k < 8; k++)
            out[k] = (uint8_t)(all >> 8 * k);
        return;
    }
    for (int k = 0; k < width; k++)
        out[k] = from[first + (size_t)k];
}

AN_ANYWHERE void an_put_places(uint8_t *to, size_t first, const int width, const uint8_t *places) {
    if (width == 8) {
        uint64_t all = 0;
        for (int k = 0; k < 8; k++)
            all |= (uint64_t)places[k] << 8 * k;
        an_store_eight(to + first, all);
        return;
    }
    for (int k = 0; k < width; k++)
        to[first + (size_t)k] = places[k];
}

AN_ANYWHERE void an_max_pool_some(const an_cuda_max_pool *a, uint32_t i, const int width) {
    const uint32_t portions = (uint32_t)(a->maps / width);
    const uint32_t pixel = i / portions, out_width = (uint32_t)a->out_width;
    const int left = (int)(pixel % out_width) * a->stride;
    const int top = (int)(pixel / out_width % (uint32_t)a->out_height) * a->stride;
    const size_t image = pixel / out_width / (uint32_t)a->out_height;
    const size_t map = i % portions * (uint32_t)width;
    an_maxima best;
    float values[8];
    an_maxima_clear(&best);
    for (int r = 0; r < a->kernel && top + r < a->in_height; r++)
        for (int s = 0; s < a->kernel && left + s < a->in_width; s++) {
            const size_t at =
                (image * (size_t)a->in_height + (size_t)(top + r)) * (size_t)a->in_width +
                (size_t)(left + s);
            an_get_some(a->x, a->number, at * (size_t)a->maps + map, width, values);
            for (int k = 0; k < width; k++)
                an_maxima_take(&best, k, r == 0 && s == 0, values[k], r * a->kernel + s);
        }
    for (int k = 0; a->bias && k < width; k++) {
        best.value[k] = an_entered(best.value[k], a->bias, (int)map + k);
        if (best.value[k] <= 0)
            best.place[k] = AN_NO_PLACE;
    }
    an_put_some(a->y, a->number, (size_t)i * (size_t)width, width, best.value);
    if (a->place)
        an_put_places(a->place, (size_t)i * (size_t)width, width, best.place);
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
    uint8_t places[8];
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
            an_get_places(a->place, at, width, places);
            for (int k = 0; k < width; k++)
                if (places[k] == place)
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

#endif
