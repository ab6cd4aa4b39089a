/*
 * Fully connected layers, by the engines of every instruction set and type that this machine has,
 * against exact models of what they compute: products of float32, of bfloat16, and of integers,
 * summed in double precision or whole numbers.
 *
 * Tolerance of float32 sums of I products of order 1: they err by 2^-24 * sqrt(I) * a few; of int8:
 * two float32 operations behind an exact sum.
 */
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/reference/layers.h"
#include "core/threads.h"
#include "guard.h"
#include "kernel_tables.h"

/* What a type makes of a number before it multiplies. */
typedef float rounding(float value);

/* One call, and what it is expected to give. */
typedef struct fc_case {
    int images, inputs, outputs;
    rounding *rounded;
    bool relu, signed_input, plain;
    an_guarded x, w, b, y;
} fc_case;

static float as_it_is(float value) {
    return value;
}

static float bfloat16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* sum over k < count of a[k * a_step] * b[k * b_step], each rounded */
static double product(const fc_case *c, int count, const float *a, size_t a_step, const float *b,
                      size_t b_step) {
    double sum = 0;
    for (int k = 0; k < count; k++)
        sum += (double)c->rounded(a[k * a_step]) * (double)c->rounded(b[k * b_step]);
    return sum;
}

static double model_rounded(const fc_case *c, int n, int o) {
    const size_t inputs = (size_t)c->inputs;
    return product(c, c->inputs, c->x.data + n * inputs, 1, c->w.data + o * inputs, 1);
}

static float largest(const float *values, int count) {
    float most = 0;
    for (int i = 0; i < count; i++)
        most = fmaxf(most, fabsf(values[i]));
    return most;
}

static double model_int8(const fc_case *c, int n, int o) {
    const float *x = c->x.data + (size_t)n * c->inputs, *w = c->w.data + (size_t)o * c->inputs;
    const int low = c->signed_input ? -128 : 0, high = c->signed_input ? 127 : 255;
    const float x_scale = largest(x, c->inputs) / (float)high,
                w_scale = largest(w, c->inputs) / 127;
    const float factor = 1 / x_scale;
    long long sum = 0;
    for (int i = 0; i < c->inputs; i++) {
        const float whole = rintf(x[i] * factor);
        sum += (long long)fminf(fmaxf(whole, (float)low), (float)high) * lrintf(w[i] / w_scale);
    }
    return (double)sum * (double)w_scale * (double)x_scale;
}

/* Of pairs of 16-bit integers: weights are bytes, an image has 15 bits and a sign. */
static double model_pairs(const fc_case *c, int n, int o) {
    const float *x = c->x.data + (size_t)n * c->inputs, *w = c->w.data + (size_t)o * c->inputs;
    const float x_most = largest(x, c->inputs), w_scale = largest(w, c->inputs) / 127;
    const float factor = 32767 / x_most;
    double sum = 0;
    for (int i = 0; i < c->inputs; i++)
        sum += (double)rintf(x[i] * factor) * (double)rintf(w[i] / w_scale);
    return sum * (double)w_scale * (double)(x_most / 32767);
}

/* The engines of fewer bits that this machine can run, up to NULL. */
typedef struct engines {
    const an_fc_engine *list[3];
} engines;

static engines engines_of(an_precision precision) {
    engines found = {{NULL}};
#ifdef __x86_64__
    int count = 0;
    if (precision == AN_BF16 ? an_can_bf16() : an_can_int8())
        found.list[count++] = precision == AN_BF16 ? &an_fc_bf16 : &an_fc_int8;
    if (an_can_amx())
        found.list[count++] = precision == AN_BF16 ? &an_fc_amx_bf16 : &an_fc_amx_int8;
#else
    (void)precision;
#endif
    return found;
}

/* Bytes behind which no page can be read, nor written: tiles read more than they are asked for.
 * All are NaN, in floats and in bfloat16. */
typedef struct fenced {
    char *block, *data;
    size_t size;
} fenced;

static fenced fence(size_t bytes) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + page - 1) / page * page;
    fenced f = {.size = room + page};
    f.block = mmap(NULL, f.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(f.block != MAP_FAILED);
    f.data = f.block + room - bytes;
    memset(f.block, 0xff, room);
    assert_int_equal(mprotect(f.block + room, page, PROT_NONE), 0);
    return f;
}

static void unfence(fenced *f) {
    munmap(f->block, f->size);
}

