/*
 * Local response normalisation and the max pooling above it in one pass: what is between them stays
 * in the caches. The bits are those of both, one behind the other.
 *
 * Windows must be 3 x 3 in steps of 2 and cover the picture exactly (an_lrn_pool_fits). Backward,
 * the normalised maps are computed again, so that they are never kept.
 */

/* What all parts share. */
typedef struct lrn_pool {
    const an_layer *pool;
    lrn_terms terms;
    bool through_relu;
    size_t width, pooled;       /* floats of a row of one block of maps, before and after pooling */
    size_t plane, pooled_plane; /* of all its rows */
    int towers, parts;          /* of all images; of each tower */
} lrn_pool;

static lrn_pool lrn_pool_of(const an_layer *lrn, const an_layer *pool, int images,
                            bool through_relu) {
    const int wanted = 4 * omp_get_max_threads(); /* so that all of them are busy to the end */
    lrn_pool job = {.pool = pool, .terms = lrn_terms_of(lrn), .through_relu = through_relu};
    job.width = (size_t)pool->in.w * AN_BLOCK;
    job.pooled = (size_t)pool->out.w * AN_BLOCK;
    job.plane = job.width * pool->in.h;
    job.pooled_plane = job.pooled * pool->out.h;
    job.towers = images * lrn->spec.towers;
    job.parts = smaller(pool->out.h, portions_of(wanted, job.towers));
    return job;
}

/* A stretch of one tower of one image: rows [begin, end) of what is pooled. */
typedef struct lrn_pool_part {
    int tower; /* counted through all images */
    int begin, end;
} lrn_pool_part;

static lrn_pool_part lrn_pool_part_at(const lrn_pool *job, int index) {
    const int part = index % job->parts, rows = job->pool->out.h;
    return (lrn_pool_part){index / job->parts, rows * part / job->parts,
                           rows * (part + 1) / job->parts};
}

/* A thread's share of the workspace: as many rows of a tower as the backward pass needs. */
static size_t lrn_pool_floats(const an_layer *lrn, const an_layer *pool) {
    return (size_t)6 * lrn_blocks(lrn) * pool->in.w * AN_BLOCK;
}

/* ---- Forward. A row is normalised, then its maxima within windows join those of the rows above.
 */

/* Takes row h of one block of maps: `row` (W, B), into `most` (W of the pooled, B), the maxima of
 * the window's rows so far. The row that ends one window begins the next; then y is complete. */
static void lrn_pool_take(int width, int h, bool begins, const float *row, float *most, float *y) {
    vec left = load(row);
    for (int w = 0; w < width; w++, most += AN_BLOCK, y += AN_BLOCK) {
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

static void lrn_pool_forward_part(const lrn_pool *job, lrn_pool_part part, const float *x, float *y,
                                  float *work) {
    const int blocks = job->terms.blocks;
    float *row = work, *most = work + blocks * job->width;
    x += part.tower * blocks * job->plane;
    y += part.tower * blocks * job->pooled_plane;
    for (int h = 2 * part.begin; h <= 2 * part.end; h++) {
        const bool begins = h == 2 * part.begin;
        float *pooled = y + larger(0, h / 2 - 1) * job->pooled;
        lrn_forward_row(&job->terms, job->through_relu, job->pool->in.w, x + h * job->width,
                        job->plane, row, job->width);
        for (int block = 0; block < blocks; block++)
            lrn_pool_take(job->pool->out.w, h, begins, row + block * job->width,
                          most + block * job->pooled, pooled + block * job->pooled_plane);
    }
}

static void lrn_pool_forward(const an_layer *lrn, const an_layer *pool, int images,
                             bool through_relu, const float *x, float *y, float *work) {
    const lrn_pool job = lrn_pool_of(lrn, pool, images, through_relu);
    const size_t floats = lrn_pool_floats(lrn, pool);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < job.towers * job.parts; i++)
        lrn_pool_forward_part(&job, lrn_pool_part_at(&job, i), x, y,
                              work + omp_get_thread_num() * floats);
}

/* ---- Backward. Three rows of each kind take turns: rows 2 i, 2 i + 1, 2 i + 2 of window
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
static void lrn_pool_ready(const lrn_pool *job, const float *x, int h, const lrn_pool_rows *rows) {
    const size_t at = lrn_pool_turn(h) * rows->size;
    lrn_forward_row(&job->terms, job->through_relu, job->pool->in.w, x + h * job->width, job->plane,
                    rows->normalised + at, job->width);
    memset(rows->gradients + at, 0, rows->size * sizeof *rows->gradients);
}

/* The gradients of the window row that ends with row h. */
static void lrn_pool_share(const lrn_pool *job, const float *dy, int h, const lrn_pool_rows *rows) {
    const size_t top = lrn_pool_turn(h - 2) * rows->size;
    const ptrdiff_t step = h % 4 == 2 ? (ptrdiff_t)rows->size : -(ptrdiff_t)rows->size;
    dy += (h / 2 - 1) * job->pooled;
    for (int block = 0; block < job->terms.blocks; block++)
        whole_windows_backward(
            job->pool->out.w, false, step, rows->normalised + top + block * job->width,
            dy + block * job->pooled_plane, rows->gradients + top + block * job->width);
}

/* Row h of dx. */
static void lrn_pool_leave(const lrn_pool *job, const float *x, float *dx, int h,
                           const lrn_pool_rows *rows) {
    lrn_backward_row(&job->terms, job->through_relu, job->pool->in.w, x + h * job->width,
                     dx + h * job->width, job->plane,
                     rows->gradients + lrn_pool_turn(h) * rows->size, job->width);
}

static void lrn_pool_backward_part(const lrn_pool *job, lrn_pool_part part, const float *x,
                                   const float *dy, float *dx, float *work) {
    const int blocks = job->terms.blocks;
    const size_t size = blocks * job->width;
    const lrn_pool_rows rows = {work, work + 3 * size, size};
    /* The part's first row is also the last of the window above, whose others are not its own. */
    const int first = 2 * larger(0, part.begin - 1), last = 2 * part.end;
    const int end = part.end == job->pool->out.h ? job->pool->in.h : last;
    x += part.tower * blocks * job->plane;
    dx += part.tower * blocks * job->plane;
    dy += part.tower * blocks * job->pooled_plane;
    for (int h = first, done = 2 * part.begin; h <= last; h++) {
        lrn_pool_ready(job, x, h, &rows);
        if (h % 2 != 0 || h == first)
            continue;
        lrn_pool_share(job, dy, h, &rows);
        for (; done < (h == last ? end : h); done++)
            lrn_pool_leave(job, x, dx, done, &rows);
    }
}

static void lrn_pool_backward(const an_layer *lrn, const an_layer *pool, int images,
                              bool through_relu, const float *x, const float *dy, float *dx,
                              float *work) {
    const lrn_pool job = lrn_pool_of(lrn, pool, images, through_relu);
    const size_t floats = lrn_pool_floats(lrn, pool);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < job.towers * job.parts; i++)
        lrn_pool_backward_part(&job, lrn_pool_part_at(&job, i), x, dy, dx,
                               work + omp_get_thread_num() * floats);
}
