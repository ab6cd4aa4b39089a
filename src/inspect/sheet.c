/* Contact sheets: pictures with what the network says about them. */
#include <stdio.h>

#include "inspect/canvas.h"
#include "inspect/inspect.h"

enum { MARGIN = 16, PICTURE = 176, CELL = PICTURE + MARGIN, LINE = 20, MOST_COLUMNS = 6 };

/* The answer's label and probability over a bar as long as it is probable. */
static void draw_answer(const an_canvas *canvas, const an_sheet_entry *entry, int i, double x,
                        double y) {
    static const an_rgb track = {0.93, 0.94, 0.95};
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
    /* The centre square, which is about what the network sees of a picture. */
    const an_image *image = entry->image;
    const double shorter = image->width < image->height ? image->width : image->height;
    const double width = PICTURE * image->width / shorter;
    const double height = PICTURE * image->height / shorter;
    cairo_save(canvas->cairo);
    cairo_rectangle(canvas->cairo, x, y, PICTURE, PICTURE);
    cairo_clip(canvas->cairo);
    const alexnet_status status =
        an_canvas_image(canvas, image, x + (PICTURE - width) / 2, y + (PICTURE - height) / 2, width,
                        height, true, error);
    cairo_restore(canvas->cairo);
    AN_TRY(status);
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
