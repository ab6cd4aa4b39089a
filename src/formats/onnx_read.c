/* Reads ONNX models: the chain of layers from the graph's input on, or by what the metadata says.
 */
#include <stdio.h>
#include <string.h>

#include "formats/onnx.h"
#include "formats/onnx_graph.h"

enum {
    MOST_LAYERS = 64, /* no network here has as many */
    MOST_SIDE = 1 << 14,
    MOST_UNITS = AN_MAX_CLASSES,
    MOST_NAME = 200
};

/* Where data stands on its way through the graph. */
typedef struct walk {
    an_onnx *onnx;
    an_tensor_file *file;
    const char *value;                   /* the name of what the next node takes */
    int side;                            /* of the maps, in pixels; 0: the file does not say */
    const Onnx__NodeProto *without_bias; /* the layer before, to which an Add may give one */
    bool ended;                          /* nothing may follow a Softmax */
    size_t seen;                         /* entries of the consumers that were looked at */
} walk;

/* --- layers and their tensors -------------------------------------------------------------- */

static alexnet_status add_layer(walk *at, const Onnx__NodeProto *node, const an_layer_spec *spec,
                                alexnet_error *error) {
    an_file_layer *layer;
    const char *name = an_onnx_output(node, 0);
    if (at->file->layer_count == MOST_LAYERS)
        return an_onnx_fail(at->onnx, node, error, "is one layer more than any network here has");
    if (strlen(name) == 0 || strlen(name) > MOST_NAME)
        return an_onnx_fail(at->onnx, node, error, "has an output whose name has no usable length");
    AN_TRY(an_tensor_file_add_layer(at->file, name, &layer, error));
    layer->spec = *spec;
    return ALEXNET_OK;
}

/* A tensor of the layer that `node` makes. */
static alexnet_status add_tensor(walk *at, const Onnx__NodeProto *node, const char *kind,
                                 const an_file_tensor *values, alexnet_error *error) {
    char name[MOST_NAME + 16];
    an_file_tensor *tensor;
    snprintf(name, sizeof name, "%s.%s", an_onnx_output(node, 0), kind);
    AN_TRY(an_tensor_file_add(at->file, name, &tensor, error));
    char *own = tensor->name;
    *tensor = *values;
    tensor->name = own;
    return ALEXNET_OK;
}

static int last_units(const walk *at) {
    return at->file->layers[at->file->layer_count - 1].spec.units;
}

/* `values`, of any shape that holds nothing but (O) values, as the biases of the layer `node`. */
static alexnet_status add_bias(walk *at, const Onnx__NodeProto *node, an_file_tensor *values,
                               alexnet_error *error) {
    const int units = last_units(at);
    size_t count;
    bool is_vector = false;
    for (int i = 0; i < values->dims; i++)
        is_vector = is_vector || values->shape[i] == units;
    if (!an_count_elements(values->shape, values->dims, &count) || count != (size_t)units ||
        !is_vector)
        return an_onnx_fail(at->onnx, node, error, "adds %zu values to %d units", count, units);
    values->dims = 1;
    values->shape[0] = units;
    values->strided = false;
    return add_tensor(at, node, "bias", values, error);
}

/* A layer that has no biases in the file has zeros. */
static alexnet_status settle_bias(walk *at, alexnet_error *error) {
    const Onnx__NodeProto *node = at->without_bias;
    if (!node)
        return ALEXNET_OK;
    at->without_bias = NULL;
    const size_t units = (size_t)last_units(at);
    void *zeros;
    AN_TRY(an_protobuf_take(at->onnx->memory, units, sizeof(float), &zeros, error));
    an_file_tensor values = {.dtype = "F32",
                             .dims = 1,
                             .shape = {(int64_t)units},
                             .bytes = zeros,
                             .size = units * sizeof(float)};
    return add_bias(at, node, &values, error);
}

/* The layer of `node` with its weights and, where input `index` names some, biases. */
static alexnet_status add_weights(walk *at, const Onnx__NodeProto *node, const an_layer_spec *spec,
                                  const an_file_tensor *weights, size_t bias,
                                  alexnet_error *error) {
    const char *name = an_onnx_input(node, bias);
    an_file_tensor values;
    AN_TRY(add_layer(at, node, spec, error));
    AN_TRY(add_tensor(at, node, "weight", weights, error));
    if (!*name) {
        at->without_bias = node;
        return ALEXNET_OK;
    }
    AN_TRY(an_onnx_tensor(at->onnx, node, name, &values, error));
    return add_bias(at, node, &values, error);
}

