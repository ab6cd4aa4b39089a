/*
 * Local response normalisation and max pooling in one pass: what is between them stays in the
 * caches. The bits are those of both, one behind the other.
 *
 * With normalisation below pooling, windows must be 3 x 3 in steps of 2 and cover the picture
 * exactly (an_lrn_pool_fits). Backward its outputs are computed again, which is cheaper than to
 * keep them.
 */

/* A stretch of one tower of one image: rows [begin, end) of what is pooled. */
typedef struct lrn_pool_part {
    int tower; /* counted through all images */
    int begin, end;
} lrn_pool_part;

static int lrn_pool_parts(const an_layer *pool, int towers) {
    const int wanted = 4 * omp_get_max_threads(); /* so that all of them are busy to the end */
    return towers >= wanted ? 1 : smaller(pool->out.h, (wanted + towers - 1) / towers);
}

/* Part `index` of `parts` for each tower. */
static lrn_pool_part lrn_pool_part_at(const an_layer *pool, int parts, int index) {
    const int part = index % parts, rows = pool->out.h;
    return (lrn_pool_part){index / parts, rows * part / parts, rows * (part + 1) / parts};
}

/* Floats of a row of a tower's maps (blocks, W, B), W before pooling. */
static inline size_t lrn_pool_row(const an_layer *lrn, const an_layer *pool) {
    return (size_t)lrn_blocks(lrn) * pool->in.w * AN_BLOCK;
}

/* A thread's share of the workspace: as many rows as the backward pass needs. */
static size_t lrn_pool_floats(const an_layer *lrn, const an_layer *pool) {
    return 6 * lrn_pool_row(lrn, pool);
}

/* ---- Normalisation, then pooling. A row is normalised, then its maxima within windows join those
 * of the rows above. */

/* A row of x (blocks, of which `stride` floats lie between one and the next, W, B), normalised. */
static void lrn_pool_normalise(const an_layer *lrn, bool through_relu, const float *x,
                               size_t stride, float *row) {
    const size_t width = (size_t)lrn->in.w * AN_BLOCK;
    const int blocks = lrn_blocks(lrn);
    for (size_t p = 0; p < width; p += AN_BLOCK)
        lrn_forward_pixel(lrn, blocks, through_relu, x + p, stride, row + p, width);
}

/* Takes row h of one block of maps: `row` (W, B), into `most` (W of the pooled, B), the maxima of
 * the window's rows so far. The row that ends one window begins the next; then y is complete. */
static void lrn_pool_take(const an_layer *pool, int h, bool begins, const float *row, float *most,
                          float *y) {
    vec left = load(row);
    for (int w = 0; w < pool->out.w; w++, most += AN_BLOCK, y += AN_BLOCK) {
        row += (size_t)2 * AN_BLOCK;
        const vec right = load(row);
        const vec largest = maximum(maximum(left, load(row - AN_BLOCK)), right);
        const vec joined = begins ? largest : maximum(load(most), largest);
        if (h % 2 == 0 && !begins)
            store(y, joined);
        store(most, h % 2 == 0 ? largest : joined);
        left = right;
    }
}

static void lrn_pool_forward_part(const an_layer *lrn, const an_layer *pool, bool through_relu,
                                  lrn_pool_part part, const float *x, float *y, float *work) {
    const int blocks = lrn_blocks(lrn);
    const size_t width = (size_t)pool->in.w * AN_BLOCK, pooled = (size_t)pool->out.w * AN_BLOCK;
    const size_t plane = width * pool->in.h, pooled_plane = pooled * pool->out.h;
    float *row = work, *most = work + lrn_pool_row(lrn, pool);
    x += part.tower * blocks * plane;
    y += part.tower * blocks * pooled_plane;
    for (int h = 2 * part.begin; h <= 2 * part.end; h++) {
        lrn_pool_normalise(lrn, through_relu, x + h * width, plane, row);
        for (int block = 0; block < blocks; block++)
            lrn_pool_take(pool, h, h == 2 * part.begin, row + block * width, most + block * pooled,
                          y + block * pooled_plane + larger(0, h / 2 - 1) * pooled);
    }
}

static void lrn_pool_forward(const an_layer *lrn, const an_layer *pool, int images,
                             bool through_relu, const float *x, float *y, float *work) {
    const int towers = images * lrn->spec.towers, parts = lrn_pool_parts(pool, towers);
    const size_t floats = lrn_pool_floats(lrn, pool);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < towers * parts; i++)
        lrn_pool_forward_part(lrn, pool, through_relu, lrn_pool_part_at(pool, parts, i), x, y,
                              work + omp_get_thread_num() * floats);
}

/* ---- The same backward. Three rows of each kind take turns: rows 2 i, 2 i + 1, 2 i + 2 of window
 * row i stand downwards for even i and upwards for odd, so that its last row is the next one's
 * first without being moved. */

typedef struct lrn_pool_rows {
    float *normalised, *gradients; /* (3, blocks, W, B) */
    size_t size;                   /* of one row */
} lrn_pool_rows;

