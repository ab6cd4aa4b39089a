/* What follows from a network's logits. */
#ifndef AN_EVAL_LOGITS_H
#define AN_EVAL_LOGITS_H

/* probabilities[i] = exp(logits[i]) / sum_j exp(logits[j]), computed without overflow. */
void an_softmax(const float *logits, int classes, float *probabilities);

/* -log softmax(logits)[label] */
double an_cross_entropy(const float *logits, int classes, int label);

/*
 * The indices of the `k` largest of `count` values, largest first; equal values in index order,
 * what is no number last. Where there are fewer values, the rest is -1.
 */
void an_top_k(const float *values, int count, int k, int *indices);

#endif
