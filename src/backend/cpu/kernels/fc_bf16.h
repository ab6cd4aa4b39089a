/*
 * Fully connected layers in bfloat16, summed in float32.
 *
 * In training the weights are float32; what a product needs of them is rounded and packed block by
 * block in the cache, while it is at work. The gradient of the weights is out of the registers'
 * sums at once updated with, so that memory is passed once.
 * Included by files that have set the target.
 */
#define FC_GROUP 2

typedef __m512 fc_sum;

/* The images in bfloat16. */
typedef struct fc_images {
    char *lines;
} fc_images;

#ifdef FC_AMX
#define fc_dot _tile_dpbf16ps
#else
static inline fc_sum fc_nothing(void) {
    return _mm512_setzero_ps();
}

static inline fc_sum fc_plus(fc_sum a, fc_sum b) {
    return _mm512_add_ps(a, b);
}

static inline fc_sum fc_dot(fc_sum sum, __m512i image, __m512i weights) {
    return _mm512_dpbf16_ps(sum, (__m512bh)image, (__m512bh)weights);
}
#endif

static fc_images fc_begin(const an_fc_job *job);
static inline void fc_take(const an_fc_job *job, const fc_images *images, int n, int line,
                           char *to);
static const char *fc_weights(const an_fc_job *job, int panel, int line, int lines, char *buffer);
static inline __m512 fc_finish(const an_fc_job *job, const fc_images *images, int n, int o,
                               fc_sum sum);

#include "backend/cpu/kernels/fc_panels.h"

static size_t packed_bytes(int inputs, int outputs) {
    return fc_panels(outputs) * fc_panel_bytes(inputs);
}

static size_t lines_bytes(int images, int inputs) {
    return (size_t)images * fc_lines(inputs) * fc_line + fc_overhang;
}

static size_t workspace_bytes(int images, int inputs, int outputs) {
    (void)outputs;
    return lines_bytes(images, inputs);
}

/* Which of 16 are there when `count` are left. */
static inline __mmask16 fc_mask(int count) {
    return count >= 16 ? 0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1);
}

