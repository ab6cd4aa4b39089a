/*
 * WebP by libwebp: lossy, lossless, with alpha, and of an animation the first frame, as PIL takes
 * it. Turned as its EXIF block says, as a JPEG is, and as viewers and PIL's exif_transpose do;
 * torchvision's ImageFolder turns neither.
 *
 * The whole picture is decoded even where a part is needed: each block is made out of its
 * neighbours above and to the left, so that leaving some out would spare little but the rows below.
 */
#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "data/decode.h"
#include "data/orientation.h"

/* A file taken apart, but not decoded. */
typedef struct container {
    WebPDemuxer *parts;
    WebPIterator frame; /* the first one; a still picture is a frame as large as the whole */
    int width, height;  /* of the whole picture, as stored */
    int orientation;
} container;

static alexnet_status cut_off(const char *name, alexnet_error *error) {
    return an_fail(error, ALEXNET_FORMAT,
                   "%s: this WebP is cut off, its data ends before the picture does; copy or "
                   "download it again",
                   name);
}

static alexnet_status damaged(const char *name, const char *reason, alexnet_error *error) {
    return an_fail(error, ALEXNET_FORMAT,
                   "%s: this WebP is damaged (%s); copy or download it again", name, reason);
}

static int find_orientation(const WebPDemuxer *parts) {
    WebPChunkIterator chunk;
    int orientation = 1;
    if (WebPDemuxGetChunk(parts, "EXIF", 1, &chunk)) {
        orientation = an_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    return orientation;
}

static void close_container(container *self) {
    WebPDemuxReleaseIterator(&self->frame);
    WebPDemuxDelete(self->parts);
}

/* Takes a file apart, which needs no memory for pixels. To be closed after a failure, too. */
static alexnet_status open_container(const uint8_t *bytes, size_t size, const char *name,
                                     container *out, alexnet_error *error) {
    enum { RIFF_HEADER = 8 }; /* "RIFF", and how many bytes follow, little-endian */
    *out = (container){0};
    const uint64_t declared = (uint64_t)bytes[4] | (uint64_t)bytes[5] << 8 |
                              (uint64_t)bytes[6] << 16 | (uint64_t)bytes[7] << 24;
    if (declared > size - RIFF_HEADER)
        return cut_off(name, error);
    out->parts = WebPDemux(&(WebPData){bytes, size});
    if (!out->parts)
        return damaged(name, "its parts do not fit together", error);
    const uint32_t width = WebPDemuxGetI(out->parts, WEBP_FF_CANVAS_WIDTH);
    const uint32_t height = WebPDemuxGetI(out->parts, WEBP_FF_CANVAS_HEIGHT);
    AN_TRY(an_decode_check_size(name, width, height, error));
    if (!WebPDemuxGetFrame(out->parts, 1, &out->frame))
        return damaged(name, "there is no picture in it", error);
    out->width = (int)width;
    out->height = (int)height;
    out->orientation = find_orientation(out->parts);
    return ALEXNET_OK;
}

/* Decodes the frame to its place among the pixels of the whole picture, which are white around it;
 * `channels`: 3 RGB, 4 RGBA. */
static alexnet_status decode_frame(const container *self, size_t channels, const char *name,
                                   uint8_t *pixels, alexnet_error *error) {
    const WebPIterator *frame = &self->frame;
    const size_t row = channels * (size_t)self->width, size = row * (size_t)self->height;
    const size_t begin = (size_t)frame->y_offset * row + (size_t)frame->x_offset * channels;
    if (frame->width < self->width || frame->height < self->height)
        memset(pixels, 255, size);
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: libwebp is of another version than this program was built with", name);
    config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA = (WebPRGBABuffer){pixels + begin, (int)row, size - begin};
    const VP8StatusCode status = WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
    WebPFreeDecBuffer(&config.output);
    switch (status) {
    case VP8_STATUS_OK:
        return ALEXNET_OK;
    case VP8_STATUS_OUT_OF_MEMORY:
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to decode it", name);
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return cut_off(name, error);
    default:
        return damaged(name, "its data is not that of a picture", error);
    }
}

/* Puts stored pixels over white and upright. */
static void finish(const container *self, size_t channels, uint8_t *pixels, an_image *out) {
    const size_t width = (size_t)self->width;
    const an_placement to = an_place(self->orientation, self->width, self->height);
    for (int y = 0; y < self->height; y += AN_BAND) {
        const int left = self->height - y, count = left < AN_BAND ? left : AN_BAND;
        uint8_t *rows[AN_BAND];
        for (int i = 0; i < count; i++) {
            rows[i] = pixels + (size_t)(y + i) * width * channels;
            if (channels == 4)
                an_over_white(rows[i], width, rows[i]);
        }
        an_place_rows(&to, rows, y, count, self->width, out->pixels);
    }
}

static alexnet_status decode(const container *self, const char *name, an_image *out,
                             alexnet_error *error) {
    const bool turned = an_swaps_sides(self->orientation);
    AN_TRY(an_image_reserve(out, turned ? self->height : self->width,
                            turned ? self->width : self->height, error));
    const size_t channels = self->frame.has_alpha ? 4 : 3;
    if (channels == 3 && self->orientation == 1)
        return decode_frame(self, channels, name, out->pixels, error);
    uint8_t *stored = malloc(channels * (size_t)out->width * (size_t)out->height);
    if (!stored)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to decode it", name);
    const alexnet_status status = decode_frame(self, channels, name, stored, error);
    if (status == ALEXNET_OK)
        finish(self, channels, stored, out);
    free(stored);
    return status;
}

alexnet_status an_webp_decode(const uint8_t *bytes, size_t size, const char *name, an_image *out,
                              alexnet_error *error) {
    container file;
    alexnet_status status = open_container(bytes, size, name, &file, error);
    if (status == ALEXNET_OK)
        status = decode(&file, name, out, error);
    close_container(&file);
    return status;
}

alexnet_status an_webp_probe(const uint8_t *bytes, size_t size, const char *name,
                             an_image_info *out, alexnet_error *error) {
    container file;
    const alexnet_status status = open_container(bytes, size, name, &file, error);
    if (status == ALEXNET_OK) {
        const bool turned = an_swaps_sides(file.orientation);
        out->width = turned ? file.height : file.width;
        out->height = turned ? file.width : file.height;
        out->alpha = file.frame.has_alpha;
        out->channels = out->alpha ? 4 : 3;
        out->depth = 8;
        out->orientation = file.orientation;
    }
    close_container(&file);
    return status;
}
