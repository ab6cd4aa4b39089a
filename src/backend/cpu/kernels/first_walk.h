/*
 * The forward pass of a first layer (first_work.h), for any kind of word. The including file says
 * what a word is:
 *
 *     first_sum                          a vector of B sums
 *     first_dot(sum, weights, word)      sum + products of B words of weights and a broadcast one
 *     first_element                      a value of a row
 *     first_image(work, data)            looks at a new image
 *     first_convert(data, from, n, to)   n values of the input as first_element
 *     first_zero                         what padding is
 *     first_ending                       what turns sums of B maps into their outputs
 *     first_start(work, data, map)       the sums of B maps from `map` on before the first product
 *     first_end(work, data, map)         their ending
 *     first_finish(ending, sum)          their outputs
 *
 * Packed weights are (O / 2 B, words, 2, B) words. A tile is 2 vectors of maps by as many pixels of
 * a row as the registers hold; each weight is then loaded once for all of them, and a word once for
 * both vectors.
 */

#if AN_BLOCK == 16
enum { first_pixels = 14 };
#elif defined(__AVX2__)
enum { first_pixels = 6 };
#else
enum { first_pixels = 3 };
#endif

enum { first_line = AN_ALIGNMENT / sizeof(float) }; /* floats in a line of the cache */

typedef uint32_t first_word __attribute__((may_alias));

/* Every `step`th word. */
static inline __attribute__((always_inline)) void
first_take(const first_word *restrict from, const int step, int count, uint32_t *restrict to) {
    for (int j = 0; j < count; j++)
        to[j] = from[(size_t)j * step];
}

static inline void first_spread(const an_first_work *work, const first_element *row, uint32_t *to) {
    const int stride = work->layer->spec.stride;
    for (int phase = 0; phase < work->phases; phase++, to += work->columns) {
        const first_element *from = row + (size_t)phase * work->phase_step;
        if (stride == 4) /* that of every AlexNet */
            first_take((const first_word *)(const void *)from, sizeof *row, work->columns, to);
        else
            for (int j = 0; j < work->columns; j++)
                memcpy(to + j, from + (size_t)j * stride, sizeof *to);
    }
}

/* One row of a map with its padding; `length` values in all; `line` is a row of the
 * input, NULL outside the picture. */
static inline void first_pad(const an_first_work *work, an_first_data *data, const float *line,
                             int length, first_element *row) {
    const int pad = work->layer->spec.pad, width = line ? work->layer->in.w : 0;
    const int left = line ? smaller(pad, length) : length;
    const int middle = smaller(width, length - left);
    for (int i = 0; i < left; i++)
        row[i] = first_zero;
    if (middle > 0)
        first_convert(data, line, middle, row + left);
    for (int i = left + middle; i < length; i++)
        row[i] = first_zero;
}

/* Rows [top, bottom) of all maps of an image, counted with the padding, spread out in `picture`;
 * the rows behind them, which are next, are on their way when it is done. */
static void first_take_rows(const an_first_work *work, an_first_data *data, int top, int bottom,
                            uint32_t *picture) {
    const an_shape in = work->layer->in;
    const int pad = work->layer->spec.pad, stride = work->layer->spec.stride;
    const size_t words = (size_t)work->phases * work->columns;
    const int length = work->columns * stride + work->elements;
    first_element *plain = (first_element *)(void *)(picture + in.c * work->rows * words);
    for (int c = 0; c < in.c; c++) {
        const float *map = data->x + (size_t)c * in.h * in.w;
        for (int h = top - pad; h < bottom - pad; h++) {
            const bool inside = h >= 0 && h < in.h;
            first_pad(work, data, inside ? map + (size_t)h * in.w : NULL, length, plain);
            first_spread(work, plain, picture + ((size_t)c * work->rows + h + pad) * words);
        }
        const size_t next = (size_t)larger(bottom - pad, 0) * in.w;
        const size_t end = (size_t)smaller(larger(bottom + stride - pad, 0), in.h) * in.w;
        for (size_t i = next; i < end; i += first_line)
            __builtin_prefetch(map + i);
    }
}

