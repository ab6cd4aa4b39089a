/*
 * A vector of AN_BLOCK floats, and the few operations on it that C lacks. Included by the files
 * that compile the kernels for one instruction set; GCC's vector types let the rest be written with
 * + - * / and compiled for whatever the target has.
 */
#if AN_BLOCK == 16
#define AN_LANES(k)                                                                                \
    (k), (k) + 1, (k) + 2, (k) + 3, (k) + 4, (k) + 5, (k) + 6, (k) + 7, (k) + 8, (k) + 9,          \
        (k) + 10, (k) + 11, (k) + 12, (k) + 13, (k) + 14, (k) + 15
#else
#define AN_LANES(k) (k), (k) + 1, (k) + 2, (k) + 3, (k) + 4, (k) + 5, (k) + 6, (k) + 7
#endif

typedef float vec __attribute__((vector_size(AN_BLOCK * sizeof(float))));
typedef int32_t veci __attribute__((vector_size(AN_BLOCK * sizeof(float))));
typedef uint32_t vecu __attribute__((vector_size(AN_BLOCK * sizeof(float))));

static inline int smaller(int a, int b) {
    return a < b ? a : b;
}

static inline int larger(int a, int b) {
    return a > b ? a : b;
}

/* How many portions of at most so many make `count`, and how many come next of `left`, so that all
 * portions are of about the same size. */
static inline int portions_of(int count, int most) {
    return (count + most - 1) / most;
}

static inline int next_portion(int left, int most) {
    return portions_of(left, portions_of(left, most));
}

/* Loads and stores without asking for alignment; compilers make them one instruction. */
static inline vec load(const float *from) {
    vec v;
    memcpy(&v, from, sizeof v);
    return v;
}

static inline void store(float *to, vec v) {
    memcpy(to, &v, sizeof v);
}

/* B bytes with a sign, and B bfloat16, as floats. */
static inline vec load_bytes(const void *from) {
#if defined(__AVX512F__)
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from)));
#elif defined(__AVX2__)
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from)));
#else
    int8_t bytes[AN_BLOCK];
    vec v = {0};
    memcpy(bytes, from, sizeof bytes);
    for (int i = 0; i < AN_BLOCK; i++)
        v[i] = bytes[i];
    return v;
#endif
}

static inline vec load_halves(const void *from) {
#if defined(__AVX512F__)
    return (vec)((vecu)_mm512_cvtepu16_epi32(_mm256_loadu_si256(from)) << 16);
#elif defined(__AVX2__)
    return (vec)((vecu)_mm256_cvtepu16_epi32(_mm_loadu_si128(from)) << 16);
#else
    uint16_t halves[AN_BLOCK];
    vecu bits = {0};
    memcpy(halves, from, sizeof halves);
    for (int i = 0; i < AN_BLOCK; i++)
        bits[i] = (uint32_t)halves[i] << 16;
    return (vec)bits;
#endif
}

/* Stores past the caches what nobody reads soon; `to` is aligned. What a thread has stored so can
 * be read elsewhere after its stream_end. */
static inline void stream(float *to, vec v) {
#if defined(__AVX512F__)
    _mm512_stream_ps(to, v);
#elif defined(__AVX2__)
    _mm256_stream_ps(to, v);
#else
    store(to, v);
#endif
}

static inline void stream_end(void) {
#if defined(__AVX2__)
    _mm_sfence();
#endif
}

static inline vec broadcast(float value) {
    return value - (vec){0};
}

/* Where the comparison `mask` (all bits or none) holds, `yes`, else `no`. */
static inline vec choose(veci mask, vec yes, vec no) {
    return (vec)((mask & (veci)yes) | (~mask & (veci)no));
}

/* `v` where the comparison holds, else 0. */
static inline vec only(veci mask, vec v) {
    return (vec)(mask & (veci)v);
}

static inline veci is_nan(vec v) {
    return v != v; /* NOLINT(misc-redundant-expression): only NaN differs from itself */
}

/* max(v, 0), NaN staying NaN. */
static inline vec rectified(vec v) {
    return only(~(v <= 0), v);
}

/* The larger of two; NaN where either is. */
static inline vec maximum(vec a, vec b) {
#if defined(__AVX512F__)
    /* The instruction answers b where either is NaN. */
    return _mm512_mask_mov_ps(_mm512_max_ps(a, b), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
#elif defined(__AVX2__)
    return _mm256_blendv_ps(_mm256_max_ps(a, b), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
#else
    return choose((b > a) | is_nan(b), b, a);
#endif
}

/* a * b + c */
static inline vec multiply_add(vec a, vec b, vec c) {
#if defined(__AVX512F__)
    return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
    return _mm256_fmadd_ps(a, b, c);
#else
    return a * b + c;
#endif
}

/* 1 / sqrt(v) for v > 0, from the instruction's estimate by one step of Newton's: within 3e-7 of
 * it, and a third of the time of a root and a division. NaN stays NaN; infinity is as the largest
 * number.
 */
static inline vec inverse_root(vec v) {
#if defined(__AVX512F__)
    const vec x = _mm512_min_ps(broadcast(FLT_MAX), v), r = _mm512_rsqrt14_ps(x);
    return r * (1.5f - 0.5f * x * r * r);
#elif defined(__AVX2__)
    const vec x = _mm256_min_ps(broadcast(FLT_MAX), v), r = _mm256_rsqrt_ps(x);
    return r * (1.5f - 0.5f * x * r * r);
#else
    for (int i = 0; i < AN_BLOCK; i++)
        v[i] = 1 / sqrtf(v[i]);
    return v;
#endif
}

static inline float sum_lanes(vec v) {
    float sum = 0;
    for (int i = 0; i < AN_BLOCK; i++)
        sum += v[i];
    return sum;
}
