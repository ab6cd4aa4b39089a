/* The decoders behind an_image_decode, one file for each format, and what they share. */
#ifndef AN_DATA_DECODE_H
#define AN_DATA_DECODE_H

#include "data/image.h"

typedef enum an_image_format {
    AN_FORMAT_OTHER, /* none that is read */
    AN_FORMAT_JPEG,
    AN_FORMAT_PNG,
    AN_FORMAT_PPM,   /* and PGM */
    AN_FORMAT_PIXELS /* no file: a data set of bare pixels */
} an_image_format;

/* What a file is by its first bytes. */
an_image_format an_image_recognise(const uint8_t *bytes, size_t size);

/* What a picture file says of itself before its pixels. */
typedef struct an_image_info {
    an_image_format format;
    int width, height; /* upright, as the file is decoded */
    int channels;      /* as stored: 1 gray, 2 with alpha, 3 RGB, 4 with alpha, or CMYK */
    int depth;         /* bits of a channel; of a palette's colours 8 */
    bool cmyk, palette;
    bool alpha;       /* or a transparent colour */
    bool progressive; /* JPEG; PNG: interlaced */
    int orientation;  /* EXIF's, 1 to 8; 1: upright */
} an_image_info;

/*
 * Reads the header of a picture without decoding it. FORMAT where the bytes are no picture that
 * an_image_decode reads, or end before the header does.
 */
alexnet_status an_image_probe(const uint8_t *bytes, size_t size, const char *name,
                              an_image_info *out, alexnet_error *error);

/* The part of it that is in ppm.c: size, channels, depth. */
alexnet_status an_ppm_probe(const uint8_t *bytes, size_t size, const char *name, an_image_info *out,
                            alexnet_error *error);

/* The orientation, 1 to 8, in the EXIF block of a JPEG's APP1 marker; 1 (upright) where there is
 * none or the block is damaged. */
int an_exif_orientation(const uint8_t *block, size_t size);

/* FORMAT, saying what bytes are that no decoder takes. */
alexnet_status an_decode_refuse(const uint8_t *bytes, size_t size, const char *name,
                                alexnet_error *error);

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
