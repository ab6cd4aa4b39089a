/*
 * Adaptive average pooling (PyTorch's AdaptiveAvgPool2d, in torchvision's AlexNet): whatever size
 * arrives, U x U means leave. Bins follow from the sizes; they overlap or repeat pixels where U
 * does not divide the side, and each pixel is its own mean where the side is U already.
 */
#include <string.h>

#include "backend/reference/layers.h"

/* Bin i of U over `side` pixels: floor(i * side / U) <= pixel < ceil((i + 1) * side / U). */
static int bin_begin(int i, int bins, int side) {
    return (int)((int64_t)i * side / bins);
}

static int bin_end(int i, int bins, int side) {
    return (int)((((int64_t)i + 1) * side + bins - 1) / bins);
}

/* y[n,c,h,w] = the mean of x[n,c] over bin h of the rows and bin w of the columns. */
void an_reference_avg_pool_forward(const an_layer *layer, int images, const float *x, float *y) {
    const an_shape in = layer->in, out = layer->out;
#pragma omp parallel for schedule(static)
    for (int plane = 0; plane < images * in.c; plane++) {
        const float *picture = x + (size_t)plane * in.h * in.w;
        float *pooled = y + (size_t)plane * out.h * out.w;
        for (int h = 0; h < out.h; h++) {
            const int top = bin_begin(h, out.h, in.h), bottom = bin_end(h, out.h, in.h);
            for (int w = 0; w < out.w; w++) {
                const int left = bin_begin(w, out.w, in.w), right = bin_end(w, out.w, in.w);
                double sum = 0;
                for (int row = top; row < bottom; row++)
                    for (int column = left; column < right; column++)
                        sum += picture[(size_t)row * in.w + column];
                pooled[(size_t)h * out.w + w] = (float)(sum / ((bottom - top) * (right - left)));
            }
        }
    }
}

/* dx[n,c,p] = the sum, over the bins that p is in, of dy[n,c,h,w] / (pixels in the bin). */
void an_reference_avg_pool_backward(const an_layer *layer, int images, const float *dy, float *dx) {
    const an_shape in = layer->in, out = layer->out;
#pragma omp parallel for schedule(static)
    for (int plane = 0; plane < images * in.c; plane++) {
        const float *pooled = dy + (size_t)plane * out.h * out.w;
        float *gradient = dx + (size_t)plane * in.h * in.w;
        memset(gradient, 0, (size_t)in.h * in.w * sizeof *gradient);
        for (int h = 0; h < out.h; h++) {
            const int top = bin_begin(h, out.h, in.h), bottom = bin_end(h, out.h, in.h);
            for (int w = 0; w < out.w; w++) {
                const int left = bin_begin(w, out.w, in.w), right = bin_end(w, out.w, in.w);
                const int pixels = (bottom - top) * (right - left);
                const float share = pooled[(size_t)h * out.w + w] / (float)pixels;
                for (int row = top; row < bottom; row++)
                    for (int column = left; column < right; column++)
                        gradient[(size_t)row * in.w + column] += share;
            }
        }
    }
}
