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
} axis;

static void axis_free(axis *self) {
    an_free(self->first);
    an_free(self->length);
    an_free(self->weights);
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

/* The weighted sum of `count` rows of `size` bytes. */
static void blend_rows(const uint8_t *const *rows, const int32_t *weights, int count, size_t size,
                       uint8_t *out) {
    enum { BLOCK = 64 }; /* sums that stay in registers or the first cache */
    for (size_t begin = 0; begin < size; begin += BLOCK) {
        const size_t width = size - begin < BLOCK ? size - begin : BLOCK;
        int32_t sums[BLOCK];
        for (size_t i = 0; i < width; i++)
            sums[i] = HALF;
        for (int r = 0; r < count; r++)
            for (size_t i = 0; i < width; i++)
                sums[i] += weights[r] * rows[r][begin + i];
        for (size_t i = 0; i < width; i++)
            out[begin + i] = to_byte(sums[i]);
    }
}

/*
 * Both passes. Rows that the horizontal pass has made wait in a ring just long enough for all the
 * output rows that look at them.
 */
static alexnet_status resize(const an_image *image, const axis *columns, const axis *lines,
                             an_image *out, alexnet_error *error) {
    const size_t in_size = (size_t)image->width * 3, out_size = (size_t)columns->count * 3;
    const int slots = lines->taps;
    uint8_t *ring = NULL;
    const uint8_t **rows = NULL;
    alexnet_status status;
    AN_TRY_CLEANUP(an_alloc((void **)&ring, (size_t)slots, out_size, "resizing", error));
    AN_TRY_CLEANUP(an_alloc((void **)&rows, (size_t)slots, sizeof *rows, "resizing", error));
    int made = lines->first[0]; /* the next input row to resize horizontally */
    for (int y = 0; y < lines->count; y++) {
        const int first = lines->first[y], length = lines->length[y];
        if (made < first)
            made = first;
        for (; made < first + length; made++)
            resize_row(image->pixels + (size_t)made * in_size, columns,
                       ring + (size_t)(made % slots) * out_size);
        for (int r = 0; r < length; r++)
            rows[r] = ring + (size_t)((first + r) % slots) * out_size;
        blend_rows(rows, lines->weights + (size_t)y * (size_t)slots, length, out_size,
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
