/*
 * Convolutions by tiles (../amx_conv.h). In a round of images:
 *
 *     pictures (image, group, H, W, C / groups)     in bfloat16 or bytes
 *     weights  (panel, window row, step, 2 tiles)   a panel is 32 maps of the output
 *
 * Threads first share the rows of the pictures among them, then panels and parts of pictures, or
 * whole pictures where the weights are few; a panel's weights stay in a core's second cache while
 * it goes through the pictures.
 */
#ifdef __x86_64__
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "backend/cpu/amx_conv.h"
#include "core/memory.h"

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni,avx2,fma")
#pragma GCC target("amx-tile,amx-bf16,amx-int8")
#include "backend/cpu/kernels/amx.h"
#include "backend/cpu/kernels/largest.h"

enum {
    block = 16,         /* maps of blocked activations */
    panel = 2 * block,  /* maps of the output at a time */
    pair = 2 * amx_rows /* positions at a time */
};

static int smaller(int a, int b) {
    return a < b ? a : b;
}

static int larger(int a, int b) {
    return a > b ? a : b;
}

/* Where things lie. */
typedef struct amx_layout {
    const an_amx_conv *conv;
    bool int8;
    int element;                     /* bytes */
    int depth;                       /* C / groups */
    size_t pixel, row, group, image; /* bytes */
    size_t panel;                    /* of weights */
    int maps, panels;                /* of the output, of a group */
    char *pictures;                  /* and, int8, scales behind them */
} amx_layout;

static amx_layout amx_layout_of(const an_amx_conv *conv, void *work) {
    amx_layout at = {.conv = conv,
                     .int8 = conv->precision == AN_INT8,
                     .depth = conv->view.in.c / conv->groups,
                     .maps = conv->out.c / conv->groups,
                     .panels = an_amx_conv_panels(conv) / conv->groups,
                     .group = an_amx_conv_group_bytes(conv),
                     .panel = (size_t)conv->view.window * conv->steps * 2 * amx_tile,
                     .pictures = work};
    at.element = at.int8 ? 1 : 2;
    at.pixel = (size_t)at.depth * at.element;
    at.row = at.pixel * conv->pitch;
    at.image = at.group * conv->groups;
    return at;
}

/* int8: of each picture. */
static inline float *scales_of(const amx_layout *at) {
    return (float *)(void *)(at->pictures + at->conv->round * at->image);
}

/* ---- Pictures */

/* 16 floats as elements: bfloat16, or bytes, with a sign or without. */
static inline void put(const amx_layout *at, __m512 values, __m512 factor, char *to) {
    if (!at->int8) {
        _mm256_storeu_si256((__m256i *)(void *)to, (__m256i)_mm512_cvtneps_pbh(values));
        return;
    }
    const __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(values, factor));
    const __m128i bytes =
        at->conv->signed_input
            ? _mm512_cvtsepi32_epi8(_mm512_max_epi32(whole, _mm512_set1_epi32(-127)))
            : _mm512_cvtusepi32_epi8(_mm512_max_epi32(whole, _mm512_setzero_si512()));
    _mm_storeu_si128((__m128i *)(void *)to, bytes);
}

/* A row of pixels of all maps of a group, from blocked activations. */
static void take_row(const amx_layout *at, const float *from, size_t plane, __m512 factor,
                     char *to) {
    for (int w = 0; w < at->conv->view.in.w; w++, to += at->pixel)
        for (int b = 0; b < at->depth / block; b++)
            put(at, _mm512_loadu_ps(from + (size_t)b * plane + (size_t)w * block), factor,
                to + (size_t)b * block * at->element);
}

/* `count` parts of `bytes` each, `distance` apart: bytes is a constant where it is inlined. */
static inline __attribute__((always_inline)) void deal(const char *parts, const size_t bytes,
                                                       int count, char *to, size_t distance) {
    for (int i = 0; i < count; i++)
        memcpy(to + i * distance, parts + i * bytes, bytes);
}

/* The columns from `first` on, of `width`, of 16 that are looked at. */
static inline __mmask16 inside(int first, int width) {
    const unsigned from = first < 0 ? ~0u << smaller(-first, block) : ~0u;
    const unsigned to = width - first >= block ? ~0u : (1u << larger(width - first, 0)) - 1;
    return (__mmask16)(from & to);
}

