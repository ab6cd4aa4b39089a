/* The ONNX reader against models made by hand, sound and hostile; onnx_interop.py has those of
 * others' tools. */
#include "formats/onnx.h"

#include <stdlib.h>

#include "core/memory.h"
#include "formats/onnx_model.h"
#include "formats/temporary.h"

/* A model's bytes, read from memory that ends where they end. */
typedef struct reading {
    an_tensor_file file;
    uint8_t *bytes;
    size_t size;
    alexnet_error error;
    alexnet_status status;
} reading;

static void read_bytes(reading *it, uint8_t *bytes, size_t size) {
    *it = (reading){.bytes = bytes, .size = size};
    it->file.path = an_string_copy(temporary("model.onnx"));
    it->status = an_onnx_read(&it->file, bytes, size, &it->error);
}

static void read_model(reading *it, const onnx_model *model) {
    size_t size;
    uint8_t *bytes = pack_model(model, &size);
    assert_true(an_onnx_recognise(bytes, size));
    read_bytes(it, bytes, size);
}

static void close_reading(reading *it) {
    an_tensor_file_close(&it->file);
    free(it->bytes);
}

static void assert_read(const reading *it) {
    if (it->status != ALEXNET_OK)
        fail_msg("%s", it->error.message);
}

static float value_at(const reading *it, const char *name, size_t index) {
    const an_file_tensor *tensor = an_tensor_find(&it->file, name);
    assert_non_null(tensor);
    assert_string_equal(tensor->dtype, "F32");
    assert_true((index + 1) * sizeof(float) <= tensor->size);
    float value;
    memcpy(&value, tensor->bytes + index * sizeof value, sizeof value);
    return value;
}

/* --- what is read -------------------------------------------------------------------------- */

static void test_reads_a_chain(void **state) {
    (void)state;
    static const an_layer_type types[] = {AN_CONV, AN_RELU, AN_LRN, AN_MAX_POOL, AN_FC};
    onnx_model *model = make_model();
    reading it;
    read_model(&it, model);
    assert_read(&it);
    assert_int_equal(it.file.layer_count, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(it.file.layers[i].spec.type, types[i]);
    const an_layer_spec *conv = &it.file.layers[0].spec, *norm = &it.file.layers[2].spec;
    const an_layer_spec *pool = &it.file.layers[3].spec;
    assert_int_equal(conv->units, 4);
    assert_int_equal(conv->kernel, 3);
    assert_int_equal(conv->stride, 2);
    assert_int_equal(conv->pad, 0);
    assert_int_equal(conv->groups, 1);
    assert_true(conv->round_up);
    assert_int_equal(norm->size, 3);
    assert_true(norm->alpha == 0.5f && norm->beta == 0.75f && norm->k == 2);
    assert_int_equal(pool->kernel, 2);
    assert_false(pool->round_up);
    assert_int_equal(it.file.layers[4].spec.units, 5);
    assert_int_equal(it.file.tensor_count, 4);
    const an_file_tensor *weight = an_tensor_find(&it.file, "conv.weight");
    assert_non_null(weight);
    assert_int_equal(weight->dims, 4);
    assert_int_equal(weight->shape[1], 3);
    assert_true(weight->bytes > it.bytes && weight->bytes + weight->size <= it.bytes + it.size);
    assert_true(value_at(&it, "conv.weight", 107) == 108);
    assert_true(value_at(&it, "fc.bias", 4) == 5);
    assert_string_equal(an_tensor_file_metadata(&it.file, AN_KEY_INPUT_SIZE), "10");
    close_reading(&it);
    free_model(model);
}

/* Ways to say the same. */
static void use_ceil_mode(onnx_model *m) {
    Onnx__NodeProto *conv = node_of(m, "conv");
    set_ints(m, conv, "pads", 4, (const int64_t[]){0, 0, 0, 0});
    set_int(m, node_of(m, "pool"), "ceil_mode", 1); /* of 4 pixels: 2 either way */
}

static void use_more_nodes(onnx_model *m) {
    add_node(m, "Softmax", "probabilities", "dropped", NULL, NULL);
    add_node(m, "Dropout", "dropped", "fc", NULL, NULL);
    add_node(m, "Shape", "shape", "pool", NULL, NULL);
    node_of(m, "relu")->domain = keep_text(m, "ai.onnx");
    Onnx__NodeProto *average = add_node(m, "AveragePool", "average", "pool", NULL, NULL);
    set_ints(m, average, "kernel_shape", 2, (const int64_t[]){1, 1});
    node_of(m, "flat")->input[0] = keep_text(m, "average");
    Onnx__AttributeProto *pads = set_int(m, node_of(m, "conv"), "auto_pad", 0);
    pads->has_i = 0;
    pads->has_s = 1;
    pads->s = (ProtobufCBinaryData){6, (uint8_t *)keep_text(m, "NOTSET")};
}

static void list_initialisers_as_inputs(onnx_model *m) {
    for (size_t i = 0; i < m->graph.n_initializer; i++)
        add_input(m, m->tensors[i]->name, 0, NULL);
}

static void leave_types_out(onnx_model *m) {
    m->inputs[0]->type = NULL;
    m->graph.name = NULL;
}

static void use_constants(onnx_model *m) {
    Onnx__NodeProto *constant = add_node(m, "Constant", "made", NULL, NULL, NULL);
    set_int(m, constant, "value", 0)->t = tensor_of(m, "conv_b");
    add_node(m, "Identity", "same", "made", NULL, NULL);
    add_node(m, "Cast", "cast", "same", NULL, NULL);
    node_of(m, "conv")->input[2] = keep_text(m, "cast");
    m->graph.n_initializer--; /* fc_b stands in for conv_b, which only the Constant has now */
    m->tensors[1] = m->tensors[3];
}

static void use_typed_fields(onnx_model *m) {
    Onnx__TensorProto *tensor = tensor_of(m, "conv_b");
    tensor->has_float_data = 1;
    tensor->float_data = tensor->raw_data;
    tensor->has_raw_data = 0;
}

static void test_reads_other_forms(void **state) {
    (void)state;
    void (*const forms[])(onnx_model *) = {use_ceil_mode,    use_more_nodes,
                                           use_constants,    leave_types_out,
                                           use_typed_fields, list_initialisers_as_inputs};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        onnx_model *model = make_model();
        forms[i](model);
        reading it;
        read_model(&it, model);
        assert_read(&it);
        assert_int_equal(it.file.layer_count, 5);
        assert_true(value_at(&it, "conv.bias", 3) == 4);
        assert_true(value_at(&it, "fc.bias", 4) == 5);
        close_reading(&it);
        free_model(model);
    }
}

