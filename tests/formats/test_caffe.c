/* The reader of caffemodels, on messages made by hand; caffe_interop.py has what Python makes. */
#include <stdlib.h>

#include "formats/caffe_messages.h"
#include "formats/temporary.h"
#include "formats/weights.h"

static double value_of(const an_file_tensor *tensor, size_t index) {
    float narrow;
    double wide;
    if (strcmp(tensor->dtype, "F64") == 0) {
        memcpy(&wide, tensor->bytes + index * sizeof wide, sizeof wide);
        return wide;
    }
    memcpy(&narrow, tensor->bytes + index * sizeof narrow, sizeof narrow);
    return (double)narrow;
}

static void check_tensor(const an_tensor_file *file, const char *name, const int *shape) {
    const an_file_tensor *tensor = an_tensor_find(file, name);
    size_t count;
    assert_non_null(tensor);
    for (int i = 0; i < tensor->dims || shape[i]; i++)
        assert_int_equal(tensor->shape[i], shape[i]);
    assert_true(an_count_elements(tensor->shape, tensor->dims, &count));
    for (size_t i = 0; i < count; i++)
        assert_true(value_of(tensor, i) == (double)i + 1);
}

static void test_reads_every_form(void **state) {
    (void)state;
    static const unsigned forms[] = {packed_form,
                                     tagged_form,
                                     runs_form,
                                     packed_form | old_shape,
                                     tagged_form | old_shape,
                                     wide_form,
                                     wide_form | packed_form | old_shape};
    static const an_layer_type types[] = {AN_CONV, AN_RELU, AN_LRN, AN_MAX_POOL, AN_DROPOUT, AN_FC};
    const version *versions[] = {&v1, &v2};
    for (size_t i = 0; i < 2 * sizeof forms / sizeof *forms; i++) {
        an_tensor_file file;
        make_net(versions[i % 2], forms[i / 2]);
        assert_true(an_caffe_recognise(net.bytes, net.size));
        assert_ok(read_net(&file, error));
        assert_int_equal(file.tensor_count, 4);
        check_tensor(&file, "conv1.weight", SHAPE(2, 3, 2, 2));
        check_tensor(&file, "conv1.bias", SHAPE(2));
        check_tensor(&file, "fc.weight", SHAPE(5, 4));
        check_tensor(&file, "fc.bias", SHAPE(5));
        const bool wide = forms[i / 2] & wide_form; /* before `data`, where both are there */
        assert_string_equal(an_tensor_find(&file, "fc.weight")->dtype, wide ? "F64" : "F32");
        const bool in_place = !(forms[i / 2] & (tagged_form | runs_form));
        assert_int_equal(file.content == NULL, in_place);
        assert_int_equal(file.layer_count, 6);
        for (size_t l = 0; l < 6; l++)
            assert_int_equal(file.layers[l].spec.type, types[l]);
        const an_layer_spec *conv = &file.layers[0].spec, *lrn = &file.layers[2].spec;
        assert_true(conv->units == 2 && conv->pad == 1 && conv->kernel == 2 && conv->stride == 3);
        assert_int_equal(conv->groups, 1);
        assert_true(lrn->size == 3 && lrn->alpha == 0.5f && lrn->beta == 0.75f && lrn->k == 2);
        assert_true(file.layers[3].spec.kernel == 3 && file.layers[3].spec.stride == 2);
        assert_int_equal(file.layers[5].spec.units, 5);
        assert_string_equal(an_tensor_file_metadata(&file, AN_KEY_INPUT_SIZE), "227");
        an_tensor_file_close(&file);
    }
}

