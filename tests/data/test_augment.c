/* What is drawn for a picture: places, parts, mirrors and colours, and their distributions. */
#include "data/augment.h"

#include <math.h>

#include "testing.h"

static const an_preprocess paper = {.resize = 256, .crop = 224, .scale = 1, .std = {1, 1, 1}};

static an_view draw(const an_augmentation *augmentation, uint64_t sample, int width, int height) {
    const an_occasion occasion = {.seed = 7, .epoch = 3, .sample = sample, .position = sample};
    return an_view_draw(augmentation, &paper, &occasion, width, height);
}

/* Pearson's statistic of counts that should be equal must be where 999,999 of a million are. */
static void assert_uniform(const int *counts, int cells, int total) {
    const double expected = (double)total / cells, freedom = cells - 1;
    double statistic = 0;
    for (int i = 0; i < cells; i++)
        statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
    /* Wilson and Hilferty: the cube root of chi-square over its freedom is nearly normal. */
    const double variance = 2 / (9 * freedom);
    const double z = (cbrt(statistic / freedom) - (1 - variance)) / sqrt(variance);
    if (!(fabs(z) < 4.9))
        fail_msg("chi-square %g with %g degrees of freedom: z = %g", statistic, freedom, z);
}

/* All 33 x 33 places of 224 pixels in the centre 256, mirrored or not: 2,178 inputs. */
static void test_square_crops_are_uniform(void **state) {
    (void)state;
    enum { PLACES = 33, DRAWS = 100000 };
    static int counts[2 * PLACES * PLACES];
    const an_augmentation square = {.crop = AN_CROP_SQUARE, .mirror = true};
    for (int i = 0; i < DRAWS; i++) {
        const an_view view =
            draw(&square, (uint64_t)i, 256, 300); /* 22 rows are above the square */
        const int x = (int)view.need.box.x, y = (int)view.need.box.y - 22;
        assert_true(view.need.box.x == x && view.need.box.width == 224 &&
                    view.need.box.height == 224);
        assert_in_range(x, 0, PLACES - 1);
        assert_in_range(y, 0, PLACES - 1);
        counts[(view.mirror ? PLACES * PLACES : 0) + y * PLACES + x]++;
    }
    assert_uniform(counts, 2 * PLACES * PLACES, DRAWS);
}

static void test_random_crops_are_uniform(void **state) {
    (void)state;
    enum { ACROSS = 33, DOWN = 300 - 224 + 1, DRAWS = 100000 };
    static int counts[ACROSS * DOWN];
    const an_augmentation random = {.crop = AN_CROP_RANDOM};
    for (int i = 0; i < DRAWS; i++) {
        const an_view view = draw(&random, (uint64_t)i, 256, 300);
        const int x = (int)view.need.box.x, y = (int)view.need.box.y;
        assert_in_range(x, 0, ACROSS - 1);
        assert_in_range(y, 0, DOWN - 1);
        assert_false(view.mirror);
        counts[y * ACROSS + x]++;
    }
    assert_uniform(counts, ACROSS * DOWN, DRAWS);
}

/* In the picture's own pixels, where it is resized: all of it is reached, nothing beyond. */
static void test_crops_of_resized_pictures(void **state) {
    (void)state;
    const an_augmentation random = {.crop = AN_CROP_RANDOM};
    static const int sizes[][2] = {{500, 375}, {375, 500}, {100, 3000}, {31, 17}, {4000, 4001}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const int width = sizes[s][0], height = sizes[s][1];
        const double scale = (width < height ? width : height) / 256.0;
        double left = 1e9, right = 0, top = 1e9, bottom = 0;
        for (int i = 0; i < 4000; i++) {
            const an_box box = draw(&random, (uint64_t)i, width, height).need.box;
            assert_true(fabs(box.width - 224 * scale) < 0.01 * box.width);
            assert_true(fabs(box.height - 224 * scale) < 0.01 * box.height);
            left = fmin(left, box.x);
            top = fmin(top, box.y);
            right = fmax(right, box.x + box.width);
            bottom = fmax(bottom, box.y + box.height);
        }
        assert_true(left == 0 && right > width - 1e-9 && right < width + 1e-9);
        assert_true(top < 0.01 * height && bottom > 0.99 * height && bottom < height + 1e-9);
    }
}

