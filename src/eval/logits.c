#include "eval/logits.h"

#include <math.h>
#include <stdbool.h>

/* The largest is taken out of the sum so that nothing overflows. */
double an_log_sum_exp(const float *logits, int classes) {
    float largest = logits[0];
    for (int i = 1; i < classes; i++)
        largest = logits[i] > largest ? logits[i] : largest;
    double sum = 0;
    for (int i = 0; i < classes; i++)
        sum += exp((double)logits[i] - (double)largest);
    return (double)largest + log(sum);
}

void an_softmax(const float *logits, int classes, float *probabilities) {
    const double normaliser = an_log_sum_exp(logits, classes);
    for (int i = 0; i < classes; i++)
        probabilities[i] = (float)exp((double)logits[i] - normaliser);
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
