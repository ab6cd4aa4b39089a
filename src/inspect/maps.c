/* Filters, activations and saliency: arrays of numbers as small pictures. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "inspect/canvas.h"
#include "inspect/inspect.h"

enum {
    MARGIN = 16,
    SHEET_WIDTH = 1200,
    LEAST_WIDTH = 600 /* what titles need, however small the maps are */
};

/* A grid of square tiles, each of `pixels` x `pixels` values drawn `scale` times as large. */
typedef struct grid {
    int count, columns, rows;
    int width, height; /* of a tile's values */
    double scale, gap;
} grid;

static double tile_width(const grid *g) {
    return g->width * g->scale + g->gap;
}

static double tile_height(const grid *g) {
    return g->height * g->scale + g->gap;
}

static alexnet_status begin_grid(an_canvas *canvas, const grid *g, const char *title,
                                 const char *path, alexnet_error *error) {
    const double width = fmax(LEAST_WIDTH, g->columns * tile_width(g) - g->gap);
    const double height = g->rows * tile_height(g) - g->gap;
    AN_TRY(an_canvas_begin(canvas, (int)ceil(2 * MARGIN + width),
                           (int)ceil(AN_HEADING + height + MARGIN), path, error));
    an_canvas_title(canvas, width, title);
    return ALEXNET_OK;
}

static alexnet_status put_tile(const an_canvas *canvas, const grid *g, int index,
                               const an_image *tile, bool smooth, alexnet_error *error) {
    const int row = index / g->columns, column = index % g->columns;
    return an_canvas_image(canvas, tile, MARGIN + column * tile_width(g),
                           AN_HEADING + row * tile_height(g), g->width * g->scale,
                           g->height * g->scale, smooth, error);
}

static void range_of(const float *values, size_t count, float *low, float *high) {
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        *low = fminf(*low, values[i]);
        *high = fmaxf(*high, values[i]);
    }
}

/* One filter as colours: 0 to 255 is from its smallest weight to its largest. */
static void filter_tile(const float *weights, int kernel, bool bgr, an_image *tile) {
    const size_t plane = (size_t)kernel * (size_t)kernel;
    float low, high;
    range_of(weights, 3 * plane, &low, &high);
    const float scale = high > low ? 255 / (high - low) : 0;
    for (size_t p = 0; p < plane; p++)
        for (size_t c = 0; c < 3; c++)
            tile->pixels[p * 3 + c] =
                (uint8_t)((weights[(bgr ? 2 - c : c) * plane + p] - low) * scale + 0.5f);
}

alexnet_status an_draw_filters(const float *weights, int filters, int kernel, bool bgr,
                               const char *title, const char *path, alexnet_error *error) {
    const int columns = filters < 16 ? filters : 16; /* 96 filters: 6 rows of 16 */
    const grid g = {.count = filters,
                    .columns = columns,
                    .rows = (filters + columns - 1) / columns,
                    .width = kernel,
                    .height = kernel,
                    .scale = floor(fmax(1, 66.0 / kernel)),
                    .gap = 6};
    an_canvas canvas;
    an_image tile = {0};
    AN_TRY(an_image_reserve(&tile, kernel, kernel, error));
    alexnet_status status = begin_grid(&canvas, &g, title, path, error);
    if (status == ALEXNET_OK) {
        for (int i = 0; status == ALEXNET_OK && i < filters; i++) {
            filter_tile(weights + (size_t)i * 3 * (size_t)kernel * (size_t)kernel, kernel, bgr,
                        &tile);
            status = put_tile(&canvas, &g, i, &tile, false, error);
        }
        const alexnet_status written = an_canvas_end(&canvas, error);
        status = status == ALEXNET_OK ? written : status;
    }
    an_image_free(&tile);
    return status;
}

/* How a layer's maps are laid out: (C, 1, 1) as one square of C values, others side by side. */
static grid activation_grid(an_shape shape) {
    if (shape.h == 1 && shape.w == 1) {
        const int side = (int)ceil(sqrt(shape.c));
        const double scale = floor(fmin(24, fmax(1, 640.0 / side)));
        return (grid){1, 1, 1, side, (shape.c + side - 1) / side, scale, 0};
    }
    const int columns = shape.c < 16 ? shape.c : shape.c <= 128 ? 16 : 32;
    const double gap = 4, room = (double)(SHEET_WIDTH - 2 * MARGIN) / columns - gap;
    const double scale = room > shape.w ? floor(room / shape.w) : room / shape.w;
    return (grid){shape.c, columns, (shape.c + columns - 1) / columns, shape.w, shape.h,
                  scale,   gap};
}

