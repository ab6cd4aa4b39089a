/*
 * Overlapping max pooling (the paper's §3.4): the largest value of each 3 x 3 window, in steps of
 * 2, so that neighbouring windows share a row or column of pixels. With `round_up` the last window
 * may reach over the edge (Krizhevsky's layer.py, class PoolLayerParser); pixels there do not
 * count.
 */
#include <math.h>
#include <string.h>

#include "backend/reference/layers.h"

static int smaller(int a, int b) {
    return a < b ? a : b;
}

/* Where in a (H, W) picture the maximum of window (row, column) is; of equal ones the first. */
static size_t argmax(const an_layer *layer, const float *picture, int row, int column) {
    const an_layer_spec *spec = &layer->spec;
    const int top = row * spec->stride, left = column * spec->stride;
    const int bottom = smaller(top + spec->kernel, layer->in.h);
    const int right = smaller(left + spec->kernel, layer->in.w);
    size_t best = (size_t)top * layer->in.w + left;
    for (int h = top; h < bottom; h++) {
        for (int w = left; w < right; w++) {
            const size_t pixel = (size_t)h * layer->in.w + w;
            if (picture[pixel] > picture[best] || isnan(picture[pixel]))
                best = pixel;
        }
    }
    return best;
}

/* y[n,c,h,w] = max over r, s < K of x[n, c, h*S + r, w*S + s]; NaN where the window holds one. */
void an_reference_max_pool_forward(const an_layer *layer, int images, const float *x, float *y) {
    const an_shape in = layer->in, out = layer->out;
#pragma omp parallel for schedule(static)
    for (int plane = 0; plane < images * in.c; plane++) {
        const float *picture = x + (size_t)plane * in.h * in.w;
        float *pooled = y + (size_t)plane * out.h * out.w;
        for (int h = 0; h < out.h; h++)
            for (int w = 0; w < out.w; w++)
                pooled[(size_t)h * out.w + w] = picture[argmax(layer, picture, h, w)];
    }
}

/*
 * Only the largest pixel of a window had a say in its output, so it alone takes the gradient:
 *
 * dx[n,c,p] = sum of dy[n,c,h,w] over the windows (h, w) whose maximum is at p
 */
void an_reference_max_pool_backward(const an_layer *layer, int images, const float *x,
                                    const float *dy, float *dx) {
    const an_shape in = layer->in, out = layer->out;
    const size_t in_plane = (size_t)in.h * in.w;
#pragma omp parallel for schedule(static)
    for (int plane = 0; plane < images * in.c; plane++) {
        const float *picture = x + (size_t)plane * in_plane;
        const float *pooled = dy + (size_t)plane * out.h * out.w;
        float *gradient = dx + (size_t)plane * in_plane;
        memset(gradient, 0, in_plane * sizeof *gradient);
        for (int h = 0; h < out.h; h++)
            for (int w = 0; w < out.w; w++)
                gradient[argmax(layer, picture, h, w)] += pooled[(size_t)h * out.w + w];
    }
}
