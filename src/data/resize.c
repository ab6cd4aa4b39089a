/*
 * Resizing, to the bit as PIL (and so torchvision) does it: separable, horizontal pass first, its
 * result rounded to bytes, then vertical; weights in fixed point.
 *
 * Output pixel i of n looks at the input around centre = (i + 1/2) * m / n. Its weights are a
 * triangle that falls to 0 at distance max(1, m / n): plain bilinear interpolation where the
 * picture grows, and where it shrinks an average over all that the pixel covers (antialiasing).
 */
#include <math.h>
#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "core/memory.h"
#include "data/image.h"

/* Weights add up to 2^22: with a byte that makes 30 bits, and sums stay within 32. */
enum { WEIGHT_BITS = 22, HALF = 1 << (WEIGHT_BITS - 1) };

/* The weights of a stretch of output positions along one axis. */
typedef struct axis {
    int count;        /* output positions */
    int taps;         /* the most input positions that one looks at */
    int *first;       /* (count) the first input position */
    int *length;      /* (count) how many input positions */
    int32_t *weights; /* (count, taps), zeros behind `length` */
    int16_t *halves;  /* (count, groups of four taps, 8), see split_weights; NULL: not made */
} axis;

static void axis_free(axis *self) {
    an_free(self->first);
    an_free(self->length);
    an_free(self->weights);
    an_free(self->halves);
}

/* Output positions begin .. begin + count - 1 of `out`, for an input of `in` positions. */
static alexnet_status axis_create(axis *self, int in, int out, int begin, int count,
                                  alexnet_error *error) {
    const double scale = (double)in / out;
    const double support = scale > 1 ? scale : 1; /* the triangle's half width */
    *self = (axis){.count = count, .taps = (int)ceil(support) * 2 + 1};
    const size_t n = (size_t)count, taps = (size_t)self->taps;
    AN_TRY(an_alloc((void **)&self->first, n, sizeof *self->first, "resizing", error));
    AN_TRY(an_alloc((void **)&self->length, n, sizeof *self->length, "resizing", error));
    AN_TRY(an_alloc((void **)&self->weights, n * taps, sizeof *self->weights, "resizing", error));
    double *exact;
    AN_TRY(an_alloc((void **)&exact, taps, sizeof *exact, "resizing", error));
    for (int i = 0; i < count; i++) {
        const double centre = (begin + i + 0.5) * scale;
        const int first = centre - support + 0.5 > 0 ? (int)(centre - support + 0.5) : 0;
        const int end = centre + support + 0.5 < in ? (int)(centre + support + 0.5) : in;
        double sum = 0;
        for (int tap = 0; tap < end - first; tap++) {
            const double distance = fabs((first + tap - centre + 0.5) * (1 / support));
            exact[tap] = distance < 1 ? 1 - distance : 0;
            sum += exact[tap];
        }
        int length = 0; /* without the zeros at the end */
        for (int tap = 0; tap < end - first; tap++) {
            const int32_t weight = (int32_t)(0.5 + exact[tap] / sum * (1 << WEIGHT_BITS));
            self->weights[(size_t)i * taps + (size_t)tap] = weight;
            if (weight != 0)
                length = tap + 1;
        }
        self->first[i] = first;
        self->length[i] = length;
    }
    an_free(exact);
    return ALEXNET_OK;
}

/* Rounding can leave the sum of very many weights a little above 2^22, hence the limit. */
static uint8_t to_byte(int32_t sum) {
    const int32_t value = sum >> WEIGHT_BITS;
    return (uint8_t)(value < 255 ? value : 255);
}

/* One row, (m, 3) to (columns->count, 3). */
static void resize_row(const uint8_t *row, const axis *columns, uint8_t *out) {
    for (int x = 0; x < columns->count; x++) {
        const uint8_t *pixel = row + 3 * (size_t)columns->first[x];
        const int32_t *weights = columns->weights + (size_t)x * (size_t)columns->taps;
        int32_t sum[3] = {HALF, HALF, HALF};
        for (int tap = 0; tap < columns->length[x]; tap++, pixel += 3)
            for (int c = 0; c < 3; c++)
                sum[c] += weights[tap] * pixel[c];
        for (int c = 0; c < 3; c++)
            *out++ = to_byte(sum[c]);
    }
}