/* A row of phases, of rows of a plain image: each S pixels of a row are neighbouring maps. */
static void take_phase_row(const amx_layout *at, const float *image, int h, __m512 factor,
                           char *to) {
    const an_phase_maps *phases = &at->conv->view.phases;
    const int stride = phases->stride, pixels = at->conv->view.in.w, width = phases->image.w;
    const int together = block / stride;
    const size_t part = (size_t)stride * at->element;
    for (int line = 0; line < phases->image.c * stride; line++, to += part) {
        const int from = h * stride + line % stride - phases->pad;
        const bool there = from >= 0 && from < phases->image.h;
        const float *row =
            there ? image + ((size_t)line / stride * phases->image.h + from) * width : image;
        for (int w = 0; w < pixels; w += together) {
            _Alignas(AN_ALIGNMENT) char parts[block * 2];
            const int column = w * stride - phases->pad;
            const __mmask16 mask = there ? inside(column, width) : 0;
            const int count = smaller(together, pixels - w);
            put(at, _mm512_maskz_loadu_ps(mask, row + column), factor, parts);
            char *pixel = to + w * at->pixel;
            if (part == 8) /* AlexNet's S = 4, in bfloat16 */
                deal(parts, 8, count, pixel, at->pixel);
            else if (part == 4) /* and in bytes */
                deal(parts, 4, count, pixel, at->pixel);
            else
                deal(parts, part, count, pixel, at->pixel);
        }
    }
}

/* Row h, of H and the edges above and below, of a picture; behind the last all that is left. */
static void take_picture_row(const amx_layout *at, const float *x, int h, float scale,
                             char *picture) {
    const an_view *view = &at->conv->view;
    const __m512 factor = _mm512_set1_ps(scale > 0 ? 1 / scale : 0);
    const size_t edge = view->pad * at->pixel, plane = (size_t)view->in.h * view->in.w * block;
    const bool last = h == view->in.h + 2 * view->pad - 1;
    for (int g = 0; g < at->conv->groups; g++) {
        char *to = picture + g * at->group + h * at->row;
        const int from = h - view->pad;
        if (from < 0 || from >= view->in.h) {
            memset(to, 0, last ? at->group - h * at->row : at->row);
            continue;
        }
        memset(to, 0, edge);
        if (view->phases.stride > 1)
            take_phase_row(at, x, from, factor, to + edge);
        else
            take_row(at,
                     x + (size_t)g * at->depth / block * plane + (size_t)from * view->in.w * block,
                     plane, factor, to + edge);
        if (last)
            memset(to + at->row, 0, at->group - (h + 1) * at->row);
    }
}

/* What a byte of a picture is worth: NaN where something in it is not finite. */
static float scale_of(const amx_layout *at, const float *x, float range) {
    const float levels = at->conv->signed_input ? 127 : 255;
    const float most = largest(x, (int)an_view_image_floats(&at->conv->view));
    return (range > 0 && most <= INFINITY ? range : most) / levels;
}

/* By the threads of the running team. */
static void take_pictures(const amx_layout *at, int images, const float *x, float range) {
    const an_view *view = &at->conv->view;
    const size_t floats = an_view_image_floats(view);
    if (at->int8) {
#pragma omp for schedule(static)
        for (int image = 0; image < images; image++)
            scales_of(at)[image] = scale_of(at, x + image * floats, range);
    }
#pragma omp for collapse(2) schedule(static)
    for (int image = 0; image < images; image++)
        for (int h = 0; h < view->in.h + 2 * view->pad; h++)
            take_picture_row(at, x + image * floats, h, at->int8 ? scales_of(at)[image] : 0,
                             at->pictures + image * at->image);
}

/* ---- Products */

/* What becomes of the sums. */
typedef struct amx_output {
    const char *weights;
    const float *bias;   /* NULL: none */
    const float *scales; /* int8: of each map's weights */
    bool relu;
    float *y;
} amx_output;

/* C += A B for a pair of tiles of positions and a panel, over `steps` steps of each row of the
 * window. */
#define AMX_PRODUCTS(dot)                                                                          \
    for (int k = 0; k < window; k++, x += row) {                                                   \
        for (int s = 0; s < steps; s++, w += 2 * amx_tile) {                                       \
            _tile_loadd(6, w, amx_row);                                                            \
            _tile_loadd(4, x + s * amx_row, pixel);                                                \
            dot(0, 4, 6);                                                                          \
            _tile_loadd(7, w + amx_tile, amx_row);                                                 \
            dot(1, 4, 7);                                                                          \
            _tile_loadd(5, x + s * amx_row + amx_rows * pixel, pixel);                             \
            dot(2, 5, 6);                                                                          \
            dot(3, 5, 7);                                                                          \
        }                                                                                          \
    }