static fc_case make_case(int images, int inputs, int outputs, rounding *rounded) {
    fc_case c = {.images = images, .inputs = inputs, .outputs = outputs, .rounded = rounded};
    c.x = an_guard_random((size_t)images * inputs, 1);
    c.w = an_guard_random((size_t)outputs * inputs, 2);
    c.b = an_guard_random((size_t)outputs, 3);
    c.y = an_guard((size_t)images * outputs);
    return c;
}

static void free_case(fc_case *c) {
    an_unguard(&c->x);
    an_unguard(&c->w);
    an_unguard(&c->b);
    an_unguard(&c->y);
}

static void compute(const an_fc_engine *engine, fc_case *c) {
    const int together = c->plain ? c->outputs : engine->packed_together;
    const size_t bytes = c->plain ? 0 : engine->packed_bytes(c->inputs, c->outputs);
    fenced packed = fence(bytes);
    fenced workspace = fence(engine->workspace_bytes(c->images, c->inputs, c->outputs));
    for (int first = 0; first < c->outputs && !c->plain; first += together) {
        const int left = c->outputs - first, last = first + (left < together ? left : together);
        engine->pack(&(an_fc_packing){.inputs = c->inputs,
                                      .outputs = c->outputs,
                                      .first = first,
                                      .last = last,
                                      .w = c->w.data + (size_t)first * c->inputs,
                                      .packed = packed.data});
    }
    if (!c->plain && engine->arrange)
        assert_ok(engine->arrange(c->inputs, c->outputs, packed.data, error));
    engine->forward(&(an_fc_job){.images = c->images,
                                 .inputs = c->inputs,
                                 .outputs = c->outputs,
                                 .x = c->x.data,
                                 .packed = c->plain ? NULL : packed.data,
                                 .w = c->plain ? c->w.data : NULL,
                                 .b = c->b.data,
                                 .relu = c->relu,
                                 .y = c->y.data,
                                 .workspace = workspace.data,
                                 .signed_input = c->signed_input});
    unfence(&packed);
    unfence(&workspace);
}

static void check(const an_fc_engine *engine, double (*model)(const fc_case *, int, int),
                  double tolerance, fc_case *c) {
    compute(engine, c);
    for (int n = 0; n < c->images; n++) {
        for (int o = 0; o < c->outputs; o++) {
            double expected = model(c, n, o) + (double)c->b.data[o];
            if (c->relu && expected < 0)
                expected = 0;
            const double found = (double)c->y.data[(size_t)n * c->outputs + o];
            if (!(fabs(found - expected) <= tolerance * (1 + fabs(expected))))
                fail_msg("%d x %d -> %d: output %d of image %d is %g rather than %g", c->images,
                         c->inputs, c->outputs, o, n, found, expected);
        }
    }
}

/* {images, inputs, outputs}: every number of images in a tile, several tiles and more than are
 * multiplied in one go; inputs that fill no line or more than a block; outputs that fill no panel.
 */
static const int sizes[][3] = {
    {1, 1003, 10},  {1, 4096, 70}, {2, 37, 4},    {3, 64, 33},    {4, 7, 8},     {5, 129, 17},
    {6, 32, 32},    {7, 31, 31},   {8, 200, 40},  {9, 16, 1},     {10, 66, 64},  {11, 33, 12},
    {12, 90, 1000}, {13, 1, 16},   {14, 50, 48},  {27, 1500, 9},  {64, 70, 100}, {70, 1100, 35},
    {130, 99, 7},   {300, 20, 50}, {48, 131, 49}, {1, 4096, 130}, {15, 65, 32},  {16, 1030, 31},
    {17, 95, 66},   {32, 64, 32},  {33, 1, 1},    {100, 257, 97},
};

enum { size_count = sizeof sizes / sizeof *sizes };

static void sums_of_floats(const an_fc_engine *engine, rounding *rounded, bool plain) {
    for (int i = 0; i < size_count; i++) {
        fc_case c = make_case(sizes[i][0], sizes[i][1], sizes[i][2], rounded);
        c.relu = i % 2;
        c.plain = plain;
        check(engine, model_rounded, 1e-6 * sqrt(c.inputs), &c);
        free_case(&c);
    }
}

static void in_float32(void **state) {
    (void)state;
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++)
        sums_of_floats(&(*k)->fc, as_it_is, true);
}

