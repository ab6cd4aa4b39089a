#include "pictures.h"

#include <stdio.h>

#include <jpeglib.h>
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#ifdef AN_WITH_WEBP
#include <webp/encode.h>
#endif

uint8_t smooth_value(int x, int y, int channel) {
    static const int slopes[4][2] = {{5, 2}, {-3, 4}, {2, -4}, {3, 1}};
    static const int starts[4] = {20, 140, 170, 90};
    const int value = starts[channel] + x * slopes[channel][0] / 2 + y * slopes[channel][1] / 2;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

uint8_t wave_value(int x, int y, int channel) {
    const double across = sin((x + 20 * channel) / 31.0), down = cos((y - 9 * channel) / 23.0);
    return (uint8_t)lround(128 + 60 * across + 50 * down);
}

void make_exif(uint8_t out[EXIF_SIZE], bool big_endian, int orientation) {
    static const uint8_t little[EXIF_SIZE] = {
        'E', 'x', 'i', 'f', 0,  0, 'I', 'I', 42,   0, 8, 0, 0, 0, 2, 0, 0x00, 0x01, 3, 0,
        1,   0,   0,   0,   99, 0, 0,   0,   0x12, 1, 3, 0, 1, 0, 0, 0, 0,    0,    0, 0};
    static const uint8_t big[EXIF_SIZE] = {
        'E', 'x', 'i', 'f', 0, 0,  'M', 'M', 0, 42,   0, 0, 0, 8, 0, 2, 0x01, 0x00, 0, 3,
        0,   0,   0,   1,   0, 99, 0,   0,   1, 0x12, 0, 3, 0, 0, 0, 1, 0,    0,    0, 0};
    memcpy(out, big_endian ? big : little, EXIF_SIZE);
    out[36 + (big_endian ? 1 : 0)] = (uint8_t)orientation;
}

/* 127 scans: each coefficient alone, first without its lowest bit, then that bit. */
static int fill_many_scans(jpeg_scan_info *scans) {
    int count = 0;
    for (int refine = 0; refine < 2; refine++)
        for (int k = 0; k < 64; k++)
            if (k > 0 || refine == 0)
                scans[count++] = (jpeg_scan_info){.comps_in_scan = 1,
                                                  .Ss = k,
                                                  .Se = k,
                                                  .Ah = refine,
                                                  .Al = k == 0 ? 0 : 1 - refine};
    return count;
}

encoded make_jpeg(const jpeg_recipe *recipe) {
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    jpeg_mem_dest(&info, &bytes, &size);
    info.image_width = (JDIMENSION)recipe->width;
    info.image_height = (JDIMENSION)recipe->height;
    info.input_components = recipe->channels;
    info.in_color_space = recipe->channels == 1   ? JCS_GRAYSCALE
                          : recipe->channels == 3 ? JCS_RGB
                                                  : JCS_CMYK;
    jpeg_set_defaults(&info);
    if (recipe->ycck)
        jpeg_set_colorspace(&info, JCS_YCCK);
    jpeg_set_quality(&info, recipe->quality ? recipe->quality : 100, TRUE);
    for (int i = 0; i < info.num_components; i++)
        info.comp_info[i].h_samp_factor = info.comp_info[i].v_samp_factor = 1;
    if (recipe->across)
        info.comp_info[0].h_samp_factor = recipe->across;
    if (recipe->down)
        info.comp_info[0].v_samp_factor = recipe->down;
    info.restart_interval = (unsigned)recipe->restart;
    jpeg_scan_info scans[128];
    if (recipe->progressive)
        jpeg_simple_progression(&info);
    if (recipe->many_scans) {
        info.num_scans = fill_many_scans(scans);
        info.scan_info = scans;
    }
    jpeg_start_compress(&info, TRUE);
    if (recipe->exif)
        jpeg_write_marker(&info, JPEG_APP0 + 1, recipe->exif, (unsigned)recipe->exif_size);
    uint8_t *row = malloc((size_t)recipe->width * (size_t)recipe->channels);
    for (int y = 0; y < recipe->height; y++) {
        for (int x = 0; x < recipe->width; x++)
            for (int c = 0; c < recipe->channels; c++)
                row[x * recipe->channels + c] =
                    recipe->waves ? wave_value(x, y, c) : smooth_value(x, y, c);
        jpeg_write_scanlines(&info, &row, 1);
    }
    free(row);
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    return (encoded){realloc(bytes, size), size};
}

void patch_jpeg_size(encoded *jpeg, int width, int height) {
    size_t at = 2; /* behind the start marker; then marker, length, content */
    while (jpeg->bytes[at + 1] < 0xc0 || jpeg->bytes[at + 1] > 0xc2)
        at += 2 + (size_t)(jpeg->bytes[at + 2] << 8 | jpeg->bytes[at + 3]);
    jpeg->bytes[at + 5] = (uint8_t)(height >> 8);
    jpeg->bytes[at + 6] = (uint8_t)height;
    jpeg->bytes[at + 7] = (uint8_t)(width >> 8);
    jpeg->bytes[at + 8] = (uint8_t)width;
}

static void append(png_structp png, png_bytep bytes, size_t size) {
    encoded *out = png_get_io_ptr(png);
    out->bytes = realloc(out->bytes, out->size + size);
    memcpy(out->bytes + out->size, bytes, size);
    out->size += size;
}

encoded make_png(const png_recipe *recipe) {
    encoded out = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &out, append, NULL);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(png, info, (png_uint_32)recipe->width, (png_uint_32)recipe->height, recipe->depth,
                 recipe->colour_type, recipe->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_color palette[256];
    for (int i = 0; i < recipe->palette_size; i++)
        palette[i] = (png_color){recipe->palette[3 * i], recipe->palette[3 * i + 1],
                                 recipe->palette[3 * i + 2]};
    if (recipe->palette)
        png_set_PLTE(png, info, palette, recipe->palette_size);
    if (recipe->palette_alpha)
        png_set_tRNS(png, info, recipe->palette_alpha, recipe->palette_size, NULL);
    if (recipe->transparent) {
        const uint16_t *t = recipe->transparent;
        const png_color_16 colour = {.red = t[0], .green = t[1], .blue = t[2], .gray = t[0]};
        png_set_tRNS(png, info, NULL, 0, &colour);
    }
    png_write_info(png, info);
    if (recipe->rows) {
        const size_t row = png_get_rowbytes(png, info);
        const int passes = png_set_interlace_handling(png);
        for (int pass = 0; pass < passes; pass++)
            for (int y = 0; y < recipe->height; y++)
                png_write_row(png, recipe->rows + (size_t)y * row);
        png_write_end(png, NULL);
    } else {
        png_write_chunk(png, (png_const_bytep) "IDAT", NULL, 0);
    }
    png_destroy_write_struct(&png, &info);
    return out;
}

#ifdef AN_WITH_WEBP

static void put_bytes(encoded *out, const void *bytes, size_t size) {
    out->bytes = realloc(out->bytes, out->size + size);
    memcpy(out->bytes + out->size, bytes, size);
    out->size += size;
}

/* A little-endian integer. */
static void put_integer(encoded *out, size_t value, int bytes) {
    for (int i = 0; i < bytes; i++)
        put_bytes(out, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

/* The beginning of a chunk, of whose content `size` bytes follow. */
static void put_chunk(encoded *out, const char *name, size_t size) {
    put_bytes(out, name, 4);
    put_integer(out, size, 4);
}

/* A frame whose picture is in chunks of its own. */
static void put_frame(encoded *out, const webp_recipe *recipe, int left, int top, encoded chunks) {
    put_chunk(out, "ANMF", 16 + chunks.size);
    put_integer(out, (size_t)left / 2, 3);
    put_integer(out, (size_t)top / 2, 3);
    put_integer(out, (size_t)recipe->width - 1, 3);
    put_integer(out, (size_t)recipe->height - 1, 3);
    put_integer(out, 100 | 2 << 24, 4); /* milliseconds; not blended */
    put_bytes(out, chunks.bytes, chunks.size);
}

/* The extended form of a file, whose chunks stand behind each other as in the container's
 * specification: https://developers.google.com/speed/webp/docs/riff_container */
static encoded extend(const webp_recipe *recipe, encoded plain) {
    enum { RIFF = 12, VP8X = 18, EXIF = 8, ALPHA = 16, ANIMATION = 2 };
    const bool animated = recipe->canvas_width > 0;
    const size_t skipped = RIFF + (memcmp(plain.bytes + RIFF, "VP8X", 4) == 0 ? VP8X : 0);
    const encoded chunks = {plain.bytes + skipped, plain.size - skipped};
    encoded out = {0};
    put_bytes(&out, "RIFF----WEBP", RIFF);
    put_chunk(&out, "VP8X", VP8X - 8);
    put_integer(&out,
                (size_t)(recipe->exif ? EXIF : 0) | (recipe->alpha ? ALPHA : 0) |
                    (animated ? ANIMATION : 0),
                4);
    put_integer(&out, (size_t)(animated ? recipe->canvas_width : recipe->width) - 1, 3);
    put_integer(&out, (size_t)(animated ? recipe->canvas_height : recipe->height) - 1, 3);
    if (animated) {
        put_chunk(&out, "ANIM", 6);
        put_integer(&out, 0, 6); /* the background's colour, and repeated for ever */
        put_frame(&out, recipe, recipe->left, recipe->top, chunks);
        put_frame(&out, recipe, 0, 0, chunks);
    } else {
        put_bytes(&out, chunks.bytes, chunks.size);
    }
    if (recipe->exif) {
        put_chunk(&out, "EXIF", recipe->exif_size);
        put_bytes(&out, recipe->exif, recipe->exif_size);
        put_integer(&out, 0, (int)(recipe->exif_size % 2)); /* chunks begin at even bytes */
    }
    for (int i = 0; i < 4; i++)
        out.bytes[4 + i] = (uint8_t)((out.size - 8) >> 8 * i);
    return out;
}

encoded make_webp(const webp_recipe *recipe) {
    WebPConfig config;
    WebPPicture picture;
    WebPMemoryWriter writer;
    if (!WebPConfigPreset(&config, WEBP_PRESET_DEFAULT, (float)recipe->quality) ||
        !WebPPictureInit(&picture))
        abort();
    config.lossless = recipe->quality == 0;
    picture.use_argb = config.lossless;
    picture.width = recipe->width;
    picture.height = recipe->height;
    WebPMemoryWriterInit(&writer);
    picture.writer = WebPMemoryWrite;
    picture.custom_ptr = &writer;
    int (*const import)(WebPPicture *, const uint8_t *, int) =
        recipe->alpha ? WebPPictureImportRGBA : WebPPictureImportRGBX;
    if (!import(&picture, recipe->pixels, 4 * recipe->width) || !WebPEncode(&config, &picture))
        abort();
    const encoded made = {writer.mem, writer.size};
    encoded out = {0};
    if (recipe->exif || recipe->canvas_width > 0)
        out = extend(recipe, made);
    else
        put_bytes(&out, made.bytes, made.size);
    WebPMemoryWriterClear(&writer);
    WebPPictureFree(&picture);
    return out;
}

#endif