static void test_layers_unknown_here(void **state) {
    (void)state;
    static const struct {
        const char *type;
        unsigned parameter; /* 0: none */
        pair pairs[4];
        const char *part;
    } cases[] = {
        {"Sigmoid", 0, {{0}}, "layer 'it' (Sigmoid) is of a type, which no network here has"},
        {"Convolution", 0, {{0}}, "layer 'it' (Convolution) has no sizes"},
        {"Convolution", 106, {{1, 2}, {4, 3}, {18, 2}}, "is dilated"},
        {"Convolution", 106, {{1, 2}, {4, 3}, {16, 2}}, "along other axes"},
        {"Convolution", 106, {{1, 2}, {11, 3}, {12, 5}}, "has a kernel of 3 x 5"},
        {"Convolution", 106, {{1, 2}, {4, 3}, {4, 5}}, "has a kernel of 3 x 5"},
        {"Convolution", 106, {{4, 3}, {4, 3}, {4, 3}}, "has a kernel of 3 x 3"},
        {"Convolution", 106, {{1, 2}, {4, 3}, {13, 4}}, "has a stride of 4 x 1"},
        {"Convolution", 106, {{1, 2}, {4, 3}, {3, 4294967295}}, "has a pad of 4294967295"},
        {"Convolution", 106, {{1, 4294967295}, {4, 3}}, "has 4294967295 outputs"},
        {"InnerProduct", 117, {{1, 2}, {5, 2}}, "along another axis"},
        {"InnerProduct", 117, {{1, 2000000}}, "has 2000000 outputs"},
        {"InnerProduct", 0, {{0}}, "has no sizes"},
        {"Pooling", 0, {{0}}, "has no sizes"},
        {"Pooling", 121, {{1, 1}, {2, 3}}, "does not take the maximum"},
        {"Pooling", 121, {{2, 3}, {4, 1}}, "pads"},
        {"Pooling", 121, {{12, 1}}, "pools whole maps"},
        {"LRN", 118, {{1, 4294967295}}, "window"},
        {"ReLU", 123, {{1, 0}}, "is a varint"}, /* where a float should be */
    };
    an_tensor_file file;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        net.size = 0;
        begin_layer(&layer, &v2, "it", cases[i].type, "data", "it");
        if (cases[i].parameter)
            put_pairs(&layer, cases[i].parameter, cases[i].pairs);
        end_layer(&v2);
        const bool damaged = strcmp(cases[i].part, "is a varint") == 0;
        assert_fails(read_net(&file, error), damaged ? ALEXNET_FORMAT : ALEXNET_UNSUPPORTED,
                     cases[i].part);
    }
    static message inner;
    inner.size = net.size = 0;
    put_float(&inner, 1, 0.1f);
    begin_layer(&layer, &v2, "it", "ReLU", "data", "it");
    put_message(&layer, v2.relu, &inner);
    end_layer(&v2);
    assert_fails(read_net(&file, error), ALEXNET_UNSUPPORTED, "leaks");
    net.size = 0;
    put_layer(&v1, "it", "Sigmoid", "data", "it");
    assert_fails(read_net(&file, error), ALEXNET_UNSUPPORTED, "'it' (Sigmoid) is of a type");
    net.size = 0;
    put_layer(&v1, "it", "?", "data", "it");
    assert_fails(read_net(&file, error), ALEXNET_UNSUPPORTED, "of an unknown number");
}

static void test_chains(void **state) {
    (void)state;
    an_tensor_file file;
    net.size = 0; /* a layer that takes its input from beside the chain */
    put_layer(&v2, "a", "ReLU", "data", "a");
    put_layer(&v2, "b", "ReLU", "a", "b");
    put_layer(&v2, "c", "ReLU", "a", "c");
    assert_fails(read_net(&file, error), ALEXNET_UNSUPPORTED,
                 "layer 'c' takes 'a', where the one before makes 'b'");
    net.size = 0;
    put_layer(&v2, "a", "ReLU", "data", "a");
    put_layer(&v2, "a", "ReLU", "a", "b");
    assert_fails(read_net(&file, error), ALEXNET_FORMAT, "two layers are called 'a'");
    net.size = 0; /* what is made of scores is no part of the chain */
    put_layer(&v2, "a", "ReLU", "data", "a");
    put_layer(&v2, "prob", "Softmax", "a", "prob");
    put_layer(&v2, "b", "ReLU", "prob", "b");
    assert_fails(read_net(&file, error), ALEXNET_UNSUPPORTED, "'prob', where");
    net.size = 0;
    begin_layer(&layer, &v2, "a", "ReLU", "x", "a");
    put_text(&layer, v2.bottom, "y");
    end_layer(&v2);
    assert_fails(read_net(&file, error), ALEXNET_UNSUPPORTED, "one input");
    net.size = 0; /* a copy of something else is passed over; 17 copies are too many */
    put_layer(&v2, "split", "Split", "label", "label_0");
    put_layer(&v2, "a", "ReLU", "data", "a");
    begin_layer(&layer, &v2, "split2", "Split", "a", NULL);
    for (int i = 0; i < 16; i++)
        put_text(&layer, v2.top, "copy");
    end_layer(&v2);
    assert_fails(read_net(&file, error), ALEXNET_UNSUPPORTED, "more copies");
    make_net(&v2, packed_form);
    put_layer(&v1, "x", "ReLU", "fc", "fc");
    assert_fails(read_net(&file, error), ALEXNET_FORMAT, "two versions");
    net.size = 0;
    put_layer(&v2, "data", "Data", NULL, "data");
    assert_fails(read_net(&file, error), ALEXNET_FORMAT, "not a caffemodel with layers");
    net.size = 0;
    begin_layer(&layer, &v1, "it", "ReLU", NULL, "top");
    put_text(&layer, 1, "a V0LayerParameter");
    end_layer(&v1);
    assert_fails(read_net(&file, error), ALEXNET_UNSUPPORTED, "until 2013");
}

