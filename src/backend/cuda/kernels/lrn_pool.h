/*
 * Local response normalisation and the max pooling above it in one pass each way. What is between
 * them is nowhere in memory, and so, in 16 bits, never rounded.
 *
 * For what AlexNets have: an_lrn_by_8, and windows of 3 x 3 in steps of 2. In float32 all is as
 * from lrn and max_pool, one behind the other, to the bit: the places, too, of which none is
 * AN_NO_PLACE.
 *
 * An index goes down a strip of a column, 8 maps wide: forward of y, backward of x. So what windows
 * one above the other share is done once, and the index is taken apart once for many pixels.
 */
#ifndef AN_BACKEND_CUDA_KERNELS_LRN_POOL_H
#define AN_BACKEND_CUDA_KERNELS_LRN_POOL_H

#include "backend/cuda/kernels/lrn.h"
#include "backend/cuda/kernels/pool.h"

typedef struct an_cuda_lrn_pool {
    an_cuda_lrn lrn;       /* x, bias; backward: y, which is dx */
    an_cuda_max_pool pool; /* y, place; backward: x, which is dy, and place */
    int rows;              /* of a strip: of y, or pairs of x's */
} an_cuda_lrn_pool, an_cuda_lrn_pool_backward;

enum {
    AN_LRN_POOL_KERNEL = 3,
    AN_LRN_POOL_STRIDE = 2,
    AN_LRN_POOL_INDICES = 200000 /* that keep a large GPU busy: it runs some 70,000 at a time */
};

AN_ANYWHERE bool an_lrn_pool_fits(const an_cuda_lrn *lrn, const an_cuda_max_pool *pool) {
    return an_lrn_by_8(lrn) && pool->kernel == AN_LRN_POOL_KERNEL &&
           pool->stride == AN_LRN_POOL_STRIDE;
}

/* Columns, 8 maps wide, in `images` images. */
AN_ANYWHERE size_t an_lrn_pool_columns(const an_cuda_max_pool *a, bool backward, size_t images) {
    return images * (size_t)(backward ? a->in_width : a->out_width) * (size_t)(a->maps / 8);
}

/* Rows that strips divide: of y, or pairs of x's. */
AN_ANYWHERE int an_lrn_pool_height(const an_cuda_max_pool *a, bool backward) {
    return backward ? (a->in_height + 1) / 2 : a->out_height;
}

/* The most rows a strip can have so that there are enough indices; 1 where there never are. */
AN_ANYWHERE int an_lrn_pool_rows(const an_cuda_max_pool *a, bool backward, size_t images) {
    const size_t columns = an_lrn_pool_columns(a, backward, images);
    const size_t strips = (AN_LRN_POOL_INDICES + columns - 1) / columns;
    const int height = an_lrn_pool_height(a, backward);
    if (strips == 1)
        return height;
    return strips < (size_t)height ? (height - 1) / ((int)strips - 1) : 1;
}

AN_ANYWHERE int an_lrn_pool_strips(const an_cuda_lrn_pool *a, bool backward) {
    return (an_lrn_pool_height(&a->pool, backward) + a->rows - 1) / a->rows;
}

/* Indices: of images the strips, of strips the columns, of columns the portions of 8 maps. */
AN_ANYWHERE size_t an_lrn_pool_count(const an_cuda_lrn_pool *a, bool backward, size_t images) {
    return an_lrn_pool_columns(&a->pool, backward, images) *
           (size_t)an_lrn_pool_strips(a, backward);
}

/* An index taken apart. */
typedef struct an_lrn_pool_strip {
    an_lrn_maps maps;
    size_t image;
    int column, begin, end; /* rows begin to end - 1, as an_lrn_pool_height counts them */
} an_lrn_pool_strip;

