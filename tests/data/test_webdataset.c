/* WebDataset's shards: how they are named, what a sample is, and what is refused. */
#include "archive_files.h"
#include "data/shards.h"

static void test_samples(void **state) {
    (void)state;
    tar_file shard = {0};
    tar_put_text(&shard, '0', "__index__.json", "of the shard");
    tar_put_text(&shard, '0', "no key", "x");
    tar_put_text(&shard, '0', ".hidden.jpg", "x");
    tar_put_text(&shard, '0', "a/x.cls", " 1\n");
    tar_put(&shard, '0', "a/x.JPG", WHITE);
    tar_put(&shard, '0', "b/x.png", WHITE); /* another folder: another key */
    tar_put_text(&shard, '0', "b/x.json", "{\"label\": \"name\", \"cls\": 2}");
    tar_put(&shard, '0', "b/xx.webp", WHITE); /* the key before begins as this one */
    tar_put_text(&shard, '0', "b/xx.cls", "0");
    save(&shard, "set-train-7.tar");
    tar_put(&shard, '0', "y.pgm", WHITE);
    tar_put_text(&shard, '0', "y.cls", "2");
    save(&shard, "set-test-8.tar");
    static const char name[] = "set-train-{7..8}.tar";
    assert_refused(name, AN_SPLIT_TRAIN, ALEXNET_IO, "set-train-8.tar: cannot be opened");
    assert_true(an_dataset_has_held_out(temporary(name)));
    an_dataset *dataset = opened(name, AN_SPLIT_HELD_OUT); /* shard 7 of them is not there */
    assert_int_equal(dataset->count, 1);
    assert_int_equal(dataset->classes, 3);
    an_dataset_close(dataset);
    assert_false(an_dataset_has_held_out(temporary("set-train-7.tar")));
    assert_false(an_dataset_has_held_out(temporary("set-test-8.tar")));
    for (an_split split = AN_SPLIT_TRAIN; split <= AN_SPLIT_HELD_OUT; split++) {
        dataset = opened("set-train-7.tar", split);
        assert_string_equal(dataset->kind->name, "webdataset");
        assert_int_equal(dataset->count, 3);
        assert_int_equal(dataset->classes, 3);
        assert_string_equal(dataset->class_names[2], "2");
        static const int labels[] = {1, 2, 0};
        static const char *const names[] = {"tar/a/x.JPG", "tar/b/x.png", "tar/b/xx.webp"};
        for (size_t i = 0; i < 3; i++) {
            char text[600];
            an_dataset_describe(dataset, i, text, sizeof text);
            assert_non_null(strstr(text, names[i]));
            assert_int_equal(dataset->labels[i], labels[i]);
        }
        an_dataset_close(dataset);
    }
}

static void test_samples_that_will_not_do(void **state) {
    (void)state;
    static const struct {
        const char *name, *class, *part;
    } cases[] = {
        {"k.txt", "1", "shard.tar: the sample 'k' has no picture (jpg,"},
        {"k.jpg.txt", "1", "the sample 'k' has no picture"},
        {"k.jpg", "", "the sample 'k' has no class: a number in a file cls"},
        {"k.jpg", "cat", "has no class"},
        {"k.jpg", "1 2", "has no class"},
        {"k.jpg", "-1", "has no class"},
        {"k.jpg", "1.5", "has no class"},
        {"k.jpg", "99999999999999999999", "is of class 9223372036854775807, of 1048576"},
        {"k.jpg", "1048576", "is of class 1048576, of 1048576"},
        {"k.jpg", "0", "holds a single class"},
        {"k.jpg", "{\"label\": \"cat\"}", "has no class"},
        {"k.jpg", "{\"label\": -3}", "has no class"},
        {"k.jpg", "{\"label\": ", "has no class"},
        {"k.jpg", "[[[", "has no class"},
    };
    static const char name[] = "shard.tar";
    tar_file shard = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bool json = strchr("{[", cases[i].class[0]) && cases[i].class[0];
        tar_put(&shard, '0', cases[i].name, WHITE);
        tar_put_text(&shard, '0', json ? "k.json" : "k.cls", cases[i].class);
        save(&shard, name);
        assert_refused(name, AN_SPLIT_TRAIN, ALEXNET_FORMAT, cases[i].part);
    }
    tar_put(&shard, '0', "k.jpg", WHITE);
    tar_put(&shard, '0', "k.png", WHITE);
    save(&shard, name);
    assert_refused(name, AN_SPLIT_TRAIN, ALEXNET_FORMAT, "'k' has more than one picture");
    tar_put(&shard, '0', "k.jpg", WHITE);
    save(&shard, name);
    assert_refused(name, AN_SPLIT_TRAIN, ALEXNET_FORMAT, "'k' has no class");
    save(&shard, name);
    assert_refused(name, AN_SPLIT_TRAIN, ALEXNET_FORMAT, "holds no samples");
    (void)write_temporary("classes.txt", "a\nb\n", 4);
    assert_refused(name, AN_SPLIT_TRAIN, ALEXNET_FORMAT, "holds no samples");
    tar_put(&shard, '0', "k.jpg", WHITE);
    tar_put_text(&shard, '0', "k.cls", "2");
    save(&shard, name);
    assert_refused(name, AN_SPLIT_TRAIN, ALEXNET_FORMAT, "'k' is of class 2, of 2");
    (void)write_temporary("classes.txt", "a\n\nb\n", 5);
    assert_refused(name, AN_SPLIT_TRAIN, ALEXNET_FORMAT, "classes.txt: line 2 is empty");
    (void)write_temporary(name, "no archive", 10);
    unlink(temporary("classes.txt"));
    assert_refused(name, AN_SPLIT_TRAIN, ALEXNET_FORMAT,
                   "shard.tar: the file ends within a header");
}