/* The weighted sum of bytes [begin, end) of `count` rows. */
static void blend_rows(const uint8_t *const *rows, const int32_t *weights, int count, size_t begin,
                       size_t end, uint8_t *out) {
    for (size_t i = begin; i < end; i++) {
        int32_t sum = HALF;
        for (int r = 0; r < count; r++)
            sum += weights[r] * rows[r][i];
        out[i] = to_byte(sum);
    }
}

#ifdef __x86_64__

enum { GROUP = 4, LOW_BITS = 11, OVERREAD = 13 };

static size_t groups_of(const axis *columns) {
    return ((size_t)columns->taps + GROUP - 1) / GROUP;
}

/*
 * AVX2 multiplies 16-bit numbers best, but weights have 22 bits: each becomes two numbers of 11,
 * the upper ones of a group of four taps first.
 */
static alexnet_status split_weights(axis *columns, alexnet_error *error) {
    const size_t groups = groups_of(columns), count = (size_t)columns->count;
    AN_TRY(an_alloc((void **)&columns->halves, count * groups, 2 * GROUP * sizeof(int16_t),
                    "resizing", error));
    for (size_t x = 0; x < count; x++)
        for (size_t tap = 0; tap < (size_t)columns->taps; tap++) {
            const int32_t weight = columns->weights[x * (size_t)columns->taps + tap];
            int16_t *group = columns->halves + (x * groups + tap / GROUP) * 2 * GROUP;
            group[tap % GROUP] = (int16_t)(weight >> LOW_BITS);
            group[GROUP + tap % GROUP] = (int16_t)(weight & ((1 << LOW_BITS) - 1));
        }
    return ALEXNET_OK;
}

/*
 * resize_row four taps at a time, to the same bits. Reads up to OVERREAD bytes behind the row and
 * writes one behind `out`.
 */
__attribute__((target("avx2"))) static void resize_row_avx2(const uint8_t *row, const axis *columns,
                                                            uint8_t *out) {
    /* Of four pixels, the left half of a register gets the first two, the right half the others,
       as 16-bit numbers in the order red, red, green, green, blue, blue. */
    const __m256i spread =
        _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, /* taps 0, 1 */
                         6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    const __m256i upper = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    const __m256i lower = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
    const size_t groups = groups_of(columns);
    const axis self = *columns; /* a copy, which writing to `out` cannot change */
    for (int x = 0; x < self.count; x++, out += 3) {
        const uint8_t *pixel = row + 3 * (size_t)self.first[x];
        const int16_t *halves = self.halves + (size_t)x * groups * 2 * GROUP;
        __m256i high = _mm256_setzero_si256(), low = high;
        for (int tap = 0; tap < self.length[x]; tap += GROUP) {
            const __m256i bytes =
                _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)pixel));
            const __m256i values = _mm256_shuffle_epi8(bytes, spread);
            const __m256i weights =
                _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(const void *)halves));
            high = _mm256_add_epi32(
                high, _mm256_madd_epi16(values, _mm256_permutevar8x32_epi32(weights, upper)));
            low = _mm256_add_epi32(
                low, _mm256_madd_epi16(values, _mm256_permutevar8x32_epi32(weights, lower)));
            pixel += 3 * GROUP;
            halves += 2 * GROUP;
        }
        const __m256i both = _mm256_add_epi32(_mm256_slli_epi32(high, LOW_BITS), low);
        __m128i sum =
            _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
        sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(HALF)), WEIGHT_BITS);
        sum = _mm_packus_epi16(_mm_packus_epi32(sum, sum), sum); /* at most 255 each */
        const int32_t rgb = _mm_cvtsi128_si32(sum);
        memcpy(out, &rgb, sizeof rgb);
    }
}

/* blend_rows, 16 bytes at a time. */
__attribute__((target("avx2"))) static void blend_rows_avx2(const uint8_t *const *rows,
                                                            const int32_t *weights, int count,
                                                            size_t begin, size_t end,
                                                            uint8_t *out) {
    for (; begin + 16 <= end; begin += 16) {
        __m256i left = _mm256_set1_epi32(HALF), right = left;
        for (int r = 0; r < count; r++) {
            const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(rows[r] + begin));
            const __m256i weight = _mm256_set1_epi32(weights[r]);
            const __m256i first = _mm256_cvtepu8_epi32(bytes);
            const __m256i second = _mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8));
            left = _mm256_add_epi32(left, _mm256_mullo_epi32(first, weight));
            right = _mm256_add_epi32(right, _mm256_mullo_epi32(second, weight));
        }
        /* Packing takes turns between the halves of its two operands: 0 to 3, 8 to 11, ... */
        __m256i packed = _mm256_packus_epi32(_mm256_srai_epi32(left, WEIGHT_BITS),
                                             _mm256_srai_epi32(right, WEIGHT_BITS));
        packed = _mm256_permute4x64_epi64(packed, _MM_SHUFFLE(3, 1, 2, 0));
        _mm_storeu_si128(
            (__m128i *)(void *)(out + begin),
            _mm_packus_epi16(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1)));
    }
    blend_rows(rows, weights, count, begin, end, out);
}

