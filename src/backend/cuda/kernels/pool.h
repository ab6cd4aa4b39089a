/* Pooling, reference/max_pool.c and avg_pool.c. */
#ifndef AN_BACKEND_CUDA_KERNELS_POOL_H
#define AN_BACKEND_CUDA_KERNELS_POOL_H

#include "backend/cuda/kernels/bias.h"

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

#endif
