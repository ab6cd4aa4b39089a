/*
 * Engines with packed weights (fc_engine.h), as far as they do not depend on the type. The
 * including file has set the target and defined
 *
 *   fc_sum, fc_nothing(), fc_plus(a, b), fc_dot(sum, image, weights)    sums of 16 outputs;
 *                                    or, with FC_AMX, fc_sum and fc_dot(c, a, b) of tiles;
 *   FC_ENGINE                                           the engine's name;
 *   FC_GROUP                                            inputs in four bytes;
 *   fc_images, fc_begin(job), fc_take(images, n, line, to)
 *                                    the input: a line is 64 bytes of image n, ready to multiply;
 *   fc_weights(job, panel, line, lines, buffer)         lines of a panel, in a buffer if need be;
 *   fc_next_weights(job, panel, line, tile, tiles, w)   what is asked for while tile `tile` of
 *                                                       those that share w is multiplied with it;
 *   fc_finish(job, images, n, o, sum)                   y of image n and 16 outputs, without bias.
 *
 * In the workspace, the images stand in the tiles in which they are multiplied: a line of each,
 * then the next line of each.
 */

enum {
    fc_width = 32, /* outputs of a panel: two registers */
    fc_line = 64,  /* bytes of an image at a time */
    fc_steps = 16, /* groups in it: broadcasts */
    fc_line_inputs = fc_steps * FC_GROUP,
    fc_line_weights = fc_steps * fc_width * 4, /* bytes of a panel that it is multiplied with */
    fc_block = 16,                             /* lines of that */
};

static int fc_lines(int inputs) {
    return (inputs + fc_line_inputs - 1) / fc_line_inputs;
}

static int fc_panels(int outputs) {
    return (outputs + fc_width - 1) / fc_width;
}

static size_t fc_panel_bytes(int inputs) {
    return (size_t)fc_lines(inputs) * fc_line_weights;
}

static const char *fc_packed_lines(const an_fc_job *job, int panel, int line) {
    return (const char *)job->packed + (size_t)panel * fc_panel_bytes(job->inputs) +
           (size_t)line * fc_line_weights;
}

/* What is asked for while something else is multiplied: with each line so many bytes, and between
 * those of one and of the next so many. */
typedef struct fc_ask {
    const char *from;
    size_t stride, bytes;
} fc_ask;

#ifdef FC_AMX
#include "backend/cpu/kernels/fc_multiply_amx.h"
#else
#include "backend/cpu/kernels/fc_multiply.h"
#endif

/* The sums of a tile, [image][half of the panel]. */
typedef fc_sum fc_sums[fc_tile][2];

static fc_ask fc_next_weights(const an_fc_job *job, int panel, int line, int tile, int tiles,
                              const char *w);

/* The images cut into tiles of about the same size: the first `larger` have `size`, the others one
 * less. */
typedef struct fc_cut {
    int tiles, size, larger;
} fc_cut;

static fc_cut fc_cut_images(int images) {
    const int tiles = (images + fc_tile - 1) / fc_tile, size = (images + tiles - 1) / tiles;
    return (fc_cut){tiles, size, images - (size - 1) * tiles};
}

static int fc_first(const fc_cut *cut, int tile) {
    return tile * (cut->size - 1) + (tile < cut->larger ? tile : cut->larger);
}

static int fc_smaller(int a, int b) {
    return a < b ? a : b;
}

/* y of 32 outputs of the images of a tile. */
static void fc_write(const an_fc_job *job, const fc_images *images, int first, int count, int o,
                     fc_sums sums) {
    for (int half = 0; half < 2; half++, o += 16) {
        const int outputs = fc_smaller(job->outputs - o, 16);
        if (outputs <= 0)
            return;
        const __mmask16 mask = (__mmask16)((1u << outputs) - 1);
        const __m512 bias = _mm512_maskz_loadu_ps(mask, job->b + o);
        for (int m = 0; m < count; m++) {
            const int n = first + m;
            __m512 y = _mm512_add_ps(fc_finish(job, images, n, o, sums[m][half]), bias);
            if (job->relu) /* NaN stays NaN */
                y = _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_LE_OQ),
                                       _mm512_setzero_ps());
            _mm512_mask_storeu_ps(job->y + (size_t)n * job->outputs + o, mask, y);
        }
    }
}

/* y of the outputs of a panel and the images of some tiles, from `tile` on. */
static void fc_panel(const an_fc_job *job, const fc_images *images, const fc_cut *cut, int tile,
                     int panel) {
    const int lines = fc_lines(job->inputs), tiles = fc_smaller(cut->tiles - tile, fc_tiles);
    const int block = tiles == 1 && job->packed ? lines : fc_block;
    _Alignas(AN_ALIGNMENT) char buffer[fc_block * fc_line_weights];
    fc_sums sums[fc_tiles];
    for (int line = 0; line < lines; line += block) {
        const int some = fc_smaller(block, lines - line);
        const char *w = fc_weights(job, panel, line, some, buffer);
        for (int t = 0; t < tiles; t++) {
            const int first = fc_first(cut, tile + t), count = fc_first(cut, tile + t + 1) - first;
            const char *x =
                images->lines + ((size_t)first * lines + (size_t)line * count) * fc_line;
            fc_multiply_tile(count, line > 0, some, x, w,
                             fc_next_weights(job, panel, line, t, tiles, w), sums[t]);
        }
    }
    for (int t = 0; t < tiles; t++) {
        const int first = fc_first(cut, tile + t), count = fc_first(cut, tile + t + 1) - first;
        fc_write(job, images, first, count, panel * fc_width, sums[t]);
    }
}

/* A tile's images into the workspace. */
static void fc_take_tile(const an_fc_job *job, const fc_images *images, const fc_cut *cut,
                         int tile) {
    const int first = fc_first(cut, tile), count = fc_first(cut, tile + 1) - first;
    const int lines = fc_lines(job->inputs);
    char *to = images->lines + (size_t)first * lines * fc_line;
    for (int n = first; n < first + count; n++)
        for (int line = 0; line < lines; line++)
            fc_take(job, images, n, line, to + ((size_t)line * count + (n - first)) * fc_line);
}

static void fc_forward(const an_fc_job *job) {
    const fc_images images = fc_begin(job);
    const fc_cut cut = fc_cut_images(job->images);
    const int panels = fc_panels(job->outputs);
#pragma omp parallel
    {
        fc_enter();
#pragma omp for schedule(static)
        for (int tile = 0; tile < cut.tiles; tile++)
            fc_take_tile(job, &images, &cut, tile);
        for (int tile = 0; tile < cut.tiles; tile += fc_tiles) {
#pragma omp for schedule(dynamic) nowait
            for (int panel = 0; panel < panels; panel++)
                fc_panel(job, &images, &cut, tile, panel);
        }
        fc_leave();
    }
}
