/* What the instructions for bfloat16 and bytes can do at most, for measuring it; see peak.h. */
#include "backend/cpu/kernels/kernels.h"

#ifdef __x86_64__
#include <immintrin.h>

enum { CHAINS = 12 };

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512bf16")
double an_multiply_adds_bf16(int rounds) {
    volatile float source = 0.5f, sink;
    const __m512 half = _mm512_set1_ps(source);
    const __m512bh factors = _mm512_cvtne2ps_pbh(half, half);
    __m512 sum[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        sum[i] = half;
    for (int round = 0; round < rounds; round++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            sum[i] = _mm512_dpbf16_ps(sum[i], factors, factors);
    for (int i = 1; i < CHAINS; i++)
        sum[0] += sum[i];
    sink = _mm512_reduce_add_ps(sum[0]);
    (void)sink;
    return 2.0 * 32 * CHAINS * rounds;
}
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512vnni")
double an_multiply_adds_int8(int rounds) {
    volatile int source = 1, sink;
    const __m512i factors = _mm512_set1_epi32(source);
    __m512i sum[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        sum[i] = factors;
    for (int round = 0; round < rounds; round++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            sum[i] = _mm512_dpbusd_epi32(sum[i], factors, factors);
    for (int i = 1; i < CHAINS; i++)
        sum[0] = _mm512_add_epi32(sum[0], sum[i]);
    sink = _mm512_reduce_add_epi32(sum[0]);
    (void)sink;
    return 2.0 * 64 * CHAINS * rounds;
}
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,amx-tile,amx-bf16,amx-int8")
#include "backend/cpu/kernels/amx.h"

/* Four products of two by two tiles of zeros, that nothing has to wait for. */
double an_multiply_adds_amx_bf16(int rounds) {
    amx_begin();
    for (int round = 0; round < rounds; round++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    amx_end();
    return 2.0 * 4 * amx_rows * amx_rows * 32 * rounds;
}

double an_multiply_adds_amx_int8(int rounds) {
    amx_begin();
    for (int round = 0; round < rounds; round++) {
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    }
    amx_end();
    return 2.0 * 4 * amx_rows * amx_rows * 64 * rounds;
}
#pragma GCC pop_options

#else

double an_multiply_adds_amx_bf16(int rounds) {
    return 0.0 * rounds;
}

double an_multiply_adds_amx_int8(int rounds) {
    return 0.0 * rounds;
}

double an_multiply_adds_bf16(int rounds) {
    return 0.0 * rounds;
}

double an_multiply_adds_int8(int rounds) {
    return 0.0 * rounds;
}
#endif
