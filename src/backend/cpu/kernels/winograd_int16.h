/*
 * Winograd's products in 16-bit integers (AVX512_VNNI: 32 products an instruction, twice what
 * float32 does), for inference in less than float32.
 *
 * Each transformed tile has a scale of its own at every point, and so has each map of the weights,
 * taken from their largest magnitudes: integers of 11 or 12 bits and a sign, so few that a sum over
 * all maps cannot overflow 32. That is finer than bfloat16's 8 bits, which the transforms' own
 * cancellation would not leave enough of. What has no bounded magnitude, NaN and infinity, gets
 * there by its scale.
 */

/* The largest integer such that the sum of `depth` products of two fits 32 bits. */
static inline float largest_integer(int depth) {
    return floorf(sqrtf(2147483000.0f / (float)depth));
}

/* Scale such that the largest of `largest` becomes largest_integer, and its inverse. */
static inline vec integers_per_unit(vec largest, int depth) {
    return choose(largest == 0, (vec){0}, largest_integer(depth) / largest);
}

static inline vec magnitude(vec v) {
    return (vec)((veci)v & 0x7fffffff);
}

static inline vec larger_or_nan(vec a, vec b) {
    return choose((a > b) | is_nan(a), a, b);
}

/* To the nearest integers, as 16 bits each. */
static inline void store_integers(int16_t *to, vec v) {
    const __m256i low = _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(v));
    memcpy(to, &low, sizeof low);
}

/* A row of `count` values as integers, and what one of them is worth. */
static void quantise_row(int count, int depth, const float *from, int16_t *to, float *unit) {
    vec largest = {0};
    for (int i = 0; i < count; i += AN_BLOCK)
        largest = larger_or_nan(magnitude(load(from + i)), largest);
    float most = 0;
    for (int i = 0; i < AN_BLOCK; i++)
        most = largest[i] > most || isnan(largest[i]) ? largest[i] : most;
    const vec factor = integers_per_unit(broadcast(most), depth);
    for (int i = 0; i < count; i += AN_BLOCK)
        store_integers(to + i, load(from + i) * factor);
    *unit = most / largest_integer(depth);
}

/* A panel of weights at one point, (depth, 2B) as integers (depth / 2, 2B, 2) with units (2B). */
static void quantise_panel(int depth, const float *from, int16_t *to, float *units) {
    for (int half = 0; half < panel; half += AN_BLOCK) {
        vec largest = {0};
        for (int k = 0; k < depth; k++)
            largest = larger_or_nan(magnitude(load(from + k * panel + half)), largest);
        const vec factor = integers_per_unit(largest, depth);
        store(units + half, largest / largest_integer(depth));
        for (int k = 0; k < depth; k++) {
            int16_t integers[AN_BLOCK];
            store_integers(integers, load(from + k * panel + half) * factor);
            for (int lane = 0; lane < AN_BLOCK; lane++)
                to[(k / 2 * panel + half + lane) * 2 + k % 2] = integers[lane];
        }
    }
}

/* c (rows, 2B) = a (rows, 2 pairs) b (pairs, 2B, 2), in units of a_units (rows) and b_units (2B).
 */
static inline __attribute__((always_inline, target("avx512vnni"))) void
product_int16(const int rows, int pairs, const int16_t *a, size_t a_row, const int16_t *b,
              const float *a_units, const float *b_units, float *c) {
    veci sum[most_rows][2] = {0};
    const int16_t *third[(most_rows + 2) / 3];
#pragma GCC unroll 8
    for (int t = 0; 3 * t < rows; t++)
        third[t] = a + 3 * t * a_row;
#pragma GCC unroll 1
    for (int s = 0; s < pairs; s++) {
        ask_ahead(b + (size_t)s * 2 * panel);
        const __m512i left = _mm512_loadu_si512(b + (size_t)s * 2 * panel);
        const __m512i right = _mm512_loadu_si512(b + (size_t)s * 2 * panel + 2 * AN_BLOCK);
#pragma GCC unroll 14
        for (int r = 0; r < rows; r++) {
            int32_t pair;
            memcpy(&pair, third[r / 3] + r % 3 * a_row + 2 * s, sizeof pair);
            const __m512i factor = _mm512_set1_epi32(pair);
            sum[r][0] = (veci)_mm512_dpwssd_epi32((__m512i)sum[r][0], factor, left);
            sum[r][1] = (veci)_mm512_dpwssd_epi32((__m512i)sum[r][1], factor, right);
        }
    }
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) {
        const vec unit = broadcast(a_units[r]);
        store(c + r * panel, _mm512_cvtepi32_ps((__m512i)sum[r][0]) * (unit * load(b_units)));
        store(c + r * panel + AN_BLOCK,
              _mm512_cvtepi32_ps((__m512i)sum[r][1]) * (unit * load(b_units + AN_BLOCK)));
    }
}

#define PRODUCT_INT16(rows)                                                                        \
    static __attribute__((target("avx512vnni"))) void product_int16_##rows(                        \
        int pairs, const int16_t *a, size_t a_row, const int16_t *b, const float *a_units,         \
        const float *b_units, float *c) {                                                          \
        product_int16(rows, pairs, a, a_row, b, a_units, b_units, c);                              \
    }
#define PRODUCT_INT16_NAME(rows) product_int16_##rows,

typedef void product_int16_function(int pairs, const int16_t *a, size_t a_row, const int16_t *b,
                                    const float *a_units, const float *b_units, float *c);
EACH_ROWS(PRODUCT_INT16)
static product_int16_function *const products_int16[] = {EACH_ROWS(PRODUCT_INT16_NAME)};
