#include "formats/protobuf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/wire.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "values are used as they lie in the file");

/* --- memory -------------------------------------------------------------------------------- */

enum { block_size = 1 << 16 };

typedef struct block {
    struct block *next;
    _Alignas(max_align_t) uint8_t bytes[];
} block;

struct an_protobuf {
    const char *path;
    const uint8_t *bytes; /* of the whole message */
    size_t budget;        /* what is left */
    block *blocks;
    uint8_t *room; /* what is free of the last block of block_size */
    size_t left;
};

void an_protobuf_free(void *memory) {
    an_protobuf *it = memory;
    for (block *next; it && it->blocks; it->blocks = next) {
        next = it->blocks->next;
        free(it->blocks);
    }
    free(it);
}

static uint8_t *take_block(an_protobuf *memory, size_t size) {
    block *taken = calloc(1, sizeof *taken + size);
    if (!taken)
        return NULL;
    taken->next = memory->blocks;
    memory->blocks = taken;
    return taken->bytes;
}

alexnet_status an_protobuf_take(an_protobuf *memory, size_t count, size_t size, void **out,
                                alexnet_error *error) {
    const size_t alignment = _Alignof(max_align_t);
    size_t bytes;
    *out = NULL;
    if (!an_multiply(count, size, &bytes) || bytes > memory->budget) {
        (void)an_fail(error, ALEXNET_FORMAT,
                      "%s: its many small parts take more memory than a file of its size should",
                      memory->path);
        return ALEXNET_FORMAT; /* a constant, so that *out is seen to be set otherwise */
    }
    bytes = bytes > 0 ? (bytes + alignment - 1) / alignment * alignment : alignment;
    memory->budget -= bytes < memory->budget ? bytes : memory->budget;
    if (bytes > block_size / 4) {
        *out = take_block(memory, bytes);
    } else {
        if (bytes > memory->left) {
            memory->room = take_block(memory, block_size);
            memory->left = memory->room ? block_size : 0;
        }
        if (bytes <= memory->left) {
            *out = memory->room;
            memory->room += bytes;
            memory->left -= bytes;
        }
    }
    if (*out)
        return ALEXNET_OK;
    (void)an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to read it", memory->path);
    return ALEXNET_NO_MEMORY;
}

/* --- fields -------------------------------------------------------------------------------- */

static const char *const wire_types[8] = {[AN_WIRE_VARINT] = "a varint",
                                          [AN_WIRE_FIXED64] = "8 bytes",
                                          [AN_WIRE_BYTES] = "a length with bytes",
                                          [AN_WIRE_FIXED32] = "4 bytes"};

/* A field as it lies in the file. */
typedef struct field {
    const ProtobufCFieldDescriptor *about; /* NULL: unknown */
    an_wire_field wire;
} field;

static size_t offset_of(const an_protobuf *memory, const field *it) {
    return (size_t)(it->wire.begin - memory->bytes);
}

/* Says why no field could be read where one begins. */
static alexnet_status refuse(const an_protobuf *memory, const ProtobufCMessageDescriptor *type,
                             const an_wire *rest, const field *it, alexnet_error *error) {
    const char *known = it->about ? it->about->name : "of an unknown number";
    const size_t offset = offset_of(memory, it);
    if (it->wire.number == 0 || !wire_types[it->wire.type])
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: no field begins at byte %zu, where one of %s should; the file is "
                       "damaged or of another format",
                       memory->path, offset, type->short_name);
    if (it->wire.type == AN_WIRE_VARINT)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: the number at byte %zu does not end; the file is damaged or was not "
                       "copied whole",
                       memory->path, offset);
    if (!it->wire.bytes)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: the field at byte %zu (%s) has no length; the file is damaged or was "
                       "not copied whole",
                       memory->path, offset, known);
    return an_fail(error, ALEXNET_FORMAT,
                   "%s: the field at byte %zu (%s) takes %llu bytes where only %zu are left; "
                   "the file is damaged or was not copied whole",
                   memory->path, offset, known, (unsigned long long)it->wire.value,
                   (size_t)(rest->end - it->wire.bytes));
}

/* The next field of a message that has one. */
static alexnet_status next_field(const an_protobuf *memory, const ProtobufCMessageDescriptor *type,
                                 an_wire *from, field *out, alexnet_error *error) {
    const bool whole = an_wire_next(from, &out->wire);
    out->about = protobuf_c_message_descriptor_get_field(type, out->wire.number);
    if (whole)
        return ALEXNET_OK;
    (void)refuse(memory, type, from, out, error);
    return ALEXNET_FORMAT; /* a constant, so that the field is seen to be whole otherwise */
}

