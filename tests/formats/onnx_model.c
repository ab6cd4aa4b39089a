#include "formats/onnx_model.h"

#include <stdlib.h>

#include "testing.h"

void *keep(onnx_model *model, size_t size) {
    void *part = calloc(1, size ? size : 1);
    assert_non_null(part);
    assert_true(model->part_count < sizeof model->parts / sizeof *model->parts);
    return model->parts[model->part_count++] = part;
}

char *keep_text(onnx_model *model, const char *text) {
    const size_t size = strlen(text) + 1;
    return memcpy(keep(model, size), text, size);
}

void free_model(onnx_model *model) {
    for (size_t i = 0; i < model->part_count; i++)
        free(model->parts[i]);
    free(model);
}

uint8_t *pack_model(const onnx_model *model, size_t *size) {
    *size = onnx__model_proto__get_packed_size(&model->model);
    uint8_t *bytes = malloc(*size ? *size : 1);
    assert_non_null(bytes);
    assert_int_equal(onnx__model_proto__pack(&model->model, bytes), *size);
    return bytes;
}

Onnx__NodeProto *add_node(onnx_model *model, const char *op_type, const char *output, const char *a,
                          const char *b, const char *c) {
    const char *inputs[] = {a, b, c};
    Onnx__NodeProto *node = keep(model, sizeof *node);
    onnx__node_proto__init(node);
    node->op_type = keep_text(model, op_type);
    node->name = keep_text(model, output);
    node->output = keep(model, sizeof *node->output);
    node->output[node->n_output++] = keep_text(model, output);
    node->input = keep(model, sizeof inputs);
    while (node->n_input < 3 && inputs[node->n_input]) {
        node->input[node->n_input] = keep_text(model, inputs[node->n_input]);
        node->n_input++;
    }
    node->attribute = keep(model, 8 * sizeof(Onnx__AttributeProto *));
    return model->nodes[model->graph.n_node++] = node;
}

Onnx__NodeProto *node_of(const onnx_model *model, const char *output) {
    for (size_t i = 0; i < model->graph.n_node; i++)
        if (strcmp(model->nodes[i]->output[0], output) == 0)
            return model->nodes[i];
    fail_msg("no node makes %s", output);
    return NULL;
}

static Onnx__AttributeProto *attribute_of(onnx_model *model, Onnx__NodeProto *node,
                                          const char *name) {
    size_t at = 0;
    while (at < node->n_attribute && strcmp(node->attribute[at]->name, name) != 0)
        at++;
    Onnx__AttributeProto *attribute = node->attribute[at] = keep(model, sizeof *attribute);
    onnx__attribute_proto__init(attribute);
    attribute->name = keep_text(model, name);
    node->n_attribute += at == node->n_attribute;
    return attribute;
}

Onnx__AttributeProto *set_int(onnx_model *model, Onnx__NodeProto *node, const char *name,
                              int64_t value) {
    Onnx__AttributeProto *attribute = attribute_of(model, node, name);
    attribute->has_i = 1;
    attribute->i = value;
    return attribute;
}

void set_float(onnx_model *model, Onnx__NodeProto *node, const char *name, float value) {
    Onnx__AttributeProto *attribute = attribute_of(model, node, name);
    attribute->has_f = 1;
    attribute->f = value;
}

void set_ints(onnx_model *model, Onnx__NodeProto *node, const char *name, size_t count,
              const int64_t *values) {
    Onnx__AttributeProto *attribute = attribute_of(model, node, name);
    attribute->n_ints = count;
    attribute->ints = memcpy(keep(model, count * sizeof *values), values, count * sizeof *values);
}

