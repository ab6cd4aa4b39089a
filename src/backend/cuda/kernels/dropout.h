/* Dropout, reference/dropout.c. */
#ifndef AN_BACKEND_CUDA_KERNELS_DROPOUT_H
#define AN_BACKEND_CUDA_KERNELS_DROPOUT_H

#include "backend/cuda/kernels/numbers.h"
#include "backend/cuda/kernels/state.h"

/* The index counts fours of an image's units in the order (C, H, W), as backend.h numbers them; x
 * and y may be the same. In testing `state` is NULL. */
typedef struct an_cuda_dropout {
    const void *x;
    void *y;
    const void *gate; /* of the ReLU below: where it is not above 0, y is 0; NULL: there is none */
    const an_cuda_state *state;
    an_number number;
    int maps, places;
    int item; /* the layer's index, and how many items an image has */
    int items;
    uint64_t threshold;      /* rate * 2^32 */
    float factor_in_testing; /* of all units */
    float factor;            /* of those that are kept */
} an_cuda_dropout;

AN_ANYWHERE void an_cuda_dropout_at(const an_cuda_dropout *a, uint32_t i) {
    const uint32_t units = (uint32_t)a->maps * (uint32_t)a->places, fours = (units + 3) / 4;
    const uint32_t image = i / fours, block = i % fours;
    const bool drops = a->state && a->state->dropout;
    uint32_t words[4] = {0, 0, 0, 0};
    if (drops) {
        uint32_t counter[4], key[2];
        const uint64_t position = a->state->position + image;
        an_philox_stream(a->state->seed, a->state->purpose, a->state->epoch,
                         position * (uint64_t)a->items + (uint64_t)a->item, counter, key);
        counter[0] = block;
        an_philox_block(counter, key, words);
    }
    for (uint32_t k = 0; k < 4 && 4 * block + k < units; k++) {
        const uint32_t unit = 4 * block + k, places = (uint32_t)a->places;
        const size_t at =
            (size_t)image * units + (size_t)(unit % places) * (size_t)a->maps + unit / places;
        const bool shut = a->gate && an_get(a->gate, a->number, at) <= 0; /* NaN goes through */
        const float value = shut ? 0 : an_get(a->x, a->number, at);
        an_put(a->y, a->number, at,
               !drops                    ? a->factor_in_testing * value
               : words[k] < a->threshold ? 0
                                         : a->factor * value);
    }
}

#endif
