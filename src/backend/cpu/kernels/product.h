/*
 * Small matrix products whose sums stay in registers, of which the large ones are made: some rows
 * by a panel of 2B columns. The panel (steps, 2B) lies in one run and is read once.
 */

enum { panel = 2 * AN_BLOCK };

/* Rows of a panel's sums that the registers hold, beside what they are made of. */
#if defined(__AVX512F__)
enum { most_rows = 14 };
#define EACH_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#elif defined(__AVX2__) || defined(__aarch64__)
enum { most_rows = 6 };
#define EACH_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6)
#else
enum { most_rows = 2 };
#define EACH_ROWS(X) X(1) X(2)
#endif

/* How many of `left` rows come next. */
static inline int next_rows(int left) {
    return next_portion(left, most_rows);
}

/* Asks memory for a row of a panel 8 KB before it is needed. */
static inline void ask_ahead(const void *row) {
    enum { ahead = 8192, cache_line = 64 };
#pragma GCC unroll 2
    for (size_t i = 0; i < panel * sizeof(float); i += cache_line)
        __builtin_prefetch((const char *)row + ahead + i);
}

/* c (rows, 2B) = sum, or += where `add`. */
static inline __attribute__((always_inline)) void product_store(const int rows, bool add,
                                                                vec sum[most_rows][2], float *c) {
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++, c += panel) {
        store(c, add ? load(c) + sum[r][0] : sum[r][0]);
        store(c + AN_BLOCK, add ? load(c + AN_BLOCK) + sum[r][1] : sum[r][1]);
    }
}

/* c (rows, 2B) (+)= a (rows, steps) b (steps, 2B), steps a multiple of 4. a's rows are `a_row`
 * apart, of three each third a pointer, so that the rows of a tile need six registers for
 * addresses. */
static inline __attribute__((always_inline)) void product(const int rows, int steps, const float *a,
                                                          size_t a_row, const float *b, bool add,
                                                          float *c) {
    vec sum[most_rows][2] = {0};
    const float *third[(most_rows + 2) / 3];
#pragma GCC unroll 8
    for (int t = 0; 3 * t < rows; t++)
        third[t] = a + 3 * t * a_row;
    for (int s = 0; s < steps; s += 4) {
#pragma GCC unroll 4
        for (int u = 0; u < 4; u++) {
            ask_ahead(b + (s + u) * panel);
            const vec left = load(b + (s + u) * panel),
                      right = load(b + (s + u) * panel + AN_BLOCK);
#pragma GCC unroll 14
            for (int r = 0; r < rows; r++) {
                const vec factor = broadcast(third[r / 3][r % 3 * a_row + s + u]);
                sum[r][0] = multiply_add(factor, left, sum[r][0]);
                sum[r][1] = multiply_add(factor, right, sum[r][1]);
            }
        }
    }
    product_store(rows, add, sum, c);
}

/* c (rows, 2B) (+)= a^T b, a (steps, rows) with `a_step` between steps, b (steps, 2B). */
static inline __attribute__((always_inline)) void product_over_steps(const int rows, int steps,
                                                                     const float *a, size_t a_step,
                                                                     const float *b, bool add,
                                                                     float *c) {
    vec sum[most_rows][2] = {0};
    for (int s = 0; s < steps; s++) {
        const vec left = load(b + s * panel), right = load(b + s * panel + AN_BLOCK);
#pragma GCC unroll 14
        for (int r = 0; r < rows; r++) {
            const vec factor = broadcast(a[s * a_step + r]);
            sum[r][0] = multiply_add(factor, left, sum[r][0]);
            sum[r][1] = multiply_add(factor, right, sum[r][1]);
        }
    }
    product_store(rows, add, sum, c);
}

/* The above with a constant number of rows, from one on. */
#define PRODUCT(rows)                                                                              \
    static void product_##rows(int steps, const float *a, size_t a_row, const float *b, bool add,  \
                               float *c) {                                                         \
        product(rows, steps, a, a_row, b, add, c);                                                 \
    }                                                                                              \
    static void product_over_steps_##rows(int steps, const float *a, size_t a_step,                \
                                          const float *b, bool add, float *c) {                    \
        product_over_steps(rows, steps, a, a_step, b, add, c);                                     \
    }
#define PRODUCT_NAME(rows) product_##rows,
#define PRODUCT_OVER_STEPS_NAME(rows) product_over_steps_##rows,

typedef void product_function(int steps, const float *a, size_t a_distance, const float *b,
                              bool add, float *c);
EACH_ROWS(PRODUCT)
static product_function *const products[] = {EACH_ROWS(PRODUCT_NAME)};
static product_function *const products_over_steps[] = {EACH_ROWS(PRODUCT_OVER_STEPS_NAME)};
