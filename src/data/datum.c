#include "data/datum.h"

#include <string.h>

#include "core/wire.h"

enum { CHANNELS = 1, HEIGHT, WIDTH, DATA, LABEL, FLOAT_DATA, ENCODED };

static bool take(an_datum *datum, const an_wire_field *field) {
    const bool is_bytes = field->type == AN_WIRE_BYTES;
    const int32_t number = (int32_t)(uint32_t)field->value; /* int32 is written as 64 bits */
    switch (field->number) {
    case CHANNELS:
        datum->channels = number;
        break;
    case HEIGHT:
        datum->height = number;
        break;
    case WIDTH:
        datum->width = number;
        break;
    case LABEL:
        datum->label = number;
        break;
    case ENCODED:
        datum->encoded = field->value != 0;
        break;
    case DATA:
        datum->data = field->bytes;
        datum->size = (size_t)(field->end - field->bytes);
        return is_bytes;
    case FLOAT_DATA:
        datum->floats = true;
        return is_bytes || field->type == AN_WIRE_FIXED32;
    default: /* of a later Caffe */
        return true;
    }
    return field->type == AN_WIRE_VARINT;
}

bool an_datum_parse(const uint8_t *bytes, size_t size, an_datum *out) {
    *out = (an_datum){0};
    an_wire wire = an_wire_of(bytes, size);
    an_wire_field field;
    while (an_wire_next(&wire, &field))
        if (!take(out, &field))
            return false;
    return wire.next == wire.end;
}

static uint8_t *put_varint(uint8_t *out, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        *out++ = (uint8_t)(value | 0x80);
    *out++ = (uint8_t)value;
    return out;
}

static uint8_t *put_number(uint8_t *out, unsigned field, int32_t value) {
    *out++ = (uint8_t)(field << 3 | AN_WIRE_VARINT);
    return put_varint(out, (uint64_t)(int64_t)value);
}

size_t an_datum_write(const an_datum *datum, uint8_t *out) {
    uint8_t *next = put_number(out, CHANNELS, datum->channels);
    next = put_number(next, HEIGHT, datum->height);
    next = put_number(next, WIDTH, datum->width);
    *next++ = DATA << 3 | AN_WIRE_BYTES;
    next = put_varint(next, datum->size);
    memcpy(next, datum->data, datum->size);
    next = put_number(next + datum->size, LABEL, datum->label);
    if (datum->encoded)
        next = put_number(next, ENCODED, true);
    return (size_t)(next - out);
}
