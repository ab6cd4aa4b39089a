/*
 * Local response normalisation across 5 maps with beta = 0.75 (those of every network here):
 *
 *     scale = k + alpha / n * sum of the 5 squares around a map;    y = x * scale^-0.75
 *
 * A vector holds B maps of one pixel; the neighbours of its first and last maps are in the blocks
 * before and behind, so the kernels walk along the blocks of a pixel with those at hand.
 *
 * The power needs no powf: with r = 1 / sqrt(scale), scale^-0.75 = r^1.5 = r r / sqrt(r), and
 * 1 / scale = r r.
 */

/* The sums over each map and two on either side, of three neighbouring blocks the middle one's. */
static inline vec window_sum(vec before, vec v, vec behind) {
    return v + ((__builtin_shufflevector(before, v, AN_LANES(AN_BLOCK - 2)) +
                 __builtin_shufflevector(before, v, AN_LANES(AN_BLOCK - 1))) +
                (__builtin_shufflevector(v, behind, AN_LANES(1)) +
                 __builtin_shufflevector(v, behind, AN_LANES(2))));
}

/* What is the same for all pixels of a layer. */
typedef struct lrn_terms {
    int blocks; /* of maps, of a tower */
    vec k, alpha, factor;
} lrn_terms;

/* Blocks of maps of a tower. */
static inline int lrn_blocks(const an_layer *layer) {
    return portions_of(layer->in.c, AN_BLOCK) / layer->spec.towers;
}

static inline lrn_terms lrn_terms_of(const an_layer *layer) {
    const float alpha = layer->spec.alpha / (float)layer->spec.size;
    return (lrn_terms){lrn_blocks(layer), broadcast(layer->spec.k), broadcast(alpha),
                       broadcast(1.5f * alpha)};
}

/* scale^-1/2 of the middle one of three blocks of squares. */
static inline vec scale_root(const lrn_terms *terms, vec before, vec squares, vec behind) {
    return inverse_root(multiply_add(terms->alpha, window_sum(before, squares, behind), terms->k));
}

/* scale^-3/4, of scale^-1/2. */
static inline vec scale_power(vec r) {
    return r * (r * inverse_root(r));
}

/* The maps of a block, after the ReLU below if there is one. */
static inline vec load_maps(const float *x, bool through_relu) {
    return through_relu ? rectified(load(x)) : load(x);
}

/* One pixel: `blocks` blocks of a tower, each `x_stride` floats of x and `y_stride` of y behind the
 * other. `through_relu` is a constant where it is inlined. */
static inline __attribute__((always_inline)) void lrn_forward_pixel(const lrn_terms *terms,
                                                                    const bool through_relu,
                                                                    const float *x, size_t x_stride,
                                                                    float *y, size_t y_stride) {
    vec maps = load_maps(x, through_relu), squares_before = {0};
    for (int block = 0; block < terms->blocks; block++) {
        x += x_stride;
        const vec behind = block + 1 < terms->blocks ? load_maps(x, through_relu) : (vec){0};
        const vec r = scale_root(terms, squares_before, maps * maps, behind * behind);
        store(y, maps * scale_power(r));
        squares_before = maps * maps;
        maps = behind;
        y += y_stride;
    }
}

/*
 * dx_i = dy_i scale_i^-0.75 - 2 * 0.75 * alpha / n * x_i * sum over j around i of q_j,
 * q_j  = dy_j x_j scale_j^-1.75
 *
 * The sum around block i needs q of the block behind, and that the squares of the one behind it.
 * Blocks of x and dx are `stride` floats apart, of dy `dy_stride`.
 */
static inline __attribute__((always_inline)) void
lrn_backward_pixel(const lrn_terms *terms, const bool through_relu, const float *x, float *dx,
                   size_t stride, const float *dy, size_t dy_stride) {
    const int blocks = terms->blocks;
    vec maps = {0}, behind = load_maps(x, through_relu); /* of blocks b and b + 1, b = -1 */
    vec q_before = {0}, q = {0};                         /* of blocks b - 1 and b */
    vec direct = {0};                                    /* dy scale^-0.75 of block b */
    for (int block = -1; block < blocks; block++) {
        vec q_behind = {0}, direct_behind = {0}, next = {0};
        if (block + 1 < blocks) {
            if (block + 2 < blocks)
                next = load_maps(x + (size_t)(block + 2) * stride, through_relu);
            const vec r = scale_root(terms, maps * maps, behind * behind, next * next);
            direct_behind = load(dy + (size_t)(block + 1) * dy_stride) * scale_power(r);
            q_behind = direct_behind * behind * (r * r);
        }
        if (block >= 0) {
            const vec gradient = direct - terms->factor * maps * window_sum(q_before, q, q_behind);
            store(dx + (size_t)block * stride, through_relu ? only(maps > 0, gradient) : gradient);
        }
        q_before = q;
        q = q_behind;
        direct = direct_behind;
        maps = behind;
        behind = next;
    }
}

/* A row of `width` pixels. */
static void lrn_forward_row(const lrn_terms *terms, bool through_relu, int width, const float *x,
                            size_t x_stride, float *y, size_t y_stride) {
    for (int w = 0; w < width; w++, x += AN_BLOCK, y += AN_BLOCK) {
        if (through_relu)
            lrn_forward_pixel(terms, true, x, x_stride, y, y_stride);
        else
            lrn_forward_pixel(terms, false, x, x_stride, y, y_stride);
    }
}

static void lrn_backward_row(const lrn_terms *terms, bool through_relu, int width, const float *x,
                             float *dx, size_t stride, const float *dy, size_t dy_stride) {
    for (int w = 0; w < width; w++, x += AN_BLOCK, dx += AN_BLOCK, dy += AN_BLOCK) {
        if (through_relu)
            lrn_backward_pixel(terms, true, x, dx, stride, dy, dy_stride);
        else
            lrn_backward_pixel(terms, false, x, dx, stride, dy, dy_stride);
    }
}

static void lrn_forward(const an_layer *layer, int images, bool through_relu, const float *x,
                        float *y) {
    const an_shape shape = layer->in;
    const int towers = images * layer->spec.towers;
    const size_t row = (size_t)shape.w * AN_BLOCK, stride = row * shape.h;
    const lrn_terms terms = lrn_terms_of(layer);
#pragma omp parallel for collapse(2) schedule(static)
    for (int tower = 0; tower < towers; tower++) {
        for (int h = 0; h < shape.h; h++) {
            const size_t first = (size_t)tower * terms.blocks * stride + h * row;
            lrn_forward_row(&terms, through_relu, shape.w, x + first, stride, y + first, stride);
        }
    }
}

static void lrn_backward(const an_layer *layer, int images, bool through_relu, const float *x,
                         const float *dy, float *dx) {
    const an_shape shape = layer->in;
    const int towers = images * layer->spec.towers;
    const size_t row = (size_t)shape.w * AN_BLOCK, stride = row * shape.h;
    const lrn_terms terms = lrn_terms_of(layer);
#pragma omp parallel for collapse(2) schedule(static)
    for (int tower = 0; tower < towers; tower++) {
        for (int h = 0; h < shape.h; h++) {
            const size_t first = (size_t)tower * terms.blocks * stride + h * row;
            lrn_backward_row(&terms, through_relu, shape.w, x + first, dx + first, stride,
                             dy + first, stride);
        }
    }
}
