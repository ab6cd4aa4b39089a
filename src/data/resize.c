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
#include "data/resize.h"

/* Weights add up to 2^22: with a byte that makes 30 bits, and sums stay within 32. */
enum { WEIGHT_BITS = 22, HALF = 1 << (WEIGHT_BITS - 1) };

/* The weights of a stretch of output positions along one axis. */
typedef struct axis {
    int in;           /* input positions */
    double origin;    /* in the input, of the first output position there could be */
    double scale;     /* input positions an output position */
    int begin;        /* the first output position of the stretch */
    int count;        /* output positions */
    int taps;         /* the most input positions that one looks at */
    int *first;       /* (count) the first input position */
    int *length;      /* (count) how many input positions */
    int32_t *weights; /* (count, taps), zeros behind `length` */
    int16_t *halves;  /* (count, groups of four taps, 8), see split_weights */
} axis;

/* Half of the triangle's width. */
static double support_of(const axis *self) {
    return self->scale > 1 ? self->scale : 1;
}

static axis axis_of(int in, double origin, double scale, int begin, int count) {
    axis self = {.in = in, .origin = origin, .scale = scale, .begin = begin, .count = count};
    self.taps = (int)ceil(support_of(&self)) * 2 + 1;
    return self;
}

/* Computes the weights; `exact` has room for `taps` numbers. */
static void weigh(axis *self, double *exact) {
    const double support = support_of(self);
    const size_t taps = (size_t)self->taps;
    for (int i = 0; i < self->count; i++) {
        const double centre = self->origin + (self->begin + i + 0.5) * self->scale;
        const int first = centre - support + 0.5 > 0 ? (int)(centre - support + 0.5) : 0;
        const int end =
            centre + support + 0.5 < self->in ? (int)(centre + support + 0.5) : self->in;
        double sum = 0;
        for (int tap = 0; tap < end - first; tap++) {
            const double distance = fabs((first + tap - centre + 0.5) * (1 / support));
            exact[tap] = distance < 1 ? 1 - distance : 0;
            sum += exact[tap];
        }
        int32_t *weights = self->weights + (size_t)i * taps;
        memset(weights, 0, taps * sizeof *weights);
        int length = 0; /* without the zeros at the end */
        for (int tap = 0; tap < end - first; tap++) {
            weights[tap] = (int32_t)(0.5 + exact[tap] / sum * (1 << WEIGHT_BITS));
            if (weights[tap] != 0)
                length = tap + 1;
        }
        self->first[i] = first;
        self->length[i] = length;
    }
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

enum { GROUP = 4, LOW_BITS = 11, OVERREAD = 13, AT_ONCE = 4 };

static size_t groups_of(const axis *columns) {
    return ((size_t)columns->taps + GROUP - 1) / GROUP;
}

#ifdef __x86_64__

/*
 * AVX2 multiplies 16-bit numbers best, but weights have 22 bits: each becomes two numbers of 11,
 * the upper ones of a group of four taps first.
 */
static void split_weights(axis *columns) {
    const size_t groups = groups_of(columns), count = (size_t)columns->count;
    memset(columns->halves, 0, count * groups * 2 * GROUP * sizeof(int16_t));
    for (size_t x = 0; x < count; x++)
        for (size_t tap = 0; tap < (size_t)columns->taps; tap++) {
            const int32_t weight = columns->weights[x * (size_t)columns->taps + tap];
            int16_t *group = columns->halves + (x * groups + tap / GROUP) * 2 * GROUP;
            group[tap % GROUP] = (int16_t)(weight >> LOW_BITS);
            group[GROUP + tap % GROUP] = (int16_t)(weight & ((1 << LOW_BITS) - 1));
        }
}

/* Sixteen bytes of two rows, one in each half of a register. */
static inline __attribute__((target("avx2"))) __m256i load_two(const uint8_t *a, const uint8_t *b) {
    const __m128i low = _mm_loadu_si128((const __m128i *)(const void *)a);
    const __m128i high = _mm_loadu_si128((const __m128i *)(const void *)b);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

/*
 * Adds taps of two rows, the first two of four, or the other two. `halves` are the weights of the
 * four, as split_weights leaves them.
 */
static inline __attribute__((target("avx2"))) void
add_taps(__m256i bytes, const int16_t *halves, bool others, __m256i *upper, __m256i *lower) {
    /* 16-bit numbers in the order red, red, green, green, blue, blue. */
    const __m128i first = _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
    const __m128i second =
        _mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    const __m256i taps =
        _mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(others ? second : first));
    int32_t pair[2];
    memcpy(&pair[0], halves + (others ? 2 : 0), sizeof pair[0]);
    memcpy(&pair[1], halves + GROUP + (others ? 2 : 0), sizeof pair[1]);
    *upper = _mm256_add_epi32(*upper, _mm256_madd_epi16(taps, _mm256_set1_epi32(pair[0])));
    *lower = _mm256_add_epi32(*lower, _mm256_madd_epi16(taps, _mm256_set1_epi32(pair[1])));
}

/* Rounds the sums of two rows to bytes and writes them, and one byte more behind each. */
static inline __attribute__((target("avx2"))) void store_two(__m256i upper, __m256i lower,
                                                             uint8_t *a, uint8_t *b) {
    __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(upper, LOW_BITS), lower);
    sum = _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(HALF)), WEIGHT_BITS);
    sum = _mm256_packus_epi16(_mm256_packus_epi32(sum, sum), sum); /* at most 255 each */
    const int32_t rgb_a = _mm256_extract_epi32(sum, 0), rgb_b = _mm256_extract_epi32(sum, 4);
    memcpy(a, &rgb_a, sizeof rgb_a);
    memcpy(b, &rgb_b, sizeof rgb_b);
}

