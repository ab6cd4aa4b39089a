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

/* Each decodes bytes that begin as its format does. Errors as an_image_decode's. */
alexnet_status an_png_decode(const uint8_t *bytes, size_t size, const char *name, an_image *out,
                             alexnet_error *error);
alexnet_status an_ppm_decode(const uint8_t *bytes, size_t size, const char *name, an_image *out,
                             alexnet_error *error);

/* FORMAT where a file declares a picture without pixels or beyond the limits of image.h. */
alexnet_status an_decode_check_size(const char *name, uint64_t width, uint64_t height,
                                    alexnet_error *error);

#endif