/* --- windows ------------------------------------------------------------------------------- */

/* How a window moves over maps, as the node says. */
typedef struct window {
    int kernel, stride, begin, end; /* pads */
    bool ceil;
} window;

/* Reads a window whose kernel is known or (0) said by the node. */
static alexnet_status read_window(const walk *at, const Onnx__NodeProto *node, window *out,
                                  alexnet_error *error) {
    int pads[4] = {0}, dilation = 1;
    const Onnx__AttributeProto *automatic = an_onnx_attribute(node, "auto_pad");
    const int known = out->kernel;
    out->stride = 1;
    AN_TRY(an_onnx_square(at->onnx, node, "kernel_shape", 1, MOST_SIDE, &out->kernel, error));
    AN_TRY(an_onnx_square(at->onnx, node, "strides", 1, MOST_SIDE, &out->stride, error));
    AN_TRY(an_onnx_square(at->onnx, node, "dilations", 1, 1, &dilation, error));
    AN_TRY(an_onnx_ints(at->onnx, node, "pads", 0, MOST_SIDE, 4, pads, error));
    if (automatic && automatic->s.len > 0 &&
        (automatic->s.len != 6 || memcmp(automatic->s.data, "NOTSET", 6) != 0))
        return an_onnx_fail(at->onnx, node, error,
                            "leaves its padding to the runtime (auto_pad), which is not read");
    if (out->kernel == 0 || (known && known != out->kernel))
        return an_onnx_fail(at->onnx, node, error,
                            "has no kernel_shape, or another than its weights");
    if (pads[0] != pads[1] || pads[2] != pads[3])
        return an_onnx_fail(at->onnx, node, error, "is not padded alike in rows and columns");
    out->begin = pads[0];
    out->end = pads[2];
    out->ceil = an_onnx_int(node, "ceil_mode", 0) != 0;
    return ALEXNET_OK;
}

/*
 * The maps' side behind a window with the pad `begin` on every side, and whether it is rounded up:
 * by ceil_mode, or by that much more padding at the end, as Caffe2 writes it.
 */
static alexnet_status move_window(walk *at, const Onnx__NodeProto *node, const window *it,
                                  bool *round_up, alexnet_error *error) {
    const int more = it->end - it->begin;
    const int length = at->side + 2 * it->begin - it->kernel; /* that the window can move */
    if (more < 0 || more >= it->stride || (at->side && length < 0))
        return an_onnx_fail(at->onnx, node, error, "has pads that no layer here has");
    if (at->side == 0) {
        *round_up = it->ceil || more > 0;
        return ALEXNET_OK;
    }
    const int down = length / it->stride, up = (length + it->stride - 1) / it->stride;
    const int there = (length + more + (it->ceil ? it->stride - 1 : 0)) / it->stride;
    if (there != down && there != up)
        return an_onnx_fail(at->onnx, node, error, "has pads that no layer here has");
    *round_up = there != down;
    at->side = there + 1;
    return ALEXNET_OK;
}

/* --- nodes --------------------------------------------------------------------------------- */

static alexnet_status take_conv(walk *at, const Onnx__NodeProto *node, alexnet_error *error) {
    an_file_tensor weights;
    AN_TRY(an_onnx_tensor(at->onnx, node, an_onnx_input(node, 1), &weights, error));
    const int64_t groups = an_onnx_int(node, "group", 1);
    if (weights.dims != 4 || weights.shape[0] < 1 || weights.shape[0] > MOST_UNITS ||
        weights.shape[2] != weights.shape[3] || weights.shape[2] < 1 ||
        weights.shape[2] > MOST_SIDE || groups < 1 || groups > MOST_UNITS)
        return an_onnx_fail(at->onnx, node, error, "has weights or groups that no layer here has");
    an_layer_spec spec = {.type = AN_CONV, .units = (int)weights.shape[0], .groups = (int)groups};
    window it = {.kernel = (int)weights.shape[2]};
    AN_TRY(read_window(at, node, &it, error));
    AN_TRY(move_window(at, node, &it, &spec.round_up, error));
    spec.kernel = it.kernel;
    spec.stride = it.stride;
    spec.pad = it.begin;
    return add_weights(at, node, &spec, &weights, 2, error);
}

static alexnet_status take_relu(walk *at, const Onnx__NodeProto *node, alexnet_error *error) {
    return add_layer(at, node, &(an_layer_spec){.type = AN_RELU}, error);
}

