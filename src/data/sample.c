#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "data/decode.h"

alexnet_status an_sample_reserve(an_sample *sample, size_t size, alexnet_error *error) {
    if (size > sample->capacity) {
        free(sample->buffer); /* first: the old content is not needed beside the new */
        sample->buffer = malloc(size);
        sample->capacity = sample->buffer ? size : 0;
        if (!sample->buffer)
            return an_fail(error, ALEXNET_NO_MEMORY, "no memory for a picture of %zu bytes", size);
    }
    sample->bytes = sample->buffer;
    sample->size = size;
    return ALEXNET_OK;
}

alexnet_status an_sample_reserve_rgb(an_sample *sample, int width, int height,
                                     alexnet_error *error) {
    sample->form = AN_SAMPLE_RGB;
    sample->width = width;
    sample->height = height;
    return an_sample_reserve(sample, (size_t)width * (size_t)height * 3, error);
}

alexnet_status an_sample_read_file(an_sample *sample, const char *path, alexnet_error *error) {
    sample->form = AN_SAMPLE_FILE;
    sample->bytes = NULL;
    AN_TRY(an_read_file_into(path, AN_MAX_IMAGE_BYTES, &sample->buffer, &sample->capacity,
                             &sample->size, error));
    sample->bytes = sample->buffer;
    return ALEXNET_OK;
}

void an_sample_free(an_sample *sample) {
    free(sample->buffer);
    *sample = (an_sample){0};
}

/* FORMAT where the bytes are not as many as the pixels that are declared. */
static alexnet_status check_pixels(const an_sample *sample, const char *name,
                                   alexnet_error *error) {
    AN_TRY(an_decode_check_size(name, sample->width < 0 ? 0 : (uint64_t)sample->width,
                                sample->height < 0 ? 0 : (uint64_t)sample->height, error));
    if (sample->size != 3 * (size_t)sample->width * (size_t)sample->height)
        return an_fail(error, ALEXNET_FORMAT, "%s: %zu bytes are not %d x %d RGB pixels", name,
                       sample->size, sample->width, sample->height);
    return ALEXNET_OK;
}

/* Gathers a part of the three planes. */
static void gather(const an_sample *sample, an_part part, an_image *out) {
    const size_t row = (size_t)sample->width, plane = row * (size_t)sample->height;
    for (size_t c = 0; c < 3; c++) {
        const size_t channel = sample->form == AN_SAMPLE_BGR_PLANES ? 2 - c : c;
        uint8_t *to = out->pixels + channel;
        for (int y = 0; y < part.height; y++) {
            const uint8_t *from =
                sample->bytes + c * plane + (size_t)(part.y + y) * row + (size_t)part.x;
            for (int x = 0; x < part.width; x++, to += 3)
                *to = from[x];
        }
    }
}

alexnet_status an_sample_decode_part(const an_sample *sample, const char *name,
                                     const an_chooser *chooser, an_decoded *out,
                                     alexnet_error *error) {
    if (sample->form == AN_SAMPLE_FILE)
        return an_image_decode_part(sample->bytes, sample->size, name, chooser, out, error);
    AN_TRY(check_pixels(sample, name, error));
    an_part part = {0, 0, sample->width, sample->height};
    if (chooser) {
        const an_need need = chooser->choose(chooser->context, sample->width, sample->height);
        part = an_need_part(&need, 1, sample->width, sample->height);
    }
    out->width = sample->width;
    out->height = sample->height;
    out->left = part.x;
    out->top = part.y;
    out->reduction = 1;
    if (sample->form == AN_SAMPLE_RGB) {
        const an_raster whole = {.pixels = sample->bytes,
                                 .end = sample->bytes + sample->size,
                                 .stride = 3 * (size_t)sample->width,
                                 .width = sample->width,
                                 .height = sample->height};
        out->raster = an_raster_part(&whole, part);
        return ALEXNET_OK;
    }
    AN_TRY(an_image_reserve(&out->image, part.width, part.height, error));
    gather(sample, part, &out->image);
    out->raster = an_raster_of(&out->image);
    return ALEXNET_OK;
}

alexnet_status an_sample_decode(const an_sample *sample, const char *name, an_image *out,
                                alexnet_error *error) {
    if (sample->form == AN_SAMPLE_FILE)
        return an_image_decode(sample->bytes, sample->size, name, out, error);
    AN_TRY(check_pixels(sample, name, error));
    AN_TRY(an_image_reserve(out, sample->width, sample->height, error));
    if (sample->form == AN_SAMPLE_RGB)
        memcpy(out->pixels, sample->bytes, sample->size);
    else
        gather(sample, (an_part){0, 0, sample->width, sample->height}, out);
    return ALEXNET_OK;
}
