#include "eval/feature_index.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/memory.h"
#include "formats/safetensors.h"

static const char version_key[] = "alexnet.index", version[] = "1";

enum { stamp_values = 3 };

/* ---- Where features come from. */

/* FNV-1a (Fowler, Noll, Vo), eight bytes at a time: tells weights apart, not forgeries. */
static uint64_t digest(uint64_t hash, const void *bytes, size_t size) {
    const char *from = bytes;
    for (size_t i = 0; i < size; i += sizeof hash) {
        uint64_t word = 0;
        memcpy(&word, from + i, size - i < sizeof word ? size - i : sizeof word);
        hash = (hash ^ word) * 0x100000001b3u;
        hash ^= hash >> 32; /* or high bits would never reach the low ones */
    }
    return hash;
}

alexnet_status an_feature_source_of(const an_weights_file *weights, int layer,
                                    an_precision precision, an_feature_source *out,
                                    alexnet_error *error) {
    const an_network *network = &weights->network;
    const an_preprocess *p = &weights->preprocess;
    char preprocess[256];
    const int written = snprintf(
        preprocess, sizeof preprocess, "%d %d %d %.9g %.9g %.9g %.9g %.9g %.9g %.9g", p->resize,
        p->crop, p->bgr, (double)p->scale, (double)p->mean[0], (double)p->mean[1],
        (double)p->mean[2], (double)p->std[0], (double)p->std[1], (double)p->std[2]);
    uint64_t hash = digest(0xcbf29ce484222325u, preprocess, (size_t)written);
    for (int i = 0; i < network->parameter_count; i++) {
        const float *values;
        AN_TRY(an_weights_tensor(&weights->weights, i, &values, error));
        hash = digest(hash, values, network->parameters[i].count * sizeof *values);
        an_weights_release(&weights->weights, i);
    }
    *out = (an_feature_source){.length = an_shape_count(network->layers[layer].out)};
    snprintf(out->arch, sizeof out->arch, "%s", network->arch->name);
    snprintf(out->layer, sizeof out->layer, "%s", network->layers[layer].spec.name);
    snprintf(out->precision, sizeof out->precision, "%s", an_precision_names[precision]);
    snprintf(out->weights, sizeof out->weights, "%016" PRIx64, hash);
    return ALEXNET_OK;
}

bool an_stamp_of(const char *path, an_stamp *out) {
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return false;
    *out = (an_stamp){info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
    return true;
}

/* ---- Reading. */

/* Checks one entry of the metadata; `what` is what people call it. */
static alexnet_status check_source(const an_tensor_file *file, const char *key, const char *what,
                                   const char *expected, alexnet_error *error) {
    const char *found = an_tensor_file_metadata(file, key);
    if (found && strcmp(found, expected) == 0)
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_MISMATCH,
                   "%s: this index holds features of another %s (%.40s) than is asked for (%s); "
                   "name another index, or remove it to have it made anew",
                   file->path, what, found ? found : "unnamed", expected);
}

static alexnet_status find_tensor(const an_tensor_file *file, const char *name, const char *dtype,
                                  int dims, const an_file_tensor **out, alexnet_error *error) {
    *out = an_tensor_find(file, name);
    if (*out && strcmp((*out)->dtype, dtype) == 0 && (*out)->dims == dims)
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_FORMAT,
                   "%s: this index has no tensor '%s' of type %s with %d dimensions; remove it to "
                   "have it made anew",
                   file->path, name, dtype, dims);
}

static int by_path(const void *left, const void *right) {
    return strcmp(((const an_index_entry *)left)->path, ((const an_index_entry *)right)->path);
}

static alexnet_status read_entries(an_feature_index *index, size_t length, alexnet_error *error) {
    const an_file_tensor *features, *stamps, *paths;
    const char *file = index->file.path;
    AN_TRY(find_tensor(&index->file, "features", "F32", 2, &features, error));
    AN_TRY(find_tensor(&index->file, "stamps", "I64", 2, &stamps, error));
    AN_TRY(find_tensor(&index->file, "paths", "U8", 1, &paths, error));
    const size_t count = (size_t)features->shape[0];
    if (features->shape[1] != (int64_t)length || stamps->shape[0] != features->shape[0] ||
        stamps->shape[1] != stamp_values || (uintptr_t)features->bytes % sizeof(float) != 0)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: the tensors of this index do not fit each other; remove it to have it "
                       "made anew",
                       file);
    /* At most as many as there are zeros among the paths, so that a file asks for no more room than
     * a multiple of its size. */
    if (count > paths->size)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: %zu bytes of paths for %zu pictures: this index is damaged; remove it "
                       "to have it made anew",
                       file, paths->size, count);
    index->entries = calloc(count + 1, sizeof *index->entries);
    if (!index->entries)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its %zu pictures", file, count);
    const char *path = (const char *)paths->bytes, *end = path + paths->size;
    for (; index->count < count; index->count++) {
        const char *zero = memchr(path, 0, (size_t)(end - path));
        if (!zero)
            break;
        an_index_entry *entry = &index->entries[index->count];
        *entry = (an_index_entry){.path = path,
                                  .features = (const float *)(const void *)features->bytes +
                                              index->count * length};
        memcpy(&entry->stamp, stamps->bytes + index->count * sizeof entry->stamp,
               sizeof entry->stamp);
        path = zero + 1;
    }
    if (index->count < count || path != end)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: holds not one path for each of %zu pictures: this index is damaged; "
                       "remove it to have it made anew",
                       file, count);
    qsort(index->entries, count, sizeof *index->entries, by_path);
    return ALEXNET_OK;
}

