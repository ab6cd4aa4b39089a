/* The tables against the published sizes and parameter counts. */
#include "model/network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "testing.h"

static an_network build(const char *name, int classes, int input_size) {
    const an_arch *arch;
    an_network network;
    assert_ok(an_arch_find(name, &arch, error));
    assert_ok(an_network_build(arch, classes, input_size, &network, error));
    return network;
}

static int side_of(const an_network *network, const char *layer) {
    return network->layers[an_network_layer(network, layer)].out.h;
}

static void test_parameter_counts(void **state) {
    (void)state;
    const struct {
        const char *name;
        size_t parameters;
    } expected[] = {
        {"alexnet", 62378344},      {"alexnet-code", 62378344},  {"alexnet-paper", 60965224},
        {"alexnet-2012", 60965224}, {"caffe-alexnet", 60965224}, {"caffenet", 60965224},
        {"torchvision", 61100840},  {"darknet", 62378344},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const an_network network = build(expected[i].name, 0, 0);
        assert_int_equal(network.parameter_floats, expected[i].parameters);
        assert_int_equal(network.parameter_count, 16);
    }
}

static void test_sizes(void **state) {
    (void)state;
    const an_network diagram = build("alexnet", 0, 0), code = build("alexnet-code", 0, 0);
    assert_int_equal(side_of(&diagram, "conv1"), 55);
    assert_int_equal(side_of(&code, "conv1"), 56); /* not 55, whatever the tutorial computes */
    assert_int_equal(side_of(&diagram, "pool5"), 6);
    assert_int_equal(side_of(&code, "pool5"), 6);
    const an_network border = build("alexnet-2012", 0, 224);
    assert_int_equal(side_of(&border, "conv1"), 55);
    assert_int_equal(border.parameter_floats, 60965224);
    const an_network smallest = build("torchvision", 0, 63);
    assert_int_equal(smallest.parameter_floats, 61100840);
}

/* 105,415,200 + 447,897,600 + 149,520,384 + 224,280,576 + 149,520,384 + the layers fc6 to fc8. */
static void test_macs(void **state) {
    (void)state;
    const an_network network = build("alexnet", 0, 0);
    assert_int_equal(network.layers[an_network_layer(&network, "conv1")].macs, 105415200);
    assert_int_equal(network.layers[an_network_layer(&network, "conv2")].macs, 447897600);
    assert_int_equal(network.macs, 1076634144 + 37748736 + 16777216 + 4096000);
}

static void test_arithmetic(void **state) {
    (void)state;
    char text[96];
    const an_network diagram = build("alexnet", 0, 0), code = build("alexnet-code", 0, 0);
    an_layer_arithmetic(&diagram.layers[0], text, sizeof text);
    assert_string_equal(text, "(227 + 2*0 - 11) / 4 + 1 = 55");
    an_layer_arithmetic(&code.layers[0], text, sizeof text);
    assert_string_equal(text, "(227 + 2*2 - 11) / 4 + 1 = 56");
    const an_network border = build("alexnet-2012", 0, 224);
    an_layer_arithmetic(&border.layers[0], text, sizeof text);
    assert_string_equal(text, "ceil((224 + 2*0 - 11) / 4) + 1 = 55");
}

static void test_refusals(void **state) {
    (void)state;
    const an_arch *arch;
    an_network network;
    assert_fails(an_arch_find("resnet", &arch, error), ALEXNET_INVALID, "alexnet-paper");
    assert_ok(an_arch_find("alexnet", &arch, error));
    assert_fails(an_network_build(arch, 0, 10, &network, error), ALEXNET_INVALID, "conv1");
    assert_fails(an_network_build(arch, 0, 60, &network, error), ALEXNET_INVALID, "pool5");
    assert_fails(an_network_build(arch, -1, 0, &network, error), ALEXNET_INVALID, "classes");
    assert_fails(an_network_build(arch, 0, 100000, &network, error), ALEXNET_INVALID, "input size");
    assert_ok(an_arch_find("torchvision", &arch, error));
    assert_fails(an_network_build(arch, 0, 62, &network, error), ALEXNET_INVALID, "pool5");
}

static void test_initialisation(void **state) {
    (void)state;
    const an_network paper = build("alexnet-paper", 10, 0), he = build("alexnet", 10, 0),
                     torch = build("torchvision", 10, 0), darknet = build("darknet", 10, 0);
    float bias[256], *weights = malloc(614400 * sizeof *weights);
    assert_non_null(weights);
    an_initialise_parameter(&paper, an_network_parameter(&paper, "conv2.bias"), 1, bias);
    assert_true(bias[0] == 1 && bias[255] == 1);

    an_initialise_parameter(&he, an_network_parameter(&he, "conv2.weight"), 1, weights);
    double squares = 0;
    for (int i = 0; i < 614400; i++)
        squares += (double)weights[i] * weights[i];
    const double variance = 2.0 / (96 * 25);
    assert_true(fabs(squares / 614400 / variance - 1) < 6 * sqrt(2.0 / 614400));

    an_initialise_parameter(&torch, an_network_parameter(&torch, "features.3.weight"), 1, weights);
    for (int i = 0; i < 192 * 64 * 25; i++)
        assert_true(fabsf(weights[i]) <= 0.025f); /* 1 / sqrt(64 * 25) */

    an_initialise_parameter(&darknet, an_network_parameter(&darknet, "fc8.weight"), 1, weights);
    float largest = 0;
    for (int i = 0; i < 10 * 4096; i++)
        largest = fmaxf(largest, fabsf(weights[i]));
    assert_true(largest <= sqrtf(2.0f / 4096) && largest > 0.999f * sqrtf(2.0f / 4096));
    free(weights);
}

/* LPIPS' network, worked out by hand; and what cannot be one. */
static void test_front(void **state) {
    (void)state;
    const an_arch *arch;
    an_network front;
    assert_ok(an_arch_find("torchvision", &arch, error));
    const an_network whole = build("torchvision", 0, 0);
    const int last = an_network_layer(&whole, "relu5");
    assert_ok(an_network_build_front(arch, last, 1500, 2000, &front, error));
    assert_int_equal(front.layer_count, last + 1);
    assert_int_equal(front.classes, 0);
    assert_int_equal(front.parameter_count, 10);
    assert_int_equal(front.parameter_floats, 2469696);
    const an_shape out = front.layers[last].out;
    assert_int_equal(out.c, 256);
    assert_int_equal(out.h, 92); /* (1500 + 4 - 11) / 4 + 1 = 374, 186, 92 */
    assert_int_equal(out.w, 124);
    for (int i = 0; i < front.parameter_count; i++)
        assert_memory_equal(&front.parameters[i], &whole.parameters[i], sizeof front.parameters[i]);

    assert_ok(an_network_build_front(arch, last, 31, 31, &front, error));
    assert_fails(an_network_build_front(arch, last, 31, 30, &front, error), ALEXNET_INVALID,
                 "30 x 31 pixels: pool2");
    assert_fails(an_network_build_front(arch, last, 0, 100, &front, error), ALEXNET_INVALID,
                 "100 x 0 pixels");
    assert_fails(an_network_build_front(arch, last, 8192, 4097, &front, error), ALEXNET_INVALID,
                 "33554432 in all");
    assert_fails(an_network_build_front(arch, whole.layer_count - 1, 64, 64, &front, error),
                 ALEXNET_INVALID, "cannot end with layer");
    assert_fails(an_network_build_front(arch, -1, 64, 64, &front, error), ALEXNET_INVALID,
                 "cannot end with layer");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameter_counts),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_macs),
        cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_front),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_initialisation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
