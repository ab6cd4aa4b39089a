#include "train/tensorboard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- bytes ----------------------------------------------------------------------------------- */

/* Bytes that grow. */
typedef struct buffer {
    uint8_t *bytes;
    size_t size, capacity;
    bool failed; /* memory ran out */
} buffer;

static void put(buffer *b, const void *bytes, size_t size) {
    if (size == 0)
        return;
    if (b->size + size > b->capacity) {
        const size_t capacity = 2 * (b->size + size);
        uint8_t *grown = realloc(b->bytes, capacity);
        b->failed = b->failed || !grown;
        if (!grown)
            return;
        b->bytes = grown;
        b->capacity = capacity;
    }
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

/* The lowest `size` bytes of a number, the lowest first. */
static void put_number(buffer *b, uint64_t value, size_t size) {
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    put(b, bytes, size);
}

/* --- protocol buffers ------------------------------------------------------------------------ */

typedef enum wire_type { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 } wire_type;

static void put_varint(buffer *b, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        put_number(b, (value & 0x7F) | 0x80, 1);
    put_number(b, value, 1);
}

static void put_key(buffer *b, unsigned field, wire_type type) {
    put_varint(b, field << 3 | (unsigned)type);
}

static void put_bytes(buffer *b, unsigned field, const void *bytes, size_t size) {
    put_key(b, field, BYTES);
    put_varint(b, size);
    put(b, bytes, size);
}

static void put_double(buffer *b, unsigned field, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(b, field, FIXED64);
    put_number(b, bits, sizeof bits);
}

static void put_float(buffer *b, unsigned field, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(b, field, FIXED32);
    put_number(b, bits, sizeof bits);
}

/* --- records --------------------------------------------------------------------------------- */

uint32_t an_crc32c(const void *bytes, size_t size) {
    const uint8_t *at = bytes;
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82F63B78u & (0u - (crc & 1))); /* the polynomial, reversed */
    }
    return ~crc;
}

static uint32_t masked_crc(const void *bytes, size_t size) {
    const uint32_t crc = an_crc32c(bytes, size);
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

/* Appends a record in one write; `event` is freed. */
static alexnet_status append(const an_log *file, buffer *event, alexnet_error *error) {
    buffer record = {0};
    alexnet_status status = ALEXNET_OK;
    put_number(&record, event->size, 8);
    if (!record.failed)
        put_number(&record, masked_crc(record.bytes, 8), 4);
    put(&record, event->bytes, event->size);
    put_number(&record, masked_crc(event->bytes, event->size), 4);
    if (event->failed || record.failed)
        status = an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for an event", file->path);
    else
        status = an_log_append(file, record.bytes, record.size, error);
    free(record.bytes);
    free(event->bytes);
    return status;
}

/* --- events ---------------------------------------------------------------------------------- */

alexnet_status an_events_begin(const an_log *file, double wall_time, alexnet_error *error) {
    static const char version[] = "brain.Event:2";
    buffer event = {0};
    put_double(&event, 1, wall_time);
    put_bytes(&event, 3, version, strlen(version));
    return append(file, &event, error);
}

static void put_scalar(buffer *summary, const char *tag, double value) {
    buffer scalar = {0};
    put_bytes(&scalar, 1, tag, strlen(tag));
    put_float(&scalar, 2, (float)value);
    put_bytes(summary, 1, scalar.bytes, scalar.size);
    summary->failed = summary->failed || scalar.failed;
    free(scalar.bytes);
}

static bool says_when(const char *key) {
    return strcmp(key, "step") == 0 || strcmp(key, "epoch") == 0;
}

/* The numbers of an object, two levels deep. */
static void put_scalars(buffer *summary, const char *prefix, const json_t *object, int levels) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        char tag[160];
        if (snprintf(tag, sizeof tag, "%s/%s", prefix, key) >= (int)sizeof tag)
            continue; /* longer than any name that this program writes */
        if (json_is_number(value) && !says_when(key))
            put_scalar(summary, tag, json_number_value(value));
        else if (json_is_object(value) && levels > 1)
            put_scalars(summary, tag, value, levels - 1);
    }
}

alexnet_status an_events_add(const an_log *file, double wall_time, const json_t *line,
                             alexnet_error *error) {
    buffer event = {0}, summary = {0};
    const char *kind = json_string_value(json_object_get(line, "kind"));
    put_scalars(&summary, kind ? kind : "run", line, 2);
    put_double(&event, 1, wall_time);
    put_key(&event, 2, VARINT);
    put_varint(&event, (uint64_t)json_integer_value(json_object_get(line, "step")));
    put_bytes(&event, 5, summary.bytes, summary.size);
    event.failed = event.failed || summary.failed;
    free(summary.bytes);
    return append(file, &event, error);
}
