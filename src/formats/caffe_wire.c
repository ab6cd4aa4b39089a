#include "formats/caffe_wire.h"

#include <string.h>

#include "core/memory.h"
#include "core/wire.h"
#include "formats/caffe.h"

/* --- recognition --------------------------------------------------------------------------- */

enum {
    v1_layer = 2, /* NetParameter's fields, */
    v2_layer = 100,
    v1_name = 4, /* and those of its layers */
    v2_name = 1
};

/* The fields of a NetParameter, and how they are written. */
static bool is_net_field(const an_wire_field *field) {
    static const struct {
        uint32_t number;
        int type;
    } fields[] = {
        {1, AN_WIRE_BYTES},  /* name */
        {3, AN_WIRE_BYTES},  /* input */
        {4, AN_WIRE_VARINT}, /* input_dim */
        {5, AN_WIRE_VARINT}, /* force_backward */
        {6, AN_WIRE_BYTES},  /* state */
        {7, AN_WIRE_VARINT}, /* debug_info */
        {8, AN_WIRE_BYTES},  /* input_shape */
        {v1_layer, AN_WIRE_BYTES}, {v2_layer, AN_WIRE_BYTES},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].number == field->number && fields[i].type == field->type)
            return true;
    return false;
}

static bool has_name(an_wire layer, uint32_t number) {
    an_wire_field field;
    while (an_wire_next(&layer, &field))
        if (field.number == number)
            return field.type == AN_WIRE_BYTES;
    return false;
}

/* Up to the first layer, which a file that was cut off may end in, there is nothing but fields of a
 * NetParameter; no other message of weights is like that (of ONNX's, field 1 is a number). */
bool an_caffe_recognise(const uint8_t *bytes, size_t size) {
    an_wire wire = an_wire_of(bytes, size);
    an_wire_field field;
    bool whole;
    do {
        whole = an_wire_next(&wire, &field);
        if (!is_net_field(&field))
            return false;
        const an_wire content = {field.bytes, whole ? field.end : wire.end};
        if (field.number == v1_layer && field.bytes)
            return has_name(content, v1_name);
        if (field.number == v2_layer && field.bytes)
            return has_name(content, v2_name);
    } while (whole);
    return false;
}

/* --- blobs --------------------------------------------------------------------------------- */

enum { num = 1, width = 4, data = 5, shape = 7, double_data = 8 }; /* BlobProto's fields */

/* Values that were copied; a list of them is the file's content. */
typedef struct copied {
    struct copied *next;
    double values[]; /* or floats; this aligns both */
} copied;

static void free_copied(void *content) {
    for (copied *block = content; block;) {
        copied *next = block->next;
        an_free(block);
        block = next;
    }
}

/* The values of a blob: how many, and where those of one run lie. */
typedef struct values {
    size_t count;
    size_t runs;
    const uint8_t *first; /* of the last run */
} values;

/* Values of 4 or 8 bytes with a tag of one byte before each, without their tags. */
static void copy_tagged(const uint8_t *bytes, size_t count, size_t size, uint8_t *out) {
    if (size == sizeof(float))
        for (size_t i = 0; i < count; i++)
            memcpy(out + i * sizeof(float), bytes + i * (1 + sizeof(float)) + 1, sizeof(float));
    else
        for (size_t i = 0; i < count; i++)
            memcpy(out + i * sizeof(double), bytes + i * (1 + sizeof(double)) + 1, sizeof(double));
}

/* The values of a field, of `size` bytes each, and of those behind it that have a tag each,
 * quickly, for there may be 60 million: counts them, and copies them to `out` where that is not
 * NULL. False where they are no such values. */
static bool take_values(an_wire *wire, const an_wire_field *field, size_t size, values *found,
                        uint8_t *out) {
    const int tagged = size == sizeof(float) ? AN_WIRE_FIXED32 : AN_WIRE_FIXED64;
    const uint8_t tag = (uint8_t)(field->number << 3 | (unsigned)tagged);
    const size_t bytes = (size_t)(field->end - field->bytes);
    if ((field->type != tagged && field->type != AN_WIRE_BYTES) || bytes % size != 0)
        return false;
    if (bytes == 0)
        return true;
    if (out)
        memcpy(out + found->count * size, field->bytes, bytes);
    found->runs++;
    found->first = field->bytes;
    found->count += bytes / size;
    const uint8_t *next = wire->next;
    while ((size_t)(wire->end - next) > size && *next == tag)
        next += 1 + size;
    const size_t more = (size_t)(next - wire->next) / (1 + size);
    if (out)
        copy_tagged(wire->next, more, size, out + found->count * size);
    found->runs += more;
    found->count += more;
    wire->next = next;
    return true;
}

