/* `shapes`: reproducible, balanced, and told apart by nothing but form. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/random.h"
#include "data/dataset.h"
#include "data/forms.h"
#include "testing.h"

enum { SIDE = 256, PIXELS = SIDE * SIDE, GRID = 8, FEATURES = GRID * GRID * 3 };

static an_dataset *open_shapes(size_t count, an_split split, uint64_t seed) {
    an_dataset *dataset = NULL;
    assert_ok(an_shapes_open(count, split, seed, &dataset, error));
    return dataset;
}

/* How many of picture `index`'s bytes differ between two data sets. */
static int differing(const an_dataset *a, const an_dataset *b, size_t index) {
    an_image one = {0}, other = {0};
    assert_ok(an_dataset_read(a, index, &one, error));
    assert_ok(an_dataset_read(b, index, &other, error));
    assert_int_equal(one.width, SIDE);
    assert_int_equal(one.height, SIDE);
    int count = 0;
    for (int i = 0; i < PIXELS * 3; i++)
        count += one.pixels[i] != other.pixels[i];
    an_image_free(&one);
    an_image_free(&other);
    return count;
}

static void a_picture_is_a_function_of_seed_split_and_index(void **state) {
    (void)state;
    an_dataset *a = open_shapes(50, AN_SPLIT_TRAIN, 3),
               *larger = open_shapes(90, AN_SPLIT_TRAIN, 3);
    an_dataset *held_out = open_shapes(50, AN_SPLIT_HELD_OUT, 3);
    an_dataset *seed = open_shapes(50, AN_SPLIT_TRAIN, 4);
    for (size_t i = 0; i < AN_FORMS; i++) {
        assert_int_equal(differing(a, larger, 40 + i), 0);
        assert_true(differing(a, held_out, i) > PIXELS);
        assert_true(differing(a, seed, i) > PIXELS);
    }
    an_dataset_close(a);
    an_dataset_close(larger);
    an_dataset_close(held_out);
    an_dataset_close(seed);
}

static void labels_are_balanced_and_named(void **state) {
    (void)state;
    an_dataset *train = open_shapes(0, AN_SPLIT_TRAIN, 1);
    an_dataset *held_out = open_shapes(0, AN_SPLIT_HELD_OUT, 1);
    assert_int_equal(train->count, 2000);
    assert_int_equal(held_out->count, 500);
    assert_int_equal(train->classes, AN_FORMS);
    int of_class[AN_FORMS] = {0};
    for (size_t i = 0; i < train->count; i++)
        of_class[train->labels[i]]++;
    for (int i = 0; i < AN_FORMS; i++) {
        assert_int_equal(of_class[i], 200);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(train->class_names[i], train->class_names[j]);
    }
    char text[64], expected[64];
    an_dataset_describe(train, 17, text, sizeof text);
    snprintf(expected, sizeof expected, "shapes/%s/17", train->class_names[train->labels[17]]);
    assert_string_equal(text, expected);
    an_dataset_close(train);
    an_dataset_close(held_out);
}

static void the_name_says_how_many(void **state) {
    (void)state;
    an_dataset *dataset;
    assert_ok(an_dataset_open("shapes:40", AN_SPLIT_TRAIN, 1, &dataset, error));
    assert_int_equal(dataset->count, 40);
    an_dataset_close(dataset);
    assert_ok(an_dataset_open("shapes:40", AN_SPLIT_HELD_OUT, 1, &dataset, error));
    assert_int_equal(dataset->count, 10);
    an_dataset_close(dataset);
    assert_ok(an_dataset_open("shapes", AN_SPLIT_HELD_OUT, 1, &dataset, error));
    assert_int_equal(dataset->count, 500);
    an_dataset_close(dataset);
    assert_true(an_dataset_has_held_out("shapes"));
}

static void more_than_can_be_counted_is_refused(void **state) {
    (void)state;
    an_dataset *dataset;
    assert_fails(an_shapes_open(SIZE_MAX, AN_SPLIT_TRAIN, 1, &dataset, error), ALEXNET_INVALID,
                 "ask for fewer");
    assert_null(dataset);
    assert_fails(an_dataset_open("shapes:many", AN_SPLIT_TRAIN, 1, &dataset, error),
                 ALEXNET_INVALID, "as in shapes:2000");
    assert_null(dataset);
}

