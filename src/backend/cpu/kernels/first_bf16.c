/* The first layer in bfloat16, summed in float32: a word is a pair. */
#ifdef __x86_64__
#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "backend/cpu/kernels/kernels.h"

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,prefer-vector-width=512")
#define AN_BLOCK 16
#include "backend/cpu/kernels/vector.h"

#include "backend/cpu/kernels/first_maps.h"

typedef vec first_sum;
typedef vec first_ending; /* the biases */
typedef uint16_t first_element;

static const uint16_t first_zero = 0;

static inline vec first_dot(vec sum, vecu weights, vecu word) {
    return _mm512_dpbf16_ps(sum, (__m512bh)weights, (__m512bh)word);
}

static inline void first_image(const an_first_work *work, an_first_data *data) {
    (void)work;
    (void)data;
}

static inline void first_convert(an_first_data *data, const float *from, int count, uint16_t *to) {
    (void)data;
    for (int i = 0; i < count; i += AN_BLOCK) {
        const __mmask16 there = (__mmask16)(0xffff >> (AN_BLOCK - smaller(AN_BLOCK, count - i)));
        const __m256bh pairs = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(there, from + i));
        _mm256_mask_storeu_epi16(to + i, there, (__m256i)pairs);
    }
}

static inline vec first_start(const an_first_work *work, const an_first_data *data, int map) {
    (void)work;
    (void)data;
    (void)map;
    return (vec){0};
}

static inline vec first_end(const an_first_work *work, const an_first_data *data, int map) {
    return first_maps(work, data->bias, map);
}

static inline vec first_finish(vec biases, vec sum) {
    return sum + biases;
}

static inline void first_join(int stride, const uint16_t *row, int count, uint32_t *to) {
    for (int i = 0; i < count; i++)
        to[i] = row[i] | (uint32_t)row[i + stride] << 16;
}

static inline vecu first_gradients(const float *dy, int w, int width) {
    const vec even = load(dy + (size_t)2 * w * AN_BLOCK);
    const vec odd = 2 * w + 1 < width ? load(dy + (size_t)(2 * w + 1) * AN_BLOCK) : (vec){0};
    const vecu low = (vecu)_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(even));
    const vecu high = (vecu)_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(odd));
    return low | high << 16;
}

#include "backend/cpu/kernels/first_walk.h"

#include "backend/cpu/kernels/first_gradient.h"

void an_first_forward_bf16(const an_first_work *work, const an_first_data *data) {
    first_walk(work, data);
}

void an_first_gradient_bf16(const an_first_work *work, const an_first_data *data) {
    first_add_up(work, data);
}
#endif
