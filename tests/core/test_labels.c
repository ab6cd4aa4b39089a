/* Class names as text, in the forms that editors leave behind, and what is no such text. */
#include "core/labels.h"

#include "formats/temporary.h"

#define TEXT(text) text, sizeof(text) - 1

static void test_reads(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        int count;
        const char *first, *last;
    } cases[] = {
        {TEXT("tench\ngoldfish\ngreat white shark\n"), 3, "tench", "great white shark"},
        {TEXT("tench\ngoldfish"), 2, "tench", "goldfish"},
        {TEXT("\xEF\xBB\xBFtench\r\ngoldfish\r\n\r\n"), 2, "tench", "goldfish"},
        {TEXT("  a, b \t\n\tc\n \n"), 2, "a, b", "c"},
        {TEXT("n01440764 tench, Tinca tinca\n"), 1, "n01440764 tench, Tinca tinca",
         "n01440764 tench, Tinca tinca"},
        {TEXT("K\xC3\xB6nigspinguin\nso\xE1\n"), 2, "K\xC3\xB6nigspinguin", "so\xE1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = write_temporary("names.txt", cases[i].text, cases[i].size);
        int count = 0;
        char **names;
        assert_ok(an_labels_read(path, &count, &names, error));
        assert_int_equal(count, cases[i].count);
        an_labels_free(names, count);
        assert_ok(an_labels_read(path, &count, &names, error));
        assert_string_equal(names[0], cases[i].first);
        assert_string_equal(names[cases[i].count - 1], cases[i].last);
        an_labels_free(names, cases[i].count);
    }
}

static void test_refusals(void **state) {
    (void)state;
    static char line[1100];
    memset(line, 'x', sizeof line);
    const struct {
        const char *text;
        size_t size;
        int count;
        alexnet_status status;
        const char *part;
    } cases[] = {
        {TEXT("a\nb\nc\n"), 2, ALEXNET_MISMATCH, "names 3 classes, one a line, but"},
        {TEXT("a\n"), 2, ALEXNET_MISMATCH, "names 1 classes"},
        {TEXT(""), 2, ALEXNET_MISMATCH, "names 0 classes"},
        {TEXT(" \n\n\n"), 2, ALEXNET_MISMATCH, "names 0 classes"},
        {TEXT("a\n\nc\n"), 3, ALEXNET_FORMAT, "line 2 is empty"},
        {TEXT("\n\nc\n"), 3, ALEXNET_FORMAT, "line 1 is empty"},
        {TEXT("a\nb\0c\n"), 2, ALEXNET_FORMAT, "line 2 is no text"},
        {line, sizeof line, 1, ALEXNET_FORMAT, "line 1 is very long"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = write_temporary("names.txt", cases[i].text, cases[i].size);
        int count = cases[i].count;
        char **names;
        assert_fails(an_labels_read(path, &count, &names, error), cases[i].status, cases[i].part);
        assert_null(names);
    }
    int two = 2;
    char **names;
    assert_fails(an_labels_read(temporary("missing.txt"), &two, &names, error), ALEXNET_IO,
                 "missing");
    assert_fails(an_labels_read(temporary("."), &two, &names, error), ALEXNET_IO, "cannot be read");
    /* Sparse, and too large for any list of names. */
    const char *large = write_temporary("large.txt", "a\n", 2);
    assert_int_equal(truncate(large, 100 << 20), 0);
    assert_fails(an_labels_read(large, &two, &names, error), ALEXNET_FORMAT, "larger than");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, make_temporary_folder, remove_temporary_folder);
}