/* How one value of a type lies in a file, and how many bytes it takes in a structure. */
static int wire_type_of(ProtobufCType type, size_t *size) {
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_BOOL:
        *size = 4;
        return AN_WIRE_VARINT;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        *size = 8;
        return AN_WIRE_VARINT;
    case PROTOBUF_C_TYPE_FLOAT:
        *size = 4;
        return AN_WIRE_FIXED32;
    case PROTOBUF_C_TYPE_DOUBLE:
        *size = 8;
        return AN_WIRE_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        *size = sizeof(void *);
        return AN_WIRE_BYTES;
    case PROTOBUF_C_TYPE_BYTES:
        *size = sizeof(ProtobufCBinaryData);
        return AN_WIRE_BYTES;
    default: /* the zigzag and fixed types, which no definition here uses */
        *size = 1;
        return -1;
    }
}

static bool is_packed(const field *it, int wire_type) {
    return it->about->label == PROTOBUF_C_LABEL_REPEATED && it->wire.type == AN_WIRE_BYTES &&
           wire_type != AN_WIRE_BYTES;
}

/* Of how many values a field of the right wire type is. */
static alexnet_status count_values(an_protobuf *memory, const field *it, size_t *out,
                                   alexnet_error *error) {
    size_t size, bytes = (size_t)(it->wire.end - it->wire.bytes);
    const int wire_type = wire_type_of(it->about->type, &size);
    *out = 1;
    if (it->wire.type == wire_type)
        return ALEXNET_OK;
    if (!is_packed(it, wire_type))
        return an_fail(
            error, ALEXNET_FORMAT, "%s: the field at byte %zu (%s) is %s, which is not known of it",
            memory->path, offset_of(memory, it), it->about->name, wire_types[it->wire.type]);
    *out = bytes / size;
    bool whole = bytes % size == 0;
    if (wire_type == AN_WIRE_VARINT) {
        *out = 0;
        for (const uint8_t *at = it->wire.bytes; at < it->wire.end; at++)
            *out += *at < 0x80;
        whole = bytes == 0 || it->wire.end[-1] < 0x80;
    }
    if (!whole)
        return an_fail(error, ALEXNET_FORMAT, "%s: the numbers at byte %zu (%s) end within one",
                       memory->path, offset_of(memory, it), it->about->name);
    return ALEXNET_OK;
}

/* --- values -------------------------------------------------------------------------------- */

