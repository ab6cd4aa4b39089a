/* Confusions counted from votes made by hand, their order, and the files they are written to. */
#include "eval/confusion.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include "core/file.h"
#include "core/random.h"
#include "eval/report.h"
#include "testing.h"

enum { classes = 7, pictures = 9 };

/* The places that the classes take in each picture's answer, best first, and how sure it is. */
static const struct {
    int label;
    int order[classes];
    float sure; /* probability of the first; each further one has a quarter of what is left */
} made[pictures] = {
    {0, {0, 1, 2, 3, 4, 5, 6}, 0.9f},  /* right */
    {0, {1, 0, 2, 3, 4, 5, 6}, 0.6f},  /* 0 for 1 */
    {0, {1, 2, 3, 4, 5, 6, 0}, 0.7f},  /* 0 for 1, not among five */
    {0, {2, 1, 3, 4, 0, 5, 6}, 0.5f},  /* 0 for 2, fifth */
    {3, {4, 5, 6, 0, 1, 3, 2}, 0.95f}, /* 3 for 4, sixth */
    {3, {5, 4, 3, 0, 1, 2, 6}, 0.7f},  /* 3 for 5: as sure as picture 2 */
    {-1, {0, 1, 2, 3, 4, 5, 6}, 1},    /* broken */
    {6, {6, 1, 2, 3, 4, 5, 0}, 0.3f},  /* right */
    {2, {2, 1, 6, 3, 4, 5, 0}, 0.4f},  /* right */
};

/* `passes` times the same answers: what they sum to, as networks that agree would. */
static an_votes make_votes(int passes) {
    an_votes votes;
    assert_ok(an_votes_begin(&votes, pictures, classes, error));
    for (size_t p = 0; p < pictures; p++) {
        float left = (float)passes, share = made[p].sure;
        for (int place = 0; place < classes; place++) {
            const float part = left * share;
            votes.sums[p * classes + (size_t)made[p].order[place]] = part;
            left -= part;
            share = 0.25f;
        }
        votes.labels[p] = made[p].label;
        votes.indices[p] = 100 + p;
    }
    votes.views = passes;
    votes.broken = 1;
    return votes;
}

static void test_counts(void **state) {
    (void)state;
    for (int passes = 1; passes <= 20; passes += 19) {
        an_votes votes = make_votes(passes);
        an_confusion confusion;
        an_evaluation whole;
        assert_ok(an_confusion_count(&votes, 4, &confusion, error));
        static const struct {
            int label, answer;
            uint32_t times;
        } expected[] = {{0, 0, 1}, {0, 1, 2}, {0, 2, 1}, {3, 4, 1},
                        {3, 5, 1}, {6, 6, 1}, {2, 2, 1}};
        uint32_t sum = 0;
        for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
            assert_int_equal(confusion.counts[expected[i].label * classes + expected[i].answer],
                             expected[i].times);
        for (size_t i = 0; i < (size_t)classes * classes; i++)
            sum += confusion.counts[i];
        assert_int_equal(sum, 8); /* and so nothing anywhere else */

        const an_class_result *zero = &confusion.results[0], *three = &confusion.results[3];
        assert_true(zero->images == 4 && zero->top1 == 1 && zero->top5 == 3);
        assert_true(zero->confused == 1 && zero->confused_times == 2);
        assert_true(three->images == 2 && three->top1 == 0 && three->top5 == 1);
        assert_true(three->confused == 4 && three->confused_times == 1); /* of equals the first */
        assert_true(confusion.results[1].images == 0 && confusion.results[1].confused == -1);
        assert_true(confusion.results[6].top1 == 1 && confusion.results[6].confused == -1);

        /* The same as the evaluation's. */
        uint32_t top1 = 0, top5 = 0, images = 0;
        for (int i = 0; i < classes; i++) {
            images += confusion.results[i].images;
            top1 += confusion.results[i].top1;
            top5 += confusion.results[i].top5;
        }
        assert_ok(an_votes_count(&votes, &whole, error));
        assert_true(whole.images == images && fabs(whole.top1 - top1 / 8.0) < 1e-12 &&
                    fabs(whole.top5 - top5 / 8.0) < 1e-12);
        an_confusion_free(&confusion);
        an_votes_free(&votes);
    }
}

