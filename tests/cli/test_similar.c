/* alexnet similar and lpips: results, files, and bad input. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "core/file.h"
#include "data/image.h"
#include "eval/backbone.h"
#include "eval/colours.h"
#include "testing.h"

/* ---- similar: reds, a blue and greens, to a network that sees colours (eval/colours.h). */

static void write_colour(const char *path, int red, int green, int blue) {
    write_colour_picture(path, 70, 75, (const int[3]){red, green, blue});
}

/* The file of find `i` of the document's query `query`. */
static const char *find_at(json_t *document, size_t query, size_t i) {
    json_t *list = value(json_array_get(document, query), "similar");
    return json_string_value(value(json_array_get(list, i), "file"));
}

static double similarity_at(json_t *document, size_t query, size_t i) {
    json_t *list = value(json_array_get(document, query), "similar");
    return json_number_value(value(json_array_get(list, i), "similarity"));
}

static size_t finds_of(json_t *document, size_t query) {
    return json_array_size(value(json_array_get(document, query), "similar"));
}

static void test_one_query(void **state) {
    (void)state;
    json_t *json = document("similar --weights c.safetensors --top 3 red.ppm folder");
    assert_int_equal(json_array_size(json), 1);
    assert_string_equal(json_string_value(value(json_array_get(json, 0), "query")), "red.ppm");
    assert_int_equal(finds_of(json, 0), 3);
    assert_string_equal(find_at(json, 0, 0), "folder/same-red.ppm");
    assert_string_equal(find_at(json, 0, 1), "folder/dark-red.ppm");
    assert_true(fabs(similarity_at(json, 0, 0) - 1) < 1e-5);
    assert_true(similarity_at(json, 0, 2) < 0.9);
    json_decref(json);

    /* More than there are: all. A picture is not its own find, however it is named. */
    json = document("similar --weights c.safetensors --top 100 folder/blue.ppm ./folder folder");
    assert_int_equal(finds_of(json, 0), 4);
    for (size_t i = 0; i < 4; i++)
        assert_null(strstr(find_at(json, 0, i), "blue"));
    json_decref(json);

    const outcome *got = alexnet("similar --weights c.safetensors --layer pool5 red.ppm folder");
    assert_int_equal(got->code, 0);
    assert_ptr_equal(strstr(got->out, "red.ppm\n   1.0000  folder/same-red.ppm\n"), got->out);
    assert_null(strchr(got->out, '\033'));
    assert_string_equal(got->err, "");
}

static void test_many_queries(void **state) {
    (void)state;
    json_t *json = document("similar --weights c.safetensors --top 1 --batch 2 folder");
    assert_int_equal(json_array_size(json), 5);
    for (size_t i = 0; i < 5; i++) {
        const char *query = json_string_value(value(json_array_get(json, i), "query"));
        assert_int_equal(finds_of(json, i), 1);
        assert_string_not_equal(find_at(json, i, 0), query);
        if (strcmp(query, "folder/green.ppm") == 0)
            assert_string_equal(find_at(json, i, 0), "folder/light-green.ppm");
    }
    json_decref(json);
    json = document("similar --weights c.safetensors asked folder/blue.ppm folder/green.ppm");
    assert_int_equal(json_array_size(json), 2);
    assert_string_equal(find_at(json, 0, 0), "folder/blue.ppm");
    assert_string_equal(find_at(json, 1, 0), "folder/green.ppm");
    json_decref(json);
}

static void test_index(void **state) {
    (void)state;
    json_t *first = document("similar --weights c.safetensors --index i red.ppm folder");
    assert_true(an_is_file("i"));
    json_t *again = document("similar --weights c.safetensors --index i red.ppm folder");
    assert_true(json_equal(first, again));
    json_decref(again);
    /* The index alone, with the absolute names that it holds. */
    again = document("similar --weights c.safetensors --index i red.ppm");
    assert_int_equal(finds_of(again, 0), 5);
    assert_non_null(strstr(find_at(again, 0, 0), "/folder/same-red.ppm"));
    assert_true(find_at(again, 0, 0)[0] == '/');
    json_decref(again);
    json_decref(first);

    expect(1, "another layer (fc7)",
           "similar --weights c.safetensors --index i --layer fc6 folder");
    expect(1, "another set of weights", "similar --weights d.safetensors --index i folder");
    write_text("text", "no index at all, and longer than a header's length");
    expect(1, "not a safetensors file", "similar --weights c.safetensors --index text folder");
    expect(1, "no index of pictures",
           "similar --weights c.safetensors --index c.safetensors folder");
    expect(1, "cannot be written", "similar --weights c.safetensors --index no/where folder");
}

