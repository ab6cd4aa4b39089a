#include "formats/onnx_build.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"

enum {
    IR_VERSION = 7, /* of ONNX 1.8, which came with opset 13 */
    OPSET = 13,
    /* TensorProto.DataType */
    FLOAT = 1,
    UINT8 = 2,
    INT64 = 7,
    /* AttributeProto.AttributeType */
    OF_FLOAT = 1,
    OF_INT = 2,
    OF_INTS = 7,
    /* Room for a network of AN_MAX_LAYERS layers; what does not fit is noticed. */
    MOST_NODES = 8 * AN_MAX_LAYERS,
    MOST_CONSTANTS = 4 * AN_MAX_LAYERS,
    MOST_METADATA = 16,
    MOST_LINKS = 8,      /* inputs, or outputs, or attributes, of a node */
    POOL_SIZE = 1 << 20, /* bytes, for everything below a node */
};

struct an_onnx_builder {
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__NodeProto *nodes[MOST_NODES];
    Onnx__TensorProto *constants[MOST_CONSTANTS];
    Onnx__StringStringEntryProto *metadata[MOST_METADATA];
    const char *value; /* what the last node makes */
    bool is_flat;      /* it is (N, units) and no longer (N, C, H, W) */
    bool full;         /* something found no room */
    size_t used;       /* bytes of the pool */
    _Alignas(AN_ALIGNMENT) uint8_t pool[POOL_SIZE];
};

void an_onnx_builder_free(an_onnx_builder *builder) {
    an_free(builder);
}

/* --- parts --------------------------------------------------------------------------------- */

/* Zeroed bytes; where there is no room left, some that are in use, which `full` says. */
static void *take(an_onnx_builder *b, size_t size) {
    const size_t alignment = _Alignof(max_align_t);
    if (size > POOL_SIZE - b->used) {
        b->full = true;
        b->used = 0;
        size = size > POOL_SIZE ? 0 : size;
    }
    void *out = b->pool + b->used;
    b->used += (size + alignment - 1) / alignment * alignment;
    b->used = b->used < POOL_SIZE ? b->used : POOL_SIZE;
    return out;
}