/* Which of three rows has row h. */
static inline int lrn_pool_turn(int h) {
    return h % 4 == 3 ? 1 : h % 4;
}

/* Normalises row h for its windows, and empties its gradients. */
static void lrn_pool_ready(const an_layer *lrn, bool through_relu, const float *x, size_t stride,
                           int h, const lrn_pool_rows *rows) {
    const size_t at = lrn_pool_turn(h) * rows->size;
    lrn_pool_normalise(lrn, through_relu, x, stride, rows->normalised + at);
    memset(rows->gradients + at, 0, rows->size * sizeof *rows->gradients);
}

/* Row h of dx. */
static void lrn_pool_leave(const an_layer *lrn, bool through_relu, const float *x, float *dx,
                           size_t stride, int h, const lrn_pool_rows *rows) {
    const size_t width = (size_t)lrn->in.w * AN_BLOCK;
    const int blocks = lrn_blocks(lrn);
    const float *dy = rows->gradients + lrn_pool_turn(h) * rows->size;
    for (size_t p = 0; p < width; p += AN_BLOCK)
        lrn_backward_pixel(lrn, blocks, through_relu, x + p, dx + p, stride, dy + p, width);
}

static void lrn_pool_backward_part(const an_layer *lrn, const an_layer *pool, bool through_relu,
                                   lrn_pool_part part, const float *x, const float *dy, float *dx,
                                   float *work) {
    const int blocks = lrn_blocks(lrn);
    const size_t width = (size_t)pool->in.w * AN_BLOCK, pooled = (size_t)pool->out.w * AN_BLOCK;
    const size_t plane = width * pool->in.h, pooled_plane = pooled * pool->out.h;
    const size_t size = lrn_pool_row(lrn, pool);
    const lrn_pool_rows rows = {work, work + 3 * size, size};
    /* The part's first row is also the last of the window above, whose others are not its own. */
    const int first = larger(0, part.begin - 1), last = part.end == pool->out.h ? pool->in.h : 0;
    x += part.tower * blocks * plane;
    dx += part.tower * blocks * plane;
    dy += part.tower * blocks * pooled_plane;
    for (int h = 2 * first, done = 2 * part.begin; h <= 2 * part.end; h++) {
        lrn_pool_ready(lrn, through_relu, x + h * width, plane, h, &rows);
        if (h % 2 != 0 || h == 2 * first)
            continue;
        const size_t top = lrn_pool_turn(h - 2) * size;
        const ptrdiff_t step = h % 4 == 2 ? (ptrdiff_t)size : -(ptrdiff_t)size;
        for (int block = 0; block < blocks; block++)
            whole_windows_backward(pool->out.w, false, step, rows.normalised + top + block * width,
                                   dy + block * pooled_plane + (h / 2 - 1) * pooled,
                                   rows.gradients + top + block * width);
        for (; done < (h == 2 * part.end ? larger(h, last) : h); done++)
            lrn_pool_leave(lrn, through_relu, x + done * width, dx + done * width, plane, done,
                           &rows);
    }
}

static void lrn_pool_backward(const an_layer *lrn, const an_layer *pool, int images,
                              bool through_relu, const float *x, const float *dy, float *dx,
                              float *work) {
    const int towers = images * lrn->spec.towers, parts = lrn_pool_parts(pool, towers);
    const size_t floats = lrn_pool_floats(lrn, pool);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < towers * parts; i++)
        lrn_pool_backward_part(lrn, pool, through_relu, lrn_pool_part_at(pool, parts, i), x, dy, dx,
                               work + omp_get_thread_num() * floats);
}

/* ---- Pooling, then normalisation: a row is pooled, then normalised. */

static void pool_lrn_forward_part(const an_layer *pool, const an_layer *lrn, bool through_relu,
                                  lrn_pool_part part, const float *x, float *y, float *row) {
    const int blocks = lrn_blocks(lrn);
    const size_t plane = (size_t)pool->in.h * pool->in.w * AN_BLOCK;
    const size_t pooled = (size_t)pool->out.w * AN_BLOCK, pooled_plane = pooled * pool->out.h;
    x += part.tower * blocks * plane;
    y += part.tower * blocks * pooled_plane;
    for (int h = part.begin; h < part.end; h++) {
        for (int block = 0; block < blocks; block++)
            pool_row(pool, h, through_relu, x + block * plane, row + block * pooled);
        for (size_t p = 0; p < pooled; p += AN_BLOCK)
            lrn_forward_pixel(lrn, blocks, false, row + p, pooled, y + h * pooled + p,
                              pooled_plane);
    }
}

static void pool_lrn_forward(const an_layer *pool, const an_layer *lrn, int images,
                             bool through_relu, const float *x, float *y, float *work) {
    const int towers = images * lrn->spec.towers, parts = lrn_pool_parts(pool, towers);
    const size_t floats = lrn_pool_floats(lrn, pool);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < towers * parts; i++)
        pool_lrn_forward_part(pool, lrn, through_relu, lrn_pool_part_at(pool, parts, i), x, y,
                              work + omp_get_thread_num() * floats);
}