/* The mean colours of a `grid` x `grid` thumbnail of picture `index`. */
static void thumbnail(const an_dataset *dataset, size_t index, int grid, an_image *image,
                      double out[FEATURES]) {
    assert_ok(an_dataset_read(dataset, index, image, error));
    memset(out, 0, FEATURES * sizeof *out);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                out[(y * grid / SIDE * grid + x * grid / SIDE) * 3 + c] +=
                    image->pixels[(y * SIDE + x) * 3 + c] * (double)grid * grid / PIXELS;
}

/* How many of 200 held-out pictures have the class whose mean thumbnail is nearest to theirs. */
static int right_by_nearest_mean(int grid) {
    static double means[AN_FORMS][FEATURES];
    enum { TRAIN = 400, HELD_OUT = 200 };
    an_dataset *train = open_shapes(TRAIN, AN_SPLIT_TRAIN, 5);
    an_dataset *held_out = open_shapes(HELD_OUT, AN_SPLIT_HELD_OUT, 5);
    an_image image = {0};
    double features[FEATURES];
    memset(means, 0, sizeof means);
    for (size_t i = 0; i < TRAIN; i++) {
        thumbnail(train, i, grid, &image, features);
        for (int f = 0; f < FEATURES; f++)
            means[train->labels[i]][f] += features[f] * AN_FORMS / TRAIN;
    }
    int right = 0;
    for (size_t i = 0; i < HELD_OUT; i++) {
        thumbnail(held_out, i, grid, &image, features);
        double nearest = DBL_MAX;
        int guess = -1;
        for (int k = 0; k < AN_FORMS; k++) {
            double distance = 0;
            for (int f = 0; f < FEATURES; f++)
                distance += (features[f] - means[k][f]) * (features[f] - means[k][f]);
            if (distance < nearest) {
                nearest = distance;
                guess = k;
            }
        }
        right += guess == held_out->labels[i];
    }
    an_image_free(&image);
    an_dataset_close(train);
    an_dataset_close(held_out);
    return right;
}

/* Chance is 20 of 200. */
static void no_class_is_known_by_its_colours_and_places(void **state) {
    (void)state;
    assert_in_range(right_by_nearest_mean(1), 0, 34);
    assert_in_range(right_by_nearest_mean(GRID), 0, 56);
}

/* Next to its edge, a form's distance grows by one for each unit, so that edges are drawn smooth
 * and equally sharp; and every form has an inside and an outside. */
static void distances_are_distances(void **state) {
    (void)state;
    enum { POINTS = 40000 };
    for (int k = 0; k < AN_FORMS; k++) {
        const an_form *form = &an_forms[k];
        an_random random = an_random_stream(1, AN_RANDOM_TEST, 0, (uint64_t)k);
        int inside = 0, near = 0, even = 0;
        for (int i = 0; i < POINTS; i++) {
            const float x = an_random_range(&random, -1.5f, 1.5f);
            const float y = an_random_range(&random, -1.5f, 1.5f);
            const float detail = an_random_uniform(&random), step = 1e-3f;
            const float here = form->distance(x, y, detail);
            inside += here < 0;
            if (fabsf(here) > 0.03f)
                continue;
            const float across = form->distance(x + step, y, detail) - here;
            const float down = form->distance(x, y + step, detail) - here;
            near++;
            even += fabsf(hypotf(across, down) / step - 1) < 0.1f;
        }
        if (inside < POINTS / 20 || inside > POINTS * 2 / 3)
            fail_msg("%s: %d of %d points are inside", form->name, inside, POINTS);
        if (near < POINTS / 100 || even < near * 9 / 10)
            fail_msg("%s: the distance is even at %d of %d points near the edge", form->name, even,
                     near);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_is_a_function_of_seed_split_and_index),
        cmocka_unit_test(labels_are_balanced_and_named),
        cmocka_unit_test(the_name_says_how_many),
        cmocka_unit_test(more_than_can_be_counted_is_refused),
        cmocka_unit_test(no_class_is_known_by_its_colours_and_places),
        cmocka_unit_test(distances_are_distances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