static void in_bfloat16(void **state) {
    (void)state;
    const engines all = engines_of(AN_BF16);
    if (!all.list[0])
        skip();
    for (int i = 0; all.list[i]; i++) {
        sums_of_floats(all.list[i], bfloat16, false);
        sums_of_floats(all.list[i], bfloat16, true); /* as in training */
    }
}

static void sums_of_bytes(const an_fc_engine *engine) {
    for (int i = 0; i < size_count; i++) {
        for (int with_sign = 0; with_sign < 2; with_sign++) {
            fc_case c = make_case(sizes[i][0], sizes[i][1], sizes[i][2], as_it_is);
            c.relu = i % 2;
            c.signed_input = with_sign;
            for (size_t j = 0; j < c.x.count && !with_sign; j++)
                c.x.data[j] = fabsf(c.x.data[j]);
            check(engine, model_int8, 2e-6, &c);
            free_case(&c);
        }
    }
}

static void in_int8(void **state) {
    (void)state;
    const engines all = engines_of(AN_INT8);
    if (!all.list[0])
        skip();
    for (int i = 0; all.list[i]; i++)
        sums_of_bytes(all.list[i]);
}

static void in_int8_by_pairs(void **state) {
    (void)state;
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++) {
        for (int i = 0; i < size_count && (*k)->fc_int8; i++) {
            fc_case c = make_case(sizes[i][0], sizes[i][1], sizes[i][2], as_it_is);
            c.relu = i % 2;
            check((*k)->fc_int8, model_pairs, 1e-6 * sqrt(c.inputs), &c);
            free_case(&c);
        }
    }
}

/* ---- One image, most of whose inputs are zero. */

static const an_precision sparse_types[] = {AN_FP32, AN_BF16, AN_INT8};

/* The image as it is, weights rounded as they are stored. */
static double model_sparse(const fc_case *c, an_precision type, int o) {
    const float *w = c->w.data + (size_t)o * c->inputs, scale = largest(w, c->inputs) / 127;
    double sum = 0;
    for (int i = 0; i < c->inputs; i++) {
        const double weight = type == AN_BF16   ? (double)bfloat16(w[i])
                              : type == AN_INT8 ? (double)scale * (double)rintf(w[i] / scale)
                                                : (double)w[i];
        sum += (double)c->x.data[i] * weight;
    }
    return sum + (double)c->b.data[o];
}

static void check_sparse(const an_fc_engine *engine, an_precision type, fc_case *c) {
    compute(engine, c);
    for (int o = 0; o < c->outputs; o++) {
        const double sum = model_sparse(c, type, o), expected = c->relu ? fmax(sum, 0) : sum;
        if (!(fabs((double)c->y.data[o] - expected) <=
              1e-6 * sqrt(c->inputs) * (1 + fabs(expected))))
            fail_msg("%d -> %d, type %d: output %d is %g rather than %g", c->inputs, c->outputs,
                     (int)type, o, (double)c->y.data[o], expected);
    }
}

/* `keep` of ten inputs stay. */
static fc_case sparse_case(int inputs, int outputs, int keep) {
    fc_case c = make_case(1, inputs, outputs, as_it_is);
    for (int i = 0; i < inputs; i++)
        if (i * 7 % 10 >= keep)
            c.x.data[i] = 0;
    return c;
}

static void skipping_zeros(void **state) {
    (void)state;
    const int shapes[][2] = {{1003, 10}, {4096, 70}, {37, 4},    {1, 1},
                             {200, 700}, {31, 1500}, {16, 2100}, {9, 4200}};
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++) {
        for (int i = 0; i < 3 * 8 * 4; i++) {
            const int *shape = shapes[i / 12], keep = (int[]){0, 3, 5, 10}[i / 3 % 4];
            fc_case c = sparse_case(shape[0], shape[1], keep);
            c.relu = i % 2;
            check_sparse((*k)->fc_sparse[sparse_types[i % 3]], sparse_types[i % 3], &c);
            free_case(&c);
        }
    }
}

/* Float32 weights of more bytes than are turned over at a time. */
static void skipping_in_slabs(void **state) {
    (void)state;
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++) {
        fc_case c = sparse_case(2500, 4096, 5);
        check_sparse((*k)->fc_sparse[AN_FP32], AN_FP32, &c);
        free_case(&c);
    }
}

/* Weights of each output that are a power of two times numbers between 1 and 2, or a few times
 * smaller: over 30 powers, and outputs over 40 more. */
