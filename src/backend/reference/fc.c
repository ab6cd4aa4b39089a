/*
 * Fully connected layers (the paper's §3.5, fc6 to fc8): every unit sees every input. A convolution
 * whose window is the whole picture would compute the same, and the first one, fc6, in fact holds
 * 37.7 of AlexNet's 62 million weights.
 */
#include <string.h>

#include "backend/reference/layers.h"

/* y[n,o] = b[o] + sum over i of w[o,i] * x[n,i] */
void an_reference_fc_forward(const an_layer *layer, int images, const float *x, const float *w,
                             const float *b, float *y) {
    const size_t inputs = an_shape_count(layer->in), outputs = an_shape_count(layer->out);
#pragma omp parallel for schedule(static)
    for (size_t o = 0; o < outputs; o++) {
        const float *row = w + o * inputs;
        for (int n = 0; n < images; n++) {
            const float *image = x + (size_t)n * inputs;
            double sum = (double)b[o];
#pragma omp simd reduction(+ : sum)
            for (size_t i = 0; i < inputs; i++)
                sum += (double)row[i] * (double)image[i];
            y[(size_t)n * outputs + o] = (float)sum;
        }
    }
}

/* Inputs that one thread has at a time, few enough to stay in its first-level cache. */
enum { strip = 1024 };

/* dx[n,i] = sum over o of w[o,i] * dy[n,o] */
void an_reference_fc_backward_input(const an_layer *layer, int images, const float *w,
                                    const float *dy, float *dx) {
    const size_t inputs = an_shape_count(layer->in), outputs = an_shape_count(layer->out);
#pragma omp parallel for collapse(2) schedule(static)
    for (int n = 0; n < images; n++) {
        for (size_t first = 0; first < inputs; first += strip) {
            const size_t count = inputs - first < strip ? inputs - first : strip;
            float *restrict gradient = dx + (size_t)n * inputs + first;
            memset(gradient, 0, count * sizeof *gradient);
            for (size_t o = 0; o < outputs; o++) {
                const float *restrict row = w + o * inputs + first;
                const float upper = dy[(size_t)n * outputs + o];
                for (size_t i = 0; i < count; i++)
                    gradient[i] += upper * row[i];
            }
        }
    }
}

/* dw[o,i] = sum over n of dy[n,o] * x[n,i];    db[o] = sum over n of dy[n,o] */
void an_reference_fc_backward_weights(const an_layer *layer, int images, const float *x,
                                      const float *dy, float *dw, float *db) {
    const size_t inputs = an_shape_count(layer->in), outputs = an_shape_count(layer->out);
#pragma omp parallel for schedule(static)
    for (size_t o = 0; o < outputs; o++) {
        float *restrict row = dw + o * inputs;
        double sum = 0;
        memset(row, 0, inputs * sizeof *row);
        for (int n = 0; n < images; n++) {
            const float *restrict image = x + (size_t)n * inputs;
            const float upper = dy[(size_t)n * outputs + o];
            for (size_t i = 0; i < inputs; i++)
                row[i] += upper * image[i];
            sum += upper;
        }
        db[o] = (float)sum;
    }
}
