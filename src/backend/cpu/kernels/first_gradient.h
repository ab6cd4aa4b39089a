/*
 * The gradient of a first layer's weights and biases (first_work.h), for words of one float32 or
 * two bfloat16: now those of one pixel, or of a pair of neighbouring pixels, whose products with dy
 * one instruction adds up. Included behind first_walk.h; the including file says as well
 *
 *     first_join(stride, row, n, to)   n words, of columns j, or j and j + stride
 *     first_gradients(dy, w, width)    word w of a row of dy, of B maps; zero beyond the row
 *
 * Each thread goes over its share of the images a few rows at a time. A tile is the weights of two
 * vectors of maps and one row of the window, for all of these rows: each dy is loaded once for all
 * its columns, each input once for both vectors. Sums of a few rows are then added to the thread's,
 * and those of all threads to one another, in order.
 */

/* What lies behind one another in a thread's scratch. */
typedef struct first_sums {
    float *weights; /* (maps / 2 B, C, K, K, 2, B) */
    float *biases;  /* (maps) */
    uint32_t *x;    /* (C, rows, line) */
    uint32_t *dy;   /* (maps / 2 B, gradient_rows, pairs, 2, B) */
    first_element *row;
} first_sums;

static inline int first_pairs(const an_first_work *work) {
    return (work->layer->out.w + work->elements - 1) / work->elements;
}

/* Rows of the input that `rows` rows of the output see. */
static inline int first_seen(const an_first_work *work, int rows) {
    return (rows - 1) * work->layer->spec.stride + work->layer->spec.kernel;
}

static first_sums first_sums_of(const an_first_work *work, const an_first_data *data, int thread) {
    const int kernel = work->layer->spec.kernel, maps = work->layer->in.c;
    first_sums sums;
    sums.weights = (float *)(void *)((char *)data->scratch + (size_t)thread * work->gradient_bytes);
    sums.biases = sums.weights + (size_t)work->maps * maps * kernel * kernel;
    sums.dy = (uint32_t *)(void *)(sums.biases + work->maps);
    sums.x = sums.dy + (size_t)work->maps * AN_FIRST_GRADIENT_ROWS * first_pairs(work);
    sums.row = (first_element *)(void *)(sums.x + (size_t)maps * work->line *
                                                      first_seen(work, AN_FIRST_GRADIENT_ROWS));
    return sums;
}

/* The input that rows [top, bottom) of an image's output see. */
static void first_take_x(const an_first_work *work, an_first_data *data, int top, int bottom,
                         const first_sums *sums) {
    const an_shape in = work->layer->in;
    const int stride = work->layer->spec.stride, pad = work->layer->spec.pad;
    const int seen = first_seen(work, bottom - top);
    const int length = work->line + (work->elements - 1) * stride;
    for (int c = 0; c < in.c; c++) {
        for (int i = 0; i < seen; i++) {
            const int h = top * stride - pad + i;
            const float *line = h >= 0 && h < in.h ? data->x + ((size_t)c * in.h + h) * in.w : NULL;
            first_pad(work, data, line, length, sums->row);
            first_join(stride, sums->row, work->line,
                       sums->x + ((size_t)c * seen + i) * work->line);
        }
    }
}

/* The gradients of those rows; their sums are added to those of the biases. */
static void first_take_dy(const an_first_work *work, const an_first_data *data, int top, int bottom,
                          const first_sums *sums) {
    const an_shape out = work->layer->out;
    const int pairs = first_pairs(work), rows = bottom - top;
    for (int map = 0; map < work->maps; map += AN_BLOCK) {
        const int vector = map / AN_BLOCK, group = vector / AN_FIRST_VECTORS;
        uint32_t *to = sums->dy + ((size_t)group * rows * pairs * AN_FIRST_VECTORS +
                                   vector % AN_FIRST_VECTORS) *
                                      AN_BLOCK;
        vec sum = {0};
        for (int h = top; h < bottom; h++) {
            const float *row = data->dy + ((size_t)vector * out.h + h) * out.w * AN_BLOCK;
            for (int w = 0; w < pairs; w++, to += (size_t)AN_FIRST_VECTORS * AN_BLOCK) {
                vecu word = {0};
                if (map < out.c)
                    word = first_gradients(row, w, out.w);
                memcpy(to, &word, sizeof word);
            }
            for (int w = 0; w < out.w && map < out.c; w++)
                sum += load(row + (size_t)w * AN_BLOCK);
        }
        store(sums->biases + map, load(sums->biases + map) + sum);
    }
}