static void weights_of_all_sizes(fc_case *c) {
    for (int o = 0; o < c->outputs; o++)
        for (int i = 0; i < c->inputs; i++) {
            float *w = &c->w.data[(size_t)o * c->inputs + i];
            *w = ldexpf(*w < 0 ? *w - 1 : *w + 1, o % 3 * 20 - 20 - i * 7 % 31);
            if (i == o % 7)
                *w = 0;
        }
}

/* What the smallest weights of an output are multiples of, in units of the exponent of its largest:
 * as many bits below as the type has. */
static float least_step(const fc_case *c, an_precision type, int o) {
    int exponent;
    (void)frexpf(largest(c->w.data + (size_t)o * c->inputs, c->inputs), &exponent);
    return ldexpf(1, exponent - (type == AN_BF16 ? 22 : 38));
}

/* One input alone gives the weights back: to the bit, but for those far smaller than the largest of
 * their output; however large the input is. */
static void skipping_keeps_weights(void **state) {
    (void)state;
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++) {
        for (int t = 0; t < 2; t++) {
            fc_case c = sparse_case(45, 300, 0);
            weights_of_all_sizes(&c);
            memset(c.b.data, 0, c.b.count * sizeof(float));
            for (int i = 0; i < c.inputs; i++) {
                const int power = i % 3 * 70 - 70;
                c.x.data[i] = ldexpf(1, power);
                compute((*k)->fc_sparse[sparse_types[t]], &c);
                for (int o = 0; o < c.outputs; o++) {
                    const float w = c.w.data[(size_t)o * c.inputs + i];
                    const float step = least_step(&c, sparse_types[t], o);
                    const float found = ldexpf(c.y.data[o], -power);
                    const float expected = t == 1 ? bfloat16(w) : w;
                    const bool exact = fabsf(w) >= step * (t == 1 ? 0x1p8f : 0x1p24f);
                    if (!(exact ? found == expected : fabsf(found - w) <= step / 2))
                        fail_msg("type %d: %a rather than %a", t, (double)found, (double)expected);
                }
                c.x.data[i] = 0;
            }
            free_case(&c);
        }
    }
}

/* A weight that is no number shows in its output, whether its input is zero or not. */
static void skipping_hides_no_nan(void **state) {
    (void)state;
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++) {
        for (int i = 0; i < 6; i++) {
            fc_case c = sparse_case(100, 40, 5);
            c.relu = true;
            c.x.data[7] = 0;
            compute((*k)->fc_sparse[sparse_types[i % 3]], &c);
            float without[40];
            memcpy(without, c.y.data, sizeof without);
            c.w.data[3 * 100 + 7] = i < 3 ? NAN : INFINITY;
            compute((*k)->fc_sparse[sparse_types[i % 3]], &c);
            for (int o = 0; o < 40; o++)
                assert_true(o == 3 ? isnan(c.y.data[o]) : c.y.data[o] == without[o]);
            c.x.data[8] = NAN;
            compute((*k)->fc_sparse[sparse_types[i % 3]], &c);
            for (int o = 0; o < 40; o++)
                assert_true(isnan(c.y.data[o]));
            free_case(&c);
        }
    }
}

/* ---- Backward. */

static void assert_near(double found, double expected, int terms) {
    if (!(fabs(found - expected) <= 1e-6 * sqrt(terms) * (1 + fabs(expected))))
        fail_msg("%g rather than %g", found, expected);
}

/* c has dy for y. */
static void check_input_gradient(const an_fc_engine *engine, const fc_case *c, void *workspace) {
    const size_t inputs = (size_t)c->inputs, outputs = (size_t)c->outputs;
    an_guarded dx = an_guard(c->x.count);
    engine->backward_input(c->images, c->inputs, c->outputs, c->w.data, c->y.data, dx.data,
                           workspace);
    for (size_t j = 0; j < dx.count; j++)
        assert_near((double)dx.data[j],
                    product(c, c->outputs, c->y.data + j / inputs * outputs, 1,
                            c->w.data + j % inputs, inputs),
                    c->outputs);
    an_unguard(&dx);
}

