/* PNG by libpng: reading any kind as RGB, and writing RGB. */
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "data/decode.h"

typedef struct reader {
    png_structp png;
    png_infop info;
    const uint8_t *next; /* bytes not yet read */
    size_t left;
    uint8_t *rows; /* RGBA rows on their way to `out`; NULL for pictures without alpha */
    const char *name;
    alexnet_status status; /* here, not in a local variable, whose value longjmp may lose */
    alexnet_error *error;
} reader;

/* libpng's errors while reading: the sentence, and out of its call chain. */
static void on_read_error(png_structp png, png_const_charp reason) {
    reader *self = png_get_error_ptr(png);
    self->status =
        an_fail(self->error, ALEXNET_FORMAT,
                "%s: this PNG is damaged (%s); copy or download it again", self->name, reason);
    png_longjmp(png, 1);
}

/* Warnings are about colour profiles, texts and the like, which we do not use. */
static void ignore_warning(png_structp png, png_const_charp reason) {
    (void)png;
    (void)reason;
}

static void read_bytes(png_structp png, png_bytep out, size_t size) {
    reader *self = png_get_io_ptr(png);
    if (size > self->left)
        png_error(png, "it is cut off: its data ends before the picture does");
    memcpy(out, self->next, size);
    self->next += size;
    self->left -= size;
}

/* All of the reading; libpng may jump out of it. */
static alexnet_status read_image(reader *self, an_image *out) {
    png_structp png = self->png;
    png_set_read_fn(png, self, read_bytes);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours say more, below */
    png_read_info(png, self->info);
    const size_t width = png_get_image_width(png, self->info);
    const size_t height = png_get_image_height(png, self->info);
    AN_TRY(an_decode_check_size(self->name, width, height, self->error));
    AN_TRY(an_image_reserve(out, (int)width, (int)height, self->error));

    const bool alpha = (png_get_color_type(png, self->info) & PNG_COLOR_MASK_ALPHA) ||
                       png_get_valid(png, self->info, PNG_INFO_tRNS);
    png_set_expand(png);   /* palette to RGB, fewer than 8 bits to 8, tRNS to alpha */
    png_set_strip_16(png); /* the upper byte, as PIL takes it */
    png_set_gray_to_rgb(png);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, self->info);
    const size_t row_size = width * (alpha ? 4 : 3);
    if (png_get_rowbytes(png, self->info) != row_size)
        png_error(png, "its pixels have an unknown layout");

    /* Interlaced rows are completed pass by pass and so all kept until the last one. */
    if (alpha) {
        self->rows = malloc(passes > 1 ? row_size * height : row_size);
        if (!self->rows)
            return an_fail(self->error, ALEXNET_NO_MEMORY, "%s: no memory to decode it",
                           self->name);
    }
    for (int pass = 1; pass <= passes; pass++) {
        for (size_t y = 0; y < height; y++) {
            uint8_t *final = out->pixels + y * width * 3;
            uint8_t *row = !alpha ? final : self->rows + (passes > 1 ? y * row_size : 0);
            png_read_row(png, row, NULL);
            if (alpha && pass == passes)
                an_over_white(row, width, final);
        }
    }
    png_read_end(png, NULL); /* the last check sums, and that the file ends as it should */
    return ALEXNET_OK;
}

alexnet_status an_png_decode(const uint8_t *bytes, size_t size, const char *name, an_image *out,
                             alexnet_error *error) {
    reader self = {.next = bytes, .left = size, .name = name, .error = error};
    self.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &self, on_read_error, ignore_warning);
    self.info = self.png ? png_create_info_struct(self.png) : NULL;
    if (!self.info)
        self.status = an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to decode it", name);
    else if (setjmp(png_jmpbuf(self.png)) == 0)
        self.status = read_image(&self, out);
    png_destroy_read_struct(&self.png, &self.info, NULL);
    free(self.rows);
    return self.status;
}

typedef struct png_file {
    png_structp png;
    png_infop info;
    an_writer writer;
    const char *path;
    alexnet_status status; /* as in `reader` */
    alexnet_error *error;
} png_file;

static void on_write_error(png_structp png, png_const_charp reason) {
    png_file *self = png_get_error_ptr(png);
    if (self->status == ALEXNET_OK) /* otherwise the writer's sentence stands already */
        self->status = an_fail(self->error, ALEXNET_IO, "%s: the PNG cannot be written: %s",
                               self->path, reason);
    png_longjmp(png, 1);
}

static void write_bytes(png_structp png, png_bytep bytes, size_t size) {
    png_file *self = png_get_io_ptr(png);
    self->status = an_writer_write(&self->writer, bytes, size, self->error);
    if (self->status != ALEXNET_OK)
        png_error(png, "writing failed");
}

static void flush_nothing(png_structp png) {
    (void)png;
}

/* All of the writing; libpng may jump out of it. */
static void write_image(png_file *self, const an_image *image) {
    png_set_write_fn(self->png, self, write_bytes, flush_nothing);
    png_set_user_limits(self->png, AN_MAX_IMAGE_SIDE, AN_MAX_IMAGE_SIDE);
    png_set_IHDR(self->png, self->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(self->png, self->info);
    for (size_t y = 0; y < (size_t)image->height; y++)
        png_write_row(self->png, image->pixels + y * (size_t)image->width * 3);
    png_write_end(self->png, NULL);
}

alexnet_status an_image_write_png(const an_image *image, const char *path, alexnet_error *error) {
    png_file self = {.path = path, .error = error};
    AN_TRY(an_writer_open(&self.writer, path, error));
    self.png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, &self, on_write_error, ignore_warning);
    self.info = self.png ? png_create_info_struct(self.png) : NULL;
    if (!self.info)
        self.status = an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to write it", path);
    else if (setjmp(png_jmpbuf(self.png)) == 0)
        write_image(&self, image);
    png_destroy_write_struct(&self.png, &self.info);
    if (self.status == ALEXNET_OK)
        return an_writer_commit(&self.writer, error);
    an_writer_abandon(&self.writer);
    return self.status;
}
