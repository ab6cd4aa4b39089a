/* Sums over large tensors, in double precision, whose terms keep one order for any number of
 * threads. */
#ifndef AN_TRAIN_SUMS_H
#define AN_TRAIN_SUMS_H

#include <stddef.h>

/* The Euclidean length. */
double an_length(const float *values, size_t count);

/* The mean of the magnitudes; 0 where there is no value. */
double an_mean_magnitude(const float *values, size_t count);

#endif
