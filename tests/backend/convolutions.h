/* Convolutions as the textbook has them, for the tests of fast ones: numbers, layers, and the sums
 * of all three passes in double precision. */
#ifndef AN_TESTS_CONVOLUTIONS_H
#define AN_TESTS_CONVOLUTIONS_H

#include "model/network.h"

/* Normally distributed, the same for the same item; freed with an_free. */
float *an_numbers(size_t count, uint64_t item);

an_layer an_strided_layer(int window, int stride, int pad, an_shape in, int maps);
an_layer an_layer_of(int window, int pad, int groups, an_shape in, int maps);

size_t an_weight_count(const an_layer *layer);

typedef struct an_sums {
    const float *x, *w, *dy; /* plain */
    double *y, *dx, *dw;     /* without bias */
} an_sums;

/* Freed with an_sums_free. */
an_sums an_sums_of(const an_layer *layer, int images, const float *x, const float *w,
                   const float *dy);
void an_sums_free(an_sums *sums);

/* Turns y of `sums` into that with bias (O; NULL: none) and ReLU. */
void an_sums_finish(an_sums *sums, const an_layer *layer, int images, const float *bias);

/* That db (O) is dy (N, O, H, W) added up. */
void an_assert_bias_gradient(const an_layer *layer, int images, const float *dy, const float *db);

/* That no number is off by more than `most` of the expected ones' root mean square. */
void an_assert_close(const char *what, const double *expected, const float *found, size_t count,
                     double most);

#endif
