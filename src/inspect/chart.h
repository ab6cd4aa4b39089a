/* Line charts on a canvas: axes with round numbers, curves, a legend. */
#ifndef AN_INSPECT_CHART_H
#define AN_INSPECT_CHART_H

#include <stddef.h>

#include "inspect/canvas.h"

typedef struct an_point {
    double x, y;
} an_point;

/* One curve; a point whose y is not a number is left out. */
typedef struct an_series {
    const char *name; /* in the legend, where something is drawn; NULL: not listed */
    an_rgb colour;
    double width;
    bool dots; /* a dot at every point */
    size_t count;
    const an_point *points;
} an_series;

typedef struct an_chart {
    const char *title, *x_title;
    double left, top, width, height; /* on the canvas, labels included */
    double x_low, x_high, y_low, y_high;
    bool percent; /* y is a fraction shown in percent */
} an_chart;

/* The smallest of 1, 2, 5 times a power of ten that cuts `range` into at most `parts` parts. */
double an_chart_step(double range, int parts);

void an_chart_draw(const an_canvas *canvas, const an_chart *chart, const an_series *series,
                   size_t count);

#endif
