/* Contact sheets of a data set: a row of pictures for each class. */
#include <math.h>

#include "inspect/canvas.h"
#include "inspect/inspect.h"

enum {
    MARGIN = 16,
    GAP = 4,
    LABEL = 180, /* beside the pictures of a row */
    MANY = 30,   /* rows from which on pictures are small, and several columns may be */
    LONGEST = 60 /* rows of a column */
};

int an_rows_side(size_t rows) {
    return rows < MANY ? 80 : 56;
}

static alexnet_status draw_row(const an_canvas *canvas, const an_sheet_row *row, double side,
                               double x, double y, alexnet_error *error) {
    an_canvas_text_within(canvas, x, y + side / 2 - 2, 12, LABEL - 10, an_ink, row->label);
    an_canvas_text_within(canvas, x, y + side / 2 + 13, 11, LABEL - 10, an_faint, row->note);
    for (size_t i = 0; i < row->count; i++)
        if (row->images[i].width > 0)
            AN_TRY(an_canvas_square(canvas, &row->images[i], x + LABEL + (double)i * (side + GAP),
                                    y, side, error));
    return ALEXNET_OK;
}

alexnet_status an_draw_rows(const an_sheet_row *rows, size_t count, const char *title,
                            const char *path, alexnet_error *error) {
    size_t pictures = 1;
    for (size_t i = 0; i < count; i++)
        pictures = rows[i].count > pictures ? rows[i].count : pictures;
    if (count == 0)
        return an_fail(error, ALEXNET_INVALID, "%s: there is no picture to show", path);
    const double side = an_rows_side(count);
    const double width = LABEL + (double)pictures * (side + GAP) + MARGIN;
    /* About as wide as high, but columns no longer than a few screens. */
    const double area = (double)count * (side + GAP) * width;
    double columns = count < MANY ? 1 : floor(fmax(1, sqrt(area) / width));
    columns = fmax(columns, count <= LONGEST * 8 ? ceil((double)count / LONGEST) : 1);
    const size_t height = (size_t)ceil((double)count / columns); /* rows of a column */
    an_canvas canvas;
    AN_TRY(an_canvas_begin(&canvas, (int)(MARGIN + columns * width),
                           (int)(AN_HEADING + (double)height * (side + GAP) + MARGIN), path,
                           error));
    an_canvas_title(&canvas, columns * width - MARGIN, title);
    alexnet_status status = ALEXNET_OK;
    for (size_t i = 0; status == ALEXNET_OK && i < count; i++) {
        const size_t column = i / height, line = i % height;
        status = draw_row(&canvas, &rows[i], side, MARGIN + (double)column * width,
                          AN_HEADING + (double)line * (side + GAP), error);
    }
    const alexnet_status written = an_canvas_end(&canvas, error);
    return status == ALEXNET_OK ? written : status;
}
