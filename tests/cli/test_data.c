/* alexnet data and alexnet eval --report: documents, tables, pictures, and what they refuse. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "core/file.h"
#include "data/image.h"
#include "testing.h"

enum { classes = 10, input_size = 67 };

static const char *text_of(json_t *json, const char *name) {
    return json_string_value(value(json, name));
}

static long long number_of(json_t *json, const char *name) {
    return json_integer_value(value(json, name));
}

static void copy(const char *from, const char *to) {
    uint8_t *bytes;
    size_t size;
    assert_ok(an_read_file(from, 1 << 20, &bytes, &size, error));
    assert_ok(an_write_file(to, bytes, size, error));
    free(bytes);
}

/* ---- data */

static void test_document(void **state) {
    (void)state;
    json_t *json = document("data odd --progress none");
    assert_string_equal(text_of(json, "data"), "odd");
    assert_int_equal(number_of(json, "pictures"), 9);
    assert_int_equal(number_of(json, "broken"), 2);
    assert_true(json_is_true(value(json, "decoded")));
    json_t *parts = value(json, "parts");
    assert_int_equal(json_array_size(parts), 2);
    json_t *train = json_array_get(parts, 0);
    assert_string_equal(text_of(train, "part"), "train");
    assert_string_equal(text_of(json_array_get(parts, 1), "part"), "held-out");
    assert_int_equal(number_of(train, "pictures"), 6);
    assert_int_equal(json_array_size(value(train, "classes")), 2);
    assert_int_equal(number_of(json_array_get(value(train, "classes"), 0), "pictures"), 2);
    assert_int_equal(number_of(value(train, "formats"), "ppm"), 5);
    assert_int_equal(number_of(value(train, "formats"), "webp"), 0);
    assert_true(json_number_value(value(value(train, "class_sizes"), "max")) == 4);
    assert_true(json_number_value(value(value(train, "width"), "min")) == 60);
    assert_int_equal(json_array_size(value(train, "mean")), 3);
    assert_int_equal(json_array_size(value(train, "std")), 3);
    static const char *const keys[] = {"height", "shorter_side", "aspect",
                                       "bytes",  "progressive",  "name"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        value(train, keys[i]);
    json_t *broken = json_array_get(value(train, "broken"), 0);
    assert_string_equal(text_of(broken, "file"), "odd/train/b/cut.ppm");
    assert_string_equal(text_of(broken, "class"), "b");
    assert_non_null(strstr(text_of(broken, "reason"), "cut off"));
    json_t *extension = value(value(train, "odd"), "extension");
    assert_int_equal(json_array_size(extension), 1);
    assert_string_equal(json_string_value(json_array_get(extension, 0)), "odd/train/b/ppm.png");

    json_t *duplicates = value(json, "duplicates"), *group = json_array_get(duplicates, 0);
    assert_int_equal(json_array_size(duplicates), 1);
    assert_string_equal(text_of(group, "same"), "bytes");
    assert_true(json_is_true(value(group, "across_parts")));
    assert_true(json_is_true(value(group, "across_classes")));
    json_t *pictures = value(group, "pictures");
    assert_int_equal(json_array_size(pictures), 3);
    assert_string_equal(text_of(json_array_get(pictures, 0), "file"), "odd/train/a/1.ppm");
    assert_string_equal(text_of(json_array_get(pictures, 2), "part"), "held-out");
    json_decref(json);

    json = document("data odd --fast --split train");
    assert_int_equal(number_of(json, "pictures"), 6);
    assert_true(json_is_false(value(json, "decoded")));
    assert_null(json_object_get(json_array_get(value(json, "parts"), 0), "mean"));
    json_decref(json);
    json = document("data odd/train --val odd/val");
    assert_int_equal(json_array_size(value(json, "parts")), 2);
    json_decref(json);
    json = document("data shapes:40 --split held-out");
    assert_string_equal(text_of(json_array_get(value(json, "parts"), 0), "part"), "held-out");
    json_decref(json);
    json = document("data odd/train");
    assert_string_equal(text_of(json_array_get(value(json, "parts"), 0), "part"), "all");
    json_decref(json);
}

/* The same with any number of threads, but for the time. */
static void test_threads(void **state) {
    (void)state;
    json_t *one = document("data odd --threads 1"), *four = document("data odd --threads 4");
    json_object_del(one, "seconds");
    json_object_del(four, "seconds");
    assert_true(json_equal(one, four));
    json_decref(one);
    json_decref(four);
}

static void test_text(void **state) {
    (void)state;
    const outcome *got = alexnet("data odd");
    assert_int_equal(got->code, 0); /* broken pictures are a result */
    assert_string_equal(got->err, "");
    static const char *const parts[] = {"held-out",
                                        "\nBroken pictures (2)\n",
                                        "odd/train/b/cut.ppm: ",
                                        "content is not what the name says (1)",
                                        "In both parts",
                                        "the same bytes, in two classes:",
                                        "odd/val/a/1.ppm",
                                        "Smallest and largest classes (train)"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(got->out, parts[i]))
            fail_msg("\"%s\" is not in\n%s", parts[i], got->out);
    got = alexnet("data odd --names 1");
    assert_non_null(strstr(got->out, "... and 1 more"));
    assert_non_null(strstr(alexnet("data odd/train --val shapes:40")->out, "the same classes"));
}

/* A class folder without pictures is one more finding; who learns refuses it. */
static void test_empty_classes(void **state) {
    (void)state;
    static const char *const folders[] = {"gaps/a", "gaps/b", "gaps/c", "gaps/d"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        assert_ok(an_make_folder(folders[i], error));
    write_picture("gaps/b/1.ppm", 70, 70);
    write_picture("gaps/c/1.ppm", 70, 80);
    const outcome *got = alexnet("data gaps");
    assert_int_equal(got->code, 0);
    assert_non_null(strstr(got->out, "  ... without pictures    2\n"));
    assert_non_null(strstr(got->out, "\nClasses without pictures (2); "));
    assert_non_null(strstr(got->out, "\n    a\n    d\n"));
#ifdef AN_WITH_CAIRO
    assert_int_equal(alexnet("data gaps --sheet gaps.svg")->code, 0);
#endif
    json_t *json = document("data gaps");
    json_t *part = json_array_get(value(json, "parts"), 0);
    assert_int_equal(number_of(part, "empty_classes"), 2);
    assert_int_equal(number_of(json_array_get(value(part, "classes"), 0), "pictures"), 0);
    json_decref(json);
    expect(1, "gaps/a: this class folder holds no pictures", "train gaps --out run");
    expect(1, "gaps/a: this class folder holds no pictures", "eval gaps --weights w.safetensors");
}

/* Pictures of formats that are not read: a finding, and a line where others are worked with. */
static void test_unread(void **state) {
    (void)state;
    static const char *const line = "strange: 3 pictures of formats that are not read (1 .bmp, 2 "
                                    ".tiff) are left out\n";
    assert_non_null(strstr(alexnet("data strange")->out,
                           "\nLeft out: pictures of formats that are not read (3)\n"
                           "    1 .bmp\n    2 .tiff\n"));
    json_t *json = document("data strange");
    json_t *unread = value(json_array_get(value(json, "parts"), 0), "unread");
    assert_int_equal(json_object_size(unread), 2);
    assert_int_equal(number_of(unread, ".tiff"), 2);
    json_decref(json);
    assert_null(strstr(alexnet("data odd")->out, "Left out"));
    static const struct {
        const char *command, *arguments;
    } runs[] = {{"train", "strange --epochs 1 --batch 2 --input-size 67 --out strange-run"},
                {"eval", "--weights strange-run/best.safetensors strange"},
#ifdef AN_WITH_LMDB
                {"pack", "strange strange-packed"}
#endif
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        char part[256];
        const outcome *got = alexnet("%s --progress none %s", runs[i].command, runs[i].arguments);
        snprintf(part, sizeof part, "alexnet %s: ", runs[i].command);
        if (got->code != 0 || !strstr(got->err, part) || !strstr(got->err, line))
            fail_msg("%s: exit code %d\n%s", runs[i].command, got->code, got->err);
    }
}

static void test_data_usage(void **state) {
    (void)state;
    expect(2, "it needs DATA", "data");
    expect(2, "has no held-out part; name one with --val", "data odd/train --split held-out");
    expect(2, "drawn as .png or .svg", "data odd --sheet sheet.gif");
    expect(1, "there is no such folder", "data nowhere");
    expect(1, "there is no such folder", "data odd --val nowhere");
}

static void test_data_sheet(void **state) {
    (void)state;
#ifdef AN_WITH_CAIRO
    an_image image = {0};
    assert_int_equal(alexnet("data odd --sheet sheet.png")->code, 0);
    assert_ok(an_image_read("sheet.png", &image, error));
    const uint8_t *middle = image.pixels + 3 * ((48 + 40) * (size_t)image.width + 196 + 40);
    assert_false(middle[0] == 255 && middle[1] == 255 && middle[2] == 255);
    an_image_free(&image);
    assert_int_equal(alexnet("data odd --fast --per-class 3 --sheet sheet.svg")->code, 0);
    assert_true(an_is_file("sheet.svg"));
    expect(1, "nowhere", "data odd --sheet nowhere/sheet.png");
#endif
}

/* ---- eval --report */

static void test_report(void **state) {
    (void)state;
    json_t *json = document("eval --weights w.safetensors --report report --mistakes 5 ten");
    assert_int_equal(number_of(json, "images"), 2 * classes - 1);
    assert_int_equal(number_of(json, "broken"), 1);
    json_t *list = value(json, "classes");
    assert_int_equal(json_array_size(list), classes);
    double top1 = 0, top5 = 0;
    long long images = 0;
    for (size_t i = 0; i < classes; i++) {
        json_t *entry = json_array_get(list, i);
        const long long own = number_of(entry, "images");
        assert_int_equal(own, i == 3 ? 1 : 2); /* a picture of class 3 is broken */
        value(entry, "name");
        images += own;
        top1 += json_number_value(value(entry, "top1")) * (double)own;
        top5 += json_number_value(value(entry, "top5")) * (double)own;
    }
    assert_int_equal(images, 2 * classes - 1);
    const double mean1 = json_number_value(value(json, "top1"));
    const double mean5 = json_number_value(value(json, "top5"));
    assert_true(top1 / (double)images > mean1 - 1e-6 && top1 / (double)images < mean1 + 1e-6);
    assert_true(top5 / (double)images > mean5 - 1e-6 && top5 / (double)images < mean5 + 1e-6);
    json_decref(json);

    char *text = read_text("report/report.json");
    json = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(json);
    json_t *mistakes = value(json, "mistakes");
    assert_int_equal(json_array_size(mistakes), 5);
    double before = 1;
    for (size_t i = 0; i < 5; i++) {
        json_t *mistake = json_array_get(mistakes, i);
        json_t *answer = json_array_get(value(mistake, "answers"), 0);
        const double sure = json_number_value(value(answer, "probability"));
        assert_true(sure <= before && sure > 0);
        assert_string_not_equal(text_of(answer, "class"), text_of(mistake, "class"));
        assert_true(an_is_file(text_of(mistake, "file")));
        before = sure;
    }
    json_decref(json);
    assert_true(an_is_file("report/confusion.csv") && an_is_file("report/classes.csv"));
#ifdef AN_WITH_CAIRO
    an_image image = {0};
    assert_ok(an_image_read("report/confusion.png", &image, error));
    assert_ok(an_image_read("report/mistakes.png", &image, error));
    an_image_free(&image);
#endif

    /* Without it nothing but the documented keys, and no table. */
    json = document("eval --weights w.safetensors ten");
    assert_null(json_object_get(json, "classes"));
    json_decref(json);
    assert_null(strstr(alexnet("eval --weights w.safetensors ten")->out, "classes"));
    const outcome *got =
        alexnet("eval --weights w.safetensors --report report/again --limit 9 ten");
    assert_int_equal(got->code, 0);
    assert_non_null(strstr(got->out, "most often taken for"));
    assert_non_null(strstr(got->out, "The report is in report/again"));
    text = read_text("report/again/report.json"); /* the folder was made */
    json = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(json);
    mistakes = value(json, "mistakes");
    assert_true(json_array_size(mistakes) > 3);
    for (size_t i = 0; i < json_array_size(mistakes); i++) { /* also of a random nine pictures */
        char part[32];
        json_t *mistake = json_array_get(mistakes, i);
        snprintf(part, sizeof part, "ten/%s/", text_of(mistake, "class"));
        assert_ptr_equal(strstr(text_of(mistake, "file"), part), text_of(mistake, "file"));
    }
    json_decref(json);
}

/* One picture, first in one class, then in the other: once the network is right about it, and there
 * is no table of mistakes. */
static void test_report_without_mistakes(void **state) {
    (void)state;
    int tables = 0;
    write_weights("two.safetensors", 67, 2);
    assert_int_equal(mkdir("two", 0777) + mkdir("two/a", 0777) + mkdir("two/b", 0777), 0);
    for (int i = 0; i < 2; i++) {
        write_picture(i == 0 ? "two/a/1.ppm" : "two/b/1.ppm", 80, 70);
        write_text(i == 0 ? "two/b/1.ppm" : "two/a/1.ppm", "broken");
        const outcome *got = alexnet("eval --weights two.safetensors --report sure two");
        assert_int_equal(got->code, 0);
        assert_non_null(strstr(got->out, "The report is in sure"));
        tables += strstr(got->out, "wrong most often") != NULL;
    }
    assert_int_equal(tables, 1);
}

/* The same picture is looked at ten times, and by two networks: one report of the average. */
static void test_report_of_votes(void **state) {
    (void)state;
    json_t *json = document("eval --weights w.safetensors --weights w.safetensors --views 10 "
                            "--report votes --limit 3 ten");
    assert_int_equal(number_of(json, "images") + number_of(json, "broken"), 3);
    json_decref(json);
    char *text = read_text("votes/report.json");
    json = json_loads(text, 0, NULL);
    free(text);
    json_t *mistake = json_array_get(value(json, "mistakes"), 0);
    if (mistake) {
        json_t *answer = json_array_get(value(mistake, "answers"), 0);
        const double sure = json_number_value(value(answer, "probability"));
        assert_true(sure > 0 && sure <= 1); /* summed over 20 passes, and divided by as many */
    }
    json_decref(json);
}

static void test_report_refusals(void **state) {
    (void)state;
    write_text("file", "not a folder");
    expect(1, "file", "eval --weights w.safetensors --report file/inside ten");
    assert_string_equal(alexnet("eval --weights w.safetensors --report file/inside ten")->out, "");
    expect(2, "it must be 0 to 600", "eval --weights w.safetensors --mistakes 601 ten");

    /* A report that cannot be written does not take the result along. */
    assert_ok(an_make_folder("blocked/confusion.csv", error));
    const outcome *got = alexnet("eval --weights w.safetensors --report blocked --limit 4 ten");
    assert_int_equal(got->code, 1);
    assert_non_null(strstr(got->err, "blocked/confusion.csv"));
    assert_non_null(strstr(got->out, " pictures in "));
}

static int set_up(void **state) {
    (void)state;
    enter_folder();
    write_weights("w.safetensors", input_size, classes);
    static const char *const folders[] = {"odd/train/a", "odd/train/b", "odd/val/a", "odd/val/b"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        assert_ok(an_make_folder(folders[i], error));
    write_picture("odd/train/a/1.ppm", 60, 50);
    write_picture("odd/train/a/2.ppm", 61, 50);
    write_picture("odd/train/b/1.ppm", 73, 50);
    copy("odd/train/a/1.ppm", "odd/train/b/2.ppm");
    write_text("odd/train/b/cut.ppm", "P6\n100 100\n255\nabc");
    write_picture("odd/train/b/ppm.png", 97, 40);
    copy("odd/train/a/1.ppm", "odd/val/a/1.ppm");
    write_picture("odd/val/b/1.ppm", 64, 31);
    write_text("odd/val/b/text.jpg", "this is no picture\n");
    assert_ok(an_make_folder("strange/a", error));
    assert_ok(an_make_folder("strange/b/deep", error));
    write_picture("strange/a/1.ppm", 70, 80);
    write_picture("strange/a/2.ppm", 71, 80);
    write_picture("strange/b/1.ppm", 80, 70);
    write_picture("strange/b/2.ppm", 81, 70);
    write_text("strange/a/3.bmp", "BM");
    write_text("strange/b/3.tiff", "II");
    write_text("strange/b/deep/4.TIFF", "II");
    for (int i = 0; i < classes; i++) {
        char path[32];
        snprintf(path, sizeof path, "ten/%d", i);
        assert_ok(an_make_folder(path, error));
        snprintf(path, sizeof path, "ten/%d/1.ppm", i);
        write_picture(path, 70 + i, 80);
        snprintf(path, sizeof path, "ten/%d/2.ppm", i);
        if (i == 3)
            write_text(path, "P6\n");
        else
            write_picture(path, 90, 70 + 3 * i);
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    leave_folder();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_empty_classes),
        cmocka_unit_test(test_unread),
        cmocka_unit_test(test_data_usage),
        cmocka_unit_test(test_data_sheet),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_report_without_mistakes),
        cmocka_unit_test(test_report_of_votes),
        cmocka_unit_test(test_report_refusals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