/* `taps`, a constant where this is inlined, columns of one row of the window. */
static inline __attribute__((always_inline)) void first_add_taps(const int taps,
                                                                 const an_first_work *work,
                                                                 int rows, const uint32_t *x,
                                                                 const uint32_t *dy, float *sums) {
    const size_t step = (size_t)work->elements * work->layer->spec.stride;
    const size_t line = (size_t)work->layer->spec.stride * work->line;
    const int pairs = first_pairs(work);
    vec a[first_pixels], b[first_pixels];
#pragma GCC unroll 14
    for (int t = 0; t < taps; t++)
        a[t] = b[t] = (vec){0};
    for (int h = 0; h < rows; h++) {
        const uint32_t *word = x + h * line;
        for (int w = 0; w < pairs; w++, word += step) {
            const vecu dy_a = first_load((const char *)dy);
            const vecu dy_b = first_load((const char *)(dy + AN_BLOCK));
            dy += (size_t)AN_FIRST_VECTORS * AN_BLOCK;
#pragma GCC unroll 14
            for (int t = 0; t < taps; t++) {
                const vecu value = word[t] - (vecu){0};
                a[t] = first_dot(a[t], dy_a, value);
                b[t] = first_dot(b[t], dy_b, value);
            }
        }
    }
#pragma GCC unroll 14
    for (int t = 0; t < taps; t++, sums += (size_t)AN_FIRST_VECTORS * AN_BLOCK) {
        store(sums, load(sums) + a[t]);
        store(sums + AN_BLOCK, load(sums + AN_BLOCK) + b[t]);
    }
}

static void first_add(int taps, const an_first_work *work, int rows, const uint32_t *x,
                      const uint32_t *dy, float *sums) {
    AN_FIRST_SWITCH(taps, first_add_taps, work, rows, x, dy, sums)
}

/* Adds what rows [top, bottom) of an image's output say. */
static void first_add_rows(const an_first_work *work, an_first_data *data, int top, int bottom,
                           const first_sums *sums) {
    const int kernel = work->layer->spec.kernel, rows = bottom - top;
    const int tile = AN_FIRST_VECTORS * AN_BLOCK, seen = first_seen(work, rows);
    float *weights = sums->weights;
    first_take_x(work, data, top, bottom, sums);
    first_take_dy(work, data, top, bottom, sums);
    for (int group = 0; group < work->maps / tile; group++) {
        const uint32_t *dy = sums->dy + (size_t)group * rows * first_pairs(work) * tile;
        for (int i = 0; i < work->layer->in.c * kernel; i++) {
            const int c = i / kernel, r = i % kernel;
            const uint32_t *x = sums->x + ((size_t)c * seen + r) * work->line;
            for (int s = 0; s < kernel; s += first_pixels) {
                const int taps = smaller(first_pixels, kernel - s);
                first_add(taps, work, rows, x + s, dy, weights);
                weights += (size_t)taps * tile;
            }
        }
    }
}

static void first_sum_share(const an_first_work *work, const an_first_data *data, int thread) {
    const an_shape in = work->layer->in, out = work->layer->out;
    const int blocks = (out.c + AN_BLOCK - 1) / AN_BLOCK;
    const int steps = (out.h + AN_FIRST_GRADIENT_ROWS - 1) / AN_FIRST_GRADIENT_ROWS;
    const int64_t all = (int64_t)data->images * steps;
    const first_sums sums = first_sums_of(work, data, thread);
    an_first_data here = *data;
    memset(sums.weights, 0, (size_t)((float *)(void *)sums.dy - sums.weights) * sizeof(float));
    for (int64_t i = all * thread / work->threads; i < all * (thread + 1) / work->threads; i++) {
        const int64_t image = i / steps;
        const int top = (int)(i % steps) * AN_FIRST_GRADIENT_ROWS;
        here.x = data->x + (size_t)image * in.c * in.h * in.w;
        here.dy = data->dy + (size_t)image * blocks * out.h * out.w * AN_BLOCK;
        first_add_rows(work, &here, top, smaller(top + AN_FIRST_GRADIENT_ROWS, out.h), &sums);
    }
}

/* One map's gradients, of the sums of all threads. */
static void first_collect(const an_first_work *work, const an_first_data *data, int map) {
    const size_t taps =
        (size_t)work->layer->in.c * work->layer->spec.kernel * work->layer->spec.kernel;
    const int tile = AN_FIRST_VECTORS * AN_BLOCK;
    float *dw = data->dw + (size_t)map * taps;
    memset(dw, 0, taps * sizeof *dw);
    data->db[map] = 0;
    for (int thread = 0; thread < work->threads; thread++) {
        const first_sums sums = first_sums_of(work, data, thread);
        const float *weights = sums.weights + (size_t)(map / tile) * taps * tile + map % tile;
        for (size_t i = 0; i < taps; i++)
            dw[i] += weights[i * tile];
        data->db[map] += sums.biases[map];
    }
}

static void first_add_up(const an_first_work *work, const an_first_data *data) {
    const int threads = work->threads;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static, 1)
        for (int thread = 0; thread < threads; thread++)
            first_sum_share(work, data, thread);
#pragma omp for schedule(static)
        for (int map = 0; map < work->layer->out.c; map++)
            first_collect(work, data, map);
    }
}
