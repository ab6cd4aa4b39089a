/*
 * The cuda backend's kernels, an index after the other in plain C, against one another: what does
 * the work of two in one pass gives what the two give. Whole plans are in test_cuda.c.
 */
#include <math.h>

#include "backend/cuda/kernels.h"
#include "guard.h"

#define RUN(name, arguments, count)                                                                \
    do {                                                                                           \
        for (size_t index = 0; index < (count); index++)                                           \
            an_cuda_##name##_at((arguments), (uint32_t)index);                                     \
    } while (0)

/* To the bit; of a NaN only that it is one. */
static bool same(float a, float b) {
    uint32_t bits[2];
    memcpy(&bits[0], &a, sizeof a);
    memcpy(&bits[1], &b, sizeof b);
    return bits[0] == bits[1] || (isnan(a) && isnan(b));
}

/* ---- Normalisation and pooling in one pass. */

enum { images = 3, place_guard = 64, unwritten = 0xA5 };

typedef struct lrn_pool_case {
    int maps, towers, height, width;
    bool round_up;
    float k;
} lrn_pool_case;

/* Their windows fit, leave rows and columns over, and reach over the edge. */
static const lrn_pool_case cases[] = {
    {16, 1, 7, 9, false, 2}, {48, 2, 8, 6, false, 1},   {16, 2, 8, 6, true, 2},
    {8, 1, 3, 3, false, 1},  {32, 1, 3, 4, true, 1},    {24, 3, 4, 3, false, 2},
    {16, 1, 10, 3, true, 2}, {64, 2, 15, 15, false, 2},
};

typedef struct tensors {
    size_t inputs, outputs;
    an_guarded x, bias, dy;                    /* float32 */
    an_guarded between, y, dbetween, dx;       /* ... from two passes */
    an_guarded x_in, dy_in, found_y, found_dx; /* of the type of number under test */
    uint8_t *place, *found_place;              /* `outputs`, between guards */
} tensors;

static uint8_t *new_places(size_t count) {
    void *block;
    assert_ok(an_alloc(&block, count + 2 * place_guard, 1, "places", error));
    memset(block, unwritten, count + 2 * place_guard);
    return (uint8_t *)block + place_guard;
}

static void free_places(uint8_t *places, size_t count) {
    for (size_t i = 0; i < place_guard; i++) {
        assert_int_equal(places[(ptrdiff_t)i - place_guard], unwritten);
        assert_int_equal(places[count + i], unwritten);
    }
    an_free(places - place_guard);
}

static void pack(an_number number, const an_guarded *from, an_guarded *to) {
    for (size_t i = 0; i < from->count; i += 8)
        an_put_some(to->data, number, i, 8, from->data + i);
}

static float rounded_to(an_number number, float value) {
    return an_has_16_bits(number) ? an_of_16(an_to_16(value, number), number) : value;
}

/* Values as `number` can hold them. */
static void round_all(an_number number, an_guarded *values) {
    for (size_t i = 0; i < values->count; i++)
        values->data[i] = rounded_to(number, values->data[i]);
}

/* Random, two pixels of three like one of the first three, so that maxima are often equal, and here
 * and there NaN, or so large that the sum of squares is infinite. */
static void fill_pixels(an_guarded *x, size_t maps) {
    an_random draw = an_random_stream(3, AN_RANDOM_TEST, 1, maps);
    for (size_t pixel = 3; pixel < x->count / maps; pixel++)
        if (an_random_below(&draw, 3) > 0)
            memcpy(x->data + pixel * maps, x->data + an_random_below(&draw, 3) * maps,
                   maps * sizeof *x->data);
    for (size_t i = 3 * maps; i < x->count; i++) {
        const uint32_t rare = an_random_below(&draw, 500);
        if (rare < 2)
            x->data[i] = rare ? NAN : 1e30f;
    }
}

static tensors new_tensors(const lrn_pool_case *c, const an_cuda_max_pool *pool, an_number number) {
    const size_t in = (size_t)images * (size_t)c->height * (size_t)c->width * (size_t)c->maps;
    const size_t out =
        (size_t)images * (size_t)pool->out_height * (size_t)pool->out_width * (size_t)c->maps;
    const size_t share = number == AN_NUMBER_FLOAT ? 1 : 2; /* of a float, that a value takes */
    tensors t = {.inputs = in,
                 .outputs = out,
                 .x = an_guard_random(in, 1),
                 .bias = an_guard_random((size_t)c->maps, 2),
                 .dy = an_guard_random(out, 4),
                 .between = an_guard(in),
                 .y = an_guard(out),
                 .dbetween = an_guard(in),
                 .dx = an_guard(in),
                 .x_in = an_guard(in / share),
                 .dy_in = an_guard(out / share),
                 .found_y = an_guard(out / share),
                 .found_dx = an_guard(in / share),
                 .place = new_places(out),
                 .found_place = new_places(out)};
    fill_pixels(&t.x, (size_t)c->maps);
    round_all(number, &t.x);
    round_all(number, &t.dy);
    pack(number, &t.x, &t.x_in);
    pack(number, &t.dy, &t.dy_in);
    return t;
}

