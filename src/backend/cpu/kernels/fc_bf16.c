/* Fully connected layers in bfloat16, summed in float32. */
#ifdef __x86_64__
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "backend/cpu/kernels/fc_packed.h"

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")

#define FC_GROUP 2

typedef __m512 fc_sum;

/* The images in bfloat16. */
typedef struct fc_images {
    char *lines;
} fc_images;

static inline fc_sum fc_nothing(void) {
    return _mm512_setzero_ps();
}

static inline fc_sum fc_plus(fc_sum a, fc_sum b) {
    return _mm512_add_ps(a, b);
}

static inline fc_sum fc_dot(fc_sum sum, __m512i image, __m512i weights) {
    return _mm512_dpbf16_ps(sum, (__m512bh)image, (__m512bh)weights);
}

/* 32 floats, of which `count` are there and the others 0, rounded to the nearest. */
static inline __m512i fc_rounded(const float *from, int count) {
    const __mmask32 mask = count >= 32 ? 0xffffffffu : (1u << count) - 1;
    const __m512 low = _mm512_maskz_loadu_ps((__mmask16)mask, from);
    const __m512 high = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), from + 16);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

static fc_images fc_begin(const an_fc_job *job) {
    return (fc_images){job->workspace};
}

static inline void fc_take(const an_fc_job *job, const fc_images *images, int n, int line,
                           char *to) {
    (void)images;
    const int i = line * 32;
    _mm512_store_si512(to, fc_rounded(job->x + (size_t)n * job->inputs + i, job->inputs - i));
}

static inline __m512 fc_finish(const an_fc_job *job, const fc_images *images, int n, int o,
                               fc_sum sum) {
    (void)job, (void)images, (void)n, (void)o;
    return sum;
}

#include "backend/cpu/kernels/fc_panels.h"

static size_t packed_bytes(int inputs, int outputs) {
    return fc_panels(outputs) * fc_panel_bytes(inputs);
}

static size_t workspace_bytes(int images, int inputs) {
    return (size_t)images * fc_lines(inputs) * fc_line;
}

/* A line of one output, its groups to their places in the panel. */
static void place(__m512i line, int row, char *panel) {
    int32_t groups[fc_steps];
    memcpy(groups, &line, sizeof groups);
    for (int step = 0; step < fc_steps; step++)
        memcpy(panel + ((size_t)step * fc_width + row) * 4, &groups[step], 4);
}

static void pack(int inputs, int outputs, const float *w, void *packed) {
#pragma omp parallel for schedule(dynamic)
    for (int panel = 0; panel < fc_panels(outputs); panel++) {
        char *to = (char *)packed + panel * fc_panel_bytes(inputs);
        memset(to, 0, fc_panel_bytes(inputs));
        const int rows = fc_smaller(outputs - panel * fc_width, fc_width);
        for (int line = 0; line < fc_lines(inputs); line++) {
            for (int row = 0; row < rows; row++) {
                const size_t o = (size_t)panel * fc_width + row, i = (size_t)line * 32;
                place(fc_rounded(w + o * inputs + i, inputs - (int)i), row,
                      to + (size_t)line * fc_line_weights);
            }
        }
    }
}

const an_fc_engine an_fc_bf16 = {packed_bytes, workspace_bytes, pack, fc_forward};
#endif