/* sums (2, 2, 16, 16): positions' halves, maps' halves. */
static void multiply_pair(const amx_layout *at, const char *x, const char *w, void *sums) {
    const int window = at->conv->view.window, steps = at->conv->steps;
    const size_t pixel = at->pixel, row = at->row;
    char *to = sums;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (!at->int8) {
        AMX_PRODUCTS(_tile_dpbf16ps)
    } else if (at->conv->signed_input) {
        AMX_PRODUCTS(_tile_dpbssd)
    } else {
        AMX_PRODUCTS(_tile_dpbusd)
    }
    _tile_stored(0, to, amx_row);
    _tile_stored(1, to + amx_tile, amx_row);
    _tile_stored(2, to + 2 * amx_tile, amx_row);
    _tile_stored(3, to + 3 * amx_tile, amx_row);
}

/* Sums of a position and 16 maps, as they are written. */
typedef struct amx_ending {
    __m512 bias, scale;
    bool int8, relu;
} amx_ending;

static inline __m512 finish(const amx_ending *end, const char *sums) {
    __m512 y;
    if (end->int8)
        y = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums)), end->scale);
    else
        y = _mm512_load_ps(sums);
    y = _mm512_add_ps(y, end->bias);
    if (end->relu) /* NaN stays NaN */
        y = _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_LE_OQ),
                               _mm512_setzero_ps());
    return y;
}

/* The first of the output's maps in half of a panel; -1: of the last panel of a group there is only
 * one. */
static int map_of(const amx_layout *at, int index, int half) {
    const int map = index % at->panels * panel + half * block;
    return map < at->maps ? index / at->panels * at->maps + map : -1;
}

/* Writes a tile's sums of 16 positions, as far as they are in the picture, run by run of a row. */
static inline void write_tile(const an_amx_conv *conv, const amx_ending *end, int first,
                              const char *sums, float *y) {
    const int last = first + amx_rows, width = conv->out.w;
    for (int q = first, run; q < last; q += run) {
        const int h = q / conv->pitch, w = q % conv->pitch;
        if (h >= conv->out.h)
            break;
        run = smaller(last - q, conv->pitch - w);
        float *to = y + ((size_t)h * width + w) * block;
        for (int i = 0; i < smaller(run, width - w); i++)
            _mm512_store_ps(to + (size_t)i * block, finish(end, sums + (q - first + i) * amx_row));
    }
}

/* Writes a panel's sums of the positions from `first` on. */
static void write_pair(const amx_layout *at, const amx_output *out, int image, int index, int first,
                       const char *sums) {
    const an_amx_conv *conv = at->conv;
    const size_t plane = (size_t)conv->out.h * conv->out.w;
    for (int half = 0; half < 2; half++) {
        const int map = map_of(at, index, half);
        if (map < 0)
            break;
        amx_ending end = {.int8 = at->int8, .relu = out->relu};
        end.bias = out->bias ? _mm512_loadu_ps(out->bias + map) : _mm512_setzero_ps();
        if (at->int8)
            end.scale = _mm512_mul_ps(_mm512_loadu_ps(out->scales + map),
                                      _mm512_set1_ps(scales_of(at)[image]));
        float *y = out->y + ((size_t)image * conv->out.c + map) * plane;
        write_tile(conv, &end, first, sums + half * amx_tile, y);
        write_tile(conv, &end, first + amx_rows, sums + (2 + half) * amx_tile, y);
    }
}

/* A panel of the output of an image, from one position to another. */
static void compute(const amx_layout *at, const amx_output *out, int image, int index, int first,
                    int last) {
    const char *x = at->pictures + image * at->image + index / at->panels * at->group;
    const char *w = out->weights + index * at->panel;
    _Alignas(AN_ALIGNMENT) char sums[4 * amx_tile];
    for (int q = first; q < last; q += pair) {
        multiply_pair(at, x + q * at->pixel, w, sums);
        write_pair(at, out, image, index, q, sums);
    }
}

/* Into how many parts the positions of a picture are cut, so that threads have about the same to
 * do: one where there are many pictures. */