static void test_mistakes(void **state) {
    (void)state;
    an_votes votes = make_votes(3);
    an_confusion confusion;
    assert_ok(an_confusion_count(&votes, 3, &confusion, error));
    assert_int_equal(confusion.mistake_count, 3);
    static const size_t worst[] = {104, 102, 105}; /* of equals, the first */
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(confusion.mistakes[i].index, worst[i]);
    const an_mistake *first = &confusion.mistakes[0], *last = &confusion.mistakes[2];
    assert_int_equal(first->count, 3);
    assert_true(first->answers[0] == 4 && first->answers[1] == 5 && first->answers[2] == 3);
    assert_true(fabsf(first->probabilities[0] - 0.95f) < 1e-6f);
    assert_true(fabsf(first->probabilities[1] - 0.0125f) < 1e-6f);
    assert_true(fabsf(first->probabilities[2] - 0.0125f * 0.31640625f) < 1e-6f); /* 0.75^4 */
    assert_true(last->answers[0] == 5 && last->answers[1] == 4 && last->answers[2] == 3);
    an_confusion_free(&confusion);

    /* As many as there are; what is no number comes last, and none is asked for without harm. */
    for (size_t c = 0; c < classes; c++)
        votes.sums[5 * classes + c] = (float)NAN;
    assert_ok(an_confusion_count(&votes, 50, &confusion, error));
    assert_int_equal(confusion.mistake_count, 5);
    assert_int_equal(confusion.mistakes[4].index, 105);
    assert_true(confusion.mistakes[4].probabilities[0] == 0);
    an_confusion_free(&confusion);
    assert_ok(an_confusion_count(&votes, 0, &confusion, error));
    assert_int_equal(confusion.mistake_count, 0);
    an_confusion_free(&confusion);
    an_votes_free(&votes);

    votes = (an_votes){.pictures = 1, .classes = AN_MOST_CONFUSED_CLASSES + 1};
    assert_fails(an_confusion_count(&votes, 1, &confusion, error), ALEXNET_UNSUPPORTED,
                 "4097 classes");
    an_confusion_free(&confusion);
}

static void test_worst_and_pairs(void **state) {
    (void)state;
    an_votes votes = make_votes(1);
    an_confusion confusion;
    int worst[classes];
    an_confused_pair pairs[3];
    assert_ok(an_confusion_count(&votes, 0, &confusion, error));
    an_confusion_worst(&confusion, worst);
    static const int expected[] = {3, 0, 2, 6, 1, 4, 5}; /* 0 of 2, 1 of 4, all of them, none */
    assert_memory_equal(worst, expected, sizeof expected);
    assert_int_equal(an_confusion_pairs(&confusion, pairs, 3), 3);
    assert_true(pairs[0].label == 0 && pairs[0].answer == 1 && pairs[0].times == 2);
    assert_true(pairs[1].label == 0 && pairs[1].answer == 2 && pairs[1].times == 1);
    assert_true(pairs[2].label == 3 && pairs[2].answer == 4);
    an_confusion_free(&confusion);
    an_votes_free(&votes);
}

/* Classes of one remainder are confused with each other: they become neighbours and a block. */
static void test_order(void **state) {
    (void)state;
    enum { many = 60, groups = 4, each = 20 };
    an_confusion confusion = {.classes = many};
    int order[many], blocks[many];
    bool seen[many] = {false};
    an_random random = an_random_stream(1, AN_RANDOM_TEST, 0, 0);
    confusion.counts = calloc((size_t)many * many, sizeof *confusion.counts);
    confusion.results = calloc(many, sizeof *confusion.results);
    assert_true(confusion.counts && confusion.results);
    for (int i = 0; i < many; i++) {
        for (int j = 0; j < each; j++) {
            const int other = (int)an_random_below(&random, many / groups) * groups + i % groups;
            confusion.counts[i * many + (j % 2 ? other : i)]++;
        }
        confusion.results[i].images = each;
    }
    assert_ok(an_confusion_order(&confusion, order, blocks, error));
    for (int i = 0; i < many; i++) {
        assert_false(seen[order[i]]);
        seen[order[i]] = true;
        assert_int_equal(blocks[i], i / (many / groups));
        assert_int_equal(order[i] % groups, order[i - i % (many / groups)] % groups);
    }

    /* Nothing is confused: every class for itself, in any order that is one. */
    memset(confusion.counts, 0, (size_t)many * many * sizeof *confusion.counts);
    memset(seen, 0, sizeof seen);
    assert_ok(an_confusion_order(&confusion, order, blocks, error));
    for (int i = 0; i < many; i++) {
        assert_false(seen[order[i]]);
        seen[order[i]] = true;
        assert_int_equal(blocks[i], i);
    }
    confusion.classes = 1;
    assert_ok(an_confusion_order(&confusion, order, blocks, error));
    assert_true(order[0] == 0 && blocks[0] == 0);
    free(confusion.counts);
    free(confusion.results);
}