/* A matrix (I, O), and biases that come later or not at all. */
static void test_reads_products(void **state) {
    (void)state;
    onnx_model *model = make_model();
    Onnx__NodeProto *fc = node_of(model, "fc");
    fc->op_type = keep_text(model, "MatMul");
    fc->n_input = 2;
    fc->n_attribute = 0;
    tensor_of(model, "fc_w")->dims[0] = 16;
    tensor_of(model, "fc_w")->dims[1] = 5;
    tensor_of(model, "fc_b")->n_dims = 2;
    tensor_of(model, "fc_b")->dims = keep(model, 2 * sizeof(int64_t));
    tensor_of(model, "fc_b")->dims[0] = 1;
    tensor_of(model, "fc_b")->dims[1] = 5;
    add_node(model, "Add", "sum", "fc_b", "fc", NULL);
    node_of(model, "conv")->n_input = 2;
    reading it;
    read_model(&it, model);
    assert_read(&it);
    const an_file_tensor *weight = an_tensor_find(&it.file, "fc.weight");
    assert_int_equal(weight->shape[0], 5);
    assert_int_equal(weight->shape[1], 16);
    assert_true(weight->strided);
    assert_int_equal(weight->stride[0], 1);
    assert_int_equal(weight->stride[1], 5);
    assert_true(value_at(&it, "fc.bias", 4) == 5);
    assert_int_equal(an_tensor_find(&it.file, "fc.bias")->dims, 1);
    assert_true(value_at(&it, "conv.bias", 0) == 0 && value_at(&it, "conv.bias", 3) == 0);
    close_reading(&it);
    free_model(model);
}

