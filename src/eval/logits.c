#include "eval/logits.h"

#include <math.h>
#include <stdbool.h>

/* sum_j exp(logits[j] - *largest): with the largest taken out nothing overflows. */
static double exponential_sum(const float *logits, int classes, double *largest) {
    *largest = (double)logits[0];
    for (int i = 1; i < classes; i++)
        *largest = (double)logits[i] > *largest ? (double)logits[i] : *largest;
    double sum = 0;
    for (int i = 0; i < classes; i++)
        sum += exp((double)logits[i] - *largest);
    return sum;
}

void an_softmax(const float *logits, int classes, float *probabilities) {
    double largest;
    const double sum = exponential_sum(logits, classes, &largest);
    for (int i = 0; i < classes; i++)
        probabilities[i] = (float)(exp((double)logits[i] - largest) / sum);
}

double an_cross_entropy(const float *logits, int classes, int label) {
    double largest;
    const double sum = exponential_sum(logits, classes, &largest);
    return log(sum) + (largest - (double)logits[label]);
}

/* What is no number counts as the smallest. */
static bool is_larger(float a, float b) {
    return a > b || (isnan(b) && !isnan(a));
}

void an_top_k(const float *values, int count, int k, int *indices) {
    int found = 0;
    for (int i = 0; i < count; i++) {
        int place = found; /* behind those that are as large, which came earlier */
        while (place > 0 && is_larger(values[i], values[indices[place - 1]]))
            place--;
        if (place == k)
            continue;
        found += found < k;
        for (int j = found - 1; j > place; j--)
            indices[j] = indices[j - 1];
        indices[place] = i;
    }
    for (int j = found; j < k; j++)
        indices[j] = -1;
}