/*
 * resize_row for four rows, four taps at a time, to the same bits; where `few`, with the first two
 * taps alone. Reads up to OVERREAD bytes behind the rows and writes one behind each output.
 */
static inline __attribute__((target("avx2"), always_inline)) void
resize_rows(const uint8_t *const rows[AT_ONCE], const axis *columns, uint8_t *const outs[AT_ONCE],
            bool few) {
    const size_t groups = groups_of(columns);
    const axis self = *columns; /* copies, which writing to `outs` cannot change */
    const uint8_t *const in[AT_ONCE] = {rows[0], rows[1], rows[2], rows[3]};
    uint8_t *const out[AT_ONCE] = {outs[0], outs[1], outs[2], outs[3]};
    for (size_t x = 0; x < (size_t)self.count; x++) {
        size_t pixel = 3 * (size_t)self.first[x];
        const int16_t *halves = self.halves + x * groups * 2 * GROUP;
        __m256i upper_a = _mm256_setzero_si256(), lower_a = upper_a;
        __m256i upper_b = upper_a, lower_b = upper_a;
        for (int tap = 0; tap < self.length[x]; tap += GROUP) {
            const __m256i a = load_two(in[0] + pixel, in[1] + pixel);
            const __m256i b = load_two(in[2] + pixel, in[3] + pixel);
            add_taps(a, halves, false, &upper_a, &lower_a);
            add_taps(b, halves, false, &upper_b, &lower_b);
            if (few)
                break;
            add_taps(a, halves, true, &upper_a, &lower_a);
            add_taps(b, halves, true, &upper_b, &lower_b);
            pixel += 3 * GROUP;
            halves += 2 * GROUP;
        }
        store_two(upper_a, lower_a, out[0] + 3 * x, out[1] + 3 * x);
        store_two(upper_b, lower_b, out[2] + 3 * x, out[3] + 3 * x);
    }
}

/* A picture that grows has at most two taps. */
__attribute__((target("avx2"))) static void resize_rows_avx2(const uint8_t *const rows[AT_ONCE],
                                                             const axis *columns,
                                                             uint8_t *const outs[AT_ONCE]) {
    if (columns->scale <= 1)
        resize_rows(rows, columns, outs, true);
    else
        resize_rows(rows, columns, outs, false);
}

/* The weighted sums of eight bytes of `count` rows. */
static inline __attribute__((target("avx2"), always_inline)) __m256i
blend_eight(const uint8_t *const *rows, const int32_t *weights, int count, size_t at) {
    __m256i sum = _mm256_set1_epi32(HALF);
    for (int r = 0; r < count; r++) {
        const __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)(rows[r] + at));
        sum = _mm256_add_epi32(
            sum, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_set1_epi32(weights[r])));
    }
    return _mm256_srai_epi32(sum, WEIGHT_BITS);
}

/* Bytes from `begin` on, 16 at a time; returns where there are fewer. */
static inline __attribute__((target("avx2"), always_inline)) size_t
blend_sixteens(const uint8_t *const *rows, const int32_t *weights, int count, size_t begin,
               size_t end, uint8_t *out) {
    for (; begin + 16 <= end; begin += 16) {
        /* Packing takes turns between the halves of its two operands: 0 to 3, 8 to 11, ... */
        __m256i packed = _mm256_packus_epi32(blend_eight(rows, weights, count, begin),
                                             blend_eight(rows, weights, count, begin + 8));
        packed = _mm256_permute4x64_epi64(packed, _MM_SHUFFLE(3, 1, 2, 0));
        _mm_storeu_si128(
            (__m128i *)(void *)(out + begin),
            _mm_packus_epi16(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1)));
    }
    return begin;
}