AN_ANYWHERE an_lrn_pool_strip an_lrn_pool_strip_of(const an_cuda_lrn_pool *a, bool backward,
                                                   uint32_t i) {
    const uint32_t portions = (uint32_t)(a->pool.maps / 8);
    const uint32_t columns = (uint32_t)(backward ? a->pool.in_width : a->pool.out_width);
    const uint32_t strips = (uint32_t)an_lrn_pool_strips(a, backward);
    const int height = an_lrn_pool_height(&a->pool, backward);
    an_lrn_pool_strip strip;
    strip.maps = an_lrn_maps_from(&a->lrn, (int)(i % portions) * 8);
    strip.column = (int)(i / portions % columns);
    strip.begin = (int)(i / portions / columns % strips) * a->rows;
    strip.end = strip.begin + a->rows < height ? strip.begin + a->rows : height;
    strip.image = i / portions / columns / strips;
    return strip;
}

AN_ANYWHERE size_t an_lrn_pool_pixel(const an_cuda_max_pool *a, size_t image, int h, int w) {
    return (image * (size_t)a->in_height + (size_t)h) * (size_t)a->in_width + (size_t)w;
}

AN_ANYWHERE size_t an_lrn_pool_window(const an_cuda_max_pool *a, size_t image, int h, int w) {
    return (image * (size_t)a->out_height + (size_t)h) * (size_t)a->out_width + (size_t)w;
}

/* ---- Forward. Windows one above the other share a row, whose maxima are kept: a pixel is
 * normalised by 1.5 indices, where an index for each window would do it 2.25 times. */

/* Of row h of x the maxima in a window, normalised; their places are its columns. */
AN_ANYWHERE void an_lrn_pool_row(const an_cuda_lrn_pool *a, const an_lrn_pool_strip *strip,
                                 const float *biases, int h, an_maxima *row) {
    const int left = strip->column * AN_LRN_POOL_STRIDE;
    float x[24], y[8];
    an_maxima_clear(row);
    for (int s = 0; s < AN_LRN_POOL_KERNEL && left + s < a->pool.in_width; s++) {
        const size_t pixel = an_lrn_pool_pixel(&a->pool, strip->image, h, left + s);
        an_lrn_inputs(&a->lrn, biases, pixel, strip->maps, x);
        an_lrn_outputs(&a->lrn, x, y);
        for (int k = 0; k < 8; k++)
            an_maxima_take(row, k, s == 0, y[k], s);
    }
}

AN_ANYWHERE void an_cuda_lrn_pool_at(const an_cuda_lrn_pool *a, uint32_t i) {
    const an_cuda_max_pool *pool = &a->pool;
    const an_lrn_pool_strip strip = an_lrn_pool_strip_of(a, false, i);
    int there = -1; /* the row whose maxima are in `row` */
    an_maxima best, row;
    float biases[24];
    an_lrn_biases(&a->lrn, strip.maps, biases);
    an_maxima_clear(&row);
    for (int out = strip.begin; out < strip.end; out++) {
        const int top = out * AN_LRN_POOL_STRIDE;
        an_maxima_clear(&best);
        for (int r = 0; r < AN_LRN_POOL_KERNEL && top + r < pool->in_height; r++) {
            if (there != top + r)
                an_lrn_pool_row(a, &strip, biases, top + r, &row);
            there = top + r;
            for (int k = 0; k < 8; k++)
                an_maxima_take(&best, k, r == 0, row.value[k],
                               r * AN_LRN_POOL_KERNEL + row.place[k]);
        }
        const size_t to =
            an_lrn_pool_window(pool, strip.image, out, strip.column) * (size_t)pool->maps +
            (size_t)strip.maps.c;
        an_put_some(pool->y, pool->number, to, 8, best.value);
        if (pool->place)
            an_put_places(pool->place, to, 8, best.place);
    }
}

/* ---- Backward. A row of windows sends its gradients to three rows of x, the last of which the
 * next one reaches, too. */

/* Gradients between the two layers at the three rows of x that a row of windows sees, in one
 * column, as an_lrn_around has maps. */
