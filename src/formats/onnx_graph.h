/* An ONNX graph as it is read: its nodes and tensors by name, attributes, values. */
#ifndef AN_FORMATS_ONNX_GRAPH_H
#define AN_FORMATS_ONNX_GRAPH_H

#include <protobuf-c/protobuf-c.h>

#include "formats/protobuf.h"
#include "formats/tensors.h"
#include "onnx.pb-c.h"

/* Something of the graph by its name: a node by one of its inputs or outputs, an initialiser. */
typedef struct an_onnx_entry {
    const char *name;
    size_t index; /* of the node or initialiser */
} an_onnx_entry;

/* Entries in the order of their names. */
typedef struct an_onnx_index {
    an_onnx_entry *entries;
    size_t count;
} an_onnx_index;

/* A file beside the model that holds values. */
typedef struct an_onnx_external {
    const char *location;
    an_mapping mapping;
} an_onnx_external;

enum { AN_ONNX_EXTERNALS = 32 };

typedef struct an_onnx {
    an_tensor_file *file; /* owns the memory, as its content, and the mappings */
    an_protobuf *memory;
    const Onnx__ModelProto *model;
    const Onnx__GraphProto *graph;
    an_onnx_index producers;    /* nodes by output */
    an_onnx_index consumers;    /* nodes by input */
    an_onnx_index initialisers; /* graph->initializer */
    an_onnx_external externals[AN_ONNX_EXTERNALS];
    size_t external_count;
} an_onnx;

/* Unpacks a model. FORMAT with the byte, or the name that is there twice; NO_MEMORY. */
alexnet_status an_onnx_open(an_tensor_file *file, const uint8_t *bytes, size_t size, an_onnx *out,
                            alexnet_error *error);

/* The entries of a name: *count of them. */
const an_onnx_entry *an_onnx_find(const an_onnx_index *index, const char *name, size_t *count);

/* "node 'conv1' (Conv)" */
typedef struct an_onnx_text {
    char text[160];
} an_onnx_text;
an_onnx_text an_onnx_node_text(const Onnx__NodeProto *node);

/* Fails with the file, the node, and what is the matter with it. */
alexnet_status an_onnx_fail(const an_onnx *onnx, const Onnx__NodeProto *node, alexnet_error *error,
                            const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The name of an input or output; "" where there is none. */
const char *an_onnx_input(const Onnx__NodeProto *node, size_t index);
const char *an_onnx_output(const Onnx__NodeProto *node, size_t index);

bool an_onnx_is(const Onnx__NodeProto *node, const char *op_type);

/* Attributes: NULL, or `fallback`, where there is none. */
const Onnx__AttributeProto *an_onnx_attribute(const Onnx__NodeProto *node, const char *name);
int64_t an_onnx_int(const Onnx__NodeProto *node, const char *name, int64_t fallback);
float an_onnx_float(const Onnx__NodeProto *node, const char *name, float fallback);

/* An attribute of `count` whole numbers between `low` and `high`; *out is as it was where there is
 * none. */
alexnet_status an_onnx_ints(const an_onnx *onnx, const Onnx__NodeProto *node, const char *name,
                            int low, int high, size_t count, int *out, alexnet_error *error);

/* One that is the same for rows and columns; *out likewise. */
alexnet_status an_onnx_square(const an_onnx *onnx, const Onnx__NodeProto *node, const char *name,
                              int low, int high, int *out, alexnet_error *error);

/*
 * The constant tensor called `name`, an input of `node`, as *out without a name: an initialiser or
 * a Constant, possibly through Identity, Cast between floats and Transpose of a matrix.
 */
alexnet_status an_onnx_tensor(an_onnx *onnx, const Onnx__NodeProto *node, const char *name,
                              an_file_tensor *out, alexnet_error *error);

/* Swaps the rows and columns of a matrix of an_onnx_tensor, whose values stay where they are. */
void an_onnx_transpose(an_file_tensor *matrix);

#endif