/* A layer is in the network of the test phase or not. */
static void test_phases(void **state) {
    (void)state;
    static const struct {
        bool exclude;
        pair rule[3]; /* phase 1 (TRAIN 0), min_level 2, max_level 3 */
        bool there;
    } cases[] = {
        {false, {{1, 0}}, false}, {false, {{1, 1}}, true},           {true, {{1, 0}}, true},
        {true, {{1, 1}}, false},  {false, {{2, 1}}, false},          {false, {{2, 0}}, true},
        {false, {{3, 0}}, true},  {false, {{3, UINT64_MAX}}, false}, {true, {{2, 1}}, true},
    };
    an_tensor_file file;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        net.size = 0;
        put_layer(&v2, "a", "ReLU", "data", "a");
        begin_layer(&layer, &v2, "b", "Sigmoid", "a", "b");
        put_pairs(&layer, cases[i].exclude ? v2.exclude : v2.include, cases[i].rule);
        end_layer(&v2);
        if (cases[i].there) {
            assert_fails(read_net(&file, error), ALEXNET_UNSUPPORTED, "'b' (Sigmoid)");
        } else {
            assert_ok(read_net(&file, error));
            assert_int_equal(file.layer_count, 1);
            an_tensor_file_close(&file);
        }
    }
}

static void test_transposed(void **state) {
    (void)state;
    an_tensor_file file;
    net.size = 0;
    begin_layer(&layer, &v2, "fc", "InnerProduct", "data", "fc");
    put_pairs(&layer, v2.inner_product, PAIRS({1, 2}, {6, 1}));
    put_blob(&layer, v2.blobs, SHAPE(3, 2), packed_form);
    end_layer(&v2);
    assert_ok(read_net(&file, error));
    const an_file_tensor *weight = an_tensor_find(&file, "fc.weight");
    assert_true(weight->dims == 2 && weight->shape[0] == 2 && weight->shape[1] == 3);
    assert_true(weight->strided && weight->stride[0] == 1 && weight->stride[1] == 2);
    an_tensor_file_close(&file);
}

/* What a net of the data layer put before and a convolution says. */
static an_preprocess preprocess_of(const char *side) {
    an_tensor_file file;
    put_convolution(&v2, "conv1", "data", packed_form);
    assert_ok(read_net(&file, error));
    assert_string_equal(an_tensor_file_metadata(&file, AN_KEY_INPUT_SIZE), side);
    an_preprocess preprocess = {.crop = atoi(side)};
    assert_ok(an_preprocess_parse("made", an_tensor_file_metadata(&file, AN_KEY_PREPROCESS),
                                  &preprocess, error));
    an_tensor_file_close(&file);
    assert_true(preprocess.bgr);
    assert_true(preprocess.std[0] == 1 && preprocess.std[1] == 1 && preprocess.std[2] == 1);
    return preprocess;
}

