/* Caffe's messages made by hand, one net at a time. */
#ifndef AN_TESTS_CAFFE_MESSAGES_H
#define AN_TESTS_CAFFE_MESSAGES_H

#include "formats/caffe.h"
#include "testing.h"

typedef struct message {
    uint8_t bytes[1 << 18];
    size_t size;
} message;

/* A message of numbers: pairs of field and value, up to a field 0. */
typedef struct pair {
    unsigned field;
    uint64_t value;
} pair;

#define PAIRS(...)                                                                                 \
    (const pair[]) {                                                                               \
        __VA_ARGS__, {                                                                             \
            0, 0                                                                                   \
        }                                                                                          \
    }

/* The fields that the two versions of layers number differently; V1's types are numbers. */
typedef struct version {
    unsigned layer, name, type, bottom, top, blobs, include, exclude, transform, convolution,
        inner_product, lrn, pooling, relu, dropout, data;
} version;

extern const version v1, v2;

/* How a blob is written: its values in one run, with a tag each, or in several runs; as doubles;
 * its shape as four numbers. */
enum { packed_form = 1, tagged_form = 2, runs_form = 4, old_shape = 8, wide_form = 16 };

#define SHAPE(...)                                                                                 \
    (const int[]) {                                                                                \
        __VA_ARGS__, 0                                                                             \
    }

/* The net that is being made, and its latest layer. */
extern message net, layer;

/* Add a field to a message. */
void put_varint(message *m, uint64_t value);
void put_raw(message *m, const void *bytes, size_t size);
void put_number(message *m, unsigned field, uint64_t value);
void put_float(message *m, unsigned field, float value);
void put_bytes(message *m, unsigned field, const void *bytes, size_t size);
void put_text(message *m, unsigned field, const char *text);
void put_message(message *m, unsigned field, const message *inner);
void put_pairs(message *m, unsigned field, const pair *pairs);

/* A blob of a SHAPE with values 1, 2, 3, ... */
void put_blob(message *m, unsigned field, const int *shape, unsigned form);

/* Begins a layer with one input and output (NULL: none); end_layer puts `layer` into the net. */
void begin_layer(message *m, const version *v, const char *name, const char *type,
                 const char *bottom, const char *top);
void end_layer(const version *v);

/* Whole layers; the convolution has 2 maps, a 2 x 2 kernel, pad 1 and stride 3. */
void put_layer(const version *v, const char *name, const char *type, const char *bottom,
               const char *top);
void put_convolution(const version *v, const char *name, const char *bottom, unsigned form);
void put_data_layer(const version *v, const float *means, int count, float scale, unsigned crop);

/* A small chain with one layer of each kind. */
void make_net(const version *v, unsigned form);

/* Reads bytes that are exactly as long as they say, so that AddressSanitizer sees every step
 * beyond. They are there until the next are read, or released. */
alexnet_status read_bytes(const void *bytes, size_t size, an_tensor_file *file,
                          alexnet_error *error);
alexnet_status read_net(an_tensor_file *file, alexnet_error *error);
void release_bytes(void);

#endif