static void test_sheet(void **state) {
    (void)state;
    expect(2, "as .png or .svg", "similar --weights c.safetensors --sheet s.jpg red.ppm folder");
#ifdef AN_WITH_CAIRO
    an_image sheet = {0};
    assert_int_equal(
        alexnet("similar --weights c.safetensors --sheet s.png --top 3 red.ppm folder")->code, 0);
    assert_ok(an_image_read("s.png", &sheet, error));
    assert_true(sheet.width > 700 && sheet.height > 220);
    /* The query on the left in its colour, the most alike first. */
    const uint8_t *query = sheet.pixels + 3 * (100 * sheet.width + 100);
    assert_int_equal(query[0], 250);
    assert_int_equal(query[2], 20);
    assert_memory_equal(query, sheet.pixels + 3 * (100 * sheet.width + 300), 3);
    an_image_free(&sheet);
    assert_int_equal(alexnet("similar --weights c.safetensors --sheet s.svg folder")->code, 0);
    char *svg = read_text("s.svg");
    assert_non_null(strstr(svg, "<svg"));
    free(svg);
#endif
}

static void test_broken_pictures(void **state) {
    (void)state;
    write_text("mixed/broken.ppm", "P6\n70 70\n255\nabc");
    write_colour("mixed/blue.ppm", 10, 10, 240);
    expect(1, "1 of 3 pictures could not be read",
           "similar --weights c.safetensors --index m red.ppm mixed");
    const outcome *got = alexnet("similar --weights c.safetensors --json red.ppm mixed");
    assert_int_equal(got->code, 1);
    assert_non_null(strstr(got->err, "mixed/broken.ppm"));
    json_t *json = json_loads(got->out, 0, NULL);
    assert_int_equal(finds_of(json, 0), 1);
    assert_string_equal(json_string_value(value(json_array_get(json, 1), "file")),
                        "mixed/broken.ppm");
    value(json_array_get(json, 1), "error");
    json_decref(json);
    /* One that is asked about has no finds, and none finds it. */
    got = alexnet("similar --weights c.safetensors --json mixed folder");
    assert_int_equal(got->code, 1);
    json = json_loads(got->out, 0, NULL);
    assert_int_equal(json_array_size(json), 2);
    value(json_array_get(json, 1), "error");
    json_decref(json);
    expect(1, "alexnet similar: 1 folder holds no picture\n",
           "similar --weights c.safetensors red.ppm empty folder");
    expect(1, "missing.ppm", "similar --weights c.safetensors missing.ppm folder");
    expect(2, "holds no picture", "similar --weights c.safetensors red.ppm empty");
    expect(2, "name the pictures or folders", "similar --weights c.safetensors red.ppm");
    expect(2, "name the pictures or folders",
           "similar --weights c.safetensors --index missing red.ppm");
    expect(2, "no layer called 'fc9'", "similar --weights c.safetensors --layer fc9 folder");
    expect(2, "needs --weights", "similar red.ppm folder");
    expect(2, "it needs QUERY", "similar --weights c.safetensors");
}

/* ---- lpips. */

static void test_lpips(void **state) {
    (void)state;
    const char *files = "--weights net.safetensors --linear linear.safetensors";
    json_t *json = document("lpips %s red.ppm folder/blue.ppm", files);
    const double one = json_number_value(value(json, "mean"));
    assert_int_equal(json_array_size(value(json, "pairs")), 1);
    json_t *pair = json_array_get(value(json, "pairs"), 0);
    assert_string_equal(json_string_value(value(pair, "a")), "red.ppm");
    assert_string_equal(json_string_value(value(pair, "b")), "folder/blue.ppm");
    assert_true(one > 0 && json_number_value(value(pair, "lpips")) == one);
    json_decref(json);
    assert_string_equal(alexnet("lpips %s red.ppm folder/same-red.ppm", files)->out,
                        "0.000000  red.ppm  folder/same-red.ppm\n");

    json = document("lpips %s left/ right", files);
    assert_int_equal(json_array_size(value(json, "pairs")), 2);
    const double first = json_number_value(value(json_array_get(value(json, "pairs"), 0), "lpips"));
    assert_string_equal(json_string_value(value(json_array_get(value(json, "pairs"), 0), "b")),
                        "right/a.ppm");
    assert_string_equal(json_string_value(value(json_array_get(value(json, "pairs"), 1), "a")),
                        "left/sub/b.ppm");
    assert_true(first == one);
    assert_true(fabs(json_number_value(value(json, "mean")) - one / 2) < 1e-8);
    json_decref(json);
    const outcome *got = alexnet("lpips %s left right", files);
    assert_non_null(strstr(got->out, "0.000000  sub/b.ppm\n"));
    assert_non_null(strstr(got->out, "mean of 2 pairs\n"));
}

