/* A data set as a picture: some pictures of each class. */
#include <stdlib.h>

#include "cli/data.h"
#include "core/memory.h"
#include "inspect/inspect.h"

enum { MOST_CLASSES = 2000 }; /* what a picture that programs open has room for */

/* The first classes, and of each evenly spread pictures among those that can be read. */
typedef struct sheet {
    const data_part *part;
    size_t classes, per_class;
    size_t *seen;     /* (classes) readable pictures met so far */
    size_t *readable; /* (classes) */
    an_image *images; /* (classes, per_class), small */
    an_sheet_row *rows;
    an_text *notes;
} sheet;

static alexnet_status begin(sheet *self, alexnet_error *error) {
    static const char what[] = "the sheet";
    const size_t all = self->classes * self->per_class;
    AN_TRY(an_alloc((void **)&self->seen, self->classes, sizeof *self->seen, what, error));
    AN_TRY(an_alloc((void **)&self->readable, self->classes, sizeof *self->readable, what, error));
    AN_TRY(an_alloc((void **)&self->images, all, sizeof *self->images, what, error));
    AN_TRY(an_alloc((void **)&self->rows, self->classes, sizeof *self->rows, what, error));
    return an_alloc((void **)&self->notes, self->classes, sizeof *self->notes, what, error);
}

static void release(sheet *self) {
    for (size_t i = 0; self->images && i < self->classes * self->per_class; i++)
        an_image_free(&self->images[i]);
    an_free(self->seen);
    an_free(self->readable);
    an_free(self->images);
    an_free(self->rows);
    an_free(self->notes);
}

/* Puts a picture into its class's row where it is one of those that are shown. */
static alexnet_status show(sheet *self, size_t index, int side, an_image *scratch,
                           alexnet_error *error) {
    const an_dataset *dataset = self->part->dataset;
    const size_t label = (size_t)dataset->labels[index];
    const size_t nth = self->seen[label]++, count = self->readable[label];
    an_sheet_row *row = &self->rows[label];
    const size_t shown = self->per_class < count ? self->per_class : count;
    int width, height;
    if (row->count == shown || nth != row->count * count / shown)
        return ALEXNET_OK;
    an_image *image = &self->images[label * self->per_class + row->count++];
    if (an_dataset_read(dataset, index, scratch, NULL) != ALEXNET_OK)
        return ALEXNET_OK; /* its header was read, but not its pixels: an empty place */
    an_short_side_size(scratch->width, scratch->height, side, &width, &height);
    return an_image_resize(scratch, width, height, image, error);
}

static alexnet_status fill(sheet *self, alexnet_error *error) {
    const an_dataset *dataset = self->part->dataset;
    const an_survey_picture *pictures = self->part->survey.pictures;
    const int side = 2 * an_rows_side(self->classes); /* sharp on any screen, also as SVG */
    an_image scratch = {0};
    alexnet_status status = ALEXNET_OK;
    for (size_t i = 0; i < dataset->count; i++)
        if ((size_t)dataset->labels[i] < self->classes && !pictures[i].failure)
            self->readable[dataset->labels[i]]++;
    for (size_t i = 0; i < dataset->count && status == ALEXNET_OK; i++)
        if ((size_t)dataset->labels[i] < self->classes && !pictures[i].failure)
            status = show(self, i, side, &scratch, error);
    an_image_free(&scratch);
    for (size_t c = 0; c < self->classes; c++) {
        const size_t count = self->part->class_counts[c];
        snprintf(self->notes[c].text, sizeof self->notes[c].text, "%.60s picture%s",
                 an_thousands(count).text, an_plural(count));
        self->rows[c].label = dataset->class_names[c];
        self->rows[c].note = self->notes[c].text;
        self->rows[c].images = self->images + c * self->per_class;
    }
    return status;
}

alexnet_status an_data_draw(const data_findings *found, size_t per_class, const char *path,
                            alexnet_error *error) {
    const data_part *part = &found->parts[0];
    const size_t all = (size_t)part->dataset->classes;
    sheet self = {
        .part = part, .classes = all < MOST_CLASSES ? all : MOST_CLASSES, .per_class = per_class};
    char title[640];
    alexnet_status status;
    if (self.classes < all)
        snprintf(title, sizeof title, "%.300s: the first %s of %s classes", part->dataset->name,
                 an_thousands(self.classes).text, an_thousands(all).text);
    else
        snprintf(title, sizeof title, "%.300s: %s pictures in %s classes", part->dataset->name,
                 an_thousands(part->summary.pictures).text, an_thousands(all).text);
    AN_TRY_CLEANUP(begin(&self, error));
    AN_TRY_CLEANUP(fill(&self, error));
    status = an_draw_rows(self.rows, self.classes, title, path, error);
cleanup:
    release(&self);
    return status;
}
