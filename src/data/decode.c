#include "data/decode.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/file.h"

/* Files that people take for pictures we read, and what they are. */
static const struct {
    const char *magic;
    size_t offset, length;
    const char *is;
} known_others[] = {
    {"GIF8", 0, 4, "a GIF picture"},
    {"BM", 0, 2, "a BMP picture"},
    {"II*\0", 0, 4, "a TIFF picture"},
    {"MM\0*", 0, 4, "a TIFF picture"},
    {"ftypheic", 4, 8, "a HEIC picture"},
    {"ftypavif", 4, 8, "an AVIF picture"},
    {"%PDF", 0, 4, "a PDF document"},
    {"<!DOCTYPE", 0, 9, "a web page (a download that went wrong?)"},
    {"<html", 0, 5, "a web page (a download that went wrong?)"},
    {"P1", 0, 2, "a PBM bitmap"},
    {"P4", 0, 2, "a PBM bitmap"},
};

static bool begins(const uint8_t *bytes, size_t size, size_t offset, const char *magic,
                   size_t length) {
    return size >= offset + length && memcmp(bytes + offset, magic, length) == 0;
}

alexnet_status an_decode_refuse(const uint8_t *bytes, size_t size, const char *name,
                                alexnet_error *error) {
    static const char advice[] = "convert it to one of them or take it away";
    if (size == 0)
        return an_fail(error, ALEXNET_FORMAT, "%s: is empty (0 bytes); copy or download it again",
                       name);
    for (size_t i = 0; i < sizeof known_others / sizeof *known_others; i++)
        if (begins(bytes, size, known_others[i].offset, known_others[i].magic,
                   known_others[i].length))
            return an_fail(error, ALEXNET_FORMAT, "%s: is %s, not JPEG, PNG, WebP or PPM; %s", name,
                           known_others[i].is, advice);
    char start[17] = "";
    size_t shown = 0;
    while (shown < sizeof start - 1 && shown < size && isprint(bytes[shown])) {
        start[shown] = (char)bytes[shown];
        shown++;
    }
    start[shown] = '\0';
    if (shown == sizeof start - 1 || shown == size)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: is no picture but text that begins with \"%s\"; JPEG, PNG, WebP and "
                       "PPM can be read; take it away",
                       name, start);
    return an_fail(error, ALEXNET_FORMAT, "%s: is not a JPEG, PNG, WebP or PPM picture; %s", name,
                   advice);
}

an_image_format an_image_recognise(const uint8_t *bytes, size_t size) {
    if (begins(bytes, size, 0, "\xff\xd8\xff", 3))
        return AN_FORMAT_JPEG;
    if (begins(bytes, size, 0, "\x89PNG\r\n\x1a\n", 8))
        return AN_FORMAT_PNG;
    if (begins(bytes, size, 0, "RIFF", 4) && begins(bytes, size, 8, "WEBP", 4))
        return AN_FORMAT_WEBP;
    if (size >= 2 && bytes[0] == 'P' && strchr("2356", bytes[1]) && bytes[1] != 0)
        return AN_FORMAT_PPM;
    return AN_FORMAT_OTHER;
}

an_image_format an_image_format_of_name(const char *name) {
    static const struct {
        const char *extension;
        an_image_format format;
    } known[] = {{".jpg", AN_FORMAT_JPEG},  {".jpeg", AN_FORMAT_JPEG}, {".png", AN_FORMAT_PNG},
                 {".webp", AN_FORMAT_WEBP}, {".ppm", AN_FORMAT_PPM},   {".pgm", AN_FORMAT_PPM}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(an_path_extension(name), known[i].extension) == 0)
            return known[i].format;
    return AN_FORMAT_OTHER;
}

/* What a decoder without parts has made: the whole picture. */
static void is_whole(an_decoded *out) {
    out->raster = an_raster_of(&out->image);
    out->width = out->image.width;
    out->height = out->image.height;
    out->left = out->top = 0;
    out->reduction = 1;
}

