/*
 * JPEG by libjpeg-turbo, whole or in part.
 *
 * A part costs less than the whole: rows above it are only taken apart into coefficients, rows
 * below it not even that, and of its own rows only the columns of blocks that it needs are
 * transformed.
 */
#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs FILE */

#include <jerror.h>
#include <jpeglib.h>

#include <string.h>

#include "data/decode.h"
#include "data/orientation.h"

enum {
    MAX_SCANS = 100, /* a progressive file has about ten; each costs a pass over the picture */
    MARGIN = 2,      /* columns to each side that make colours of half the resolution smooth */
    EXIF_MARKER = JPEG_APP0 + 1,
    MAX_MARKER = 0xffff
};

typedef struct decoder {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape; /* where libjpeg's errors come back to */
    const char *name;
    alexnet_status status; /* here, not in a local variable, whose value longjmp may lose */
    alexnet_error *error;
} decoder;

/* libjpeg's errors: the sentence, and out of its call chain; it must not return. */
static void on_error(j_common_ptr common) {
    decoder *self = common->client_data;
    const int code = self->errors.msg_code;
    char reason[JMSG_LENGTH_MAX];
    self->errors.format_message(common, reason);
    if (code == JERR_OUT_OF_MEMORY)
        self->status =
            an_fail(self->error, ALEXNET_NO_MEMORY, "%s: no memory to decode it", self->name);
    else if (code == JERR_NO_BACKING_STORE)
        self->status = an_fail(self->error, ALEXNET_FORMAT,
                               "%s: this progressive JPEG of %u x %u pixels needs more than %zu MB "
                               "to decode; make it smaller",
                               self->name, self->info.image_width, self->info.image_height,
                               AN_MAX_IMAGE_BYTES >> 20);
    else
        self->status =
            an_fail(self->error, ALEXNET_FORMAT,
                    "%s: this JPEG is damaged (%s); copy or download it again", self->name, reason);
    longjmp(self->escape, 1);
}

/*
 * libjpeg's warnings. Data that ends before the picture does, with or without an end marker, is one
 * for libjpeg, which goes on with grey, but an error for us: a class is not learnt from grey. Other
 * damage is repaired silently, as for PIL.
 */
static void on_message(j_common_ptr common, int level) {
    decoder *self = common->client_data;
    const int code = self->errors.msg_code;
    const bool ended =
        code == JWRN_JPEG_EOF || (code == JWRN_HIT_MARKER && self->info.unread_marker == JPEG_EOI);
    if (level >= 0 || !ended)
        return;
    self->status = an_fail(self->error, ALEXNET_FORMAT,
                           "%s: this JPEG is cut off, its data ends before the picture does; copy "
                           "or download it again",
                           self->name);
    longjmp(self->escape, 1);
}

/* Called again and again while the scans of a progressive file are read. */
static void on_progress(j_common_ptr common) {
    decoder *self = common->client_data;
    if (self->info.input_scan_number <= MAX_SCANS)
        return;
    self->status = an_fail(self->error, ALEXNET_FORMAT,
                           "%s: this JPEG has more than %d scans, made to keep a decoder busy; "
                           "take it away",
                           self->name, MAX_SCANS);
    longjmp(self->escape, 1);
}

static void print_nothing(j_common_ptr common) {
    (void)common;
}

static int find_orientation(const struct jpeg_decompress_struct *info) {
    for (jpeg_saved_marker_ptr marker = info->marker_list; marker; marker = marker->next)
        if (marker->marker == EXIF_MARKER && marker->data_length >= 4 &&
            memcmp(marker->data, "Exif", 4) == 0)
            return an_exif_orientation(marker->data, marker->data_length);
    return 1;
}

/*
 * Four bytes CMYK to three RGB, in place. Adobe's programs store the four inverted, and everyone
 * follows them; the arithmetic is PIL's: ink on black paper, k - (255 - c) * k / 255 rounded.
 */
static void cmyk_to_rgb(uint8_t *row, size_t pixels) {
    for (size_t x = 0; x < pixels; x++) {
        const unsigned black = row[4 * x + 3];
        for (size_t c = 0; c < 3; c++) {
            const unsigned product = (255u - row[4 * x + c]) * black + 128;
            row[3 * x + c] = (uint8_t)(black - ((product + (product >> 8)) >> 8));
        }
    }
}

/* The pixels of a stored picture of that size that become a part of the upright one. */
static an_part stored_part(an_part upright, int orientation, int width, int height) {
    an_part part = upright;
    if (an_swaps_sides(orientation))
        part = (an_part){upright.y, upright.x, upright.height, upright.width};
    if (an_mirrors_x(orientation))
        part.x = width - part.x - part.width;
    if (an_mirrors_y(orientation))
        part.y = height - part.y - part.height;
    return part;
}

/* Decodes rows from the next one to before `end` into `out`, upright. */
static void decode_rows(struct jpeg_decompress_struct *info, int orientation, JDIMENSION end,
                        an_image *out) {
    const size_t width = info->output_width;
    const JDIMENSION begin = info->output_scanline;
    const bool cmyk = info->out_color_space == JCS_CMYK;
    if (orientation == 1 && !cmyk) {
        while (info->output_scanline < end) {
            JSAMPROW row = out->pixels + (info->output_scanline - begin) * width * 3;
            (void)jpeg_read_scanlines(info, &row, 1);
        }
        return;
    }
    const an_placement to = an_place(orientation, (int)width, (int)(end - begin));
    JSAMPARRAY band = info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE,
                                              (JDIMENSION)(width * (cmyk ? 4 : 3)), AN_BAND);
    while (info->output_scanline < end) {
        const int y = (int)(info->output_scanline - begin);
        int rows = 0;
        while (rows < AN_BAND && info->output_scanline < end) {
            const JDIMENSION left = end - info->output_scanline;
            const int free_rows = AN_BAND - rows;
            const int got = (int)jpeg_read_scanlines(
                info, band + rows, left < (JDIMENSION)free_rows ? left : (JDIMENSION)free_rows);
            for (int i = 0; cmyk && i < got; i++)
                cmyk_to_rgb(band[rows + i], width);
            rows += got;
        }
        an_place_rows(&to, band, y, rows, (int)width, out->pixels);
    }
}

