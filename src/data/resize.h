/* Resizing again and again, in the same memory; image.h says how it is done. */
#ifndef AN_DATA_RESIZE_H
#define AN_DATA_RESIZE_H

#include "data/image.h"

/* The memory that resizing works in, for one thread at a time. All-zero is valid and empty. */
typedef struct an_resizer {
    void *block;
    size_t capacity;
} an_resizer;

/* Frees the memory; the resizer may be used again. */
void an_resizer_free(an_resizer *resizer);

/* an_image_resize_part. `out` must be another image than the one that `in` is of. */
alexnet_status an_resize_part(an_resizer *resizer, const an_raster *in, int width, int height,
                              an_part part, an_image *out, alexnet_error *error);

/* A rectangle between pixels: pixel (x, y) covers x to x + 1 and y to y + 1. */
typedef struct an_box {
    double x, y, width, height;
} an_box;

/*
 * Resizes a box of the raster to width x height, as PIL's resize(..., box) does: at the box's edges
 * the filter also sees what lies outside, as far as the raster goes. INVALID where the box does not
 * lie inside the raster.
 */
alexnet_status an_resize_box(an_resizer *resizer, const an_raster *in, an_box box, int width,
                             int height, an_image *out, alexnet_error *error);

#endif
