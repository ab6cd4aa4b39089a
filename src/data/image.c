#include "data/image.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "data/decode.h"
#include "data/normalise.h"

alexnet_status an_image_reserve(an_image *image, int width, int height, alexnet_error *error) {
    if (width < 1 || height < 1 || width > AN_MAX_IMAGE_SIDE || height > AN_MAX_IMAGE_SIDE ||
        (int64_t)width * height > (int64_t)AN_MAX_IMAGE_MEGAPIXELS * 1000000)
        return an_fail(error, ALEXNET_INVALID,
                       "a picture of %d x %d pixels cannot be made: 1 to %d a side and %d million "
                       "in all can",
                       width, height, AN_MAX_IMAGE_SIDE, AN_MAX_IMAGE_MEGAPIXELS);
    const size_t bytes = (size_t)width * (size_t)height * 3;
    if (bytes > image->capacity) {
        an_image_free(image); /* first: the old content is not needed beside the new */
        image->pixels = malloc(bytes);
        if (!image->pixels)
            return an_fail(error, ALEXNET_NO_MEMORY,
                           "no memory for a picture of %d x %d pixels (%.0f MB)", width, height,
                           (double)bytes / 1e6);
        image->capacity = bytes;
    }
    image->width = width;
    image->height = height;
    return ALEXNET_OK;
}

void an_image_free(an_image *image) {
    free(image->pixels);
    *image = (an_image){0};
}

an_raster an_raster_of(const an_image *image) {
    const size_t stride = (size_t)image->width * 3;
    return (an_raster){.pixels = image->pixels,
                       .end = image->pixels + stride * (size_t)image->height,
                       .stride = stride,
                       .width = image->width,
                       .height = image->height};
}

an_raster an_raster_part(const an_raster *raster, an_part part) {
    an_raster cut = *raster;
    cut.pixels += (size_t)part.y * raster->stride + (size_t)part.x * 3;
    cut.width = part.width;
    cut.height = part.height;
    return cut;
}

bool an_image_has_name(const char *name) {
    return an_image_format_of_name(name) != AN_FORMAT_OTHER;
}

alexnet_status an_image_read(const char *path, an_image *out, alexnet_error *error) {
    uint8_t *bytes;
    size_t size;
    AN_TRY(an_read_file(path, AN_MAX_IMAGE_BYTES, &bytes, &size, error));
    const alexnet_status status =
        an_image_decode(bytes, size, strcmp(path, "-") == 0 ? "standard input" : path, out, error);
    free(bytes);
    return status;
}

void an_short_side_size(int width, int height, int side, int *out_width, int *out_height) {
    const int shorter = width <= height ? width : height;
    const int longer = width <= height ? height : width;
    const int64_t scaled = (int64_t)side * longer / shorter;
    const int long_side = scaled > INT_MAX ? INT_MAX : (int)scaled;
    *out_width = width <= height ? side : long_side;
    *out_height = width <= height ? long_side : side;
}

/* Half of the margin, halves rounded to the even number as Python's round() does. */
static int half_margin(int margin) {
    return margin / 2 + (margin % 4 == 3);
}

an_crop an_crop_centre(int width, int height, int side) {
    return (an_crop){.x = half_margin(width - side), .y = half_margin(height - side)};
}

void an_image_to_input(const an_image *image, an_crop crop, const an_preprocess *preprocess,
                       float *out) {
    const an_raster whole = an_raster_of(image);
    const an_raster cut =
        an_raster_part(&whole, (an_part){crop.x, crop.y, preprocess->crop, preprocess->crop});
    an_normalise_pixels(&cut, crop.mirror, preprocess, NULL, out);
}

alexnet_status an_image_preprocess_crop(const an_image *image, an_crop crop,
                                        const an_preprocess *preprocess, an_image *scratch,
                                        float *out, alexnet_error *error) {
    int width, height;
    an_short_side_size(image->width, image->height, preprocess->resize, &width, &height);
    const int side = preprocess->crop;
    AN_TRY(an_image_resize_part(image, width, height, (an_part){crop.x, crop.y, side, side},
                                scratch, error));
    an_image_to_input(scratch, (an_crop){.mirror = crop.mirror}, preprocess, out);
    return ALEXNET_OK;
}

alexnet_status an_image_preprocess(const an_image *image, const an_preprocess *preprocess,
                                   an_image *scratch, float *out, alexnet_error *error) {
    int width, height;
    an_short_side_size(image->width, image->height, preprocess->resize, &width, &height);
    return an_image_preprocess_crop(image, an_crop_centre(width, height, preprocess->crop),
                                    preprocess, scratch, out, error);
}