static void check_weights_gradient(const an_fc_engine *engine, fc_case *c, const an_update *update,
                                   void *workspace) {
    const size_t inputs = (size_t)c->inputs, outputs = (size_t)c->outputs;
    an_guarded dw = an_guard(c->w.count), v = an_guard_random(c->w.count, 7);
    an_guarded w_expected = an_guard(c->w.count), v_expected = an_guard_random(c->w.count, 7);
    memcpy(w_expected.data, c->w.data, c->w.count * sizeof(float));
    engine->backward_weights(&(an_fc_gradient){.images = c->images,
                                               .inputs = c->inputs,
                                               .outputs = c->outputs,
                                               .x = c->x.data,
                                               .dy = c->y.data,
                                               .dw = dw.data,
                                               .update = update,
                                               .momentum = 0.9f,
                                               .v = update ? v.data : NULL,
                                               .w = update ? c->w.data : NULL,
                                               .workspace = workspace});
    for (size_t j = 0; j < dw.count; j++)
        assert_near(
            (double)dw.data[j],
            product(c, c->images, c->y.data + j / inputs, outputs, c->x.data + j % inputs, inputs),
            c->images);
    if (update)
        an_reference_update(update, 0.9f, dw.count, dw.data, v_expected.data, w_expected.data);
    for (size_t j = 0; j < dw.count; j++) {
        assert_near((double)v.data[j], (double)v_expected.data[j], 1);
        assert_near((double)c->w.data[j], (double)w_expected.data[j], 1);
    }
    an_unguard(&dw);
    an_unguard(&v);
    an_unguard(&v_expected);
    an_unguard(&w_expected);
}

static void gradients(const an_fc_engine *engine, rounding *rounded) {
    const an_update rules[] = {{0.1f, 0.01f}, {0, 0.01f}};
    const int several[][3] = {{70, 1100, 35}, {3, 530, 300}, {33, 48, 64}};
    for (int i = 0; i < size_count + 3; i++) {
        const int *size = i < size_count ? sizes[i] : several[i - size_count];
        fc_case c = make_case(size[0], size[1], size[2], rounded);
        an_guarded dy = an_guard_random(c.y.count, 5);
        memcpy(c.y.data, dy.data, dy.count * sizeof(float));
        fenced workspace = fence(engine->backward_workspace_bytes(c.images, c.inputs, c.outputs));
        check_input_gradient(engine, &c, workspace.data);
        check_weights_gradient(engine, &c, i % 3 < 2 ? &rules[i % 3] : NULL, workspace.data);
        an_unguard(&dy);
        unfence(&workspace);
        free_case(&c);
    }
}

static void gradients_in_float32(void **state) {
    (void)state;
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++)
        gradients(&(*k)->fc, as_it_is);
}

static void gradients_in_bfloat16(void **state) {
    (void)state;
    const engines all = engines_of(AN_BF16);
    if (!all.list[0])
        skip();
    for (int i = 0; all.list[i]; i++)
        gradients(all.list[i], bfloat16);
}

/* db = sum of dy over the images */
static void gradients_of_biases(void **state) {
    (void)state;
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++) {
        for (int i = 0; i < size_count; i++) {
            const int images = sizes[i][0], outputs = sizes[i][2];
            an_guarded dy = an_guard_random((size_t)images * outputs, 1);
            an_guarded db = an_guard((size_t)outputs);
            (*k)->sum_images(images, outputs, dy.data, db.data);
            for (int o = 0; o < outputs; o++) {
                double sum = 0;
                for (int n = 0; n < images; n++)
                    sum += (double)dy.data[(size_t)n * outputs + o];
                assert_near((double)db.data[o], sum, images);
            }
            an_unguard(&dy);
            an_unguard(&db);
        }
    }
}

/* Weights that were int8 before come back as the same integers. */
static void weights_survive(const an_fc_engine *engine) {
    enum { inputs = 255 };
    for (int k = 1; k < 200; k++) {
        fc_case c = make_case(1, inputs, 1, as_it_is);
        const float scale = 0.37f / (float)k;
        for (int i = 0; i < inputs; i++) {
            c.w.data[i] = (float)(i - 127) * scale;
            c.x.data[i] = i == k ? 255 : 0; /* picks out one of them */
        }
        compute(engine, &c);
        const double expected = (double)(k - 127) * (double)scale * 255 + (double)c.b.data[0];
        assert_true(fabs((double)c.y.data[0] - expected) <= 1e-6 * (1 + fabs(expected)));
        free_case(&c);
    }
}

static void int8_weights_survive(void **state) {
    (void)state;
    const engines all = engines_of(AN_INT8);
    for (int i = 0; all.list[i]; i++)
        weights_survive(all.list[i]);
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++)
        if ((*k)->fc_int8)
            weights_survive((*k)->fc_int8);
}

