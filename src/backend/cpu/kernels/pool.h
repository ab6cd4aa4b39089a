/* Overlapping max pooling, B maps at once. */

/* One window of a picture (H, W, B): rows [top, bottom), columns [left, right). */
typedef struct pool_window {
    int top, bottom, left, right;
} pool_window;

static inline pool_window window_at(const an_layer *layer, int row, int column) {
    const int top = row * layer->spec.stride, left = column * layer->spec.stride;
    return (pool_window){top, smaller(top + layer->spec.kernel, layer->in.h), left,
                         smaller(left + layer->spec.kernel, layer->in.w)};
}

/* The largest of a window in each map; NaN where there is one. */
static inline vec window_maximum(const pool_window *window, int width, const float *picture) {
    vec largest = load(picture + ((size_t)window->top * width + window->left) * AN_BLOCK);
    for (int h = window->top; h < window->bottom; h++) {
        const float *row = picture + (size_t)h * width * AN_BLOCK;
        for (int w = window->left; w < window->right; w++)
            largest = maximum(largest, load(row + (size_t)w * AN_BLOCK));
    }
    return largest;
}

/* How many windows of 3 x 3 in steps of 2, those of every network here, lie wholly within a row of
 * windows; 0 where the row or the windows are others. */
static inline int whole_windows(const an_layer *layer, int row) {
    const an_layer_spec *spec = &layer->spec;
    const bool whole = spec->kernel == 3 && spec->stride == 2 && 2 * row + 3 <= layer->in.h;
    return whole ? smaller(layer->out.w, (layer->in.w - 1) / 2) : 0;
}

/* The largest of three pixels one above the other, `width` floats apart. */
static inline vec column_maximum(const float *x, ptrdiff_t width) {
    return maximum(maximum(load(x), load(x + width)), load(x + 2 * width));
}

/* One row of windows of a picture. A window of 3 x 3 shares its last column with the next one. */
static void pool_row(const an_layer *layer, int row, bool through_relu, const float *picture,
                     float *pooled) {
    const ptrdiff_t width = (ptrdiff_t)layer->in.w * AN_BLOCK;
    const int whole = whole_windows(layer, row);
    if (whole > 0) {
        const float *x = picture + (ptrdiff_t)row * 2 * width;
        vec left = column_maximum(x, width);
        for (int w = 0; w < whole; w++, pooled += AN_BLOCK) {
            x += (size_t)2 * AN_BLOCK;
            const vec right = column_maximum(x, width);
            const vec largest = maximum(maximum(left, column_maximum(x - AN_BLOCK, width)), right);
            store(pooled, through_relu ? rectified(largest) : largest);
            left = right;
        }
    }
    for (int w = whole; w < layer->out.w; w++, pooled += AN_BLOCK) {
        const pool_window window = window_at(layer, row, w);
        const vec largest = window_maximum(&window, layer->in.w, picture);
        store(pooled, through_relu ? rectified(largest) : largest);
    }
}

static void pool_forward(const an_layer *layer, int images, bool through_relu, const float *x,
                         float *y) {
    const an_shape in = layer->in, out = layer->out;
    const int planes = images * ((in.c + AN_BLOCK - 1) / AN_BLOCK);
#pragma omp parallel for schedule(static)
    for (int plane = 0; plane < planes; plane++)
        for (int h = 0; h < out.h; h++)
            pool_row(layer, h, through_relu, x + (size_t)plane * in.h * in.w * AN_BLOCK,
                     y + ((size_t)plane * out.h + h) * out.w * AN_BLOCK);
}

/* The first pixel of a window that equals its maximum takes the gradient, map by map. */
static inline void window_backward(const pool_window *window, int width, bool through_relu,
                                   const float *picture, vec dy, float *gradient) {
    const vec largest = window_maximum(window, width, picture);
    if (through_relu)
        dy = only(largest > 0, dy);
    veci open = ~is_nan(largest); /* maps whose maximum has not come yet */
    for (int h = window->top; h < window->bottom; h++) {
        for (int w = window->left; w < window->right; w++) {
            const size_t pixel = ((size_t)h * width + w) * AN_BLOCK;
            const veci hit = (load(picture + pixel) == largest) & open;
            open &= ~hit;
            store(gradient + pixel, load(gradient + pixel) + only(hit, dy));
        }
    }
}

/* dy where a pixel is the first to equal the window's maximum; `open`: no pixel was before. */
static inline vec share_of(vec x, vec largest, vec dy, veci *open) {
    const veci hit = (x == largest) & *open;
    *open &= ~hit;
    return only(hit, dy);
}

static inline void add_to(float *sum, vec v) {
    store(sum, load(sum) + v);
}

/* The first `count` windows of a row, whole ones of 3 x 3 in steps of 2: what the column that a
 * window shares with the next one gets is kept until that has been added. */
static inline void whole_windows_backward(int count, bool through_relu, ptrdiff_t width,
                                          const float *x, const float *dy, float *dx) {
    vec left_maximum = column_maximum(x, width);
    vec kept[3] = {{0}, {0}, {0}};
    for (int w = 0; w < count; w++) {
        const float *middle = x + AN_BLOCK, *right = middle + AN_BLOCK;
        const vec right_maximum = column_maximum(right, width);
        const vec largest =
            maximum(maximum(left_maximum, column_maximum(middle, width)), right_maximum);
        vec gradient = load(dy);
        if (through_relu)
            gradient = only(largest > 0, gradient);
        veci open = ~(veci){0};
#pragma GCC unroll 3
        for (int h = 0; h < 3; h++) {
            const ptrdiff_t row = h * width;
            add_to(dx + row, kept[h] + share_of(load(x + row), largest, gradient, &open));
            add_to(dx + row + AN_BLOCK, share_of(load(middle + row), largest, gradient, &open));
            kept[h] = share_of(load(right + row), largest, gradient, &open);
        }
        left_maximum = right_maximum;
        x = right;
        dx += (size_t)2 * AN_BLOCK;
        dy += AN_BLOCK;
    }
    for (int h = 0; h < 3; h++)
        add_to(dx + h * width, kept[h]);
}

static void pool_row_backward(const an_layer *layer, int row, bool through_relu,
                              const float *picture, const float *pooled, float *gradient) {
    const ptrdiff_t width = (ptrdiff_t)layer->in.w * AN_BLOCK, top = (ptrdiff_t)row * 2 * width;
    const int whole = whole_windows(layer, row);
    if (whole > 0)
        whole_windows_backward(whole, through_relu, width, picture + top, pooled, gradient + top);
    for (int w = whole; w < layer->out.w; w++) {
        const pool_window window = window_at(layer, row, w);
        window_backward(&window, layer->in.w, through_relu, picture,
                        load(pooled + (size_t)w * AN_BLOCK), gradient);
    }
}

static void pool_backward(const an_layer *layer, int images, bool through_relu, const float *x,
                          const float *dy, float *dx) {
    const an_shape in = layer->in, out = layer->out;
    const int planes = images * ((in.c + AN_BLOCK - 1) / AN_BLOCK);
    const size_t size = (size_t)in.h * in.w * AN_BLOCK, row = (size_t)out.w * AN_BLOCK;
#pragma omp parallel for schedule(static)
    for (int plane = 0; plane < planes; plane++) {
        float *gradient = dx + plane * size;
        memset(gradient, 0, size * sizeof *gradient);
        for (int h = 0; h < out.h; h++)
            pool_row_backward(layer, h, through_relu, x + plane * size,
                              dy + ((size_t)plane * out.h + h) * row, gradient);
    }
}
