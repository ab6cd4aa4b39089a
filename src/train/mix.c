#include "train/mix.h"

#include <math.h>

#include "core/random.h"

/* log of a number in (0, 1). */
static double log_uniform(an_random *random) {
    return log(((double)an_random_u32(random) + 0.5) * 0x1p-32);
}

/*
 * Jöhnk 1964: with X = U^(1/a) and Y = V^(1/a), U and V uniform, X / (X + Y) is of Beta(a, a) where
 * X + Y <= 1. In logarithms, because X and Y may be too small for a number.
 */
double an_mix_share(double alpha, uint64_t seed, uint32_t epoch, uint64_t position) {
    an_random random = an_random_stream(seed, AN_RANDOM_MIX, epoch, position);
    for (;;) {
        const double x = log_uniform(&random) / alpha, y = log_uniform(&random) / alpha;
        if (exp(x) + exp(y) <= 1)
            return 1 / (1 + exp(-fabs(x - y)));
    }
}

/* Both become means of both. */
static void mix_two(float *a, float *b, size_t floats, float share) {
    for (size_t i = 0; i < floats; i++) {
        const float first = a[i], second = b[i];
        a[i] = share * first + (1 - share) * second;
        b[i] = share * second + (1 - share) * first;
    }
}

void an_mix(const an_batch *batch, int batch_size, size_t floats, double share,
            int32_t *second_labels) {
    for (int i = batch->count; i < batch_size; i++)
        second_labels[i] = -1;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < (batch->count + 1) / 2; i++) {
        const int j = batch->count - 1 - i;
        const bool both = batch->labels[i] >= 0 && batch->labels[j] >= 0;
        second_labels[i] = batch->labels[both ? j : i];
        second_labels[j] = batch->labels[both ? i : j];
        if (both && i != j)
            mix_two(batch->input + (size_t)i * floats, batch->input + (size_t)j * floats, floats,
                    (float)share);
    }
}
