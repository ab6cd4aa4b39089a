/*
 * Fully connected layers of many images in float32, with the weights (O, I) where they are.
 *
 * Vectors run along the images, so that the images have to be turned over (a few MB) rather than
 * the weights (hundreds): x becomes groups of images, [input][image of the group]. A tile of sums,
 * some outputs by all images of a group, fits the registers. A thread takes a run of outputs
 * through the inputs block by block, whose weights and images fit the first cache, so that memory
 * is read once for some groups, and asks for the next tile's weights while it multiplies those of
 * one.
 */

enum {
    many_vectors = AN_BLOCK == 16 ? 4 : 2,      /* of a group of images, at most */
    many_sums = AN_BLOCK == 16 ? 24 : 12,       /* vectors of a tile */
    many_floats = 96 * many_vectors * AN_BLOCK, /* of the images in a block of inputs */
    many_line = 16,                             /* weights that are asked for at once */
    many_outputs = 48,                          /* of a run; a multiple of every tile's */
    many_images = 128                           /* that are multiplied in one go, at most */
};

/* How images are cut into groups of `vectors` vectors, the last of which may be fewer. */
typedef struct many_groups {
    int groups, vectors;
} many_groups;

static many_groups many_cut(int images) {
    const int vectors = portions_of(images, AN_BLOCK);
    return (many_groups){portions_of(vectors, many_vectors), next_portion(vectors, many_vectors)};
}

/* Bytes of the images turned over, which do not grow when images become fewer. */
static size_t fc_many_bytes(int images, int inputs) {
    const many_groups cut = many_cut(images);
    return (size_t)cut.groups * cut.vectors * AN_BLOCK * inputs * sizeof(float);
}

/* One group's images turned over; `wide` is their number, of which the first `images` are there. */
static void many_turn(int images, int wide, int inputs, const float *x, float *turned) {
    const int block = many_floats / wide;
#pragma omp for schedule(static)
    for (int first = 0; first < inputs; first += block) {
        const int last = smaller(first + block, inputs);
        for (int n = 0; n < wide; n++)
            for (int i = first; i < last; i++)
                turned[(size_t)i * wide + n] = n < images ? x[(size_t)n * inputs + i] : 0;
    }
}

/* sums (rows, vectors) += w (rows, inputs, of which `row` lie between rows) x (inputs, vectors),
 * and `next`, as many weights as w, is asked for unless NULL. `rows` and `vectors` are constants.
 */
