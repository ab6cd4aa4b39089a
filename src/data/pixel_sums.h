/* Sums over pixels of their channels and of the channels' products: integers, and so exact, and the
 * same in any order. */
#ifndef AN_DATA_PIXEL_SUMS_H
#define AN_DATA_PIXEL_SUMS_H

#include <stddef.h>
#include <stdint.h>

/* The pixels that may be counted: their sum of products of two bytes is below 2^64. */
#define AN_MOST_PIXELS (UINT64_MAX / (255 * 255))

typedef struct an_pixel_sums {
    uint64_t count;      /* of pixels */
    uint64_t sum[3];     /* red, green, blue */
    uint64_t product[6]; /* red squared, red green, red blue, green squared, green blue, ... */
} an_pixel_sums;

/* Adds `width` pixels (width, 3), at most AN_MAX_IMAGE_SIDE. */
void an_pixel_sums_add_row(an_pixel_sums *sums, const uint8_t *row, size_t width);

/* Adds what was counted elsewhere. */
void an_pixel_sums_merge(an_pixel_sums *sums, const an_pixel_sums *more);

/* The mean of channel c, and of the product of channels a and b. */
double an_pixel_sums_mean(const an_pixel_sums *sums, int c);
double an_pixel_sums_product(const an_pixel_sums *sums, int a, int b);

#endif
