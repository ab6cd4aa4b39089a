/*
 * A 128-bit hash of bytes: MurmurHash3_x64_128 (Appleby 2011), which reads several GB a second. It
 * tells apart what differs by accident; bytes made to collide it does not.
 */
#ifndef AN_CORE_HASH_H
#define AN_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct an_hash {
    uint64_t first, second;
} an_hash;

/* The hash of `size` bytes; other seeds give other hashes. */
an_hash an_hash_bytes(const void *bytes, size_t size, uint32_t seed);

/* Negative, zero or positive, as for qsort. */
int an_hash_compare(an_hash a, an_hash b);

#endif
