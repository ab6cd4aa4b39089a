/* Confusion matrices as heat maps. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "inspect/canvas.h"
#include "inspect/inspect.h"

enum {
    MARGIN = 16,
    NAME = 170,        /* the most that a name beside the matrix takes */
    MOST_NAMED = 150,  /* classes with a name beside each */
    MOST_COUNTED = 25, /* classes with a number in each cell */
    SHARE = 64,        /* the column of accuracies */
    LIST = 420,        /* the list of pairs most often confused */
    LINE = 20,         /* of it */
    LEGEND = 44
};

/* Where things lie on the sheet. */
typedef struct layout {
    const an_matrix *matrix;
    double cell; /* pixels of a class */
    double font; /* of the names; 0: there are none */
    double left, top, side;
    double list; /* x of the list; 0: there is none */
    bool ordered;
} layout;

/* Cells that names fit beside, as long as the sheet is no larger than a screen or two. */
static double cell_of(int classes) {
    if (classes <= 12)
        return 52;
    if (classes <= MOST_COUNTED)
        return 40;
    if (classes <= 60)
        return 20;
    if (classes <= MOST_NAMED)
        return 13;
    return classes <= 400 ? 4 : classes <= 1500 ? 2 : 1;
}

/* The class at a place of the matrix. */
static int class_at(const layout *on, int place) {
    return on->ordered ? on->matrix->order[place] : place;
}

static uint32_t count_at(const layout *on, int label, int answer) {
    return on->matrix->counts[(size_t)label * (size_t)on->matrix->classes + (size_t)answer];
}

static uint64_t row_sum(const layout *on, int label) {
    uint64_t sum = 0;
    for (int answer = 0; answer < on->matrix->classes; answer++)
        sum += count_at(on, label, answer);
    return sum;
}

/*
 * A cell's colour. Small shares are spread, so that rare mistakes are seen too, and in cells of a
 * few pixels no mistake is fainter than can be seen beside white.
 */
static an_rgb cell_colour(const layout *on, double share, bool right) {
    static const an_rgb nothing = {0.965, 0.97, 0.975};
    const an_rgb full = right ? an_green : an_red;
    if (!(share > 0))
        return nothing;
    const double least = on->font > 0 ? 0.06 : 0.35;
    const double t = least + (1 - least) * pow(share, on->font > 0 ? 0.7 : 0.5);
    return (an_rgb){nothing.r + t * (full.r - nothing.r), nothing.g + t * (full.g - nothing.g),
                    nothing.b + t * (full.b - nothing.b)};
}

/* Matrices of many classes: a picture with a pixel each, drawn as squares. */
static alexnet_status draw_pixels(const an_canvas *canvas, const layout *on, alexnet_error *error) {
    const int n = on->matrix->classes;
    an_image image = {0};
    AN_TRY(an_image_reserve(&image, n, n, error));
    uint8_t *pixel = image.pixels;
    for (int row = 0; row < n; row++) {
        const int label = class_at(on, row);
        const uint64_t sum = row_sum(on, label);
        for (int column = 0; column < n; column++, pixel += 3) {
            const uint32_t count = count_at(on, label, class_at(on, column));
            const an_rgb colour =
                cell_colour(on, sum ? (double)count / (double)sum : 0, row == column);
            pixel[0] = (uint8_t)(255 * colour.r + 0.5);
            pixel[1] = (uint8_t)(255 * colour.g + 0.5);
            pixel[2] = (uint8_t)(255 * colour.b + 0.5);
        }
    }
    const alexnet_status status =
        an_canvas_image(canvas, &image, on->left, on->top, on->side, on->side, false, error);
    an_image_free(&image);
    return status;
}

static void draw_count(const an_canvas *canvas, const layout *on, double x, double y,
                       uint32_t count, double share) {
    char text[16];
    snprintf(text, sizeof text, "%u", count);
    const double size = fmin(13, 13 * (on->cell - 4) / an_canvas_text_width(canvas, 13, text));
    an_canvas_text(canvas, x + on->cell / 2, y + on->cell / 2 + 0.36 * size, size, AN_MIDDLE,
                   share > 0.45 ? an_paper : an_ink, text);
}

