/* Convolutions that cuDNN does not do, and those of tests: plain, and slow. */
#ifndef AN_BACKEND_CUDA_KERNELS_CONV_H
#define AN_BACKEND_CUDA_KERNELS_CONV_H

#include "backend/cuda/kernels/numbers.h"

/* Shapes of a convolution. */
typedef struct an_cuda_window {
    an_number number;
    int images;
    int in_maps, in_height, in_width; /* maps as they are stored */
    int out_maps, out_height, out_width;
    int kernel, stride, pad, groups;
    bool tf32; /* products may round their factors to it */
} an_cuda_window;

/* Elements of y, of x and of w. */
AN_ANYWHERE size_t an_window_outputs(const an_cuda_window *a) {
    return (size_t)a->images * (size_t)a->out_height * (size_t)a->out_width * (size_t)a->out_maps;
}

AN_ANYWHERE size_t an_window_inputs(const an_cuda_window *a) {
    return (size_t)a->images * (size_t)a->in_height * (size_t)a->in_width * (size_t)a->in_maps;
}

AN_ANYWHERE size_t an_window_weights(const an_cuda_window *a) {
    return (size_t)a->out_maps * (size_t)a->kernel * (size_t)a->kernel *
           (size_t)(a->in_maps / a->groups);
}

typedef struct an_cuda_conv {
    an_cuda_window window;
    const void *x, *w, *dy;
    void *y;   /* forward: y; of the input: dx */
    float *dw; /* of the weights: without the scale (numbers.h) that dy has */
} an_cuda_conv, an_cuda_conv_input, an_cuda_conv_weights;

AN_ANYWHERE size_t an_in_at(const an_cuda_window *a, size_t image, int row, int column, int map) {
    return ((image * (size_t)a->in_height + (size_t)row) * (size_t)a->in_width + (size_t)column) *
               (size_t)a->in_maps +
           (size_t)map;
}

AN_ANYWHERE size_t an_out_at(const an_cuda_window *a, size_t image, int row, int column, int map) {
    return ((image * (size_t)a->out_height + (size_t)row) * (size_t)a->out_width + (size_t)column) *
               (size_t)a->out_maps +
           (size_t)map;
}

AN_ANYWHERE size_t an_weight_at(const an_cuda_window *a, int out, int r, int s, int in) {
    return (((size_t)out * (size_t)a->kernel + (size_t)r) * (size_t)a->kernel + (size_t)s) *
               (size_t)(a->in_maps / a->groups) +
           (size_t)in;
}

/* The index is that of the element of y (N, H', W', O). */
AN_ANYWHERE void an_cuda_conv_at(const an_cuda_conv *c, uint32_t i) {
    const an_cuda_window *a = &c->window;
    const uint32_t maps = (uint32_t)a->out_maps, pixel = i / maps;
    const uint32_t out_width = (uint32_t)a->out_width, out_height = (uint32_t)a->out_height;
    const int out = (int)(i % maps), left = (int)(pixel % out_width) * a->stride - a->pad;
    const int top = (int)(pixel / out_width % out_height) * a->stride - a->pad;
    const size_t image = pixel / out_width / out_height;
    const int depth = a->in_maps / a->groups, first = out / (a->out_maps / a->groups) * depth;
    float sum = 0;
    for (int r = 0; r < a->kernel; r++)
        for (int s = 0; s < a->kernel; s++) {
            if (top + r < 0 || top + r >= a->in_height || left + s < 0 || left + s >= a->in_width)
                continue;
            for (int k = 0; k < depth; k++)
                sum += an_get(c->x, a->number, an_in_at(a, image, top + r, left + s, first + k)) *
                       an_get(c->w, a->number, an_weight_at(a, out, r, s, k));
        }
    an_put(c->y, a->number, i, sum);
}

/* The index is that of the element of dx (N, H, W, C). */
AN_ANYWHERE void an_cuda_conv_input_at(const an_cuda_conv_input *c, uint32_t i) {
    const an_cuda_window *a = &c->window;
    const uint32_t maps = (uint32_t)a->in_maps, pixel = i / maps;
    const uint32_t in_width = (uint32_t)a->in_width, in_height = (uint32_t)a->in_height;
    const int in = (int)(i % maps), w = (int)(pixel % in_width) + a->pad;
    const int h = (int)(pixel / in_width % in_height) + a->pad;
    const size_t image = pixel / in_width / in_height;
    const int depth = a->in_maps / a->groups, outs = a->out_maps / a->groups;
    const int first = in / depth * outs;
    float sum = 0;
    for (int r = 0; r < a->kernel; r++)
        for (int s = 0; s < a->kernel; s++) {
            const int row = (h - r) / a->stride, column = (w - s) / a->stride;
            if (h < r || w < s || row * a->stride != h - r || column * a->stride != w - s ||
                row >= a->out_height || column >= a->out_width)
                continue;
            for (int o = first; o < first + outs; o++)
                sum += an_get(c->dy, a->number, an_out_at(a, image, row, column, o)) *
                       an_get(c->w, a->number, an_weight_at(a, o, r, s, in % depth));
        }
    an_put(c->y, a->number, i, sum);
}

/* The index is that of the element of dw (O, K, K, C / groups). */
AN_ANYWHERE void an_cuda_conv_weights_at(const an_cuda_conv_weights *c, uint32_t i) {
    const an_cuda_window *a = &c->window;
    const int depth = a->in_maps / a->groups, kernel = a->kernel;
    const int in = (int)(i % (uint32_t)depth), tap = (int)(i / (uint32_t)depth);
    const int s = tap % kernel, r = tap / kernel % kernel, out = tap / kernel / kernel;
    const int map = out / (a->out_maps / a->groups) * depth + in;
    float sum = 0;
    for (int image = 0; image < a->images; image++)
        for (int row = 0; row < a->out_height; row++) {
            float row_sum = 0;
            const int h = row * a->stride + r - a->pad;
            for (int column = 0; h >= 0 && h < a->in_height && column < a->out_width; column++) {
                const int w = column * a->stride + s - a->pad;
                if (w >= 0 && w < a->in_width)
                    row_sum +=
                        an_get(c->dy, a->number, an_out_at(a, (size_t)image, row, column, out)) *
                        an_get(c->x, a->number, an_in_at(a, (size_t)image, h, w, map));
            }
            sum += row_sum;
        }
    c->dw[i] = sum / an_gradient_scale(a->number, a->images);
}

#endif
