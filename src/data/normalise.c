/*
 * A byte has 256 values: each is normalised once, not once per pixel, into a table. AVX2 has no
 * fast table of that size, but computes value * factor + offset in double precision for four pixels
 * at a time; that is used where it gives the table's very bits for all 256 values, which it all but
 * always does.
 */
#include "data/normalise.h"

#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { VALUES = 256 };

/* How the bytes of one colour become the values of one plane. */
typedef struct colour {
    double factor, offset; /* value * factor + offset ... */
    bool exact;            /* ... is, rounded to float, what the table says */
    float table[VALUES];
    double per_mean; /* what the mean image is multiplied with */
} colour;

/* The formula's numbers for one plane. */
typedef struct formula {
    double scale, mean, std, shift, divisor;
} formula;

static formula formula_of(const an_preprocess *preprocess, const an_tint *tint, int plane) {
    return (formula){
        .scale = preprocess->scale,
        .mean = preprocess->mean_image ? 0 : preprocess->mean[plane],
        .std = preprocess->std[plane],
        .shift = tint ? tint->shift[preprocess->bgr ? 2 - plane : plane] : 0,
        .divisor = tint ? tint->divisor : 1,
    };
}

/* What every byte becomes. */
static void tabulate(const formula *f, float table[VALUES]) {
    for (int value = 0; value < VALUES; value++)
        table[value] = (float)(((value + f->shift) * f->scale - f->mean) / f->std / f->divisor);
}

static void prepare(colour *self, const formula *f) {
    self->factor = f->scale / (f->std * f->divisor);
    self->offset = (f->shift * f->scale - f->mean) / (f->std * f->divisor);
    self->per_mean = 1 / (f->std * f->divisor);
    tabulate(f, self->table);
    self->exact = true;
    for (int value = 0; value < VALUES; value++)
        if ((float)(value * self->factor + self->offset) != self->table[value])
            self->exact = false;
}

/* One row of one colour; `row` begins with that colour. */
static void look_up(const uint8_t *row, size_t side, bool mirror, const colour *by, float *line) {
    const ptrdiff_t step = mirror ? -3 : 3;
    const uint8_t *pixel = row + (mirror ? 3 * (side - 1) : 0);
    for (size_t x = 0; x < side; x++, pixel += step)
        line[x] = by->table[*pixel];
}

#ifdef __x86_64__

enum { GROUP = 16 };

/* masks[c][k] moves the bytes of colour c that are in the k-th third of sixteen pixels to their
 * places among the sixteen. */
static void make_masks(bool mirror, uint8_t masks[3][3][GROUP]) {
    for (int c = 0; c < 3; c++)
        for (int k = 0; k < 3; k++)
            for (int i = 0; i < GROUP; i++) {
                const int at = 3 * (mirror ? GROUP - 1 - i : i) + c - GROUP * k;
                masks[c][k][i] = at >= 0 && at < GROUP ? (uint8_t)at : 0x80;
            }
}

static inline __attribute__((target("avx2"))) __m128i load(const uint8_t *bytes) {
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

/* One row of all colours, sixteen pixels at a time; of the last sixteen some are done twice. */
__attribute__((target("avx2"))) static void row_avx2(const uint8_t *row, size_t side, bool mirror,
                                                     const colour *const by[3],
                                                     uint8_t masks[3][3][GROUP],
                                                     float *const lines[3]) {
    for (size_t x = 0; x < side; x += GROUP) {
        const size_t to = x + GROUP <= side ? x : side - GROUP;
        const uint8_t *pixels = row + 3 * (mirror ? side - GROUP - to : to);
        const __m128i thirds[3] = {load(pixels), load(pixels + GROUP), load(pixels + 2 * GROUP)};
        for (int c = 0; c < 3; c++) {
            __m128i values = _mm_shuffle_epi8(thirds[0], load(masks[c][0]));
            values = _mm_or_si128(values, _mm_shuffle_epi8(thirds[1], load(masks[c][1])));
            values = _mm_or_si128(values, _mm_shuffle_epi8(thirds[2], load(masks[c][2])));
            const __m256d factor = _mm256_set1_pd(by[c]->factor);
            const __m256d offset = _mm256_set1_pd(by[c]->offset);
            for (int i = 0; i < GROUP; i += 4) {
                const __m256d four = _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(values));
                const __m256d normal = _mm256_add_pd(_mm256_mul_pd(four, factor), offset);
                _mm_storeu_ps(lines[c] + to + i, _mm256_cvtpd_ps(normal));
                values = _mm_srli_si128(values, 4);
            }
        }
    }
}

/* All rows, where that gives the right bits. */
static bool normalise_avx2(const an_raster *pixels, bool mirror, const colour *const by[3],
                           float *const planes[3]) {
    const size_t side = (size_t)pixels->width;
    if (side < GROUP || !by[0]->exact || !by[1]->exact || !by[2]->exact ||
        !__builtin_cpu_supports("avx2"))
        return false;
    uint8_t masks[3][3][GROUP];
    make_masks(mirror, masks);
    for (size_t y = 0; y < (size_t)pixels->height; y++) {
        float *const lines[3] = {planes[0] + y * side, planes[1] + y * side, planes[2] + y * side};
        row_avx2(pixels->pixels + y * pixels->stride, side, mirror, by, masks, lines);
    }
    return true;
}

#else

static bool normalise_avx2(const an_raster *pixels, bool mirror, const colour *const by[3],
                           float *const planes[3]) {
    (void)pixels, (void)mirror, (void)by, (void)planes;
    return false;
}

#endif

void an_normalise_pixels(const an_raster *pixels, bool mirror, const an_preprocess *preprocess,
                         const an_tint *tint, float *out) {
    const size_t side = (size_t)preprocess->crop;
    colour colours[3]; /* of the planes */
    const colour *by[3];
    float *planes[3]; /* by[c], planes[c]: of the pixels' colour c, RGB */
    for (int plane = 0; plane < 3; plane++) {
        const int c = preprocess->bgr ? 2 - plane : plane;
        const formula f = formula_of(preprocess, tint, plane);
        prepare(&colours[plane], &f);
        by[c] = &colours[plane];
        planes[c] = out + (size_t)plane * side * side;
    }
    if (!normalise_avx2(pixels, mirror, by, planes))
        for (size_t c = 0; c < 3; c++)
            for (size_t y = 0; y < side; y++)
                look_up(pixels->pixels + y * pixels->stride + c, side, mirror, by[c],
                        planes[c] + y * side);
    for (size_t plane = 0; preprocess->mean_image && plane < 3; plane++) {
        const float *mean = preprocess->mean_image + plane * side * side;
        const float factor = (float)colours[plane].per_mean;
        float *values = out + plane * side * side;
        for (size_t i = 0; i < side * side; i++)
            values[i] -= mean[i] * factor;
    }
}

void an_normalise_picture(const an_raster *pixels, bool mirror, const an_preprocess *preprocess,
                          const an_tint *tint, an_picture *out) {
    const size_t row = 3 * (size_t)preprocess->crop;
    for (int plane = 0; plane < 3; plane++) {
        const formula f = formula_of(preprocess, tint, plane);
        tabulate(&f, out->value[preprocess->bgr ? 2 - plane : plane]);
    }
    out->mirrored = mirror;
    out->bgr = preprocess->bgr;
    for (size_t y = 0; y < (size_t)preprocess->crop; y++)
        memcpy(out->bytes + y * row, pixels->pixels + y * pixels->stride, row);
}