/* 32 floats, of which `count` are there and the others 0, rounded to the nearest. */
static inline __m512i fc_rounded(const float *from, int count) {
    const __m512 low = _mm512_maskz_loadu_ps(fc_mask(count), from);
    const __m512 high = _mm512_maskz_loadu_ps(fc_mask(count - 16), from + 16);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

static fc_images fc_begin(const an_fc_job *job) {
    return (fc_images){job->workspace};
}

static inline void fc_take(const an_fc_job *job, const fc_images *images, int n, int line,
                           char *to) {
    (void)images;
    const int i = line * fc_line_inputs;
    _mm512_store_si512(to, fc_rounded(job->x + (size_t)n * job->inputs + i, job->inputs - i));
}

static inline __m512 fc_finish(const an_fc_job *job, const fc_images *images, int n, int o,
                               fc_sum sum) {
    (void)job, (void)images, (void)n, (void)o;
    return sum;
}

/* Turns 16 rows of 16 groups over: row r of `to`, which are a panel's width apart, has group r of
 * each. */
static void turn(const __m512i *from, char *to) {
    __m512i pairs[16], fours[16];
    for (int i = 0; i < 16; i += 2) {
        pairs[i] = _mm512_unpacklo_epi32(from[i], from[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi32(from[i], from[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
        fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
        fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    const size_t row = fc_width * 4;
    for (int i = 0; i < 4; i++) { /* quarter q of fours[i] has group 4 q + i of four rows */
        const __m512i a = _mm512_shuffle_i32x4(fours[i], fours[i + 4], 0x88);
        const __m512i b = _mm512_shuffle_i32x4(fours[i], fours[i + 4], 0xdd);
        const __m512i c = _mm512_shuffle_i32x4(fours[i + 8], fours[i + 12], 0x88);
        const __m512i d = _mm512_shuffle_i32x4(fours[i + 8], fours[i + 12], 0xdd);
        _mm512_store_si512(to + i * row, _mm512_shuffle_i32x4(a, c, 0x88));
        _mm512_store_si512(to + (i + 4) * row, _mm512_shuffle_i32x4(b, d, 0x88));
        _mm512_store_si512(to + (i + 8) * row, _mm512_shuffle_i32x4(a, c, 0xdd));
        _mm512_store_si512(to + (i + 12) * row, _mm512_shuffle_i32x4(b, d, 0xdd));
    }
}

/* Lines of a panel from plain weights w (outputs, inputs). */
static void pack_lines(int inputs, int outputs, const float *w, int panel, int line, int lines,
                       char *to) {
    for (int l = line; l < line + lines; l++, to += fc_line_weights) {
        for (int half = 0; half < 2; half++) {
            __m512i rows[16];
            for (int r = 0; r < 16; r++) {
                const int o = panel * fc_width + half * 16 + r, i = l * fc_line_inputs;
                rows[r] = o < outputs ? fc_rounded(w + (size_t)o * inputs + i, inputs - i)
                                      : _mm512_setzero_si512();
            }
            turn(rows, to + half * 64);
        }
    }
}

static const char *fc_weights(const an_fc_job *job, int panel, int line, int lines, char *buffer) {
    if (job->packed)
        return fc_packed_lines(job, panel, line);
    pack_lines(job->inputs, job->outputs, job->w, panel, line, lines, buffer);
    return buffer;
}

/* Of plain weights the next block's, a row a line. */
static fc_ask fc_next_weights(const an_fc_job *job, int panel, int line, int tile, int tiles,
                              const char *w) {
    const int row = panel * fc_width + tile * fc_block;
    const size_t column = (size_t)(line + fc_block) * fc_line_inputs;
    if (job->packed || tile >= fc_width / fc_block || row + fc_block > job->outputs)
        return fc_ask_ahead(w, tile, tiles);
    return (fc_ask){(const char *)(job->w + (size_t)row * job->inputs + column),
                    (size_t)job->inputs * sizeof *job->w, fc_line_weights};
}

static void pack(const an_fc_packing *job) {
    const size_t bytes = fc_panel_bytes(job->inputs);
    char *packed = (char *)job->packed + job->first / fc_width * bytes;
#pragma omp parallel for schedule(dynamic)
    for (int panel = 0; panel < fc_panels(job->last - job->first); panel++)
        pack_lines(job->inputs, job->last - job->first, job->w, panel, 0, fc_lines(job->inputs),
                   packed + panel * bytes);
}

/* A line of panel `panel` of the transpose of w (rows, columns): its inputs are rows of w from
 * 32 `line` on, its outputs columns. */
static void pack_line_of_rows(int rows, int columns, const float *w, int panel, int line,
                              char *to) {
    static const uint16_t order[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                       21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                       11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i side_by_side = _mm512_loadu_si512(order);
    for (int step = 0; step < fc_steps; step++) {
        const int row = line * fc_line_inputs + 2 * step;
        for (int half = 0; half < 2; half++) {
            const int column = panel * fc_width + half * 16;
            const float *from = w + (size_t)row * columns + column;
            const __mmask16 mask = fc_mask(columns - column);
            const __m512 first = _mm512_maskz_loadu_ps(row < rows ? mask : 0, from);
            const __m512 second = _mm512_maskz_loadu_ps(row + 1 < rows ? mask : 0, from + columns);
            _mm512_store_si512(to + ((size_t)step * 2 + half) * 64,
                               _mm512_permutexvar_epi16(
                                   side_by_side, (__m512i)_mm512_cvtne2ps_pbh(second, first)));
        }
    }
}

enum {
    dx_panels = 16, /* of dx at a time: w is read in runs of so many times 32 */
    dx_lines = 4    /* of weights packed in between */
};

/* dx of some panels, from `panel` on, and the images of some tiles, from `tile` on. `job` has dy
 * for x. */
static void input_panels(const an_fc_job *job, const fc_images *images, const fc_cut *cut, int tile,
                         int panel, int inputs, float *dx) {
    const int lines = fc_lines(job->inputs), tiles = fc_smaller(cut->tiles - tile, fc_tiles);
    const int panels = fc_smaller(fc_panels(inputs) - panel, dx_panels);
    _Alignas(AN_ALIGNMENT) char packed[dx_panels][dx_lines * fc_line_weights];
    fc_sums sums[dx_panels][fc_tiles];
    for (int line = 0; line < lines; line += dx_lines) {
        const int some = fc_smaller(dx_lines, lines - line);
        for (int l = 0; l < some; l++)
            for (int p = 0; p < panels; p++)
                pack_line_of_rows(job->inputs, inputs, job->w, panel + p, line + l,
                                  packed[p] + (size_t)l * fc_line_weights);
        /* The next rows are asked for meanwhile, one with each line. */
        const float *next =
            job->w + (size_t)(line + dx_lines) * fc_line_inputs * inputs + (size_t)panel * fc_width;
        for (int p = 0; p < panels; p++) {
            for (int t = 0; t < tiles; t++) {
                const int first = fc_first(cut, tile + t);
                const int count = fc_first(cut, tile + t + 1) - first;
                const fc_ask ask = {(const char *)next, (size_t)inputs * sizeof *next,
                                    fc_line_weights};
                fc_multiply_tile(count, line > 0, some,
                                 images->lines +
                                     ((size_t)first * lines + (size_t)line * count) * fc_line,
                                 packed[p], ask, sums[p][t]);
                next += (size_t)dx_lines * inputs;
            }
        }
    }
    for (int t = 0; t < tiles; t++) {
        const int first = fc_first(cut, tile + t), count = fc_first(cut, tile + t + 1) - first;
        for (int m = 0; m < count; m++) {
            for (int p = 0; p < 2 * panels; p++) {
                const int i = panel * fc_width + p * 16;
                _mm512_mask_storeu_ps(dx + (size_t)(first + m) * inputs + i, fc_mask(inputs - i),
                                      sums[p / 2][t][m][p % 2]);
            }
        }
    }
}

static void backward_input(int images, int inputs, int outputs, const float *w, const float *dy,
                           float *dx, void *workspace) {
    const an_fc_job job = {
        .images = images, .inputs = outputs, .x = dy, .w = w, .workspace = workspace};
    const fc_images lines = fc_begin(&job);
    const fc_cut cut = fc_cut_images(images);
#pragma omp parallel
    {
        fc_enter();
#pragma omp for schedule(static)
        for (int tile = 0; tile < cut.tiles; tile++)
            fc_take_tile(&job, &lines, &cut, tile);
        for (int tile = 0; tile < cut.tiles; tile += fc_tiles) {
#pragma omp for schedule(dynamic) nowait
            for (int panel = 0; panel < fc_panels(inputs); panel += dx_panels)
                input_panels(&job, &lines, &cut, tile, panel, inputs, dx);
        }
        fc_leave();
    }
}

/* What the gradient of the weights needs: dy turned over, outputs in the place of images, and x in
 * panels of inputs. */
static size_t backward_workspace_bytes(int images, int inputs, int outputs) {
    const size_t weights = lines_bytes(outputs, images) + packed_bytes(images, inputs);
    const size_t input = lines_bytes(images, outputs);
    return weights > input ? weights : input;
}

/* The outputs of a tile. */
static void turn_gradients(const an_fc_gradient *job, const fc_cut *cut, int tile, char *turned) {
    const int first = fc_first(cut, tile), count = fc_first(cut, tile + 1) - first;
    const int lines = fc_lines(job->images);
    char *to = turned + (size_t)first * lines * fc_line;
    for (int line = 0; line < lines; line++) {
        const int some = fc_smaller(job->images - line * fc_line_inputs, fc_line_inputs);
        const float *from = job->dy + (size_t)line * fc_line_inputs * job->outputs + first;
        for (int o = 0; o < count; o++, to += fc_line) {
            float values[fc_line_inputs];
            for (int n = 0; n < some; n++)
                values[n] = from[(size_t)n * job->outputs + o];
            _mm512_store_si512(to, fc_rounded(values, some));
        }
    }
}

/* How 16 gradients g leave the registers: to dw past the caches where `aligned`, and into the
 * velocity and the weight, v <- m v - d e w - e g, w <- w + v. */
static inline void leave(const an_fc_gradient *job, bool aligned, size_t at, __mmask16 mask,
                         __m512 g) {
    if (aligned && mask == 0xffff)
        _mm512_stream_ps(job->dw + at, g);
    else
        _mm512_mask_storeu_ps(job->dw + at, mask, g);
    if (!job->update || job->update->learning_rate == 0)
        return;
    const float rate = job->update->learning_rate;
    const __m512 w = _mm512_maskz_loadu_ps(mask, job->w + at);
    __m512 v = _mm512_maskz_loadu_ps(mask, job->v + at);
    v = _mm512_mul_ps(v, _mm512_set1_ps(job->momentum));
    v = _mm512_fnmadd_ps(w, _mm512_set1_ps(rate * job->update->weight_decay), v);
    v = _mm512_fnmadd_ps(g, _mm512_set1_ps(rate), v);
    _mm512_mask_storeu_ps(job->v + at, mask, v);
    _mm512_mask_storeu_ps(job->w + at, mask, _mm512_add_ps(w, v));
}

/* Asks for what the next panel of a tile's rows will change. */
static void ask(const an_fc_gradient *job, int first, int count, int i) {
    if (!job->update)
        return;
    for (int o = first; o < first + count; o++) {
        for (int half = 0; half < 2; half++) {
            const size_t at = (size_t)o * job->inputs + i + half * 16;
            __builtin_prefetch(job->v + at, 1);
            __builtin_prefetch(job->w + at, 1);
        }
    }
}

static void weights_tile(const an_fc_gradient *job, const fc_cut *cut, int tile, const char *turned,
                         const char *packed) {
    const int first = fc_first(cut, tile), count = fc_first(cut, tile + 1) - first;
    const int lines = fc_lines(job->images), inputs = job->inputs, panels = fc_panels(inputs);
    const bool aligned = (uintptr_t)job->dw % 64 == 0 && inputs % 16 == 0;
    fc_sums sums[fc_run];
    for (int panel = 0; panel < panels; panel += fc_run) {
        const int some = fc_smaller(fc_run, panels - panel);
        if (fc_run == 1) /* of long runs the processor itself sees what comes next */
            ask(job, first, count, (panel + 1) * fc_width);
        for (int p = 0; p < some; p++) {
            const char *w = packed + (panel + p) * fc_panel_bytes(job->images);
            fc_multiply_tile(count, false, lines, turned + (size_t)first * lines * fc_line, w,
                             fc_ask_ahead(w, 0, 1), sums[p]);
        }
        for (int o = 0; o < count; o++) {
            for (int part = 0; part < 2 * some; part++) {
                const int i = panel * fc_width + part * 16;
                leave(job, aligned, (size_t)(first + o) * inputs + i, fc_mask(inputs - i),
                      sums[part / 2][o][part % 2]);
            }
        }
    }
    _mm_sfence();
}

static void backward_weights(const an_fc_gradient *job) {
    const fc_cut cut = fc_cut_images(job->outputs);
    const int lines = fc_lines(job->images), panels = fc_panels(job->inputs);
    char *turned = job->workspace;
    char *packed = turned + lines_bytes(job->outputs, job->images);
#pragma omp parallel
    {
        fc_enter();
#pragma omp for schedule(static) nowait
        for (int tile = 0; tile < cut.tiles; tile++)
            turn_gradients(job, &cut, tile, turned);
#pragma omp for schedule(static)
        for (int panel = 0; panel < panels; panel++)
            for (int line = 0; line < lines; line++)
                pack_line_of_rows(job->images, job->inputs, job->x, panel, line,
                                  packed + panel * fc_panel_bytes(job->images) +
                                      (size_t)line * fc_line_weights);
#pragma omp for schedule(dynamic)
        for (int tile = 0; tile < cut.tiles; tile++)
            weights_tile(job, &cut, tile, turned, packed);
        fc_leave();
    }
}

const an_fc_engine FC_ENGINE = {.packed_bytes = packed_bytes,
                                .packed_together = 4 * fc_width,
                                .workspace_bytes = workspace_bytes,
                                .pack = pack,
                                .forward = fc_forward,
                                .backward_workspace_bytes = backward_workspace_bytes,
                                .backward_input = backward_input,
                                .backward_weights = backward_weights};