static int parts_of(const an_amx_conv *conv, int images) {
    const int tasks = images * an_amx_conv_panels(conv), enough = 8 * conv->threads;
    return smaller(conv->positions / pair, (enough + tasks - 1) / tasks);
}

/* Whether each thread takes whole images, and so finds and leaves their maps in its own caches:
 * where all weights fit beside them, and no thread would wait. */
static bool keeps_images(const amx_layout *at, int images) {
    const size_t weights = an_amx_conv_panels(at->conv) * at->panel;
    return images % at->conv->threads == 0 && weights <= (size_t)1 << 18;
}

static void amx_conv_forward(const an_amx_conv *conv, int images, const float *x,
                             const void *packed, const float *bias, bool relu, float *y,
                             void *work) {
    const amx_layout at = amx_layout_of(conv, work);
    const int panels = an_amx_conv_panels(conv), pairs = conv->positions / pair;
    const float *scales = (const float *)(const void *)((const char *)packed + panels * at.panel);
    const size_t in = an_view_image_floats(&conv->view), out = an_shape_count(conv->out);
#pragma omp parallel
    {
        amx_begin();
        for (int first = 0; first < images; first += conv->round) {
            const int some = smaller(conv->round, images - first), parts = parts_of(conv, some);
            const amx_output to = {packed, bias, scales, relu, y + first * out};
            take_pictures(&at, some, x + first * in, at.int8 ? scales[conv->out.c] : 0);
            if (keeps_images(&at, some)) {
#pragma omp for schedule(static)
                for (int image = 0; image < some; image++)
                    for (int p = 0; p < panels; p++)
                        compute(&at, &to, image, p, 0, conv->positions);
                continue;
            }
#pragma omp for collapse(3) schedule(dynamic)
            for (int p = 0; p < panels; p++)
                for (int image = 0; image < some; image++)
                    for (int part = 0; part < parts; part++)
                        compute(&at, &to, image, p, part * pairs / parts * pair,
                                (part + 1) * pairs / parts * pair);
        }
        amx_end();
    }
}

/* ---- Weights */

/* Where plain weights are: of 16 output maps from `o` on, and of an element of a window's row. */
typedef struct amx_taps {
    const float *from; /* of the first map; NULL: there are none */
    int distance;      /* floats to the next map's */
} amx_taps;

static amx_taps taps_at(const amx_layout *at, const float *plain, int o, int row, int element) {
    const an_amx_conv *conv = at->conv;
    const an_phase_maps *phases = &conv->view.phases;
    const int window = conv->view.window, stride = phases->stride, kernel = phases->kernel;
    const int column = element / at->depth, map = element % at->depth;
    if (column >= window)
        return (amx_taps){0};
    if (stride > 1) {
        const int h = row * stride + map / stride % stride, w = column * stride + map % stride;
        const int inputs = phases->image.c, c = map / stride / stride;
        if (h >= kernel || w >= kernel)
            return (amx_taps){0};
        return (amx_taps){plain + (((size_t)o * inputs + c) * kernel + h) * kernel + w,
                          inputs * kernel * kernel};
    }
    const int taps = window * window, tap = row * window + column;
    if (conv->pass != AN_PASS_INPUT)
        return (amx_taps){plain + ((size_t)o * at->depth + map) * taps + tap, at->depth * taps};
    /* Plain weights are (depth of all groups, out.c / groups, K, K) then, and turned. */
    const int outputs = conv->out.c / conv->groups, group = o / outputs;
    return (amx_taps){plain + (((size_t)group * at->depth + map) * outputs + o % outputs) * taps +
                          taps - 1 - tap,
                      taps};
}

static inline __m512 gather(const amx_taps *taps) {
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    if (!taps->from)
        return _mm512_setzero_ps();
    return _mm512_i32gather_ps(_mm512_mullo_epi32(lanes, _mm512_set1_epi32(taps->distance)),
                               taps->from, sizeof(float));
}

/* Four bytes of each of 16 output maps. */
static __m512i pack_group(const amx_layout *at, const float *plain, int o, int row, int element,
                          __m512 factor) {
    __m512i group = _mm512_setzero_si512();
    for (int i = 0; i < 4 / at->element; i++) {
        const amx_taps taps = taps_at(at, plain, o, row, element + i);
        const __m512 weights = gather(&taps);
        const __m512i bits =
            at->int8 ? _mm512_and_si512(_mm512_cvtps_epi32(_mm512_mul_ps(weights, factor)),
                                        _mm512_set1_epi32(0xff))
                     : _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(weights));
        group =
            _mm512_or_si512(group, _mm512_sllv_epi32(bits, _mm512_set1_epi32(8 * i * at->element)));
    }
    return group;
}

