/*
 * Winograd's convolution (../winograd.h). In a round of images:
 *
 *     inputs   (chunk, point, tile, C)         each input tile at every point, B maps at once
 *     weights  (panel, point, C / groups, 2B)  a panel is 2B maps of the output, one group's
 *     products (point, tile, 2B)               a chunk's tiles by a panel, in a core's own cache
 *
 * In less than float32 the products are of 16-bit integers (product_int16.h): each tile has a scale
 * at every point, and so has each map of the weights. They have 11 or 12 bits and a sign, which is
 * finer than bfloat16's 8 bits, of which the transforms' own cancellation would not leave enough.
 *
 * Threads first share the inputs among them, then pairs of chunk and panel. A thread transforms one
 * block of maps of all tiles at a time, or of integers, which have one scale, all maps of a tile;
 * where the inputs are phases of plain images, it takes those out of the image before.
 */
#include "backend/cpu/kernels/winograd_tables.h"

enum { most_points = 8 };

/* ---- Transforms: out (rows, rows) = M in M^T, in (columns, columns), of B maps at once. */

/* M (rows, columns) times a column of `in`, or M^T where the matrix stands transposed. Constants
 * wherever it is inlined, so that what is zero costs nothing. */
static inline __attribute__((always_inline)) vec weighted(const int row, const int rows,
                                                          const int columns, const float *matrix,
                                                          const bool transposed, const vec *in,
                                                          const int stride) {
    vec sum = {0};
#pragma GCC unroll 8
    for (int c = 0; c < columns; c++) {
        const float factor = transposed ? matrix[c * rows + row] : matrix[row * columns + c];
        if (factor == 1)
            sum += in[c * stride];
        else if (factor == -1)
            sum -= in[c * stride];
        else if (factor != 0)
            sum = multiply_add(broadcast(factor), in[c * stride], sum);
    }
    return sum;
}

static inline __attribute__((always_inline)) void sandwich(const int rows, const int columns,
                                                           const float *matrix,
                                                           const bool transposed, const vec *in,
                                                           vec *out) {
    vec half[most_points * most_points];
#pragma GCC unroll 8
    for (int c = 0; c < columns; c++)
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            half[r * columns + c] = weighted(r, rows, columns, matrix, transposed, in + c, columns);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int s = 0; s < rows; s++)
            out[r * rows + s] =
                weighted(s, rows, columns, matrix, transposed, half + r * columns, 1);
}

/* The transforms of F(m x m, r x r) with p points. */
typedef struct winograd_transforms {
    void (*input)(const vec *in, vec *out);           /* (p, p) = B^T d B */
    void (*weights)(const vec *in, vec *out);         /* (p, p) = G w G^T */
    void (*output)(const vec *in, vec *out);          /* (m, m) = A^T q A */
    void (*output_gradient)(const vec *in, vec *out); /* (p, p) = A dy A^T */
    void (*weight_gradient)(const vec *in, vec *out); /* (r, r) = G^T q G */
} winograd_transforms;

#define WINOGRAD(m, r, p)                                                                          \
    static void input_##m##_##r(const vec *in, vec *out) {                                         \
        sandwich(p, p, bt_##p, false, in, out);                                                    \
    }                                                                                              \
    static void weights_##m##_##r(const vec *in, vec *out) {                                       \
        sandwich(p, r, g_##p##_##r, false, in, out);                                               \
    }                                                                                              \
    static void output_##m##_##r(const vec *in, vec *out) {                                        \
        sandwich(m, p, at_##p##_##m, false, in, out);                                              \
    }                                                                                              \
    static void output_gradient_##m##_##r(const vec *in, vec *out) {                               \
        sandwich(p, m, at_##p##_##m, true, in, out);                                               \
    }                                                                                              \
    static void weight_gradient_##m##_##r(const vec *in, vec *out) {                               \
        sandwich(r, p, g_##p##_##r, true, in, out);                                                \
    }