static alexnet_status take_lrn(walk *at, const Onnx__NodeProto *node, alexnet_error *error) {
    const int64_t size = an_onnx_int(node, "size", 0);
    if (size < 1 || size > MOST_SIDE)
        return an_onnx_fail(at->onnx, node, error, "has a size that no layer here has");
    const an_layer_spec spec = {.type = AN_LRN,
                                .size = (int)size,
                                .alpha = an_onnx_float(node, "alpha", 1e-4f),
                                .beta = an_onnx_float(node, "beta", 0.75f),
                                .k = an_onnx_float(node, "bias", 1),
                                .towers = 1};
    return add_layer(at, node, &spec, error);
}

static alexnet_status take_max_pool(walk *at, const Onnx__NodeProto *node, alexnet_error *error) {
    an_layer_spec spec = {.type = AN_MAX_POOL};
    window it = {0};
    AN_TRY(read_window(at, node, &it, error));
    if (it.begin > 0)
        return an_onnx_fail(at->onnx, node, error, "is padded, which no pooling layer here is");
    AN_TRY(move_window(at, node, &it, &spec.round_up, error));
    spec.kernel = it.kernel;
    spec.stride = it.stride;
    return add_layer(at, node, &spec, error);
}

/* Bin i of U over `side` pixels of adaptive pooling is floor(i * side / U) <= pixel <
 * ceil((i + 1) * side / U). */
static bool are_adaptive_bins(const window *it, int side, int bins) {
    for (int i = 0; i < bins; i++) {
        const int64_t begin = (int64_t)i * side / bins;
        const int64_t end = (((int64_t)i + 1) * side + bins - 1) / bins;
        if (begin != (int64_t)i * it->stride || end != begin + it->kernel)
            return false;
    }
    return true;
}

/* What an exporter makes of adaptive pooling. */
static alexnet_status take_average_pool(walk *at, const Onnx__NodeProto *node,
                                        alexnet_error *error) {
    window it = {0};
    AN_TRY(read_window(at, node, &it, error));
    if (it.kernel == 1 && it.stride == 1 && it.begin == 0 && it.end == 0)
        return ALEXNET_OK;
    const int bins = at->side >= it.kernel ? (at->side - it.kernel) / it.stride + 1 : 0;
    if (bins == 0 || it.begin > 0 || it.end > 0 || !are_adaptive_bins(&it, at->side, bins))
        return an_onnx_fail(at->onnx, node, error, "is not what adaptive pooling becomes");
    at->side = bins;
    return add_layer(at, node, &(an_layer_spec){.type = AN_ADAPTIVE_AVG_POOL, .units = bins},
                     error);
}

/* A matrix (O, I), or where `columns` (I, O), as a fully connected layer. */
static alexnet_status take_matrix(walk *at, const Onnx__NodeProto *node, bool columns,
                                  alexnet_error *error) {
    an_file_tensor weights;
    AN_TRY(an_onnx_tensor(at->onnx, node, an_onnx_input(node, 1), &weights, error));
    if (weights.dims == 2 && columns)
        an_onnx_transpose(&weights);
    if (weights.dims != 2 || weights.shape[0] < 1 || weights.shape[0] > MOST_UNITS)
        return an_onnx_fail(at->onnx, node, error, "has weights that no layer here has");
    const an_layer_spec spec = {.type = AN_FC, .units = (int)weights.shape[0]};
    return add_weights(at, node, &spec, &weights, 2, error);
}

static alexnet_status take_gemm(walk *at, const Onnx__NodeProto *node, alexnet_error *error) {
    if (an_onnx_int(node, "transA", 0) != 0 || an_onnx_float(node, "alpha", 1) != 1 ||
        an_onnx_float(node, "beta", 1) != 1)
        return an_onnx_fail(at->onnx, node, error,
                            "transposes its input or scales, which no layer here does");
    return take_matrix(at, node, an_onnx_int(node, "transB", 0) == 0, error);
}

static alexnet_status take_mat_mul(walk *at, const Onnx__NodeProto *node, alexnet_error *error) {
    return take_matrix(at, node, true, error);
}

/* The biases of the MatMul before. */
static alexnet_status take_add(walk *at, const Onnx__NodeProto *node, alexnet_error *error) {
    const Onnx__NodeProto *layer = at->without_bias;
    const char *first = an_onnx_input(node, 0);
    an_file_tensor values;
    if (!layer || an_onnx_is(layer, "Conv"))
        return an_onnx_fail(at->onnx, node, error, "adds what are no biases of a layer");
    const char *other = strcmp(first, at->value) == 0 ? an_onnx_input(node, 1) : first;
    AN_TRY(an_onnx_tensor(at->onnx, node, other, &values, error));
    at->without_bias = NULL;
    return add_bias(at, layer, &values, error);
}