static inline __attribute__((always_inline)) void many_tile(const int rows, const int vectors,
                                                            int inputs, size_t row, const float *w,
                                                            const float *next, const float *x,
                                                            float *sums) {
    vec sum[many_sums];
#pragma GCC unroll 24
    for (int j = 0; j < rows * vectors; j++)
        sum[j] = load(sums + j * AN_BLOCK);
    int asked = next ? 0 : rows, line = 0; /* of the next tile's weights */
    for (int i = 0; i < inputs; i++) {
        if (asked < rows) {
            __builtin_prefetch(next + asked * row + line);
            line += many_line;
            if (line >= inputs) {
                line = 0;
                asked++;
            }
        }
        vec image[many_vectors];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            image[v] = load(x + ((size_t)i * vectors + v) * AN_BLOCK);
#pragma GCC unroll 24
        for (int r = 0; r < rows; r++) {
            const vec weight = broadcast(w[r * row + i]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                sum[r * vectors + v] = multiply_add(weight, image[v], sum[r * vectors + v]);
        }
    }
#pragma GCC unroll 24
    for (int j = 0; j < rows * vectors; j++)
        store(sums + j * AN_BLOCK, sum[j]);
}

/* The same for a tile of a given width: as high as there are registers, or one row. */
static void many_tile_of(bool whole, int vectors, int inputs, size_t row, const float *w,
                         const float *next, const float *x, float *sums) {
    switch (whole ? vectors : -vectors) {
    case 1:
        many_tile(many_sums / 2, 1, inputs, row, w, next, x, sums);
        break;
    case 2:
        many_tile(many_sums / 2, 2, inputs, row, w, next, x, sums);
        break;
#if AN_BLOCK == 16
    case 3:
        many_tile(many_sums / 3, 3, inputs, row, w, next, x, sums);
        break;
    case 4:
        many_tile(many_sums / 4, 4, inputs, row, w, next, x, sums);
        break;
    case -3:
        many_tile(1, 3, inputs, row, w, NULL, x, sums);
        break;
    case -4:
        many_tile(1, 4, inputs, row, w, NULL, x, sums);
        break;
#endif
    case -1:
        many_tile(1, 1, inputs, row, w, NULL, x, sums);
        break;
    default:
        many_tile(1, 2, inputs, row, w, NULL, x, sums);
        break;
    }
}

static int many_rows(int vectors) {
    return many_sums / (vectors == 1 ? 2 : vectors);
}

/* sums (outputs, images of a group) += w, of some inputs, x the group. With `ask`, weights are
 * asked for: tile by tile the next one's, and with the last the first ones of the `inputs` behind.
 */
static void many_group(int outputs, int vectors, int inputs, size_t row, bool ask, const float *w,
                       const float *x, float *sums) {
    const int wide = vectors * AN_BLOCK, rows = many_rows(vectors);
    int o = 0;
    for (; o + rows <= outputs; o += rows) {
        const float *tile = w + (size_t)o * row;
        const float *next = o + 2 * rows <= outputs ? tile + (size_t)rows * row : w + inputs;
        many_tile_of(true, vectors, inputs, row, tile, ask ? next : NULL, x,
                     sums + (size_t)o * wide);
    }
    for (; o < outputs; o++)
        many_tile_of(false, vectors, inputs, row, w + (size_t)o * row, NULL, x,
                     sums + (size_t)o * wide);
}

/* sums (groups, outputs, images of a group) of a run of up to many_outputs outputs and groups of
 * together up to many_images. */
static void many_run(int outputs, int groups, int vectors, int inputs, const float *w,
                     const float *turned, float *sums) {
    const int wide = vectors * AN_BLOCK, block = many_floats / wide;
    memset(sums, 0, (size_t)groups * outputs * wide * sizeof *sums);
    for (int first = 0; first < inputs; first += block)
        for (int g = 0; g < groups; g++)
            many_group(outputs, vectors, smaller(block, inputs - first), (size_t)inputs, g == 0,
                       w + first, turned + ((size_t)g * inputs + first) * wide,
                       sums + (size_t)g * outputs * wide);
}

/* y of a run of outputs, from `first` on, and of image n, whose sums lie `wide` apart. */
static void many_finish(const an_fc_job *job, int first, int outputs, int n, int wide,
                        const float *sums) {
    for (int r = 0; r < outputs; r++)
        fc_output(job, n, first + r, sums[r * wide]);
}

static void fc_forward_many(const an_fc_job *job) {
    const int images = job->images, inputs = job->inputs;
    const many_groups cut = many_cut(images);
    const int wide = cut.vectors * AN_BLOCK, most = many_images / wide;
    float *turned = job->workspace;
#pragma omp parallel
    {
        for (int g = 0; g < cut.groups; g++)
            many_turn(smaller(wide, images - g * wide), wide, inputs,
                      job->x + (size_t)g * wide * inputs, turned + (size_t)g * wide * inputs);
        for (int g = 0; g < cut.groups; g += most) {
            const int some = smaller(most, cut.groups - g);
#pragma omp for schedule(dynamic) nowait
            for (int o = 0; o < job->outputs; o += many_outputs) {
                const int run = smaller(many_outputs, job->outputs - o);
                _Alignas(AN_ALIGNMENT) float sums[many_outputs * many_images];
                many_run(run, some, cut.vectors, inputs, job->w + (size_t)o * inputs,
                         turned + (size_t)g * wide * inputs, sums);
                for (int m = 0; m < smaller(some * wide, images - g * wide); m++)
                    many_finish(job, o, run, g * wide + m, wide,
                                sums + (size_t)(m / wide) * run * wide + m % wide);
            }
        }
    }
}
