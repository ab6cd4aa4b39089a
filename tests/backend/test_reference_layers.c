/*
 * Each reference layer against values worked out by hand, against its formula written down once
 * more in double precision, and against that formula's numerical derivative. Kinks: the formula's
 * inputs are random and the difference's step is 1e-6, so that no pixel crosses 0 or overtakes
 * another.
 */
#include "backend/reference/layers.h"

#include <math.h>

#include "guard.h"

/* ---------------------------------------------------------------- the formulas, in double */

static double pixel(const an_layer *layer, const double *x, int n, int c, int h, int w) {
    const an_shape in = layer->in;
    if (h < 0 || h >= in.h || w < 0 || w >= in.w)
        return 0;
    return x[(((size_t)n * in.c + c) * in.h + h) * in.w + w];
}

static double exact_conv(const an_layer *layer, const double *x, const double *w, const double *b,
                         int n, int o, int h, int column) {
    const an_layer_spec *spec = &layer->spec;
    const int inputs = layer->in.c / spec->groups;
    const int group = o / (layer->out.c / spec->groups);
    double sum = b[o];
    for (int i = 0; i < inputs; i++)
        for (int r = 0; r < spec->kernel; r++)
            for (int s = 0; s < spec->kernel; s++)
                sum += w[((o * inputs + i) * spec->kernel + r) * spec->kernel + s] *
                       pixel(layer, x, n, group * inputs + i, h * spec->stride + r - spec->pad,
                             column * spec->stride + s - spec->pad);
    return sum;
}

static double exact_fc(const an_layer *layer, const double *x, const double *w, const double *b,
                       int n, int o) {
    const size_t inputs = an_shape_count(layer->in);
    double sum = b[o];
    for (size_t i = 0; i < inputs; i++)
        sum += w[(size_t)o * inputs + i] * x[(size_t)n * inputs + i];
    return sum;
}

static double exact_max(const an_layer *layer, const double *x, int n, int c, int h, int w) {
    double best = -INFINITY;
    for (int r = 0; r < layer->spec.kernel; r++)
        for (int s = 0; s < layer->spec.kernel; s++) {
            const int row = h * layer->spec.stride + r, column = w * layer->spec.stride + s;
            if (row < layer->in.h && column < layer->in.w)
                best = fmax(best, pixel(layer, x, n, c, row, column));
        }
    return best;
}

/* A pixel belongs to bin i of U when i / U <= (its far edge) and (its near edge) < (i + 1) / U. */
static double exact_mean(const an_layer *layer, const double *x, int n, int c, int h, int w) {
    const an_shape in = layer->in, out = layer->out;
    double sum = 0;
    int pixels = 0;
    for (int row = 0; row < in.h; row++)
        for (int column = 0; column < in.w; column++)
            if ((row + 1) * out.h > h * in.h && row * out.h < (h + 1) * in.h &&
                (column + 1) * out.w > w * in.w && column * out.w < (w + 1) * in.w) {
                sum += pixel(layer, x, n, c, row, column);
                pixels++;
            }
    return sum / pixels;
}

static double exact_lrn(const an_layer *layer, const double *x, int n, int c, int h, int w) {
    const an_layer_spec *spec = &layer->spec;
    const int before = spec->size / 2;
    double sum = 0, elements = spec->size;
    if (spec->type == AN_LRN) {
        const int tower = layer->in.c / spec->towers;
        for (int i = c - before; i < c - before + spec->size; i++)
            if (i >= 0 && i < layer->in.c && i / tower == c / tower)
                sum += pow(pixel(layer, x, n, i, h, w), 2);
    } else {
        elements *= spec->size;
        for (int r = 0; r < spec->size; r++)
            for (int s = 0; s < spec->size; s++)
                sum += pow(pixel(layer, x, n, c, h - before + r, w - before + s), 2);
    }
    return pixel(layer, x, n, c, h, w) *
           pow((double)spec->k + (double)spec->alpha / elements * sum, -(double)spec->beta);
}

