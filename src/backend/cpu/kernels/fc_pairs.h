/*
 * Fully connected layers of many images in int8, where only pairs of 16-bit integers are multiplied
 * (product_int16.h): an engine (fc_engine.h).
 *
 * Weights are bytes with a scale for each output, the largest magnitude / 127, in panels (inputs /
 * 2, 2B, 2) of 2B outputs, behind which the scales stand. An image is rounded to integers of 15
 * bits and a sign, with a scale of its own: so many that the sum over a block of inputs cannot
 * overflow 32 bits. A block's weights become 16-bit integers in the first cache, where all images
 * are multiplied with them.
 */

enum {
    pairs_block = 512, /* inputs */
    pairs_images = 128 /* that are multiplied in one go, at most */
};

static const float pairs_largest = 32767; /* 32767 x 127 x pairs_block < 2^31 */

/* Inputs filled up. */
static inline int pairs_depth(int inputs) {
    return portions_of(inputs, AN_BLOCK) * AN_BLOCK;
}

static inline int pairs_panels(int outputs) {
    return portions_of(outputs, panel);
}

static inline size_t pairs_panel_bytes(int inputs) {
    return (size_t)pairs_depth(inputs) * panel;
}

static size_t pairs_packed_bytes(int inputs, int outputs) {
    return an_aligned(pairs_panels(outputs) * (pairs_panel_bytes(inputs) + panel * sizeof(float)));
}

static float *pairs_scales(int inputs, int outputs, const void *packed) {
    char *panels = (char *)(uintptr_t)packed;
    return (float *)(void *)(panels + pairs_panels(outputs) * pairs_panel_bytes(inputs));
}

/* One output's weights w (I) as bytes, which stand in pairs among those of a panel; returns their
 * scale, NaN where a weight is not finite. */
static float pairs_pack_output(int inputs, const float *w, int8_t *to) {
    const float scale = largest_magnitude(inputs, w) / 127;
    if (!(scale >= FLT_MIN && scale < INFINITY))
        return scale < FLT_MIN ? 0 : NAN;
    for (int i = 0; i < inputs; i += AN_BLOCK) {
        int16_t integers[AN_BLOCK];
        store_integers(integers, load_some(w + i, inputs - i) / scale);
        for (int j = 0; j < AN_BLOCK; j++)
            to[((i + j) / 2 * panel) * 2 + j % 2] = (int8_t)integers[j];
    }
    return scale;
}

static void pairs_pack(const an_fc_packing *job) {
    const size_t bytes = pairs_panel_bytes(job->inputs);
    float *scales = pairs_scales(job->inputs, job->outputs, job->packed);
#pragma omp parallel for schedule(dynamic)
    for (int p = job->first / panel; p < pairs_panels(job->last); p++) {
        int8_t *to = (int8_t *)job->packed + p * bytes;
        memset(to, 0, bytes);
        for (int lane = 0; lane < panel; lane++) {
            const int o = p * panel + lane;
            const float *w = job->w + (size_t)(o - job->first) * job->inputs;
            scales[o] = o < job->last ? pairs_pack_output(job->inputs, w, to + 2 * lane) : 0;
        }
    }
}

/* The images as integers (N, pairs_depth), and what one of each is worth (N). */
typedef struct pairs_input {
    int16_t *integers;
    float *units;
} pairs_input;

static pairs_input pairs_input_of(const an_fc_job *job) {
    const size_t units = an_aligned(job->images * sizeof(float));
    return (pairs_input){(int16_t *)(void *)((char *)job->workspace + units), job->workspace};
}

static size_t pairs_workspace_bytes(int images, int inputs, int outputs) {
    (void)outputs;
    return an_aligned(images * sizeof(float)) +
           an_aligned((size_t)images * pairs_depth(inputs) * sizeof(int16_t));
}

/* `count` bytes as 16-bit integers. */
static inline void pairs_widen(int count, const int8_t *from, int16_t *to) {
    for (int i = 0; i < count; i++)
        to[i] = from[i];
}

/* y of a panel's outputs and images [first, first + images). */
static void pairs_run(const an_fc_job *job, const pairs_input *input, int p, int first,
                      int images) {
    const int depth = pairs_depth(job->inputs);
    const int8_t *weights = (const int8_t *)job->packed + p * pairs_panel_bytes(job->inputs);
    const float *scales = pairs_scales(job->inputs, job->outputs, job->packed) + p * panel;
    _Alignas(AN_ALIGNMENT) int16_t widened[pairs_block * panel];
    _Alignas(AN_ALIGNMENT) float sums[pairs_images * panel];
    for (int i = 0; i < depth; i += pairs_block) {
        const int some = smaller(pairs_block, depth - i);
        pairs_widen(some * panel, weights + (size_t)i * panel, widened);
        for (int n = 0, rows; n < images; n += rows) {
            rows = next_rows(images - n);
            const int16_t *x = input->integers + (size_t)(first + n) * depth + i;
            products_int16[AN_INT16_PAIRS][rows - 1](some / 2, x, depth, widened,
                                                     input->units + first + n, scales, i > 0,
                                                     sums + n * panel);
        }
    }
    for (int n = 0; n < images; n++)
        for (int lane = 0; lane < smaller(panel, job->outputs - p * panel); lane++)
            fc_output(job, first + n, p * panel + lane, sums[n * panel + lane]);
}

static void pairs_forward(const an_fc_job *job) {
    const int panels = pairs_panels(job->outputs), inputs = job->inputs;
    const size_t depth = pairs_depth(inputs);
    const pairs_input input = pairs_input_of(job);
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (int n = 0; n < job->images; n++)
            quantise_row(inputs, pairs_largest, job->x + (size_t)n * inputs,
                         input.integers + n * depth, input.units + n);
        for (int first = 0; first < job->images; first += pairs_images) {
#pragma omp for schedule(dynamic) nowait
            for (int p = 0; p < panels; p++)
                pairs_run(job, &input, p, first, smaller(pairs_images, job->images - first));
        }
    }
}

static const an_fc_engine fc_pairs = {.packed_bytes = pairs_packed_bytes,
                                      .packed_together = 8 * panel,
                                      .pack = pairs_pack,
                                      .workspace_bytes = pairs_workspace_bytes,
                                      .forward = pairs_forward};
