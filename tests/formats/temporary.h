/* A folder for the files of one test program, gone when its tests have run. */
#ifndef AN_TEMPORARY_H
#define AN_TEMPORARY_H

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/file.h"
#include "testing.h"

static char temporary_folder[256];

/* Group setup. */
static int make_temporary_folder(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(temporary_folder, sizeof temporary_folder, "%s/alexnet-test-XXXXXX",
             base ? base : "/tmp");
    return mkdtemp(temporary_folder) ? 0 : -1;
}

/* Files in the folder. */
static inline int count_temporary_files(void) {
    int count = 0;
    DIR *folder = opendir(temporary_folder);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* The path of a file in the folder: valid until four calls later. */
static inline const char *temporary(const char *name) {
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", temporary_folder, name);
    return path;
}

/* Group teardown: the folder is flat. */
static int remove_temporary_folder(void **state) {
    (void)state;
    DIR *folder = opendir(temporary_folder);
    if (!folder)
        return -1;
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            unlink(temporary(entry->d_name));
    closedir(folder);
    return rmdir(temporary_folder);
}

/* A file of these bytes. */
static inline const char *write_temporary(const char *name, const void *bytes, size_t size) {
    const char *path = temporary(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

/* From here on files cannot grow beyond `bytes`, as on a full disk; RLIM_INFINITY ends that. */
static inline void limit_file_size(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

#endif