/* What is no number shows in its own image, and nowhere else. */
static void nan_stays(const an_fc_engine *engine, int images, bool plain) {
    const float odd[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        fc_case c = make_case(images, 100, 40, as_it_is);
        c.relu = true;
        c.plain = plain;
        c.x.data[100 + 7] = odd[i];
        for (int o = 0; o < 40; o++) /* infinity * 0 is none either */
            c.w.data[o * 100 + 7] = 0;
        compute(engine, &c);
        for (size_t j = 0; j < c.y.count; j++)
            assert_int_equal(isnan(c.y.data[j]) != 0, j / 40 == 1);
        free_case(&c);
    }
}

/* A weight that is none shows in its own output; and an infinite input is not taken for a number
 * whose sign a ReLU could hide. */
static void nan_weight_shows(const an_fc_engine *engine) {
    fc_case c = make_case(3, 100, 40, as_it_is);
    c.relu = true;
    c.w.data[17 * 100 + 5] = NAN;
    compute(engine, &c);
    for (size_t j = 0; j < c.y.count; j++)
        assert_int_equal(isnan(c.y.data[j]) != 0, j % 40 == 17);
    c.w.data[17 * 100 + 5] = 1;
    c.x.data[100 + 7] = INFINITY;
    compute(engine, &c);
    for (size_t j = 0; j < c.y.count; j++)
        assert_int_equal(isnan(c.y.data[j]) != 0, j / 40 == 1);
    free_case(&c);
}

static void nan_is_not_hidden(void **state) {
    (void)state;
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++) {
        nan_stays(&(*k)->fc, 3, true);
        nan_stays(&(*k)->fc, 20, true);
        if ((*k)->fc_int8) {
            nan_stays((*k)->fc_int8, 3, false);
            nan_weight_shows((*k)->fc_int8);
        }
    }
    const engines bf16 = engines_of(AN_BF16), int8 = engines_of(AN_INT8);
    for (int i = 0; bf16.list[i]; i++) {
        nan_stays(bf16.list[i], 3, false);
        nan_stays(bf16.list[i], 40, true);
    }
    for (int i = 0; int8.list[i]; i++) {
        nan_stays(int8.list[i], 3, false);
        nan_stays(int8.list[i], 40, false);
        nan_weight_shows(int8.list[i]);
    }
}

/* The same bits however many threads there are. */
static void same_bits(const an_fc_engine *engine, int images, bool plain) {
    fc_case one = make_case(images, 300, 1200, as_it_is);
    fc_case three = make_case(images, 300, 1200, as_it_is);
    one.plain = three.plain = plain;
    const int before = an_threads_enter(1);
    compute(engine, &one);
    an_threads_enter(3);
    compute(engine, &three);
    an_threads_leave(before);
    assert_memory_equal(one.y.data, three.y.data, one.y.count * sizeof(float));
    free_case(&one);
    free_case(&three);
}

static void same_for_any_threads(void **state) {
    (void)state;
    for (const an_kernels *const *k = an_kernel_tables(); *k; k++) {
        same_bits(&(*k)->fc, 1, true);
        same_bits(&(*k)->fc, 20, true);
        for (int i = 0; i < 3; i++)
            same_bits((*k)->fc_sparse[sparse_types[i]], 1, false);
        if ((*k)->fc_int8)
            same_bits((*k)->fc_int8, 20, false);
    }
    const engines bf16 = engines_of(AN_BF16), int8 = engines_of(AN_INT8);
    for (int i = 0; bf16.list[i]; i++)
        same_bits(bf16.list[i], 20, false);
    for (int i = 0; int8.list[i]; i++)
        same_bits(int8.list[i], 20, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_float32),
        cmocka_unit_test(in_bfloat16),
        cmocka_unit_test(in_int8),
        cmocka_unit_test(in_int8_by_pairs),
        cmocka_unit_test(skipping_zeros),
        cmocka_unit_test(skipping_in_slabs),
        cmocka_unit_test(skipping_keeps_weights),
        cmocka_unit_test(skipping_hides_no_nan),
        cmocka_unit_test(gradients_in_float32),
        cmocka_unit_test(gradients_in_bfloat16),
        cmocka_unit_test(gradients_of_biases),
        cmocka_unit_test(int8_weights_survive),
        cmocka_unit_test(nan_is_not_hidden),
        cmocka_unit_test(same_for_any_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
