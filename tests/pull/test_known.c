/* The table of known weights, and where the cache is. */
#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/cache.h"
#include "core/file.h"
#include "model/network.h"
#include "pull/cache.h"
#include "testing.h"

static void is_digest(const char *digits, size_t length) {
    assert_int_equal(strlen(digits), length);
    for (; *digits; digits++)
        assert_true(isdigit((unsigned char)*digits) || (*digits >= 'a' && *digits <= 'f'));
}

static void test_rows(void **state) {
    (void)state;
    int rows = 0;
    for (const an_known *known = an_knowns; known->name; known++, rows++) {
        const an_source *source = &known->source;
        const an_arch *arch;
        assert_ptr_equal(an_known_find(known->name), known); /* names are not given twice */
        for (const an_known *other = an_knowns; other < known; other++)
            assert_string_not_equal(other->file, known->file);
        assert_null(strchr(known->file, '/'));
        assert_true(strlen(known->title) > 0 && known->file[0] != '.');
        assert_true(strncmp(source->url, "https://", 8) == 0 ||
                    (strncmp(source->url, "http://", 7) == 0 && source->sha256));
        assert_null(strpbrk(source->url, " \t\n"));
        assert_true(source->size > 0 && source->size < 300000000);
        is_digest(source->sha256, 64);
        if (source->sha1)
            is_digest(source->sha1, 40);
        assert_true(known->top1 >= 0 && known->top1 <= known->top5 && known->top5 < 1);
        if (known->arch)
            assert_ok(an_arch_find(known->arch, &arch, error));
        assert_true(known->arch ? known->top1 > 0.5 : known->top1 == 0);
    }
    assert_true(rows >= 5);
    assert_non_null(an_known_find(AN_KNOWN_CLASS_NAMES));
    assert_null(an_known_find("alexnet"));
    assert_null(an_known_find(""));
}

/* The folder with these variables; NULL: unset. */
static void expect_folder(const char *own, const char *all, const char *home,
                          const char *expected) {
    const char *const names[] = {"ALEXNET_CACHE", "XDG_CACHE_HOME", "HOME"};
    const char *const values[] = {own, all, home};
    for (int i = 0; i < 3; i++) {
        if (values[i])
            setenv(names[i], values[i], 1);
        else
            unsetenv(names[i]);
    }
    char *folder;
    if (!expected) {
        assert_fails(an_cache_folder(&folder, error), ALEXNET_INVALID, "ALEXNET_CACHE");
        assert_null(folder);
        return;
    }
    assert_ok(an_cache_folder(&folder, error));
    assert_string_equal(folder, expected);
    free(folder);
}

static void test_folder(void **state) {
    (void)state;
    expect_folder("/a/b", "/c", "/h", "/a/b");
    expect_folder(NULL, "/c", "/h", "/c/alexnet");
    expect_folder("", "/c/", "/h", "/c/alexnet");
    expect_folder(NULL, "not/absolute", "/h", "/h/.cache/alexnet");
    expect_folder(NULL, NULL, "/h", "/h/.cache/alexnet");
    expect_folder(NULL, "", "", NULL);
    expect_folder(NULL, NULL, NULL, NULL);
    assert_null(an_cache_find(an_knowns));
}

static void test_find(void **state) {
    (void)state;
    char folder[] = "/tmp/alexnet-XXXXXX";
    assert_non_null(mkdtemp(folder));
    setenv("ALEXNET_CACHE", folder, 1);
    const an_known *known = an_known_find("lpips-alex");
    assert_null(an_cache_find(known));
    char *path;
    assert_ok(an_cache_path(known, &path, error));
    assert_ok(an_write_file(path, "x", 1, error));
    char *found = an_cache_find(known);
    assert_string_equal(found, path);
    unlink(path);
    rmdir(folder);
    free(found);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
