#include "data/colour_sums.h"

#include <stdlib.h>
#include <string.h>

size_t an_colour_sums_image_count(const an_colour_sums *sums) {
    if (sums->side > AN_MOST_MEAN_SIDE || sums->mixed)
        return 0;
    return (size_t)sums->side * (size_t)sums->side * 3;
}

alexnet_status an_colour_sums_reserve(an_colour_sums *sums, int side, alexnet_error *error) {
    if (sums->side != side) {
        free(sums->image);
        sums->image = NULL;
    }
    sums->side = side;
    const size_t count = an_colour_sums_image_count(sums);
    if (count == 0 || sums->image)
        return ALEXNET_OK;
    sums->image = calloc(count, sizeof *sums->image);
    if (!sums->image)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for the mean image");
    return ALEXNET_OK;
}

/* Notes that there are squares of `side`. */
static alexnet_status meet(an_colour_sums *sums, int side, alexnet_error *error) {
    if (sums->pictures == 0)
        return an_colour_sums_reserve(sums, side, error);
    if (side != sums->side)
        sums->mixed = 1;
    return ALEXNET_OK;
}

alexnet_status an_colour_sums_add(an_colour_sums *sums, const an_image *image,
                                  alexnet_error *error) {
    const int shorter = image->width < image->height ? image->width : image->height;
    const size_t side = (size_t)shorter;
    const an_crop corner = an_crop_centre(image->width, image->height, shorter);
    AN_TRY(meet(sums, shorter, error));
    if (side * side > AN_MOST_PIXELS - sums->pixels.count)
        return an_fail(error, ALEXNET_FORMAT, "more pixels than can be counted");
    sums->pictures++;
    const bool in_image = an_colour_sums_image_count(sums) > 0;
    for (size_t y = 0; y < side; y++) {
        const uint8_t *row =
            image->pixels + (((size_t)corner.y + y) * (size_t)image->width + (size_t)corner.x) * 3;
        an_pixel_sums_add_row(&sums->pixels, row, side);
        for (size_t i = 0; in_image && i < 3 * side; i++)
            sums->image[y * 3 * side + i] += row[i];
    }
    return ALEXNET_OK;
}

alexnet_status an_colour_sums_merge(an_colour_sums *sums, const an_colour_sums *more,
                                    alexnet_error *error) {
    if (more->pictures == 0)
        return ALEXNET_OK;
    AN_TRY(meet(sums, more->side, error));
    if (more->pixels.count > AN_MOST_PIXELS - sums->pixels.count)
        return an_fail(error, ALEXNET_FORMAT, "more pixels than can be counted");
    sums->mixed |= more->mixed;
    sums->pictures += more->pictures;
    an_pixel_sums_merge(&sums->pixels, &more->pixels);
    const size_t count = an_colour_sums_image_count(sums);
    for (size_t i = 0; i < count; i++)
        sums->image[i] += more->image[i];
    return ALEXNET_OK;
}

void an_colour_sums_clear(an_colour_sums *sums) {
    const an_colour_sums kept = {.side = sums->side, .image = sums->image};
    *sums = kept;
    if (sums->image)
        memset(sums->image, 0, an_colour_sums_image_count(sums) * sizeof *sums->image);
}

static void finish_colours(const an_pixel_sums *sums, an_statistics *out) {
    for (int c = 0; c < 3; c++)
        out->mean[c] = an_pixel_sums_mean(sums, c);
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            out->covariance[a][b] = an_pixel_sums_product(sums, a, b) - out->mean[a] * out->mean[b];
}

alexnet_status an_colour_sums_finish(const an_colour_sums *sums, an_statistics **out,
                                     alexnet_error *error) {
    *out = NULL;
    if (sums->pixels.count == 0)
        return an_fail(error, ALEXNET_INVALID, "there are no pixels to take a mean of");
    an_statistics *made = calloc(1, sizeof *made);
    const size_t count = an_colour_sums_image_count(sums);
    if (made && count > 0)
        made->mean_image = malloc(count * sizeof *made->mean_image);
    if (!made || (count > 0 && !made->mean_image)) {
        free(made);
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for the mean image");
    }
    finish_colours(&sums->pixels, made);
    made->side = count > 0 ? sums->side : 0;
    for (size_t i = 0; i < count / 3; i++)
        for (size_t c = 0; c < 3; c++)
            made->mean_image[c * (count / 3) + i] =
                (float)((double)sums->image[3 * i + c] / (double)sums->pictures);
    *out = made;
    return ALEXNET_OK;
}

void an_colour_sums_free(an_colour_sums *sums) {
    free(sums->image);
    *sums = (an_colour_sums){0};
}