static inline vecu first_load(const char *from) {
    vecu words;
    memcpy(&words, from, sizeof words);
    return words;
}

/* Where a tile goes. */
typedef struct first_place {
    const an_first_work *work;
    const an_first_data *data;
    int map;                    /* the first */
    float *y[AN_FIRST_VECTORS]; /* of its first pixel; NULL: there is no such block of maps */
} first_place;

/* Fetches the lines that a tile will be stored in while it is computed. */
static inline void first_expect(int pixels, const first_place *place, int vector) {
    if (place->y[vector])
        for (int p = 0; p < pixels; p++)
            __builtin_prefetch(place->y[vector] + (size_t)p * AN_BLOCK, 1);
}

static inline __attribute__((always_inline)) void
first_store(const int pixels, const first_place *place, int vector, const first_sum *sums) {
    float *y = place->y[vector];
    if (!y)
        return;
    const first_ending ending = first_end(place->work, place->data, place->map + vector * AN_BLOCK);
#pragma GCC unroll 14
    for (int p = 0; p < pixels; p++)
        store(y + (size_t)p * AN_BLOCK, first_finish(ending, sums[p]));
}

/* A tile: `pixels` (a constant where this is inlined) pixels of two blocks of maps. */
static inline __attribute__((always_inline)) void
first_tile(const int pixels, const first_place *place, const uint32_t *x, const char *weights) {
    const int words = place->work->words;
    const int *offsets = place->work->offsets;
    const first_sum start_a = first_start(place->work, place->data, place->map);
    const first_sum start_b = first_start(place->work, place->data, place->map + AN_BLOCK);
    first_sum a[first_pixels], b[first_pixels];
    first_expect(pixels, place, 0);
    first_expect(pixels, place, 1);
#pragma GCC unroll 14
    for (int p = 0; p < pixels; p++) {
        a[p] = start_a;
        b[p] = start_b;
    }
    for (int i = 0; i < words; i++) {
        const uint32_t *word = x + offsets[i];
        const vecu weights_a = first_load(weights), weights_b = first_load(weights + sizeof(vecu));
        weights += AN_FIRST_VECTORS * sizeof(vecu);
#pragma GCC unroll 14
        for (int p = 0; p < pixels; p++) {
            const vecu value = word[p] - (vecu){0};
            a[p] = first_dot(a[p], weights_a, value);
            b[p] = first_dot(b[p], weights_b, value);
        }
    }
    first_store(pixels, place, 0, a);
    first_store(pixels, place, 1, b);
}

/* Calls do_it(n, ...) with n a constant, from 1 to first_pixels. */
#define AN_FIRST_CASE(n, do_it, ...)                                                               \
    case n:                                                                                        \
        do_it(n, __VA_ARGS__);                                                                     \
        break;
#define AN_FIRST_CASES_3(...)                                                                      \
    AN_FIRST_CASE(1, __VA_ARGS__) AN_FIRST_CASE(2, __VA_ARGS__) AN_FIRST_CASE(3, __VA_ARGS__)
#define AN_FIRST_CASES_6(...)                                                                      \
    AN_FIRST_CASES_3(__VA_ARGS__)                                                                  \
    AN_FIRST_CASE(4, __VA_ARGS__) AN_FIRST_CASE(5, __VA_ARGS__) AN_FIRST_CASE(6, __VA_ARGS__)
#define AN_FIRST_CASES_14(...)                                                                     \
    AN_FIRST_CASES_6(__VA_ARGS__)                                                                  \
    AN_FIRST_CASE(7, __VA_ARGS__)                                                                  \
    AN_FIRST_CASE(8, __VA_ARGS__)                                                                  \
    AN_FIRST_CASE(9, __VA_ARGS__)                                                                  \
    AN_FIRST_CASE(10, __VA_ARGS__)                                                                 \
    AN_FIRST_CASE(11, __VA_ARGS__)                                                                 \
    AN_FIRST_CASE(12, __VA_ARGS__) AN_FIRST_CASE(13, __VA_ARGS__) AN_FIRST_CASE(14, __VA_ARGS__)
