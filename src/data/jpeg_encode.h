/* Writing JPEGs, and what a JPEG says of itself before it is decoded. */
#ifndef AN_DATA_JPEG_ENCODE_H
#define AN_DATA_JPEG_ENCODE_H

#include "data/image.h"

/* An encoded picture; the memory is reused. An all-zero one is valid and empty. */
typedef struct an_encoded {
    uint8_t *bytes;
    size_t size, capacity;
} an_encoded;

/* Makes room for `size` bytes, keeping the first `out->size`. */
alexnet_status an_encoded_reserve(an_encoded *out, size_t size, alexnet_error *error);

/* Frees the bytes; it is empty afterwards and may be used again. */
void an_encoded_free(an_encoded *encoded);

/*
 * Appends a picture to `out` as a baseline JPEG of `quality` 1 to 100 (libjpeg's scale), its colour
 * at half the resolution in both directions (4:2:0) or at the full one (4:4:4). Replaces nothing
 * that `out` holds. NO_MEMORY; FORMAT where libjpeg cannot.
 */
alexnet_status an_jpeg_encode(const an_image *image, int quality, bool full_colour, an_encoded *out,
                              alexnet_error *error);

/* The frame header of a JPEG. */
typedef struct an_jpeg_header {
    int width, height; /* as stored, before any turning */
    int components;    /* 1 gray, 3 colour, 4 CMYK */
    bool exif;         /* there is an EXIF block, which may say that it is to be turned */
} an_jpeg_header;

/* Reads it; false where the bytes are no JPEG of 8 bits a value up to there. */
bool an_jpeg_read_header(const uint8_t *bytes, size_t size, an_jpeg_header *out);

#endif
