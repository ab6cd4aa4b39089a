/*
 * Local response normalisation across 5 maps with beta = 0.75 (those of every network here):
 *
 *     scale = k + alpha / n * sum of the 5 squares around a map;    y = x * scale^-0.75
 *
 * A vector holds B maps of one pixel; the neighbours of its first and last maps are in the blocks
 * before and behind, so the kernels walk along the blocks of a pixel with those at hand.
 *
 * The power needs no powf: with r = 1 / sqrt(scale), scale^-0.75 = r sqrt(r) and 1 / scale = r r.
 */

/* The sums over each map and two on either side, of three neighbouring blocks the middle one's. */
static inline vec window_sum(vec before, vec v, vec behind) {
    return v + ((__builtin_shufflevector(before, v, AN_LANES(AN_BLOCK - 2)) +
                 __builtin_shufflevector(before, v, AN_LANES(AN_BLOCK - 1))) +
                (__builtin_shufflevector(v, behind, AN_LANES(1)) +
                 __builtin_shufflevector(v, behind, AN_LANES(2))));
}

/* 1 / sqrt(scale) of the middle one of three blocks of squares. */
static inline vec inverse_root(const an_layer *layer, vec before, vec squares, vec behind) {
    const float alpha = layer->spec.alpha / (float)layer->spec.size;
    return 1.0f / square_root(layer->spec.k + alpha * window_sum(before, squares, behind));
}

/* The maps of a block, after the ReLU below if there is one, and their squares. */
static inline vec load_maps(const float *x, bool through_relu) {
    return through_relu ? rectified(load(x)) : load(x);
}

static inline vec load_squares(const float *x, bool through_relu) {
    const vec v = load_maps(x, through_relu);
    return v * v;
}

/* One pixel: `blocks` blocks of a tower, each `x_stride` floats of x and `y_stride` of y behind the
 * other. */
static inline void lrn_forward_pixel(const an_layer *layer, int blocks, bool through_relu,
                                     const float *x, size_t x_stride, float *y, size_t y_stride) {
    vec before = {0}, squares = load_squares(x, through_relu);
    for (int block = 0; block < blocks; block++) {
        const vec behind = block + 1 < blocks ? load_squares(x + x_stride, through_relu) : (vec){0};
        const vec r = inverse_root(layer, before, squares, behind);
        store(y, load_maps(x, through_relu) * (r * square_root(r)));
        before = squares;
        squares = behind;
        x += x_stride;
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
static inline void lrn_backward_pixel(const an_layer *layer, int blocks, bool through_relu,
                                      const float *x, float *dx, size_t stride, const float *dy,
                                      size_t dy_stride) {
    const float factor = 1.5f * layer->spec.alpha / (float)layer->spec.size;
    vec squares = {0},
        squares_behind = load_squares(x, through_relu); /* of blocks b and b + 1, b = -1 */
    vec q_before = {0}, q = {0};                        /* of blocks b - 1 and b */
    vec direct = {0};                                   /* dy scale^-0.75 of block b */
    for (int block = -1; block < blocks; block++) {
        vec q_behind = {0}, direct_behind = {0}, squares_next = {0};
        if (block + 1 < blocks) {
            const size_t next = (size_t)(block + 1) * stride;
            if (block + 2 < blocks)
                squares_next = load_squares(x + next + stride, through_relu);
            const vec r = inverse_root(layer, squares, squares_behind, squares_next);
            direct_behind = load(dy + (size_t)(block + 1) * dy_stride) * (r * square_root(r));
            q_behind = direct_behind * load_maps(x + next, through_relu) * (r * r);
        }
        if (block >= 0) {
            const size_t here = (size_t)block * stride;
            const vec unit = load(x + here);
            vec gradient = direct - factor * unit * window_sum(q_before, q, q_behind);
            if (through_relu)
                gradient = only(unit > 0, gradient);
            store(dx + here, gradient);
        }
        q_before = q;
        q = q_behind;
        direct = direct_behind;
        squares = squares_behind;
        squares_behind = squares_next;
    }
}

/* Blocks of maps of a tower. */
static inline int lrn_blocks(const an_layer *layer) {
    return (layer->in.c + AN_BLOCK - 1) / AN_BLOCK / layer->spec.towers;
}

static void lrn_forward(const an_layer *layer, int images, bool through_relu, const float *x,
                        float *y) {
    const an_shape shape = layer->in;
    const int towers = layer->spec.towers, blocks = lrn_blocks(layer);
    const size_t stride = (size_t)shape.h * shape.w * AN_BLOCK, row = (size_t)shape.w * AN_BLOCK;
#pragma omp parallel for collapse(2) schedule(static)
    for (int tower = 0; tower < images * towers; tower++) {
        for (int h = 0; h < shape.h; h++) {
            const size_t first = (size_t)tower * blocks * stride + h * row;
            for (size_t p = first; p < first + row; p += AN_BLOCK)
                lrn_forward_pixel(layer, blocks, through_relu, x + p, stride, y + p, stride);
        }
    }
}

static void lrn_backward(const an_layer *layer, int images, bool through_relu, const float *x,
                         const float *dy, float *dx) {
    const an_shape shape = layer->in;
    const int towers = layer->spec.towers, blocks = lrn_blocks(layer);
    const size_t stride = (size_t)shape.h * shape.w * AN_BLOCK, row = (size_t)shape.w * AN_BLOCK;
#pragma omp parallel for collapse(2) schedule(static)
    for (int tower = 0; tower < images * towers; tower++) {
        for (int h = 0; h < shape.h; h++) {
            const size_t first = (size_t)tower * blocks * stride + h * row;
            for (size_t p = first; p < first + row; p += AN_BLOCK)
                lrn_backward_pixel(layer, blocks, through_relu, x + p, dx + p, stride, dy + p,
                                   stride);
        }
    }
}