static const an_augmentation torchvisions = {
    .crop = AN_CROP_RESIZED, .area_low = 0.08, .area_high = 1, .aspect = 4 / 3.0, .mirror = true};

/* Where nearly every part fits, its area and the logarithm of its aspect are uniform. */
static void test_parts_of_random_area_and_aspect(void **state) {
    (void)state;
    enum { CELLS = 20, DRAWS = 40000, SIDE = 20000 };
    an_augmentation small = torchvisions;
    small.area_high = 0.7; /* 0.7 * 4 / 3 < 1: always fits */
    int areas[CELLS] = {0}, aspects[CELLS] = {0}, across[CELLS] = {0}, down[CELLS] = {0};
    for (int i = 0; i < DRAWS; i++) {
        const an_view view = draw(&small, (uint64_t)i, SIDE, SIDE);
        const an_box box = view.need.box;
        assert_true(view.need.cut);
        assert_true(box.x == floor(box.x) && box.y == floor(box.y));
        assert_true(box.width == floor(box.width) && box.height == floor(box.height));
        assert_true(box.x >= 0 && box.x + box.width <= SIDE);
        assert_true(box.y >= 0 && box.y + box.height <= SIDE);
        const double area = box.width * box.height / ((double)SIDE * SIDE);
        const double aspect = log(box.width / box.height) / log(4 / 3.0);
        areas[(int)fmax(0, fmin(CELLS - 1, (area - 0.08) / 0.62 * CELLS))]++;
        aspects[(int)fmax(0, fmin(CELLS - 1, (aspect + 1) / 2 * CELLS))]++;
        across[(int)(box.x / (SIDE - box.width + 1) * CELLS)]++;
        down[(int)(box.y / (SIDE - box.height + 1) * CELLS)]++;
    }
    assert_uniform(areas, CELLS, DRAWS);
    assert_uniform(aspects, CELLS, DRAWS);
    assert_uniform(across, CELLS, DRAWS);
    assert_uniform(down, CELLS, DRAWS);
}

