/* alexnet pack: both parts, what is printed, exit codes, and a network that sees the same pictures
 * in the database as in the folder. */
#include <stdlib.h>

#include "command.h"
#include "core/file.h"
#include "testing.h"

enum { TRAIN = 6, HELD_OUT = 4 };

static int prepare(void **state) {
    (void)state;
    char path[64];
    enter_folder();
    for (int i = 0; i < TRAIN + HELD_OUT; i++) {
        const char *part = i < TRAIN ? "train" : "val", *class = i % 2 ? "dog" : "cat";
        snprintf(path, sizeof path, "data/%s/%s", part, class);
        assert_ok(an_make_folder(path, error));
        snprintf(path, sizeof path, "data/%s/%s/%d.ppm", part, class, i);
        write_picture(path, 60 + 7 * i, 100 - 5 * i);
    }
    write_text("data/train/cat/none.jpg", "no picture at all");
    return 0;
}

static int leave(void **state) {
    (void)state;
    leave_folder();
    return 0;
}

static void test_both_parts(void **state) {
    (void)state;
    json_t *json = document("pack data db --resize 40 --raw --progress none");
    assert_int_equal(json_integer_value(value(json, "images")), TRAIN + HELD_OUT);
    assert_int_equal(json_integer_value(value(json, "broken")), 1);
    assert_true(json_real_value(value(json, "seconds")) > 0);
    const json_t *parts = value(json, "parts");
    json_int_t bytes = 0;
    for (size_t i = 0; i < 2; i++) {
        const json_t *part = json_array_get(parts, i);
        assert_string_equal(json_string_value(json_object_get(part, "folder")),
                            i == 0 ? "db/train" : "db/val");
        assert_int_equal(json_integer_value(json_object_get(part, "images")),
                         i == 0 ? TRAIN : HELD_OUT);
        bytes += json_integer_value(json_object_get(part, "bytes"));
    }
    assert_int_equal(json_integer_value(value(json, "bytes")), bytes);
    json_decref(json);
    const outcome *got = alexnet("pack data db --resize 40 --raw");
    assert_int_equal(got->code, 0);
    assert_non_null(strstr(got->out, "db/train: 6 pictures"));
    assert_non_null(strstr(got->out, "was there already"));
    expect(2, "began with resize 40, and now it is 41", "pack data db --resize 41 --raw");
}

static void test_one_part(void **state) {
    (void)state;
    const outcome *got = alexnet("pack data one --split held-out --progress none");
    assert_int_equal(got->code, 0);
    assert_non_null(strstr(got->out, "one: 4 pictures"));
    assert_true(an_is_file("one/data.mdb") && an_is_file("one/mean.binaryproto"));
    got = alexnet("pack data/train two --progress none"); /* a folder without parts */
    assert_int_equal(got->code, 0);
    assert_non_null(strstr(got->err, "data/train/cat/none.jpg"));
    assert_non_null(strstr(got->out, "1 could not be read"));
    assert_true(an_is_file("two/data.mdb"));
}

/* Raw pictures of the size that a network resizes to are what it sees of the files. */
static void test_same_answers(void **state) {
    (void)state;
    write_weights("weights.safetensors", 67, 2);
    json_t *folder = document("eval data/val --weights weights.safetensors --progress none");
    assert_int_equal(alexnet("pack data/val seen --raw --resize 256 --progress none")->code, 0);
    json_t *database = document("eval seen --weights weights.safetensors --progress none");
    assert_int_equal(json_integer_value(value(database, "images")), HELD_OUT);
    assert_true(json_real_value(value(folder, "loss")) > 0);
    assert_true(json_real_value(value(folder, "loss")) == json_real_value(value(database, "loss")));
    json_decref(folder);
    json_decref(database);
}

static void test_refused(void **state) {
    (void)state;
    assert_ok(an_make_folder("foreign", error));
    assert_ok(an_make_folder("half", error));
    write_text("foreign/data.mdb", "something");
    write_text("half/pack.part", "");
    expect(2, "it needs DATA DB", "pack data");
    expect(1, "none: there is no such folder", "pack none out");
    expect(1, "a file of that name is there", "pack data/val weights.safetensors/db");
    expect(2, "did not make", "pack data/val foreign");
    expect(2, "one of 4:2:0|4:4:4", "pack data out --colour 4:1:1");
    expect(1, "half-made", "eval half --weights weights.safetensors");
    expect(1, "no LMDB database", "eval foreign --weights weights.safetensors");
}

/* A folder's own database and those of its parts would hide each other. */
static void test_one_or_two(void **state) {
    (void)state;
    assert_int_equal(alexnet("pack data parts --resize 40 --progress none")->code, 0);
    expect(2, "parts: holds a data set of parts already", "pack data/val parts");
    expect(2, "parts: holds a data set of parts already", "pack data parts --split train");
    assert_false(an_is_file("parts/data.mdb") || an_is_file("parts/pack.part"));
    assert_int_equal(alexnet("pack data/val single --resize 40 --progress none")->code, 0);
    expect(2, "single: holds a database already", "pack data single");
    assert_false(an_is_folder("single/train"));
    assert_int_equal(alexnet("pack data/val parts/more --resize 40 --progress none")->code, 0);

    assert_int_equal(rename("parts/more/data.mdb", "parts/data.mdb"), 0);
    static const char sentence[] = "parts: holds a database of its own and those of parts";
    expect(1, sentence, "data parts");
    expect(1, sentence, "pack parts again");
    expect(1, sentence, "train parts --out run");
    assert_int_equal(alexnet("data parts/train")->code, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_parts),   cmocka_unit_test(test_one_part),
        cmocka_unit_test(test_same_answers), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_one_or_two),
    };
    return cmocka_run_group_tests(tests, prepare, leave);
}