static void expect_lpips(int code, const char *part, const char *arguments) {
    char line[256];
    snprintf(line, sizeof line, "lpips --weights net.safetensors --linear linear.safetensors %s",
             arguments);
    expect(code, part, line);
}

static void test_lpips_refusals(void **state) {
    (void)state;
    expect_lpips(1, "left/sub/b.ppm: other has no picture of this name", "left other");
    expect_lpips(1, "other/c.ppm: left has no picture of this name", "left other");
    expect_lpips(1, "70 x 75 and 31 x 40 pixels", "left other");
    expect_lpips(1, "3 pictures had no partner to be compared with, or could not be", "left other");
    expect_lpips(1, "broken.ppm", "red.ppm mixed/broken.ppm");
    expect_lpips(1, "missing.ppm", "red.ppm missing.ppm");
    expect_lpips(2, "holds no picture", "left empty");
    expect_lpips(2, "two pictures can be compared, or two folders", "left red.ppm");
    expect_lpips(2, "it needs A B", "left");
    expect_lpips(2, "torchvision's AlexNet", "--arch caffenet left right");
    expect_lpips(2, "it must be 31 to 4096", "--size 30 left right");
    expect(2, "weights/v0.1/alex.pth", "lpips --weights net.safetensors left right");
    expect(2, "needs --weights", "lpips --linear linear.safetensors left right");
    expect(1, "torchvision",
           "lpips --weights c.safetensors --linear linear.safetensors left right");
    expect(1, "lin0.model.1.weight",
           "lpips --weights net.safetensors --linear net.safetensors left right");
    expect(1, "no such file", "lpips --weights missing.pth --linear linear.safetensors left right");
    expect(1, "missing.pth", "lpips --weights net.safetensors --linear missing.pth left right");
    /* Of one size by --size, they can be compared. */
    json_t *json = document("lpips --weights net.safetensors --linear linear.safetensors --size 40 "
                            "left/a.ppm other/a.ppm");
    assert_true(json_number_value(value(json, "mean")) >= 0);
    json_decref(json);
}

static int set_up(void **state) {
    (void)state;
    enter_folder();
    static const char *const folders[] = {"folder", "asked", "mixed",     "empty",
                                          "other",  "right", "right/sub", "left/sub"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        assert_ok(an_make_folder(folders[i], error));
    write_colour_weights("c.safetensors", false, true);
    write_colour_weights("d.safetensors", true, true);
    write_backbone("net.safetensors", 1);
    write_linear("linear.safetensors", NOTHING_SPOILED);
    write_colour("red.ppm", 250, 20, 20);
    write_colour("folder/same-red.ppm", 250, 20, 20);
    write_colour("folder/dark-red.ppm", 200, 130, 20);
    write_colour("folder/blue.ppm", 30, 20, 250);
    write_colour("folder/green.ppm", 20, 220, 150);
    write_colour("folder/light-green.ppm", 50, 250, 170);
    write_colour("asked/blue.ppm", 10, 10, 200);
    write_colour("asked/green.ppm", 10, 240, 160);
    write_colour("left/a.ppm", 250, 20, 20);
    write_colour("left/sub/b.ppm", 90, 20, 20);
    write_colour("right/a.ppm", 30, 20, 250);
    write_colour("right/sub/b.ppm", 90, 20, 20);
    write_colour_picture("other/a.ppm", 31, 40, (const int[3]){1, 2, 3});
    write_colour("other/c.ppm", 9, 9, 9);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    leave_folder();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_query),       cmocka_unit_test(test_many_queries),
        cmocka_unit_test(test_index),           cmocka_unit_test(test_sheet),
        cmocka_unit_test(test_broken_pictures), cmocka_unit_test(test_lpips),
        cmocka_unit_test(test_lpips_refusals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