static char *text(an_onnx_builder *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static char *text(an_onnx_builder *b, const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    const size_t size = strlen(line) + 1;
    return memcpy(take(b, size), line, size);
}

static void add_name(an_onnx_builder *b, char **names, size_t *count, const char *name) {
    if (*count < MOST_LINKS)
        names[(*count)++] = text(b, "%s", name);
    else
        b->full = true;
}

static void add_input(an_onnx_builder *b, Onnx__NodeProto *node, const char *name) {
    add_name(b, node->input, &node->n_input, name);
}

/* A node without inputs, called as its first output. */
static Onnx__NodeProto *add_node(an_onnx_builder *b, const char *op_type, const char *name) {
    Onnx__NodeProto *node = take(b, sizeof *node);
    onnx__node_proto__init(node);
    node->op_type = text(b, "%s", op_type);
    node->name = text(b, "%s", name);
    node->input = take(b, MOST_LINKS * sizeof *node->input);
    node->output = take(b, MOST_LINKS * sizeof *node->output);
    node->attribute = take(b, MOST_LINKS * sizeof(Onnx__AttributeProto *));
    add_name(b, node->output, &node->n_output, name);
    if (b->graph.n_node < MOST_NODES)
        b->nodes[b->graph.n_node++] = node;
    else
        b->full = true;
    return node;
}

/* A node that takes what the last one makes. */
static Onnx__NodeProto *append(an_onnx_builder *b, const char *op_type, const char *name) {
    Onnx__NodeProto *node = add_node(b, op_type, name);
    add_input(b, node, b->value);
    b->value = node->output[0];
    return node;
}

static Onnx__AttributeProto *add_attribute(an_onnx_builder *b, Onnx__NodeProto *node,
                                           const char *name, int type) {
    Onnx__AttributeProto *attribute = take(b, sizeof *attribute);
    onnx__attribute_proto__init(attribute);
    attribute->name = text(b, "%s", name);
    attribute->has_type = 1;
    attribute->type = type;
    if (node->n_attribute < MOST_LINKS)
        node->attribute[node->n_attribute++] = attribute;
    else
        b->full = true;
    return attribute;
}

static void add_int(an_onnx_builder *b, Onnx__NodeProto *node, const char *name, int64_t value) {
    Onnx__AttributeProto *attribute = add_attribute(b, node, name, OF_INT);
    attribute->has_i = 1;
    attribute->i = value;
}

static void add_float(an_onnx_builder *b, Onnx__NodeProto *node, const char *name, float value) {
    Onnx__AttributeProto *attribute = add_attribute(b, node, name, OF_FLOAT);
    attribute->has_f = 1;
    attribute->f = value;
}

static void add_ints(an_onnx_builder *b, Onnx__NodeProto *node, const char *name, size_t count,
                     const int64_t *values) {
    Onnx__AttributeProto *attribute = add_attribute(b, node, name, OF_INTS);
    attribute->n_ints = count;
    attribute->ints = take(b, count * sizeof *values);
    memcpy(attribute->ints, values, count * sizeof *values);
}

/* The same for rows and columns. */
static void add_square(an_onnx_builder *b, Onnx__NodeProto *node, const char *name, int side) {
    add_ints(b, node, name, 2, (const int64_t[]){side, side});
}

/* Pads of rows and columns alike: at the beginning, at the end. */
static void add_pads(an_onnx_builder *b, Onnx__NodeProto *node, int begin, int end) {
    add_ints(b, node, "pads", 4, (const int64_t[]){begin, begin, end, end});
}

/* An initialiser of `values`, as a further input of the node. */
static void add_constant(an_onnx_builder *b, Onnx__NodeProto *node, const char *name, int data_type,
                         size_t dims, const int64_t *shape, const void *values, size_t size) {
    Onnx__TensorProto *tensor = take(b, sizeof *tensor);
    onnx__tensor_proto__init(tensor);
    tensor->name = text(b, "%s", name);
    tensor->has_data_type = 1;
    tensor->data_type = data_type;
    tensor->n_dims = dims;
    tensor->dims = take(b, dims * sizeof *shape);
    if (dims > 0)
        memcpy(tensor->dims, shape, dims * sizeof *shape);
    tensor->has_raw_data = 1;
    tensor->raw_data = (ProtobufCBinaryData){size, take(b, size)};
    if (!b->full)
        memcpy(tensor->raw_data.data, values, size);
    if (b->graph.n_initializer < MOST_CONSTANTS)
        b->constants[b->graph.n_initializer++] = tensor;
    else
        b->full = true;
    add_input(b, node, name);
}

static void add_number(an_onnx_builder *b, Onnx__NodeProto *node, const char *name, float value) {
    add_constant(b, node, name, FLOAT, 0, NULL, &value, sizeof value);
}

/* One number a channel of the input: (1, 3, 1, 1). */
static void add_channels(an_onnx_builder *b, Onnx__NodeProto *node, const char *name,
                         const float *values) {
    add_constant(b, node, name, FLOAT, 4, (const int64_t[]){1, 3, 1, 1}, values,
                 3 * sizeof *values);
}

/* --- layers -------------------------------------------------------------------------------- */

static void add_weights(an_onnx_builder *b, const an_network *network, const an_layer *layer,
                        Onnx__NodeProto *node) {
    add_input(b, node, network->parameters[layer->weight].name);
    add_input(b, node, network->parameters[layer->bias].name);
}

/* Where sizes are rounded up, the last window's zeros lie behind the maps. */
static void build_conv(an_onnx_builder *b, const an_network *network, const an_layer *layer) {
    const an_layer_spec *spec = &layer->spec;
    const int reach = (layer->out.h - 1) * spec->stride + spec->kernel;
    const int over = reach - (layer->in.h + 2 * spec->pad);
    Onnx__NodeProto *node = append(b, "Conv", spec->name);
    add_weights(b, network, layer, node);
    add_square(b, node, "kernel_shape", spec->kernel);
    add_square(b, node, "strides", spec->stride);
    add_pads(b, node, spec->pad, spec->pad + (over > 0 ? over : 0));
    add_int(b, node, "group", spec->groups);
}

static void build_max_pool(an_onnx_builder *b, const an_layer *layer) {
    Onnx__NodeProto *node = append(b, "MaxPool", layer->spec.name);
    add_square(b, node, "kernel_shape", layer->spec.kernel);
    add_square(b, node, "strides", layer->spec.stride);
    add_int(b, node, "ceil_mode", layer->spec.round_up);
}

static void set_lrn(an_onnx_builder *b, const an_layer_spec *spec, Onnx__NodeProto *node) {
    add_int(b, node, "size", spec->size);
    add_float(b, node, "alpha", spec->alpha); /* which ONNX, too, divides by the size */
    add_float(b, node, "beta", spec->beta);
    add_float(b, node, "bias", spec->k);
}

/* Towers that do not see each other are normalised one by one. */
static void build_lrn(an_onnx_builder *b, const an_layer *layer) {
    const an_layer_spec *spec = &layer->spec;
    if (spec->towers == 1) {
        set_lrn(b, spec, append(b, "LRN", spec->name));
        return;
    }
    Onnx__NodeProto *split = append(b, "Split", text(b, "%s_in_1", spec->name));
    add_int(b, split, "axis", 1);
    split->name = text(b, "%s_split", spec->name);
    for (int tower = 2; tower <= spec->towers; tower++)
        add_name(b, split->output, &split->n_output, text(b, "%s_in_%d", spec->name, tower));
    for (int tower = 1; tower <= spec->towers; tower++) {
        Onnx__NodeProto *node = add_node(b, "LRN", text(b, "%s_out_%d", spec->name, tower));
        add_input(b, node, text(b, "%s_in_%d", spec->name, tower));
        set_lrn(b, spec, node);
    }
    Onnx__NodeProto *whole = add_node(b, "Concat", spec->name);
    add_int(b, whole, "axis", 1);
    for (int tower = 1; tower <= spec->towers; tower++)
        add_input(b, whole, text(b, "%s_out_%d", spec->name, tower));
    b->value = whole->output[0];
}

/* x / (k + alpha * mean of x^2 over the window)^beta, zeros around a map counted in the mean. */
static void build_lrn_within(an_onnx_builder *b, const an_layer *layer) {
    const an_layer_spec *spec = &layer->spec;
    const char *x = b->value, *name = spec->name;
    Onnx__NodeProto *node = append(b, "Mul", text(b, "%s_square", name));
    add_input(b, node, x);
    node = append(b, "AveragePool", text(b, "%s_mean", name));
    add_square(b, node, "kernel_shape", spec->size);
    add_pads(b, node, spec->size / 2, spec->size - 1 - spec->size / 2);
    add_int(b, node, "count_include_pad", 1);
    node = append(b, "Mul", text(b, "%s_scaled", name));
    add_number(b, node, text(b, "%s_alpha", name), spec->alpha);
    node = append(b, "Add", text(b, "%s_base", name));
    add_number(b, node, text(b, "%s_k", name), spec->k);
    node = append(b, "Pow", text(b, "%s_power", name));
    add_number(b, node, text(b, "%s_beta", name), spec->beta);
    const char *power = b->value;
    node = add_node(b, "Div", name);
    add_input(b, node, x);
    add_input(b, node, power);
    b->value = node->output[0];
}

/* Bin i of U over `side` pixels is floor(i * side / U) <= pixel < ceil((i + 1) * side / U). Means
 * of bins as a matrix: (U, side), or where `columns` (side, U). */
static void add_bins(an_onnx_builder *b, Onnx__NodeProto *node, const char *name, int bins,
                     int side, bool columns) {
    const size_t count = (size_t)bins * (size_t)side;
    float *matrix = take(b, count * sizeof *matrix);
    for (int64_t i = 0; !b->full && i < bins; i++) {
        const int64_t begin = i * side / bins, end = ((i + 1) * side + bins - 1) / bins;
        for (int64_t p = begin; p < end; p++)
            matrix[columns ? p * bins + i : i * side + p] = 1 / (float)(end - begin);
    }
    const int64_t shape[2] = {columns ? side : bins, columns ? bins : side};
    add_constant(b, node, name, FLOAT, 2, shape, matrix, count * sizeof *matrix);
}

/* Adaptive pooling is nothing where the sizes agree, and else two products of matrices: of the
 * rows' means with the maps, and of that with the columns' means. */
static void build_adaptive_avg_pool(an_onnx_builder *b, const an_layer *layer) {
    const an_layer_spec *spec = &layer->spec;
    if (layer->in.h == layer->out.h)
        return;
    Onnx__NodeProto *rows = add_node(b, "MatMul", text(b, "%s_rows", spec->name));
    add_bins(b, rows, text(b, "%s_row_means", spec->name), layer->out.h, layer->in.h, false);
    add_input(b, rows, b->value);
    b->value = rows->output[0];
    Onnx__NodeProto *columns = append(b, "MatMul", spec->name);
    add_bins(b, columns, text(b, "%s_column_means", spec->name), layer->out.w, layer->in.w, true);
}

static void build_fc(an_onnx_builder *b, const an_network *network, const an_layer *layer) {
    if (!b->is_flat)
        add_int(b, append(b, "Flatten", "flatten"), "axis", 1);
    b->is_flat = true;
    Onnx__NodeProto *node = append(b, "Gemm", layer->spec.name);
    add_weights(b, network, layer, node);
    add_int(b, node, "transB", 1);
}

static void build_dropout(an_onnx_builder *b, const an_layer *layer) {
    const an_layer_spec *spec = &layer->spec;
    if (!spec->scale_at_test)
        return;
    Onnx__NodeProto *node = append(b, "Mul", spec->name);
    add_number(b, node, text(b, "%s_factor", spec->name), 1 - spec->rate);
}

static void build_layer(an_onnx_builder *b, const an_network *network, const an_layer *layer) {
    switch (layer->spec.type) {
    case AN_CONV:
        build_conv(b, network, layer);
        break;
    case AN_RELU:
        append(b, "Relu", layer->spec.name);
        break;
    case AN_LRN:
        build_lrn(b, layer);
        break;
    case AN_LRN_WITHIN:
        build_lrn_within(b, layer);
        break;
    case AN_MAX_POOL:
        build_max_pool(b, layer);
        break;
    case AN_ADAPTIVE_AVG_POOL:
        build_adaptive_avg_pool(b, layer);
        break;
    case AN_FC:
        build_fc(b, network, layer);
        break;
    case AN_DROPOUT:
        build_dropout(b, layer);
        break;
    }
}

/* --- the model ----------------------------------------------------------------------------- */

/* From "pixels", bytes in RGB, to "input": (x * scale - mean) / std, in the network's order. */
static void build_preprocess(an_onnx_builder *b, const an_preprocess *preprocess) {
    static const int64_t backwards[] = {2, 1, 0}, three[] = {3};
    Onnx__NodeProto *node = append(b, "Cast", "pixels_float");
    add_int(b, node, "to", FLOAT);
    if (preprocess->bgr) {
        node = append(b, "Gather", "pixels_bgr");
        add_constant(b, node, "channels", INT64, 1, three, backwards, sizeof backwards);
        add_int(b, node, "axis", 1);
    }
    add_number(b, append(b, "Mul", "pixels_scaled"), "scale", preprocess->scale);
    add_channels(b, append(b, "Sub", "pixels_centred"), "mean", preprocess->mean);
    add_channels(b, append(b, "Div", "input"), "std", preprocess->std);
}

/* A tensor of the graph's input or output; a size of 0 is the batch, N. */
static Onnx__ValueInfoProto **describe(an_onnx_builder *b, const char *name, int data_type,
                                       size_t dims, const int64_t *shape) {
    Onnx__ValueInfoProto **list = take(b, sizeof(Onnx__ValueInfoProto *));
    Onnx__ValueInfoProto *value = *list = take(b, sizeof *value);
    onnx__value_info_proto__init(value);
    value->name = text(b, "%s", name);
    value->type = take(b, sizeof *value->type);
    onnx__type_proto__init(value->type);
    Onnx__TypeProto__Tensor *type = value->type->tensor_type = take(b, sizeof *type);
    onnx__type_proto__tensor__init(type);
    type->has_elem_type = 1;
    type->elem_type = data_type;
    type->shape = take(b, sizeof *type->shape);
    onnx__tensor_shape_proto__init(type->shape);
    type->shape->n_dim = dims;
    type->shape->dim = take(b, dims * sizeof(Onnx__TensorShapeProto__Dimension *));
    for (size_t i = 0; i < dims; i++) {
        Onnx__TensorShapeProto__Dimension *dim = type->shape->dim[i] = take(b, sizeof *dim);
        onnx__tensor_shape_proto__dimension__init(dim);
        dim->has_dim_value = shape[i] != 0;
        dim->dim_value = shape[i];
        dim->dim_param = shape[i] == 0 ? text(b, "N") : NULL;
    }
    return list;
}

static void build_graph(an_onnx_builder *b, const an_weights_file *weights, bool preprocess) {
    const an_network *network = &weights->network;
    const int64_t in[] = {0, network->input.c, network->input.h, network->input.w};
    const int64_t out[] = {0, network->classes};
    const char *input = preprocess ? "pixels" : "input";
    b->value = input;
    if (preprocess)
        build_preprocess(b, &weights->preprocess);
    for (int i = 0; i < network->layer_count; i++)
        build_layer(b, network, &network->layers[i]);
    static const char output[] = "logits";
    Onnx__NodeProto *last = b->nodes[b->graph.n_node - 1];
    last->output[0] = text(b, "%s", output);
    b->graph.name = text(b, "%s", network->arch->name);
    b->graph.node = b->nodes;
    b->graph.initializer = b->constants;
    b->graph.n_input = b->graph.n_output = 1;
    b->graph.input = describe(b, input, preprocess ? UINT8 : FLOAT, 4, in);
    b->graph.output = describe(b, output, FLOAT, 2, out);
}

static void build_metadata(an_onnx_builder *b, const an_metadata *metadata, size_t count) {
    b->full = b->full || count > MOST_METADATA;
    for (size_t i = 0; i < count && i < MOST_METADATA; i++) {
        Onnx__StringStringEntryProto *entry = b->metadata[i] = take(b, sizeof *entry);
        onnx__string_string_entry_proto__init(entry);
        entry->key = metadata[i].key;
        entry->value = metadata[i].value;
        b->model.n_metadata_props++;
    }
    b->model.metadata_props = b->metadata;
}

static void build_model(an_onnx_builder *b, const an_weights_file *weights, bool preprocess) {
    const an_network *network = &weights->network;
    const an_preprocess *p = &weights->preprocess;
    const int side = network->input_size;
    Onnx__OperatorSetIdProto **sets = take(b, sizeof(Onnx__OperatorSetIdProto *));
    Onnx__OperatorSetIdProto *set = *sets = take(b, sizeof *set);
    onnx__operator_set_id_proto__init(set);
    set->domain = text(b, "%s", "");
    set->has_version = 1;
    set->version = OPSET;
    b->model.n_opset_import = 1;
    b->model.opset_import = sets;
    b->model.has_ir_version = 1;
    b->model.ir_version = IR_VERSION;
    b->model.producer_name = text(b, "alexnet");
    b->model.producer_version = text(b, ALEXNET_VERSION);
    if (preprocess)
        b->model.doc_string =
            text(b,
                 "%s: %s. Input: pixels, uint8 RGB, the short side resized to %d and the centre "
                 "%d x %d taken.",
                 network->arch->name, network->arch->title, p->resize, side, side);
    else
        b->model.doc_string =
            text(b, "%s: %s. Input: %s, %d x %d, (pixel * %g - (%g, %g, %g)) / (%g, %g, %g).",
                 network->arch->name, network->arch->title, p->bgr ? "BGR" : "RGB", side, side,
                 (double)p->scale, (double)p->mean[0], (double)p->mean[1], (double)p->mean[2],
                 (double)p->std[0], (double)p->std[1], (double)p->std[2]);
}

alexnet_status an_onnx_build(const char *path, const an_weights_file *weights, bool preprocess,
                             const an_metadata *metadata, size_t metadata_count,
                             an_onnx_builder **out, Onnx__ModelProto **model,
                             Onnx__GraphProto **graph, alexnet_error *error) {
    void *block;
    *out = NULL;
    AN_TRY(an_alloc(&block, 1, sizeof **out, "the graph", error));
    an_onnx_builder *b = *out = block;
    onnx__model_proto__init(&b->model);
    onnx__graph_proto__init(&b->graph);
    build_model(b, weights, preprocess);
    build_graph(b, weights, preprocess);
    build_metadata(b, metadata, metadata_count);
    *model = &b->model;
    *graph = &b->graph;
    if (b->full)
        return an_fail(error, ALEXNET_INVALID, "%s: '%s' for %d x %d pixels is too large a graph",
                       path, weights->network.arch->name, weights->network.input_size,
                       weights->network.input_size);
    return ALEXNET_OK;
}
