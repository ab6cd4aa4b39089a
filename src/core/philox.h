/*
 * Philox4x32-10, the generator of random.h, as functions that run anywhere: in the library, and in
 * kernels on a GPU.
 */
#ifndef AN_CORE_PHILOX_H
#define AN_CORE_PHILOX_H

#include <stdint.h>

#ifdef __CUDACC__
#define AN_ANYWHERE static __host__ __device__ __forceinline__
#else
#define AN_ANYWHERE static inline
#endif

/* One block: 4 words out of a 128-bit counter and a 64-bit key. */
AN_ANYWHERE void an_philox_block(const uint32_t counter[4], const uint32_t key[2],
                                 uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        const uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u; /* the golden ratio */
        k1 += 0xBB67AE85u; /* the square root of 3, less 1 */
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The key and the counter of the first block of the stream (seed, purpose, epoch, item). */
AN_ANYWHERE void an_philox_stream(uint64_t seed, uint32_t purpose, uint32_t epoch, uint64_t item,
                                  uint32_t counter[4], uint32_t key[2]) {
    key[0] = (uint32_t)seed;
    key[1] = (uint32_t)(seed >> 32);
    counter[0] = 0;
    counter[1] = (uint32_t)item;
    counter[2] = epoch;
    counter[3] = purpose << 24 | ((uint32_t)(item >> 32) & 0xFFFFFFu);
}

#endif
