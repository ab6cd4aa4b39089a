#include "formats/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* safetensors' types and the bits that a value takes. */
static const struct {
    const char *name;
    size_t bits;
} dtypes[] = {
    {"F32", 32},        {"F16", 16},        {"BF16", 16},   {"F64", 64},    {"I64", 64},
    {"I32", 32},        {"I16", 16},        {"I8", 8},      {"U64", 64},    {"U32", 32},
    {"U16", 16},        {"U8", 8},          {"BOOL", 8},    {"C64", 64},    {"F8_E4M3", 8},
    {"F8_E5M2", 8},     {"F8_E8M0", 8},     {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},
    {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
};

bool an_dtype_find(const char *dtype, const char **name, size_t *bits) {
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, dtype) == 0) {
            *name = dtypes[i].name;
            *bits = dtypes[i].bits;
            return true;
        }
    return false;
}

bool an_count_elements(const int64_t *shape, int dims, size_t *out) {
    *out = 1;
    for (int i = 0; i < dims; i++)
        if (shape[i] < 0 || !an_multiply(*out, (size_t)shape[i], out))
            return false;
    return true;
}

const char *an_format_shape(const int64_t *shape, int dims, char *text, size_t size) {
    size_t used = (size_t)snprintf(text, size, "(");
    for (int i = 0; i < dims && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? ", " : "",
                                 (long long)shape[i]);
    if (used < size)
        snprintf(text + used, size - used, ")");
    return text;
}

alexnet_status an_tensor_file_map(an_tensor_file *file, const char *path, an_mapping *out,
                                  alexnet_error *error) {
    an_mapping *larger =
        realloc(file->mappings, (file->mapping_count + 1) * sizeof *file->mappings);
    if (!larger)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to open it", path);
    file->mappings = larger;
    AN_TRY(an_map(path, out, error));
    file->mappings[file->mapping_count++] = *out;
    return ALEXNET_OK;
}

alexnet_status an_tensor_file_read(const char *path, an_reader *read, an_tensor_file *out,
                                   alexnet_error *error) {
    *out = (an_tensor_file){.path = an_string_copy(path)};
    if (!out->path)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to open it", path);
    an_mapping mapping = {0};
    alexnet_status status = an_tensor_file_map(out, path, &mapping, error);
    if (status == ALEXNET_OK)
        status = read(out, mapping.bytes, mapping.size, error);
    if (status != ALEXNET_OK)
        an_tensor_file_close(out);
    else if (out->content) /* what is needed of the file was copied */
        an_mapping_forget(&mapping, 0, mapping.size);
    return status;
}

void an_tensor_file_close(an_tensor_file *file) {
    for (size_t i = 0; i < file->tensor_count; i++)
        free(file->tensors[i].name);
    for (size_t i = 0; i < file->layer_count; i++)
        free(file->layers[i].name);
    for (size_t i = 0; i < file->mapping_count; i++)
        an_unmap(&file->mappings[i]);
    if (file->free_content)
        file->free_content(file->content);
    an_metadata_free(file->metadata, file->metadata_count);
    free(file->tensors);
    free(file->layers);
    free(file->mappings);
    free(file->path);
    *file = (an_tensor_file){0};
}

/* Room in *list for one item of `size` bytes behind *count, doubled when they are full. */
static void *grow(void **list, size_t count, size_t size) {
    if ((count & (count - 1)) == 0) {
        void *larger = realloc(*list, (count ? 2 * count : 1) * size);
        if (!larger)
            return NULL;
        *list = larger;
    }
    return memset((char *)*list + count * size, 0, size);
}

alexnet_status an_tensor_file_add(an_tensor_file *file, const char *name, an_file_tensor **out,
                                  alexnet_error *error) {
    void *list = file->tensors;
    an_file_tensor *tensor = grow(&list, file->tensor_count, sizeof *tensor);
    file->tensors = list;
    if (!tensor || !(tensor->name = an_string_copy(name)))
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its tensors", file->path);
    file->tensor_count++;
    *out = tensor;
    return ALEXNET_OK;
}

alexnet_status an_tensor_file_add_layer(an_tensor_file *file, const char *name, an_file_layer **out,
                                        alexnet_error *error) {
    void *list = file->layers;
    an_file_layer *layer = grow(&list, file->layer_count, sizeof *layer);
    file->layers = list;
    if (!layer || !(layer->name = an_string_copy(name)))
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its layers", file->path);
    file->layer_count++;
    *out = layer;
    return ALEXNET_OK;
}

const an_file_tensor *an_tensor_find(const an_tensor_file *file, const char *name) {
    for (size_t i = 0; i < file->tensor_count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

const char *an_tensor_file_metadata(const an_tensor_file *file, const char *key) {
    for (size_t i = 0; i < file->metadata_count; i++)
        if (strcmp(file->metadata[i].key, key) == 0)
            return file->metadata[i].value;
    return NULL;
}

void an_tensor_file_forget(const an_tensor_file *file, const void *bytes, size_t size) {
    for (size_t i = 0; i < file->mapping_count; i++) {
        const an_mapping *mapping = &file->mappings[i];
        const uintptr_t begin = (uintptr_t)mapping->bytes, at = (uintptr_t)bytes;
        if (at >= begin && at - begin < mapping->size)
            an_mapping_forget(mapping, at - begin, size);
    }
}