static void free_tensors(tensors *t) {
    an_guarded *const all[] = {&t->x,  &t->bias, &t->dy,    &t->between, &t->y,        &t->dbetween,
                               &t->dx, &t->x_in, &t->dy_in, &t->found_y, &t->found_dx, NULL};
    for (an_guarded *const *each = all; *each; each++)
        an_unguard(*each);
    free_places(t->place, t->outputs);
    free_places(t->found_place, t->outputs);
}

/* What the two kernels give, in float32. */
static void run_separately(const an_cuda_lrn_pool *a, tensors *t) {
    an_cuda_lrn lrn = a->lrn;
    an_cuda_max_pool pool = a->pool;
    lrn.number = pool.number = AN_NUMBER_FLOAT;
    lrn.x = t->x.data;
    lrn.y = t->between.data;
    RUN(lrn, &lrn, t->inputs / 8);
    pool.x = t->between.data;
    pool.y = t->y.data;
    pool.place = t->place;
    RUN(max_pool, &pool, t->outputs / 8);
    pool.x = t->dy.data;
    pool.y = t->dbetween.data;
    RUN(max_pool_backward, &pool, t->inputs / 8);
    lrn.dy = t->dbetween.data;
    lrn.y = t->dx.data;
    RUN(lrn_backward, &lrn, t->inputs / 8);
}

/* What was found, in numbers of its type, is what was expected, rounded to it. */
static void assert_found(const char *what, int rows, an_number number, const an_guarded *expected,
                         an_guarded *found) {
    for (size_t i = 0; i < expected->count; i += 8) {
        float values[8];
        an_get_some(found->data, number, i, 8, values);
        for (size_t k = 0; k < 8; k++) {
            const float rounded = rounded_to(number, expected->data[i + k]);
            if (!same(values[k], rounded))
                fail_msg("strips of %d rows: %s %zu is %g rather than %g", rows, what, i + k,
                         (double)values[k], (double)rounded);
        }
    }
    an_guard_fill(found->data, found->count);
}

/* In one pass each way, with strips of every height. */
static void run_together(an_cuda_lrn_pool *a, tensors *t) {
    const an_number number = a->pool.number;
    a->lrn.x = t->x_in.data;
    for (a->rows = 1; a->rows <= an_lrn_pool_height(&a->pool, false); a->rows++) {
        const size_t count = an_lrn_pool_count(a, false, images);
        a->pool.y = t->found_y.data;
        a->pool.place = t->found_place;
        RUN(lrn_pool, a, count);
        assert_found("y", a->rows, number, &t->y, &t->found_y);
        assert_memory_equal(t->found_place, t->place, t->outputs);
        memset(t->found_place, unwritten, t->outputs);
        a->pool.place = NULL; /* as in inference */
        RUN(lrn_pool, a, count);
        assert_found("y", a->rows, number, &t->y, &t->found_y);
    }
    a->pool.place = t->place;
    a->pool.x = t->dy_in.data;
    a->lrn.y = t->found_dx.data;
    for (a->rows = 1; a->rows <= an_lrn_pool_height(&a->pool, true); a->rows++) {
        RUN(lrn_pool_backward, a, an_lrn_pool_count(a, true, images));
        assert_found("dx", a->rows, number, &t->dx, &t->found_dx);
    }
}

static int pooled(int side, bool round_up) {
    return (side - AN_LRN_POOL_KERNEL + (round_up ? 1 : 0)) / AN_LRN_POOL_STRIDE + 1;
}

static an_cuda_lrn_pool arguments_of(const lrn_pool_case *c, an_number number) {
    return (an_cuda_lrn_pool){.lrn = {.number = number,
                                      .maps = c->maps,
                                      .tower = c->maps / c->towers,
                                      .size = 5,
                                      .alpha = 0.2f,
                                      .beta = 0.75f,
                                      .k = c->k},
                              .pool = {.number = number,
                                       .maps = c->maps,
                                       .in_height = c->height,
                                       .in_width = c->width,
                                       .out_height = pooled(c->height, c->round_up),
                                       .out_width = pooled(c->width, c->round_up),
                                       .kernel = AN_LRN_POOL_KERNEL,
                                       .stride = AN_LRN_POOL_STRIDE}};
}

