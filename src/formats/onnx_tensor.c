/* The values of an ONNX tensor: in the message, or in a file beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "formats/onnx_graph.h"

/* TensorProto.DataType */
enum { FLOAT = 1, FLOAT16 = 10, DOUBLE = 11, BFLOAT16 = 16 };

static const struct {
    int data_type;
    const char *dtype;
    size_t size;
} float_types[] = {
    {FLOAT, "F32", 4}, {FLOAT16, "F16", 2}, {DOUBLE, "F64", 8}, {BFLOAT16, "BF16", 2}};

enum {
    EXTERNAL = 1,  /* TensorProto.DataLocation */
    MOST_STEPS = 8 /* nodes between an initialiser and the layer that takes it */
};

static const char *name_of(const Onnx__TensorProto *tensor) {
    return tensor->name && *tensor->name ? tensor->name : "(of a Constant)";
}

static alexnet_status fail_tensor(const an_onnx *onnx, const Onnx__TensorProto *tensor,
                                  const char *reason, alexnet_error *error) {
    return an_fail(error, ALEXNET_FORMAT, "%s: tensor '%.100s' %s", onnx->file->path,
                   name_of(tensor), reason);
}

/* --- external data ------------------------------------------------------------------------- */

static const char *external_value(const Onnx__TensorProto *tensor, const char *key) {
    for (size_t i = 0; i < tensor->n_external_data; i++) {
        const Onnx__StringStringEntryProto *entry = tensor->external_data[i];
        if (entry->key && entry->value && strcmp(entry->key, key) == 0)
            return entry->value;
    }
    return NULL;
}

/* A file name without folders, so that nothing outside the model's own folder is opened. */
static bool is_plain_name(const char *location) {
    return *location && !strpbrk(location, "/\\") && strcmp(location, ".") != 0 &&
           strcmp(location, "..") != 0;
}

static alexnet_status map_beside(an_onnx *onnx, const Onnx__TensorProto *tensor,
                                 const char *location, an_mapping *out, alexnet_error *error) {
    for (size_t i = 0; i < onnx->external_count; i++)
        if (strcmp(onnx->externals[i].location, location) == 0) {
            *out = onnx->externals[i].mapping;
            return ALEXNET_OK;
        }
    if (onnx->external_count == AN_ONNX_EXTERNALS)
        return fail_tensor(onnx, tensor, "lies in one file too many beside the model", error);
    char *path = an_path_beside(onnx->file->path, location);
    if (!path)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to read it", onnx->file->path);
    const alexnet_status status = an_tensor_file_map(onnx->file, path, out, error);
    free(path);
    if (status != ALEXNET_OK)
        return an_fail_in(error, status, "%s: tensor '%.100s' lies in a file beside the model",
                          onnx->file->path, name_of(tensor));
    onnx->externals[onnx->external_count++] = (an_onnx_external){location, *out};
    return ALEXNET_OK;
}

/* A decimal number; false where it is none. */
static bool parse_size(const char *text, size_t *out) {
    *out = 0;
    for (const char *digit = text; *digit; digit++)
        if (*digit < '0' || *digit > '9' || !an_multiply(*out, 10, out) ||
            __builtin_add_overflow(*out, (size_t)(*digit - '0'), out))
            return false;
    return *text != '\0';
}

static alexnet_status read_external(an_onnx *onnx, const Onnx__TensorProto *tensor,
                                    an_file_tensor *out, alexnet_error *error) {
    const char *location = external_value(tensor, "location");
    const char *offset_text = external_value(tensor, "offset");
    const char *length_text = external_value(tensor, "length");
    size_t offset = 0, length = out->size;
    an_mapping mapping = {0};
    if (!location || !is_plain_name(location))
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: tensor '%.100s' lies in the file '%.100s'; it must lie beside the "
                       "model and be called without folders",
                       onnx->file->path, name_of(tensor), location ? location : "");
    if ((offset_text && !parse_size(offset_text, &offset)) ||
        (length_text && !parse_size(length_text, &length)))
        return fail_tensor(onnx, tensor, "has an offset or length that is no number", error);
    if (length != out->size)
        return fail_tensor(onnx, tensor, "has a length that is not what its shape and type need",
                           error);
    AN_TRY(map_beside(onnx, tensor, location, &mapping, error));
    if (offset > mapping.size || length > mapping.size - offset)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: tensor '%.100s' lies at bytes %zu to %zu of '%.100s', which has %zu "
                       "bytes; it is damaged or was not copied whole",
                       onnx->file->path, name_of(tensor), offset, offset + length, location,
                       mapping.size);
    out->bytes = length > 0 ? mapping.bytes + offset : NULL;
    return ALEXNET_OK;
}

/* --- values -------------------------------------------------------------------------------- */

/* 16-bit values that are stored as numbers become the bytes that they stand for. */
static void narrow(Onnx__TensorProto *tensor) {
    uint8_t *bytes = (uint8_t *)tensor->int32_data;
    for (size_t i = 0; i < tensor->n_int32_data; i++) {
        const uint16_t bits = (uint16_t)tensor->int32_data[i];
        memcpy(bytes + 2 * i, &bits, sizeof bits); /* never ahead of what is still to be read */
    }
    tensor->raw_data = (ProtobufCBinaryData){2 * tensor->n_int32_data, bytes};
    tensor->has_raw_data = 1;
}