/* Halves as numbers, used twice. */
static void test_reads_halves(void **state) {
    (void)state;
    onnx_model *model = make_model();
    Onnx__TensorProto *tensor = tensor_of(model, "conv_b");
    tensor->data_type = FLOAT16;
    tensor->has_raw_data = 0;
    tensor->n_int32_data = 4;
    tensor->int32_data = keep(model, 4 * sizeof(int32_t));
    for (int i = 0; i < 4; i++)
        tensor->int32_data[i] = 0x3c00 + i;
    add_node(model, "Relu", "relu2", "fc", NULL, NULL);
    add_tensor(model, "second_w", 2, (const int64_t[]){4, 5});
    set_int(model, add_node(model, "Gemm", "second", "relu2", "second_w", "conv_b"), "transB", 1);
    reading it;
    read_model(&it, model);
    assert_read(&it);
    static const char *const names[] = {"conv.bias", "second.bias"};
    for (int i = 0; i < 2; i++) {
        const an_file_tensor *bias = an_tensor_find(&it.file, names[i]);
        const uint16_t expected[] = {0x3c00, 0x3c01, 0x3c02, 0x3c03};
        assert_string_equal(bias->dtype, "F16");
        assert_memory_equal(bias->bytes, expected, sizeof expected);
    }
    close_reading(&it);
    free_model(model);
}

