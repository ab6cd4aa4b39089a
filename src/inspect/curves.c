/* Loss and accuracy of a run, read from its metrics.jsonl. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "inspect/chart.h"
#include "inspect/inspect.h"

/* A curve as it is read: x is the step it was written at, y the value. */
typedef struct curve {
    an_point *points;
    size_t count;
} curve;

typedef struct history {
    curve step_loss, train_loss, val_loss, train_top1, val_top1;
    double last_step;
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
static alexnet_status read_line(history *h, const json_t *line, alexnet_error *error) {
    const double step = json_number_value(json_object_get(line, "step"));
    h->last_step = fmax(h->last_step, step);
    AN_TRY(add(&h->step_loss, step, line, "loss", error));
    AN_TRY(add(&h->train_loss, step, line, "train_loss", error));
    AN_TRY(add(&h->val_loss, step, line, "val_loss", error));
    AN_TRY(add(&h->train_top1, step, line, "train_top1", error));
    return add(&h->val_top1, step, line, "val_top1", error);
}

static alexnet_status read_history(const char *path, history *h, alexnet_error *error) {
    uint8_t *bytes;
    size_t size;
    AN_TRY(an_read_file(path, (size_t)1 << 30, &bytes, &size, error));
    alexnet_status status = ALEXNET_OK;
    size_t number = 1;
    for (size_t begin = 0; status == ALEXNET_OK && begin < size; number++) {
        const uint8_t *end = memchr(bytes + begin, '\n', size - begin);
        const size_t length = end ? (size_t)(end - bytes) - begin : size - begin;
        json_error_t reason;
        json_t *line = json_loadb((const char *)bytes + begin, length, 0, &reason);
        if (!line)
            status = an_fail(error, ALEXNET_FORMAT, "%s, line %zu: %s", path, number, reason.text);
        else
            status = read_line(h, line, error);
        json_decref(line);
        begin += length + 1;
    }
    free(bytes);
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

alexnet_status an_draw_curves(const char *run_folder, const char *path, alexnet_error *error) {
    enum { WIDTH = 1120, HEIGHT = 420 };
    static const an_rgb pale_blue = {0.66, 0.77, 0.90};
    history h = {.last_step = 1};
    an_canvas canvas;
    char *metrics = an_path_join(run_folder, "metrics.jsonl");
    if (!metrics)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to draw it", run_folder);
    alexnet_status status = read_history(metrics, &h, error);
    free(metrics);
    if (status == ALEXNET_OK && h.step_loss.count + h.train_loss.count == 0)
        status = an_fail(error, ALEXNET_FORMAT, "%s: its metrics.jsonl holds nothing to draw yet",
                         run_folder);
    if (status == ALEXNET_OK)
        status = an_canvas_begin(&canvas, WIDTH, HEIGHT, path, error);
    if (status == ALEXNET_OK) {
        const an_chart loss = {"loss",     "step", 8,           8, WIDTH / 2.0 - 8,
                               HEIGHT - 8, 0,      h.last_step, 0, loss_ceiling(&h),
                               false};
        const an_series losses[] = {
            series_of("each step", &h.step_loss, pale_blue, 1, false),
            series_of("training", &h.train_loss, an_blue, 2, true),
            series_of("validation", &h.val_loss, an_orange, 2, true),
        };
        const an_chart accuracy = {
            "top-1 accuracy", "step", WIDTH / 2.0, 8,   WIDTH / 2.0 - 8, HEIGHT - 8, 0,
            h.last_step,      0,      1,           true};
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
