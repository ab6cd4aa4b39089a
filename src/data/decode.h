/*
 * Decoding parts of pictures, and the decoders behind that and an_image_decode: one file for each
 * format, and what they share.
 */
#ifndef AN_DATA_DECODE_H
#define AN_DATA_DECODE_H

#include "data/dataset.h"
#include "data/resize.h"

/* What is needed of a picture. */
typedef struct an_need {
    an_box box; /* inside the picture ... */
    int side;   /* ... resized to side x side */
    bool cut;   /* resizing sees nothing outside the box, whose edges lie between pixels */
} an_need;

/* Says what is needed of a picture, once its size is known. */
typedef struct an_chooser {
    an_need (*choose)(void *context, int width, int height);
    void *context;
} an_chooser;

/*
 * A decoded part of a picture, possibly reduced: pixel (x, y) of the raster stands for `reduction`
 * x `reduction` pixels of the picture, the first being (left + x * reduction, top + y * reduction).
 * Where a picture's size is no multiple of the reduction, the outermost ones may lie outside of it.
 * All-zero is valid and empty; freed with an_decoded_free.
 */
typedef struct an_decoded {
    an_raster raster;  /* in `image`, or in what was decoded where that held plain pixels */
    int width, height; /* of the whole picture, upright */
    int left, top, reduction;
    an_image image; /* whose memory is reused */
} an_decoded;

void an_decoded_free(an_decoded *decoded);

/*
 * Decodes what is needed of a sample; all of it where `chooser` is NULL. A JPEG is decoded in its
 * needed part only, to the bit as that part of the whole, and where the box is at least 2, 4 or 8
 * times as large as what it becomes, at 1/2, 1/4 or 1/8 of its size, which the format makes cheap.
 * What comes in a file behind that part is not looked at. `name` stands in messages. Errors as
 * an_image_decode's.
 */
alexnet_status an_sample_decode_part(const an_sample *sample, const char *name,
                                     const an_chooser *chooser, an_decoded *out,
                                     alexnet_error *error);

/* The same for a picture file. */
alexnet_status an_image_decode_part(const uint8_t *bytes, size_t size, const char *name,
                                    const an_chooser *chooser, an_decoded *out,
                                    alexnet_error *error);

/* The largest reduction, of 1, 2, 4 and 8, that leaves a box as large as what it becomes. */
int an_need_reduction(const an_need *need);

/* The pixels of a picture of that size that are looked at when it has been reduced. */
an_part an_need_part(const an_need *need, int reduction, int width, int height);

/* The needed box in the coordinates of what was decoded. */
an_box an_need_within(const an_need *need, const an_decoded *decoded);

/* Decodes what is needed of a JPEG; all of it where `chooser` is NULL. */
alexnet_status an_jpeg_decode(const uint8_t *bytes, size_t size, const char *name,
                              const an_chooser *chooser, an_decoded *out, alexnet_error *error);

typedef enum an_image_format {
    AN_FORMAT_OTHER, /* none that is read */
    AN_FORMAT_JPEG,
    AN_FORMAT_PNG,
    AN_FORMAT_WEBP,
    AN_FORMAT_PPM,   /* and PGM */
    AN_FORMAT_PIXELS /* no file: a data set of bare pixels */
} an_image_format;

/* What a file is by its first bytes. */
an_image_format an_image_recognise(const uint8_t *bytes, size_t size);

/* What a file's name promises by its extension; AN_FORMAT_OTHER where that is none that is read. */
an_image_format an_image_format_of_name(const char *name);

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

/* The parts of it that are in webp.c, and in ppm.c: size, channels, depth. */
alexnet_status an_webp_probe(const uint8_t *bytes, size_t size, const char *name,
                             an_image_info *out, alexnet_error *error);
alexnet_status an_ppm_probe(const uint8_t *bytes, size_t size, const char *name, an_image_info *out,
                            alexnet_error *error);

/* FORMAT, saying what bytes are that no decoder takes. */
alexnet_status an_decode_refuse(const uint8_t *bytes, size_t size, const char *name,
                                alexnet_error *error);

/* Each decodes bytes that begin as its format does. Errors as an_image_decode's. */
alexnet_status an_png_decode(const uint8_t *bytes, size_t size, const char *name, an_image *out,
                             alexnet_error *error);
alexnet_status an_webp_decode(const uint8_t *bytes, size_t size, const char *name, an_image *out,
                              alexnet_error *error);
alexnet_status an_ppm_decode(const uint8_t *bytes, size_t size, const char *name, an_image *out,
                             alexnet_error *error);

/* RGBA over white: c * a + 255 * (1 - a), rounded. `rgb` may be `rgba`. */
void an_over_white(const uint8_t *rgba, size_t pixels, uint8_t *rgb);

/* FORMAT where a file declares a picture without pixels or beyond the limits of image.h. */
alexnet_status an_decode_check_size(const char *name, uint64_t width, uint64_t height,
                                    alexnet_error *error);

#endif
