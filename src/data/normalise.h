/* From bytes to a network's input: channel planes, mirrored or not, normalised, in one pass; or to
 * what a device makes that of. */
#ifndef AN_DATA_NORMALISE_H
#define AN_DATA_NORMALISE_H

#include "data/image.h"
#include "model/picture.h"

/* What is done to a picture's colours beside the network's preprocessing. */
typedef struct an_tint {
    double shift[3]; /* RGB, added to the pixels' 0 to 255 */
    double divisor;  /* of what is normalised; 1: none */
} an_tint;

/*
 * Normalises the pixels of a square raster of side preprocess->crop into out, (3, crop, crop):
 *
 *     (((value + shift) * scale - mean) / std) / divisor
 *
 * computed in double precision and rounded once, so that the result is the same on every processor.
 * With a mean image, `mean` is 0, and the image's value over (std * divisor) is taken off then.
 * tint NULL: no shift, and a divisor of 1.
 */
void an_normalise_pixels(const an_raster *pixels, bool mirror, const an_preprocess *preprocess,
                         const an_tint *tint, float *out);

/* Makes, in an_picture_bytes, the picture that stands for what an_normalise_pixels makes, to the
 * bit. The preprocessing has no mean image. */
void an_normalise_picture(const an_raster *pixels, bool mirror, const an_preprocess *preprocess,
                          const an_tint *tint, an_picture *out);

#endif
