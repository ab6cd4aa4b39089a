/* Float buffers with guard zones: a write outside them, or a read of what nobody wrote, shows. */
#ifndef AN_GUARD_H
#define AN_GUARD_H

#include <stdlib.h>

#include "core/memory.h"
#include "core/random.h"
#include "testing.h"

enum { AN_GUARD_FLOATS = 64 }; /* on either side; four cache lines keep the data aligned */

/* The guards' bits: a NaN that no arithmetic makes, so that what is read from them spreads. */
static const uint32_t an_guard_bits = 0x7fc0dead;

typedef struct an_guarded {
    float *data;
    size_t count;
} an_guarded;

static inline void an_guard_fill(float *data, size_t count) {
    for (size_t i = 0; i < count; i++)
        memcpy(data + i, &an_guard_bits, sizeof *data);
}

/* `count` floats between guards, themselves filled with the guards' NaN. Freed with an_unguard. */
static inline an_guarded an_guard(size_t count) {
    void *block;
    assert_ok(an_alloc(&block, count + 2 * AN_GUARD_FLOATS, sizeof(float), "guarded", error));
    an_guard_fill(block, count + 2 * AN_GUARD_FLOATS);
    return (an_guarded){(float *)block + AN_GUARD_FLOATS, count};
}

/* The same, filled with standard normal numbers of the stream (seed, AN_RANDOM_TEST, 0, 0). */
static inline an_guarded an_guard_random(size_t count, uint64_t seed) {
    const an_guarded buffer = an_guard(count);
    const an_random stream = an_random_stream(seed, AN_RANDOM_TEST, 0, 0);
    an_random_fill_normal(&stream, 0, count, 1, buffer.data);
    return buffer;
}

static inline bool an_guard_zone_intact(const float *zone) {
    uint32_t bits[AN_GUARD_FLOATS];
    memcpy(bits, zone, sizeof bits);
    for (size_t i = 0; i < AN_GUARD_FLOATS; i++)
        if (bits[i] != an_guard_bits)
            return false;
    return true;
}

/* Whether the guards are untouched. */
static inline bool an_guard_intact(const an_guarded *buffer) {
    return an_guard_zone_intact(buffer->data - AN_GUARD_FLOATS) &&
           an_guard_zone_intact(buffer->data + buffer->count);
}

/* Checks the guards and frees the buffer. */
static inline void an_unguard(an_guarded *buffer) {
    assert_true(an_guard_intact(buffer));
    an_free(buffer->data - AN_GUARD_FLOATS);
    buffer->data = NULL;
}

#endif