/* What the integers of each of 16 maps' weights are worth; NaN where not all weights are finite. */
static __m512 weight_scales(const amx_layout *at, const float *plain, int o) {
    const an_view *view = &at->conv->view;
    const int stride = view->phases.stride, kernel = view->phases.kernel;
    const size_t count = stride > 1 ? (size_t)view->phases.image.c * kernel * kernel
                                    : (size_t)at->depth * view->window * view->window;
    float scales[block];
    for (int i = 0; i < block; i++)
        scales[i] = largest(plain + (o + i) * count, (int)count) / 127;
    return _mm512_loadu_ps(scales);
}

/* 16 maps, which are half of a panel. */
static void pack_half(const amx_layout *at, const float *plain, int index, int half, char *weights,
                      float *scales) {
    const int o = map_of(at, index, half), window = at->conv->view.window, steps = at->conv->steps;
    char *to = weights + index * at->panel + half * amx_tile;
    if (o < 0)
        return;
    __m512 factor = _mm512_setzero_ps();
    if (at->int8) {
        const __m512 scale = weight_scales(at, plain, o);
        const __mmask16 some = _mm512_cmp_ps_mask(scale, _mm512_setzero_ps(), _CMP_GT_OQ);
        factor = _mm512_maskz_div_ps(some, _mm512_set1_ps(1), scale);
        _mm512_storeu_ps(scales + o, scale);
    }
    for (int row = 0; row < window; row++)
        for (int s = 0; s < steps; s++, to += 2 * amx_tile)
            for (int r = 0; r < amx_rows; r++)
                _mm512_store_si512(
                    to + r * amx_row,
                    pack_group(at, plain, o, row, (s * amx_row + 4 * r) / at->element, factor));
}

static void amx_conv_pack(const an_amx_conv *conv, const float *weights, float range,
                          void *packed) {
    const amx_layout at = amx_layout_of(conv, NULL);
    const int panels = an_amx_conv_panels(conv);
    float *scales = (float *)(void *)((char *)packed + panels * at.panel);
    if (at.int8)
        scales[conv->out.c] = range;
#pragma omp parallel for collapse(2) schedule(dynamic)
    for (int p = 0; p < panels; p++)
        for (int half = 0; half < 2; half++)
            pack_half(&at, weights, p, half, packed, scales);
}

/* ---- The weights' gradient. In a round of images, besides the pictures:
 *
 *     pairs     (image, group, C / 16, position, 16, 2)   a pixel's maps beside the next pixel's
 *     turned    (image, O / 16, position / 32, 16, 32)    the output's gradient
 *     gradient  (O / 16, C / groups / 16, tap, 16, 16)    float32, of all rounds
 */

typedef struct amx_gradient {
    const amx_layout *at;
    int taps, depth_blocks, steps; /* steps of 32 positions */
    size_t lines;                  /* of pairs, of a block of maps */
    char *pairs, *turned;
    float *sums, *gradient; /* sums: (image, O) of dy */
} amx_gradient;

static amx_gradient amx_gradient_of(const amx_layout *at, char *work) {
    const an_amx_conv *conv = at->conv;
    const int window = conv->view.window;
    amx_gradient g = {.at = at,
                      .taps = window * window,
                      .depth_blocks = at->depth / block,
                      .steps = conv->positions / pair,
                      .lines = an_amx_conv_lines(conv)};
    g.pairs = at->pictures + conv->round * at->image;
    g.turned = g.pairs + conv->round * g.lines * amx_row * conv->view.in.c / block;
    g.sums = (float *)(void *)(g.turned +
                               (size_t)conv->round * conv->out.c * conv->positions * at->element);
    g.gradient = (float *)(void *)work;
    return g;
}

/* Which of two registers of 16 stand beside one another, one from each in turn. */
static inline __m512i side_by_side(__m256i first, __m256i second) {
    const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
    const __m512i order =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, both);
}