static alexnet_status take_flatten(walk *at, const Onnx__NodeProto *node, alexnet_error *error) {
    if (an_onnx_int(node, "axis", 1) != 1)
        return an_onnx_fail(at->onnx, node, error, "flattens from another axis than 1 on");
    return ALEXNET_OK;
}

static alexnet_status take_softmax(walk *at, const Onnx__NodeProto *node, alexnet_error *error) {
    (void)node;
    (void)error;
    at->ended = true; /* its input, the logits, is what the network here ends with */
    return ALEXNET_OK;
}

static const struct {
    const char *op_type;
    alexnet_status (*take)(walk *at, const Onnx__NodeProto *node, alexnet_error *error);
} operators[] = {
    {"Conv", take_conv},
    {"Relu", take_relu},
    {"LRN", take_lrn},
    {"MaxPool", take_max_pool},
    {"AveragePool", take_average_pool},
    {"Gemm", take_gemm},
    {"MatMul", take_mat_mul},
    {"Add", take_add},
    {"Flatten", take_flatten},
    {"Softmax", take_softmax},
    {"LogSoftmax", take_softmax},
    {"Reshape", NULL}, /* passed over */
    {"Dropout", NULL},
    {"Identity", NULL},
    {"Cast", NULL},
};

/* Takes one node on data's way. */
static alexnet_status take(walk *at, const Onnx__NodeProto *node, alexnet_error *error) {
    const bool adds = an_onnx_is(node, "Add");
    if (!adds)
        AN_TRY(settle_bias(at, error));
    if (!adds && strcmp(an_onnx_input(node, 0), at->value) != 0)
        return an_onnx_fail(at->onnx, node, error, "takes data where weights are expected");
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (!an_onnx_is(node, operators[i].op_type))
            continue;
        if (at->ended && operators[i].take)
            return an_onnx_fail(at->onnx, node, error, "follows a softmax, as no layer here does");
        return operators[i].take ? operators[i].take(at, node, error) : ALEXNET_OK;
    }
    return an_onnx_fail(at->onnx, node, error,
                        at->file->layer_count == 0
                            ? "prepares pictures within the graph, which is read only of models "
                              "that this project has written"
                            : "is no layer that is known here: the graph must be a chain of Conv, "
                              "Relu, LRN, MaxPool and Gemm");
}

/* The node that takes the value, apart from those that only ask for its shape; *out is NULL where
 * there is none. */
static alexnet_status find_next(walk *at, const Onnx__NodeProto **out, alexnet_error *error) {
    size_t count;
    const an_onnx_entry *entries = an_onnx_find(&at->onnx->consumers, at->value, &count);
    *out = NULL;
    at->seen += count;
    if (at->seen > at->onnx->consumers.count)
        return an_fail(error, ALEXNET_FORMAT, "%s: its nodes run in a circle by way of '%.100s'",
                       at->file->path, at->value);
    for (size_t i = 0; i < count; i++) {
        const Onnx__NodeProto *node = at->onnx->graph->node[entries[i].index];
        if (an_onnx_is(node, "Shape"))
            continue;
        if (*out)
            return an_onnx_fail(at->onnx, node, error,
                                "and %s both take '%.60s': the graph is no chain of layers",
                                an_onnx_node_text(*out).text, at->value);
        *out = node;
    }
    return ALEXNET_OK;
}

/* --- the whole ----------------------------------------------------------------------------- */

/* The one input that is no initialiser (older models list those, too); NULL where there are none or
 * several. */
static const Onnx__ValueInfoProto *find_input(const an_onnx *onnx, size_t *count) {
    const Onnx__ValueInfoProto *only = NULL;
    size_t found;
    *count = 0;
    for (size_t i = 0; i < onnx->graph->n_input; i++) {
        const Onnx__ValueInfoProto *input = onnx->graph->input[i];
        (void)an_onnx_find(&onnx->initialisers, input->name ? input->name : "", &found);
        if (found == 0 && ++*count == 1)
            only = input;
    }
    return *count == 1 && only->name ? only : NULL;
}