/*
 * How far the picture can be reduced while being decoded. Where colours are stored coarser along
 * one axis only, libjpeg does not reduce them less along that one: then the picture must be.
 */
static int reduction_of(const struct jpeg_decompress_struct *info, const an_need *need) {
    const int across = info->max_h_samp_factor, down = info->max_v_samp_factor;
    const int reduction = an_need_reduction(need) / (across > down ? across / down : down / across);
    return reduction > 1 ? reduction : 1;
}

/*
 * Begins to decode, and goes to the first row that is needed: of what is stored, `part`, reduced.
 * Returns the rectangle of reduced pixels that will be decoded, which the format makes wider.
 */
static an_part begin_part(struct jpeg_decompress_struct *info, an_part part, int reduction) {
    info->scale_num = 1;
    info->scale_denom = (unsigned)reduction;
    /* What a file whose scans end too early lacks is guessed from neighbours, which may be
     * missing. */
    info->do_block_smoothing = FALSE;
    (void)jpeg_start_decompress(info);
    const int width = (int)info->output_width, height = (int)info->output_height;
    int left = part.x / reduction, top = part.y / reduction;
    int right = (part.x + part.width + reduction - 1) / reduction;
    int bottom = (part.y + part.height + reduction - 1) / reduction;
    left = left > MARGIN ? left - MARGIN : 0;
    right = right + MARGIN < width ? right + MARGIN : width;
    bottom = bottom < height ? bottom : height;
    JDIMENSION x = (JDIMENSION)left, wide = (JDIMENSION)(right - left);
    if (left > 0 || right < width)
        jpeg_crop_scanline(info, &x, &wide);
    if (top > 0)
        top = (int)jpeg_skip_scanlines(info, (JDIMENSION)top);
    return (an_part){(int)x, top, (int)wide, bottom - top};
}

/* Decodes a part, or the whole where nobody chooses one. */
static alexnet_status decode_needed(decoder *self, int orientation, const an_chooser *chooser,
                                    an_decoded *out) {
    struct jpeg_decompress_struct *info = &self->info;
    const int width = (int)info->image_width, height = (int)info->image_height;
    const bool turned = an_swaps_sides(orientation);
    out->width = turned ? height : width;
    out->height = turned ? width : height;
    out->reduction = 1;
    an_part part = {0, 0, width, height};
    if (chooser) {
        const an_need need = chooser->choose(chooser->context, out->width, out->height);
        out->reduction = reduction_of(info, &need);
        part = stored_part(an_need_part(&need, out->reduction, out->width, out->height),
                           orientation, width, height);
        part = begin_part(info, part, out->reduction);
    } else {
        (void)jpeg_start_decompress(info);
    }
    AN_TRY(an_image_reserve(&out->image, turned ? part.height : part.width,
                            turned ? part.width : part.height, self->error));
    decode_rows(info, orientation, (JDIMENSION)(part.y + part.height), &out->image);
    if (!chooser)
        (void)jpeg_finish_decompress(info);
    /* The stored part's pixels in the picture's own, and those turned upright. */
    const int r = out->reduction;
    const an_part covered = {part.x * r, part.y * r, part.width * r, part.height * r};
    const int x = an_mirrors_x(orientation) ? width - covered.x - covered.width : covered.x;
    const int y = an_mirrors_y(orientation) ? height - covered.y - covered.height : covered.y;
    out->left = turned ? y : x;
    out->top = turned ? x : y;
    out->raster = an_raster_of(&out->image);
    return ALEXNET_OK;
}

/* All of it, between the creation and the destruction of `info`; libjpeg may jump out. */
static alexnet_status decode(decoder *self, const uint8_t *bytes, size_t size,
                             const an_chooser *chooser, an_decoded *out) {
    struct jpeg_decompress_struct *info = &self->info;
    jpeg_create_decompress(info);
    info->progress = &self->progress;
    info->mem->max_memory_to_use = (long)AN_MAX_IMAGE_BYTES;
    jpeg_mem_src(info, bytes, size);
    jpeg_save_markers(info, EXIF_MARKER, MAX_MARKER);
    (void)jpeg_read_header(info, TRUE);
    AN_TRY(an_decode_check_size(self->name, info->image_width, info->image_height, self->error));
    const bool cmyk = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK;
    info->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    return decode_needed(self, find_orientation(info), chooser, out);
}

alexnet_status an_jpeg_decode(const uint8_t *bytes, size_t size, const char *name,
                              const an_chooser *chooser, an_decoded *out, alexnet_error *error) {
    decoder self = {.name = name, .error = error};
    self.info.err = jpeg_std_error(&self.errors);
    self.info.client_data = &self;
    self.errors.error_exit = on_error;
    self.errors.emit_message = on_message;
    self.errors.output_message = print_nothing;
    self.progress.progress_monitor = on_progress;
    if (setjmp(self.escape) == 0)
        self.status = decode(&self, bytes, size, chooser, out);
    jpeg_destroy_decompress(&self.info);
    return self.status;
}
