/* Contact sheets: pictures with what the network says about them, or finds most like them. */
#include <stdio.h>

#include "core/file.h"

#include "inspect/canvas.h"
#include "inspect/inspect.h"

enum { MARGIN = 16, PICTURE = 176, CELL = PICTURE + MARGIN, LINE = 20, MOST_COLUMNS = 6 };

/* What a bar fills. */
static const an_rgb track = {0.93, 0.94, 0.95};

/* The answer's label and probability over a bar as long as it is probable. */
static void draw_answer(const an_canvas *canvas, const an_sheet_entry *entry, int i, double x,
                        double y) {
    const an_rgb first = entry->right == -2 ? an_blue : an_red;
    const an_rgb colour = i == entry->right ? an_green : i == 0 ? first : an_faint;
    char percent[16];
    snprintf(percent, sizeof percent, "%.0f %%", 100 * (double)entry->probabilities[i]);
    an_canvas_fill(canvas, x, y + 13, PICTURE, 3, track);
    an_canvas_fill(canvas, x, y + 13, PICTURE * (double)entry->probabilities[i], 3, colour);
    an_canvas_text(canvas, x + PICTURE, y + 10, 11, AN_RIGHT, an_ink, percent);
    an_canvas_text_within(canvas, x, y + 10, 11, PICTURE - 44, an_ink, entry->labels[i]);
}

static alexnet_status draw_entry(const an_canvas *canvas, const an_sheet_entry *entry, double x,
                                 double y, alexnet_error *error) {
    AN_TRY(an_canvas_square(canvas, entry->image, x, y, PICTURE, error));
    y += PICTURE + 4;
    if (entry->caption)
        an_canvas_text_within(canvas, x, y + 12, 12, PICTURE, an_ink, entry->caption);
    y += LINE - 2;
    for (int i = 0; i < entry->count; i++)
        draw_answer(canvas, entry, i, x, y + i * LINE);
    return ALEXNET_OK;
}

alexnet_status an_draw_sheet(const an_sheet_entry *entries, size_t count, const char *title,
                             const char *path, alexnet_error *error) {
    if (count == 0)
        return an_fail(error, ALEXNET_INVALID, "%s: there is no picture to show", path);
    const int columns = count < MOST_COLUMNS ? (int)count : MOST_COLUMNS;
    const int rows = ((int)count + columns - 1) / columns;
    const double cell_height = PICTURE + 4 * LINE + 14;
    an_canvas canvas;
    AN_TRY(an_canvas_begin(&canvas, MARGIN + columns * CELL, (int)(AN_HEADING + rows * cell_height),
                           path, error));
    an_canvas_title(&canvas, columns * CELL - MARGIN, title);
    alexnet_status status = ALEXNET_OK;
    for (int i = 0; status == ALEXNET_OK && i < (int)count; i++) {
        const int row = i / columns, column = i % columns;
        status = draw_entry(&canvas, &entries[i], MARGIN + column * CELL,
                            AN_HEADING + row * cell_height, error);
    }
    const alexnet_status written = an_canvas_end(&canvas, error);
    return status == ALEXNET_OK ? written : status;
}

/* ---- Finds. */

enum { FIND_COLUMNS = 5, FIND_HEIGHT = PICTURE + LINE + 22, ASIDE = 2 * MARGIN, FRAME = 3 };

/* Reads a picture and draws it, made as small as it is shown. */
static alexnet_status draw_file(const an_canvas *canvas, const char *path, double x, double y,
                                alexnet_error *error) {
    an_image image = {0}, small = {0};
    int width, height;
    alexnet_status status = ALEXNET_OK;
    if (an_image_read(path, &image, NULL) == ALEXNET_OK) {
        an_short_side_size(image.width, image.height, PICTURE, &width, &height);
        status = an_image_resize(&image, width, height, &small, error);
        if (status == ALEXNET_OK)
            status = an_canvas_square(canvas, &small, x, y, PICTURE, error);
    } else {
        an_canvas_fill(canvas, x, y, PICTURE, PICTURE, track);
    }
    an_image_free(&image);
    an_image_free(&small);
    return status;
}

