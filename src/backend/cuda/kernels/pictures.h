/* Pictures as bytes into the input. */
#ifndef AN_BACKEND_CUDA_KERNELS_PICTURES_H
#define AN_BACKEND_CUDA_KERNELS_PICTURES_H

#include "backend/cuda/kernels/numbers.h"
#include "model/picture.h"

/* A batch of an_picture to (N, H, W, S), S >= 3, zeros from the fourth map on. */
typedef struct an_cuda_pictures {
    const void *from;
    void *to;
    size_t bytes; /* from one picture to the next */
    an_number number;
    int stored, rows, columns;
} an_cuda_pictures;

/* `stored` maps of a pixel, `width` at once, of which the first three are looked up. */
AN_ANYWHERE void an_pictures_pixel(const an_cuda_pictures *a, uint32_t i, const int stored,
                                   const int width) {
    const uint32_t columns = (uint32_t)a->columns, pixels = (uint32_t)a->rows * columns;
    const uint32_t pixel = i % pixels, column = pixel % columns;
    const void *place = (const char *)a->from + i / pixels * a->bytes;
    const an_picture *picture = (const an_picture *)place;
    const uint32_t seen = picture->mirrored ? pixel - column + (columns - 1 - column) : pixel;
    const uint8_t *bytes = picture->bytes + 3 * (size_t)seen;
    float maps[8] = {0};
    for (int c = 0; c < 3; c++) {
        const int k = picture->bgr ? 2 - c : c;
        maps[c] = picture->value[k][bytes[k]];
    }
    for (int map = 0; map < stored; map += width)
        an_put_some(a->to, a->number, (size_t)i * (size_t)stored + (size_t)map, width, maps + map);
}

/* The index is that of the pixel in the batch. */
AN_ANYWHERE void an_cuda_pictures_at(const an_cuda_pictures *a, uint32_t i) {
    if (an_width(a->stored) == 8)
        an_pictures_pixel(a, i, 8, 8);
    else
        an_pictures_pixel(a, i, a->stored, 1);
}

#endif
