#include "core/hash.h"

static const uint64_t factor1 = 0x87c37b91114253d5, factor2 = 0x4cf5ad432745937f;

static uint64_t rotate(uint64_t x, int bits) {
    return x << bits | x >> (64 - bits);
}

static uint64_t mix1(uint64_t k) {
    return rotate(k * factor1, 31) * factor2;
}

static uint64_t mix2(uint64_t k) {
    return rotate(k * factor2, 33) * factor1;
}

/* Lets every bit reach every other. */
static uint64_t finish(uint64_t k) {
    k = (k ^ k >> 33) * 0xff51afd7ed558ccd;
    k = (k ^ k >> 33) * 0xc4ceb9fe1a85ec53;
    return k ^ k >> 33;
}

/* Eight bytes as a little-endian number; written so that compilers see the one instruction. */
static uint64_t word(const uint8_t *b) {
    return (uint64_t)b[0] | (uint64_t)b[1] << 8 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 24 |
           (uint64_t)b[4] << 32 | (uint64_t)b[5] << 40 | (uint64_t)b[6] << 48 |
           (uint64_t)b[7] << 56;
}

/* The same of at most eight bytes. */
static uint64_t number(const uint8_t *bytes, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

an_hash an_hash_bytes(const void *bytes, size_t size, uint32_t seed) {
    const uint8_t *next = bytes;
    uint64_t a = seed, b = seed;
    size_t left = size;
    for (; left >= 16; left -= 16, next += 16) {
        a = (rotate(a ^ mix1(word(next)), 27) + b) * 5 + 0x52dce729;
        b = (rotate(b ^ mix2(word(next + 8)), 31) + a) * 5 + 0x38495ab5;
    }
    if (left > 8)
        b ^= mix2(number(next + 8, left - 8));
    if (left > 0)
        a ^= mix1(number(next, left < 8 ? left : 8));
    a ^= size;
    b ^= size;
    a += b;
    b += a;
    a = finish(a);
    b = finish(b);
    a += b;
    b += a;
    return (an_hash){a, b};
}

int an_hash_compare(an_hash a, an_hash b) {
    if (a.first != b.first)
        return a.first < b.first ? -1 : 1;
    return (a.second > b.second) - (a.second < b.second);
}
