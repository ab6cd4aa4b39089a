#include "data/devkit.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/tar.h"
#include "data/inflate.h"
#include "data/synsets.h"

/* The kit of 2012 takes 2.5 MB as it is distributed. */
enum { KIT_LIMIT = 64 << 20, UNPACKED_LIMIT = 256 << 20 };

/* A file of the kit, in memory. */
typedef struct kit_file {
    char name[64]; /* below the kit's folder */
    char *path;    /* for messages */
    const uint8_t *bytes;
    size_t size;
} kit_file;

typedef struct kit_files {
    kit_file meta, truth;
    uint8_t *buffers[2]; /* what they lie in */
} kit_files;

static alexnet_status fail_memory(const char *path, alexnet_error *error) {
    (void)an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to read it", path);
    return ALEXNET_NO_MEMORY; /* a constant, so that the analyser sees what is not used then */
}

static void release(kit_files *files) {
    free(files->meta.path);
    free(files->truth.path);
    free(files->buffers[0]);
    free(files->buffers[1]);
}

static alexnet_status open_in_folder(const char *folder, kit_file *file, uint8_t **buffer,
                                     alexnet_error *error) {
    file->path = an_path_join(folder, file->name);
    if (!file->path)
        return fail_memory(folder, error);
    AN_TRY(an_read_file(file->path, KIT_LIMIT, buffer, &file->size, error));
    file->bytes = *buffer;
    return ALEXNET_OK;
}

/* Whether a member is the file, whatever the name of the folder that the kit was packed in. */
static bool is_named(const char *member, const char *name) {
    const size_t length = strlen(member), end = strlen(name);
    return length >= end && strcmp(member + length - end, name) == 0 &&
           (length == end || member[length - end - 1] == '/');
}

static alexnet_status open_in_archive(const char *path, kit_files *files, alexnet_error *error) {
    uint8_t *packed = NULL;
    size_t size;
    an_tar tar = {.path = path};
    an_tar_member member;
    bool found = false;
    AN_TRY(an_read_file(path, KIT_LIMIT, &packed, &size, error));
    const alexnet_status status =
        an_inflate(path, packed, size, UNPACKED_LIMIT, &files->buffers[0], &tar.size, error);
    free(packed);
    AN_TRY(status);
    tar.bytes = files->buffers[0];
    do {
        AN_TRY(an_tar_next(&tar, &member, &found, error));
        kit_file *file = !found                                     ? NULL
                         : is_named(member.name, files->meta.name)  ? &files->meta
                         : is_named(member.name, files->truth.name) ? &files->truth
                                                                    : NULL;
        if (!file || file->path)
            continue;
        file->bytes = member.bytes;
        file->size = member.size;
        file->path = an_path_join(path, member.name);
        if (!file->path)
            return fail_memory(path, error);
    } while (found);
    if (!files->meta.path || !files->truth.path)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: holds no %s; is it the development kit of ILSVRC?", path,
                       files->meta.path ? files->truth.name : files->meta.name);
    return ALEXNET_OK;
}

/* A synset and where its ID puts it. */
typedef struct ranked {
    const an_synset *synset;
    size_t id; /* from 0 */
} ranked;

static int compare_wnids(const void *a, const void *b) {
    return strcmp(((const ranked *)a)->synset->wnid, ((const ranked *)b)->synset->wnid);
}

/* The text's numbers, one a line: IDs, which class_of turns into classes. */
static alexnet_status read_truth(const kit_file *file, const int32_t *class_of, an_devkit *kit,
                                 alexnet_error *error) {
    size_t capacity = 0, at = 0;
    while (at < file->size) {
        size_t id = 0;
        const size_t begin = at;
        for (; at < file->size && file->bytes[at] >= '0' && file->bytes[at] <= '9' && id < 1 << 20;
             at++)
            id = id * 10 + (size_t)(file->bytes[at] - '0');
        if (at == begin || id < 1 || id > (size_t)kit->classes)
            return an_fail(error, ALEXNET_FORMAT,
                           "%s: line %zu is no ID of a class, 1 to %d; download the kit again",
                           file->path, kit->truth_count + 1, kit->classes);
        if (!an_grow((void **)&kit->truth, &capacity, kit->truth_count + 1, sizeof *kit->truth))
            return fail_memory(file->path, error);
        kit->truth[kit->truth_count++] = class_of[id - 1];
        while (at < file->size && strchr(" \t\r\n", file->bytes[at]) && file->bytes[at])
            at++;
    }
    return ALEXNET_OK;
}

