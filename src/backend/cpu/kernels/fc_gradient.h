/*
 * The backward passes of fully connected layers in float32, with the weights (O, I) where they are.
 *
 * Both are products of panels of inputs (product.h), packed so that they lie in one run: rows of
 * plain weights are tens of KB apart, all in the same sets of the caches.
 */

/* `rows` rows of a panel's inputs out of plain rows `stride` apart, of which the first `columns`
 * inputs are there and the others 0. */
static void pack_panel(int rows, int columns, size_t stride, const float *from, float *to) {
    for (int r = 0; r < rows; r++, from += stride, to += panel) {
        if (columns >= panel) {
            store(to, load(from));
            store(to + AN_BLOCK, load(from + AN_BLOCK));
            continue;
        }
        for (int i = 0; i < panel; i++)
            to[i] = i < columns ? from[i] : 0;
    }
}

/* ---- dx (N, I) = dy (N, O) w (O, I) */

enum {
    dx_inputs = 256, /* of a run: as many as the second cache holds packed weights of */
    dx_outputs = 64, /* whose weights are packed at a time; a multiple of 4 */
    dx_images = 84,  /* whose sums stay in that cache, too; a multiple of most_rows */
    dx_line = 16     /* weights that are asked for at once */
};

/* dy (N, O) as (block of outputs, N, dx_outputs). */
static size_t dx_floats(int images, int outputs) {
    return (size_t)images * portions_of(outputs, dx_outputs) * dx_outputs;
}

static void dx_arrange(int images, int outputs, const float *dy, float *blocks) {
    const int count = portions_of(outputs, dx_outputs);
#pragma omp parallel for collapse(2) schedule(static)
    for (int block = 0; block < count; block++) {
        for (int n = 0; n < images; n++) {
            float *to = blocks + ((size_t)block * images + n) * dx_outputs;
            const int some = smaller(dx_outputs, outputs - block * dx_outputs);
            memcpy(to, dy + (size_t)n * outputs + block * dx_outputs, some * sizeof *to);
            memset(to + some, 0, (dx_outputs - some) * sizeof *to);
        }
    }
}

/* A block of weights from `w` on, of which `rows` outputs and `columns` inputs are there. */
typedef struct dx_block {
    const float *w;
    int rows, columns;
} dx_block;

static dx_block dx_block_at(int inputs, int outputs, const float *w, int output, int input) {
    return (dx_block){w + (size_t)output * inputs + input,
                      larger(0, smaller(dx_outputs, outputs - output)),
                      smaller(dx_inputs, inputs - input)};
}

/* Lines of a block, row by row, are asked for from number `first` on, before number `last`. */
static void dx_ask(const dx_block *block, int inputs, int first, int last) {
    enum { lines = dx_inputs / dx_line };
    for (int line = first; line < last && line < block->rows * lines; line++)
        __builtin_prefetch(block->w + (size_t)(line / lines) * inputs + line % lines * dx_line);
}

/* dx of up to dx_inputs inputs, from `input` on, and up to dx_images images; `blocks` are dx_blocks
 * of dy, from the first of these images on, of `images` in all. */
