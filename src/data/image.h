/* Pictures: decoding files to RGB, resizing, and the network's input out of them. */
#ifndef AN_DATA_IMAGE_H
#define AN_DATA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "model/network.h"

/* Limits on what a file may ask for before a byte is decoded. */
enum { AN_MAX_IMAGE_SIDE = 65500, AN_MAX_IMAGE_MEGAPIXELS = 250 };
#define AN_MAX_IMAGE_BYTES ((size_t)1 << 30)

/* A decoded picture, (H, W, 3) RGB bytes without gaps. An all-zero image is valid and empty. */
typedef struct an_image {
    int width, height;
    uint8_t *pixels;
    size_t capacity; /* bytes that `pixels` can hold; kept when an image is reused */
} an_image;

/* A rectangle of pixels. */
typedef struct an_part {
    int x, y, width, height;
} an_part;

/* Pixels to look at, which belong to somebody else: rows of RGB bytes, `stride` bytes apart. */
typedef struct an_raster {
    const uint8_t *pixels;
    const uint8_t *end; /* of the memory around them, which may be read */
    size_t stride;
    int width, height;
} an_raster;

/* All of an image; and a part of a raster, inside which it must lie. */
an_raster an_raster_of(const an_image *image);
an_raster an_raster_part(const an_raster *raster, an_part part);

/* Makes room for width x height, keeping the memory where it suffices; the content is undefined. */
alexnet_status an_image_reserve(an_image *image, int width, int height, alexnet_error *error);

/* Frees the pixels; the image is empty afterwards and may be used again. */
void an_image_free(an_image *image);

/*
 * Decodes JPEG (grayscale, CMYK and YCCK, progressive, turned as its EXIF orientation says), PNG
 * (palette, grayscale, alpha over white, 16 bits), WebP (the same orientation, alpha over white, of
 * an animation the first frame) or PPM/PGM, recognised by content. `name` stands in messages.
 * FORMAT where the bytes are no such picture, are cut off, or ask for too much, UNSUPPORTED for
 * WebP in a build without libwebp; `out` is empty then, its memory kept. Other damage inside a JPEG
 * is repaired as far as libjpeg can.
 */
alexnet_status an_image_decode(const uint8_t *bytes, size_t size, const char *name, an_image *out,
                               alexnet_error *error);

/* Whether a file's name says that it is a picture that can be read; the names, for messages. */
bool an_image_has_name(const char *name);
#define AN_IMAGE_NAMES ".jpg, .jpeg, .png, .webp, .ppm or .pgm"

/* Reads and decodes a file ("-": standard input). */
alexnet_status an_image_read(const char *path, an_image *out, alexnet_error *error);

/* Writes an RGB PNG. */
alexnet_status an_image_write_png(const an_image *image, const char *path, alexnet_error *error);

/*
 * Resizes to width x height: bilinear with antialiasing, a triangle filter as wide as the
 * reduction, rounded as PIL and torchvision round it (8-bit result between the horizontal and
 * vertical pass). `out` must be another image than `image`.
 */
alexnet_status an_image_resize(const an_image *image, int width, int height, an_image *out,
                               alexnet_error *error);

/*
 * The same, computing only `part` of the resized picture, to the bit what cutting it out of the
 * whole gives. INVALID where it does not lie inside width x height.
 */
alexnet_status an_image_resize_part(const an_image *image, int width, int height, an_part part,
                                    an_image *out, alexnet_error *error);

/* The size that makes the short side `side`, the long one rounded down as torchvision does it. */
void an_short_side_size(int width, int height, int side, int *out_width, int *out_height);

/* Which part of a resized picture becomes the input. */
typedef struct an_crop {
    int x, y;
    bool mirror;
} an_crop;

/* The centre crop, rounded as torchvision's CenterCrop. */
an_crop an_crop_centre(int width, int height, int side);

/*
 * Cuts `preprocess->crop` squared pixels out of an image and normalises them into a network's input
 * (3, crop, crop): normalise.h. The crop must lie inside the image.
 */
void an_image_to_input(const an_image *image, an_crop crop, const an_preprocess *preprocess,
                       float *out);

/*
 * Resize (of what the crop needs), crop and normalisation of one picture. `crop` is placed in the
 * picture as an_short_side_size resizes it to preprocess->resize; INVALID where it lies outside.
 */
alexnet_status an_image_preprocess_crop(const an_image *image, an_crop crop,
                                        const an_preprocess *preprocess, an_image *scratch,
                                        float *out, alexnet_error *error);

/* The same with the centre crop: what testing sees. scratch's memory is reused. */
alexnet_status an_image_preprocess(const an_image *image, const an_preprocess *preprocess,
                                   an_image *scratch, float *out, alexnet_error *error);

#endif
