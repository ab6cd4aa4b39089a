/*
 * A file of named tensors, whatever its format: what a reader makes of the bytes, and what
 * weights.c takes.
 *
 * A reader is given the bytes and fills in the rest of an an_tensor_file: tensors that point into
 * the bytes where the format lets them, metadata, and, where the format describes the network
 * (Caffe, ONNX), its layers. It says nothing about AlexNet; recognise.h does.
 */
#ifndef AN_FORMATS_TENSORS_H
#define AN_FORMATS_TENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/file.h"
#include "formats/metadata.h"
#include "model/network.h"

enum { AN_TENSOR_DIMS = 8 };

typedef struct an_file_tensor {
    char *name;
    const char *dtype; /* "F32", "BF16", ...: one of safetensors' names, whatever the format */
    int dims;
    int64_t shape[AN_TENSOR_DIMS];
    bool strided;                   /* its values do not lie in C order, one behind the other, */
    int64_t stride[AN_TENSOR_DIMS]; /* but so many values apart; not negative */
    const uint8_t *bytes;           /* of the first value; any alignment */
    size_t size;                    /* in bytes, from the first value to the last */
} an_file_tensor;

/* A layer as a file describes it, in the order in which data passes through them. */
typedef struct an_file_layer {
    char *name;         /* the file's own; its tensors are called NAME.weight and NAME.bias */
    an_layer_spec spec; /* type and sizes as in a table of archs.c, without names; of a fully
                           connected layer `units` is always given */
} an_file_layer;

typedef struct an_tensor_file {
    char *path;
    an_mapping *mappings; /* the file, and the others that belong to it (shards, external data) */
    size_t mapping_count;
    void *content; /* what tensors point into that does not lie in a mapping; NULL: all do */
    void (*free_content)(void *content);
    an_file_tensor *tensors;
    size_t tensor_count;
    an_metadata *metadata;
    size_t metadata_count;
    an_file_layer *layers; /* none where the format has tensors only */
    size_t layer_count;
} an_tensor_file;

/* Fills `file`, of which only the path is set, from its bytes, which outlive it. What is there
 * after a failure is released by an_tensor_file_close. FORMAT or UNSUPPORTED with the byte, tensor
 * or layer at fault; NO_MEMORY. */
typedef alexnet_status an_reader(an_tensor_file *file, const uint8_t *bytes, size_t size,
                                 alexnet_error *error);

/* Maps a file and has `read` fill *out, which an_tensor_file_close then releases. */
alexnet_status an_tensor_file_read(const char *path, an_reader *read, an_tensor_file *out,
                                   alexnet_error *error);

/* Releases everything; an all-zero file is allowed. */
void an_tensor_file_close(an_tensor_file *file);

/* Maps another file that belongs to this one, until it is closed. */
alexnet_status an_tensor_file_map(an_tensor_file *file, const char *path, an_mapping *out,
                                  alexnet_error *error);

/* Room for one more tensor, all zero but for a copy of its name. */
alexnet_status an_tensor_file_add(an_tensor_file *file, const char *name, an_file_tensor **out,
                                  alexnet_error *error);

/* Room for one more layer, all zero but for a copy of its name. */
alexnet_status an_tensor_file_add_layer(an_tensor_file *file, const char *name, an_file_layer **out,
                                        alexnet_error *error);

/* NULL where there is none. */
const an_file_tensor *an_tensor_find(const an_tensor_file *file, const char *name);
const char *an_tensor_file_metadata(const an_tensor_file *file, const char *key);

/* Tells the system that bytes of a mapping need not stay resident; elsewhere it does nothing. */
void an_tensor_file_forget(const an_tensor_file *file, const void *bytes, size_t size);

/* The bits that a value of `dtype` takes, and the name of static storage; false: there is no such
 * type. */
bool an_dtype_find(const char *dtype, const char **name, size_t *bits);

/* Elements of a shape; false where they cannot be counted. */
bool an_count_elements(const int64_t *shape, int dims, size_t *out);

/* "(96, 3, 11, 11)" */
const char *an_format_shape(const int64_t *shape, int dims, char *text, size_t size);

#endif