/* Matrices of fewer: cells apart from each other, with their counts where there is room. */
static void draw_cells(const an_canvas *canvas, const layout *on) {
    const int n = on->matrix->classes;
    for (int row = 0; row < n; row++) {
        const int label = class_at(on, row);
        const uint64_t sum = row_sum(on, label);
        for (int column = 0; column < n; column++) {
            const uint32_t count = count_at(on, label, class_at(on, column));
            const double share = sum ? (double)count / (double)sum : 0;
            const double x = on->left + column * on->cell, y = on->top + row * on->cell;
            an_canvas_fill(canvas, x, y, on->cell - 1, on->cell - 1,
                           cell_colour(on, share, row == column));
            if (n <= MOST_COUNTED && count > 0)
                draw_count(canvas, on, x, y, count, share);
        }
    }
}

/* The names beside the rows, with each class's accuracy, and above the columns. */
static void draw_names(const an_canvas *canvas, const layout *on) {
    an_canvas_text(canvas, on->left + on->side + SHARE - 8, on->top - 8, on->font, AN_RIGHT,
                   an_faint, "right");
    for (int place = 0; place < on->matrix->classes; place++) {
        const int label = class_at(on, place);
        const char *name = on->matrix->names[label];
        const double middle = (place + 0.5) * on->cell, baseline = 0.36 * on->font;
        const double width = fmin(NAME, an_canvas_text_width(canvas, on->font, name));
        const uint64_t sum = row_sum(on, label);
        char share[16] = "-";
        an_canvas_text_within(canvas, on->left - 8 - width, on->top + middle + baseline, on->font,
                              NAME, an_ink, name);
        an_canvas_text_rising(canvas, on->left + middle + baseline, on->top - 8, 45, on->font, NAME,
                              an_ink, name);
        if (sum)
            snprintf(share, sizeof share, "%.0f %%",
                     100.0 * (double)count_at(on, label, label) / (double)sum);
        an_canvas_text(canvas, on->left + on->side + SHARE - 8, on->top + middle + baseline,
                       on->font, AN_RIGHT, an_ink, share);
    }
}

/* Frames the blocks of two classes and more; where classes have no names beside them, blocks that
 * are as high as a line are named by their first and last class. */
static void draw_blocks(const an_canvas *canvas, const layout *on) {
    const int n = on->matrix->classes, *blocks = on->matrix->blocks;
    cairo_set_line_width(canvas->cairo, 1);
    for (int begin = 0, end; begin < n; begin = end) {
        for (end = begin + 1; end < n && blocks[end] == blocks[begin]; end++)
            continue;
        const double size = (end - begin) * on->cell, at = begin * on->cell;
        if (end - begin < 2 || size < 8)
            continue;
        an_canvas_colour(canvas, an_blue);
        cairo_rectangle(canvas->cairo, on->left + at - 0.5, on->top + at - 0.5, size + 1, size + 1);
        cairo_stroke(canvas->cairo);
        if (on->font > 0 || size < 12)
            continue;
        char text[160];
        const char *first = on->matrix->names[class_at(on, begin)];
        const char *last = on->matrix->names[class_at(on, end - 1)];
        snprintf(text, sizeof text, "%d: %.60s … %.60s", end - begin, first, last);
        const double width = fmin(NAME, an_canvas_text_width(canvas, 10, text));
        an_canvas_text_within(canvas, on->left - 8 - width, on->top + at + size / 2 + 4, 10, NAME,
                              an_blue, text);
    }
}

/* The pairs most often confused, as many as there is room for. */
static void draw_list(const an_canvas *canvas, const layout *on) {
    const int most = (int)(on->side / LINE) - 1;
    const double count = 48, arrow = 20, name = (LIST - count - arrow - MARGIN) / 2.0;
    double y = on->top + 12;
    an_canvas_text(canvas, on->list, y, 13, AN_LEFT, an_ink, "Most often taken for another");
    for (size_t i = 0; i < on->matrix->pair_count && (int)i < most; i++) {
        const an_matrix_pair *pair = &on->matrix->pairs[i];
        char times[16];
        y += LINE;
        snprintf(times, sizeof times, "%u", pair->times);
        an_canvas_text(canvas, on->list + count - 12, y, 12, AN_RIGHT, an_red, times);
        an_canvas_text_within(canvas, on->list + count, y, 12, name, an_ink, pair->name);
        an_canvas_text(canvas, on->list + count + name + arrow / 2, y, 12, AN_MIDDLE, an_faint,
                       "→");
        an_canvas_text_within(canvas, on->list + count + name + arrow, y, 12, name, an_ink,
                              pair->answer);
    }
}