static void test_preprocessing(void **state) {
    (void)state;
    static const float means[] = {101, 102, 103}, grey[] = {7};
    an_preprocess p;
    net.size = 0;
    p = preprocess_of("227"); /* nothing said: BVLC's */
    assert_true(p.scale == 1 && p.resize == 256);
    assert_true(p.mean[0] == 104.007f && p.mean[1] == 116.669f && p.mean[2] == 122.679f);
    net.size = 0;
    put_data_layer(&v2, means, 3, 1, 224);
    p = preprocess_of("224");
    assert_true(p.mean[0] == 101 && p.mean[1] == 102 && p.mean[2] == 103);
    net.size = 0;
    put_data_layer(&v2, means, 3, 0.5f, 0); /* the means go first, then the scale comes */
    p = preprocess_of("227");
    assert_true(p.scale == 0.5f && p.mean[0] == 50.5f && p.mean[2] == 51.5f);
    net.size = 0;
    put_data_layer(&v2, grey, 1, 1, 300);
    p = preprocess_of("300");
    assert_true(p.resize == 339 && p.mean[0] == 7 && p.mean[2] == 7);
    net.size = 0; /* as until 2014, and only the first data layer counts */
    begin_layer(&layer, &v2, "data", "Data", NULL, "data");
    static message data;
    data.size = 0;
    put_float(&data, 2, 2);
    put_text(&data, 3, "mean.binaryproto");
    put_number(&data, 5, 224);
    put_message(&layer, v2.data, &data);
    end_layer(&v2);
    put_data_layer(&v2, means, 3, 1, 300);
    p = preprocess_of("224");
    assert_true(p.scale == 2 && p.mean[0] == 2 * 104.007f);

    net.size = 0; /* sizes of the input: of a net, of an Input layer, as four numbers */
    for (int i = 0; i < 4; i++)
        put_number(&net, 4, i < 2 ? 3 : 240);
    (void)preprocess_of("240");
    static message shape, input;
    shape.size = input.size = net.size = 0;
    put_bytes(&shape, 1, "\x01\x03\x64\x64", 4);
    put_message(&input, 1, &shape);
    put_message(&net, 8, &shape);
    (void)preprocess_of("100");
    net.size = 0;
    begin_layer(&layer, &v2, "data", "Input", NULL, "data");
    put_message(&layer, 143, &input);
    end_layer(&v2);
    (void)preprocess_of("100");
}

/* --- recognition --------------------------------------------------------------------------- */

static void test_not_recognised(void **state) {
    (void)state;
    static const char *const others[] = {
        "",
        "\n",
        "\n\x05small",
        "PK\x03\x04 zip",
        "{\"weight_map\":{}}",
        "layers {\n",
        "\x08\x07\x12\x07pytorch:\x02", /* the beginning of an ONNX model */
        "\x12\x03\x0a\x01x" /* a V1 layer without a name */};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(an_caffe_recognise((const uint8_t *)others[i], strlen(others[i])));
    make_net(&v2, packed_form);
    for (size_t size = 20; size < net.size; size++) /* it is one, if not whole */
        assert_true(an_caffe_recognise(net.bytes, size));
}

static void write_varint(FILE *file, uint64_t value) {
    message m = {.size = 0};
    put_varint(&m, value);
    fwrite(m.bytes, 1, m.size, file);
}

static size_t varint_size(uint64_t value) {
    size_t size = 1;
    for (; value >= 0x80; value >>= 7)
        size++;
    return size;
}

/* A layer with blobs of zeros, which are holes in the file. */
static void write_layer(FILE *file, const version *v, const an_network *network, int index) {
    const an_layer *it = &network->layers[index];
    const int parameters[] = {it->weight, it->bias};
    static message blobs[2];
    size_t size = layer.size, zeros[2] = {0};
    for (int i = 0; i < 2 && it->weight >= 0; i++) {
        const an_parameter *p = &network->parameters[parameters[i]];
        blobs[i].size = 0;
        for (int d = 0; d < 4; d++)
            put_number(&blobs[i], (unsigned)d + 1,
                       d < 4 - p->dims ? 1 : (uint64_t)p->shape[d - (4 - p->dims)]);
        zeros[i] = p->count * sizeof(float);
        put_varint(&blobs[i], 5 << 3 | 2);
        put_varint(&blobs[i], zeros[i]);
        size += 1 + varint_size(blobs[i].size + zeros[i]) + blobs[i].size + zeros[i];
    }
    write_varint(file, v->layer << 3 | 2);
    write_varint(file, size);
    fwrite(layer.bytes, 1, layer.size, file);
    for (int i = 0; i < 2 && it->weight >= 0; i++) {
        write_varint(file, v->blobs << 3 | 2);
        write_varint(file, blobs[i].size + zeros[i]);
        fwrite(blobs[i].bytes, 1, blobs[i].size, file);
        assert_int_equal(fseek(file, (long)zeros[i], SEEK_CUR), 0);
    }
}

