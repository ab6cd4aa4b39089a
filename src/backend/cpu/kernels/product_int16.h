/*
 * The products of product.h in 16-bit integers: an instruction adds up pairs of them, and does
 * twice what float32 does, or 1.5 times where adding to the sum is another. For inference in less
 * than float32, whatever else the processor has for it.
 *
 * Each row has a scale of its own, and so has each column of a panel, taken from their largest
 * magnitudes: NaN where not all are finite.
 */

/* The largest integer such that a sum of `depth` products of two of them fits 32 bits. */
static inline float largest_integer(int depth) {
    return floorf(sqrtf(2147483000.0f / (float)depth));
}

/* What one integer is worth where the largest magnitude has become `most`. */
static inline vec unit_of(vec largest, float most) {
    return choose(largest < INFINITY, largest / most, broadcast(NAN));
}

/* What brings the largest magnitude to `most`. */
static inline vec integers_per_unit(vec largest, float most) {
    return choose(largest == 0, (vec){0}, most / largest);
}

/* The bits of magnitudes are in the order of their values, and those of NaN above them all. */
static inline veci magnitude(vec v) {
    return (veci)v & 0x7fffffff;
}

static inline veci larger_bits(veci a, veci b) {
#ifdef __AVX512F__
    return (veci)_mm512_max_epi32((__m512i)a, (__m512i)b);
#else
    return (veci)_mm256_max_epi32((__m256i)a, (__m256i)b);
#endif
}

static inline float largest_lane(veci magnitudes) {
#ifdef __AVX512F__
    const int32_t bits = _mm512_reduce_max_epi32((__m512i)magnitudes);
#else
    const __m256i all = (__m256i)magnitudes;
    __m128i max = _mm_max_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    max = _mm_max_epi32(max, _mm_shuffle_epi32(max, 0x4e));
    max = _mm_max_epi32(max, _mm_shuffle_epi32(max, 0xb1));
    const int32_t bits = _mm_cvtsi128_si32(max);
#endif
    float largest;
    memcpy(&largest, &bits, sizeof largest);
    return largest;
}

/* To the nearest integers, as 16 bits each. */
static inline void store_integers(int16_t *to, vec v) {
#ifdef __AVX512F__
    const __m256i integers = _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(v));
#else
    const __m256i whole = _mm256_cvtps_epi32(v);
    const __m128i integers =
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
#endif
    memcpy(to, &integers, sizeof integers);
}

static inline vec load_some(const float *from, int count) {
    float values[AN_BLOCK] = {0};
    memcpy(values, from, smaller(AN_BLOCK, count) * sizeof *from);
    return load(values);
}

/* Of `count` values; NaN where one of them is. */
static float largest_magnitude(int count, const float *from) {
    veci magnitudes = {0};
    int i = 0;
    for (; i + AN_BLOCK <= count; i += AN_BLOCK)
        magnitudes = larger_bits(magnitude(load(from + i)), magnitudes);
    if (i < count)
        magnitudes = larger_bits(magnitude(load_some(from + i, count - i)), magnitudes);
    return largest_lane(magnitudes);
}

/* A row of `count` values, filled up to whole vectors, as integers of at most `most`, and what one
 * of them is worth. */
static void quantise_row(int count, float most, const float *from, int16_t *to, float *unit) {
    const float largest = largest_magnitude(count, from);
    const vec factor = integers_per_unit(broadcast(largest), most);
    int i = 0;
    for (; i + AN_BLOCK <= count; i += AN_BLOCK)
        store_integers(to + i, load(from + i) * factor);
    if (i < count)
        store_integers(to + i, load_some(from + i, count - i) * factor);
    *unit = largest < INFINITY ? largest / most : NAN;
}

/* A panel of weights, (depth, 2B) as integers (depth / 2, 2B, 2) of at most `most` with units (2B).
 */
static void quantise_panel(int depth, float most, const float *from, int16_t *to, float *units) {
    for (int half = 0; half < panel; half += AN_BLOCK) {
        veci magnitudes = {0};
        for (int k = 0; k < depth; k++)
            magnitudes = larger_bits(magnitude(load(from + k * panel + half)), magnitudes);
        const vec largest = (vec)magnitudes;
        const vec factor = integers_per_unit(largest, most);
        store(units + half, unit_of(largest, most));
        for (int k = 0; k < depth; k++) {
            int16_t integers[AN_BLOCK];
            store_integers(integers, load(from + k * panel + half) * factor);
            for (int lane = 0; lane < AN_BLOCK; lane++)
                to[(k / 2 * panel + half + lane) * 2 + k % 2] = integers[lane];
        }
    }
}

/* sum + a pair of `a` times a pair of `b`, of all lanes: by AVX2's or AVX-512's own instructions,
 * and by VNNI's one. What stands for a NaN may overflow, and does so quietly. */
typedef veci pair_dot(veci sum, veci a, veci b);