/* blend_rows, to the same bits. Where a picture grows, two rows are all; the copies cannot be
 * changed by writing to `out`, and stay in registers. */
__attribute__((target("avx2"))) static void blend_rows_avx2(const uint8_t *const *rows,
                                                            const int32_t *weights, int count,
                                                            size_t begin, size_t end,
                                                            uint8_t *out) {
    if (count == 2) {
        const uint8_t *const two[2] = {rows[0], rows[1]};
        const int32_t own[2] = {weights[0], weights[1]};
        begin = blend_sixteens(two, own, 2, begin, end, out);
    } else {
        begin = blend_sixteens(rows, weights, count, begin, end, out);
    }
    blend_rows(rows, weights, count, begin, end, out);
}

#endif

/* What both passes work with, in the resizer's block. */
typedef struct passes {
    axis columns, lines;
    double *exact;
    uint8_t *ring; /* (slots, slot_size) */
    int slots;     /* for all the rows that an output row looks at, and those made with them */
    const uint8_t **rows; /* (lines.taps) */
    size_t slot_size;
} passes;

/* Makes a place of `size` bytes at *offset; behind it, aligned, *offset. */
static void *carve(uint8_t *block, size_t *offset, size_t size) {
    void *at = block ? block + *offset : NULL;
    *offset += an_aligned(size);
    return at;
}

static void carve_axis(axis *self, uint8_t *block, size_t *offset) {
    const size_t count = (size_t)self->count, taps = (size_t)self->taps;
    self->first = carve(block, offset, count * sizeof *self->first);
    self->length = carve(block, offset, count * sizeof *self->length);
    self->weights = carve(block, offset, count * taps * sizeof *self->weights);
}

/* Lays everything out in a block (NULL: only counts); returns its size. Sides of at most
 * AN_MAX_IMAGE_SIDE, of which count * taps is a small multiple, keep that far from overflowing. */
static size_t lay_out(passes *self, uint8_t *block) {
    size_t offset = 0;
    const size_t taps_down = (size_t)self->lines.taps, columns = (size_t)self->columns.count;
    const int taps = self->columns.taps > self->lines.taps ? self->columns.taps : self->lines.taps;
    self->slot_size = columns * 3 + 1; /* for the byte that resize_rows_avx2 writes behind */
    self->slots = self->lines.taps + AT_ONCE - 1;
    carve_axis(&self->columns, block, &offset);
    carve_axis(&self->lines, block, &offset);
    self->columns.halves =
        carve(block, &offset, columns * groups_of(&self->columns) * 2 * GROUP * sizeof(int16_t));
    self->exact = carve(block, &offset, (size_t)taps * sizeof *self->exact);
    self->rows = carve(block, &offset, taps_down * sizeof *self->rows);
    self->ring = carve(block, &offset, (size_t)self->slots * self->slot_size);
    return offset;
}

static alexnet_status prepare(an_resizer *resizer, passes *self, alexnet_error *error) {
    const size_t size = lay_out(self, NULL);
    if (size > resizer->capacity) {
        an_resizer_free(resizer); /* first: the old content is not needed beside the new */
        AN_TRY(an_reserve(&resizer->block, size, 1, "resizing", error));
        resizer->capacity = size;
    }
    (void)lay_out(self, resizer->block);
    weigh(&self->columns, self->exact);
    weigh(&self->lines, self->exact);
    return ALEXNET_OK;
}

static uint8_t *slot_of(const passes *self, int row) {
    return self->ring + (size_t)(row % self->slots) * self->slot_size;
}

/* The horizontal pass over the next rows, from `row` on: up to AT_ONCE of those before `end`,
 * quickly those before `fast`. Returns how many. */
static int make_rows(const an_raster *in, const passes *self, int row, int end, int fast) {
    const int count = end - row < AT_ONCE ? end - row : AT_ONCE;
    const uint8_t *rows[AT_ONCE];
    uint8_t *outs[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) {
        const int made = row + (i < count ? i : count - 1); /* the last one again and again */
        rows[i] = in->pixels + (size_t)made * in->stride;
        outs[i] = slot_of(self, made);
    }
#ifdef __x86_64__
    if (row + count <= fast) {
        resize_rows_avx2(rows, &self->columns, outs);
        return count;
    }
#else
    (void)fast;
#endif
    for (int i = 0; i < count; i++)
        resize_row(rows[i], &self->columns, outs[i]);
    return count;
}