/* ---- Files. */

static void describe(const an_dataset *dataset, size_t index, char *text, size_t size) {
    (void)dataset;
    snprintf(text, size, "picture \"%zu\".jpg", index);
}

static char *read_text(const char *folder, const char *name) {
    char *path = an_path_join(folder, name);
    uint8_t *bytes;
    size_t size;
    assert_non_null(path);
    assert_ok(an_read_file(path, 1 << 20, &bytes, &size, error));
    unlink(path);
    free(path);
    char *text = realloc(bytes, size + 1);
    assert_non_null(text);
    text[size] = '\0';
    return text;
}

static void test_files(void **state) {
    (void)state;
    char name[] = "data", plain[] = "plain", comma[] = "crane, bird", quotes[] = "a \"b\"",
         lines[] = "two\nlines", empty[] = "", latin[] = "caf\xe9", last[] = "last";
    char *names[classes] = {plain, comma, quotes, lines, empty, latin, last};
    static const an_dataset_kind kind = {.name = "made", .describe = describe};
    const an_dataset dataset = {
        .kind = &kind, .name = name, .classes = classes, .class_names = names};
    char folder[] = "/tmp/alexnet-confusion-XXXXXX";
    assert_non_null(mkdtemp(folder));
    an_votes votes = make_votes(1);
    an_confusion confusion;
    an_evaluation found;
    assert_ok(an_confusion_count(&votes, 2, &confusion, error));
    assert_ok(an_votes_count(&votes, &found, error));
    assert_ok(an_report_write(folder, &dataset, &found, &confusion, error));

    char *text = read_text(folder, "confusion.csv");
    assert_string_equal(text,
                        "class,plain,\"crane, bird\",\"a \"\"b\"\"\",\"two\nlines\",,caf\xe9,last\n"
                        "plain,1,2,1,0,0,0,0\n"
                        "\"crane, bird\",0,0,0,0,0,0,0\n"
                        "\"a \"\"b\"\"\",0,0,1,0,0,0,0\n"
                        "\"two\nlines\",0,0,0,0,1,1,0\n"
                        ",0,0,0,0,0,0,0\n"
                        "caf\xe9,0,0,0,0,0,0,0\n"
                        "last,0,0,0,0,0,0,1\n");
    free(text);
    text = read_text(folder, "classes.csv");
    assert_string_equal(text, "index,class,id,images,top1,top5,confused_with,times\n"
                              "0,plain,,4,0.25,0.75,\"crane, bird\",2\n"
                              "1,\"crane, bird\",,0,,,,0\n"
                              "2,\"a \"\"b\"\"\",,1,1,1,,0\n"
                              "3,\"two\nlines\",,2,0,0.5,,1\n"
                              "4,,,0,,,,0\n"
                              "5,caf\xe9,,0,,,,0\n"
                              "6,last,,1,1,1,,0\n");
    free(text);
    text = read_text(folder, "report.json");
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    assert_int_equal(json_integer_value(json_object_get(json, "images")), 8);
    assert_int_equal(json_integer_value(json_object_get(json, "broken")), 1);
    assert_int_equal(json_array_size(json_object_get(json, "classes")), classes);
    assert_int_equal(json_array_size(json_object_get(json, "confusions")), 4);
    const json_t *mistake = json_array_get(json_object_get(json, "mistakes"), 0);
    assert_string_equal(json_string_value(json_object_get(mistake, "file")), "picture \"104\".jpg");
    assert_string_equal(json_string_value(json_object_get(mistake, "class")), "two\nlines");
    assert_int_equal(json_array_size(json_object_get(mistake, "answers")), 3);
    json_decref(json);
    free(text);

    assert_int_equal(rmdir(folder), 0); /* nothing else was written */
    assert_fails(an_report_write(folder, &dataset, &found, &confusion, error), ALEXNET_IO,
                 "confusion.csv");
    an_confusion_free(&confusion);
    an_votes_free(&votes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),          cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_worst_and_pairs), cmocka_unit_test(test_order),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