static alexnet_status draw_query(const an_canvas *canvas, const an_sheet_search *search, double x,
                                 double y, alexnet_error *error) {
    an_canvas_fill(canvas, x - FRAME, y - FRAME, PICTURE + 2 * FRAME, PICTURE + 2 * FRAME, an_blue);
    AN_TRY(draw_file(canvas, search->query, x, y, error));
    an_canvas_text_within(canvas, x, y + PICTURE + 17, 12, PICTURE, an_blue,
                          an_path_base(search->query));
    return ALEXNET_OK;
}

static alexnet_status draw_find(const an_canvas *canvas, const an_sheet_find *find, double x,
                                double y, alexnet_error *error) {
    const double part = find->similarity > 0 ? find->similarity : 0;
    char number[16];
    snprintf(number, sizeof number, "%.3f", find->similarity);
    AN_TRY(draw_file(canvas, find->path, x, y, error));
    y += PICTURE;
    an_canvas_text(canvas, x + PICTURE, y + 17, 12, AN_RIGHT, an_ink, number);
    an_canvas_text_within(canvas, x, y + 17, 12, PICTURE - 44, an_ink, an_path_base(find->path));
    an_canvas_fill(canvas, x, y + 22, PICTURE, 3, track);
    an_canvas_fill(canvas, x, y + 22, PICTURE * (part < 1 ? part : 1), 3, an_green);
    return ALEXNET_OK;
}

/* How many rows of finds a search has; one at least, for its query. */
static size_t find_rows(const an_sheet_search *search) {
    return search->count == 0 ? 1 : (search->count + FIND_COLUMNS - 1) / FIND_COLUMNS;
}

static alexnet_status draw_search(const an_canvas *canvas, const an_sheet_search *search, double y,
                                  alexnet_error *error) {
    AN_TRY(draw_query(canvas, search, MARGIN, y, error));
    for (size_t i = 0; i < search->count; i++) {
        const size_t row = i / FIND_COLUMNS, column = i % FIND_COLUMNS;
        AN_TRY(draw_find(canvas, &search->finds[i], MARGIN + CELL + ASIDE + (double)column * CELL,
                         y + (double)row * FIND_HEIGHT, error));
    }
    return ALEXNET_OK;
}

alexnet_status an_draw_finds(const an_sheet_search *searches, size_t count, const char *title,
                             const char *path, alexnet_error *error) {
    enum { MOST_ROWS = 1 << 20 }; /* far more than a canvas takes, and few enough for its sides */
    size_t columns = 1, rows = 0;
    for (size_t i = 0; i < count && rows < MOST_ROWS; i++) {
        columns = searches[i].count > columns ? searches[i].count : columns;
        rows += find_rows(&searches[i]);
    }
    if (rows == 0)
        return an_fail(error, ALEXNET_INVALID, "%s: there is no picture to show", path);
    columns = columns < FIND_COLUMNS ? columns : FIND_COLUMNS;
    const int width = MARGIN + CELL + ASIDE + (int)columns * CELL;
    const double height = AN_HEADING + (double)(rows < MOST_ROWS ? rows : MOST_ROWS) * FIND_HEIGHT;
    an_canvas canvas;
    AN_TRY(an_canvas_begin(&canvas, width, (int)height, path, error));
    an_canvas_title(&canvas, width - 2 * MARGIN, title);
    alexnet_status status = ALEXNET_OK;
    double y = AN_HEADING;
    for (size_t i = 0; status == ALEXNET_OK && i < count; i++) {
        status = draw_search(&canvas, &searches[i], y, error);
        y += (double)find_rows(&searches[i]) * FIND_HEIGHT;
    }
    const alexnet_status written = an_canvas_end(&canvas, error);
    return status == ALEXNET_OK ? written : status;
}
