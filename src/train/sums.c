#include "train/sums.h"

#include <math.h>

/* Each part is summed up by one thread, and the parts in their order. */
enum { parts = 64 };

static double square(double value) {
    return value * value;
}

static double sum_of(const float *values, size_t count, double (*term)(double)) {
    double sums[parts], sum = 0;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < parts; i++) {
        const size_t begin = count / parts * (size_t)i;
        const size_t end = i + 1 < parts ? begin + count / parts : count;
        sums[i] = 0;
        for (size_t j = begin; j < end; j++)
            sums[i] += term((double)values[j]);
    }
    for (int i = 0; i < parts; i++)
        sum += sums[i];
    return sum;
}

double an_length(const float *values, size_t count) {
    return sqrt(sum_of(values, count, square));
}

double an_mean_magnitude(const float *values, size_t count) {
    return count ? sum_of(values, count, fabs) / (double)count : 0;
}
