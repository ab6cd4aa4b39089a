/*
 * JPEG by libjpeg-turbo, whole or in part, and the orientation out of its EXIF block.
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

enum {
    BAND = 16,       /* rows decoded before they are turned into place */
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

/* A TIFF structure's unsigned integer of `bytes` bytes. */
static uint32_t tiff_integer(const uint8_t *at, int bytes, bool big_endian) {
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[big_endian ? i : bytes - 1 - i];
    return value;
}

/* The block is "Exif\0\0" and a TIFF structure: byte order, 42, the offset of a table of 12-byte
 * entries {tag, type, count, value}. */
int an_exif_orientation(const uint8_t *block, size_t size) {
    enum { HEADER = 6, ENTRY = 12, ORIENTATION = 0x0112, SHORT = 3 };
    if (size < HEADER + 8 || memcmp(block, "Exif\0\0", HEADER) != 0)
        return 1;
    const uint8_t *tiff = block + HEADER;
    size -= HEADER;
    const bool big = tiff[0] == 'M';
    if (memcmp(tiff, big ? "MM" : "II", 2) != 0 || tiff_integer(tiff + 2, 2, big) != 42)
        return 1;
    const size_t table = tiff_integer(tiff + 4, 4, big);
    if (table > size - 2)
        return 1;
    const size_t entries = tiff_integer(tiff + table, 2, big);
    for (size_t i = 0; i < entries && table + 2 + (i + 1) * ENTRY <= size; i++) {
        const uint8_t *entry = tiff + table + 2 + i * ENTRY;
        if (tiff_integer(entry, 2, big) != ORIENTATION)
            continue;
        const uint32_t value = tiff_integer(entry + 8, 2, big);
        const bool valid = tiff_integer(entry + 2, 2, big) == SHORT && value >= 1 && value <= 8;
        return valid ? (int)value : 1;
    }
    return 1;
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

/* Where stored pixel (x, y) goes in the upright picture: origin + x * right + y * down, in bytes.
 */
typedef struct placement {
    ptrdiff_t origin, right, down;
} placement;

/* EXIF 2.3, tag Orientation: which sides of the scene the stored first row and column are. Stored
 * rows are mirrored, or their order is, and from 5 on they become columns after that. */
static bool mirrors_x(int orientation) {
    return orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
}

static bool mirrors_y(int orientation) {
    return orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
}

static placement place(int orientation, int width, int height) {
    const bool swap = orientation >= 5; /* stored rows are columns */
    const ptrdiff_t row = 3 * (ptrdiff_t)(swap ? height : width);
    placement to = {0, swap ? row : 3, swap ? 3 : row};
    if (mirrors_x(orientation)) {
        to.origin += (width - 1) * to.right;
        to.right = -to.right;
    }
    if (mirrors_y(orientation)) {
        to.origin += (height - 1) * to.down;
        to.down = -to.down;
    }
    return to;
}

/* The pixels of a stored picture of that size that become a part of the upright one. */
static an_part stored_part(an_part upright, int orientation, int width, int height) {
    const bool swap = orientation >= 5;
    an_part part = upright;
    if (swap)
        part = (an_part){upright.y, upright.x, upright.height, upright.width};
    if (mirrors_x(orientation))
        part.x = width - part.x - part.width;
    if (mirrors_y(orientation))
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
    /* A band of rows at a time, so that a turned picture is not written pixel by pixel far apart.
     */
    const placement to = place(orientation, (int)width, (int)(end - begin));
    JSAMPARRAY band = info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE,
                                              (JDIMENSION)(width * (cmyk ? 4 : 3)), BAND);
    while (info->output_scanline < end) {
        uint8_t *corner =
            out->pixels + to.origin + (ptrdiff_t)(info->output_scanline - begin) * to.down;
        int rows = 0;
        while (rows < BAND && info->output_scanline < end) {
            const JDIMENSION left = end - info->output_scanline;
            const int free_rows = BAND - rows;
            const int got = (int)jpeg_read_scanlines(
                info, band + rows, left < (JDIMENSION)free_rows ? left : (JDIMENSION)free_rows);
            for (int i = 0; cmyk && i < got; i++)
                cmyk_to_rgb(band[rows + i], width);
            rows += got;
        }
        for (size_t x = 0; x < width; x++)
            for (int y = 0; y < rows; y++)
                memcpy(corner + (ptrdiff_t)x * to.right + y * to.down, band[y] + 3 * x, 3);
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
    const bool turned = orientation >= 5;
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
    const int x = mirrors_x(orientation) ? width - covered.x - covered.width : covered.x;
    const int y = mirrors_y(orientation) ? height - covered.y - covered.height : covered.y;
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