#endif

/*
 * Both passes. Rows that the horizontal pass has made wait in a ring just long enough for all the
 * output rows that look at them.
 */
static alexnet_status resize(const an_image *image, axis *columns, const axis *lines, an_image *out,
                             alexnet_error *error) {
    const size_t in_size = (size_t)image->width * 3, out_size = (size_t)columns->count * 3;
    const size_t slot_size = out_size + 1; /* for the byte that resize_row_avx2 writes behind */
    const int slots = lines->taps;
    uint8_t *ring = NULL;
    const uint8_t **rows = NULL;
    alexnet_status status;
    AN_TRY_CLEANUP(an_alloc((void **)&ring, (size_t)slots, slot_size, "resizing", error));
    AN_TRY_CLEANUP(an_alloc((void **)&rows, (size_t)slots, sizeof *rows, "resizing", error));

    void (*fast_row)(const uint8_t *, const axis *, uint8_t *) = resize_row;
    void (*fast_blend)(const uint8_t *const *, const int32_t *, int, size_t, size_t, uint8_t *) =
        blend_rows;
    size_t fast_rows = (size_t)image->height; /* from the first on; the others by resize_row */
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2")) {
        AN_TRY_CLEANUP(split_weights(columns, error));
        fast_row = resize_row_avx2;
        fast_blend = blend_rows_avx2;
        const size_t too_late = (OVERREAD + in_size - 1) / in_size;
        fast_rows = fast_rows > too_late ? fast_rows - too_late : 0;
    }
#endif

    int made = lines->first[0]; /* the next input row to resize horizontally */
    for (int y = 0; y < lines->count; y++) {
        const int first = lines->first[y], length = lines->length[y];
        if (made < first)
            made = first;
        for (; made < first + length; made++)
            ((size_t)made < fast_rows ? fast_row
                                      : resize_row)(image->pixels + (size_t)made * in_size, columns,
                                                    ring + (size_t)(made % slots) * slot_size);
        for (int r = 0; r < length; r++)
            rows[r] = ring + (size_t)((first + r) % slots) * slot_size;
        fast_blend(rows, lines->weights + (size_t)y * (size_t)slots, length, 0, out_size,
                   out->pixels + (size_t)y * out_size);
    }
cleanup:
    an_free(ring);
    an_free(rows);
    return status;
}

alexnet_status an_image_resize_part(const an_image *image, int width, int height, an_part part,
                                    an_image *out, alexnet_error *error) {
    if (image->width < 1 || image->height < 1)
        return an_fail(error, ALEXNET_INVALID, "an empty picture cannot be resized");
    if (part.x < 0 || part.y < 0 || part.width < 1 || part.height < 1 ||
        part.width > width - part.x || part.height > height - part.y)
        return an_fail(error, ALEXNET_INVALID,
                       "%d x %d pixels at (%d, %d) do not lie inside a picture of %d x %d",
                       part.width, part.height, part.x, part.y, width, height);
    AN_TRY(an_image_reserve(out, part.width, part.height, error));
    if (width == image->width && height == image->height) {
        for (int y = 0; y < part.height; y++)
            memcpy(out->pixels + (size_t)y * (size_t)part.width * 3,
                   image->pixels + ((size_t)(part.y + y) * (size_t)width + (size_t)part.x) * 3,
                   (size_t)part.width * 3);
        return ALEXNET_OK;
    }
    axis columns = {0}, lines = {0};
    alexnet_status status;
    AN_TRY_CLEANUP(axis_create(&columns, image->width, width, part.x, part.width, error));
    AN_TRY_CLEANUP(axis_create(&lines, image->height, height, part.y, part.height, error));
    status = resize(image, &columns, &lines, out, error);
cleanup:
    axis_free(&columns);
    axis_free(&lines);
    return status;
}

alexnet_status an_image_resize(const an_image *image, int width, int height, an_image *out,
                               alexnet_error *error) {
    return an_image_resize_part(image, width, height, (an_part){0, 0, width, height}, out, error);
}
