/* What bytes are scaled by, with AVX-512: included by files that have set the target. */

/* 16 floats, of which `count` are there and the others 0. */
static inline __m512 some_floats(const float *from, int count) {
    const __mmask16 mask = count >= 16 ? 0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1);
    return _mm512_maskz_loadu_ps(mask, from);
}

/* The largest magnitude; NaN where not all are finite. */
static float largest(const float *from, int count) {
    __m512 most = _mm512_setzero_ps();
    __mmask16 odd = 0; /* what is no number less than infinity */
    for (int i = 0; i < count; i += 16) {
        const __m512 magnitude = _mm512_abs_ps(some_floats(from + i, count - i));
        odd |= _mm512_cmp_ps_mask(magnitude, _mm512_set1_ps(INFINITY), _CMP_NLT_UQ);
        most = _mm512_max_ps(most, magnitude);
    }
    return odd ? NAN : _mm512_reduce_max_ps(most);
}
