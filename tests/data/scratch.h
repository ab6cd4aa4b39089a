/* A folder for one test program, which is the current one while its tests run. */
#ifndef AN_TESTS_SCRATCH_H
#define AN_TESTS_SCRATCH_H

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "testing.h"

static char scratch_folder[64];

/* Group setup. */
static int enter_scratch(void **state) {
    (void)state;
    strcpy(scratch_folder, "/tmp/alexnet-test-XXXXXX");
    return mkdtemp(scratch_folder) && chdir(scratch_folder) == 0 ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *ftw) {
    (void)info;
    (void)kind;
    (void)ftw;
    return remove(path);
}

/* A folder with all that it holds; one that is not there is fine. */
static inline void remove_folder(const char *path) {
    if (an_is_folder(path))
        assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Group teardown. */
static int leave_scratch(void **state) {
    (void)state;
    return chdir("/") == 0 ? nftw(scratch_folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) : -1;
}

/* Writes a file, with the folders above it. */
static inline void put_file(const char *name, const void *bytes, size_t size) {
    char *folder = an_path_beside(name, "");
    assert_non_null(folder);
    if (folder[0])
        assert_ok(an_make_folder(folder, error));
    free(folder);
    assert_ok(an_write_file(name, bytes, size, error));
}

static inline void put_text(const char *name, const char *text) {
    put_file(name, text, strlen(text));
}

/* Fails where the two files do not hold the same bytes. */
static inline void assert_same_files(const char *a, const char *b) {
    an_mapping x, y;
    assert_ok(an_map(a, &x, error));
    assert_ok(an_map(b, &y, error));
    if (x.size != y.size || memcmp(x.bytes, y.bytes, x.size) != 0)
        fail_msg("%s and %s are not the same", a, b);
    an_unmap(&x);
    an_unmap(&y);
}

#endif
