#include "data/order.h"

#include "core/memory.h"
#include "core/random.h"

enum { BLOCKS = 8 }; /* of a window */

/* Blocks of neighbours, the last one possibly short, in random order. */
static alexnet_status deal_blocks(an_random *random, uint32_t length, uint32_t *order,
                                  uint32_t count, alexnet_error *error) {
    const uint32_t blocks = count / length + (count % length != 0);
    uint32_t *dealt;
    AN_TRY(an_reserve((void **)&dealt, blocks, sizeof *dealt, "the order of an epoch", error));
    an_random_permutation(random, dealt, blocks);
    for (uint32_t i = 0, to = 0; i < blocks; i++) {
        const uint32_t begin = dealt[i] * length;
        for (uint32_t k = 0; k < length && begin + k < count; k++)
            order[to++] = begin + k;
    }
    an_free(dealt);
    return ALEXNET_OK;
}

alexnet_status an_order_shuffle(uint64_t seed, uint32_t epoch, size_t window, uint32_t *order,
                                uint32_t count, alexnet_error *error) {
    an_random random = an_random_stream(seed, AN_RANDOM_ORDER, epoch, 0);
    if (window == 0 || window >= count) {
        an_random_permutation(&random, order, count);
        return ALEXNET_OK;
    }
    const uint32_t length = (uint32_t)((window + BLOCKS - 1) / BLOCKS);
    AN_TRY(deal_blocks(&random, length, order, count, error));
    for (size_t begin = 0; begin < count; begin += window) {
        const size_t left = count - begin;
        an_random_shuffle(&random, order + begin, (uint32_t)(left < window ? left : window));
    }
    return ALEXNET_OK;
}
