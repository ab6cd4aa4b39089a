/*
 * Local response normalisation (the paper's §3.3): a unit is damped by strong neighbours, as nerve
 * cells inhibit each other ("lateral inhibition"), so that units compete.
 *
 *     scale_j = k + alpha / n * sum over i in window(j) of x_i^2
 *     y_j     = x_j * scale_j^-beta
 *
 * alpha is divided by n, the window's full number of elements, also where the edge cuts the window
 * off; the paper's formula does not say so, but the authors' code does it (layer.py divides `scale`
 * by the size; conv_util.cu's `denoms` are our `scale`), and so do Caffe, PyTorch, ONNX and oneDNN.
 *
 * AN_LRN: window(j) is n maps around j's at the same pixel, inside j's tower where there are
 * several (§3.5: each GPU normalised its own half). AN_LRN_WITHIN: a size x size square of pixels
 * around j in the same map, n = size^2 (net #145's cnorm2). A window of even size begins size / 2
 * before j.
 *
 * The derivative: dL/dx_i gathers from y_i directly and from each y_j whose window holds x_i.
 *
 *     dx_i = dy_i * scale_i^-beta
 *          - 2 alpha beta / n * x_i * sum over j with i in window(j) of dy_j * x_j *
 * scale_j^(-beta-1)
 *
 * The code sends each j's term to all i of its window, which needs one power a unit.
 */
#include <math.h>

#include "backend/reference/layers.h"

/* The window around a position, cut off at `low` <= p < `high`. */
typedef struct window {
    int begin, end;
} window;

static window window_around(int position, int size, int low, int high) {
    const int begin = position - size / 2, end = begin + size;
    return (window){begin > low ? begin : low, end < high ? end : high};
}

static window maps_around(const an_layer *layer, int map) {
    const int tower = layer->in.c / layer->spec.towers, low = map / tower * tower;
    return window_around(map, layer->spec.size, low, low + tower);
}

static void forward_across(const an_layer *layer, int images, const float *x, float *scale,
                           float *y) {
    const an_shape shape = layer->in;
    const size_t pixels = (size_t)shape.h * shape.w;
    const double alpha = (double)layer->spec.alpha / layer->spec.size;
#pragma omp parallel for collapse(2) schedule(static)
    for (int n = 0; n < images; n++) {
        for (int c = 0; c < shape.c; c++) {
            const window maps = maps_around(layer, c);
            for (size_t p = 0; p < pixels; p++) {
                const size_t image = (size_t)n * shape.c * pixels + p;
                const size_t j = image + (size_t)c * pixels;
                double sum = 0;
                for (int i = maps.begin; i < maps.end; i++) {
                    const double value = x[image + (size_t)i * pixels];
                    sum += value * value;
                }
                const double base = (double)layer->spec.k + alpha * sum;
                scale[j] = (float)base;
                y[j] = (float)(x[j] * pow(base, -(double)layer->spec.beta));
            }
        }
    }
}

static void backward_across(const an_layer *layer, int images, const float *x, const float *scale,
                            const float *dy, float *dx) {
    const an_shape shape = layer->in;
    const size_t pixels = (size_t)shape.h * shape.w;
    const double beta = (double)layer->spec.beta;
    const double factor = 2 * (double)layer->spec.alpha * beta / layer->spec.size;
#pragma omp parallel for collapse(2) schedule(static)
    for (int n = 0; n < images; n++) {
        for (size_t p = 0; p < pixels; p++) { /* one thread has all maps of a pixel */
            const size_t image = (size_t)n * shape.c * pixels + p;
            for (int c = 0; c < shape.c; c++)
                dx[image + (size_t)c * pixels] = 0;
            for (int c = 0; c < shape.c; c++) {
                const size_t j = image + (size_t)c * pixels;
                const double direct = dy[j] * pow((double)scale[j], -beta);
                const double inhibition = factor * direct * x[j] / (double)scale[j];
                const window maps = maps_around(layer, c);
                dx[j] += (float)direct;
                for (int m = maps.begin; m < maps.end; m++) {
                    const size_t i = image + (size_t)m * pixels;
                    dx[i] -= (float)(inhibition * x[i]);
                }
            }
        }
    }
}

static void forward_within(const an_layer *layer, int images, const float *x, float *scale,
                           float *y) {
    const an_shape shape = layer->in;
    const int size = layer->spec.size;
    const double alpha = (double)layer->spec.alpha / (size * size);
#pragma omp parallel for schedule(static)
    for (int plane = 0; plane < images * shape.c; plane++) {
        const size_t first = (size_t)plane * shape.h * shape.w;
        for (int h = 0; h < shape.h; h++) {
            const window rows = window_around(h, size, 0, shape.h);
            for (int w = 0; w < shape.w; w++) {
                const window columns = window_around(w, size, 0, shape.w);
                const size_t j = first + (size_t)h * shape.w + w;
                double sum = 0;
                for (int row = rows.begin; row < rows.end; row++) {
                    for (int column = columns.begin; column < columns.end; column++) {
                        const double value = x[first + (size_t)row * shape.w + column];
                        sum += value * value;
                    }
                }
                const double base = (double)layer->spec.k + alpha * sum;
                scale[j] = (float)base;
                y[j] = (float)(x[j] * pow(base, -(double)layer->spec.beta));
            }
        }
    }
}

static void backward_within(const an_layer *layer, int images, const float *x, const float *scale,
                            const float *dy, float *dx) {
    const an_shape shape = layer->in;
    const int size = layer->spec.size;
    const double beta = (double)layer->spec.beta;
    const double factor = 2 * (double)layer->spec.alpha * beta / (size * size);
#pragma omp parallel for schedule(static)
    for (int plane = 0; plane < images * shape.c; plane++) {
        const size_t first = (size_t)plane * shape.h * shape.w;
        for (size_t p = 0; p < (size_t)shape.h * shape.w; p++)
            dx[first + p] = 0;
        for (int h = 0; h < shape.h; h++) {
            const window rows = window_around(h, size, 0, shape.h);
            for (int w = 0; w < shape.w; w++) {
                const window columns = window_around(w, size, 0, shape.w);
                const size_t j = first + (size_t)h * shape.w + w;
                const double direct = dy[j] * pow((double)scale[j], -beta);
                const double inhibition = factor * direct * x[j] / (double)scale[j];
                dx[j] += (float)direct;
                for (int row = rows.begin; row < rows.end; row++) {
                    for (int column = columns.begin; column < columns.end; column++) {
                        const size_t i = first + (size_t)row * shape.w + column;
                        dx[i] -= (float)(inhibition * x[i]);
                    }
                }
            }
        }
    }
}

void an_reference_lrn_forward(const an_layer *layer, int images, const float *x, float *scale,
                              float *y) {
    if (layer->spec.type == AN_LRN)
        forward_across(layer, images, x, scale, y);
    else
        forward_within(layer, images, x, scale, y);
}

void an_reference_lrn_backward(const an_layer *layer, int images, const float *x,
                               const float *scale, const float *dy, float *dx) {
    if (layer->spec.type == AN_LRN)
        backward_across(layer, images, x, scale, dy, dx);
    else
        backward_within(layer, images, x, scale, dy, dx);
}
