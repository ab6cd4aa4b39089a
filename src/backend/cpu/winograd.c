#include "backend/cpu/winograd.h"

/* m and r of each algorithm. */
static const struct {
    int tile, window;
} sizes[AN_WINOGRAD_ALGORITHMS] = {
    [AN_WINOGRAD_2_3] = {2, 3}, [AN_WINOGRAD_4_3] = {4, 3}, [AN_WINOGRAD_5_3] = {5, 3},
    [AN_WINOGRAD_2_5] = {2, 5}, [AN_WINOGRAD_4_5] = {4, 5},
};

/* What is done at a time: floats of a round's transformed tiles, and tiles of a chunk. */
typedef struct portion {
    size_t round_floats;
    int chunk_tiles;
} portion;

/* Forward and to the input's gradient, a round's transformed tiles fit the cores' own caches
 * together, and a chunk's products what they leave of one. But each round reads all weights, so
 * that with vectors of 8 fewer and larger ones of both are faster where those are many MB. The
 * weights' gradient is read and written for every chunk, and is larger than the caches, too. */
static portion portion_of(const an_winograd *w, an_pass pass) {
    const size_t mega = (size_t)1 << 20, weights = an_winograd_weight_floats(w) * sizeof(float);
    if (pass == AN_PASS_WEIGHTS)
        return (portion){2 * mega, 112};
    if (w->block == 8 && weights > 8 * mega)
        return (portion){w->int16 ? mega : 2 * mega, 56};
    return (portion){mega / 2, 28};
}

static int divide_up(int a, int b) {
    return (a + b - 1) / b;
}

bool an_winograd_fits(const an_layer *layer, int block) {
    const an_layer_spec *spec = &layer->spec;
    return (spec->kernel == 3 || spec->kernel == 5) && spec->stride == 1 &&
           spec->pad < spec->kernel &&
           layer->out.h == layer->in.h + 2 * spec->pad - spec->kernel + 1 &&
           layer->in.c / spec->groups % block == 0 && spec->units / spec->groups % (2 * block) == 0;
}

bool an_winograd_fits_input(const an_layer *layer, int block) {
    return an_winograd_fits(layer, block) && layer->in.c / layer->spec.groups % (2 * block) == 0;
}

bool an_winograd_fits_phases(const an_layer *layer, int block) {
    const an_layer_spec *spec = &layer->spec;
    const int window = divide_up(spec->kernel, spec->stride);
    return spec->stride > 1 && (window == 3 || window == 5) && spec->groups == 1 &&
           block % spec->stride == 0 && layer->in.c * spec->stride * spec->stride % block == 0 &&
           spec->units % (2 * block) == 0;
}

an_winograd an_winograd_of(const an_layer *layer, an_winograd_algorithm algorithm,
                           const an_winograd_options *options) {
    const bool backward = options->pass == AN_PASS_INPUT;
    const an_layer_spec *spec = &layer->spec;
    const an_view input = an_view_of(layer);
    const int images = options->images;
    an_winograd w = {.algorithm = algorithm,
                     .tile = sizes[algorithm].tile,
                     .window = sizes[algorithm].window,
                     .groups = spec->groups,
                     .phases = input.phases,
                     .in = backward ? layer->out : input.in,
                     .out = backward ? layer->in : layer->out,
                     .pad = backward ? spec->kernel - 1 - spec->pad : input.pad,
                     .turned = backward,
                     .int16 = options->int16,
                     .block = options->block,
                     .threads = options->threads};
    w.points = w.tile + w.window - 1;
    w.tiles_down = divide_up(w.out.h, w.tile);
    w.tiles_across = divide_up(w.out.w, w.tile);
    const int tiles = w.tiles_down * w.tiles_across;
    const size_t image = (size_t)w.points * w.points * tiles * w.in.c;
    const portion some = portion_of(&w, options->pass);
    const size_t most = some.round_floats / image;
    const int round = most < 1 ? 1 : most < (size_t)images ? (int)most : images;
    w.round = divide_up(images, divide_up(images, round));
    w.chunk = divide_up(w.round * tiles, divide_up(w.round * tiles, some.chunk_tiles));
    return w;
}

/* How many multiplications take as long as reading a transformed weight: fewer of integers, which
 * are half as long, where a vector of 8 does not multiply that many more of them. */
static int multiplications_per_read(const an_winograd *w) {
    return w->int16 && w->block == 8 ? 5 : 20;
}

/* The cost of an algorithm, in multiplications for a pair of maps: its own, also of pixels that its
 * tiles have beyond the edge, and the reading of its transformed weights. */
static double cost(const an_winograd *w, int images) {
    const double tiles = (double)images * w->tiles_down * w->tiles_across;
    return w->points * w->points * (tiles + multiplications_per_read(w));
}

/* Errors of the first layer go through all others, and make more units fall on the other side of
 * ReLU's zero or of another maximum. F(5x5, 3x3) has twice those of F(4x4, 3x3). */
static bool rounds_too_much(const an_winograd *w, an_pass pass) {
    return w->phases.stride > 1 && w->tile > 4 && pass == AN_PASS_FORWARD;
}

an_winograd an_winograd_choose(const an_layer *layer, const an_winograd_options *options) {
    an_winograd best = {0};
    for (int a = 0; a < AN_WINOGRAD_ALGORITHMS; a++) {
        if (sizes[a].window != an_view_of(layer).window)
            continue;
        const an_winograd w = an_winograd_of(layer, (an_winograd_algorithm)a, options);
        if (rounds_too_much(&w, options->pass))
            continue;
        if (best.tile == 0 || cost(&w, options->images) < cost(&best, options->images))
            best = w;
    }
    return best;
}

size_t an_winograd_weight_floats(const an_winograd *w) {
    const size_t points = (size_t)w->points * w->points, maps = w->out.c;
    const size_t weights = points * w->in.c / w->groups * maps;
    return w->int16 ? weights / 2 + points * maps : weights;
}

size_t an_winograd_work_floats(const an_winograd *w) {
    const size_t points = (size_t)w->points * w->points, threads = w->threads;
    const size_t chunks = divide_up(w->round * w->tiles_down * w->tiles_across, w->chunk);
    const size_t rows = points * chunks * w->chunk;
    const size_t products = threads * points * w->chunk * 2 * w->block;
    const size_t own = products + threads * an_winograd_phase_floats(w);
    if (!w->int16)
        return own + points * chunks * an_winograd_matrix_floats(w);
    const size_t panels = threads * points * w->in.c / w->groups * 2 * w->block;
    const size_t integers = own + threads * points * w->in.c + rows + rows * w->in.c / 2;
    return integers > panels ? integers : panels;
}