/* A block of maps of a picture as pairs. */
static void take_pairs(const amx_gradient *g, int image, int index) {
    const amx_layout *at = g->at;
    const int group = index / g->depth_blocks, b = index % g->depth_blocks;
    const char *from = at->pictures + image * at->image + group * at->group + b * block * 2;
    const size_t blocks = at->conv->view.in.c / block;
    char *to = g->pairs + (image * blocks + index) * g->lines * amx_row;
    __m256i here = _mm256_loadu_si256((const __m256i *)(const void *)from);
    for (size_t p = 0; p + 1 < g->lines; p++) {
        from += at->pixel;
        const __m256i next = _mm256_loadu_si256((const __m256i *)(const void *)from);
        _mm512_store_si512(to + p * amx_row, side_by_side(here, next));
        here = next;
    }
    _mm512_store_si512(to + (g->lines - 1) * amx_row, _mm512_setzero_si512());
}

/* 16 pixels' 16 maps turned over, in bfloat16: map m's 32 bytes go to `to` + 64 m. */
static void turn(const __m512 *pixels, char *to) {
    __m512 pairs[16], fours[16];
    for (int i = 0; i < 16; i += 2) {
        pairs[i] = _mm512_unpacklo_ps(pixels[i], pixels[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_ps(pixels[i], pixels[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        for (int k = 0; k < 2; k++) {
            const __m512d low = (__m512d)pairs[i + k], high = (__m512d)pairs[i + 2 + k];
            fours[i + 2 * k] = (__m512)_mm512_unpacklo_pd(low, high);
            fours[i + 2 * k + 1] = (__m512)_mm512_unpackhi_pd(low, high);
        }
    }
    for (int i = 0; i < 4; i++) { /* quarter q of fours[i] has map 4 q + i of four pixels */
        const __m512 a = _mm512_shuffle_f32x4(fours[i], fours[i + 4], 0x88);
        const __m512 b = _mm512_shuffle_f32x4(fours[i], fours[i + 4], 0xdd);
        const __m512 c = _mm512_shuffle_f32x4(fours[i + 8], fours[i + 12], 0x88);
        const __m512 d = _mm512_shuffle_f32x4(fours[i + 8], fours[i + 12], 0xdd);
        const __m512 maps[4] = {_mm512_shuffle_f32x4(a, c, 0x88), _mm512_shuffle_f32x4(b, d, 0x88),
                                _mm512_shuffle_f32x4(a, c, 0xdd), _mm512_shuffle_f32x4(b, d, 0xdd)};
        for (int k = 0; k < 4; k++)
            _mm256_store_si256((__m256i *)(void *)(to + (4 * k + i) * amx_row),
                               (__m256i)_mm512_cvtneps_pbh(maps[k]));
    }
}

/* A block of maps of the output's gradient, zero where positions are between rows or behind the
 * last; and its sum. */
static void turn_gradient(const amx_gradient *g, int image, int index, const float *dy) {
    const an_amx_conv *conv = g->at->conv;
    const size_t blocks = conv->out.c / block, plane = (image * blocks + index);
    const float *from = dy + plane * conv->out.h * conv->out.w * block;
    char *to = g->turned + plane * g->steps * amx_tile;
    __m512 sum = _mm512_setzero_ps();
    int h = 0, w = 0;
    for (int q = 0; q < conv->positions; q += amx_rows) {
        __m512 pixels[amx_rows];
        for (int i = 0; i < amx_rows; i++) {
            const bool there = w < conv->out.w && h < conv->out.h;
            pixels[i] = there ? _mm512_loadu_ps(from) : _mm512_setzero_ps();
            from += there ? block : 0;
            sum = _mm512_add_ps(sum, pixels[i]);
            if (++w == conv->pitch) {
                w = 0;
                h++;
            }
        }
        turn(pixels, to + q / pair * amx_tile + q % pair * 2);
    }
    _mm512_storeu_ps(g->sums + plane * block, sum);
}

/* Adds an image's part to two blocks of output maps by one or two of input maps, at every tap. */
static void add_up(const amx_gradient *g, int image, int o, int c, bool two, bool first) {
    const amx_layout *at = g->at;
    const an_amx_conv *conv = at->conv;
    const int outputs = conv->out.c / block, group = o / (outputs / conv->groups);
    const int window = conv->view.window;
    const size_t tile_row = (size_t)g->depth_blocks * g->taps * amx_tile; /* to the next outputs */
    const size_t inputs = conv->view.in.c / block, pairs = g->lines * amx_row;
    const char *a = g->turned + ((size_t)image * outputs + o) * g->steps * amx_tile;
    const char *b = g->pairs + (image * inputs + group * g->depth_blocks + c) * pairs;
    char *to = (char *)g->gradient + o * tile_row + (size_t)c * g->taps * amx_tile;
    const size_t right = two ? (size_t)g->taps * amx_tile : 0;
    for (int tap = 0; tap < g->taps; tap++, to += amx_tile) {
        const char *x = b + ((size_t)tap / window * conv->pitch + tap % window) * amx_row;
        const char *dy = a;
        if (first) {
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
        } else {
            _tile_loadd(0, to, amx_row);
            _tile_loadd(1, to + right, amx_row);
            _tile_loadd(2, to + tile_row, amx_row);
            _tile_loadd(3, to + tile_row + right, amx_row);
        }
        for (int s = 0; s < g->steps; s++, x += pair * amx_row, dy += amx_tile) {
            _tile_loadd(6, x, 2 * amx_row);
            _tile_loadd(4, dy, amx_row);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(5, dy + (size_t)g->steps * amx_tile, amx_row);
            _tile_dpbf16ps(2, 5, 6);
            if (two) {
                _tile_loadd(7, x + pairs, 2 * amx_row);
                _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(3, 5, 7);
            }
        }
        _tile_stored(0, to, amx_row);
        _tile_stored(2, to + tile_row, amx_row);
        if (two) {
            _tile_stored(1, to + right, amx_row);
            _tile_stored(3, to + tile_row + right, amx_row);
        }
    }
}

/* The plain gradient of a block of output maps. */
static void write_gradient(const amx_gradient *g, int o, float *dw) {
    const amx_layout *at = g->at;
    const int window = at->conv->view.window;
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i rows = _mm512_slli_epi32(lanes, 4);
    for (int tap = 0; tap < g->taps; tap++) {
        for (int c = 0; c < at->depth; c++) {
            const int element = tap % window * at->depth + c;
            const amx_taps to = taps_at(at, dw, o * block, tap / window, element);
            if (!to.from)
                continue;
            const size_t tile = ((size_t)o * g->depth_blocks + c / block) * g->taps + tap;
            const float *from = g->gradient + tile * block * block + c % block;
            _mm512_i32scatter_ps(dw + (to.from - dw),
                                 _mm512_mullo_epi32(lanes, _mm512_set1_epi32(to.distance)),
                                 _mm512_i32gather_ps(rows, from, sizeof(float)), sizeof(float));
        }
    }
}

static void amx_conv_gradient(const an_amx_conv *conv, int images, const float *x, const float *dy,
                              float *dw, float *db, void *work) {
    const amx_layout at = amx_layout_of(conv, (char *)work + an_amx_conv_packed_bytes(conv));
    const amx_gradient g = amx_gradient_of(&at, work);
    const int outputs = conv->out.c / block, inputs = conv->view.in.c / block;
    const size_t in = an_view_image_floats(&conv->view), out = an_shape_count(conv->out);
    memset(db, 0, (size_t)conv->out.c * sizeof *db);
#pragma omp parallel
    {
        amx_begin();
        for (int first = 0; first < images; first += conv->round) {
            const int some = smaller(conv->round, images - first);
            take_pictures(&at, some, x + first * in, 0);
#pragma omp for collapse(2) schedule(static) nowait
            for (int image = 0; image < some; image++)
                for (int index = 0; index < inputs; index++)
                    take_pairs(&g, image, index);
#pragma omp for collapse(2) schedule(static)
            for (int image = 0; image < some; image++)
                for (int index = 0; index < outputs; index++)
                    turn_gradient(&g, image, index, dy + first * out);
#pragma omp for collapse(2) schedule(dynamic)
            for (int o = 0; o < outputs; o += 2)
                for (int c = 0; c < g.depth_blocks; c += 2)
                    for (int image = 0; image < some; image++)
                        add_up(&g, image, o, c, c + 1 < g.depth_blocks, first + image == 0);
#pragma omp single nowait
            for (int image = 0; image < some; image++)
                for (int o = 0; o < conv->out.c; o++)
                    db[o] += g.sums[(size_t)image * conv->out.c + o];
        }
#pragma omp barrier
#pragma omp for schedule(static)
        for (int o = 0; o < outputs; o++)
            write_gradient(&g, o, dw);
        amx_end();
    }
}

const an_amx_conv_kernels an_amx_conv_all = {
    .pack = amx_conv_pack, .forward = amx_conv_forward, .gradient = amx_conv_gradient};
#endif
