/*
 * The mean image, the channels' means and the covariance of colours (§2 and §4.1 of the paper), as
 * sums of integers: exact, and so the same in any order and for any division of the work.
 *
 * Of each picture its centre square counts, which is what the authors cut their pictures to. The
 * mean image is made where these squares are all of one size, of at most AN_MOST_MEAN_SIDE.
 */
#ifndef AN_DATA_COLOUR_SUMS_H
#define AN_DATA_COLOUR_SUMS_H

#include "data/dataset.h"
#include "data/pixel_sums.h"

enum { AN_MOST_MEAN_SIDE = 512 };

typedef struct an_colour_sums {
    int32_t side;      /* of the first picture's square */
    int32_t mixed;     /* 1: there were other sides, too */
    uint64_t pictures; /* in `image` */
    an_pixel_sums pixels;
    uint64_t *image; /* (side, side, 3); NULL while there is none */
} an_colour_sums;

/* Adds a picture. NO_MEMORY; FORMAT from 2.8e14 pixels on, which could no longer be counted. */
alexnet_status an_colour_sums_add(an_colour_sums *sums, const an_image *image,
                                  alexnet_error *error);

/* Adds what was counted elsewhere. */
alexnet_status an_colour_sums_merge(an_colour_sums *sums, const an_colour_sums *more,
                                    alexnet_error *error);

/* Counts from nothing again, keeping the memory. */
void an_colour_sums_clear(an_colour_sums *sums);

/* The values of `image`; 0 where there is no mean image. */
size_t an_colour_sums_image_count(const an_colour_sums *sums);

/* Makes room for the mean image of `side`, zeroed. */
alexnet_status an_colour_sums_reserve(an_colour_sums *sums, int side, alexnet_error *error);

/* What they come to. *out is freed with an_statistics_free. INVALID where nothing was counted. */
alexnet_status an_colour_sums_finish(const an_colour_sums *sums, an_statistics **out,
                                     alexnet_error *error);

/* Frees the memory; the sums are empty afterwards. */
void an_colour_sums_free(an_colour_sums *sums);

#endif