static void dx_run(int inputs, int outputs, const float *w, int input, int images,
                   const float *blocks, int count, float *dx) {
    _Alignas(AN_ALIGNMENT) float packed[dx_outputs * dx_inputs], sums[dx_images * dx_inputs];
    const int panels = portions_of(smaller(dx_inputs, inputs - input), panel);
    const int products_in_all = panels * portions_of(count, most_rows);
    const int share = portions_of(dx_outputs * dx_inputs / dx_line, products_in_all);
    for (int o = 0; o < outputs; o += dx_outputs, blocks += (size_t)images * dx_outputs) {
        const dx_block here = dx_block_at(inputs, outputs, w, o, input);
        const dx_block next = dx_block_at(inputs, outputs, w, o + dx_outputs, input);
        const int steps = portions_of(here.rows, 4) * 4;
        int asked = 0;
        for (int p = 0; p < panels; p++) {
            float *b = packed + (size_t)p * dx_outputs * panel;
            pack_panel(here.rows, here.columns - p * panel, (size_t)inputs, here.w + p * panel, b);
            memset(b + here.rows * panel, 0, (size_t)(steps - here.rows) * panel * sizeof *b);
        }
        for (int p = 0; p < panels; p++) {
            const float *b = packed + (size_t)p * dx_outputs * panel;
            for (int n = 0, rows; n < count; n += rows, asked += share) {
                rows = next_rows(count - n);
                dx_ask(&next, inputs, asked, asked + share);
                products[rows - 1](steps, blocks + (size_t)n * dx_outputs, dx_outputs, b, o > 0,
                                   sums + ((size_t)p * count + n) * panel);
            }
        }
    }
    for (int n = 0; n < count; n++) {
        for (int p = 0; p < panels; p++) {
            const int i = input + p * panel;
            memcpy(dx + (size_t)n * inputs + i, sums + ((size_t)p * count + n) * panel,
                   smaller(panel, inputs - i) * sizeof *dx);
        }
    }
}

static void fc_backward_input(int images, int inputs, int outputs, const float *w, const float *dy,
                              float *dx, void *workspace) {
    float *blocks = workspace;
    dx_arrange(images, outputs, dy, blocks);
#pragma omp parallel for collapse(2) schedule(dynamic)
    for (int n = 0; n < images; n += dx_images)
        for (int input = 0; input < inputs; input += dx_inputs)
            dx_run(inputs, outputs, w, input, images, blocks + (size_t)n * dx_outputs,
                   smaller(dx_images, images - n), dx + (size_t)n * inputs);
}

/* ---- dw (O, I) = dy (N, O)^T x (N, I), and the update */

enum {
    dw_outputs = 8 * most_rows, /* of a run */
    dw_inputs = AN_BLOCK * 32   /* whose panels stay in the second cache meanwhile */
};

/* x as panels (panel, N, 2B), then dy as (run of outputs, N, dw_outputs). */
static size_t dw_floats(int images, int inputs, int outputs) {
    return (size_t)images *
           (portions_of(inputs, panel) * panel + portions_of(outputs, dw_outputs) * dw_outputs);
}

static void dw_arrange(const an_fc_gradient *job, float *panels, float *runs) {
    const int images = job->images, inputs = job->inputs, outputs = job->outputs;
#pragma omp parallel
    {
#pragma omp for schedule(static) nowait
        for (int i = 0; i < inputs; i += panel)
            pack_panel(images, inputs - i, (size_t)inputs, job->x + i, panels + (size_t)i * images);
#pragma omp for schedule(static)
        for (int o = 0; o < outputs; o += dw_outputs) {
            float *to = runs + (size_t)o * images;
            const int some = smaller(dw_outputs, outputs - o);
            for (int n = 0; n < images; n++, to += dw_outputs) {
                memcpy(to, job->dy + (size_t)n * outputs + o, some * sizeof *to);
                memset(to + some, 0, (dw_outputs - some) * sizeof *to);
            }
        }
    }
}

/* What the update of this rule does to a vector or a number. */
typedef struct dw_rule {
    bool update;
    float momentum, decay, rate;
} dw_rule;

static dw_rule dw_rule_of(const an_fc_gradient *job) {
    const an_update *rule = job->update;
    if (!rule || rule->learning_rate == 0)
        return (dw_rule){0};
    return (dw_rule){true, job->momentum, rule->learning_rate * rule->weight_decay,
                     rule->learning_rate};
}

/* The gradients g of `count` weights, from number `at` on, go where they belong: to dw, past the
 * caches where that can be, and into velocity and weight, v <- m v - d e w - e g, w <- w + v. */
