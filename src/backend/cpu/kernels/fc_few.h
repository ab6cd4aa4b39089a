/*
 * Fully connected layers, with the weights (O, I) where and as they are, for few images: what it
 * costs is reading the weights once. For one image a thread reads one row after the other, asking
 * memory ahead; for more, tiles of rows and images save reading the
 * images over and over.
 *
 * Threads take runs of rows as they get done with the last, so that a core that is busy elsewhere
 * is not waited for. Each sum is one thread's, in one order, whoever that is.
 */

enum {
    fc_rows = 4, /* a tile of sums that fits the registers */
    fc_images = 4,
    fc_parts = 8,        /* sums that a row is split into, so that additions need not wait */
    fc_ahead = 512,      /* floats from what is multiplied to what is asked for */
    fc_run = 1024 * 1024 /* bytes of weights that a thread takes at a time */
};

/* Row w . x */
static float fc_row(int inputs, const float *w, const float *x) {
    vec sum[fc_parts] = {0};
    const int step = fc_parts * AN_BLOCK, cache_line = 16;
    int i = 0;
    for (; i + step <= inputs; i += step) {
#pragma GCC unroll 8
        for (int j = 0; j < step; j += cache_line)
            __builtin_prefetch(w + i + j + fc_ahead, 0, 3);
#pragma GCC unroll 8
        for (int p = 0; p < fc_parts; p++)
            sum[p] = multiply_add(load(w + i + p * AN_BLOCK), load(x + i + p * AN_BLOCK), sum[p]);
    }
    for (; i + AN_BLOCK <= inputs; i += AN_BLOCK)
        sum[0] = multiply_add(load(w + i), load(x + i), sum[0]);
#pragma GCC unroll 8
    for (int p = 1; p < fc_parts; p++)
        sum[0] += sum[p];
    float total = sum_lanes(sum[0]);
    for (; i < inputs; i++)
        total += w[i] * x[i];
    return total;
}

/* sums[r][m] = row r of w . image m of x; `rows` and `images` are constants where it is inlined. */
static inline __attribute__((always_inline)) void fc_tile(const int rows, const int images,
                                                          int inputs, const float *w,
                                                          const float *x,
                                                          float sums[fc_rows][fc_images]) {
    vec sum[fc_rows][fc_images] = {0};
    int i = 0;
    for (; i + AN_BLOCK <= inputs; i += AN_BLOCK) {
        vec image[fc_images];
#pragma GCC unroll 4
        for (int m = 0; m < images; m++)
            image[m] = load(x + (size_t)m * inputs + i);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            const vec row = load(w + (size_t)r * inputs + i);
#pragma GCC unroll 4
            for (int m = 0; m < images; m++)
                sum[r][m] = multiply_add(row, image[m], sum[r][m]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (int m = 0; m < images; m++) {
            sums[r][m] = sum_lanes(sum[r][m]);
            for (int j = i; j < inputs; j++)
                sums[r][m] += w[(size_t)r * inputs + j] * x[(size_t)m * inputs + j];
        }
    }
}

/* A tile of any height and width up to fc_rows and fc_images. */
static inline void fc_tile_of(int rows, int images, int inputs, const float *w, const float *x,
                              float sums[fc_rows][fc_images]) {
    if (rows == fc_rows) {
        switch (images) {
        case 1:
            fc_tile(fc_rows, 1, inputs, w, x, sums);
            return;
        case 2:
            fc_tile(fc_rows, 2, inputs, w, x, sums);
            return;
        case 3:
            fc_tile(fc_rows, 3, inputs, w, x, sums);
            return;
        default:
            fc_tile(fc_rows, 4, inputs, w, x, sums);
            return;
        }
    }
    for (int r = 0; r < rows; r++) {
        for (int m = 0; m < images; m++) {
            float one[fc_rows][fc_images];
            fc_tile(1, 1, inputs, w + (size_t)r * inputs, x + (size_t)m * inputs, one);
            sums[r][m] = one[0][0];
        }
    }
}

/* Output o of image n, of which `sum` is what the weights make. */
static inline void fc_output(const an_fc_job *job, int n, int o, float sum) {
    sum += job->b[o];
    job->y[(size_t)n * job->outputs + o] = job->relu && sum <= 0 ? 0 : sum;
}

/* Outputs first to last, for one image. */
static void fc_run_of_rows(const an_fc_job *job, int first, int last) {
    for (int o = first; o < last; o++)
        fc_output(job, 0, o, fc_row(job->inputs, job->w + (size_t)o * job->inputs, job->x));
}

/* Outputs first to last, for any number of images. */
static void fc_run_of_tiles(const an_fc_job *job, int first, int last) {
    const int inputs = job->inputs;
    for (int o = first; o < last; o += fc_rows) {
        const int rows = smaller(fc_rows, last - o);
        for (int n = 0; n < job->images; n += fc_images) {
            const int some = smaller(fc_images, job->images - n);
            float sums[fc_rows][fc_images];
            fc_tile_of(rows, some, inputs, job->w + (size_t)o * inputs, job->x + (size_t)n * inputs,
                       sums);
            for (int m = 0; m < some; m++)
                for (int r = 0; r < rows; r++)
                    fc_output(job, n + m, o + r, sums[r][m]);
        }
    }
}

static void fc_forward_few(const an_fc_job *job) {
    const int row_bytes = job->inputs * (int)sizeof *job->w;
    const int run = fc_rows * (1 + fc_run / fc_rows / row_bytes);
#pragma omp parallel for schedule(dynamic)
    for (int first = 0; first < job->outputs; first += run)
        (job->images == 1 ? fc_run_of_rows : fc_run_of_tiles)(job, first,
                                                              smaller(first + run, job->outputs));
}
