/*
 * The first layer in int8, summed in int32: a word is four bytes.
 *
 * x = range / 127 * (u - 128), u from 1 to 255, and w = scale * q, q from -127 to 127, a scale for
 * each map: the instruction wants one factor without a sign. The sum begins with -128 times that of
 * all q, so that it ends as the sum of (u - 128) q, exactly; what padding adds is zero.
 */
#ifdef __x86_64__
#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "backend/cpu/kernels/kernels.h"

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,prefer-vector-width=512")
#define AN_BLOCK 16
#include "backend/cpu/kernels/vector.h"

#include "backend/cpu/kernels/first_maps.h"

typedef veci first_sum;
typedef struct first_ending {
    vec scales, biases;
} first_ending;
typedef uint8_t first_element;

static const uint8_t first_zero = 128;

static inline veci first_dot(veci sum, vecu weights, vecu word) {
    return (veci)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)word, (__m512i)weights);
}

/* B values from `from` on, zero from `count` on. */
static inline vec first_some(const float *from, int count, __mmask16 *there) {
    *there = (__mmask16)(0xffff >> (AN_BLOCK - smaller(AN_BLOCK, count)));
    return _mm512_maskz_loadu_ps(*there, from);
}

static inline bool first_finite(vec v) {
    return _mm512_fpclass_ps_mask(v, 0x99) == 0; /* quiet or signalling NaN, infinities */
}

/* What stands behind the weights. */
static inline const float *first_scales(const an_first_work *work, const an_first_data *data) {
    return (const float *)(const void *)((const char *)data->packed + work->weight_bytes) +
           work->maps;
}

/* Where the range is not known, it is that of the image. */
static void first_image(const an_first_work *work, an_first_data *data) {
    const an_shape in = work->layer->in;
    const int count = in.c * in.h * in.w;
    __mmask16 there;
    vec most = {0};
    data->range = first_scales(work, data)[work->maps];
    if (data->range != 0)
        return;
    for (int i = 0; i < count; i += AN_BLOCK)
        most = _mm512_max_ps(most, _mm512_abs_ps(first_some(data->x + i, count - i, &there)));
    data->range = _mm512_reduce_max_ps(most);
}

/* Bytes; a value that is not finite makes all that comes of the image from then on a NaN. */
static inline void first_convert(an_first_data *data, const float *from, int count, uint8_t *to) {
    const float factor = data->range > 0 ? 127 / data->range : 0;
    __mmask16 there;
    for (int i = 0; i < count; i += AN_BLOCK) {
        const vec v = first_some(from + i, count - i, &there);
        const vec most = broadcast(127);
        const vec scaled = _mm512_max_ps(_mm512_min_ps(v * factor, most), -most);
        const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(scaled));
        _mm_mask_storeu_epi8(to + i, there, _mm_xor_si128(bytes, _mm_set1_epi8(-128)));
        if (!first_finite(v))
            data->range = NAN;
    }
}

static inline veci first_start(const an_first_work *work, const an_first_data *data, int map) {
    const int32_t *starts = (const int32_t *)(const void *)(first_scales(work, data) - work->maps);
    return (veci)_mm512_loadu_si512(starts + map);
}

static inline first_ending first_end(const an_first_work *work, const an_first_data *data,
                                     int map) {
    const vec scale = load(first_scales(work, data) +
                           map); /* zero where there is no map: the output must be, too */
    return (first_ending){.scales = only(scale != 0, scale * (data->range / 127)),
                          .biases = first_maps(work, data->bias, map)};
}

static inline vec first_finish(first_ending ending, veci sum) {
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps((__m512i)sum), ending.scales, ending.biases);
}

#include "backend/cpu/kernels/first_walk.h"

void an_first_forward_int8(const an_first_work *work, const an_first_data *data) {
    first_walk(work, data);
}
#endif