/* Whether the data has what it is for: NaN among the maxima, and every place. */
static void assert_tells(const tensors *t) {
    size_t nans = 0, at[9] = {0};
    for (size_t i = 0; i < t->outputs; i++) {
        nans += isnan(t->y.data[i]);
        assert_in_range(t->place[i], 0, 8);
        at[t->place[i]]++;
    }
    assert_in_range(nans, t->outputs / 100, t->outputs / 3);
    for (int i = 0; i < 9; i++)
        assert_true(at[i] > t->outputs / 50);
}

/* With the bias and ReLU of a convolution below, and without. */
static void lrn_pool_is_lrn_and_pool(void **state) {
    (void)state;
    const an_number numbers[] = {AN_NUMBER_FLOAT, AN_NUMBER_BF16, AN_NUMBER_FP16};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int kind = 0; kind < 6; kind++) {
            const an_number number = numbers[kind / 2];
            an_cuda_lrn_pool a = arguments_of(&cases[i], number);
            tensors t = new_tensors(&cases[i], &a.pool, number);
            assert_true(an_lrn_pool_fits(&a.lrn, &a.pool));
            a.lrn.bias = kind % 2 ? t.bias.data : NULL;
            run_separately(&a, &t);
            if (cases[i].width == 15)
                assert_tells(&t);
            run_together(&a, &t);
            free_tensors(&t);
        }
}

/* Strips as high as they can be so that there are enough indices. */
static void strips_are_high(void **state) {
    (void)state;
    const lrn_pool_case usual[] = {{96, 2, 55, 55, false, 2}, {256, 2, 27, 27, false, 2}};
    for (int i = 0; i < 2; i++)
        for (int backward = 0; backward < 2; backward++) {
            int before = 0;
            for (size_t n = 1; n <= 2048; n = n * 3 / 2 + 1) {
                an_cuda_lrn_pool a = arguments_of(&usual[i], AN_NUMBER_BF16);
                const int height = an_lrn_pool_height(&a.pool, backward);
                const int rows = an_lrn_pool_rows(&a.pool, backward, n);
                assert_in_range(rows, 1, height);
                assert_true(rows >= before);
                a.rows = rows;
                assert_true(rows == 1 || an_lrn_pool_count(&a, backward, n) >= AN_LRN_POOL_INDICES);
                a.rows = rows + 1;
                assert_true(rows == height ||
                            an_lrn_pool_count(&a, backward, n) < AN_LRN_POOL_INDICES);
                before = rows;
            }
            assert_int_equal(before, i == 0 ? backward ? 28 : 27 : backward ? 14 : 13);
        }
}

/* What there is no such kernel for. */
static void lrn_pool_fits_alexnets(void **state) {
    (void)state;
    const an_cuda_lrn_pool usual = arguments_of(&cases[0], AN_NUMBER_FLOAT);
    an_cuda_lrn_pool odd[6];
    for (int i = 0; i < 6; i++)
        odd[i] = usual;
    assert_true(an_lrn_pool_fits(&usual.lrn, &usual.pool));
    odd[0].lrn.size = 3;
    odd[1].lrn.tower = 12;
    odd[2].lrn.beta = 0.5f;
    odd[3].pool.kernel = 2;
    odd[4].pool.stride = 1;
    odd[5].pool.stride = 3;
    for (int i = 0; i < 6; i++)
        assert_false(an_lrn_pool_fits(&odd[i].lrn, &odd[i].pool));
}

/* Each of the four or five operations rounds by at most 2^-24 of its result. */
static void powers_by_roots(void **state) {
    (void)state;
    for (int i = 0; i < 278; i++) { /* 1 to 1e38 */
        const float base = (float)pow(1.37, i);
        const double exact = (double)base, root = (double)an_inverse_root(base);
        assert_true(fabs(root * sqrt(exact) - 1) < 2 * 0x1p-24);
        assert_true(fabs((double)an_damping(base, 0.75f) * pow(exact, 0.75) - 1) < 5 * 0x1p-24);
        assert_true(fabs((double)an_damping(base, 0.5f) * sqrt(exact) - 1) < 5 * 0x1p-24);
    }
    assert_true(an_damping(INFINITY, 0.75f) == 0);
    assert_true(isnan(an_damping(NAN, 0.75f)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lrn_pool_is_lrn_and_pool),
        cmocka_unit_test(strips_are_high),
        cmocka_unit_test(lrn_pool_fits_alexnets),
        cmocka_unit_test(powers_by_roots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
