/*
 * A sheet to draw on: cairo, and Pango for text, behind a handful of calls, written as PNG or SVG.
 *
 * Only this room draws, and only canvas.c, chart.c and matrix.c know cairo.
 */
#ifndef AN_INSPECT_CANVAS_H
#define AN_INSPECT_CANVAS_H

#include <cairo.h>
#include <stdbool.h>

#include "data/image.h"
#include "inspect/pango.h"

/* Red, green, blue, 0 to 1. */
typedef struct an_rgb {
    double r, g, b;
} an_rgb;

extern const an_rgb an_ink, an_faint, an_paper, an_blue, an_orange, an_green, an_red;

/* What lies to the left, middle or right of a text's position. */
typedef enum an_anchor { AN_LEFT, AN_MIDDLE, AN_RIGHT } an_anchor;

typedef struct an_canvas {
    cairo_t *cairo;
    cairo_surface_t *surface;
    an_pango pango;
    PangoLayout *layout;        /* the text being written, ... */
    PangoFontDescription *font; /* ... and its font */
    const char *path;
    bool svg;
    unsigned char *bytes; /* the file so far */
    size_t size, capacity;
} an_canvas;

/* Begins a white sheet of width x height pixels; `path` ends in .png or .svg and must stay. */
alexnet_status an_canvas_begin(an_canvas *canvas, int width, int height, const char *path,
                               alexnet_error *error);

/* Writes the file, whole or not at all, and releases the canvas, also after a failure. */
alexnet_status an_canvas_end(an_canvas *canvas, alexnet_error *error);

void an_canvas_colour(const an_canvas *canvas, an_rgb colour);

/* A filled rectangle. */
void an_canvas_fill(const an_canvas *canvas, double x, double y, double width, double height,
                    an_rgb colour);

/* A line of text whose baseline is at y, `size` pixels high. What is no UTF-8 or in no font that is
 * installed becomes marks in its place. */
void an_canvas_text(const an_canvas *canvas, double x, double y, double size, an_anchor anchor,
                    an_rgb colour, const char *text);

/* The same, shortened with an ellipsis to `width` pixels. */
void an_canvas_text_within(const an_canvas *canvas, double x, double y, double size, double width,
                           an_rgb colour, const char *text);

/* The same, going up to the right from (x, y) at `degrees` to the horizontal. */
void an_canvas_text_rising(const an_canvas *canvas, double x, double y, double degrees, double size,
                           double width, an_rgb colour, const char *text);

/* How long a line of text is. */
double an_canvas_text_width(const an_canvas *canvas, double size, const char *text);

/* A picture, scaled to width x height; `smooth`: interpolated, otherwise its pixels are squares. */
alexnet_status an_canvas_image(const an_canvas *canvas, const an_image *image, double x, double y,
                               double width, double height, bool smooth, alexnet_error *error);

/* The centre square of a picture, scaled to side x side: about what a network sees of it. */
alexnet_status an_canvas_square(const an_canvas *canvas, const an_image *image, double x, double y,
                                double side, alexnet_error *error);

/* The height that a heading takes at the top of a sheet. */
enum { AN_HEADING = 48 };

/* A heading at the top left, shortened to `width` pixels; NULL: none. */
void an_canvas_title(const an_canvas *canvas, double width, const char *title);

/* A value from 0 (dark) to 1 (bright) as a colour whose lightness rises evenly. */
void an_heat(float value, uint8_t rgb[3]);

#endif