#define WINOGRAD_ROW(m, r)                                                                         \
    [AN_WINOGRAD_##m##_##r] = {input_##m##_##r, weights_##m##_##r, output_##m##_##r,               \
                               output_gradient_##m##_##r, weight_gradient_##m##_##r}

WINOGRAD(2, 3, 4)
WINOGRAD(4, 3, 6)
WINOGRAD(5, 3, 7)
WINOGRAD(2, 5, 6)
WINOGRAD(4, 5, 8)

static const winograd_transforms transforms[AN_WINOGRAD_ALGORITHMS] = {
    WINOGRAD_ROW(2, 3), WINOGRAD_ROW(4, 3), WINOGRAD_ROW(5, 3),
    WINOGRAD_ROW(2, 5), WINOGRAD_ROW(4, 5),
};

/* ---- A round. */

/* Where things lie. */
typedef struct winograd_round {
    const an_winograd *w;
    int points;      /* p^2 */
    int images;      /* of this round */
    int tiles;       /* of an image */
    int chunks;      /* of this round */
    int depth;       /* C / groups */
    float *products; /* one set a thread */
    float *phases;   /* what a thread has taken out of an image */
    float *inputs;
    int16_t *integers; /* int16: the inputs, what one is worth (chunk, point, tile), */
    float *units;
    float *tile; /* and a tile before it is rounded (point, C) a thread */
} winograd_round;

/* Floats of a block of maps of one image. */
static inline size_t block_floats(const an_winograd *w) {
    return (size_t)w->in.h * w->in.w * AN_BLOCK;
}

static winograd_round winograd_round_of(const an_winograd *w, int images, float *work) {
    winograd_round round = {.w = w,
                            .points = w->points * w->points,
                            .images = images,
                            .tiles = w->tiles_down * w->tiles_across,
                            .depth = w->in.c / w->groups,
                            .products = work};
    round.chunks = (images * round.tiles + w->chunk - 1) / w->chunk;
    round.phases = work + (size_t)w->threads * round.points * w->chunk * panel;
    round.inputs = round.phases + w->threads * an_winograd_phase_floats(w);
    round.tile = round.inputs;
    round.units = round.tile + (size_t)w->threads * round.points * w->in.c;
    round.integers =
        (int16_t *)(void *)(round.units + (size_t)round.chunks * w->chunk * round.points);
    return round;
}

/* The row of (chunk, point, tile). */
static inline size_t row_at(const winograd_round *round, int chunk, int point, int tile) {
    return ((size_t)chunk * round->points + point) * round->w->chunk + tile;
}

static inline float *inputs_at(const winograd_round *round, int chunk, int point, int tile) {
    const size_t matrix = an_winograd_matrix_floats(round->w);
    return round->inputs + ((size_t)chunk * round->points + point) * matrix +
           (size_t)tile * round->w->in.c;
}

/* The products, or output gradients, of the running thread's chunk. */
static inline float *products_at(const winograd_round *round, int point, int tile) {
    const size_t set = (size_t)round->points * round->w->chunk * panel;
    return round->products + omp_get_thread_num() * set +
           ((size_t)point * round->w->chunk + tile) * panel;
}

/* Tiles of a chunk: all but the last are full. */
static inline int tiles_of(const winograd_round *round, int chunk) {
    return smaller(round->w->chunk, round->images * round->tiles - chunk * round->w->chunk);
}

/* The pixels (size, size) from (top, left) of a picture (H, W, B), zero outside of it. */
static inline void read_tile(const float *picture, int height, int width, int top, int left,
                             int size, vec *tile) {
    const vec zero = {0};
    const int first = left < 0 ? -left : 0, end = smaller(size, width - left);
    for (int h = top; h < top + size; h++, tile += size) {
        const float *row = picture + ((ptrdiff_t)h * width + left) * AN_BLOCK;
        const bool outside = h < 0 || h >= height;
        for (int i = 0; i < size; i++)
            tile[i] = outside || i < first || i >= end ? zero : load(row + (ptrdiff_t)i * AN_BLOCK);
    }
}

/* Every S pixels of a row of a plain image, from column `first` on, next to each other in `count`
 * pixels of some maps; zero outside the image. A row of NULL is outside of it. */
static inline __attribute__((always_inline)) void
take_phases_of_row(const int stride, const float *row, int width, int first, int count, float *to) {
    for (int i = 0; i < count; i++, first += stride, to += AN_BLOCK) {
        if (row && first >= 0 && first + stride <= width)
            memcpy(to, row + first, stride * sizeof *to);
        else
            for (int q = 0; q < stride; q++)
                to[q] = row && first + q >= 0 && first + q < width ? row[first + q] : 0;
    }
}

/* Rows [top, top + rows) of a block of maps, the phases (c, p, q) of a plain image, to `to` (rows,
 * W, B). */
static void take_phases(const an_winograd *w, const float *image, int block, int top, int rows,
                        float *to) {
    const int stride = w->phases.stride, pad = w->phases.pad;
    const an_shape in = w->phases.image;
    for (int lane = 0; lane < AN_BLOCK; lane += stride) {
        const int map = block * AN_BLOCK + lane, p = map / stride % stride;
        const float *plane = image + (size_t)(map / stride / stride) * in.h * in.w;
        for (int h = 0; h < rows; h++) {
            const int from = (top + h) * stride + p - pad;
            const float *row = from >= 0 && from < in.h ? plane + (size_t)from * in.w : NULL;
            float *line = to + (size_t)h * w->in.w * AN_BLOCK + lane;
            if (stride == 4) /* that of every AlexNet */
                take_phases_of_row(4, row, in.w, -pad, w->in.w, line);
            else
                take_phases_of_row(stride, row, in.w, -pad, w->in.w, line);
        }
    }
}

/* Floats of an image as it comes. */
static inline size_t image_floats(const an_winograd *w) {
    return an_shape_count(w->phases.stride > 1 ? w->phases.image : w->in);
}

/* A block of maps (H, W, B) of an image. */
static const float *maps_of(const winograd_round *round, int image, int block, const float *x) {
    const an_winograd *w = round->w;
    const float *from = x + image * image_floats(w);
    if (w->phases.stride == 1)
        return from + block * block_floats(w);
    float *phases = round->phases + omp_get_thread_num() * an_winograd_phase_floats(w);
    take_phases(w, from, block, 0, w->in.h, phases);
    return phases;
}

/* All tiles of one block of maps of one image, transformed. */
static void transform_inputs(const winograd_round *round, int image, int block, const float *x) {
    const an_winograd *w = round->w;
    const float *picture = maps_of(round, image, block, x);
    const size_t matrix = an_winograd_matrix_floats(w);
    int index = image * round->tiles;
    vec tile[most_points * most_points], values[most_points * most_points];
    for (int row = 0; row < w->tiles_down; row++) {
        for (int column = 0; column < w->tiles_across; column++, index++) {
            read_tile(picture, w->in.h, w->in.w, row * w->tile - w->pad, column * w->tile - w->pad,
                      w->points, tile);
            transforms[w->algorithm].input(tile, values);
            float *to = inputs_at(round, index / w->chunk, 0, index % w->chunk) + block * AN_BLOCK;
            for (int p = 0; p < round->points; p++)
                store(to + p * matrix, values[p]);
        }
    }
}

/* A chunk's products with a panel of weights, at every point. */
static void multiply_chunk(const winograd_round *round, int chunk, int panel_index,
                           const float *weights) {
    const an_winograd *w = round->w;
    const int tiles = tiles_of(round, chunk), depth = round->depth;
    const int group = panel_index * panel / (w->out.c / w->groups);
    const float *b = weights + (size_t)panel_index * round->points * depth * panel;
    for (int p = 0; p < round->points; p++, b += (size_t)depth * panel)
        for (int t = 0, rows; t < tiles; t += rows) {
            rows = next_rows(tiles - t);
            products[rows - 1](depth, inputs_at(round, chunk, p, t) + group * depth, w->in.c, b,
                               false, products_at(round, p, t));
        }
}

#ifdef __AVX2__
/* Where a row of tiles finds its pixels: the first row of each block of maps, `height` of them, of
 * which the tiles begin with row `top`. */
typedef struct strip {
    const float *first;
    size_t block; /* floats from one block to the next */
    int height, top;
} strip;

static strip strip_of(const winograd_round *round, int image, int row, const float *x) {
    const an_winograd *w = round->w;
    const float *from = x + image * image_floats(w);
    if (w->phases.stride == 1)
        return (strip){from, block_floats(w), w->in.h, row * w->tile - w->pad};
    const size_t block = (size_t)w->points * w->in.w * AN_BLOCK;
    float *phases = round->phases + omp_get_thread_num() * an_winograd_phase_floats(w);
    for (int b = 0; b < w->in.c / AN_BLOCK; b++)
        take_phases(w, from, b, row * w->tile, w->points, phases + b * block);
    return (strip){phases, block, w->points, 0};
}

/* Tiles that a thread takes at a time: a row where the phases of one are taken out together. */
static inline int tiles_together(const an_winograd *w) {
    return w->phases.stride > 1 ? w->tiles_across : 1;
}

/* All maps of tiles from `first` of the round on, as many as are taken together, transformed and as
 * integers. */
static void transform_to_integers(const winograd_round *round, int first, const float *x) {
    const an_winograd *w = round->w;
    const int place = first % round->tiles;
    const strip from = strip_of(round, first / round->tiles, place / w->tiles_across, x);
    const float most = largest_integer(round->depth);
    const size_t maps = w->in.c;
    float *transformed = round->tile + omp_get_thread_num() * round->points * maps;
    vec tile[most_points * most_points], values[most_points * most_points];
    for (int i = 0; i < tiles_together(w); i++) {
        const int chunk = (first + i) / w->chunk, left = (place + i) % w->tiles_across * w->tile;
        for (int b = 0; b < w->in.c / AN_BLOCK; b++) {
            read_tile(from.first + b * from.block, from.height, w->in.w, from.top, left - w->pad,
                      w->points, tile);
            transforms[w->algorithm].input(tile, values);
            for (int p = 0; p < round->points; p++)
                store(transformed + p * maps + b * AN_BLOCK, values[p]);
        }
        for (int p = 0; p < round->points; p++) {
            const size_t to = row_at(round, chunk, p, (first + i) % w->chunk);
            quantise_row(w->in.c, most, transformed + p * maps, round->integers + to * maps,
                         round->units + to);
        }
    }
}

/* multiply_chunk of integers: weights (panel, point, depth / 2, 2B, 2), then their units. */
static void multiply_chunk_int16(const winograd_round *round, int chunk, int panel_index,
                                 const float *weights) {
    const an_winograd *w = round->w;
    const int tiles = tiles_of(round, chunk), depth = round->depth;
    const int group = panel_index * panel / (w->out.c / w->groups);
    const size_t matrix = (size_t)depth * panel, first = (size_t)panel_index * round->points;
    const int16_t *b = (const int16_t *)(const void *)weights + first * matrix;
    const float *units = weights + (size_t)round->points * depth * w->out.c / 2 + first * panel;
    product_int16_function *const *product = products_int16[w->int16];
    for (int p = 0; p < round->points; p++, b += matrix, units += panel)
        for (int t = 0, rows; t < tiles; t += rows) {
            rows = next_rows(tiles - t);
            const size_t row = row_at(round, chunk, p, t);
            product[rows - 1](depth / 2, round->integers + row * w->in.c + group * depth, w->in.c,
                              b, round->units + row, units, false, products_at(round, p, t));
        }
}
#endif

/* What becomes of the sums. */
typedef struct winograd_output {
    const float *bias; /* NULL: none */
    bool relu;
    float *y;
} winograd_output;

/* Writes a tile (m, m) of one block of maps, as far as it is inside the picture. */
static inline void write_tile(const an_winograd *w, int image, int block, int row, int column,
                              const vec *tile, const winograd_output *out) {
    const vec bias = out->bias ? load(out->bias + block * AN_BLOCK) : (vec){0};
    const int height = smaller(w->tile, w->out.h - row * w->tile);
    const int width = smaller(w->tile, w->out.w - column * w->tile);
    const size_t plane = (size_t)image * (w->out.c / AN_BLOCK) + block;
    float *corner =
        out->y + ((plane * w->out.h + row * w->tile) * w->out.w + column * w->tile) * AN_BLOCK;
    for (int h = 0; h < height; h++) {
        for (int i = 0; i < width; i++) {
            const vec sum = tile[h * w->tile + i] + bias;
            store(corner + ((size_t)h * w->out.w + i) * AN_BLOCK, out->relu ? rectified(sum) : sum);
        }
    }
}

/* A chunk's products of a panel, transformed back. */
static void transform_outputs(const winograd_round *round, int chunk, int panel_index,
                              const winograd_output *out) {
    const an_winograd *w = round->w;
    const int tiles = tiles_of(round, chunk);
    vec values[most_points * most_points], tile[most_points * most_points];
    for (int t = 0; t < tiles; t++) {
        const int index = chunk * w->chunk + t, place = index % round->tiles;
        for (int half = 0; half < 2; half++) {
            const float *from = products_at(round, 0, t) + half * AN_BLOCK;
            for (int p = 0; p < round->points; p++)
                values[p] = load(from + (size_t)p * w->chunk * panel);
            transforms[w->algorithm].output(values, tile);
            write_tile(w, index / round->tiles, 2 * panel_index + half, place / w->tiles_across,
                       place % w->tiles_across, tile, out);
        }
    }
}

static void multiply(const winograd_round *round, int chunk, int panel_index,
                     const float *weights) {
#ifdef __AVX2__
    if (round->w->int16) {
        multiply_chunk_int16(round, chunk, panel_index, weights);
        return;
    }
#endif
    multiply_chunk(round, chunk, panel_index, weights);
}

/* All inputs of a round, by the threads of the running team. */
static void transform_round(const winograd_round *round, const float *x) {
    const an_winograd *w = round->w;
#ifdef __AVX2__
    if (w->int16) {
#pragma omp for schedule(static)
        for (int tile = 0; tile < round->images * round->tiles; tile += tiles_together(w))
            transform_to_integers(round, tile, x);
        return;
    }
#endif
#pragma omp for collapse(2) schedule(static)
    for (int image = 0; image < round->images; image++)
        for (int block = 0; block < w->in.c / AN_BLOCK; block++)
            transform_inputs(round, image, block, x);
}

static void winograd_forward(const an_winograd *w, int images, const float *x, const float *weights,
                             const float *bias, bool relu, float *y, float *work) {
    const size_t in = image_floats(w), out = an_shape_count(w->out);
    const int panels = w->out.c / panel;
    for (int first = 0; first < images; first += w->round) {
        const winograd_round round = winograd_round_of(w, smaller(w->round, images - first), work);
        const winograd_output to = {bias, relu, y + first * out};
#pragma omp parallel
        {
            transform_round(&round, x + first * in);
#pragma omp for collapse(2) schedule(dynamic) nowait
            for (int p = 0; p < panels; p++) {
                for (int chunk = 0; chunk < round.chunks; chunk++) {
                    multiply(&round, chunk, p, weights);
                    transform_outputs(&round, chunk, p, &to);
                }
            }
        }
    }
}

/* ---- Weights. */

/* Where the weights of output map o and input map k (of its group) begin among plain weights (O, I
 * / groups, r, r), of which w does the forward direction or the other; or (O, C, K, K), of which k
 * is a phase of map c. */
static inline size_t weight_at(const an_winograd *w, int o, int k) {
    const int window = w->window * w->window, depth = w->in.c / w->groups;
    const int stride = w->phases.stride, kernel = w->phases.kernel;
    if (stride > 1)
        return ((size_t)o * w->phases.image.c + k / stride / stride) * kernel * kernel;
    if (!w->turned)
        return ((size_t)o * depth + k) * window;
    const int maps = w->out.c / w->groups, group = o / maps;
    return (((size_t)group * depth + k) * maps + o % maps) * window;
}

/* Where each tap of an input map's window is, from there on; -1: there is none. */
typedef struct window_taps {
    int at[most_points * most_points];
} window_taps;

static window_taps window_taps_of(const an_winograd *w, int k) {
    const int stride = w->phases.stride, kernel = w->phases.kernel;
    window_taps taps = {{0}};
    const int top = k / stride % stride, left = k % stride;
    int *at = taps.at;
    for (int row = top; row < top + w->window * stride; row += stride)
        for (int column = left; column < left + w->window * stride; column += stride)
            *at++ = row < kernel && column < kernel ? row * kernel + column : -1;
    return taps;
}

/* One block of output maps and one input map, at every point. */
static void transform_weights(const an_winograd *w, int block, int k, const float *plain,
                              float *to) {
    const int window = w->window * w->window;
    const window_taps places = window_taps_of(w, k);
    const size_t distance = (size_t)(w->in.c / w->groups) * panel;
    vec values[most_points * most_points], taps[most_points * most_points];
    for (int lane = 0; lane < AN_BLOCK; lane++) {
        const float *from = plain + weight_at(w, block * AN_BLOCK + lane, k);
        for (int i = 0; i < window; i++)
            taps[w->turned ? window - 1 - i : i][lane] = places.at[i] < 0 ? 0 : from[places.at[i]];
    }
    transforms[w->algorithm].weights(taps, values);
    for (int p = 0; p < w->points * w->points; p++)
        store(to + p * distance, values[p]);
}

/* All maps of a panel. */
static void transform_panel(const an_winograd *w, int index, const float *plain, float *weights) {
    const int depth = w->in.c / w->groups;
    for (int half = 0; half < 2; half++)
        for (int k = 0; k < depth; k++)
            transform_weights(w, 2 * index + half, k, plain,
                              weights + (size_t)k * panel + half * AN_BLOCK);
}

static void winograd_weights(const an_winograd *w, const float *plain, float *weights,
                             float *work) {
    const int panels = w->out.c / panel, points = w->points * w->points;
    const int depth = w->in.c / w->groups;
    const size_t matrix = (size_t)depth * panel, size = matrix * points;
#pragma omp parallel for schedule(dynamic)
    for (int index = 0; index < panels; index++) {
        if (!w->int16) {
            transform_panel(w, index, plain, weights + index * size);
            continue;
        }
#ifdef __AVX2__
        float *transformed = work + omp_get_thread_num() * size;
        int16_t *integers = (int16_t *)(void *)weights + index * size;
        float *units = weights + panels * size / 2 + (size_t)index * points * panel;
        transform_panel(w, index, plain, transformed);
        for (int p = 0; p < points; p++)
            quantise_panel(depth, largest_integer(depth), transformed + p * matrix,
                           integers + p * matrix, units + p * panel);
#endif
    }
    (void)work;
}

/* ---- The weights' gradient. */

/* A chunk's output gradients of a panel, transformed; adds their sums to db (2B). */
static void transform_output_gradients(const winograd_round *round, int chunk, int panel_index,
                                       const float *dy, float *db) {
    const an_winograd *w = round->w;
    const int tiles = tiles_of(round, chunk), blocks = w->out.c / AN_BLOCK;
    const size_t plane = (size_t)w->out.h * w->out.w * AN_BLOCK;
    vec values[most_points * most_points], tile[most_points * most_points];
    for (int half = 0; half < 2; half++) {
        vec sum = load(db + half * AN_BLOCK);
        for (int t = 0; t < tiles; t++) {
            const int index = chunk * w->chunk + t, place = index % round->tiles;
            read_tile(dy + ((size_t)(index / round->tiles) * blocks + 2 * panel_index + half) *
                               plane,
                      w->out.h, w->out.w, place / w->tiles_across * w->tile,
                      place % w->tiles_across * w->tile, w->tile, tile);
            for (int i = 0; i < w->tile * w->tile; i++)
                sum += tile[i];
            transforms[w->algorithm].output_gradient(tile, values);
            float *to = products_at(round, 0, t) + half * AN_BLOCK;
            for (int p = 0; p < round->points; p++)
                store(to + (size_t)p * w->chunk * panel, values[p]);
        }
        store(db + half * AN_BLOCK, sum);
    }
}

/* Adds what a chunk contributes to a panel's transformed gradient (point, C / groups, 2B). */
static void accumulate_chunk(const winograd_round *round, int chunk, int panel_index,
                             float *gradient) {
    const an_winograd *w = round->w;
    const int tiles = tiles_of(round, chunk), depth = round->depth;
    const int group = panel_index * panel / (w->out.c / w->groups);
    for (int p = 0; p < round->points; p++, gradient += (size_t)depth * panel)
        for (int k = 0, rows; k < depth; k += rows) {
            rows = next_rows(depth - k);
            products_over_steps[rows - 1](tiles, inputs_at(round, chunk, p, 0) + group * depth + k,
                                          w->in.c, products_at(round, p, 0), true,
                                          gradient + (size_t)k * panel);
        }
}

/* One block of output maps and one input map of dw (O, I / groups, r, r). */
static void transform_gradient(const an_winograd *w, int block, int k, const float *from,
                               float *dw) {
    const size_t distance = (size_t)(w->in.c / w->groups) * panel;
    const window_taps places = window_taps_of(w, k);
    vec values[most_points * most_points], taps[most_points * most_points];
    for (int p = 0; p < w->points * w->points; p++)
        values[p] = load(from + p * distance);
    transforms[w->algorithm].weight_gradient(values, taps);
    for (int lane = 0; lane < AN_BLOCK; lane++) {
        float *to = dw + weight_at(w, block * AN_BLOCK + lane, k);
        for (int i = 0; i < w->window * w->window; i++)
            if (places.at[i] >= 0)
                to[places.at[i]] = taps[i][lane];
    }
}

static void winograd_gradient(const an_winograd *w, int images, const float *x, const float *dy,
                              float *dw, float *db, float *gradient, float *work) {
    const size_t in = image_floats(w), out = an_shape_count(w->out);
    const int panels = w->out.c / panel;
    const int depth = w->in.c / w->groups;
    const size_t size = (size_t)w->points * w->points * depth * panel; /* of a panel's gradient */
    memset(db, 0, (size_t)w->out.c * sizeof *db);
#pragma omp parallel
    for (int first = 0; first < images; first += w->round) {
        const winograd_round round = winograd_round_of(w, smaller(w->round, images - first), work);
        transform_round(&round, x + first * in);
#pragma omp for schedule(dynamic)
        for (int p = 0; p < panels; p++) {
            if (first == 0)
                memset(gradient + p * size, 0, size * sizeof *gradient);
            for (int chunk = 0; chunk < round.chunks; chunk++) {
                transform_output_gradients(&round, chunk, p, dy + first * out, db + p * panel);
                accumulate_chunk(&round, chunk, p, gradient + p * size);
            }
        }
    }
#pragma omp parallel for collapse(2) schedule(static)
    for (int block = 0; block < w->out.c / AN_BLOCK; block++)
        for (int k = 0; k < depth; k++)
            transform_gradient(
                w, block, k, gradient + block / 2 * size + (size_t)k * panel + block % 2 * AN_BLOCK,
                dw);
}