static double exact_output(const an_layer *layer, const double *x, const double *w, const double *b,
                           int n, int c, int h, int column) {
    switch (layer->spec.type) {
    case AN_CONV:
        return exact_conv(layer, x, w, b, n, c, h, column);
    case AN_RELU:
        return fmax(pixel(layer, x, n, c, h, column), 0);
    case AN_LRN:
    case AN_LRN_WITHIN:
        return exact_lrn(layer, x, n, c, h, column);
    case AN_MAX_POOL:
        return exact_max(layer, x, n, c, h, column);
    case AN_ADAPTIVE_AVG_POOL:
        return exact_mean(layer, x, n, c, h, column);
    case AN_FC:
        return exact_fc(layer, x, w, b, n, c);
    case AN_DROPOUT:
        break;
    }
    return NAN;
}

/* All outputs, and their sum weighted with dy: a loss whose derivative by y is dy. */
static double exact_forward(const an_layer *layer, int images, const double *x, const double *w,
                            const double *b, const float *dy, double *y) {
    double loss = 0;
    size_t i = 0;
    for (int n = 0; n < images; n++)
        for (int c = 0; c < layer->out.c; c++)
            for (int h = 0; h < layer->out.h; h++)
                for (int column = 0; column < layer->out.w; column++, i++) {
                    y[i] = exact_output(layer, x, w, b, n, c, h, column);
                    loss += y[i] * (double)dy[i];
                }
    return loss;
}

/* ------------------------------------------------------------- the reference, layer by layer */

static void forward(const an_layer *layer, int images, const float *x, const float *w,
                    const float *b, float *scale, float *y) {
    switch (layer->spec.type) {
    case AN_CONV:
        an_reference_conv_forward(layer, images, x, w, b, y);
        break;
    case AN_RELU:
        an_reference_relu_forward(layer, images, x, y);
        break;
    case AN_LRN:
    case AN_LRN_WITHIN:
        an_reference_lrn_forward(layer, images, x, scale, y);
        break;
    case AN_MAX_POOL:
        an_reference_max_pool_forward(layer, images, x, y);
        break;
    case AN_ADAPTIVE_AVG_POOL:
        an_reference_avg_pool_forward(layer, images, x, y);
        break;
    case AN_FC:
        an_reference_fc_forward(layer, images, x, w, b, y);
        break;
    case AN_DROPOUT:
        fail();
    }
}

static void backward(const an_layer *layer, int images, const float *x, const float *w,
                     const float *scale, const float *y, const float *dy, float *dx, float *dw,
                     float *db) {
    switch (layer->spec.type) {
    case AN_CONV:
        an_reference_conv_backward_input(layer, images, w, dy, dx);
        an_reference_conv_backward_weights(layer, images, x, dy, dw, db);
        break;
    case AN_RELU:
        an_reference_relu_backward(layer, images, y, dy, dx);
        break;
    case AN_LRN:
    case AN_LRN_WITHIN:
        an_reference_lrn_backward(layer, images, x, scale, dy, dx);
        break;
    case AN_MAX_POOL:
        an_reference_max_pool_backward(layer, images, x, dy, dx);
        break;
    case AN_ADAPTIVE_AVG_POOL:
        an_reference_avg_pool_backward(layer, images, dy, dx);
        break;
    case AN_FC:
        an_reference_fc_backward_input(layer, images, w, dy, dx);
        an_reference_fc_backward_weights(layer, images, x, dy, dw, db);
        break;
    case AN_DROPOUT:
        fail();
    }
}

/* ---------------------------------------------------------------------------- the comparison */

/* Whether found equals expected: within `terms` roundings of the largest expected value. */
static bool agrees(const float *found, const double *expected, size_t count, size_t terms) {
    double largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(expected[i]));
    const double tolerance = (double)(terms + 8) * 0x1p-24 * largest + 1e-9;
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)found[i] - expected[i]) <= tolerance))
            return false;
    return true;
}

static double *widened(const an_guarded *buffer) {
    double *copy = malloc((buffer->count + 1) * sizeof *copy);
    assert_non_null(copy);
    for (size_t i = 0; i < buffer->count; i++)
        copy[i] = (double)buffer->data[i];
    return copy;
}