/* A few values, as logits are: a bar each from zero, that of the largest in another colour. */
static alexnet_status draw_bars(const float *values, int count, const char *const *names,
                                const char *title, const char *path, alexnet_error *error) {
    enum { LINE = 24, BAR = 14, NAME = 200, NUMBER = 64, ROOM = LEAST_WIDTH - NAME - NUMBER };
    float low, high;
    range_of(values, (size_t)count, &low, &high);
    const double from = fmin((double)low, 0), to = fmax((double)high, 0);
    const double scale = to > from ? ROOM / (to - from) : 0;
    const double zero = MARGIN + NAME - from * scale;
    an_canvas canvas;
    AN_TRY(an_canvas_begin(&canvas, 2 * MARGIN + LEAST_WIDTH, AN_HEADING + count * LINE + MARGIN,
                           path, error));
    an_canvas_title(&canvas, LEAST_WIDTH, title);
    for (int i = 0; i < count; i++) {
        const double y = AN_HEADING + i * LINE, value = (double)values[i];
        char name[16], number[32];
        snprintf(name, sizeof name, "%d", i);
        snprintf(number, sizeof number, "%.3g", value);
        an_canvas_text_within(&canvas, MARGIN, y + 12, 13, NAME - MARGIN, an_ink,
                              names ? names[i] : name);
        if (isfinite(value))
            an_canvas_fill(&canvas, zero + fmin(value, 0) * scale, y, fabs(value) * scale, BAR,
                           values[i] == high ? an_blue : an_faint);
        an_canvas_text(&canvas, MARGIN + LEAST_WIDTH, y + 12, 13, AN_RIGHT, an_ink, number);
    }
    an_canvas_fill(&canvas, zero - 0.5, AN_HEADING - 4, 1, count * LINE, an_ink);
    return an_canvas_end(&canvas, error);
}

alexnet_status an_draw_activations(const float *values, an_shape shape, const char *const *names,
                                   const char *title, const char *path, alexnet_error *error) {
    if (shape.h == 1 && shape.w == 1 && shape.c <= AN_MOST_BARS)
        return draw_bars(values, shape.c, names, title, path, error);
    const grid g = activation_grid(shape);
    const size_t plane = (size_t)g.width * (size_t)g.height, count = an_shape_count(shape);
    float low, high;
    range_of(values, count, &low, &high);
    /* Zero is dark where nothing is negative: after a ReLU a black map is a silent unit. */
    low = fminf(low, 0);
    const float scale = high > low ? 1 / (high - low) : 0;
    char heading[200];
    snprintf(heading, sizeof heading, "%s, from %.3g (dark) to %.3g (bright)", title, (double)low,
             (double)high);

    an_canvas canvas;
    an_image tile = {0};
    AN_TRY(an_image_reserve(&tile, g.width, g.height, error));
    alexnet_status status = begin_grid(&canvas, &g, heading, path, error);
    if (status == ALEXNET_OK) {
        for (int i = 0; status == ALEXNET_OK && i < g.count; i++) {
            for (size_t p = 0; p < plane; p++) {
                const size_t index = (size_t)i * plane + p;
                if (index < count)
                    an_heat((values[index] - low) * scale, &tile.pixels[p * 3]);
                else /* beyond the last value: as the paper */
                    memset(&tile.pixels[p * 3], 255, 3);
            }
            status = put_tile(&canvas, &g, i, &tile, false, error);
        }
        const alexnet_status written = an_canvas_end(&canvas, error);
        status = status == ALEXNET_OK ? written : status;
    }
    an_image_free(&tile);
    return status;
}

/* The largest absolute gradient of a pixel's three channels, averaged over 5x5 pixels. */
static void saliency_tile(const float *gradient, int side, an_image *tile) {
    const size_t plane = (size_t)side * (size_t)side;
    float most = 0;
    for (int pass = 0; pass < 2; pass++) { /* the first finds the largest value */
        for (int y = 0; y < side; y++) {
            for (int x = 0; x < side; x++) {
                float sum = 0;
                for (int v = y - 2; v <= y + 2; v++) {
                    for (int u = x - 2; u <= x + 2; u++) {
                        if (u < 0 || v < 0 || u >= side || v >= side)
                            continue;
                        const float *pixel = gradient + (size_t)v * (size_t)side + (size_t)u;
                        sum += fmaxf(fabsf(pixel[0]),
                                     fmaxf(fabsf(pixel[plane]), fabsf(pixel[2 * plane])));
                    }
                }
                if (pass == 0)
                    most = fmaxf(most, sum);
                else
                    an_heat(most > 0 ? sum / most : 0,
                            &tile->pixels[((size_t)y * (size_t)side + (size_t)x) * 3]);
            }
        }
    }
}

alexnet_status an_draw_saliency(const an_image *picture, const float *gradient, int side,
                                const char *title, const char *path, alexnet_error *error) {
    enum { SHOWN = 454 }; /* twice 227 */
    an_canvas canvas;
    an_image tile = {0};
    AN_TRY(an_image_reserve(&tile, side, side, error));
    saliency_tile(gradient, side, &tile);
    alexnet_status status =
        an_canvas_begin(&canvas, 3 * MARGIN + 2 * SHOWN, AN_HEADING + SHOWN + MARGIN, path, error);
    if (status == ALEXNET_OK) {
        an_canvas_title(&canvas, 2 * SHOWN, title);
        status = an_canvas_image(&canvas, picture, MARGIN, AN_HEADING, SHOWN, SHOWN, true, error);
        if (status == ALEXNET_OK)
            status = an_canvas_image(&canvas, &tile, 2 * MARGIN + SHOWN, AN_HEADING, SHOWN, SHOWN,
                                     true, error);
        const alexnet_status written = an_canvas_end(&canvas, error);
        status = status == ALEXNET_OK ? written : status;
    }
    an_image_free(&tile);
    return status;
}
