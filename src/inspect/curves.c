/* Loss and accuracy of runs, read from their metrics.jsonl. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "inspect/chart.h"
#include "inspect/inspect.h"

/* A curve as it is read: x is the step it was written at, y the value. */
typedef struct curve {
    an_point *points;
    size_t count;
} curve;

typedef struct history {
    curve step_loss, train_loss, val_loss, train_top1, val_top1;
    const char *x; /* what the curves run over: "step" or "epoch" */
    double last_x;
} history;

static alexnet_status add(curve *c, double x, const json_t *line, const char *key,
                          alexnet_error *error) {
    const json_t *value = json_object_get(line, key);
    if (!json_is_number(value))
        return ALEXNET_OK;
    if ((c->count & (c->count - 1)) == 0) { /* full: grows to twice the size */
        an_point *points = realloc(c->points, (c->count ? 2 * c->count : 1) * sizeof *points);
        if (!points)
            return an_fail(error, ALEXNET_NO_MEMORY, "no memory for a curve");
        c->points = points;
    }
    c->points[c->count++] = (an_point){x, json_number_value(value)};
    return ALEXNET_OK;
}

static void free_history(history *h) {
    free(h->step_loss.points);
    free(h->train_loss.points);
    free(h->val_loss.points);
    free(h->train_top1.points);
    free(h->val_top1.points);
}

/* One line of metrics.jsonl: a logged step has a loss, an epoch the others. */
static alexnet_status read_line(void *context, const json_t *line, alexnet_error *error) {
    history *h = context;
    const double x = json_number_value(json_object_get(line, h->x));
    h->last_x = fmax(h->last_x, x);
    AN_TRY(add(&h->step_loss, x, line, "loss", error));
    AN_TRY(add(&h->train_loss, x, line, "train_loss", error));
    AN_TRY(add(&h->val_loss, x, line, "val_loss", error));
    AN_TRY(add(&h->train_top1, x, line, "train_top1", error));
    return add(&h->val_top1, x, line, "val_top1", error);
}

/* Reads a run into a history that is all zero but for `x`; freed also after a failure. */
static alexnet_status read_history(const char *run_folder, history *h, alexnet_error *error) {
    char *metrics = an_path_join(run_folder, "metrics.jsonl");
    if (!metrics)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to draw it", run_folder);
    const alexnet_status status = an_json_lines(metrics, read_line, h, error);
    free(metrics);
    h->last_x = fmax(h->last_x, 1);
    return status;
}

/* The loss at which the chart ends: what all but the first wild steps stay under. */
static double loss_ceiling(const history *h) {
    const curve curves[] = {h->step_loss, h->train_loss, h->val_loss};
    double highest = 0;
    for (size_t c = 0; c < 3; c++)
        for (size_t i = c == 0 ? curves[c].count / 50 : 0; i < curves[c].count; i++)
            if (isfinite(curves[c].points[i].y))
                highest = fmax(highest, curves[c].points[i].y);
    return highest > 0 ? highest * 1.05 : 1;
}

static an_series series_of(const char *name, const curve *c, an_rgb colour, double width,
                           bool dots) {
    return (an_series){name, colour, width, dots, c->count, c->points};
}

enum { WIDTH = 1120, HEIGHT = 420, LEGEND_LINE = 20 };

/* The two charts beside each other that every picture has. */
static an_chart loss_chart(const char *title, const char *x, double last_x, double ceiling) {
    return (an_chart){title, x, 8, 8, WIDTH / 2.0 - 8, HEIGHT - 8, 0, last_x, 0, ceiling, false};
}

static an_chart accuracy_chart(const char *title, const char *x, double last_x) {
    return (an_chart){title, x, WIDTH / 2.0, 8, WIDTH / 2.0 - 8, HEIGHT - 8, 0, last_x, 0, 1, true};
}