/* The derivative of exact_forward's loss by each element of `values` (x, w or b itself). */
static double *derivative(const an_layer *layer, int images, const double *x, const double *w,
                          const double *b, const float *dy, double *y, double *values,
                          size_t count) {
    const double step = 1e-6;
    double *out = malloc((count + 1) * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++) {
        const double value = values[i];
        values[i] = value + step;
        const double above = exact_forward(layer, images, x, w, b, dy, y);
        values[i] = value - step;
        const double below = exact_forward(layer, images, x, w, b, dy, y);
        values[i] = value;
        out[i] = (above - below) / (2 * step);
    }
    return out;
}

/* Forward and backward of one layer against the formula. Returns false where they disagree. */
static bool check_layer(const an_layer *layer, int images, float fault) {
    const size_t in = (size_t)images * an_shape_count(layer->in);
    const size_t out = (size_t)images * an_shape_count(layer->out);
    const size_t fan_in =
        layer->spec.type == AN_FC ? an_shape_count(layer->in)
        : layer->spec.type == AN_CONV
            ? (size_t)(layer->in.c / layer->spec.groups) * layer->spec.kernel * layer->spec.kernel
            : 0;
    const size_t units = fan_in ? (size_t)layer->out.c : 0;
    an_guarded x = an_guard_random(in, 1), w = an_guard_random(units * fan_in, 2),
               b = an_guard_random(units, 3), dy = an_guard_random(out, 4), y = an_guard(out),
               scale = an_guard(in), dx = an_guard(in), dw = an_guard(units * fan_in),
               db = an_guard(units);
    forward(layer, images, x.data, w.data, b.data, scale.data, y.data);
    backward(layer, images, x.data, w.data, scale.data, y.data, dy.data, dx.data, dw.data, db.data);
    dx.data[in / 2] *= 1 + fault;

    double *exact_x = widened(&x), *exact_w = widened(&w), *exact_b = widened(&b);
    double *exact_y = widened(&dy), *spare = widened(&dy);
    exact_forward(layer, images, exact_x, exact_w, exact_b, dy.data, exact_y);
    double *exact_dx =
        derivative(layer, images, exact_x, exact_w, exact_b, dy.data, spare, exact_x, in);
    double *exact_dw = derivative(layer, images, exact_x, exact_w, exact_b, dy.data, spare, exact_w,
                                  units * fan_in);
    double *exact_db =
        derivative(layer, images, exact_x, exact_w, exact_b, dy.data, spare, exact_b, units);
    const bool passed =
        agrees(y.data, exact_y, out, fan_in) && agrees(dx.data, exact_dx, in, out) &&
        agrees(dw.data, exact_dw, units * fan_in, out) && agrees(db.data, exact_db, units, out);

    an_guarded buffers[] = {x, w, b, dy, y, scale, dx, dw, db};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        an_unguard(&buffers[i]);
    double *doubles[] = {exact_x, exact_w, exact_b, exact_y, spare, exact_dx, exact_dw, exact_db};
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++)
        free(doubles[i]);
    return passed;
}

static void check_layers(const an_layer *layers, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (int images = 1; images <= 3; images += 2)
            if (!check_layer(&layers[i], images, 0))
                fail_msg("case %zu (%s) with %d images", i, layers[i].spec.name, images);
}

#define CHECK_LAYERS(layers) check_layers(layers, sizeof(layers) / sizeof(layers)[0])

/* ------------------------------------------------------------------- shapes against formulas */

#define WINDOW(type_, units_, kernel_, stride_, pad_, groups_, up_, in_c, in_h, in_w, out_h,       \
               out_w)                                                                              \
    {                                                                                              \
        .spec = {.name = #kernel_ "x" #kernel_ "/" #stride_,                                       \
                 .type = (type_),                                                                  \
                 .units = (units_),                                                                \
                 .kernel = (kernel_),                                                              \
                 .stride = (stride_),                                                              \
                 .pad = (pad_),                                                                    \
                 .groups = (groups_),                                                              \
                 .round_up = (up_)},                                                               \
        .in = {in_c, in_h, in_w}, .out = {                                                         \
            units_,                                                                                \
            out_h,                                                                                 \
            out_w                                                                                  \
        }                                                                                          \
    }

