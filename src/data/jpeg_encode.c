#include "data/jpeg_encode.h"

#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs FILE */

#include <jerror.h>
#include <jpeglib.h>

#include <stdlib.h>
#include <string.h>

enum { ROOM = 16 << 10 };

alexnet_status an_encoded_reserve(an_encoded *out, size_t size, alexnet_error *error) {
    if (size <= out->capacity)
        return ALEXNET_OK;
    const size_t larger = size > 2 * out->capacity ? size : 2 * out->capacity;
    uint8_t *moved = realloc(out->bytes, larger);
    if (!moved)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for a picture of %zu bytes", larger);
    out->bytes = moved;
    out->capacity = larger;
    return ALEXNET_OK;
}

void an_encoded_free(an_encoded *encoded) {
    free(encoded->bytes);
    *encoded = (an_encoded){0};
}

/* libjpeg's compressor, and its destination: the end of an an_encoded. */
typedef struct encoder {
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr destination;
    an_encoded *out;
    jmp_buf escape; /* where libjpeg's errors come back to */
    alexnet_status status;
    alexnet_error *error;
} encoder;

static void on_error(j_common_ptr common) {
    encoder *self = common->client_data;
    char reason[JMSG_LENGTH_MAX];
    self->errors.format_message(common, reason);
    if (self->status == ALEXNET_OK) /* otherwise the sentence stands already */
        self->status =
            self->errors.msg_code == JERR_OUT_OF_MEMORY
                ? an_fail(self->error, ALEXNET_NO_MEMORY, "no memory to write a JPEG")
                : an_fail(self->error, ALEXNET_FORMAT, "cannot be written as a JPEG (%s)", reason);
    longjmp(self->escape, 1);
}

static void print_nothing(j_common_ptr common) {
    (void)common;
}

/* Offers libjpeg the room behind what there is. */
static void offer_room(encoder *self) {
    self->status = an_encoded_reserve(self->out, self->out->size + ROOM, self->error);
    if (self->status != ALEXNET_OK)
        longjmp(self->escape, 1);
    self->destination.next_output_byte = self->out->bytes + self->out->size;
    self->destination.free_in_buffer = self->out->capacity - self->out->size;
}

static void begin_output(j_compress_ptr info) {
    offer_room(info->client_data);
}

/* All of the room is full. */
static boolean more_output(j_compress_ptr info) {
    encoder *self = info->client_data;
    self->out->size = self->out->capacity;
    offer_room(self);
    return TRUE;
}

static void end_output(j_compress_ptr info) {
    encoder *self = info->client_data;
    self->out->size = self->out->capacity - self->destination.free_in_buffer;
}

/* All of the encoding; libjpeg may jump out of it. */
static void encode(encoder *self, const an_image *image, int quality, bool full_colour) {
    struct jpeg_compress_struct *info = &self->info;
    jpeg_create_compress(info);
    info->dest = &self->destination;
    info->image_width = (JDIMENSION)image->width;
    info->image_height = (JDIMENSION)image->height;
    info->input_components = 3;
    info->in_color_space = JCS_RGB;
    jpeg_set_defaults(info);
    jpeg_set_quality(info, quality, TRUE);
    if (full_colour)
        info->comp_info[0].h_samp_factor = info->comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(info, TRUE);
    while (info->next_scanline < info->image_height) {
        JSAMPROW row = image->pixels + (size_t)info->next_scanline * (size_t)image->width * 3;
        (void)jpeg_write_scanlines(info, &row, 1);
    }
    jpeg_finish_compress(info);
}

alexnet_status an_jpeg_encode(const an_image *image, int quality, bool full_colour, an_encoded *out,
                              alexnet_error *error) {
    encoder self = {.out = out, .error = error};
    self.info.err = jpeg_std_error(&self.errors);
    self.info.client_data = &self;
    self.errors.error_exit = on_error;
    self.errors.output_message = print_nothing;
    self.destination = (struct jpeg_destination_mgr){.init_destination = begin_output,
                                                     .empty_output_buffer = more_output,
                                                     .term_destination = end_output};
    if (setjmp(self.escape) == 0)
        encode(&self, image, quality, full_colour);
    jpeg_destroy_compress(&self.info);
    return self.status;
}

/* Segments {0xff, marker, u16 length that counts itself, ...} up to the frame's header and on to
 * the first scan: an EXIF block may also stand behind it. */
bool an_jpeg_read_header(const uint8_t *bytes, size_t size, an_jpeg_header *out) {
    enum { START = 0xd8, EXIF = 0xe1, SCAN = 0xda, FRAME = 0xc0, LAST_HUFFMAN_FRAME = 0xc2 };
    *out = (an_jpeg_header){0};
    if (size < 2 || bytes[0] != 0xff || bytes[1] != START)
        return false;
    size_t at = 2;
    while (at + 4 <= size && bytes[at] == 0xff) {
        const unsigned marker = bytes[at + 1];
        if (marker == 0xff) { /* fill */
            at++;
            continue;
        }
        if (marker == SCAN)
            return out->components > 0;
        const size_t length = (size_t)(bytes[at + 2] << 8 | bytes[at + 3]);
        const uint8_t *content = bytes + at + 4;
        if (length < 2 || length > size - at - 2)
            return false;
        if (marker == EXIF)
            out->exif = out->exif || (length >= 8 && memcmp(content, "Exif", 4) == 0);
        if (marker >= FRAME && marker <= LAST_HUFFMAN_FRAME) {
            if (length < 8 || content[0] != 8)
                return false;
            out->height = content[1] << 8 | content[2];
            out->width = content[3] << 8 | content[4];
            out->components = content[5];
        }
        at += 2 + length;
    }
    return false;
}