/* What rows, columns and colours are. */
static void draw_legend(const an_canvas *canvas, const layout *on) {
    enum { STEPS = 6, SWATCH = 16 };
    const double y = on->top + on->side + 26;
    double x = on->left;
    an_canvas_text(canvas, x, y, 12, AN_LEFT, an_faint,
                   "rows: what it is; columns: what it was taken for");
    if (on->side < 640) /* a small matrix has its numbers instead */
        return;
    x = on->left + on->side - 2 * (STEPS * SWATCH + 120);
    for (int right = 1; right >= 0; right--) {
        an_canvas_text(canvas, x, y, 12, AN_LEFT, an_faint, right ? "right: 0" : "wrong: 0");
        x += 54;
        for (int i = 0; i < STEPS; i++, x += SWATCH)
            an_canvas_fill(canvas, x, y - 11, SWATCH, 14,
                           cell_colour(on, (double)i / (STEPS - 1), right));
        an_canvas_text(canvas, x + 6, y, 12, AN_LEFT, an_faint, "100 %");
        x += 66;
    }
}

/* About the width of the longest name: the sheet's size is needed before there is one to measure
 * on. */
static double longest_name(const an_matrix *matrix, double font) {
    double longest = 0;
    for (int i = 0; i < matrix->classes; i++) {
        double length = 0;
        for (const char *c = matrix->names[i]; *c; c++)
            if (((unsigned char)*c & 0xC0) != 0x80)                /* not inside a character */
                length += (unsigned char)*c >= 0xE0 ? 1.05 : 0.62; /* Chinese ones are wide */
        longest = fmax(longest, length);
    }
    return fmin(NAME, font * longest);
}

/* Works out where things lie, and how large the sheet is. */
static layout place_all(const an_matrix *matrix, int *width, int *height) {
    const int n = matrix->classes;
    layout on = {.matrix = matrix, .cell = cell_of(n)};
    on.font = n > MOST_NAMED ? 0 : n > 60 ? 10 : 12;
    on.ordered = matrix->order && n > MOST_COUNTED;
    const double name = on.font > 0 ? longest_name(matrix, on.font) : on.ordered ? NAME : 0;
    const double rising = on.font > 0 ? 0.71 * (name + on.font) : 0;
    on.side = n * on.cell;
    on.left = MARGIN + name + 8;
    on.top = AN_HEADING + rising + 8;
    double right = on.left + on.side + fmax(on.font > 0 ? SHARE : 0, rising) + MARGIN;
    if (n > MOST_COUNTED && matrix->pair_count > 0) {
        on.list = right + MARGIN;
        right = on.list + LIST;
    }
    *width = (int)ceil(fmax(right, 480));
    *height = (int)ceil(on.top + on.side + LEGEND);
    return on;
}

alexnet_status an_draw_matrix(const an_matrix *matrix, const char *title, const char *path,
                              alexnet_error *error) {
    int width, height;
    const layout on = place_all(matrix, &width, &height);
    alexnet_status status = ALEXNET_OK;
    an_canvas canvas;
    AN_TRY(an_canvas_begin(&canvas, width, height, path, error));
    an_canvas_title(&canvas, width - 2 * MARGIN, title);
    if (on.font > 0) {
        draw_cells(&canvas, &on);
        draw_names(&canvas, &on);
    } else {
        status = draw_pixels(&canvas, &on, error);
    }
    if (on.ordered)
        draw_blocks(&canvas, &on);
    if (on.list > 0)
        draw_list(&canvas, &on);
    draw_legend(&canvas, &on);
    const alexnet_status written = an_canvas_end(&canvas, error);
    return status == ALEXNET_OK ? written : status;
}