static void test_conv_shapes(void **state) {
    (void)state;
    const an_layer layers[] = {
        WINDOW(AN_CONV, 4, 3, 1, 1, 1, false, 2, 5, 6, 5, 6),
        WINDOW(AN_CONV, 1, 1, 1, 0, 1, false, 1, 1, 1, 1, 1),
        WINDOW(AN_CONV, 5, 1, 2, 0, 1, false, 3, 5, 4, 3, 2), /* 1x1 that skips pixels */
        WINDOW(AN_CONV, 6, 3, 2, 0, 3, false, 6, 8, 7, 3, 3), /* groups; a column remains */
        WINDOW(AN_CONV, 4, 5, 1, 2, 2, false, 2, 4, 3, 4, 3), /* window larger than the picture */
        WINDOW(AN_CONV, 3, 5, 4, 0, 1, true, 2, 10, 8, 3, 2), /* reaches 3 and 1 over the edge */
        WINDOW(AN_CONV, 2, 2, 3, 4, 1, false, 1, 2, 2, 3, 3), /* windows wholly in the padding */
        WINDOW(AN_CONV, 2, 11, 4, 2, 1, false, 3, 19, 23, 4, 5),
    };
    CHECK_LAYERS(layers);
}

static void test_max_pool_shapes(void **state) {
    (void)state;
    const an_layer layers[] = {
        WINDOW(AN_MAX_POOL, 3, 3, 2, 0, 1, false, 3, 7, 5, 3, 2),
        WINDOW(AN_MAX_POOL, 2, 3, 2, 0, 1, false, 2, 8, 6, 3, 2), /* a row and a column remain */
        WINDOW(AN_MAX_POOL, 2, 3, 2, 0, 1, true, 2, 8, 6, 4, 3),  /* over the edge */
        WINDOW(AN_MAX_POOL, 2, 2, 2, 0, 1, true, 2, 3, 3, 2, 2),
        WINDOW(AN_MAX_POOL, 1, 1, 1, 0, 1, false, 1, 3, 2, 3, 2),
        WINDOW(AN_MAX_POOL, 1, 3, 1, 0, 1, false, 1, 3, 3, 1, 1),
    };
    CHECK_LAYERS(layers);
}

#define SAME(c, h, w, ...)                                                                         \
    {                                                                                              \
        .spec = {__VA_ARGS__}, .in = {c, h, w}, .out = { c, h, w }                                 \
    }
#define NORM(type_, size_, towers_)                                                                \
    .name = #size_ "/" #towers_, .type = (type_), .size = (size_), .towers = (towers_),            \
    .alpha = 0.7f, .beta = 0.75f, .k = 2

static void test_lrn_shapes(void **state) {
    (void)state;
    const an_layer layers[] = {
        SAME(9, 2, 3, NORM(AN_LRN, 5, 1)),
        SAME(12, 3, 1, NORM(AN_LRN, 5, 2)), /* towers do not see each other */
        SAME(3, 2, 2, NORM(AN_LRN, 5, 1)),  /* fewer maps than the window */
        SAME(4, 2, 2, NORM(AN_LRN, 5, 4)),  /* towers of one map */
        SAME(1, 1, 1, NORM(AN_LRN, 5, 1)),
        SAME(7, 2, 2, NORM(AN_LRN, 4, 1)), /* a window of even size */
        SAME(5, 2, 2, NORM(AN_LRN, 1, 1)),
        SAME(2, 7, 6, NORM(AN_LRN_WITHIN, 5, 0)),
        SAME(3, 2, 4, NORM(AN_LRN_WITHIN, 5, 0)), /* smaller than the window */
        SAME(2, 5, 5, NORM(AN_LRN_WITHIN, 2, 0)),
    };
    CHECK_LAYERS(layers);
}

