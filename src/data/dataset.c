#include "data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"

/* Folders of class folders come last: any other kind's folder may look like one. */
static const an_dataset_source *const sources[] = {
    &an_shapes_source, &an_ilsvrc_source, &an_ilsvrc_folder_source, &an_webdataset_source,
    &an_cifar_source,  &an_lmdb_source,   &an_folder_source,        NULL};

static const an_dataset_source *find_source(const char *name) {
    for (const an_dataset_source *const *source = sources; *source; source++)
        if ((*source)->recognise(name))
            return *source;
    return NULL;
}

alexnet_status an_dataset_open_to_look(const char *name, an_split split, uint64_t seed,
                                       an_dataset **out, alexnet_error *error) {
    *out = NULL;
    const an_dataset_source *source = find_source(name);
    if (!source) {
        (void)an_fail(error, ALEXNET_IO,
                      an_is_file(name)
                          ? "%s: is a file, but no data set: only LMDB databases are, and tar "
                            "archives of ILSVRC or with WebDataset's samples; unpack others first"
                          : "%s: there is no such folder; name a folder of class folders, of "
                            "CIFAR's binary files or with a packed data set, ILSVRC's archives, "
                            "tar shards, or `shapes`",
                      name);
        return ALEXNET_IO; /* a constant, so that the analyser sees that nothing is open then */
    }
    return source->open(name, split, seed, out, error);
}

/* Refuses the first class folder that has no pictures. */
static alexnet_status check_folders(const an_dataset *dataset, alexnet_error *error) {
    bool *has;
    char unread[256];
    alexnet_status status = ALEXNET_OK;
    if (!dataset->folders)
        return ALEXNET_OK;
    an_unread_describe(&dataset->unread_alone, unread, sizeof unread);
    AN_TRY(an_alloc((void **)&has, (size_t)dataset->classes, sizeof *has, "classes", error));
    for (size_t i = 0; i < dataset->count; i++)
        has[dataset->labels[i]] = true;
    for (int i = 0; i < dataset->classes && status == ALEXNET_OK; i++)
        if (!has[i])
            status = an_fail(
                error, ALEXNET_FORMAT,
                "%s/%s: this class folder holds no pictures (" AN_IMAGE_NAMES
                ")%s%s; %s or take it away",
                dataset->name, dataset->class_ids ? dataset->class_ids[i] : dataset->class_names[i],
                unread[0] ? ", only " : "", unread, unread[0] ? "convert them" : "add some");
    an_free(has);
    return status;
}

alexnet_status an_dataset_open(const char *name, an_split split, uint64_t seed, an_dataset **out,
                               alexnet_error *error) {
    AN_TRY(an_dataset_open_to_look(name, split, seed, out, error));
    const alexnet_status status = check_folders(*out, error);
    if (status != ALEXNET_OK) {
        an_dataset_close(*out);
        *out = NULL;
    }
    return status;
}

bool an_dataset_has_held_out(const char *name) {
    const an_dataset_source *source = find_source(name);
    return source && source->has_held_out(name);
}

alexnet_status an_dataset_begin(an_dataset *dataset, const an_dataset_kind *kind, const char *name,
                                size_t count, int classes, alexnet_error *error) {
    dataset->kind = kind;
    dataset->count = count;
    dataset->classes = classes;
    dataset->name = an_string_copy(name);
    dataset->class_names = calloc((size_t)classes + 1, sizeof *dataset->class_names);
    dataset->labels = calloc(count + 1, sizeof *dataset->labels);
    if (!dataset->name || !dataset->class_names || !dataset->labels)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to list %zu pictures", name, count);
    return ALEXNET_OK;
}

/* Whether each class is called by its number. */
static bool are_numbers(char *const *names, int classes) {
    char number[16];
    for (int i = 0; i < classes; i++) {
        snprintf(number, sizeof number, "%d", i);
        if (strcmp(names[i], number) != 0)
            return false;
    }
    return true;
}

/* Whether all are ids of WordNet: "n01440764". */
static bool are_ids(char *const *names, int classes) {
    enum { DIGITS = 8 };
    for (int i = 0; i < classes; i++)
        if (names[i][0] != 'n' || strlen(names[i]) != 1 + DIGITS ||
            strspn(names[i] + 1, "0123456789") != DIGITS)
            return false;
    return true;
}

int an_dataset_other_class(const an_dataset *dataset, char *const *names) {
    const int classes = dataset->classes;
    char *const *own = dataset->class_names, *const *ids = dataset->class_ids;
    if (!names || are_numbers(names, classes) || are_numbers(own, classes))
        return -1;
    if (!ids && are_ids(names, classes) != are_ids(own, classes))
        return -1;
    for (int i = 0; i < classes; i++)
        if (strcmp(names[i], own[i]) != 0 && !(ids && strcmp(names[i], ids[i]) == 0))
            return i;
    return -1;
}

void an_statistics_free(an_statistics *statistics) {
    if (statistics)
        free(statistics->mean_image);
    free(statistics);
}

void an_dataset_close(an_dataset *dataset) {
    if (!dataset)
        return;
    for (int i = 0; dataset->class_names && i < dataset->classes; i++)
        free(dataset->class_names[i]);
    for (int i = 0; dataset->class_ids && i < dataset->classes; i++)
        free(dataset->class_ids[i]);
    an_statistics_free(dataset->statistics);
    free(dataset->class_names);
    free(dataset->class_ids);
    free(dataset->labels);
    free(dataset->name);
    dataset->kind->destroy(dataset);
}

alexnet_status an_dataset_fetch(const an_dataset *dataset, size_t index, an_sample *out,
                                alexnet_error *error) {
    if (index >= dataset->count)
        return an_fail(error, ALEXNET_INVALID, "%s: has no picture %zu, only %zu", dataset->name,
                       index, dataset->count);
    return dataset->kind->fetch(dataset, index, out, error);
}

alexnet_status an_dataset_read(const an_dataset *dataset, size_t index, an_image *out,
                               alexnet_error *error) {
    an_sample sample = {0};
    char name[512];
    alexnet_status status = an_dataset_fetch(dataset, index, &sample, error);
    if (status == ALEXNET_OK) {
        an_dataset_describe(dataset, index, name, sizeof name);
        status = an_sample_decode(&sample, name, out, error);
    }
    an_sample_free(&sample);
    return status;
}

void an_dataset_describe(const an_dataset *dataset, size_t index, char *text, size_t size) {
    dataset->kind->describe(dataset, index, text, size);
}

bool an_too_many_broken(size_t broken, size_t count, double max_broken) {
    enum { TOLERATED = 10 }; /* whatever their share, by whoever tolerates any */
    return (broken > TOLERATED || max_broken == 0) && (double)broken > max_broken * (double)count;
}
