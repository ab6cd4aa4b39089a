/*
 * Caffe's Datum, what a record of its databases holds. Source: caffe.proto. A protobuf message of
 * the fields
 *
 *   1 channels, 2 height, 3 width   int32
 *   4 data                          the file of a picture, or its planes (channels, height, width)
 *   5 label                         int32
 *   6 float_data                    values that are no pixels
 *   7 encoded                       bool: data is the file of a picture
 */
#ifndef AN_DATA_DATUM_H
#define AN_DATA_DATUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct an_datum {
    int32_t channels, height, width;
    const uint8_t *data; /* where it lies */
    size_t size;
    int32_t label;
    bool floats; /* it has float_data */
    bool encoded;
} an_datum;

/* Finds the parts of a Datum in its bytes; false where they are no whole message. Fields that are
 * not there are 0, and of those that are there twice the last counts, as protobuf has it. */
bool an_datum_parse(const uint8_t *bytes, size_t size, an_datum *out);

/* The most bytes that a Datum takes beside its data. */
enum { AN_DATUM_OVERHEAD = 64 };

/* Writes a Datum without float_data to `out`, which has room for `datum->size` and the overhead;
 * returns its size. The bytes are those that Google's protobuf writes. */
size_t an_datum_write(const an_datum *datum, uint8_t *out);

#endif