static void test_other_shapes(void **state) {
    (void)state;
    const an_layer layers[] = {
        SAME(3, 5, 7, .name = "relu", .type = AN_RELU),
        {.spec = {.name = "fc", .type = AN_FC}, .in = {3, 5, 7}, .out = {11, 1, 1}},
        {.spec = {.name = "fc, one", .type = AN_FC}, .in = {1, 1, 1}, .out = {1, 1, 1}},
        {.spec = {.name = "fc, strips", .type = AN_FC}, .in = {1, 1, 1029}, .out = {2, 1, 1}},
        {.spec = {.name = "avg", .type = AN_ADAPTIVE_AVG_POOL}, .in = {2, 7, 13}, .out = {2, 6, 6}},
        {.spec = {.name = "avg up", .type = AN_ADAPTIVE_AVG_POOL},
         .in = {2, 1, 4},
         .out = {2, 6, 6}},
        {.spec = {.name = "avg all", .type = AN_ADAPTIVE_AVG_POOL},
         .in = {3, 4, 5},
         .out = {3, 1, 1}},
    };
    CHECK_LAYERS(layers);
}

/* The comparison itself must notice a gradient that is wrong in one element by a hundredth. */
static void test_a_planted_fault_is_found(void **state) {
    (void)state;
    const an_layer layers[] = {
        WINDOW(AN_CONV, 4, 3, 1, 1, 1, false, 2, 5, 6, 5, 6),
        SAME(9, 2, 3, NORM(AN_LRN, 5, 1)),
        {.spec = {.name = "avg", .type = AN_ADAPTIVE_AVG_POOL}, .in = {2, 7, 13}, .out = {2, 6, 6}},
    };
    for (size_t i = 0; i < 3; i++) {
        assert_true(check_layer(&layers[i], 1, 0));
        assert_false(check_layer(&layers[i], 1, 1e-2f));
    }
}

/* --------------------------------------------------------------------- worked out by hand */

static void assert_floats(const float *found, const float *expected, size_t count) {
    for (size_t i = 0; i < count; i++)
        assert_float_equal(found[i], expected[i], 1e-6);
}

static void test_conv_by_hand(void **state) {
    (void)state;
    const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, w[] = {1, 2, 3, 4}, b[] = {10}, none[] = {0};
    float y[4], dx[9], dw[4], db[1];
    an_layer layer = WINDOW(AN_CONV, 1, 2, 1, 0, 1, false, 1, 3, 3, 2, 2);
    an_reference_conv_forward(&layer, 1, x, w, b, y);
    assert_floats(y, (const float[]){47, 57, 77, 87}, 4);
    const float dy[] = {1, 0, 0, 2};
    an_reference_conv_backward_input(&layer, 1, w, dy, dx);
    assert_floats(dx, (const float[]){1, 2, 0, 3, 4 + 2, 4, 0, 6, 8}, 9);
    an_reference_conv_backward_weights(&layer, 1, x, dy, dw, db);
    assert_floats(dw, (const float[]){1 + 10, 2 + 12, 4 + 16, 5 + 18}, 4);
    assert_floats(db, (const float[]){3}, 1);
    /* Rounded up, stride 2: the right and lower windows see only what exists. */
    an_layer rounded = WINDOW(AN_CONV, 1, 2, 2, 0, 1, true, 1, 3, 3, 2, 2);
    an_reference_conv_forward(&rounded, 1, x, w, none, y);
    assert_floats(y, (const float[]){37, 3 + 18, 7 + 16, 9}, 4);
}