/* torchvision's answer where ten tries find nothing: the largest allowed part in the centre. */
static void test_parts_of_extreme_pictures(void **state) {
    (void)state;
    an_augmentation whole = torchvisions;
    whole.area_low = 1; /* never fits a picture that is not in the aspects' range */
    static const struct {
        int width, height;
        an_box box;
    } cases[] = {
        {1000, 100, {433, 0, 133, 100}},
        {100, 1000, {0, 433, 100, 133}},
        {1, 1, {0, 0, 1, 1}},
        {1, 9, {0, 4, 1, 1}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const an_box box = draw(&whole, 5, cases[c].width, cases[c].height).need.box;
        assert_true(box.x == cases[c].box.x && box.y == cases[c].box.y);
        assert_true(box.width == cases[c].box.width && box.height == cases[c].box.height);
    }
    for (int i = 0; i < 1000; i++) { /* and every other picture has a part inside it */
        const int width = 1 + i * 7 % 97, height = 1 + i * 5 % 89;
        const an_box box = draw(&torchvisions, (uint64_t)i, width, height).need.box;
        assert_true(box.x >= 0 && box.y >= 0 && box.width >= 1 && box.height >= 1);
        assert_true(box.x + box.width <= width && box.y + box.height <= height);
    }
}

/* The covariance of the noise is the sum of noise^2 s_i^2 p_i p_i^T, within five of its errors. */
static void test_colour_noise_has_its_covariance(void **state) {
    (void)state;
    enum { DRAWS = 40000 };
    an_augmentation noisy = an_plain_augmentation;
    an_augmentation_set_noise(&noisy, 0.1);
    double sum[3] = {0}, products[3][3] = {{0}}, wanted[3][3] = {{0}};
    for (int i = 0; i < DRAWS; i++) {
        const an_tint tint = draw(&noisy, (uint64_t)i, 256, 256).tint;
        assert_true(tint.divisor == 1);
        for (int a = 0; a < 3; a++) {
            sum[a] += tint.shift[a];
            for (int b = 0; b < 3; b++)
                products[a][b] += tint.shift[a] * tint.shift[b];
        }
    }
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            for (int i = 0; i < 3; i++)
                wanted[a][b] += 0.01 * an_imagenet_deviations[i] * an_imagenet_deviations[i] *
                                an_imagenet_vectors[i][a] * an_imagenet_vectors[i][b];
    for (int a = 0; a < 3; a++) {
        assert_true(fabs(sum[a] / DRAWS) < 5 * sqrt(wanted[a][a] / DRAWS));
        for (int b = 0; b < 3; b++) {
            const double spread =
                sqrt((wanted[a][a] * wanted[b][b] + wanted[a][b] * wanted[a][b]) / DRAWS);
            if (!(fabs(products[a][b] / DRAWS - wanted[a][b]) < 5 * spread))
                fail_msg("covariance of %d and %d: %g, not %g", a, b, products[a][b] / DRAWS,
                         wanted[a][b]);
        }
    }
    noisy.noise_divides = true;
    assert_true(draw(&noisy, 1, 256, 256).tint.divisor == 1.1);
    noisy.noise = 0; /* late in net #145's training */
    const an_tint none = draw(&noisy, 1, 256, 256).tint;
    assert_true(none.divisor == 1 && none.shift[0] == 0 && none.shift[2] == 0);
}

/* Neighbours in the order share place and mirror, but not colours; other epochs are other. */
static void test_groups_share_places(void **state) {
    (void)state;
    enum { SHARED = 32, GROUPS = 300 };
    an_augmentation shared = {.crop = AN_CROP_SQUARE, .mirror = true, .shared = SHARED};
    an_augmentation_set_noise(&shared, 0.1);
    int changes = 0, mirrored = 0, again = 0;
    an_view before = {0};
    for (uint64_t position = 0; position < SHARED * GROUPS; position++) {
        an_occasion occasion = {1, 0, 1000000 - 3 * position, position};
        const an_view view = an_view_draw(&shared, &paper, &occasion, 256, 256);
        const bool same = view.need.box.x == before.need.box.x &&
                          view.need.box.y == before.need.box.y && view.mirror == before.mirror;
        assert_true(position % SHARED == 0 || same);
        assert_true(position == 0 || view.tint.shift[0] != before.tint.shift[0]);
        changes += !same;
        mirrored += view.mirror;
        before = view;
        occasion.epoch = 1;
        const an_view next = an_view_draw(&shared, &paper, &occasion, 256, 256);
        again += next.need.box.x == view.need.box.x && next.need.box.y == view.need.box.y;
    }
    assert_in_range(changes, GROUPS - 5, GROUPS);
    assert_in_range(mirrored / SHARED, GROUPS * 2 / 5, GROUPS * 3 / 5);
    assert_true(again < SHARED * GROUPS / 50);
}

static void test_views_of_a_picture(void **state) {
    (void)state;
    const an_augmentation mirrored = {.crop = AN_CROP_CENTRE, .mirror = true};
    assert_false(an_augmentation_is_random(&an_no_augmentation));
    assert_true(an_augmentation_is_random(&an_plain_augmentation));
    assert_true(an_augmentation_is_random(&mirrored));
    const an_box centre = draw(&mirrored, 1, 256, 300).need.box;
    assert_true(centre.x == 16 && centre.y == 38 && centre.width == 224);
    static const int corners[5][2] = {{16, 38}, {0, 22}, {32, 22}, {0, 54}, {32, 54}};
    for (int view = 0; view < AN_VIEWS; view++) {
        const an_crop crop = an_view_crop(256, 300, &paper, view);
        assert_int_equal(crop.x, corners[view % 5][0]);
        assert_int_equal(crop.y, corners[view % 5][1]);
        assert_int_equal(crop.mirror, view >= 5);
    }
}

/* The axes put together again are the covariance; they are orthonormal and in order. */
static void test_axes_of_a_covariance(void **state) {
    (void)state;
    static const double covariances[][3][3] = {
        {{4, 0, 0}, {0, 1, 0}, {0, 0, 9}},
        {{5300, 5100, 4600}, {5100, 5400, 5000}, {4600, 5000, 5600}},
        {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}},
        {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}},
        {{2, -1, 0}, {-1, 2, -1}, {0, -1, 2}},
        {{1e-9, 0, 3e-10}, {0, 1e-9, 0}, {3e-10, 0, 1e-9}},
    };
    for (size_t k = 0; k < sizeof covariances / sizeof *covariances; k++) {
        double vectors[3][3], deviations[3], scale = 0;
        an_colour_axes(covariances[k], vectors, deviations);
        assert_true(deviations[0] >= 0 && deviations[0] <= deviations[1]);
        assert_true(deviations[1] <= deviations[2]);
        for (int a = 0; a < 3; a++)
            scale += covariances[k][a][a];
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++) {
                double product = 0, value = 0;
                for (int i = 0; i < 3; i++) {
                    product += vectors[a][i] * vectors[b][i];
                    value += deviations[i] * deviations[i] * vectors[i][a] * vectors[i][b];
                }
                assert_true(fabs(product - (a == b)) < 1e-12);
                assert_true(fabs(value - covariances[k][a][b]) <= 1e-12 * scale);
            }
    }
    /* The published ones are three places of a covariance's. */
    double covariance[3][3] = {{0}}, vectors[3][3], deviations[3];
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            for (int i = 0; i < 3; i++)
                covariance[a][b] += an_imagenet_deviations[i] * an_imagenet_deviations[i] *
                                    an_imagenet_vectors[i][a] * an_imagenet_vectors[i][b];
    an_colour_axes((const double(*)[3])covariance, vectors, deviations);
    for (int i = 0; i < 3; i++) {
        double along = 0;
        for (int c = 0; c < 3; c++)
            along += vectors[i][c] * an_imagenet_vectors[i][c];
        assert_true(fabs(fabs(along) - 1) < 1e-4);
        assert_true(fabs(deviations[i] - an_imagenet_deviations[i]) < 0.02);
    }
}

