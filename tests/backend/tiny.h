/* A small network with every type of layer, for tests of whole plans: 15x15 pixels, 7 classes. */
#ifndef AN_TINY_H
#define AN_TINY_H

#include "model/network.h"
#include "testing.h"

static const an_layer_spec an_tiny_layers[] = {
    {.name = "conv1",
     .type = AN_CONV,
     .units = 8,
     .kernel = 3,
     .stride = 1,
     .groups = 1,
     .parameter = "conv1"},
    {.name = "relu1", .type = AN_RELU},
    {.name = "norm1", .type = AN_LRN, .size = 5, .alpha = 0.1f, .beta = 0.75f, .k = 2, .towers = 2},
    {.name = "pool1", .type = AN_MAX_POOL, .kernel = 3, .stride = 2, .round_up = true},
    {.name = "conv2",
     .type = AN_CONV,
     .units = 6,
     .kernel = 3,
     .stride = 2,
     .pad = 1,
     .groups = 2,
     .round_up = true,
     .parameter = "conv2"},
    {.name = "relu2", .type = AN_RELU},
    {.name = "cnorm2", .type = AN_LRN_WITHIN, .size = 3, .alpha = 0.1f, .beta = 0.75f, .k = 1},
    {.name = "avgpool", .type = AN_ADAPTIVE_AVG_POOL, .units = 3},
    {.name = "drop3", .type = AN_DROPOUT, .rate = 0.25f},
    {.name = "fc3", .type = AN_FC, .units = 33, .parameter = "fc3"},
    {.name = "relu3", .type = AN_RELU},
    {.name = "drop4", .type = AN_DROPOUT, .rate = 0.5f, .scale_at_test = true},
    {.name = "fc4", .type = AN_FC, .parameter = "fc4"},
};

static const an_arch an_tiny_arch = {
    .name = "tiny",
    .input_size = 15,
    .preprocess = {.scale = 1.0f / 255, .std = {0.25f, 0.25f, 0.25f}},
    .layers = an_tiny_layers,
    .layer_count = sizeof an_tiny_layers / sizeof *an_tiny_layers,
};

static inline an_network an_tiny(void) {
    an_network network;
    assert_ok(an_network_build(&an_tiny_arch, 7, 0, &network, error));
    return network;
}

#endif