static void test_max_pool_by_hand(void **state) {
    (void)state;
    const an_layer layer = WINDOW(AN_MAX_POOL, 1, 3, 2, 0, 1, false, 1, 3, 5, 1, 2);
    /* Overlapping: both windows find the 9 in the column they share; of two nines the first. */
    const float x[] = {1, 2, 9, 3, 4, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0}, dy[] = {1, 10};
    float y[2], dx[15];
    an_reference_max_pool_forward(&layer, 1, x, y);
    assert_floats(y, (const float[]){9, 9}, 2);
    an_reference_max_pool_backward(&layer, 1, x, dy, dx);
    assert_floats(dx, (const float[]){0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 15);
    /* A NaN is neither lost nor spread to the other window. */
    const float broken[] = {1, NAN, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    an_reference_max_pool_forward(&layer, 1, broken, y);
    assert_true(isnan(y[0]));
    assert_floats(y + 1, (const float[]){4}, 1);
}

static void test_lrn_by_hand(void **state) {
    (void)state;
    const float x[] = {1, 2, 3, 4};
    float y[4], scale[4];
    /* alpha / n = 1, beta = 1, k = 1: y = x / (1 + sum of squares). */
    const an_layer across =
        SAME(4, 1, 1, .type = AN_LRN, .size = 3, .towers = 1, .alpha = 3, .beta = 1, .k = 1);
    an_reference_lrn_forward(&across, 1, x, scale, y);
    assert_floats(scale, (const float[]){6, 15, 30, 26}, 4);
    assert_floats(y, (const float[]){1.0f / 6, 2.0f / 15, 3.0f / 30, 4.0f / 26}, 4);
    const an_layer towers =
        SAME(4, 1, 1, .type = AN_LRN, .size = 3, .towers = 2, .alpha = 3, .beta = 1, .k = 1);
    an_reference_lrn_forward(&towers, 1, x, scale, y);
    assert_floats(scale, (const float[]){6, 6, 26, 26}, 4);
    const an_layer within =
        SAME(1, 2, 2, .type = AN_LRN_WITHIN, .size = 3, .alpha = 9, .beta = 1, .k = 1);
    an_reference_lrn_forward(&within, 1, x, scale, y);
    assert_floats(y, (const float[]){1.0f / 31, 2.0f / 31, 3.0f / 31, 4.0f / 31}, 4);
}

static void test_small_layers_by_hand(void **state) {
    (void)state;
    float y[6], dx[5];
    const an_layer relu = SAME(1, 1, 5, .type = AN_RELU);
    an_reference_relu_forward(&relu, 1, (const float[]){-1, 0, 2, NAN, -0.0f}, y);
    assert_floats(y, (const float[]){0, 0, 2}, 3);
    assert_true(isnan(y[3]));
    an_reference_relu_backward(&relu, 1, (const float[]){0, 0, 2, 1, 0},
                               (const float[]){5, 6, 7, 8, 9}, dx);
    assert_floats(dx, (const float[]){0, 0, 7, 8, 0}, 5);

    /* Bins of 5 pixels for 3: [0, 2), [1, 4), [3, 5), as in PyTorch. */
    const an_layer mean = {
        .spec = {.type = AN_ADAPTIVE_AVG_POOL}, .in = {1, 1, 5}, .out = {1, 1, 3}};
    an_reference_avg_pool_forward(&mean, 1, (const float[]){1, 2, 6, 4, 8}, y);
    assert_floats(y, (const float[]){1.5f, 4, 6}, 3);
    an_reference_avg_pool_backward(&mean, 1, (const float[]){2, 3, 4}, dx);
    assert_floats(dx, (const float[]){1, 2, 1, 3, 2}, 5);

    const an_layer fc = {.spec = {.type = AN_FC}, .in = {2, 1, 1}, .out = {3, 1, 1}};
    an_reference_fc_forward(&fc, 2, (const float[]){1, 2, 3, 4}, (const float[]){1, 2, 3, 4, 5, 6},
                            (const float[]){10, 20, 30}, y);
    assert_floats(y, (const float[]){15, 31, 47, 21, 45, 69}, 6);
}

static void loss_of(int images, int classes, const float *logits, const int32_t *labels,
                    float *dlogits, an_step_result *result) {
    const an_step step = {.labels = labels};
    an_reference_loss(images, classes, logits, &step, dlogits, result);
}

static void test_loss_by_hand(void **state) {
    (void)state;
    an_step_result result;
    float gradient[9];
    /* Probabilities (1/4, 3/4); the second image does not count, the third is certain. */
    const float logits[] = {0, logf(3), 7, 8, 1000, -1000};
    const int32_t labels[] = {0, -1, 0};
    loss_of(3, 2, logits, labels, gradient, &result);
    assert_int_equal(result.counted, 2);
    assert_int_equal(result.correct, 1);
    assert_int_equal(result.correct5, 2);
    assert_float_equal(result.loss, log(4) / 2, 1e-7);
    assert_floats(gradient, (const float[]){-0.375f, 0.375f, 0, 0, 0, 0}, 6);

    /* Ranks: equal logits count in their order, so that a constant answer is not always right. */
    const float equal[] = {1, 1, 1, 1, 1, 1, 1};
    for (int32_t label = 0; label < 7; label++) {
        loss_of(1, 7, equal, &label, NULL, &result);
        assert_float_equal(result.loss, log(7), 1e-12);
        assert_int_equal(result.correct, label == 0);
        assert_int_equal(result.correct5, label < 5);
    }
    const float broken[] = {NAN, 1, 2};
    loss_of(1, 3, broken, (const int32_t[]){0}, NULL, &result);
    assert_true(isnan(result.loss));
    assert_int_equal(result.correct, 0);
    loss_of(2, 3, equal, (const int32_t[]){-1, -2}, gradient, &result);
    assert_int_equal(result.counted, 0);
    assert_true(result.loss == 0);
    assert_floats(gradient, (const float[]){0, 0, 0, 0, 0, 0}, 6);
}

/*
 * Smoothed and mixed targets, with probabilities (1/8, 1/8, 1/4, 1/2). PyTorch's formulas:
 * cross_entropy(label_smoothing = s) is (1 - s) nll + s mean over j of -log p_j, and mixup's loss
 * is share * loss(first) + (1 - share) * loss(second).
 */
static void test_loss_of_soft_targets_by_hand(void **state) {
    (void)state;
    const float logits[] = {0, 0, logf(2), logf(4)};
    const double nll[] = {log(8), log(8), log(4), log(2)};
    const double mean = (nll[0] + nll[1] + nll[2] + nll[3]) / 4;
    const int32_t first[] = {3}, second[] = {0};
    an_step_result result;
    float gradient[4];

    an_step step = {.labels = first, .smoothing = 0.1};
    an_reference_loss(1, 4, logits, &step, gradient, &result);
    assert_float_equal(result.loss, 0.9 * nll[3] + 0.1 * mean, 1e-7);
    assert_floats(gradient, (const float[]){0.1f, 0.1f, 0.225f, -0.425f}, 4); /* p - t */

    step = (an_step){.labels = first, .second_labels = second, .share = 0.75};
    an_reference_loss(1, 4, logits, &step, gradient, &result);
    assert_float_equal(result.loss, 0.75 * nll[3] + 0.25 * nll[0], 1e-7);
    assert_floats(gradient, (const float[]){-0.125f, 0.125f, 0.25f, -0.25f}, 4);
    assert_int_equal(result.correct, 1); /* of the first label */

    step.smoothing = 0.2;
    an_reference_loss(1, 4, logits, &step, gradient, &result);
    assert_float_equal(result.loss, 0.8 * (0.75 * nll[3] + 0.25 * nll[0]) + 0.2 * mean, 1e-7);

    /* Both labels alike are one. */
    an_step_result plain;
    step = (an_step){.labels = first, .second_labels = first, .share = 0.3};
    an_reference_loss(1, 4, logits, &step, gradient, &result);
    loss_of(1, 4, logits, first, NULL, &plain);
    assert_float_equal(result.loss, plain.loss, 1e-12);
}

/* Against the numerical derivative of the loss in double precision. */
static void check_loss_gradient(an_step step) {
    enum { images = 3, classes = 11 };
    const int32_t labels[images] = {4, -1, 10};
    an_guarded logits = an_guard_random(images * classes, 5), dlogits = an_guard(images * classes);
    an_step_result result;
    step.labels = labels;
    an_reference_loss(images, classes, logits.data, &step, dlogits.data, &result);
    const float width = 0x1p-8f;
    for (size_t i = 0; i < logits.count; i++) {
        const float value = logits.data[i];
        an_step_result above, below;
        logits.data[i] = value + width;
        const double up = (double)logits.data[i];
        an_reference_loss(images, classes, logits.data, &step, NULL, &above);
        logits.data[i] = value - width;
        const double apart = up - (double)logits.data[i];
        an_reference_loss(images, classes, logits.data, &step, NULL, &below);
        logits.data[i] = value;
        assert_float_equal(dlogits.data[i], (above.loss - below.loss) / apart, 1e-5);
    }
    an_unguard(&logits);
    an_unguard(&dlogits);
}

static void test_loss_gradient(void **state) {
    (void)state;
    const int32_t second[] = {0, -1, 10};
    check_loss_gradient((an_step){0});
    check_loss_gradient((an_step){.smoothing = 0.1});
    check_loss_gradient((an_step){.second_labels = second, .share = 0.3});
    check_loss_gradient((an_step){.second_labels = second, .share = 0.6, .smoothing = 0.25});
}

static void test_update_by_hand(void **state) {
    (void)state;
    /* Two steps of §5's rule with m = 0.5, e = 0.25, d = 0.125, all exact in binary. */
    const an_update update = {.learning_rate = 0.25f, .weight_decay = 0.125f};
    float w[] = {1, -2}, v[] = {0, 0};
    an_reference_update(&update, 0.5f, 2, (const float[]){2, 0}, v, w);
    assert_floats(v, (const float[]){-0.03125f - 0.5f, 0.0625f}, 2);
    assert_floats(w, (const float[]){0.46875f, -1.9375f}, 2);
    an_reference_update(&update, 0.5f, 2, (const float[]){-1, 1}, v, w);
    assert_floats(
        v, (const float[]){-0.265625f - 0.0146484375f + 0.25f, 0.03125f + 0.060546875f - 0.25f}, 2);
    assert_floats(w, (const float[]){0.4384765625f, -2.095703125f}, 2);
    /* A learning rate of 0 freezes the parameter, whatever velocity it had. */
    const an_update frozen = {.learning_rate = 0, .weight_decay = 1};
    an_reference_update(&frozen, 0.5f, 2, (const float[]){1, 1}, v, w);
    assert_floats(w, (const float[]){0.4384765625f, -2.095703125f}, 2);
}

/* Two rows of three pixels: red counts them from 0, green from 10, blue from 20, and becomes 1000,
 * 2000 and 3000 more than that, or nothing at all. */
static void test_pictures_by_hand(void **state) {
    (void)state;
    const size_t bytes = an_picture_bytes(2, 3);
    const an_shape shape = {3, 2, 3};
    assert_int_equal(bytes, 3 * 256 * 4 + 8 + 18 + 6);
    void *pictures;
    assert_ok(an_alloc(&pictures, 3, bytes, "pictures", error));
    for (int n = 0; n < 2; n++) {
        an_picture *picture = (an_picture *)(void *)((char *)pictures + (size_t)n * bytes);
        for (int c = 0; c < 3; c++)
            for (int value = 0; value < 256; value++)
                picture->value[c][value] = (float)(1000 * (c + 1) + value);
        for (int i = 0; i < 18; i++)
            picture->bytes[i] = (uint8_t)(10 * (i % 3) + i / 3);
        picture->mirrored = picture->bgr = n == 1;
    }
    an_guarded x = an_guard((size_t)3 * 18);
    an_reference_pictures(3, shape, pictures, x.data);
    assert_floats(x.data,
                  (const float[]){1000, 1001, 1002, 1003, 1004, 1005, 2010, 2011, 2012, 2013, 2014,
                                  2015, 3020, 3021, 3022, 3023, 3024, 3025},
                  18);
    assert_floats(x.data + 18,
                  (const float[]){3022, 3021, 3020, 3025, 3024, 3023, 2012, 2011, 2010, 2015, 2014,
                                  2013, 1002, 1001, 1000, 1005, 1004, 1003},
                  18);
    assert_floats(x.data + 36, (const float[18]){0}, 18);
    an_unguard(&x);
    an_free(pictures);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_by_hand),
        cmocka_unit_test(test_max_pool_by_hand),
        cmocka_unit_test(test_lrn_by_hand),
        cmocka_unit_test(test_small_layers_by_hand),
        cmocka_unit_test(test_loss_by_hand),
        cmocka_unit_test(test_loss_gradient),
        cmocka_unit_test(test_loss_of_soft_targets_by_hand),
        cmocka_unit_test(test_update_by_hand),
        cmocka_unit_test(test_pictures_by_hand),
        cmocka_unit_test(test_conv_shapes),
        cmocka_unit_test(test_max_pool_shapes),
        cmocka_unit_test(test_lrn_shapes),
        cmocka_unit_test(test_other_shapes),
        cmocka_unit_test(test_a_planted_fault_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