static inline void dw_leave(const an_fc_gradient *job, const dw_rule *rule, bool aligned, int count,
                            size_t at, const float *g) {
    int i = 0;
    for (; i + AN_BLOCK <= count; i += AN_BLOCK, at += AN_BLOCK) {
        const vec gradient = load(g + i);
        if (aligned)
            stream(job->dw + at, gradient);
        else
            store(job->dw + at, gradient);
        if (!rule->update)
            continue;
        const vec w = load(job->w + at);
        const vec v = rule->momentum * load(job->v + at) - rule->decay * w - rule->rate * gradient;
        store(job->v + at, v);
        store(job->w + at, w + v);
    }
    for (; i < count; i++, at++) {
        job->dw[at] = g[i];
        if (!rule->update)
            continue;
        job->v[at] = rule->momentum * job->v[at] - rule->decay * job->w[at] - rule->rate * g[i];
        job->w[at] += job->v[at];
    }
}

/* Asks for what the next rows of the same panel will change. */
static inline void dw_ask(const an_fc_gradient *job, int rows, int o, int i) {
    for (int r = 0; r < rows && o + r < job->outputs; r++) {
        for (int line = 0; line < panel; line += dx_line) {
            const size_t at = (size_t)(o + r) * job->inputs + i + line;
            __builtin_prefetch(job->v + at, 1, 2);
            __builtin_prefetch(job->w + at, 1, 2);
        }
    }
}

/* A run's outputs, from `output` on, and the panels from input `input` on. Rows leave one after the
 * other: side by side they would be in one another's way in the caches' sets. */
static void dw_run(const an_fc_gradient *job, int output, int input, const float *panels,
                   const float *run) {
    const int count = smaller(dw_outputs, job->outputs - output), inputs = job->inputs;
    const int last = smaller(input + dw_inputs, inputs);
    const bool aligned = (uintptr_t)job->dw % sizeof(vec) == 0 && (size_t)inputs % AN_BLOCK == 0;
    const dw_rule rule = dw_rule_of(job);
    _Alignas(AN_ALIGNMENT) float sums[most_rows * dw_inputs];
    for (int o = 0, rows; o < count; o += rows) {
        rows = next_rows(count - o);
        for (int i = input; i < last; i += panel) {
            if (rule.update)
                dw_ask(job, rows, output + o + rows, i);
            products_over_steps[rows - 1](job->images, run + o, dw_outputs,
                                          panels + (size_t)i * job->images, false,
                                          sums + (size_t)(i - input) * rows);
        }
        for (int r = 0; r < rows; r++) {
            const size_t row = (size_t)(output + o + r) * inputs;
            for (int i = input; i < last; i += panel)
                dw_leave(job, &rule, aligned, smaller(panel, last - i), row + i,
                         sums + (size_t)(i - input) * rows + r * panel);
        }
    }
}

static void fc_backward_weights(const an_fc_gradient *job) {
    float *panels = job->workspace;
    float *runs = panels + (size_t)portions_of(job->inputs, panel) * panel * job->images;
    dw_arrange(job, panels, runs);
#pragma omp parallel
    {
#pragma omp for schedule(dynamic) nowait
        for (int o = 0; o < job->outputs; o += dw_outputs)
            for (int i = 0; i < job->inputs; i += dw_inputs)
                dw_run(job, o, i, panels, runs + (size_t)o * job->images);
        stream_end();
    }
}

static size_t fc_backward_bytes(int images, int inputs, int outputs) {
    const size_t dx = dx_floats(images, outputs), dw = dw_floats(images, inputs, outputs);
    const size_t line = AN_ALIGNMENT / sizeof(float), most = dx > dw ? dx : dw;
    return (most + line - 1) / line * AN_ALIGNMENT;
}

/* db (O) = sum over images of dy (N, O) */
static void sum_images(int images, int outputs, const float *dy, float *db) {
#pragma omp parallel for schedule(static)
    for (int first = 0; first < outputs; first += AN_BLOCK) {
        const int last = smaller(first + AN_BLOCK, outputs);
        float sums[AN_BLOCK] = {0};
        for (int n = 0; n < images; n++)
            for (int o = first; o < last; o++)
                sums[o - first] += dy[(size_t)n * outputs + o];
        memcpy(db + first, sums, (size_t)(last - first) * sizeof *sums);
    }
}
