/*
 * Fully connected layers in int8, summed in int32, out in float32.
 *
 * Weights have a scale for each output, the largest magnitude / 127. Inputs become bytes without a
 * sign: x = scale * u where x cannot be negative, else x = scale * (u - 128), and 128 times the sum
 * of an output's weights is taken off again. The scale is each image's own, so that nothing is cut
 * off and an image's answer does not depend on the others.
 * Included by files that have set the target.
 */
#define FC_GROUP 4

typedef __m512i fc_sum;

/* The images as bytes, and each one's scale: NaN where something in it is not finite. */
typedef struct fc_images {
    char *lines;
    float *scales;
} fc_images;

/* What stands behind the panels, for each output, padded to whole panels. */
typedef struct fc_outputs {
    float *scales;
    int32_t *sums; /* of the weights */
} fc_outputs;

#ifdef FC_AMX
#define fc_dot _tile_dpbusd
#else
static inline fc_sum fc_nothing(void) {
    return _mm512_setzero_si512();
}

static inline fc_sum fc_plus(fc_sum a, fc_sum b) {
    return _mm512_add_epi32(a, b);
}

static inline fc_sum fc_dot(fc_sum sum, __m512i image, __m512i weights) {
    return _mm512_dpbusd_epi32(sum, image, weights);
}
#endif

static fc_images fc_begin(const an_fc_job *job);
static inline void fc_take(const an_fc_job *job, const fc_images *images, int n, int line,
                           char *to);
static const char *fc_weights(const an_fc_job *job, int panel, int line, int lines, char *buffer);
static inline __m512 fc_finish(const an_fc_job *job, const fc_images *images, int n, int o,
                               fc_sum sum);

#include "backend/cpu/kernels/fc_panels.h"
#include "backend/cpu/kernels/largest.h"

static size_t workspace_bytes(int images, int inputs, int outputs) {
    (void)outputs;
    const size_t scales = an_aligned((size_t)images * sizeof(float));
    return scales + (size_t)images * fc_lines(inputs) * fc_line + fc_overhang;
}

static size_t packed_bytes(int inputs, int outputs) {
    return fc_panels(outputs) *
           (fc_panel_bytes(inputs) + fc_width * sizeof(float) + fc_width * sizeof(int32_t));
}

static fc_outputs outputs_of(int inputs, int outputs, const void *packed) {
    const size_t panels = fc_panels(outputs);
    char *behind = (char *)(uintptr_t)packed + panels * fc_panel_bytes(inputs);
    return (fc_outputs){(float *)(void *)behind,
                        (int32_t *)(void *)(behind + panels * fc_width * sizeof(float))};
}

static int32_t levels(const an_fc_job *job) {
    return job->signed_input ? 127 : 255;
}

static fc_images fc_begin(const an_fc_job *job) {
    const size_t lines = (size_t)job->images * fc_lines(job->inputs) * fc_line;
    const fc_images images = {job->workspace, (float *)(void *)((char *)job->workspace + lines)};
#pragma omp parallel for schedule(static) if (job->images > 1)
    for (int n = 0; n < job->images; n++) {
        const float most = largest(job->x + (size_t)n * job->inputs, job->inputs);
        images.scales[n] = most / (float)levels(job);
    }
    return images;
}

/* 16 floats as bytes without a sign. */
static inline __m128i bytes_of(__m512 x, __m512 factor, __m512i zero) {
    const __m512i whole = _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(x, factor)), zero);
    return _mm512_cvtusepi32_epi8(_mm512_max_epi32(whole, _mm512_setzero_si512()));
}

static inline void fc_take(const an_fc_job *job, const fc_images *images, int n, int line,
                           char *to) {
    const float scale = images->scales[n];
    const __m512 factor = _mm512_set1_ps(scale > 0 ? 1 / scale : 0);
    const __m512i zero = _mm512_set1_epi32(job->signed_input ? 128 : 0);
    for (int part = 0; part < 4; part++) {
        const int i = line * fc_line + part * 16;
        const __m512 x = some_floats(job->x + (size_t)n * job->inputs + i, job->inputs - i);
        _mm_store_si128((__m128i *)(void *)(to + part * 16), bytes_of(x, factor, zero));
    }
}

static inline __m512 fc_finish(const an_fc_job *job, const fc_images *images, int n, int o,
                               fc_sum sum) {
    const fc_outputs outputs = outputs_of(job->inputs, job->outputs, job->packed);
    if (job->signed_input)
        sum = _mm512_sub_epi32(sum, _mm512_slli_epi32(_mm512_load_si512(outputs.sums + o), 7));
    const __m512 scale =
        _mm512_mul_ps(_mm512_load_ps(outputs.scales + o), _mm512_set1_ps(images->scales[n]));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
}

static const char *fc_weights(const an_fc_job *job, int panel, int line, int lines, char *buffer) {
    (void)lines, (void)buffer;
    return fc_packed_lines(job, panel, line);
}

static fc_ask fc_next_weights(const an_fc_job *job, int panel, int line, int tile, int tiles,
                              const char *w) {
    (void)job, (void)panel, (void)line;
    return fc_ask_ahead(w, tile, tiles);
}

/* 16 weights as bytes. */
static inline __m128i quantised(const float *from, int count, __m512 scale) {
    return _mm512_cvtsepi32_epi8(
        _mm512_cvtps_epi32(_mm512_div_ps(some_floats(from, count), scale)));
}

/* One output's weights w into row `row` of a panel; their sum. */
static int32_t pack_row(int inputs, const float *w, float scale, int row, char *panel) {
    const __m512 divisor = _mm512_set1_ps(scale > 0 ? scale : 1);
    int32_t sum = 0;
    for (int i = 0; i < inputs; i += 16) {
        int8_t values[16];
        _mm_storeu_si128((__m128i *)(void *)values, quantised(w + i, inputs - i, divisor));
        for (int j = 0; j < 16; j++)
            sum += values[j];
        for (int j = 0; j < 16; j += 4)
            memcpy(panel + ((size_t)(i + j) / 4 * fc_width + row) * 4, values + j, 4);
    }
    return sum;
}

static void pack(const an_fc_packing *job) {
    const int inputs = job->inputs;
    const fc_outputs behind = outputs_of(inputs, job->outputs, job->packed);
#pragma omp parallel for schedule(dynamic)
    for (int panel = job->first / fc_width; panel < fc_panels(job->last); panel++) {
        char *to = (char *)job->packed + panel * fc_panel_bytes(inputs);
        memset(to, 0, fc_panel_bytes(inputs));
        for (int row = 0; row < fc_width; row++) {
            const int o = panel * fc_width + row;
            const bool there = o < job->last;
            const float *from = job->w + (size_t)(there ? o - job->first : 0) * inputs;
            behind.scales[o] = there ? largest(from, inputs) / 127 : 0;
            behind.sums[o] = there ? pack_row(inputs, from, behind.scales[o], row, to) : 0;
        }
    }
}

const an_fc_engine FC_ENGINE = {.packed_bytes = packed_bytes,
                                .packed_together = 4 * fc_width,
                                .workspace_bytes = workspace_bytes,
                                .pack = pack,
                                .forward = fc_forward};