static bool is_utf8(const uint8_t *text, size_t size) {
    size_t i = 0;
    while (i < size) {
        const uint8_t lead = text[i++];
        const size_t more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
        uint32_t code = more ? lead & (0x3fU >> more) : lead;
        if (lead == 0 || (lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || more > size - i)
            return false;
        for (size_t k = 0; k < more; k++, i++) {
            if ((text[i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (text[i] & 0x3f);
        }
        const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return false;
    }
    return true;
}

static alexnet_status store_text(an_protobuf *memory, const field *it, void *out,
                                 alexnet_error *error) {
    const size_t size = (size_t)(it->wire.end - it->wire.bytes);
    void *copy;
    if (!is_utf8(it->wire.bytes, size))
        return an_fail(error, ALEXNET_FORMAT, "%s: the text at byte %zu (%s) is not UTF-8",
                       memory->path, offset_of(memory, it), it->about->name);
    AN_TRY(an_protobuf_take(memory, size + 1, 1, &copy, error));
    memcpy(copy, it->wire.bytes, size);
    memcpy(out, &copy, sizeof copy);
    return ALEXNET_OK;
}

static void store_number(ProtobufCType type, uint64_t number, void *out) {
    const int truth = number != 0;
    size_t size;
    (void)wire_type_of(type, &size);
    memcpy(out, type == PROTOBUF_C_TYPE_BOOL ? (const void *)&truth : &number, size);
}

/* Calls itself by way of `store`, as deep as the definition nests messages. */
static alexnet_status unpack(an_protobuf *memory, const ProtobufCMessageDescriptor *type,
                             an_wire from, ProtobufCMessage **out, alexnet_error *error);

/* The values of a field, of which there is one unless it is packed, to `out`. */
static alexnet_status store(an_protobuf *memory, const field *it, uint8_t *out,
                            alexnet_error *error) {
    size_t size;
    const int wire_type = wire_type_of(it->about->type, &size);
    an_wire content = an_wire_inside(&it->wire);
    if (is_packed(it, wire_type) && wire_type == AN_WIRE_VARINT) {
        for (uint64_t number; content.next < content.end; out += size) {
            if (!an_wire_varint(&content, &number))
                return an_fail(error, ALEXNET_FORMAT,
                               "%s: the numbers at byte %zu (%s) hold one of more than 10 bytes",
                               memory->path, offset_of(memory, it), it->about->name);
            store_number(it->about->type, number, out);
        }
        return ALEXNET_OK;
    }
    switch (it->about->type) {
    case PROTOBUF_C_TYPE_MESSAGE: {
        ProtobufCMessage *message;
        AN_TRY(unpack(memory, it->about->descriptor, content, &message, error));
        memcpy(out, &message, size);
        return ALEXNET_OK;
    }
    case PROTOBUF_C_TYPE_STRING:
        return store_text(memory, it, out, error);
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData data = {(size_t)(content.end - content.next),
                                          (uint8_t *)(uintptr_t)content.next};
        memcpy(out, &data, sizeof data);
        return ALEXNET_OK;
    }
    default:
        if (wire_type == AN_WIRE_VARINT)
            store_number(it->about->type, it->wire.value, out);
        else if (content.next < content.end)
            memcpy(out, content.next, (size_t)(content.end - content.next));
        return ALEXNET_OK;
    }
}

/* --- messages ------------------------------------------------------------------------------ */

/* Where a message counts the values of a repeated field. */
static size_t *count_of(ProtobufCMessage *message, const ProtobufCFieldDescriptor *about) {
    return (size_t *)(void *)((uint8_t *)message + about->quantifier_offset);
}

/* Counts the values of every repeated field, and checks the form of all. */
static alexnet_status count_all(an_protobuf *memory, const ProtobufCMessageDescriptor *type,
                                an_wire from, ProtobufCMessage *message, alexnet_error *error) {
    while (from.next < from.end) {
        field it;
        size_t values;
        AN_TRY(next_field(memory, type, &from, &it, error));
        if (!it.about)
            continue;
        AN_TRY(count_values(memory, &it, &values, error));
        if (it.about->label == PROTOBUF_C_LABEL_REPEATED)
            *count_of(message, it.about) += values;
    }
    return ALEXNET_OK;
}

/* Room for the values of every repeated field, which are then counted anew. */
static alexnet_status make_room(an_protobuf *memory, const ProtobufCMessageDescriptor *type,
                                ProtobufCMessage *message, alexnet_error *error) {
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *about = &type->fields[i];
        if (about->label != PROTOBUF_C_LABEL_REPEATED || *count_of(message, about) == 0)
            continue;
        size_t size;
        void *values;
        (void)wire_type_of(about->type, &size);
        AN_TRY(an_protobuf_take(memory, *count_of(message, about), size, &values, error));
        memcpy((uint8_t *)message + about->offset, &values, sizeof values);
        *count_of(message, about) = 0;
    }
    return ALEXNET_OK;
}

/* The value of a field that may be there once. */
static alexnet_status store_only(an_protobuf *memory, const field *it, ProtobufCMessage *message,
                                 uint64_t *seen, alexnet_error *error) {
    const uint64_t bit = UINT64_C(1) << (it->about - message->descriptor->fields);
    if (*seen & bit)
        return an_fail(error, ALEXNET_FORMAT, "%s: the field at byte %zu (%s) is there twice",
                       memory->path, offset_of(memory, it), it->about->name);
    *seen |= bit;
    if (it->about->type != PROTOBUF_C_TYPE_STRING && it->about->type != PROTOBUF_C_TYPE_MESSAGE)
        *(protobuf_c_boolean *)(void *)((uint8_t *)message + it->about->quantifier_offset) = 1;
    return store(memory, it, (uint8_t *)message + it->about->offset, error);
}

static alexnet_status store_next(an_protobuf *memory, const field *it, ProtobufCMessage *message,
                                 alexnet_error *error) {
    size_t values, size, *count = count_of(message, it->about);
    uint8_t *room;
    AN_TRY(count_values(memory, it, &values, error));
    if (values == 0)
        return ALEXNET_OK;
    (void)wire_type_of(it->about->type, &size);
    memcpy(&room, (uint8_t *)message + it->about->offset, sizeof room);
    AN_TRY(store(memory, it, room + *count * size, error));
    *count += values;
    return ALEXNET_OK;
}

static alexnet_status unpack(an_protobuf *memory, const ProtobufCMessageDescriptor *type,
                             an_wire from, ProtobufCMessage **out, alexnet_error *error) {
    void *taken;
    uint64_t seen = 0;
    AN_TRY(an_protobuf_take(memory, 1, type->sizeof_message, &taken, error));
    ProtobufCMessage *message = taken;
    type->message_init(message);
    AN_TRY(count_all(memory, type, from, message, error));
    AN_TRY(make_room(memory, type, message, error));
    while (from.next < from.end) {
        field it;
        AN_TRY(next_field(memory, type, &from, &it, error));
        if (!it.about)
            continue;
        if (it.about->label == PROTOBUF_C_LABEL_REPEATED)
            AN_TRY(store_next(memory, &it, message, error));
        else
            AN_TRY(store_only(memory, &it, message, &seen, error));
    }
    *out = message;
    return ALEXNET_OK;
}

alexnet_status an_protobuf_unpack(const char *path, const ProtobufCMessageDescriptor *type,
                                  const uint8_t *bytes, size_t size, size_t budget,
                                  an_protobuf **memory, ProtobufCMessage **out,
                                  alexnet_error *error) {
    *memory = malloc(sizeof **memory);
    if (!*memory)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to read it", path);
    **memory = (an_protobuf){.path = path, .bytes = bytes, .budget = budget};
    const an_wire whole = an_wire_of(bytes, size);
    const alexnet_status status = unpack(*memory, type, whole, out, error);
    if (status != ALEXNET_OK) {
        an_protobuf_free(*memory);
        *memory = NULL;
    }
    return status;
}
