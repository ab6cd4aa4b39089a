#include "inspect/canvas.h"

#include <cairo-svg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

const an_rgb an_ink = {0.13, 0.15, 0.18}, an_faint = {0.55, 0.58, 0.62}, an_paper = {1, 1, 1},
             an_blue = {0.16, 0.42, 0.75}, an_orange = {0.85, 0.45, 0.10},
             an_green = {0.20, 0.58, 0.33}, an_red = {0.78, 0.23, 0.21};

/* The most a side may have: what cairo's image surfaces can hold. */
enum { MOST_SIDE = 32767 };

static cairo_status_t append(void *closure, const unsigned char *data, unsigned int length) {
    an_canvas *canvas = closure;
    if (canvas->size + length > canvas->capacity) {
        const size_t capacity = 2 * (canvas->size + length);
        unsigned char *bytes = realloc(canvas->bytes, capacity);
        if (!bytes)
            return CAIRO_STATUS_NO_MEMORY;
        canvas->bytes = bytes;
        canvas->capacity = capacity;
    }
    memcpy(canvas->bytes + canvas->size, data, length);
    canvas->size += length;
    return CAIRO_STATUS_SUCCESS;
}

/* The canvas' first failure as a status. */
static alexnet_status check(const an_canvas *canvas, cairo_status_t reason, alexnet_error *error) {
    if (reason == CAIRO_STATUS_SUCCESS)
        return ALEXNET_OK;
    return an_fail(error,
                   reason == CAIRO_STATUS_NO_MEMORY ? ALEXNET_NO_MEMORY : ALEXNET_UNSUPPORTED,
                   "%s: cannot be drawn: %s", canvas->path, cairo_status_to_string(reason));
}

/* Text is one line, whatever is in it, and is shortened at its end. */
static void begin_text(an_canvas *canvas) {
    const an_pango *pango = &canvas->pango;
    canvas->font = pango->font_description_new();
    pango->font_description_set_family(canvas->font, "sans-serif");
    canvas->layout = pango->cairo_create_layout(canvas->cairo);
    pango->layout_set_single_paragraph_mode(canvas->layout, TRUE);
    pango->layout_set_ellipsize(canvas->layout, PANGO_ELLIPSIZE_END);
}

alexnet_status an_canvas_begin(an_canvas *canvas, int width, int height, const char *path,
                               alexnet_error *error) {
    const char *extension = an_path_extension(path);
    *canvas = (an_canvas){.path = path, .svg = strcmp(extension, ".svg") == 0};
    if (!canvas->svg && strcmp(extension, ".png") != 0)
        return an_fail(error, ALEXNET_INVALID, "%s: pictures are drawn as .png or .svg", path);
    if (width < 1 || height < 1 || width > MOST_SIDE || height > MOST_SIDE)
        return an_fail(error, ALEXNET_INVALID, "%s: would be %d x %d pixels; at most %d can be",
                       path, width, height, MOST_SIDE);
    AN_TRY(an_pango_load(&canvas->pango, error));
    canvas->surface = canvas->svg
                          ? cairo_svg_surface_create_for_stream(append, canvas, width, height)
                          : cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    canvas->cairo = cairo_create(canvas->surface);
    const alexnet_status status = check(canvas, cairo_status(canvas->cairo), error);
    if (status != ALEXNET_OK) {
        cairo_destroy(canvas->cairo);
        cairo_surface_destroy(canvas->surface);
        return status;
    }
    begin_text(canvas);
    an_canvas_fill(canvas, 0, 0, width, height, an_paper);
    return ALEXNET_OK;
}

alexnet_status an_canvas_end(an_canvas *canvas, alexnet_error *error) {
    alexnet_status status = check(canvas, cairo_status(canvas->cairo), error);
    canvas->pango.g_object_unref(canvas->layout);
    canvas->pango.font_description_free(canvas->font);
    if (status == ALEXNET_OK && !canvas->svg)
        status = check(canvas, cairo_surface_write_to_png_stream(canvas->surface, append, canvas),
                       error);
    cairo_destroy(canvas->cairo);
    cairo_surface_finish(canvas->surface); /* an SVG's last bytes come here */
    if (status == ALEXNET_OK)
        status = check(canvas, cairo_surface_status(canvas->surface), error);
    cairo_surface_destroy(canvas->surface);
    if (status == ALEXNET_OK)
        status = an_write_file(canvas->path, canvas->bytes, canvas->size, error);
    free(canvas->bytes);
    *canvas = (an_canvas){0};
    return status;
}

void an_canvas_colour(const an_canvas *canvas, an_rgb colour) {
    cairo_set_source_rgb(canvas->cairo, colour.r, colour.g, colour.b);
}

void an_canvas_fill(const an_canvas *canvas, double x, double y, double width, double height,
                    an_rgb colour) {
    an_canvas_colour(canvas, colour);
    cairo_rectangle(canvas->cairo, x, y, width, height);
    cairo_fill(canvas->cairo);
}

/* Sets the text that is measured or shown next; `width`: what it is shortened to, -1: nothing. */
static void set_text(const an_canvas *canvas, double size, double width, const char *text) {
    const an_pango *pango = &canvas->pango;
    char *valid = pango->g_utf8_make_valid(text, -1);
    pango->font_description_set_absolute_size(canvas->font, size * PANGO_SCALE);
    pango->layout_set_font_description(canvas->layout, canvas->font);
    pango->layout_set_width(canvas->layout, width < 0 ? -1 : (int)(width * PANGO_SCALE));
    pango->layout_set_text(canvas->layout, valid, -1);
    pango->cairo_update_layout(canvas->cairo, canvas->layout);
    pango->g_free(valid);
}

