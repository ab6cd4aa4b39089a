/*
 * Convolution (the paper's §3.5; Krizhevsky's layer.py, class ConvLayerParser, for the sizes).
 *
 * A filter looks at a K x K window of all input maps of its group, slides over the picture in steps
 * of `stride`, and its answers make up one output map. As in every framework the window is not
 * mirrored, so that strictly this is a cross-correlation. What lies outside the picture is zero:
 * the border of `pad` pixels, and with `round_up` what the last window still reaches beyond it.
 *
 * Groups are the paper's two GPUs: the output maps of group g see the input maps of group g only.
 *
 * Each function below is the same sum over (n, o, i, r, s, h, w), gathered into another array. Its
 * innermost loop runs along one row, where the compiler can use vector instructions.
 */
#include <string.h>

#include "backend/reference/layers.h"

/* Output positions `begin` <= p < `end` whose input pixel, p * stride + offset, exists. */
typedef struct span {
    int begin, end;
} span;

static span inside(int outputs, int inputs, int stride, int offset) {
    const int begin = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    const int room = inputs - offset; /* p * stride < room */
    const int end = room <= 0 ? 0 : (room + stride - 1) / stride;
    return (span){begin, end < outputs ? end : outputs};
}

/*
 * y[n,o,h,w] = b[o] + sum over i, r, s of w[o,i,r,s] * x[n, g(o) + i, h*S + r - P, w*S + s - P]
 *
 * with stride S, padding P, and g(o) the first input map of o's group.
 */
void an_reference_conv_forward(const an_layer *layer, int images, const float *x, const float *w,
                               const float *b, float *y) {
    const an_shape in = layer->in, out = layer->out;
    const int kernel = layer->spec.kernel, stride = layer->spec.stride, pad = layer->spec.pad;
    const int inputs = in.c / layer->spec.groups, outputs = out.c / layer->spec.groups;
    const size_t in_plane = (size_t)in.h * in.w, out_plane = (size_t)out.h * out.w;
#pragma omp parallel for collapse(2) schedule(static)
    for (int n = 0; n < images; n++) {
        for (int o = 0; o < out.c; o++) {
            float *plane = y + ((size_t)n * out.c + o) * out_plane;
            for (size_t p = 0; p < out_plane; p++)
                plane[p] = b[o];
            for (int i = 0; i < inputs; i++) {
                const int map = o / outputs * inputs + i;
                const float *picture = x + ((size_t)n * in.c + map) * in_plane;
                const float *filter = w + ((size_t)o * inputs + i) * kernel * kernel;
                for (int r = 0; r < kernel; r++) {
                    for (int s = 0; s < kernel; s++) {
                        const float weight = filter[r * kernel + s];
                        const span rows = inside(out.h, in.h, stride, r - pad);
                        const span columns = inside(out.w, in.w, stride, s - pad);
                        for (int row = rows.begin; row < rows.end; row++) {
                            const float *restrict from =
                                picture + (size_t)(row * stride + r - pad) * in.w;
                            float *restrict to = plane + (size_t)row * out.w;
                            for (int column = columns.begin; column < columns.end; column++)
                                to[column] += weight * from[column * stride + s - pad];
                        }
                    }
                }
            }
        }
    }
}

/*
 * Every output that saw a pixel passes its gradient back through the weight it saw it with:
 *
 * dx[n,i,h',w'] = sum over o of i's group and r, s, h, w with h*S + r - P = h', w*S + s - P = w'
 *                 of w[o,i,r,s] * dy[n,o,h,w]
 */
