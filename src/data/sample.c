#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "data/dataset.h"

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

alexnet_status an_sample_decode(const an_sample *sample, const char *name, an_image *out,
                                alexnet_error *error) {
    if (sample->form == AN_SAMPLE_FILE)
        return an_image_decode(sample->bytes, sample->size, name, out, error);
    AN_TRY(an_image_reserve(out, sample->width, sample->height, error));
    const size_t plane = (size_t)sample->width * (size_t)sample->height;
    if (sample->size != 3 * plane)
        return an_fail(error, ALEXNET_FORMAT, "%s: %zu bytes are not %d x %d RGB pixels", name,
                       sample->size, sample->width, sample->height);
    if (sample->form == AN_SAMPLE_RGB) {
        memcpy(out->pixels, sample->bytes, 3 * plane);
        return ALEXNET_OK;
    }
    for (size_t c = 0; c < 3; c++) {
        const size_t channel = sample->form == AN_SAMPLE_BGR_PLANES ? 2 - c : c;
        for (size_t i = 0; i < plane; i++)
            out->pixels[3 * i + channel] = sample->bytes[c * plane + i];
    }
    return ALEXNET_OK;
}
