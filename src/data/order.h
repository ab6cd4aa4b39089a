/* The order in which an epoch takes the samples of a data set. */
#ifndef AN_DATA_ORDER_H
#define AN_DATA_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/*
 * Fills order (count) with a random order of 0 .. count - 1, a pure function of (seed, epoch,
 * window, count).
 *
 * window 0: any order, each as likely. Otherwise one for storage on which jumping is dear: blocks
 * of neighbours, an eighth of a window long, in random order; then each window, that is each
 * stretch of so many positions, shuffled in itself. So a window's pictures lie in about eight
 * places.
 */
alexnet_status an_order_shuffle(uint64_t seed, uint32_t epoch, size_t window, uint32_t *order,
                                uint32_t count, alexnet_error *error);

#endif