#if AN_BLOCK == 16
#define AN_FIRST_CASES AN_FIRST_CASES_14
#elif defined(__AVX2__)
#define AN_FIRST_CASES AN_FIRST_CASES_6
#else
#define AN_FIRST_CASES AN_FIRST_CASES_3
#endif
#define AN_FIRST_SWITCH(n, ...)                                                                    \
    switch (n) {                                                                                   \
        AN_FIRST_CASES(__VA_ARGS__)                                                                \
    default:                                                                                       \
        break;                                                                                     \
    }

static void first_tile_of(int pixels, const first_place *place, const uint32_t *x,
                          const char *weights) {
    AN_FIRST_SWITCH(pixels, first_tile, place, x, weights)
}

/* Two blocks of maps of one row of the output, in tiles of about the same size: one pixel alone
 * would wait for its own additions. */
static void first_row(const an_first_work *work, const an_first_data *data, const uint32_t *picture,
                      int row, int group) {
    const an_layer *layer = work->layer;
    const an_shape out = layer->out;
    const int blocks = (out.c + AN_BLOCK - 1) / AN_BLOCK, block = group * AN_FIRST_VECTORS;
    const size_t plane = (size_t)out.h * out.w * AN_BLOCK;
    const uint32_t *x = picture + (size_t)row * layer->spec.stride * work->phases * work->columns;
    const char *weights =
        (const char *)data->packed + (size_t)group * work->words * AN_FIRST_VECTORS * sizeof(vecu);
    float *y = data->y + block * plane + (size_t)row * out.w * AN_BLOCK;
    for (int w = 0, pixels; w < out.w; w += pixels, y += (size_t)pixels * AN_BLOCK) {
        const first_place place = {
            work, data, block * AN_BLOCK, {y, block + 1 < blocks ? y + plane : NULL}};
        pixels = next_portion(out.w - w, first_pixels);
        first_tile_of(pixels, &place, x + w, weights);
    }
}

/* One thread's share [begin, end) of all (image, row, pair of blocks), in this order. */
static void first_share(const an_first_work *work, const an_first_data *data, int64_t begin,
                        int64_t end, uint32_t *picture) {
    const an_layer *layer = work->layer;
    const an_shape in = layer->in, out = layer->out;
    const int blocks = (out.c + AN_BLOCK - 1) / AN_BLOCK;
    const int groups = (blocks + AN_FIRST_VECTORS - 1) / AN_FIRST_VECTORS;
    an_first_data here = *data; /* of one image */
    int taken = 0;              /* rows of it */
    for (int64_t i = begin; i < end; i++) {
        const int64_t image = i / groups / out.h;
        const int row = (int)(i / groups % out.h), group = (int)(i % groups);
        if (i == begin || (row == 0 && group == 0)) {
            here.x = data->x + (size_t)image * in.c * in.h * in.w;
            here.y = data->y + (size_t)image * blocks * out.h * out.w * AN_BLOCK;
            first_image(work, &here);
            taken = row * layer->spec.stride;
        }
        const int bottom = row * layer->spec.stride + layer->spec.kernel;
        if (taken < bottom)
            first_take_rows(work, &here, taken, bottom, picture);
        taken = bottom;
        first_row(work, &here, picture, row, group);
    }
}

static void first_walk(const an_first_work *work, const an_first_data *data) {
    const an_shape out = work->layer->out;
    const int tile = AN_FIRST_VECTORS * AN_BLOCK, threads = work->threads;
    const int64_t all = (int64_t)data->images * out.h * ((out.c + tile - 1) / tile);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int thread = 0; thread < threads; thread++)
        first_share(work, data, all * thread / threads, all * (thread + 1) / threads,
                    (uint32_t *)(void *)((char *)data->scratch + thread * work->scratch_bytes));
}
