/*
 * Mixup: Zhang, Cisse, Dauphin, Lopez-Paz 2017. Each picture of a batch becomes a mean of itself
 * and another one of the batch, with a mean of their labels to match.
 *
 * The share s is drawn once a batch from Beta(alpha, alpha), and the larger of s and 1 - s taken:
 * picture i of n is mixed with picture n - 1 - i and that one with it, so that both shares give the
 * same pictures, and with the larger one a picture's own label is the likelier.
 */
#ifndef AN_TRAIN_MIX_H
#define AN_TRAIN_MIX_H

#include "data/loader.h"

/* The share of the batch that begins at `position` of an epoch, 0.5 to 1; alpha > 0. */
double an_mix_share(double alpha, uint64_t seed, uint32_t epoch, uint64_t position);

/*
 * Mixes a batch of inputs of `floats` values in place and fills second_labels (N): the label of
 * what was mixed in. A picture whose partner is missing stays as it is.
 */
void an_mix(const an_batch *batch, int batch_size, size_t floats, double share,
            int32_t *second_labels);

#endif