/* Ten shards, of which those from 3 on lack a class at their ends; the one called `long_one` takes
 * much longer to read. */
static void put_shards(int long_one) {
    for (int i = 0; i < 10; i++) {
        char name[32];
        tar_file shard = {0};
        snprintf(name, sizeof name, "s-%d.tar", i);
        for (int k = i == long_one ? 2000 : 1; k > 0; k--)
            tar_put_text(&shard, '0', "__between__", "");
        tar_put(&shard, '0', "k.jpg", WHITE);
        tar_put_text(&shard, '0', "k.cls", "1");
        if (i >= 3)
            tar_put_text(&shard, '0', "bad.txt", "");
        save(&shard, name);
    }
}

/* Of shards that are damaged the first is named, whether it was read before others or after. */
static void test_first_failure_counts(void **state) {
    (void)state;
    static const int long_ones[] = {3, 9};
    for (size_t i = 0; i < 2; i++) {
        put_shards(long_ones[i]);
        assert_refused("s-{0..9}.tar", AN_SPLIT_TRAIN, ALEXNET_FORMAT, "s-3.tar: the sample");
    }
}

static void test_names_of_shards(void **state) {
    (void)state;
    static const struct {
        const char *name;
        size_t count;
        const char *first, *last;
    } good_names[] = {
        {"a.tar", 1, "a.tar", "a.tar"},
        {"a-{000000..000146}.tar", 147, "a-000000.tar", "a-000146.tar"},
        {"{8..11}.tar", 4, "8.tar", "11.tar"},
        {"{08..11}", 4, "08", "11"},
        {"{8..011}", 4, "008", "011"},
        {"{0..0}", 1, "0", "0"},
        {"{1..2}/x{00..03}{5..6}", 16, "1/x005", "2/x036"},
        {"{00000..65535}", 65536, "00000", "65535"},
    };
    an_shards shards;
    for (size_t i = 0; i < sizeof good_names / sizeof *good_names; i++) {
        assert_ok(an_shards_expand(good_names[i].name, false, &shards, error));
        assert_int_equal(shards.count, good_names[i].count);
        assert_string_equal(shards.paths[0], good_names[i].first);
        assert_string_equal(shards.paths[shards.count - 1], good_names[i].last);
        an_shards_free(&shards);
    }
    static const char *const bad_names[] = {"{",       "{}",      "{1}",    "{1..}",   "{..2}",
                                            "{2..1}",  "{a..b}",  "{1..2",  "{1...2}", "{1,2}",
                                            "{-1..2}", "{1..2}{", "{ 1..2}"};
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++) {
        assert_fails(an_shards_expand(bad_names[i], false, &shards, error), ALEXNET_INVALID,
                     "braces in a name hold a range that counts up");
        assert_null(shards.paths);
    }
    static const char *const many[] = {"{0..65536}", "{0..999999999}", "{0..999}{0..999}"};
    for (size_t i = 0; i < sizeof many / sizeof *many; i++)
        assert_fails(an_shards_expand(many[i], false, &shards, error), ALEXNET_INVALID,
                     "stands for more than 65536 files");
    assert_fails(an_shards_expand("{0..9999999999}", false, &shards, error), ALEXNET_INVALID,
                 "braces");
}

static void test_other_files(void **state) {
    (void)state;
    (void)write_temporary("set.tar.gz", "x", 1);
    assert_refused("set.tar.gz", AN_SPLIT_TRAIN, ALEXNET_IO,
                   "set.tar.gz: is a file, but no data set");
    assert_refused("nowhere.tar", AN_SPLIT_TRAIN, ALEXNET_IO, "there is no such folder");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_samples, setup),
        cmocka_unit_test_setup(test_samples_that_will_not_do, setup),
        cmocka_unit_test_setup(test_first_failure_counts, setup),
        cmocka_unit_test_setup(test_names_of_shards, setup),
        cmocka_unit_test_setup(test_other_files, setup),
    };
    return cmocka_run_group_tests(tests, make_temporary_folder, remove_temporary_folder);
}
