/* Pictures that show a network at work: filters, activations, saliency, curves, contact sheets. */
#ifndef AN_INSPECT_INSPECT_H
#define AN_INSPECT_INSPECT_H

#include <stdbool.h>

#include "data/image.h"
#include "model/network.h"

/*
 * The filters of the first convolution, each scaled to the full range of colours, in a grid as in
 * the paper's figure 3. weights: (O, 3, K, K). `path` ends in .png or .svg.
 */
alexnet_status an_draw_filters(const float *weights, int filters, int kernel, bool bgr,
                               const char *title, const char *path, alexnet_error *error);

/* Layers of single values, no more of them than this, are drawn as bars. */
enum { AN_MOST_BARS = 30 };

/*
 * One layer's maps for a picture, brightest where the unit is most active; of a few single values,
 * bars. values: (C, H, W). names (C): what the bars are called; NULL: by their numbers.
 */
alexnet_status an_draw_activations(const float *values, an_shape shape, const char *const *names,
                                   const char *title, const char *path, alexnet_error *error);

/* The picture beside how much each pixel changes a class's logit. gradient: (3, H, W). */
alexnet_status an_draw_saliency(const an_image *picture, const float *gradient, int side,
                                const char *title, const char *path, alexnet_error *error);

/* Loss and accuracy over the steps and epochs of a run folder's metrics.jsonl. */
alexnet_status an_draw_curves(const char *run_folder, const char *path, alexnet_error *error);

/* Runs that can be drawn into one picture. */
enum { AN_MAX_COMPARED = 16 };

/* Training loss and validation accuracy over the epochs of several run folders, in one picture. */
alexnet_status an_draw_comparison(const char *const *run_folders, size_t count, const char *path,
                                  alexnet_error *error);

/* A picture with what the network says about it. */
typedef struct an_sheet_entry {
    const an_image *image;
    const char *caption; /* what it is, NULL where unknown */
    int count;           /* answers shown, at most 3 */
    const char *labels[3];
    float probabilities[3];
    int right; /* index of the true answer among them, -1: none, -2: unknown */
} an_sheet_entry;

/* Classified pictures in a grid, each with its answers as bars. */
alexnet_status an_draw_sheet(const an_sheet_entry *entries, size_t count, const char *title,
                             const char *path, alexnet_error *error);

/* Some pictures of a class. */
typedef struct an_sheet_row {
    const char *label, *note; /* its name, and what else is to be said */
    const an_image *images;   /* (count) an empty one is left out */
    size_t count;
} an_sheet_row;

/* The side of a picture on a sheet of so many rows. */
int an_rows_side(size_t rows);

/* Rows of pictures below each other, in several columns where there are many. */
alexnet_status an_draw_rows(const an_sheet_row *rows, size_t count, const char *title,
                            const char *path, alexnet_error *error);

/* A class that was often taken for another. */
typedef struct an_matrix_pair {
    const char *name, *answer;
    uint32_t times;
} an_matrix_pair;

/* How often each class was taken for which. */
typedef struct an_matrix {
    int classes;
    const uint32_t *counts; /* (true class, answer) */
    char *const *names;     /* (classes) */
    /* Matrices too large for a name beside each class are drawn in this order, (classes), with the
     * blocks of neighbours framed: (classes), in the order, numbers that go up from 0. */
    const int *order, *blocks;
    const an_matrix_pair *pairs; /* (pair_count) most often first; listed as far as there is room */
    size_t pair_count;
} an_matrix;

/*
 * A confusion matrix as a heat map: a row for each true class, each cell as dark as its share of
 * the row; what is right in green, wrong in red. With few classes their names and the counts stand
 * there, with many those of the blocks and the pairs most often confused.
 */
alexnet_status an_draw_matrix(const an_matrix *matrix, const char *title, const char *path,
                              alexnet_error *error);

/* A picture that a search has found, and how alike it is (0 to 1). */
typedef struct an_sheet_find {
    const char *path;
    double similarity;
} an_sheet_find;

/* A picture that was searched for, and the finds, best first. */
typedef struct an_sheet_search {
    const char *query; /* a path */
    const an_sheet_find *finds;
    size_t count;
} an_sheet_search;

/* Searches below each other, each with its query on the left. A picture that cannot be read any
 * more is an empty square. */
alexnet_status an_draw_finds(const an_sheet_search *searches, size_t count, const char *title,
                             const char *path, alexnet_error *error);

#endif
