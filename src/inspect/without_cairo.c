/* What stands in for this room where cairo or Pango was not found when building. */
#include "inspect/inspect.h"

static alexnet_status cannot_draw(const char *path, alexnet_error *error) {
    return an_fail(
        error, ALEXNET_UNSUPPORTED,
        "%s: this build cannot draw; install libcairo2-dev and libpango1.0-dev and build again",
        path);
}

alexnet_status an_draw_filters(const float *weights, int filters, int kernel, bool bgr,
                               const char *title, const char *path, alexnet_error *error) {
    (void)weights, (void)filters, (void)kernel, (void)bgr, (void)title;
    return cannot_draw(path, error);
}

alexnet_status an_draw_activations(const float *values, an_shape shape, const char *const *names,
                                   const char *title, const char *path, alexnet_error *error) {
    (void)values, (void)shape, (void)names, (void)title;
    return cannot_draw(path, error);
}

alexnet_status an_draw_saliency(const an_image *picture, const float *gradient, int side,
                                const char *title, const char *path, alexnet_error *error) {
    (void)picture, (void)gradient, (void)side, (void)title;
    return cannot_draw(path, error);
}

alexnet_status an_draw_curves(const char *run_folder, const char *path, alexnet_error *error) {
    (void)run_folder;
    return cannot_draw(path, error);
}

alexnet_status an_draw_comparison(const char *const *run_folders, size_t count, const char *path,
                                  alexnet_error *error) {
    (void)run_folders, (void)count;
    return cannot_draw(path, error);
}

alexnet_status an_draw_sheet(const an_sheet_entry *entries, size_t count, const char *title,
                             const char *path, alexnet_error *error) {
    (void)entries, (void)count, (void)title;
    return cannot_draw(path, error);
}

alexnet_status an_draw_finds(const an_sheet_search *searches, size_t count, const char *title,
                             const char *path, alexnet_error *error) {
    (void)searches, (void)count, (void)title;
    return cannot_draw(path, error);
}

alexnet_status an_draw_matrix(const an_matrix *matrix, const char *title, const char *path,
                              alexnet_error *error) {
    (void)matrix, (void)title;
    return cannot_draw(path, error);
}

int an_rows_side(size_t rows) {
    (void)rows;
    return 1;
}

alexnet_status an_draw_rows(const an_sheet_row *rows, size_t count, const char *title,
                            const char *path, alexnet_error *error) {
    (void)rows, (void)count, (void)title;
    return cannot_draw(path, error);
}