typedef struct an_lrn_pool_between {
    float first[24], second[24], third[24];
} an_lrn_pool_between;

/* The places of a window, as an_lrn_around has its gradients. */
AN_ANYWHERE void an_lrn_pool_places(const an_cuda_max_pool *a, size_t window, an_lrn_maps maps,
                                    uint8_t *out) {
    for (int part = 0; part < 3; part++) {
        const int begin = maps.c + 8 * (part - 1);
        if (begin >= maps.low && begin < maps.high)
            an_get_places(a->place, window * (size_t)a->maps + (size_t)begin, 8, out + 8 * part);
        else
            for (int k = 0; k < 8; k++)
                out[8 * part + k] = AN_NO_PLACE;
    }
}

/* What the windows of row `out` send to column w. */
AN_ANYWHERE void an_lrn_pool_send(const an_cuda_lrn_pool *a, const an_lrn_pool_strip *strip,
                                  int out, int w, an_lrn_pool_between *to) {
    const an_cuda_max_pool *pool = &a->pool;
    float dy[24];
    uint8_t places[24];
    for (int column = w < 2 ? 0 : (w - 1) / 2; column <= w / 2 && column < pool->out_width;
         column++) {
        const size_t window = an_lrn_pool_window(pool, strip->image, out, column);
        const int s = w - column * AN_LRN_POOL_STRIDE;
        an_lrn_around(&a->lrn, pool->x, pool->number, window, strip->maps, dy);
        an_lrn_pool_places(pool, window, strip->maps, places);
        for (int p = 6; p < 18; p++) {
            if (places[p] == s)
                to->first[p] += dy[p];
            if (places[p] == AN_LRN_POOL_KERNEL + s)
                to->second[p] += dy[p];
            if (places[p] == 2 * AN_LRN_POOL_KERNEL + s)
                to->third[p] += dy[p];
        }
    }
}

/* The gradient of pixel (h, w), from that between the two layers. */
AN_ANYWHERE void an_lrn_pool_dx(const an_cuda_lrn_pool *a, const an_lrn_pool_strip *strip,
                                const float *biases, int h, int w, const float *between) {
    const size_t pixel = an_lrn_pool_pixel(&a->pool, strip->image, h, w);
    float x[24], dx[8];
    an_lrn_inputs(&a->lrn, biases, pixel, strip->maps, x);
    an_lrn_gradients(&a->lrn, x, between, dx);
    an_put_some(a->lrn.y, a->lrn.number, pixel * (size_t)a->lrn.maps + (size_t)strip->maps.c, 8,
                dx);
}

AN_ANYWHERE void an_cuda_lrn_pool_backward_at(const an_cuda_lrn_pool_backward *a, uint32_t i) {
    const an_lrn_pool_strip strip = an_lrn_pool_strip_of(a, true, i);
    /* Columns in two windows come first, then those in one, so that neighbours do the same. */
    const int evens = (a->pool.in_width + 1) / 2, odd = strip.column - evens;
    const int w = odd < 0 ? 2 * strip.column : 2 * odd + 1;
    an_lrn_pool_between between;
    float biases[24];
    an_lrn_biases(&a->lrn, strip.maps, biases);
    for (int p = 0; p < 24; p++)
        between.third[p] = 0;
    for (int out = strip.begin - 1; out < strip.end; out++) {
        for (int p = 0; p < 24; p++) {
            between.first[p] = between.third[p];
            between.second[p] = between.third[p] = 0;
        }
        if (out >= 0 && out < a->pool.out_height)
            an_lrn_pool_send(a, &strip, out, w, &between);
        if (out >= strip.begin)
            an_lrn_pool_dx(a, &strip, biases, 2 * out, w, between.first);
        if (out >= strip.begin && 2 * out + 1 < a->pool.in_height)
            an_lrn_pool_dx(a, &strip, biases, 2 * out + 1, w, between.second);
    }
}

#endif
