#include "inspect/chart.h"

#include <math.h>
#include <stdio.h>

enum { LEFT = 56, RIGHT = 16, TOP = 40, BOTTOM = 44 };

double an_chart_step(double range, int parts) {
    const double rough = range / parts;
    const double power = pow(10, floor(log10(rough)));
    for (int i = 0; i < 3; i++) {
        static const double round_numbers[] = {1, 2, 5};
        if (round_numbers[i] * power >= rough * (1 - 1e-9))
            return round_numbers[i] * power;
    }
    return 10 * power;
}

/* Where a value lies on the canvas. */
static double place(double value, double low, double high, double from, double to) {
    return from + (value - low) / (high - low) * (to - from);
}

typedef struct area {
    double left, right, top, bottom;
} area;

static area inside(const an_chart *c) {
    return (area){c->left + LEFT, c->left + c->width - RIGHT, c->top + TOP,
                  c->top + c->height - BOTTOM};
}

static void line(const an_canvas *canvas, double x0, double y0, double x1, double y1, double width,
                 an_rgb colour) {
    an_canvas_colour(canvas, colour);
    cairo_set_line_width(canvas->cairo, width);
    cairo_move_to(canvas->cairo, x0, y0);
    cairo_line_to(canvas->cairo, x1, y1);
    cairo_stroke(canvas->cairo);
}

static void draw_axes(const an_canvas *canvas, const an_chart *c) {
    static const an_rgb rule = {0.88, 0.89, 0.91};
    const area a = inside(c);
    char text[32];
    const double y_step = an_chart_step(c->y_high - c->y_low, 6);
    /* + 0.0 turns a negative zero, which would be printed as "-0", into zero. */
    for (double k = ceil(c->y_low / y_step - 1e-9) + 0.0; k * y_step <= c->y_high + 1e-9 * y_step;
         k++) {
        const double y = place(k * y_step, c->y_low, c->y_high, a.bottom, a.top);
        line(canvas, a.left, y, a.right, y, 1, rule);
        if (c->percent)
            snprintf(text, sizeof text, "%.4g %%", 100 * k * y_step);
        else
            snprintf(text, sizeof text, "%.4g", k * y_step);
        an_canvas_text(canvas, a.left - 8, y + 4, 12, AN_RIGHT, an_ink, text);
    }
    const double x_step = fmax(an_chart_step(c->x_high - c->x_low, 8), 1);
    for (double k = ceil(c->x_low / x_step - 1e-9) + 0.0; k * x_step <= c->x_high + 1e-9 * x_step;
         k++) {
        const double x = place(k * x_step, c->x_low, c->x_high, a.left, a.right);
        line(canvas, x, a.bottom, x, a.bottom + 5, 1, an_faint);
        snprintf(text, sizeof text, "%.6g", k * x_step);
        an_canvas_text(canvas, x, a.bottom + 19, 12, AN_MIDDLE, an_ink, text);
    }
    line(canvas, a.left, a.bottom, a.right, a.bottom, 1, an_faint);
    an_canvas_text(canvas, c->left + LEFT, c->top + 22, 15, AN_LEFT, an_ink, c->title);
    an_canvas_text(canvas, a.right, a.bottom + 38, 12, AN_RIGHT, an_faint, c->x_title);
}

static void draw_series(const an_canvas *canvas, const an_chart *c, const an_series *s) {
    const area a = inside(c);
    bool pen_down = false;
    an_canvas_colour(canvas, s->colour);
    cairo_set_line_width(canvas->cairo, s->width);
    cairo_set_line_join(canvas->cairo, CAIRO_LINE_JOIN_ROUND);
    for (int pass = 0; pass < 2; pass++) { /* the line, then the dots */
        for (size_t i = 0; i < s->count; i++) {
            const an_point point = s->points[i];
            if (!isfinite(point.y)) {
                pen_down = false;
                continue;
            }
            const double x = place(point.x, c->x_low, c->x_high, a.left, a.right);
            const double y = place(point.y, c->y_low, c->y_high, a.bottom, a.top);
            if (pass == 1) {
                cairo_arc(canvas->cairo, x, y, 3.5, 0, 6.2831853);
                cairo_fill(canvas->cairo);
            } else if (pen_down) {
                cairo_line_to(canvas->cairo, x, y);
            } else {
                cairo_move_to(canvas->cairo, x, y);
                pen_down = true;
            }
        }
        if (pass == 0)
            cairo_stroke(canvas->cairo);
        if (!s->dots)
            break;
    }
}

void an_chart_draw(const an_canvas *canvas, const an_chart *chart, const an_series *series,
                   size_t count) {
    const area a = inside(chart);
    draw_axes(canvas, chart);
    cairo_save(canvas->cairo);
    cairo_rectangle(canvas->cairo, a.left - 4, a.top - 4, a.right - a.left + 8,
                    a.bottom - a.top + 8);
    cairo_clip(canvas->cairo);
    for (size_t i = 0; i < count; i++)
        draw_series(canvas, chart, &series[i]);
    cairo_restore(canvas->cairo);

    double x = a.right; /* the legend grows to the left from the chart's corner */
    for (size_t i = count; i-- > 0;) {
        if (!series[i].name || series[i].count < (series[i].dots ? 1 : 2)) /* or nothing is seen */
            continue;
        an_canvas_text(canvas, x, chart->top + 22, 12, AN_RIGHT, an_ink, series[i].name);
        x -= an_canvas_text_width(canvas, 12, series[i].name) + 6;
        line(canvas, x - 18, chart->top + 18, x, chart->top + 18, 3, series[i].colour);
        x -= 18 + 16;
    }
}
