/*
 * Protobuf's wire format, field by field, where it lies: what the unpacking of messages
 * (formats/protobuf.h) rests on, and enough by itself for messages of a few fields.
 *
 * A message is a row of fields: a tag, number << 3 | type, as a varint (7 bits a byte, the lowest
 * first, the highest bit set on all but the last byte), and a value: a varint, 8 bytes, 4 bytes, or
 * a length as a varint and so many bytes (a string, a message, packed numbers).
 */
#ifndef AN_CORE_WIRE_H
#define AN_CORE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum an_wire_type {
    AN_WIRE_VARINT = 0,
    AN_WIRE_FIXED64 = 1,
    AN_WIRE_BYTES = 2,
    AN_WIRE_FIXED32 = 5
} an_wire_type;

typedef struct an_wire_field {
    uint32_t number; /* 0: not even the tag could be read */
    int type;        /* an_wire_type; of a field that could not be read, anything */
    uint64_t value;  /* AN_WIRE_VARINT; of the others, how many bytes the value has */
    const uint8_t *begin, *bytes, *end; /* of the tag; of the value, behind its length; behind it */
} an_wire_field;

/* What is left of a message. */
typedef struct an_wire {
    const uint8_t *next, *end;
} an_wire;

an_wire an_wire_of(const uint8_t *bytes, size_t size);

/* The content of a field of AN_WIRE_BYTES as a message. */
an_wire an_wire_inside(const an_wire_field *field);

/* Reads a field and goes on behind it. False at the end (next == end) and before bytes that are no
 * whole field, of which `out` then has what could be read: the tag, where the value begins (`bytes`
 * is NULL where its length could not be read) and its length; groups are not known. */
bool an_wire_next(an_wire *wire, an_wire_field *out);

/* Reads a varint and goes on behind it; false where there is none. */
bool an_wire_varint(an_wire *wire, uint64_t *out);

#endif
