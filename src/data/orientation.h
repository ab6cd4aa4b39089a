/*
 * How a picture lies that a camera stored: EXIF's orientation, and turning pictures by it.
 */
#ifndef AN_DATA_ORIENTATION_H
#define AN_DATA_ORIENTATION_H

#include "data/image.h"

/* The orientation, 1 to 8, in an EXIF block with or without the "Exif\0\0" that JPEG puts before
 * it; 1 (upright) where there is none or the block is damaged. */
int an_exif_orientation(const uint8_t *block, size_t size);

/* EXIF 2.3, tag Orientation: which sides of the scene the stored first row and column are. Stored
 * rows are mirrored, or their order is, and they become columns after that. */
bool an_mirrors_x(int orientation);
bool an_mirrors_y(int orientation);
bool an_swaps_sides(int orientation);

/* Where stored pixel (x, y) goes in the upright picture: origin + x * right + y * down, in bytes.
 */
typedef struct an_placement {
    ptrdiff_t origin, right, down;
} an_placement;

/* For a stored picture of that size. */
an_placement an_place(int orientation, int width, int height);

/* Rows turned into place at a time, so that pixels are not written far apart one by one. */
enum { AN_BAND = 16 };

/* Puts `count` stored rows of RGB bytes, the first being row y, to their places in `out`. */
void an_place_rows(const an_placement *to, uint8_t *const *rows, int y, int count, int width,
                   uint8_t *out);

#endif