/* The bytes of the values in the message, little-endian all of them. */
static ProtobufCBinaryData values_of(Onnx__TensorProto *tensor) {
    const bool is_16_bit = tensor->data_type == FLOAT16 || tensor->data_type == BFLOAT16;
    if (!tensor->has_raw_data && is_16_bit)
        narrow(tensor);
    if (tensor->has_raw_data)
        return tensor->raw_data;
    return tensor->data_type == DOUBLE ? tensor->double_data : tensor->float_data;
}

static alexnet_status read_type(const an_onnx *onnx, const Onnx__TensorProto *tensor,
                                an_file_tensor *out, size_t *size, alexnet_error *error) {
    for (size_t i = 0; i < sizeof float_types / sizeof *float_types; i++)
        if (float_types[i].data_type == tensor->data_type) {
            out->dtype = float_types[i].dtype;
            *size = float_types[i].size;
            return ALEXNET_OK;
        }
    return an_fail(error, ALEXNET_UNSUPPORTED,
                   "%s: tensor '%.100s' has ONNX's data type %d; weights are read from FLOAT, "
                   "FLOAT16, BFLOAT16 and DOUBLE",
                   onnx->file->path, name_of(tensor), (int)tensor->data_type);
}

static alexnet_status read_tensor(an_onnx *onnx, Onnx__TensorProto *tensor, an_file_tensor *out,
                                  alexnet_error *error) {
    size_t size = 0, count;
    AN_TRY(read_type(onnx, tensor, out, &size, error));
    if (tensor->n_dims > AN_TENSOR_DIMS)
        return fail_tensor(onnx, tensor, "has more than 8 dimensions", error);
    out->dims = (int)tensor->n_dims;
    for (size_t i = 0; i < tensor->n_dims; i++)
        out->shape[i] = tensor->dims[i];
    if (!an_count_elements(out->shape, out->dims, &count) || !an_multiply(count, size, &out->size))
        return fail_tensor(onnx, tensor, "has an impossible shape", error);
    if (tensor->data_location == EXTERNAL)
        return read_external(onnx, tensor, out, error);
    const ProtobufCBinaryData values = values_of(tensor);
    if (values.len != out->size)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: tensor '%.100s' holds %zu bytes of values where its shape and type "
                       "need %zu",
                       onnx->file->path, name_of(tensor), values.len, out->size);
    out->bytes = values.data;
    return ALEXNET_OK;
}

/* The node that makes a value; NULL: none does. */
static const Onnx__NodeProto *producer_of(const an_onnx *onnx, const char *name) {
    size_t found;
    const an_onnx_entry *entry = an_onnx_find(&onnx->producers, name, &found);
    return found > 0 ? onnx->graph->node[entry->index] : NULL;
}

/* Whether a node makes another constant of a constant input. */
static bool hands_on(const Onnx__NodeProto *node) {
    return an_onnx_is(node, "Identity") || an_onnx_is(node, "Cast") ||
           an_onnx_is(node, "Transpose");
}

/* Whether a Transpose of a matrix moves anything. */
static bool swaps(const Onnx__NodeProto *node) {
    const Onnx__AttributeProto *order = an_onnx_attribute(node, "perm");
    return !order || order->n_ints == 0 || order->ints[0] != 0;
}

/* The tensor that `name` comes from, transposed or not; NULL: from no tensor. */
static Onnx__TensorProto *find_source(const an_onnx *onnx, const char *name, bool *transposed) {
    *transposed = false;
    for (int step = 0; step < MOST_STEPS; step++) {
        size_t found;
        const an_onnx_entry *entry = an_onnx_find(&onnx->initialisers, name, &found);
        if (found > 0)
            return onnx->graph->initializer[entry->index];
        const Onnx__NodeProto *node = producer_of(onnx, name);
        if (!node)
            return NULL;
        if (an_onnx_is(node, "Constant")) {
            const Onnx__AttributeProto *value = an_onnx_attribute(node, "value");
            return value ? value->t : NULL;
        }
        if (!hands_on(node))
            return NULL;
        if (an_onnx_is(node, "Transpose") && swaps(node))
            *transposed = !*transposed;
        name = an_onnx_input(node, 0);
    }
    return NULL;
}

void an_onnx_transpose(an_file_tensor *matrix) {
    const int64_t rows = matrix->shape[0], columns = matrix->shape[1];
    matrix->shape[0] = columns;
    matrix->shape[1] = rows;
    matrix->strided = !matrix->strided;
    matrix->stride[0] = 1;
    matrix->stride[1] = columns;
}

alexnet_status an_onnx_tensor(an_onnx *onnx, const Onnx__NodeProto *node, const char *name,
                              an_file_tensor *out, alexnet_error *error) {
    bool transposed;
    *out = (an_file_tensor){0};
    Onnx__TensorProto *source = find_source(onnx, name, &transposed);
    if (!source)
        return an_onnx_fail(onnx, node, error,
                            "takes its weights from '%.80s', which is no tensor of the file", name);
    AN_TRY(read_tensor(onnx, source, out, error));
    if (transposed && out->dims != 2)
        return an_onnx_fail(onnx, node, error, "takes its weights from a Transpose of no matrix");
    if (transposed)
        an_onnx_transpose(out);
    return ALEXNET_OK;
}