/*
 * Both passes. Rows that the horizontal pass has made wait in a ring just long enough for all the
 * output rows that look at them.
 */
static void resize(const an_raster *in, passes *self, an_image *out) {
    const axis *lines = &self->lines;
    const size_t out_size = (size_t)self->columns.count * 3;
    void (*blend)(const uint8_t *const *, const int32_t *, int, size_t, size_t, uint8_t *) =
        blend_rows;
    int fast = 0; /* rows behind which there are enough bytes */
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2")) {
        split_weights(&self->columns);
        blend = blend_rows_avx2;
        const size_t row_size = (size_t)in->width * 3 + OVERREAD;
        fast = in->height;
        while (fast > 0 &&
               (size_t)(in->end - in->pixels) < (size_t)(fast - 1) * in->stride + row_size)
            fast--;
    }
#endif

    const int last = lines->count - 1, end = lines->first[last] + lines->length[last];
    int made = lines->first[0]; /* the next input row to resize horizontally */
    for (int y = 0; y < lines->count; y++) {
        const int first = lines->first[y], length = lines->length[y];
        if (made < first)
            made = first;
        while (made < first + length)
            made += make_rows(in, self, made, end, fast);
        for (int r = 0; r < length; r++)
            self->rows[r] = slot_of(self, first + r);
        blend(self->rows, lines->weights + (size_t)y * (size_t)lines->taps, length, 0, out_size,
              out->pixels + (size_t)y * out_size);
    }
}

void an_resizer_free(an_resizer *resizer) {
    an_free(resizer->block);
    *resizer = (an_resizer){0};
}

/* Copies a part as it is. */
static void copy(const an_raster *in, an_part part, an_image *out) {
    const an_raster from = an_raster_part(in, part);
    const size_t size = (size_t)part.width * 3;
    for (size_t y = 0; y < (size_t)part.height; y++)
        memcpy(out->pixels + y * size, from.pixels + y * from.stride, size);
}

alexnet_status an_resize_part(an_resizer *resizer, const an_raster *in, int width, int height,
                              an_part part, an_image *out, alexnet_error *error) {
    if (in->width < 1 || in->height < 1)
        return an_fail(error, ALEXNET_INVALID, "an empty picture cannot be resized");
    if (part.x < 0 || part.y < 0 || part.width < 1 || part.height < 1 ||
        part.width > width - part.x || part.height > height - part.y)
        return an_fail(error, ALEXNET_INVALID,
                       "%d x %d pixels at (%d, %d) do not lie inside a picture of %d x %d",
                       part.width, part.height, part.x, part.y, width, height);
    AN_TRY(an_image_reserve(out, part.width, part.height, error));
    if (width == in->width && height == in->height) {
        copy(in, part, out);
        return ALEXNET_OK;
    }
    passes both = {.columns = axis_of(in->width, 0, (double)in->width / width, part.x, part.width),
                   .lines =
                       axis_of(in->height, 0, (double)in->height / height, part.y, part.height)};
    AN_TRY(prepare(resizer, &both, error));
    resize(in, &both, out);
    return ALEXNET_OK;
}

alexnet_status an_resize_box(an_resizer *resizer, const an_raster *in, an_box box, int width,
                             int height, an_image *out, alexnet_error *error) {
    /* Not so written as to let a NaN pass; the small excess is that of a box that was computed. */
    const double slack = 1e-6;
    if (!(box.x >= -slack && box.y >= -slack && box.width > 0 && box.height > 0 &&
          box.x + box.width <= in->width + slack && box.y + box.height <= in->height + slack))
        return an_fail(error, ALEXNET_INVALID,
                       "%g x %g pixels at (%g, %g) do not lie inside a picture of %d x %d",
                       box.width, box.height, box.x, box.y, in->width, in->height);
    AN_TRY(an_image_reserve(out, width, height, error));
    passes both = {.columns = axis_of(in->width, box.x, box.width / width, 0, width),
                   .lines = axis_of(in->height, box.y, box.height / height, 0, height)};
    AN_TRY(prepare(resizer, &both, error));
    resize(in, &both, out);
    return ALEXNET_OK;
}

alexnet_status an_image_resize_part(const an_image *image, int width, int height, an_part part,
                                    an_image *out, alexnet_error *error) {
    an_resizer resizer = {0};
    const an_raster in = an_raster_of(image);
    const alexnet_status status = an_resize_part(&resizer, &in, width, height, part, out, error);
    an_resizer_free(&resizer);
    return status;
}

alexnet_status an_image_resize(const an_image *image, int width, int height, an_image *out,
                               alexnet_error *error) {
    return an_image_resize_part(image, width, height, (an_part){0, 0, width, height}, out, error);
}