void an_reference_conv_backward_input(const an_layer *layer, int images, const float *w,
                                      const float *dy, float *dx) {
    const an_shape in = layer->in, out = layer->out;
    const int kernel = layer->spec.kernel, stride = layer->spec.stride, pad = layer->spec.pad;
    const int inputs = in.c / layer->spec.groups, outputs = out.c / layer->spec.groups;
    const size_t in_plane = (size_t)in.h * in.w, out_plane = (size_t)out.h * out.w;
#pragma omp parallel for collapse(2) schedule(static)
    for (int n = 0; n < images; n++) {
        for (int map = 0; map < in.c; map++) {
            const int group = map / inputs, i = map % inputs;
            float *picture = dx + ((size_t)n * in.c + map) * in_plane;
            memset(picture, 0, in_plane * sizeof *picture);
            for (int o = group * outputs; o < (group + 1) * outputs; o++) {
                const float *plane = dy + ((size_t)n * out.c + o) * out_plane;
                const float *filter = w + ((size_t)o * inputs + i) * kernel * kernel;
                for (int r = 0; r < kernel; r++) {
                    for (int s = 0; s < kernel; s++) {
                        const float weight = filter[r * kernel + s];
                        const span rows = inside(out.h, in.h, stride, r - pad);
                        const span columns = inside(out.w, in.w, stride, s - pad);
                        for (int row = rows.begin; row < rows.end; row++) {
                            const float *restrict from = plane + (size_t)row * out.w;
                            float *restrict to = picture + (size_t)(row * stride + r - pad) * in.w;
                            for (int column = columns.begin; column < columns.end; column++)
                                to[column * stride + s - pad] += weight * from[column];
                        }
                    }
                }
            }
        }
    }
}

/* The sum over h and w below, for one image, one filter tap and one pair of maps. */
static double tap_gradient(const an_layer *layer, int r, int s, const float *picture,
                           const float *plane) {
    const an_shape in = layer->in, out = layer->out;
    const int stride = layer->spec.stride, pad = layer->spec.pad;
    const span rows = inside(out.h, in.h, stride, r - pad);
    const span columns = inside(out.w, in.w, stride, s - pad);
    double sum = 0;
    for (int row = rows.begin; row < rows.end; row++) {
        const float *from = picture + (size_t)(row * stride + r - pad) * in.w;
        const float *gradient = plane + (size_t)row * out.w;
        float row_sum = 0;
#pragma omp simd reduction(+ : row_sum)
        for (int column = columns.begin; column < columns.end; column++)
            row_sum += gradient[column] * from[column * stride + s - pad];
        sum += row_sum;
    }
    return sum;
}

/*
 * A weight is shared by all places that its filter visits, so that its gradient is their sum:
 *
 * dw[o,i,r,s] = sum over n, h, w of dy[n,o,h,w] * x[n, g(o) + i, h*S + r - P, w*S + s - P]
 * db[o]       = sum over n, h, w of dy[n,o,h,w]
 */
void an_reference_conv_backward_weights(const an_layer *layer, int images, const float *x,
                                        const float *dy, float *dw, float *db) {
    const an_shape in = layer->in, out = layer->out;
    const int kernel = layer->spec.kernel;
    const int inputs = in.c / layer->spec.groups, outputs = out.c / layer->spec.groups;
    const size_t in_plane = (size_t)in.h * in.w, out_plane = (size_t)out.h * out.w;
#pragma omp parallel for collapse(2) schedule(static)
    for (int o = 0; o < out.c; o++) {
        for (int i = 0; i < inputs; i++) {
            const int map = o / outputs * inputs + i;
            float *filter = dw + ((size_t)o * inputs + i) * kernel * kernel;
            for (int r = 0; r < kernel; r++) {
                for (int s = 0; s < kernel; s++) {
                    double sum = 0;
                    for (int n = 0; n < images; n++)
                        sum += tap_gradient(layer, r, s, x + ((size_t)n * in.c + map) * in_plane,
                                            dy + ((size_t)n * out.c + o) * out_plane);
                    filter[r * kernel + s] = (float)sum;
                }
            }
        }
    }
#pragma omp parallel for schedule(static)
    for (int o = 0; o < out.c; o++) {
        double sum = 0;
        for (int n = 0; n < images; n++) {
            const float *plane = dy + ((size_t)n * out.c + o) * out_plane;
            for (size_t p = 0; p < out_plane; p++)
                sum += plane[p];
        }
        db[o] = (float)sum;
    }
}
