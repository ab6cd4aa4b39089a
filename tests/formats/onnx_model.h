/* Small ONNX models made by hand, for the tests of the reader. */
#ifndef AN_TEST_ONNX_MODEL_H
#define AN_TEST_ONNX_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "onnx.pb-c.h"

enum { FLOAT = 1, INT64 = 7, FLOAT16 = 10, DOUBLE = 11, MOST_PARTS = 24 };

/*
 * A chain: x (1, 3, 10, 10) -> conv (4 maps, 3x3, stride 2, a zero at the end) -> relu -> norm ->
 * pool (2x2, stride 2) -> flat -> fc (5 units) -> y. Tests change it before they pack it.
 */
typedef struct onnx_model {
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__NodeProto *nodes[MOST_PARTS];
    Onnx__TensorProto *tensors[MOST_PARTS];
    Onnx__ValueInfoProto *inputs[MOST_PARTS];
    Onnx__StringStringEntryProto *metadata[MOST_PARTS];
    void *parts[256]; /* everything that was allocated */
    size_t part_count;
} onnx_model;

onnx_model *make_model(void);
void free_model(onnx_model *model);

/* The bytes, exactly allocated, freed with free(). */
uint8_t *pack_model(const onnx_model *model, size_t *size);

/* Memory, or text, that lasts as long as the model. */
void *keep(onnx_model *model, size_t size);
char *keep_text(onnx_model *model, const char *text);

/* A node with up to three inputs (NULL: no more) and one output, behind the last. */
Onnx__NodeProto *add_node(onnx_model *model, const char *op_type, const char *output, const char *a,
                          const char *b, const char *c);
Onnx__NodeProto *node_of(const onnx_model *model, const char *output);

/* Attributes are replaced where they are there. */
Onnx__AttributeProto *set_int(onnx_model *model, Onnx__NodeProto *node, const char *name,
                              int64_t value);
void set_float(onnx_model *model, Onnx__NodeProto *node, const char *name, float value);
void set_ints(onnx_model *model, Onnx__NodeProto *node, const char *name, size_t count,
              const int64_t *values);

/* An initialiser of float32 as raw bytes: 1, 2, 3, ... */
Onnx__TensorProto *add_tensor(onnx_model *model, const char *name, size_t dims,
                              const int64_t *shape);
Onnx__TensorProto *tensor_of(const onnx_model *model, const char *name);

/* An input; dims 0: without a shape. */
Onnx__ValueInfoProto *add_input(onnx_model *model, const char *name, size_t dims,
                                const int64_t *shape);

void add_metadata(onnx_model *model, const char *key, const char *value);

/* The tensor lies in another file. offset, length: NULL where they are left out. */
void put_outside(onnx_model *model, const char *tensor, const char *location, const char *offset,
                 const char *length);

#endif
