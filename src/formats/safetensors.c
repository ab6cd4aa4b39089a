#include "formats/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "lengths and values are used as they lie in the file");

static const char metadata_key[] = "__metadata__";
static const uint64_t header_limit = 100000000; /* of the format */

enum {
    length_size = 8,   /* of the number before the header */
    data_boundary = 64 /* written files: kernels then read whole cache lines from a mapping */
};

static alexnet_status read_dtype(const an_tensor_file *file, json_t *entry, an_file_tensor *tensor,
                                 size_t *bits, alexnet_error *error) {
    const char *name = json_string_value(json_object_get(entry, "dtype"));
    if (!name)
        return an_fail(error, ALEXNET_FORMAT, "%s: tensor '%.100s' has no dtype", file->path,
                       tensor->name);
    if (an_dtype_find(name, &tensor->dtype, bits))
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_UNSUPPORTED,
                   "%s: tensor '%.100s' has the dtype '%.40s', which is not known here", file->path,
                   tensor->name, name);
}

static alexnet_status read_shape(const an_tensor_file *file, json_t *entry, an_file_tensor *tensor,
                                 alexnet_error *error) {
    json_t *shape = json_object_get(entry, "shape");
    const size_t dims = json_array_size(shape);
    if (!json_is_array(shape) || dims > AN_TENSOR_DIMS)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: tensor '%.100s' has no shape of at most %d dimensions", file->path,
                       tensor->name, AN_TENSOR_DIMS);
    tensor->dims = (int)dims;
    for (size_t i = 0; i < dims; i++) {
        json_t *side = json_array_get(shape, i);
        if (!json_is_integer(side) || json_integer_value(side) < 0)
            return an_fail(error, ALEXNET_FORMAT,
                           "%s: tensor '%.100s': dimension %zu of its shape is not a whole number",
                           file->path, tensor->name, i);
        tensor->shape[i] = json_integer_value(side);
    }
    return ALEXNET_OK;
}

/* `data_size` bytes of tensors begin at `data`. */
static alexnet_status read_tensor(const an_tensor_file *file, json_t *entry, const uint8_t *data,
                                  size_t data_size, an_file_tensor *tensor, alexnet_error *error) {
    const char *name = tensor->name;
    size_t bits = 0, count, total;
    AN_TRY(read_dtype(file, entry, tensor, &bits, error));
    AN_TRY(read_shape(file, entry, tensor, error));

    json_t *range = json_object_get(entry, "data_offsets");
    json_t *first = json_array_get(range, 0), *last = json_array_get(range, 1);
    if (json_array_size(range) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: tensor '%.100s' has no data_offsets of two whole numbers", file->path,
                       name);
    const json_int_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin || (uint64_t)end > data_size)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: tensor '%.100s' lies at bytes %lld to %lld, but the file holds %zu "
                       "bytes of tensors; it is damaged or was not copied whole",
                       file->path, name, (long long)begin, (long long)end, data_size);
    tensor->bytes = data + begin;
    tensor->size = (size_t)(end - begin);
    if (!an_count_elements(tensor->shape, tensor->dims, &count) ||
        !an_multiply(count, bits, &total) || total % 8 != 0 || total / 8 != tensor->size)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: tensor '%.100s' takes %zu bytes, which is not what its shape and dtype "
                       "%s need",
                       file->path, name, tensor->size, tensor->dtype);
    return ALEXNET_OK;
}

static alexnet_status read_metadata(an_tensor_file *file, json_t *object, alexnet_error *error) {
    if (!json_is_object(object))
        return an_fail(error, ALEXNET_FORMAT, "%s: __metadata__ is not an object", file->path);
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        if (!json_is_string(value))
            return an_fail(error, ALEXNET_FORMAT,
                           "%s: the value of '%.100s' in __metadata__ is not a string", file->path,
                           key);
        AN_TRY(an_metadata_add(&file->metadata, &file->metadata_count, key,
                               json_string_value(value), error));
    }
    return ALEXNET_OK;
}

/* By place; tensors without a byte come before the one that begins where they lie. */
static int compare_tensors(const void *left, const void *right) {
    const an_file_tensor *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? -1 : 1;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return strcmp(a->name, b->name);
}