#ifdef __AVX512F__
#define AN_VNNI __attribute__((target("avx512vnni")))
#else
#define AN_VNNI __attribute__((target("avxvnni")))
#endif

static inline __attribute__((always_inline)) veci dot_pairs(veci sum, veci a, veci b) {
#ifdef __AVX512F__
    return (veci)_mm512_add_epi32((__m512i)sum, _mm512_madd_epi16((__m512i)a, (__m512i)b));
#else
    return (veci)_mm256_add_epi32((__m256i)sum, _mm256_madd_epi16((__m256i)a, (__m256i)b));
#endif
}

static inline __attribute__((always_inline)) AN_VNNI veci dot_vnni(veci sum, veci a, veci b) {
#ifdef __AVX512F__
    return (veci)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#else
    return (veci)_mm256_dpwssd_avx_epi32((__m256i)sum, (__m256i)a, (__m256i)b);
#endif
}

static inline veci load_integers(const int16_t *from) {
    veci v;
    memcpy(&v, from, sizeof v);
    return v;
}

/* c (rows, 2B) (+)= a (rows, 2 pairs) b (pairs, 2B, 2), in units of a_units (rows) and b_units
 * (2B). */
static inline __attribute__((always_inline)) void
product_int16(const int rows, pair_dot *const dot, int pairs, const int16_t *a, size_t a_row,
              const int16_t *b, const float *a_units, const float *b_units, bool add, float *c) {
    veci sum[most_rows][2] = {0};
    const int16_t *third[(most_rows + 2) / 3];
#pragma GCC unroll 8
    for (int t = 0; 3 * t < rows; t++)
        third[t] = a + 3 * t * a_row;
#pragma GCC unroll 1
    for (int s = 0; s < pairs; s++) {
        ask_ahead(b + (size_t)s * 2 * panel);
        const veci left = load_integers(b + (size_t)s * 2 * panel);
        const veci right = load_integers(b + (size_t)s * 2 * panel + 2 * AN_BLOCK);
#pragma GCC unroll 14
        for (int r = 0; r < rows; r++) {
            int32_t pair;
            memcpy(&pair, third[r / 3] + r % 3 * a_row + 2 * s, sizeof pair);
            const veci factor = pair - (veci){0};
            sum[r][0] = dot(sum[r][0], factor, left);
            sum[r][1] = dot(sum[r][1], factor, right);
        }
    }
    vec floats[most_rows][2];
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) {
        const vec unit = broadcast(a_units[r]);
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++)
            floats[r][half] = __builtin_convertvector(sum[r][half], vec) *
                              (unit * load(b_units + half * AN_BLOCK));
    }
    product_store(rows, add, floats, c);
}

#define PRODUCT_INT16(rows)                                                                        \
    static void product_pairs_##rows(int pairs, const int16_t *a, size_t a_row, const int16_t *b,  \
                                     const float *a_units, const float *b_units, bool add,         \
                                     float *c) {                                                   \
        product_int16(rows, dot_pairs, pairs, a, a_row, b, a_units, b_units, add, c);              \
    }                                                                                              \
    static AN_VNNI void product_vnni_##rows(int pairs, const int16_t *a, size_t a_row,             \
                                            const int16_t *b, const float *a_units,                \
                                            const float *b_units, bool add, float *c) {            \
        product_int16(rows, dot_vnni, pairs, a, a_row, b, a_units, b_units, add, c);               \
    }
#define PRODUCT_PAIRS_NAME(rows) product_pairs_##rows,
#define PRODUCT_VNNI_NAME(rows) product_vnni_##rows,

typedef void product_int16_function(int pairs, const int16_t *a, size_t a_row, const int16_t *b,
                                    const float *a_units, const float *b_units, bool add, float *c);
EACH_ROWS(PRODUCT_INT16)
static product_int16_function *const products_int16[][most_rows] = {
    [AN_INT16_PAIRS] = {EACH_ROWS(PRODUCT_PAIRS_NAME)},
    [AN_INT16_VNNI] = {EACH_ROWS(PRODUCT_VNNI_NAME)},
};

/* As multiply_adds, by these; of zeros, so that no sum overflows. */
static inline __attribute__((always_inline)) double multiply_pairs(pair_dot *const dot,
                                                                   int rounds) {
    volatile int source = 0, sink;
    const veci factor = source - (veci){0};
    veci sum[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        sum[i] = factor;
    for (int round = 0; round < rounds; round++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            sum[i] = dot(sum[i], factor, sum[(i + 1) % CHAINS]);
    for (int i = 1; i < CHAINS; i++)
        sum[0] += sum[i];
    sink = sum[0][0];
    (void)sink;
    return 2.0 * 2 * AN_BLOCK * CHAINS * rounds;
}

static double multiply_adds_pairs(int rounds) {
    return multiply_pairs(dot_pairs, rounds);
}

static AN_VNNI double multiply_adds_vnni(int rounds) {
    return multiply_pairs(dot_vnni, rounds);
}
