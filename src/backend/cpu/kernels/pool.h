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
        for (int w = window->left; w < window->right; w++) {
            const vec x = load(row + (size_t)w * AN_BLOCK);
            largest = choose((x > largest) | is_nan(x), x, largest);
        }
    }
    return largest;
}

static void pool_forward(const an_layer *layer, int images, bool through_relu, const float *x,
                         float *y) {
    const an_shape in = layer->in, out = layer->out;
    const int planes = images * ((in.c + AN_BLOCK - 1) / AN_BLOCK);
#pragma omp parallel for schedule(static)
    for (int plane = 0; plane < planes; plane++) {
        const float *picture = x + (size_t)plane * in.h * in.w * AN_BLOCK;
        float *pooled = y + (size_t)plane * out.h * out.w * AN_BLOCK;
        for (int h = 0; h < out.h; h++) {
            for (int w = 0; w < out.w; w++) {
                const pool_window window = window_at(layer, h, w);
                const vec largest = window_maximum(&window, in.w, picture);
                store(pooled, through_relu ? rectified(largest) : largest);
                pooled += AN_BLOCK;
            }
        }
    }
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

static void pool_backward(const an_layer *layer, int images, bool through_relu, const float *x,
                          const float *dy, float *dx) {
    const an_shape in = layer->in, out = layer->out;
    const int planes = images * ((in.c + AN_BLOCK - 1) / AN_BLOCK);
    const size_t size = (size_t)in.h * in.w * AN_BLOCK;
#pragma omp parallel for schedule(static)
    for (int plane = 0; plane < planes; plane++) {
        const float *picture = x + plane * size;
        const float *pooled = dy + (size_t)plane * out.h * out.w * AN_BLOCK;
        float *gradient = dx + plane * size;
        memset(gradient, 0, size * sizeof *gradient);
        for (int h = 0; h < out.h; h++) {
            for (int w = 0; w < out.w; w++) {
                const pool_window window = window_at(layer, h, w);
                window_backward(&window, in.w, through_relu, picture, load(pooled), gradient);
                pooled += AN_BLOCK;
            }
        }
    }
}