static alexnet_status read_tensors(an_tensor_file *file, json_t *root, const uint8_t *data,
                                   size_t data_size, alexnet_error *error) {
    const char *name;
    json_t *entry;
    json_object_foreach(root, name, entry) {
        if (strcmp(name, metadata_key) == 0) {
            AN_TRY(read_metadata(file, entry, error));
            continue;
        }
        an_file_tensor *tensor;
        AN_TRY(an_tensor_file_add(file, name, &tensor, error));
        AN_TRY(read_tensor(file, entry, data, data_size, tensor, error));
    }
    if (file->tensor_count > 0)
        qsort(file->tensors, file->tensor_count, sizeof *file->tensors, compare_tensors);
    const uint8_t *end = data;
    for (size_t i = 0; i < file->tensor_count; i++) {
        const an_file_tensor *tensor = &file->tensors[i];
        if (tensor->bytes != end)
            return an_fail(error, ALEXNET_FORMAT,
                           "%s: tensor '%.100s' begins at byte %zu where the one before ends at "
                           "%zu; tensors must neither overlap nor leave holes",
                           file->path, tensor->name, (size_t)(tensor->bytes - data),
                           (size_t)(end - data));
        end += tensor->size;
    }
    if ((size_t)(end - data) != data_size)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: %zu bytes behind the last tensor belong to nothing", file->path,
                       data_size - (size_t)(end - data));
    return ALEXNET_OK;
}

bool an_safetensors_recognise(const uint8_t *bytes, size_t size) {
    uint64_t length;
    if (size <= length_size || bytes[length_size] != '{')
        return false;
    memcpy(&length, bytes, length_size);
    return length >= 2 && length <= header_limit;
}

alexnet_status an_safetensors_read(an_tensor_file *file, const uint8_t *bytes, size_t size,
                                   alexnet_error *error) {
    uint64_t length;
    if (size < length_size)
        return an_fail(error, ALEXNET_FORMAT, "%s: has %zu bytes, too few for a safetensors file",
                       file->path, size);
    memcpy(&length, bytes, length_size);
    const size_t rest = size - length_size;
    if (length > header_limit || length < 2 || (length <= rest && bytes[length_size] != '{'))
        return an_fail(error, ALEXNET_FORMAT, "%s: is not a safetensors file", file->path);
    if (length > rest)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: its header takes %zu bytes, but only %zu follow; it was not copied "
                       "whole or is no safetensors file",
                       file->path, (size_t)length, rest);

    json_error_t reason;
    json_t *root = json_loadb((const char *)bytes + length_size, (size_t)length,
                              JSON_REJECT_DUPLICATES, &reason);
    if (!root && json_error_code(&reason) == json_error_out_of_memory)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its header", file->path);
    if (!root)
        return an_fail(error, ALEXNET_FORMAT, "%s: its header is no JSON at byte %d: %s",
                       file->path, length_size + reason.position, reason.text);
    const alexnet_status status =
        read_tensors(file, root, bytes + length_size + length, rest - (size_t)length, error);
    json_decref(root);
    return status;
}

alexnet_status an_safetensors_open(const char *path, an_tensor_file *out, alexnet_error *error) {
    return an_tensor_file_read(path, an_safetensors_read, out, error);
}

/* The type of a tensor to write, and its size in bytes; false where either cannot be. */
static bool measure_tensor(const an_tensor_source *tensor, const char **dtype, size_t *size) {
    size_t bits;
    return tensor->dims >= 0 && tensor->dims <= AN_TENSOR_DIMS &&
           an_dtype_find(tensor->dtype ? tensor->dtype : "F32", dtype, &bits) && bits % 8 == 0 &&
           an_count_elements(tensor->shape, tensor->dims, size) &&
           an_multiply(*size, bits / 8, size);
}

/* One tensor's place in the header; NULL where memory ran out. Moves *offset behind it. */
static json_t *describe_tensor(const an_tensor_source *tensor, const char *dtype, size_t size,
                               size_t *offset) {
    json_t *shape = json_array();
    for (int i = 0; i < tensor->dims; i++)
        json_array_append_new(shape, json_integer(tensor->shape[i]));
    const size_t begin = *offset;
    *offset += size;
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype, "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)*offset);
}