/* The side of the pictures; 0 where the model does not fix it. */
static alexnet_status read_side(const an_onnx *onnx, const Onnx__ValueInfoProto *input, int *out,
                                alexnet_error *error) {
    const Onnx__TypeProto__Tensor *type = input->type ? input->type->tensor_type : NULL;
    const Onnx__TensorShapeProto *shape = type ? type->shape : NULL;
    *out = 0;
    if (!shape)
        return ALEXNET_OK;
    int64_t sides[4] = {0};
    for (size_t i = 0; i < shape->n_dim && i < 4; i++)
        sides[i] = shape->dim[i]->dim_value;
    if (shape->n_dim != 4 || (sides[1] != 0 && sides[1] != 3) || sides[2] != sides[3] ||
        sides[2] < 0 || sides[2] > MOST_SIDE)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: its input '%.100s' is no (N, 3, H, W) with square pictures",
                       onnx->file->path, input->name);
    *out = (int)sides[2];
    return ALEXNET_OK;
}

static alexnet_status walk_graph(an_onnx *onnx, alexnet_error *error) {
    const Onnx__NodeProto *node;
    walk at = {.onnx = onnx, .file = onnx->file};
    size_t inputs;
    const Onnx__ValueInfoProto *input = find_input(onnx, &inputs);
    if (!input)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: its graph has %zu inputs, where a network here has one with a name",
                       onnx->file->path, inputs);
    AN_TRY(read_side(onnx, input, &at.side, error));
    if (at.side > 0) {
        char side[16];
        snprintf(side, sizeof side, "%d", at.side);
        AN_TRY(an_metadata_add(&onnx->file->metadata, &onnx->file->metadata_count,
                               AN_KEY_INPUT_SIZE, side, error));
    }
    at.value = input->name;
    for (;;) {
        AN_TRY(find_next(&at, &node, error));
        if (!node)
            break;
        AN_TRY(take(&at, node, error));
        at.value = an_onnx_output(node, 0);
    }
    AN_TRY(settle_bias(&at, error));
    if (onnx->file->layer_count == 0)
        return an_fail(error, ALEXNET_UNSUPPORTED, "%s: no layer takes its input '%.100s'",
                       onnx->file->path, input->name);
    return ALEXNET_OK;
}

/* What describes a network; of other metadata nothing is needed. */
static alexnet_status read_metadata(const an_onnx *onnx, alexnet_error *error) {
    static const char *const keys[] = {AN_KEY_ARCH, AN_KEY_CLASSES, AN_KEY_INPUT_SIZE,
                                       AN_KEY_PREPROCESS, AN_KEY_CLASS_NAMES};
    an_tensor_file *file = onnx->file;
    for (size_t i = 0; i < onnx->model->n_metadata_props; i++) {
        const Onnx__StringStringEntryProto *entry = onnx->model->metadata_props[i];
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            if (!entry->key || strcmp(entry->key, keys[k]) != 0)
                continue;
            if (an_tensor_file_metadata(file, keys[k]))
                return an_fail(error, ALEXNET_FORMAT, "%s: its metadata hold %s twice", file->path,
                               keys[k]);
            AN_TRY(an_metadata_add(&file->metadata, &file->metadata_count, keys[k],
                                   entry->value ? entry->value : "", error));
        }
    }
    return ALEXNET_OK;
}

/* A model that says which network it is: its tensors are called as the parameters. */
static alexnet_status take_parameters(an_onnx *onnx, alexnet_error *error) {
    an_tensor_file *file = onnx->file;
    for (size_t i = 0; i < onnx->graph->n_node; i++) {
        const Onnx__NodeProto *node = onnx->graph->node[i];
        if (!an_onnx_is(node, "Conv") && !an_onnx_is(node, "Gemm"))
            continue;
        for (size_t k = 1; k < node->n_input && k <= 2; k++) {
            an_file_tensor values, *tensor;
            if (file->tensor_count == 2 * MOST_LAYERS)
                return an_onnx_fail(onnx, node, error, "is more than any network here has");
            AN_TRY(an_onnx_tensor(onnx, node, node->input[k], &values, error));
            AN_TRY(an_tensor_file_add(file, node->input[k], &tensor, error));
            values.name = tensor->name;
            *tensor = values;
        }
    }
    return ALEXNET_OK;
}

alexnet_status an_onnx_read(an_tensor_file *file, const uint8_t *bytes, size_t size,
                            alexnet_error *error) {
    an_onnx onnx;
    AN_TRY(an_onnx_open(file, bytes, size, &onnx, error));
    AN_TRY(read_metadata(&onnx, error));
    return an_tensor_file_metadata(file, AN_KEY_ARCH) ? take_parameters(&onnx, error)
                                                      : walk_graph(&onnx, error);
}