alexnet_status an_image_decode_part(const uint8_t *bytes, size_t size, const char *name,
                                    const an_chooser *chooser, an_decoded *out,
                                    alexnet_error *error) {
    switch (an_image_recognise(bytes, size)) {
    case AN_FORMAT_JPEG:
        return an_jpeg_decode(bytes, size, name, chooser, out, error);
    case AN_FORMAT_PNG:
        AN_TRY(an_png_decode(bytes, size, name, &out->image, error));
        break;
    case AN_FORMAT_WEBP:
        AN_TRY(an_webp_decode(bytes, size, name, &out->image, error));
        break;
    case AN_FORMAT_PPM:
        AN_TRY(an_ppm_decode(bytes, size, name, &out->image, error));
        break;
    case AN_FORMAT_OTHER:
    case AN_FORMAT_PIXELS:
        return an_decode_refuse(bytes, size, name, error);
    }
    is_whole(out);
    return ALEXNET_OK;
}

alexnet_status an_image_decode(const uint8_t *bytes, size_t size, const char *name, an_image *out,
                               alexnet_error *error) {
    an_decoded whole = {.image = *out};
    const alexnet_status status = an_image_decode_part(bytes, size, name, NULL, &whole, error);
    *out = whole.image;
    if (status != ALEXNET_OK)
        out->width = out->height = 0;
    return status;
}

void an_decoded_free(an_decoded *decoded) {
    an_image_free(&decoded->image);
    *decoded = (an_decoded){0};
}

int an_need_reduction(const an_need *need) {
    const double shorter = need->box.width < need->box.height ? need->box.width : need->box.height;
    int reduction = 1;
    while (reduction < 8 && shorter >= 2.0 * reduction * need->side)
        reduction *= 2;
    return reduction;
}

/* How far to each side of the box resizing looks along one axis, in pixels of the picture. */
static double reach(const an_need *need, double begin, double length, int reduction) {
    const double scale = length / need->side;
    const bool copied = reduction == 1 && scale == 1 && begin == floor(begin);
    if (need->cut || copied)
        return 0;
    return scale > reduction ? scale : reduction;
}

an_part an_need_part(const an_need *need, int reduction, int width, int height) {
    const an_box *box = &need->box;
    const double across = reach(need, box->x, box->width, reduction);
    const double down = reach(need, box->y, box->height, reduction);
    const int left = (int)fmax(0, floor(box->x - across));
    const int top = (int)fmax(0, floor(box->y - down));
    const int right = (int)fmin(width, ceil(box->x + box->width + across));
    const int bottom = (int)fmin(height, ceil(box->y + box->height + down));
    return (an_part){left, top, right - left, bottom - top};
}

an_box an_need_within(const an_need *need, const an_decoded *decoded) {
    const double size = decoded->reduction;
    return (an_box){(need->box.x - decoded->left) / size, (need->box.y - decoded->top) / size,
                    need->box.width / size, need->box.height / size};
}

void an_over_white(const uint8_t *rgba, size_t pixels, uint8_t *rgb) {
    for (size_t x = 0; x < pixels; x++) {
        const unsigned alpha = rgba[4 * x + 3];
        for (size_t c = 0; c < 3; c++)
            rgb[3 * x + c] = (uint8_t)((rgba[4 * x + c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

alexnet_status an_decode_check_size(const char *name, uint64_t width, uint64_t height,
                                    alexnet_error *error) {
    if (width == 0 || height == 0)
        return an_fail(error, ALEXNET_FORMAT, "%s: declares an empty picture (%llu x %llu pixels)",
                       name, (unsigned long long)width, (unsigned long long)height);
    if (width > AN_MAX_IMAGE_SIDE || height > AN_MAX_IMAGE_SIDE ||
        width * height > (uint64_t)AN_MAX_IMAGE_MEGAPIXELS * 1000000)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: declares %llu x %llu pixels; at most %d a side and %d million in all "
                       "are read; make it smaller",
                       name, (unsigned long long)width, (unsigned long long)height,
                       AN_MAX_IMAGE_SIDE, AN_MAX_IMAGE_MEGAPIXELS);
    return ALEXNET_OK;
}
