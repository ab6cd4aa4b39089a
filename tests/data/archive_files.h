/* Data sets in archives, made in a folder of the test's own. */
#ifndef AN_ARCHIVE_FILES_H
#define AN_ARCHIVE_FILES_H

#include "core/tar_files.h"
#include "data/dataset.h"
#include "formats/temporary.h"

static const char white[] = "P6 1 1 255\n\xff\xff\xff"; /* a picture */
#define WHITE white, sizeof white - 1

/* Each test begins in an empty folder. */
static inline int setup(void **state) {
    (void)state;
    DIR *folder = opendir(temporary_folder);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            unlink(temporary(entry->d_name));
    closedir(folder);
    return 0;
}

/* Writes an archive and forgets it. */
static inline void save(tar_file *archive, const char *name) {
    tar_finish(archive);
    (void)write_temporary(name, archive->bytes, archive->size);
    free(archive->bytes);
    *archive = (tar_file){0};
}

static inline an_dataset *opened(const char *name, an_split split) {
    an_dataset *dataset = NULL;
    assert_ok(an_dataset_open(temporary(name), split, 1, &dataset, error));
    return dataset;
}

static inline void assert_refused(const char *name, an_split split, alexnet_status status,
                                  const char *part) {
    an_dataset *dataset = NULL;
    assert_fails(an_dataset_open(temporary(name), split, 1, &dataset, error), status, part);
    assert_null(dataset);
}

#endif
