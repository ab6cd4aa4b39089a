/*
 * A convolution as one in steps of 1, which it may be already.
 *
 * A first convolution with a stride S is one with stride 1 of S^2 times as many maps. Its image's
 * pixels (c, S h + p, S w + q) are pixel (h, w) of map (c, p, q), a phase of it, and its window has
 * K / S, rounded up, pixels a side; weights that do not exist are zero. So 11 x 11 windows in steps
 * of 4 are 3 x 3 windows of 48 maps.
 */
#ifndef AN_BACKEND_CPU_VIEW_H
#define AN_BACKEND_CPU_VIEW_H

#include "model/network.h"

/* An image that is seen as the maps of its phases. */
typedef struct an_phase_maps {
    int stride, kernel; /* S, K; with S = 1 it is not, and the rest is 0 */
    int pad;
    an_shape image; /* plain */
} an_phase_maps;

typedef struct an_view {
    an_phase_maps phases;
    an_shape in; /* of phases */
    int window, pad;
} an_view;

an_view an_view_of(const an_layer *layer);

/* Floats of an image as it comes. */
static inline size_t an_view_image_floats(const an_view *view) {
    return an_shape_count(view->phases.stride > 1 ? view->phases.image : view->in);
}

#endif
