/* The decoders behind an_image_decode, one file for each format, and what they share. */
#ifndef AN_DATA_DECODE_H
#define AN_DATA_DECODE_H

#include "data/image.h"

/* Each decodes bytes that begin as its format does. Errors as an_image_decode's. */
alexnet_status an_jpeg_decode(const uint8_t *bytes, size_t size, const char *name, an_image *out,
                              alexnet_error *error);
alexnet_status an_png_decode(const uint8_t *bytes, size_t size, const char *name, an_image *out,
                             alexnet_error *error);
alexnet_status an_ppm_decode(const uint8_t *bytes, size_t size, const char *name, an_image *out,
                             alexnet_error *error);

/* FORMAT where a file declares a picture without pixels or beyond the limits of image.h. */
alexnet_status an_decode_check_size(const char *name, uint64_t width, uint64_t height,
                                    alexnet_error *error);

#endif