static void describe(message *m, const version *v, const an_layer_spec *spec) {
    static message inner;
    inner.size = 0;
    switch (spec->type) {
    case AN_CONV:
        put_pairs(m, v->convolution,
                  PAIRS({1, (uint64_t)spec->units}, {3, (uint64_t)spec->pad},
                        {4, (uint64_t)spec->kernel}, {5, (uint64_t)spec->groups},
                        {6, (uint64_t)spec->stride}));
        break;
    case AN_FC:
        put_pairs(m, v->inner_product, PAIRS({1, (uint64_t)spec->units}));
        break;
    case AN_MAX_POOL:
        put_pairs(m, v->pooling, PAIRS({1, 0}, {2, 3}, {3, 2}));
        break;
    case AN_LRN:
        put_number(&inner, 1, (uint64_t)spec->size);
        put_float(&inner, 2, spec->alpha);
        put_float(&inner, 3, spec->beta);
        if (spec->k != 1) /* Caffe's default, which older files do not name */
            put_float(&inner, 5, spec->k);
        put_message(m, v->lrn, &inner);
        break;
    default:
        break;
    }
}

/* Each network that Caffe can express is found by its layers, whatever they are called. */
static void test_recognises_networks(void **state) {
    (void)state;
    static const char *const archs[] = {"caffe-alexnet", "caffenet",    "alexnet",
                                        "alexnet-code",  "torchvision", "darknet"};
    static const struct {
        an_layer_type type;
        const char *name;
    } types[] = {{AN_CONV, "Convolution"}, {AN_FC, "InnerProduct"}, {AN_MAX_POOL, "Pooling"},
                 {AN_LRN, "LRN"},          {AN_RELU, "ReLU"},       {AN_DROPOUT, "Dropout"}};
    for (size_t a = 0; a < 2 * sizeof archs / sizeof *archs; a++) {
        const version *v = a % 2 ? &v2 : &v1;
        const an_arch *arch;
        an_network network;
        char top[40] = "data", name[40];
        assert_ok(an_arch_find(archs[a / 2], &arch, error));
        assert_ok(an_network_build(arch, 10, 227, &network, error));
        const char *path = temporary("whole.caffemodel");
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        for (int i = 0; i < network.layer_count; i++) {
            const an_layer_spec *spec = &network.layers[i].spec;
            const char *type = NULL;
            for (size_t t = 0; t < sizeof types / sizeof *types; t++)
                type = types[t].type == spec->type ? types[t].name : type;
            if (!type) /* torchvision's average pooling keeps 6 x 6 as they are */
                continue;
            snprintf(name, sizeof name, "my_%s", spec->name);
            begin_layer(&layer, v, name, type, top, name);
            describe(&layer, v, spec);
            write_layer(file, v, &network, i);
            memcpy(top, name, sizeof top);
        }
        assert_int_equal(fflush(file), 0);
        assert_int_equal(ftruncate(fileno(file), ftell(file)), 0);
        assert_int_equal(fclose(file), 0);
        an_weights_file weights;
        assert_ok(an_weights_open(path, NULL, &weights, error));
        assert_string_equal(weights.network.arch->name, archs[a / 2]);
        assert_int_equal(weights.network.classes, 10);
        assert_true(weights.preprocess.bgr && weights.preprocess.mean[0] == 104.007f);
        an_weights_close(&weights);
        assert_fails(an_weights_open(path, a / 2 ? "caffe-alexnet" : "caffenet", &weights, error),
                     ALEXNET_MISMATCH, "its layers are");
    }
}

static int release_held(void **state) {
    release_bytes();
    return remove_temporary_folder(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_every_form), cmocka_unit_test(test_layers_unknown_here),
        cmocka_unit_test(test_chains),           cmocka_unit_test(test_phases),
        cmocka_unit_test(test_transposed),       cmocka_unit_test(test_preprocessing),
        cmocka_unit_test(test_not_recognised),   cmocka_unit_test(test_recognises_networks),
    };
    return cmocka_run_group_tests(tests, make_temporary_folder, release_held);
}