/* The width of the text that was set. */
static double text_width(const an_canvas *canvas) {
    int width, height;
    canvas->pango.layout_get_size(canvas->layout, &width, &height);
    return (double)width / PANGO_SCALE;
}

static void show_text(const an_canvas *canvas, double x, double y, an_rgb colour) {
    an_canvas_colour(canvas, colour);
    cairo_move_to(canvas->cairo, x, y);
    canvas->pango.cairo_show_layout_line(canvas->cairo,
                                         canvas->pango.layout_get_line_readonly(canvas->layout, 0));
}

void an_canvas_text(const an_canvas *canvas, double x, double y, double size, an_anchor anchor,
                    an_rgb colour, const char *text) {
    set_text(canvas, size, -1, text);
    const double width = anchor == AN_LEFT ? 0 : text_width(canvas);
    show_text(canvas, x - (anchor == AN_MIDDLE ? width / 2 : width), y, colour);
}

void an_canvas_text_within(const an_canvas *canvas, double x, double y, double size, double width,
                           an_rgb colour, const char *text) {
    set_text(canvas, size, fmax(width, 0), text);
    show_text(canvas, x, y, colour);
}

void an_canvas_text_rising(const an_canvas *canvas, double x, double y, double degrees, double size,
                           double width, an_rgb colour, const char *text) {
    cairo_save(canvas->cairo);
    cairo_translate(canvas->cairo, x, y);
    cairo_rotate(canvas->cairo, -degrees * 3.14159265358979 / 180);
    an_canvas_text_within(canvas, 0, 0, size, width, colour, text);
    cairo_restore(canvas->cairo);
}

double an_canvas_text_width(const an_canvas *canvas, double size, const char *text) {
    set_text(canvas, size, -1, text);
    return text_width(canvas);
}

alexnet_status an_canvas_image(const an_canvas *canvas, const an_image *image, double x, double y,
                               double width, double height, bool smooth, alexnet_error *error) {
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, image->width, image->height);
    const alexnet_status status = check(canvas, cairo_surface_status(surface), error);
    if (status != ALEXNET_OK) {
        cairo_surface_destroy(surface);
        return status;
    }
    const size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    unsigned char *rows = cairo_image_surface_get_data(surface);
    for (int row = 0; row < image->height; row++) {
        const uint8_t *from = image->pixels + (size_t)row * (size_t)image->width * 3;
        unsigned char *to = rows + (size_t)row * stride;
        for (int column = 0; column < image->width; column++, from += 3, to += 4) {
            const uint32_t pixel = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
            memcpy(to, &pixel, sizeof pixel);
        }
    }
    cairo_surface_mark_dirty(surface);
    cairo_save(canvas->cairo);
    cairo_translate(canvas->cairo, x, y);
    cairo_scale(canvas->cairo, width / image->width, height / image->height);
    cairo_set_source_surface(canvas->cairo, surface, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(canvas->cairo),
                             smooth ? CAIRO_FILTER_GOOD : CAIRO_FILTER_NEAREST);
    /* Beyond the edge the border repeats, so that scaling does not blend it with the paper. */
    cairo_pattern_set_extend(cairo_get_source(canvas->cairo), CAIRO_EXTEND_PAD);
    cairo_rectangle(canvas->cairo, 0, 0, image->width, image->height);
    cairo_fill(canvas->cairo);
    cairo_restore(canvas->cairo);
    cairo_surface_destroy(surface);
    return ALEXNET_OK;
}

alexnet_status an_canvas_square(const an_canvas *canvas, const an_image *image, double x, double y,
                                double side, alexnet_error *error) {
    const double shorter = image->width < image->height ? image->width : image->height;
    const double width = side * image->width / shorter;
    const double height = side * image->height / shorter;
    cairo_save(canvas->cairo);
    cairo_rectangle(canvas->cairo, x, y, side, side);
    cairo_clip(canvas->cairo);
    const alexnet_status status = an_canvas_image(
        canvas, image, x + (side - width) / 2, y + (side - height) / 2, width, height, true, error);
    cairo_restore(canvas->cairo);
    return status;
}

void an_canvas_title(const an_canvas *canvas, double width, const char *title) {
    if (title)
        an_canvas_text_within(canvas, 16, 32, 18, width, an_ink, title);
}

void an_heat(float value, uint8_t rgb[3]) {
    static const float stops[][3] = {{8, 8, 24},     {66, 24, 110},  {168, 46, 110},
                                     {240, 110, 70}, {252, 190, 90}, {252, 253, 220}};
    enum { SPANS = sizeof stops / sizeof *stops - 1 };
    const float clamped = value > 0 ? (value < 1 ? value : 1) : 0; /* NaN becomes 0 */
    const float at = clamped * SPANS;
    const int span = at < SPANS ? (int)at : SPANS - 1;
    for (int i = 0; i < 3; i++)
        rgb[i] = (uint8_t)(stops[span][i] +
                           (at - (float)span) * (stops[span + 1][i] - stops[span][i]) + 0.5f);
}