/* Appends numbers of a shape; false where they are broken or too many. */
static bool append_dim(an_file_tensor *tensor, int64_t dim) {
    if (tensor->dims == AN_TENSOR_DIMS)
        return false;
    tensor->shape[tensor->dims++] = dim;
    return true;
}

static bool append_shape(an_file_tensor *tensor, an_wire wire) {
    an_wire_field field;
    uint64_t dim;
    while (an_wire_next(&wire, &field)) {
        if (field.number == 1 && field.type == AN_WIRE_VARINT &&
            !append_dim(tensor, (int64_t)field.value))
            return false;
        if (field.number != 1 || field.type != AN_WIRE_BYTES)
            continue;
        an_wire packed = an_wire_inside(&field);
        while (packed.next < packed.end)
            if (!an_wire_varint(&packed, &dim) || !append_dim(tensor, (int64_t)dim))
                return false;
    }
    return wire.next == wire.end;
}

/* Everything but the values themselves; false where the message is damaged. */
static bool read_blob(an_wire wire, an_file_tensor *tensor, values *narrow, values *wide) {
    int64_t old[4] = {0};
    bool is_old = false, whole = true;
    an_wire_field field;
    while (whole && an_wire_next(&wire, &field)) {
        if (field.number >= num && field.number <= width) {
            old[field.number - num] = (int32_t)field.value;
            is_old = true;
            whole = field.type == AN_WIRE_VARINT;
        } else if (field.number == shape) {
            whole = field.type == AN_WIRE_BYTES && append_shape(tensor, an_wire_inside(&field));
        } else if (field.number == data) {
            whole = take_values(&wire, &field, sizeof(float), narrow, NULL);
        } else if (field.number == double_data) {
            whole = take_values(&wire, &field, sizeof(double), wide, NULL);
        }
    }
    if (is_old) {
        tensor->dims = 4;
        memcpy(tensor->shape, old, sizeof old);
    }
    return whole && wire.next == wire.end;
}

/* (1, 1, 4096, 9216) is (4096, 9216). */
static void drop_ones(an_file_tensor *tensor, int dims) {
    while (tensor->dims > dims && tensor->shape[0] == 1) {
        tensor->dims--;
        memmove(tensor->shape, tensor->shape + 1, (size_t)tensor->dims * sizeof *tensor->shape);
    }
}

/* Puts the values one behind the other; what they were copied from need not stay. */
static alexnet_status copy_values(an_tensor_file *file, an_wire wire, uint32_t number,
                                  size_t value_size, an_file_tensor *tensor, alexnet_error *error) {
    void *memory;
    AN_TRY(an_reserve(&memory, sizeof(copied) + tensor->size, 1, tensor->name, error));
    copied *block = memory;
    const an_wire whole = wire;
    values done = {0};
    an_wire_field field;
    block->next = file->content;
    file->content = block;
    file->free_content = free_copied;
    while (an_wire_next(&wire, &field))
        if (field.number == number)
            (void)take_values(&wire, &field, value_size, &done, (uint8_t *)block->values);
    tensor->bytes = (const uint8_t *)block->values;
    an_tensor_file_forget(file, whole.next, (size_t)(whole.end - whole.next));
    return ALEXNET_OK;
}

alexnet_status an_caffe_add_blob(an_tensor_file *file, const char *name, int dims,
                                 const uint8_t *bytes, size_t size, an_file_tensor **out,
                                 alexnet_error *error) {
    const an_wire wire = an_wire_of(bytes, size);
    an_file_tensor *tensor;
    values wide = {0}, narrow = {0};
    size_t count;
    char text[96];
    AN_TRY(an_tensor_file_add(file, name, &tensor, error));
    if (!read_blob(wire, tensor, &narrow, &wide))
        return an_fail(error, ALEXNET_FORMAT, "%s: the blob '%.100s' is damaged", file->path, name);
    const bool is_wide = wide.count > 0;
    const values *found = is_wide ? &wide : &narrow;
    const size_t value_size = is_wide ? sizeof(double) : sizeof(float);
    if (tensor->dims == 0 || !an_count_elements(tensor->shape, tensor->dims, &count) ||
        count != found->count)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: the blob '%.100s' holds %zu values, which is not what its shape %s "
                       "needs",
                       file->path, name, found->count,
                       an_format_shape(tensor->shape, tensor->dims, text, sizeof text));
    drop_ones(tensor, dims);
    tensor->dtype = is_wide ? "F64" : "F32";
    tensor->size = count * value_size;
    tensor->bytes = found->first;
    *out = tensor;
    if (found->runs < 2)
        return ALEXNET_OK;
    return copy_values(file, wire, is_wide ? double_data : data, value_size, tensor, error);
}