static alexnet_status read_files(const kit_files *files, int year, an_devkit *out,
                                 alexnet_error *error) {
    an_synset *synsets = NULL;
    size_t count = 0;
    ranked *order = NULL;
    int32_t *class_of = NULL;
    alexnet_status status;
    AN_TRY_CLEANUP(an_synsets_read(files->meta.path, files->meta.bytes, files->meta.size, year,
                                   &synsets, &count, error));
    order = calloc(count + 1, sizeof *order);
    class_of = calloc(count + 1, sizeof *class_of);
    out->wnids = calloc(count + 1, sizeof *out->wnids);
    out->words = calloc(count + 1, sizeof *out->words);
    if (!order || !class_of || !out->wnids || !out->words)
        AN_TRY_CLEANUP(fail_memory(files->meta.path, error));
    for (size_t i = 0; i < count; i++)
        order[i] = (ranked){&synsets[i], i};
    qsort(order, count, sizeof *order, compare_wnids);
    out->classes = (int)count;
    for (size_t i = 0; i < count; i++) {
        an_synset *synset = &synsets[order[i].id];
        if (i > 0 && strcmp(out->wnids[i - 1], synset->wnid) == 0)
            AN_TRY_CLEANUP(an_fail(error, ALEXNET_FORMAT, "%s: has the class %s twice",
                                   files->meta.path, synset->wnid));
        class_of[order[i].id] = (int32_t)i;
        out->wnids[i] = synset->wnid;
        out->words[i] = synset->words;
        *synset = (an_synset){0};
    }
    status = read_truth(&files->truth, class_of, out, error);
cleanup:
    free(order);
    free(class_of);
    an_synsets_free(synsets, count);
    return status;
}

alexnet_status an_devkit_read(const char *path, int year, an_devkit *out, alexnet_error *error) {
    kit_files files = {0};
    alexnet_status status;
    *out = (an_devkit){0};
    snprintf(files.meta.name, sizeof files.meta.name, "data/meta.mat");
    snprintf(files.truth.name, sizeof files.truth.name, "data/ILSVRC%d_validation_ground_truth.txt",
             year);
    if (an_is_folder(path)) {
        status = open_in_folder(path, &files.meta, &files.buffers[0], error);
        if (status == ALEXNET_OK)
            status = open_in_folder(path, &files.truth, &files.buffers[1], error);
    } else {
        status = open_in_archive(path, &files, error);
    }
    if (status == ALEXNET_OK)
        status = read_files(&files, year, out, error);
    if (status != ALEXNET_OK)
        an_devkit_free(out);
    release(&files);
    return status;
}

void an_devkit_free(an_devkit *kit) {
    for (int i = 0; i < kit->classes; i++) {
        if (kit->wnids)
            free(kit->wnids[i]);
        if (kit->words)
            free(kit->words[i]);
    }
    free(kit->wnids);
    free(kit->words);
    free(kit->truth);
    *kit = (an_devkit){0};
}

static int compare_wnid(const void *key, const void *entry) {
    return strcmp(key, *(char *const *)entry);
}

int an_devkit_find(const an_devkit *kit, const char *wnid) {
    char *const *found =
        bsearch(wnid, kit->wnids, (size_t)kit->classes, sizeof *kit->wnids, compare_wnid);
    return found ? (int)(found - kit->wnids) : -1;
}

static bool is_devkit(const char *folder, const char *name) {
    const char *extension = an_path_extension(name);
    char *path = an_path_join(folder, name);
    const bool is =
        path && (an_is_folder(path) || (an_is_file(path) && (strcmp(extension, ".gz") == 0 ||
                                                             strcmp(extension, ".tgz") == 0)));
    free(path);
    return is;
}

char *an_devkit_in(const char *folder, int year) {
    char prefix[32], first[NAME_MAX + 1] = "";
    snprintf(prefix, sizeof prefix, "ILSVRC%d_devkit", year);
    DIR *stream = opendir(folder);
    for (const struct dirent *found; stream && (found = readdir(stream));)
        if (strncmp(found->d_name, prefix, strlen(prefix)) == 0 &&
            is_devkit(folder, found->d_name) && (!first[0] || strcmp(found->d_name, first) < 0))
            snprintf(first, sizeof first, "%s", found->d_name);
    if (stream)
        closedir(stream);
    return first[0] ? an_path_join(folder, first) : NULL;
}

size_t an_devkit_picture(const char *name, int year) {
    char prefix[32], *end;
    const int length = snprintf(prefix, sizeof prefix, "ILSVRC%d_val_", year);
    const char *base = an_path_base(name);
    if (strncmp(base, prefix, (size_t)length) != 0)
        return 0;
    const unsigned long number = strtoul(base + length, &end, 10);
    return *end == '.' ? number : 0;
}

void an_devkit_name(an_devkit *kit, an_dataset *dataset) {
    if (kit->classes == 0)
        return;
    for (int i = 0; i < dataset->classes; i++)
        free(dataset->class_names[i]);
    free(dataset->class_names);
    dataset->class_names = kit->words;
    dataset->class_ids = kit->wnids;
    kit->words = kit->wnids = NULL;
}