alexnet_status an_draw_curves(const char *run_folder, const char *path, alexnet_error *error) {
    static const an_rgb pale_blue = {0.66, 0.77, 0.90};
    history h = {.x = "step"};
    an_canvas canvas;
    alexnet_status status = read_history(run_folder, &h, error);
    if (status == ALEXNET_OK && h.step_loss.count + h.train_loss.count == 0)
        status = an_fail(error, ALEXNET_FORMAT, "%s: its metrics.jsonl holds nothing to draw yet",
                         run_folder);
    if (status == ALEXNET_OK)
        status = an_canvas_begin(&canvas, WIDTH, HEIGHT, path, error);
    if (status == ALEXNET_OK) {
        const an_chart loss = loss_chart("loss", h.x, h.last_x, loss_ceiling(&h));
        const an_series losses[] = {
            series_of("single steps", &h.step_loss, pale_blue, 1, false),
            series_of("training", &h.train_loss, an_blue, 2, true),
            series_of("validation", &h.val_loss, an_orange, 2, true),
        };
        const an_chart accuracy = accuracy_chart("top-1 accuracy", h.x, h.last_x);
        const an_series accuracies[] = {
            series_of("training", &h.train_top1, an_blue, 2, true),
            series_of("validation", &h.val_top1, an_orange, 2, true),
        };
        an_chart_draw(&canvas, &loss, losses, 3);
        an_chart_draw(&canvas, &accuracy, accuracies, 2);
        status = an_canvas_end(&canvas, error);
    }
    free_history(&h);
    return status;
}

/* --- several runs --------------------------------------------------------------------------- */

/* A run's colour: the house's four, then others that are told apart on white. */
static an_rgb colour_of(size_t run) {
    static const an_rgb more[] = {
        {0.55, 0.35, 0.70}, {0.55, 0.40, 0.30}, {0.85, 0.45, 0.70}, {0.45, 0.45, 0.45}};
    const an_rgb colours[] = {an_blue, an_orange, an_green, an_red,
                              more[0], more[1],   more[2],  more[3]};
    return colours[run % (sizeof colours / sizeof *colours)];
}

/* The runs' names below the charts, each with its colour. */
static void draw_legend(const an_canvas *canvas, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const double y = HEIGHT + LEGEND_LINE * (double)i;
        an_canvas_fill(canvas, 64, y + 6, 24, 4, colour_of(i));
        an_canvas_text_within(canvas, 98, y + 12, 13, WIDTH - 120, an_ink, names[i]);
    }
}

static void draw_histories(const an_canvas *canvas, const history *histories, size_t count) {
    an_series losses[AN_MAX_COMPARED], accuracies[AN_MAX_COMPARED];
    double last_x = 1, ceiling = 0;
    for (size_t i = 0; i < count; i++) {
        const history *h = &histories[i];
        last_x = fmax(last_x, h->last_x);
        for (size_t k = 0; k < h->train_loss.count; k++)
            ceiling = fmax(ceiling, 1.05 * h->train_loss.points[k].y);
        losses[i] = series_of(NULL, &h->train_loss, colour_of(i), 2, true);
        accuracies[i] = series_of(NULL, &h->val_top1, colour_of(i), 2, true);
    }
    const an_chart loss = loss_chart("training loss", "epoch", last_x, ceiling > 0 ? ceiling : 1);
    const an_chart accuracy = accuracy_chart("validation: top-1 accuracy", "epoch", last_x);
    an_chart_draw(canvas, &loss, losses, count);
    an_chart_draw(canvas, &accuracy, accuracies, count);
}

alexnet_status an_draw_comparison(const char *const *run_folders, size_t count, const char *path,
                                  alexnet_error *error) {
    history histories[AN_MAX_COMPARED] = {0};
    an_canvas canvas;
    alexnet_status status = ALEXNET_OK;
    if (count > AN_MAX_COMPARED)
        return an_fail(error, ALEXNET_INVALID, "%zu runs cannot be compared at once; %d can", count,
                       AN_MAX_COMPARED);
    for (size_t i = 0; i < count && status == ALEXNET_OK; i++) {
        histories[i].x = "epoch";
        status = read_history(run_folders[i], &histories[i], error);
    }
    if (status == ALEXNET_OK)
        status =
            an_canvas_begin(&canvas, WIDTH, HEIGHT + LEGEND_LINE * (int)count + 12, path, error);
    if (status == ALEXNET_OK) {
        draw_histories(&canvas, histories, count);
        draw_legend(&canvas, run_folders, count);
        status = an_canvas_end(&canvas, error);
    }
    for (size_t i = 0; i < count; i++)
        free_history(&histories[i]);
    return status;
}