static alexnet_status read_index(an_feature_index *index, const an_feature_source *source,
                                 alexnet_error *error) {
    const an_tensor_file *file = &index->file;
    const char *found = an_tensor_file_metadata(file, version_key);
    if (!found)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: is a safetensors file, but no index of pictures; name another index",
                       file->path);
    if (strcmp(found, version) != 0)
        return an_fail(
            error, ALEXNET_UNSUPPORTED,
            "%s: is an index of version %.20s, and only version %s is known here; remove "
            "it to have it made anew",
            file->path, found, version);
    AN_TRY(check_source(file, "alexnet.arch", "network", source->arch, error));
    AN_TRY(check_source(file, "alexnet.layer", "layer", source->layer, error));
    AN_TRY(check_source(file, "alexnet.precision", "precision", source->precision, error));
    AN_TRY(check_source(file, "alexnet.weights", "set of weights", source->weights, error));
    return read_entries(index, source->length, error);
}

alexnet_status an_feature_index_open(const char *path, const an_feature_source *source,
                                     an_feature_index *out, alexnet_error *error) {
    *out = (an_feature_index){0};
    AN_TRY(an_safetensors_open(path, &out->file, error));
    const alexnet_status status = read_index(out, source, error);
    if (status != ALEXNET_OK)
        an_feature_index_close(out);
    return status;
}

void an_feature_index_close(an_feature_index *index) {
    free(index->entries);
    an_tensor_file_close(&index->file);
    *index = (an_feature_index){0};
}

const an_index_entry *an_feature_index_find(const an_feature_index *index, const char *path) {
    const an_index_entry wanted = {.path = path};
    return index->count == 0
               ? NULL
               : bsearch(&wanted, index->entries, index->count, sizeof *index->entries, by_path);
}

/* ---- Writing. */

typedef struct filling {
    const an_index_entry *entries;
    size_t count, length;
} filling;

/* Tensors 0, 1 and 2 of an index. */
static alexnet_status fill(void *context, size_t tensor, void *values, alexnet_error *error) {
    const filling *from = context;
    char *to = values;
    (void)error;
    for (size_t i = 0; i < from->count; i++) {
        const an_index_entry *entry = &from->entries[i];
        const size_t sizes[] = {from->length * sizeof *entry->features, sizeof entry->stamp,
                                strlen(entry->path) + 1};
        const void *const parts[] = {entry->features, &entry->stamp, entry->path};
        memcpy(to, parts[tensor], sizes[tensor]);
        to += sizes[tensor];
    }
    return ALEXNET_OK;
}

alexnet_status an_feature_index_write(const char *path, const an_feature_source *source,
                                      const an_index_entry *entries, size_t count,
                                      alexnet_error *error) {
    filling from = {entries, count, source->length};
    int64_t path_bytes = 0;
    for (size_t i = 0; i < count; i++)
        path_bytes += (int64_t)strlen(entries[i].path) + 1;
    const an_tensor_source tensors[] = {
        {.name = "features", .dims = 2, .shape = {(int64_t)count, (int64_t)source->length}},
        {.name = "stamps", .dims = 2, .shape = {(int64_t)count, stamp_values}, .dtype = "I64"},
        {.name = "paths", .dims = 1, .shape = {path_bytes}, .dtype = "U8"},
    };
    const struct {
        const char *key, *value;
    } facts[] = {{version_key, version},
                 {"alexnet.arch", source->arch},
                 {"alexnet.layer", source->layer},
                 {"alexnet.precision", source->precision},
                 {"alexnet.weights", source->weights}};
    an_metadata *metadata = NULL;
    size_t known = 0;
    alexnet_status status = ALEXNET_OK;
    for (size_t i = 0; i < sizeof facts / sizeof *facts && status == ALEXNET_OK; i++)
        status = an_metadata_add(&metadata, &known, facts[i].key, facts[i].value, error);
    if (status == ALEXNET_OK)
        status = an_safetensors_write(path, tensors, 3, metadata, known, fill, &from, error);
    an_metadata_free(metadata, known);
    return status;
}
