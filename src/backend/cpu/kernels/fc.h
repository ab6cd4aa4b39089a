/*
 * Fully connected layers, with the weights (O, I) where and as they are: each row is read once, in
 * order, and multiplied with every image. With few images this runs as fast as memory delivers.
 */

enum { fc_rows = 4, fc_images = 4 }; /* a tile of sums that fits the registers */

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

static void fc_forward(int images, int inputs, int outputs, const float *x, const float *w,
                       const float *b, bool relu, float *y) {
#pragma omp parallel for schedule(static)
    for (int o = 0; o < outputs; o += fc_rows) {
        const int rows = smaller(fc_rows, outputs - o);
        for (int n = 0; n < images; n += fc_images) {
            const int some = smaller(fc_images, images - n);
            float sums[fc_rows][fc_images];
            fc_tile_of(rows, some, inputs, w + (size_t)o * inputs, x + (size_t)n * inputs, sums);
            for (int m = 0; m < some; m++) {
                for (int r = 0; r < rows; r++) {
                    const float sum = sums[r][m] + b[o + r];
                    y[(size_t)(n + m) * outputs + o + r] = relu && sum <= 0 ? 0 : sum;
                }
            }
        }
    }
}

static void add_bias(int images, int outputs, const float *b, bool relu, float *y) {
#pragma omp parallel for schedule(static)
    for (int n = 0; n < images; n++) {
        float *row = y + (size_t)n * outputs;
        for (int o = 0; o < outputs; o++) {
            const float sum = row[o] + b[o];
            row[o] = relu && sum <= 0 ? 0 : sum;
        }
    }
}

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