static void test_reads_external_data(void **state) {
    (void)state;
    const float values[] = {0, 11, 12, 13, 14, 0};
    write_temporary("weights.bin", values, sizeof values);
    static const struct {
        const char *location, *offset, *length, *part; /* NULL: it is read */
    } cases[] = {
        {"weights.bin", "4", "16", NULL},
        {"weights.bin", "4", NULL, NULL},
        {"weights.bin", "8", "16", NULL},
        {"weights.bin", "9", "16", "not copied whole"},
        {"weights.bin", "25", NULL, "not copied whole"},
        {"weights.bin", "18446744073709551600", "16", "not copied whole"},
        {"weights.bin", "18446744073709551616", "16", "no number"},
        {"weights.bin", "-4", "16", "no number"},
        {"weights.bin", "", "16", "no number"},
        {"weights.bin", "0", "12", "length"},
        {"none.bin", "0", "16", "none.bin"},
        {NULL, "0", "16", "without folders"},
        {"", "0", "16", "without folders"},
        {".", "0", "16", "without folders"},
        {"..", "0", "16", "without folders"},
        {"../weights.bin", "0", "16", "without folders"},
        {"/etc/passwd", "0", "16", "without folders"},
        {"a\\weights.bin", "0", "16", "without folders"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        onnx_model *model = make_model();
        put_outside(model, "conv_b", cases[i].location, cases[i].offset, cases[i].length);
        reading it;
        read_model(&it, model);
        if (cases[i].part && (it.status == ALEXNET_OK || !strstr(it.error.message, cases[i].part)))
            fail_msg("case %zu: \"%s\" lacks \"%s\"", i, it.error.message, cases[i].part);
        if (!cases[i].part) {
            assert_read(&it);
            assert_true(value_at(&it, "conv.bias", 1) >= 12);
            assert_int_equal(it.file.mapping_count, 1);
        }
        close_reading(&it);
        free_model(model);
    }
}

/* --- what is refused ----------------------------------------------------------------------- */

static void branch(onnx_model *m) {
    add_node(m, "Relu", "side", "conv", NULL, NULL);
}
static void circle(onnx_model *m) {
    node_of(m, "conv")->input[0] = keep_text(m, "z");
    add_node(m, "Identity", "a", "x", NULL, NULL);
    add_node(m, "Identity", "x", "a", NULL, NULL);
}
static void unknown_operator(onnx_model *m) {
    node_of(m, "relu")->op_type = keep_text(m, "Sigmoid");
}
static void control_flow(onnx_model *m) {
    node_of(m, "relu")->op_type = keep_text(m, "Loop");
}
static void other_domain(onnx_model *m) {
    node_of(m, "relu")->domain = keep_text(m, "com.example");
}
static void prepared(onnx_model *m) {
    add_node(m, "Sub", "centred", "x", "conv_b", NULL);
    node_of(m, "conv")->input[0] = keep_text(m, "centred");
}
static void two_inputs(onnx_model *m) {
    add_input(m, "z", 0, NULL);
}
static void no_inputs(onnx_model *m) {
    m->graph.n_input = 0;
}
static void unused_input(onnx_model *m) {
    m->inputs[0]->name = keep_text(m, "z");
}
static void oblong_input(onnx_model *m) {
    m->inputs[0]->type->tensor_type->shape->dim[2]->dim_value = 11;
}
static void negative_input(onnx_model *m) {
    m->inputs[0]->type->tensor_type->shape->dim[2]->dim_value = -1;
    m->inputs[0]->type->tensor_type->shape->dim[3]->dim_value = -1;
}
static void channels_last(onnx_model *m) {
    m->inputs[0]->type->tensor_type->shape->dim[1]->dim_value = 10;
}
static void negative_dimension(onnx_model *m) {
    tensor_of(m, "conv_w")->dims[0] = -4;
}
static void huge_dimensions(onnx_model *m) {
    tensor_of(m, "conv_w")->dims[0] = tensor_of(m, "conv_w")->dims[1] = INT64_MAX;
}
static void overflowing_dimensions(onnx_model *m) {
    for (int i = 0; i < 4; i++) /* 2^64 values: 0 where that overflows */
        tensor_of(m, "conv_w")->dims[i] = 1 << 16;
    tensor_of(m, "conv_w")->raw_data.len = 0;
}
static void many_dimensions(onnx_model *m) {
    Onnx__TensorProto *tensor = tensor_of(m, "conv_b");
    tensor->n_dims = 9;
    tensor->dims = keep(m, 9 * sizeof *tensor->dims);
}
static void short_data(onnx_model *m) {
    tensor_of(m, "conv_w")->raw_data.len -= 4;
}
static void no_data(onnx_model *m) {
    tensor_of(m, "conv_w")->has_raw_data = 0;
}
static void whole_numbers(onnx_model *m) {
    tensor_of(m, "conv_w")->data_type = INT64;
}
static void same_initialisers(onnx_model *m) {
    tensor_of(m, "fc_b")->name = keep_text(m, "conv_b");
}
static void same_outputs(onnx_model *m) {
    node_of(m, "relu")->output[0] = keep_text(m, "conv");
}
static void missing_weights(onnx_model *m) {
    tensor_of(m, "conv_w")->name = keep_text(m, "other");
}
static void computed_weights(onnx_model *m) {
    add_node(m, "Mul", "product", "conv_w", "conv_w", NULL);
    node_of(m, "conv")->input[1] = keep_text(m, "product");
}
static void circular_weights(onnx_model *m) {
    add_node(m, "Identity", "a", "b", NULL, NULL);
    add_node(m, "Identity", "b", "a", NULL, NULL);
    node_of(m, "conv")->input[1] = keep_text(m, "a");
}
static void data_as_weights(onnx_model *m) {
    node_of(m, "conv")->input[0] = keep_text(m, "conv_w");
    node_of(m, "conv")->input[1] = keep_text(m, "x");
}
static void wrong_bias(onnx_model *m) {
    node_of(m, "conv")->input[2] = keep_text(m, "fc_b");
}
static void not_utf8(onnx_model *m) {
    node_of(m, "conv")->name = keep_text(m, "conv\xff");
}
static void automatic_pads(onnx_model *m) {
    Onnx__AttributeProto *pads = set_int(m, node_of(m, "conv"), "auto_pad", 0);
    pads->has_s = 1;
    pads->s = (ProtobufCBinaryData){10, (uint8_t *)keep_text(m, "SAME_UPPER")};
}
static void dilated(onnx_model *m) {
    set_ints(m, node_of(m, "conv"), "dilations", 2, (const int64_t[]){2, 2});
}
static void oblong_strides(onnx_model *m) {
    set_ints(m, node_of(m, "conv"), "strides", 2, (const int64_t[]){2, 1});
}
static void no_strides(onnx_model *m) {
    set_ints(m, node_of(m, "conv"), "strides", 2, (const int64_t[]){0, 0});
}
static void huge_pads(onnx_model *m) {
    set_ints(m, node_of(m, "conv"), "pads", 4, (const int64_t[]){INT64_MAX, 1, 1, 1});
}
static void pads_of_a_line(onnx_model *m) {
    set_ints(m, node_of(m, "conv"), "pads", 2, (const int64_t[]){1, 1});
}
static void pads_at_the_beginning(onnx_model *m) {
    set_ints(m, node_of(m, "conv"), "pads", 4, (const int64_t[]){1, 1, 0, 0});
}
static void other_kernel(onnx_model *m) {
    set_ints(m, node_of(m, "conv"), "kernel_shape", 2, (const int64_t[]){5, 5});
}
static void padded_pool(onnx_model *m) {
    set_ints(m, node_of(m, "pool"), "pads", 4, (const int64_t[]){1, 1, 1, 1});
}
static void too_large_a_pool(onnx_model *m) {
    set_ints(m, node_of(m, "pool"), "kernel_shape", 2, (const int64_t[]){6, 6});
}
static void no_groups(onnx_model *m) {
    set_int(m, node_of(m, "conv"), "group", 0);
}
static void scaled(onnx_model *m) {
    set_float(m, node_of(m, "fc"), "alpha", 0.5f);
}
static void average(onnx_model *m) {
    Onnx__NodeProto *node = add_node(m, "AveragePool", "average", "pool", NULL, NULL);
    set_ints(m, node, "kernel_shape", 2, (const int64_t[]){2, 2});
    set_ints(m, node, "strides", 2, (const int64_t[]){1, 1});
    set_ints(m, node, "pads", 4, (const int64_t[]){1, 1, 1, 1});
    node_of(m, "flat")->input[0] = keep_text(m, "average");
}
static void flatten_all(onnx_model *m) {
    set_int(m, node_of(m, "flat"), "axis", 0);
}
static void layer_behind_softmax(onnx_model *m) {
    add_node(m, "Softmax", "soft", "fc", NULL, NULL);
    add_node(m, "Relu", "end", "soft", NULL, NULL);
}
static void sum_of_data(onnx_model *m) {
    add_node(m, "Add", "sum", "fc", "fc_b", NULL);
}
static void no_layers(onnx_model *m) {
    m->graph.n_node = 1;
    m->nodes[0]->op_type = keep_text(m, "Identity");
}
static void no_graph(onnx_model *m) {
    m->model.graph = NULL;
}
static void no_nodes(onnx_model *m) {
    m->graph.n_node = 0;
}
static void no_output(onnx_model *m) {
    node_of(m, "fc")->n_output = 0;
}
static void metadata_twice(onnx_model *m) {
    add_metadata(m, AN_KEY_ARCH, "alexnet");
    add_metadata(m, AN_KEY_ARCH, "torchvision");
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        void (*change)(onnx_model *);
        alexnet_status status;
        const char *part;
    } cases[] = {
        {branch, ALEXNET_UNSUPPORTED, "no chain"},
        {circle, ALEXNET_FORMAT, "circle"},
        {unknown_operator, ALEXNET_UNSUPPORTED, "node 'relu' (Sigmoid) is no layer"},
        {control_flow, ALEXNET_UNSUPPORTED, "node 'relu' (Loop)"},
        {other_domain, ALEXNET_UNSUPPORTED, "node 'relu' (Relu) is no layer"},
        {prepared, ALEXNET_UNSUPPORTED, "node 'centred' (Sub) prepares pictures"},
        {two_inputs, ALEXNET_UNSUPPORTED, "2 inputs"},
        {no_inputs, ALEXNET_UNSUPPORTED, "0 inputs"},
        {unused_input, ALEXNET_UNSUPPORTED, "no layer takes its input 'z'"},
        {oblong_input, ALEXNET_UNSUPPORTED, "square"},
        {negative_input, ALEXNET_UNSUPPORTED, "square"},
        {channels_last, ALEXNET_UNSUPPORTED, "(N, 3, H, W)"},
        {negative_dimension, ALEXNET_FORMAT, "'conv_w' has an impossible shape"},
        {huge_dimensions, ALEXNET_FORMAT, "impossible shape"},
        {overflowing_dimensions, ALEXNET_FORMAT, "impossible shape"},
        {many_dimensions, ALEXNET_FORMAT, "8 dimensions"},
        {short_data, ALEXNET_FORMAT, "holds 428 bytes"},
        {no_data, ALEXNET_FORMAT, "holds 0 bytes"},
        {whole_numbers, ALEXNET_UNSUPPORTED, "data type 7"},
        {same_initialisers, ALEXNET_FORMAT, "two initialisers are called 'conv_b'"},
        {same_outputs, ALEXNET_FORMAT, "two nodes have the output 'conv'"},
        {missing_weights, ALEXNET_UNSUPPORTED, "'conv_w', which is no tensor"},
        {computed_weights, ALEXNET_UNSUPPORTED, "'product', which is no tensor"},
        {circular_weights, ALEXNET_UNSUPPORTED, "'a', which is no tensor"},
        {data_as_weights, ALEXNET_UNSUPPORTED, "data where weights are expected"},
        {wrong_bias, ALEXNET_UNSUPPORTED, "adds 5 values to 4 units"},
        {not_utf8, ALEXNET_FORMAT, "not UTF-8"},
        {automatic_pads, ALEXNET_UNSUPPORTED, "auto_pad"},
        {dilated, ALEXNET_UNSUPPORTED, "dilations 2"},
        {oblong_strides, ALEXNET_UNSUPPORTED, "strides 2 x 1"},
        {no_strides, ALEXNET_UNSUPPORTED, "strides 0"},
        {huge_pads, ALEXNET_UNSUPPORTED, "pads 9223372036854775807"},
        {pads_of_a_line, ALEXNET_UNSUPPORTED, "2 values of pads"},
        {pads_at_the_beginning, ALEXNET_UNSUPPORTED, "pads that no layer"},
        {other_kernel, ALEXNET_UNSUPPORTED, "another than its weights"},
        {padded_pool, ALEXNET_UNSUPPORTED, "is padded"},
        {too_large_a_pool, ALEXNET_UNSUPPORTED, "pads that no layer"},
        {no_groups, ALEXNET_UNSUPPORTED, "groups"},
        {scaled, ALEXNET_UNSUPPORTED, "scales"},
        {average, ALEXNET_UNSUPPORTED, "adaptive pooling"},
        {flatten_all, ALEXNET_UNSUPPORTED, "another axis"},
        {layer_behind_softmax, ALEXNET_UNSUPPORTED, "follows a softmax"},
        {sum_of_data, ALEXNET_UNSUPPORTED, "no biases"},
        {no_layers, ALEXNET_UNSUPPORTED, "no layer takes"},
        {no_graph, ALEXNET_FORMAT, "without a graph"},
        {no_nodes, ALEXNET_FORMAT, "without a graph"},
        {no_output, ALEXNET_UNSUPPORTED, "usable length"},
        {metadata_twice, ALEXNET_FORMAT, "alexnet.arch twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        onnx_model *model = make_model();
        cases[i].change(model);
        reading it;
        read_model(&it, model);
        if (it.status != cases[i].status || !strstr(it.error.message, cases[i].part) ||
            !strstr(it.error.message, "model.onnx"))
            fail_msg("case %zu: status %d, \"%s\" lacks \"%s\"", i, (int)it.status,
                     it.error.message, cases[i].part);
        close_reading(&it);
        free_model(model);
    }
}

/* Cut off anywhere it is refused; with any one bit changed it is read or refused, no more. */
static void test_damaged(void **state) {
    (void)state;
    onnx_model *model = make_model();
    size_t size;
    uint8_t *whole = pack_model(model, &size);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *part = malloc(cut ? cut : 1);
        memcpy(part, whole, cut);
        reading it;
        read_bytes(&it, part, cut);
        assert_int_equal(it.status, ALEXNET_FORMAT);
        close_reading(&it);
        for (int bit = 0; bit < 8; bit++) {
            part = malloc(size);
            memcpy(part, whole, size);
            part[cut] ^= (uint8_t)(1 << bit);
            read_bytes(&it, part, size);
            close_reading(&it);
        }
    }
    free(whole);
    free_model(model);
}

static void test_recognises(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        bool expected;
    } cases[] = {{"\x08\x07\x12", 3, true},  {"\x08\x03\x3a", 3, true},  {"\x08\x03\x28", 3, true},
                 {"\x08\x03\x2a", 3, false}, {"\x08\x00\x12", 3, false}, {"\x0a\x07\x12", 3, false},
                 {"\x08\x07", 2, false},     {"\x08\x07\x6a", 3, false}, {"", 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(an_onnx_recognise((const uint8_t *)cases[i].bytes, cases[i].size),
                         cases[i].expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recognises),        cmocka_unit_test(test_reads_a_chain),
        cmocka_unit_test(test_reads_other_forms), cmocka_unit_test(test_reads_products),
        cmocka_unit_test(test_reads_halves),      cmocka_unit_test(test_reads_external_data),
        cmocka_unit_test(test_refusals),          cmocka_unit_test(test_damaged),

    };
    return cmocka_run_group_tests(tests, make_temporary_folder, remove_temporary_folder);
}