static alexnet_status describe_all(const char *path, const an_tensor_source *tensors,
                                   size_t tensor_count, const an_metadata *metadata,
                                   size_t metadata_count, json_t *root, alexnet_error *error) {
    if (metadata_count > 0) {
        json_object_set_new(root, metadata_key, json_object());
        json_t *object = json_object_get(root, metadata_key);
        for (size_t i = 0; i < metadata_count; i++)
            if (json_object_set_new(object, metadata[i].key, an_json_string(metadata[i].value)))
                return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for the metadata '%s'",
                               path, metadata[i].key);
    }
    size_t offset = 0;
    for (size_t i = 0; i < tensor_count; i++) {
        const an_tensor_source *tensor = &tensors[i];
        const char *dtype;
        size_t size;
        if (!measure_tensor(tensor, &dtype, &size) || size > INT64_MAX - offset)
            return an_fail(error, ALEXNET_INVALID,
                           "%s: tensor '%s' has an impossible shape or dtype", path, tensor->name);
        if (strcmp(tensor->name, metadata_key) == 0 || json_object_get(root, tensor->name))
            return an_fail(error, ALEXNET_INVALID, "%s: two tensors are called '%s'", path,
                           tensor->name);
        if (json_object_set_new(root, tensor->name, describe_tensor(tensor, dtype, size, &offset)))
            return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for the tensor '%s'", path,
                           tensor->name);
    }
    return ALEXNET_OK;
}

/* Length, JSON and blanks up to the boundary where the tensors begin. *out: freed with free(). */
static alexnet_status format_header(const char *path, const json_t *root, char **out, size_t *size,
                                    alexnet_error *error) {
    char *text = json_dumps(root, JSON_COMPACT);
    const size_t used = text ? length_size + strlen(text) : 0;
    *size = (used + data_boundary - 1) / data_boundary * data_boundary;
    *out = text ? malloc(*size) : NULL;
    if (*out) {
        const uint64_t length = *size - length_size;
        memcpy(*out, &length, length_size);
        memcpy(*out + length_size, text, used - length_size);
        memset(*out + used, ' ', *size - used);
    }
    free(text);
    if (!*out)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its header", path);
    if (*size - length_size > header_limit)
        return an_fail(error, ALEXNET_INVALID, "%s: its names and metadata take more than %zu MB",
                       path, (size_t)header_limit / 1000000);
    return ALEXNET_OK;
}

typedef alexnet_status (*fill_function)(void *context, size_t index, void *values,
                                        alexnet_error *error);

static alexnet_status write_values(an_writer *writer, const an_tensor_source *tensors,
                                   size_t tensor_count, fill_function fill, void *context,
                                   alexnet_error *error) {
    const char *dtype;
    size_t largest = 0, size;
    for (size_t i = 0; i < tensor_count; i++)
        if (!tensors[i].values && measure_tensor(&tensors[i], &dtype, &size) && size > largest)
            largest = size;
    void *buffer = NULL;
    alexnet_status status = ALEXNET_OK;
    if (largest > 0)
        status = an_alloc(&buffer, largest, 1, writer->path, error);
    for (size_t i = 0; status == ALEXNET_OK && i < tensor_count; i++) {
        if (!measure_tensor(&tensors[i], &dtype, &size) || size == 0)
            continue;
        if (!tensors[i].values)
            status = fill(context, i, buffer, error);
        if (status == ALEXNET_OK)
            status = an_writer_write(writer, tensors[i].values ? tensors[i].values : buffer, size,
                                     error);
    }
    an_free(buffer);
    return status;
}

alexnet_status an_safetensors_write(const char *path, const an_tensor_source *tensors,
                                    size_t tensor_count, const an_metadata *metadata,
                                    size_t metadata_count,
                                    alexnet_status (*fill)(void *context, size_t index,
                                                           void *values, alexnet_error *error),
                                    void *context, alexnet_error *error) {
    alexnet_status status = ALEXNET_OK;
    an_writer writer = {.descriptor = -1};
    char *header = NULL;
    size_t header_size = 0;
    json_t *root = json_object();
    AN_TRY_CLEANUP(
        describe_all(path, tensors, tensor_count, metadata, metadata_count, root, error));
    AN_TRY_CLEANUP(format_header(path, root, &header, &header_size, error));
    AN_TRY_CLEANUP(an_writer_open(&writer, path, error));
    AN_TRY_CLEANUP(an_writer_write(&writer, header, header_size, error));
    AN_TRY_CLEANUP(write_values(&writer, tensors, tensor_count, fill, context, error));
    status = an_writer_commit(&writer, error);

cleanup:
    an_writer_abandon(&writer);
    free(header);
    json_decref(root);
    return status;
}