static void test_what_cannot_be_is_refused(void **state) {
    (void)state;
    an_augmentation wrong = torchvisions;
    assert_ok(an_augmentation_check(&wrong, error));
    wrong.area_low = 0;
    assert_fails(an_augmentation_check(&wrong, error), ALEXNET_INVALID, "parts of 0 to 1");
    wrong.area_low = NAN;
    assert_fails(an_augmentation_check(&wrong, error), ALEXNET_INVALID, "area");
    wrong = torchvisions;
    wrong.area_high = 1.5;
    assert_fails(an_augmentation_check(&wrong, error), ALEXNET_INVALID, "0.08 to 1.5");
    wrong = torchvisions;
    wrong.aspect = 0.5;
    assert_fails(an_augmentation_check(&wrong, error), ALEXNET_INVALID, "aspect of 0.5");
    wrong = an_plain_augmentation;
    wrong.noise = -1;
    assert_fails(an_augmentation_check(&wrong, error), ALEXNET_INVALID, "noise of -1");
    wrong = an_plain_augmentation;
    wrong.shared = -2;
    assert_fails(an_augmentation_check(&wrong, error), ALEXNET_INVALID, "shared by -2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_square_crops_are_uniform),
        cmocka_unit_test(test_random_crops_are_uniform),
        cmocka_unit_test(test_crops_of_resized_pictures),
        cmocka_unit_test(test_parts_of_random_area_and_aspect),
        cmocka_unit_test(test_parts_of_extreme_pictures),
        cmocka_unit_test(test_colour_noise_has_its_covariance),
        cmocka_unit_test(test_groups_share_places),
        cmocka_unit_test(test_views_of_a_picture),
        cmocka_unit_test(test_axes_of_a_covariance),
        cmocka_unit_test(test_what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
