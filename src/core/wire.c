#include "core/wire.h"

an_wire an_wire_of(const uint8_t *bytes, size_t size) {
    return (an_wire){bytes, size ? bytes + size : bytes};
}

an_wire an_wire_inside(const an_wire_field *field) {
    return (an_wire){field->bytes, field->end};
}

bool an_wire_varint(an_wire *wire, uint64_t *out) {
    uint64_t value = 0;
    const uint8_t *next = wire->next;
    for (unsigned shift = 0; shift < 64 && next < wire->end; shift += 7) {
        const uint8_t byte = *next++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            wire->next = next;
            *out = value;
            return true;
        }
    }
    return false;
}

/* Where a value that begins at rest->next ends; NULL where it does not end in the message. */
static const uint8_t *find_end(an_wire *rest, an_wire_field *field) {
    switch (field->type) {
    case AN_WIRE_VARINT:
        field->bytes = rest->next;
        return an_wire_varint(rest, &field->value) ? rest->next : NULL;
    case AN_WIRE_FIXED64:
        field->value = sizeof(uint64_t);
        break;
    case AN_WIRE_FIXED32:
        field->value = sizeof(uint32_t);
        break;
    case AN_WIRE_BYTES:
        if (!an_wire_varint(rest, &field->value))
            return NULL;
        break;
    default:
        return NULL;
    }
    field->bytes = rest->next;
    return field->value <= (size_t)(rest->end - rest->next) ? rest->next + field->value : NULL;
}

bool an_wire_next(an_wire *wire, an_wire_field *out) {
    an_wire rest = *wire;
    uint64_t tag;
    *out = (an_wire_field){.begin = wire->next};
    if (!an_wire_varint(&rest, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
        return false;
    out->number = (uint32_t)(tag >> 3);
    out->type = (int)(tag & 7);
    out->end = find_end(&rest, out);
    if (!out->end)
        return false;
    wire->next = out->end;
    return true;
}