Onnx__TensorProto *add_tensor(onnx_model *model, const char *name, size_t dims,
                              const int64_t *shape) {
    Onnx__TensorProto *tensor = keep(model, sizeof *tensor);
    onnx__tensor_proto__init(tensor);
    tensor->name = keep_text(model, name);
    tensor->has_data_type = 1;
    tensor->data_type = FLOAT;
    tensor->n_dims = dims;
    tensor->dims = memcpy(keep(model, dims * sizeof *shape), shape, dims * sizeof *shape);
    size_t count = 1;
    for (size_t i = 0; i < dims; i++)
        count *= (size_t)shape[i];
    float *values = keep(model, count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(i + 1);
    tensor->has_raw_data = 1;
    tensor->raw_data = (ProtobufCBinaryData){count * sizeof *values, (uint8_t *)values};
    return model->tensors[model->graph.n_initializer++] = tensor;
}

Onnx__TensorProto *tensor_of(const onnx_model *model, const char *name) {
    for (size_t i = 0; i < model->graph.n_initializer; i++)
        if (strcmp(model->tensors[i]->name, name) == 0)
            return model->tensors[i];
    fail_msg("no tensor is called %s", name);
    return NULL;
}

Onnx__ValueInfoProto *add_input(onnx_model *model, const char *name, size_t dims,
                                const int64_t *shape) {
    Onnx__ValueInfoProto *input = keep(model, sizeof *input);
    onnx__value_info_proto__init(input);
    input->name = keep_text(model, name);
    input->type = keep(model, sizeof *input->type);
    onnx__type_proto__init(input->type);
    Onnx__TypeProto__Tensor *type = input->type->tensor_type = keep(model, sizeof *type);
    onnx__type_proto__tensor__init(type);
    type->has_elem_type = 1;
    type->elem_type = FLOAT;
    if (dims > 0) {
        type->shape = keep(model, sizeof *type->shape);
        onnx__tensor_shape_proto__init(type->shape);
        type->shape->dim = keep(model, dims * sizeof(Onnx__TensorShapeProto__Dimension *));
        for (size_t i = 0; i < dims; i++) {
            Onnx__TensorShapeProto__Dimension *dim = keep(model, sizeof *dim);
            onnx__tensor_shape_proto__dimension__init(dim);
            dim->has_dim_value = 1;
            dim->dim_value = shape[i];
            type->shape->dim[type->shape->n_dim++] = dim;
        }
    }
    return model->inputs[model->graph.n_input++] = input;
}

static Onnx__StringStringEntryProto *make_entry(onnx_model *model, const char *key,
                                                const char *value) {
    Onnx__StringStringEntryProto *entry = keep(model, sizeof *entry);
    onnx__string_string_entry_proto__init(entry);
    entry->key = keep_text(model, key);
    entry->value = keep_text(model, value);
    return entry;
}

void add_metadata(onnx_model *model, const char *key, const char *value) {
    model->metadata[model->model.n_metadata_props++] = make_entry(model, key, value);
}

void put_outside(onnx_model *model, const char *tensor, const char *location, const char *offset,
                 const char *length) {
    const char *entries[][2] = {{"location", location}, {"offset", offset}, {"length", length}};
    Onnx__TensorProto *it = tensor_of(model, tensor);
    it->has_raw_data = 0;
    it->has_data_location = 1;
    it->data_location = 1;
    it->n_external_data = 0;
    it->external_data = keep(model, 3 * sizeof(Onnx__StringStringEntryProto *));
    for (int i = 0; i < 3; i++)
        if (entries[i][1])
            it->external_data[it->n_external_data++] =
                make_entry(model, entries[i][0], entries[i][1]);
}

onnx_model *make_model(void) {
    onnx_model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    onnx__model_proto__init(&model->model);
    onnx__graph_proto__init(&model->graph);
    model->model.has_ir_version = 1;
    model->model.ir_version = 7;
    model->model.producer_name = keep_text(model, "by hand");
    model->model.graph = &model->graph;
    model->model.metadata_props = model->metadata;
    model->graph.node = model->nodes;
    model->graph.initializer = model->tensors;
    model->graph.input = model->inputs;

    add_input(model, "x", 4, (const int64_t[]){1, 3, 10, 10});
    Onnx__NodeProto *conv = add_node(model, "Conv", "conv", "x", "conv_w", "conv_b");
    set_ints(model, conv, "kernel_shape", 2, (const int64_t[]){3, 3});
    set_ints(model, conv, "strides", 2, (const int64_t[]){2, 2});
    set_ints(model, conv, "pads", 4, (const int64_t[]){0, 0, 1, 1});
    add_node(model, "Relu", "relu", "conv", NULL, NULL);
    Onnx__NodeProto *norm = add_node(model, "LRN", "norm", "relu", NULL, NULL);
    set_int(model, norm, "size", 3);
    set_float(model, norm, "alpha", 0.5f);
    set_float(model, norm, "bias", 2);
    Onnx__NodeProto *pool = add_node(model, "MaxPool", "pool", "norm", NULL, NULL);
    set_ints(model, pool, "kernel_shape", 2, (const int64_t[]){2, 2});
    set_ints(model, pool, "strides", 2, (const int64_t[]){2, 2});
    add_node(model, "Flatten", "flat", "pool", NULL, NULL);
    set_int(model, add_node(model, "Gemm", "fc", "flat", "fc_w", "fc_b"), "transB", 1);
    add_tensor(model, "conv_w", 4, (const int64_t[]){4, 3, 3, 3});
    add_tensor(model, "conv_b", 1, (const int64_t[]){4});
    add_tensor(model, "fc_w", 2, (const int64_t[]){5, 16});
    add_tensor(model, "fc_b", 1, (const int64_t[]){5});
    return model;
}
