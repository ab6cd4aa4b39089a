#include "core/random.h"

#include <math.h>

#include "core/philox.h"

void an_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    an_philox_block(counter, key, out);
}

an_random an_random_stream(uint64_t seed, an_purpose purpose, uint32_t epoch, uint64_t item) {
    an_random stream = {.used = 4};
    an_philox_stream(seed, purpose, epoch, item, stream.counter, stream.key);
    return stream;
}

void an_random_block(const an_random *stream, uint32_t block, uint32_t out[4]) {
    const uint32_t counter[4] = {block, stream->counter[1], stream->counter[2], stream->counter[3]};
    an_philox(counter, stream->key, out);
}

uint32_t an_random_u32(an_random *stream) {
    if (stream->used == 4) {
        an_philox(stream->counter, stream->key, stream->words);
        stream->counter[0]++;
        stream->used = 0;
    }
    return stream->words[stream->used++];
}

float an_random_uniform(an_random *stream) {
    return (float)(an_random_u32(stream) >> 8) * 0x1p-24f;
}

float an_random_range(an_random *stream, float low, float high) {
    return low + (high - low) * an_random_uniform(stream);
}

uint32_t an_random_below(an_random *stream, uint32_t n) {
    /* Lemire's multiplication: of 2^32 words, those under 2^32 mod n would favour small results. */
    const uint32_t threshold = (uint32_t)(-n) % n;
    for (;;) {
        const uint64_t product = (uint64_t)an_random_u32(stream) * n;
        if ((uint32_t)product >= threshold)
            return (uint32_t)(product >> 32);
    }
}

/* Two independent normals out of two words; the 0.5 keeps the logarithm's argument above zero. */
static void box_muller(uint32_t a, uint32_t b, double *cosine, double *sine) {
    const double radius = sqrt(-2.0 * log(((double)a + 0.5) * 0x1p-32));
    const double angle = 6.283185307179586 * ((double)b * 0x1p-32);
    *cosine = radius * cos(angle);
    *sine = radius * sin(angle);
}

double an_random_normal(an_random *stream) {
    const uint32_t a = an_random_u32(stream), b = an_random_u32(stream);
    double cosine, sine;
    box_muller(a, b, &cosine, &sine);
    return cosine;
}

void an_random_fill_normal(const an_random *stream, size_t first, size_t count, double deviation,
                           float *out) {
    for (size_t i = 0; i < count; i += 4) {
        uint32_t words[4];
        double normals[4];
        an_random_block(stream, (uint32_t)((first + i) / 4), words);
        box_muller(words[0], words[1], &normals[0], &normals[1]);
        box_muller(words[2], words[3], &normals[2], &normals[3]);
        for (size_t j = 0; j < 4 && i + j < count; j++)
            out[i + j] = (float)(deviation * normals[j]);
    }
}

void an_random_fill_uniform(const an_random *stream, size_t first, size_t count, double bound,
                            float *out) {
    for (size_t i = 0; i < count; i += 4) {
        uint32_t words[4];
        an_random_block(stream, (uint32_t)((first + i) / 4), words);
        for (size_t j = 0; j < 4 && i + j < count; j++)
            out[i + j] = (float)(bound * ((double)words[j] * 0x1p-31 - 1.0));
    }
}

void an_random_shuffle(an_random *stream, uint32_t *values, uint32_t n) {
    for (uint32_t i = n; i > 1; i--) {
        const uint32_t j = an_random_below(stream, i);
        const uint32_t swapped = values[i - 1];
        values[i - 1] = values[j];
        values[j] = swapped;
    }
}

void an_random_permutation(an_random *stream, uint32_t *order, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    an_random_shuffle(stream, order, n);
}
