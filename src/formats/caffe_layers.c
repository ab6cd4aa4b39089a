#include "formats/caffe_layers.h"

#include <stdio.h>
#include <string.h>

enum { size_limit = 10000 }; /* of a kernel and the like */

alexnet_status an_caffe_fail_layer(const char *path, const an_caffe_layer *layer, const char *what,
                                   alexnet_error *error) {
    return an_fail(error, ALEXNET_UNSUPPORTED,
                   "%s: layer '%.100s' (%.40s) %s, which no network here has", path, layer->name,
                   layer->type, what);
}

/* A size that is given once, for height and width one after the other, or by name. */
typedef struct window_sides {
    const char *what;
    size_t count;
    const uint32_t *both;
    protobuf_c_boolean has_height, has_width;
    uint32_t height, width;
    uint32_t otherwise;
} window_sides;

static alexnet_status read_side(const char *path, const an_caffe_layer *layer,
                                const window_sides *sides, int *out, alexnet_error *error) {
    uint32_t height = sides->otherwise, width = sides->otherwise;
    char text[80];
    if (sides->count > 0) {
        height = sides->both[0];
        width = sides->both[sides->count - 1];
    }
    if (sides->has_height)
        height = sides->height;
    if (sides->has_width)
        width = sides->width;
    *out = (int)height;
    if (height == width && height <= size_limit && sides->count <= 2)
        return ALEXNET_OK;
    snprintf(text, sizeof text, "has a %s of %u x %u", sides->what, height, width);
    return an_caffe_fail_layer(path, layer, text, error);
}

static alexnet_status read_units(const char *path, const an_caffe_layer *layer, uint32_t units,
                                 int *out, alexnet_error *error) {
    char text[40];
    *out = (int)units;
    if (units <= AN_MAX_CLASSES)
        return ALEXNET_OK;
    snprintf(text, sizeof text, "has %u outputs", units);
    return an_caffe_fail_layer(path, layer, text, error);
}

typedef alexnet_status describer(const char *path, const an_caffe_layer *layer, an_layer_spec *spec,
                                 alexnet_error *error);

static alexnet_status describe_convolution(const char *path, const an_caffe_layer *layer,
                                           an_layer_spec *spec, alexnet_error *error) {
    const Caffe__ConvolutionParameter *p = layer->convolution;
    if (!p)
        return an_caffe_fail_layer(path, layer, "has no sizes", error);
    const window_sides kernel = {"kernel",        p->n_kernel_size, p->kernel_size, p->has_kernel_h,
                                 p->has_kernel_w, p->kernel_h,      p->kernel_w,    0};
    const window_sides stride = {"stride",        p->n_stride, p->stride,   p->has_stride_h,
                                 p->has_stride_w, p->stride_h, p->stride_w, 1};
    const window_sides pad = {"pad",        p->n_pad, p->pad,   p->has_pad_h,
                              p->has_pad_w, p->pad_h, p->pad_w, 0};
    for (size_t i = 0; i < p->n_dilation; i++)
        if (p->dilation[i] != 1)
            return an_caffe_fail_layer(path, layer, "is dilated", error);
    if (p->axis != 1)
        return an_caffe_fail_layer(path, layer, "goes along other axes", error);
    spec->type = AN_CONV;
    AN_TRY(read_units(path, layer, p->num_output, &spec->units, error));
    AN_TRY(read_units(path, layer, p->group, &spec->groups, error));
    AN_TRY(read_side(path, layer, &kernel, &spec->kernel, error));
    AN_TRY(read_side(path, layer, &stride, &spec->stride, error));
    return read_side(path, layer, &pad, &spec->pad, error);
}

static alexnet_status describe_inner_product(const char *path, const an_caffe_layer *layer,
                                             an_layer_spec *spec, alexnet_error *error) {
    const Caffe__InnerProductParameter *p = layer->inner_product;
    if (!p)
        return an_caffe_fail_layer(path, layer, "has no sizes", error);
    if (p->axis != 1)
        return an_caffe_fail_layer(path, layer, "goes along another axis", error);
    spec->type = AN_FC;
    return read_units(path, layer, p->num_output, &spec->units, error);
}

/* Within a channel, Caffe's k is always 1. */
static alexnet_status describe_lrn(const char *path, const an_caffe_layer *layer,
                                   an_layer_spec *spec, alexnet_error *error) {
    const Caffe__LRNParameter defaults = CAFFE__LRNPARAMETER__INIT;
    const Caffe__LRNParameter *p = layer->lrn ? layer->lrn : &defaults;
    const bool within = p->norm_region == CAFFE__LRNPARAMETER__NORM_REGION__WITHIN_CHANNEL;
    if (p->local_size > size_limit)
        return an_caffe_fail_layer(path, layer, "has a window of more than 10000", error);
    spec->type = within ? AN_LRN_WITHIN : AN_LRN;
    spec->size = (int)p->local_size;
    spec->alpha = p->alpha;
    spec->beta = p->beta;
    spec->k = within ? 1 : p->k;
    spec->towers = within ? 0 : 1;
    return ALEXNET_OK;
}

static alexnet_status describe_pooling(const char *path, const an_caffe_layer *layer,
                                       an_layer_spec *spec, alexnet_error *error) {
    const Caffe__PoolingParameter *p = layer->pooling;
    if (!p)
        return an_caffe_fail_layer(path, layer, "has no sizes", error);
    const window_sides kernel = {
        "kernel",        p->has_kernel_size, &p->kernel_size, p->has_kernel_h,
        p->has_kernel_w, p->kernel_h,        p->kernel_w,     0};
    const window_sides stride = {"stride",        p->has_stride, &p->stride,  p->has_stride_h,
                                 p->has_stride_w, p->stride_h,   p->stride_w, 1};
    const window_sides pad = {"pad",        p->has_pad, &p->pad,  p->has_pad_h,
                              p->has_pad_w, p->pad_h,   p->pad_w, 0};
    if (p->pool != CAFFE__POOLING_PARAMETER__POOL_METHOD__MAX)
        return an_caffe_fail_layer(path, layer, "does not take the maximum", error);
    if (p->global_pooling)
        return an_caffe_fail_layer(path, layer, "pools whole maps", error);
    spec->type = AN_MAX_POOL;
    spec->round_up = p->round_mode == CAFFE__POOLING_PARAMETER__ROUND_MODE__CEIL;
    AN_TRY(read_side(path, layer, &kernel, &spec->kernel, error));
    AN_TRY(read_side(path, layer, &stride, &spec->stride, error));
    AN_TRY(read_side(path, layer, &pad, &spec->pad, error));
    return spec->pad ? an_caffe_fail_layer(path, layer, "pads", error) : ALEXNET_OK;
}

static alexnet_status describe_relu(const char *path, const an_caffe_layer *layer,
                                    an_layer_spec *spec, alexnet_error *error) {
    spec->type = AN_RELU;
    if (layer->relu && layer->relu->negative_slope != 0)
        return an_caffe_fail_layer(path, layer, "leaks", error);
    return ALEXNET_OK;
}

static alexnet_status describe_dropout(const char *path, const an_caffe_layer *layer,
                                       an_layer_spec *spec, alexnet_error *error) {
    (void)path;
    (void)error;
    spec->type = AN_DROPOUT;
    spec->rate = layer->dropout ? layer->dropout->dropout_ratio : 0.5f;
    return ALEXNET_OK;
}

/* What a type of layer is here. */
typedef struct layer_kind {
    const char *type;
    an_caffe_role role;
    describer *describe; /* AN_CAFFE_COMPUTES */
} layer_kind;

static const layer_kind *find_kind(const char *type) {
    static const layer_kind kinds[] = {
        {"Convolution", AN_CAFFE_COMPUTES, describe_convolution},
        {"InnerProduct", AN_CAFFE_COMPUTES, describe_inner_product},
        {"LRN", AN_CAFFE_COMPUTES, describe_lrn},
        {"Pooling", AN_CAFFE_COMPUTES, describe_pooling},
        {"ReLU", AN_CAFFE_COMPUTES, describe_relu},
        {"Dropout", AN_CAFFE_COMPUTES, describe_dropout},
        {"Split", AN_CAFFE_COPIES, NULL},
        {"Flatten", AN_CAFFE_COPIES, NULL}, /* which a fully connected layer does anyway */
        {"Softmax", AN_CAFFE_JUDGES, NULL},
        {"SoftmaxWithLoss", AN_CAFFE_JUDGES, NULL},
        {"Accuracy", AN_CAFFE_JUDGES, NULL},
        {"ArgMax", AN_CAFFE_JUDGES, NULL},
        {"Silence", AN_CAFFE_JUDGES, NULL},
        {"HDF5Output", AN_CAFFE_JUDGES, NULL},
        {"MultinomialLogisticLoss", AN_CAFFE_JUDGES, NULL},
        {"InfogainLoss", AN_CAFFE_JUDGES, NULL},
        {"HingeLoss", AN_CAFFE_JUDGES, NULL},
        {"EuclideanLoss", AN_CAFFE_JUDGES, NULL},
        {"ContrastiveLoss", AN_CAFFE_JUDGES, NULL},
        {"SigmoidCrossEntropyLoss", AN_CAFFE_JUDGES, NULL},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].type, type) == 0)
            return &kinds[i];
    return NULL;
}

const char *an_caffe_v1_type(int32_t number) {
    static const char *const names[] = {
        [1] = "Accuracy",
        [2] = "BNLL",
        [3] = "Concat",
        [4] = "Convolution",
        [5] = "Data",
        [6] = "Dropout",
        [7] = "EuclideanLoss",
        [8] = "Flatten",
        [9] = "HDF5Data",
        [10] = "HDF5Output",
        [11] = "Im2col",
        [12] = "ImageData",
        [13] = "InfogainLoss",
        [14] = "InnerProduct",
        [15] = "LRN",
        [16] = "MultinomialLogisticLoss",
        [17] = "Pooling",
        [18] = "ReLU",
        [19] = "Sigmoid",
        [20] = "Softmax",
        [21] = "SoftmaxWithLoss",
        [22] = "Split",
        [23] = "TanH",
        [24] = "WindowData",
        [25] = "Eltwise",
        [26] = "Power",
        [27] = "SigmoidCrossEntropyLoss",
        [28] = "HingeLoss",
        [29] = "MemoryData",
        [30] = "ArgMax",
        [31] = "Threshold",
        [32] = "DummyData",
        [33] = "Slice",
        [34] = "MVN",
        [35] = "AbsVal",
        [36] = "Silence",
        [37] = "ContrastiveLoss",
        [38] = "Exp",
        [39] = "Deconvolution",
    };
    const size_t count = sizeof names / sizeof *names;
    const bool known = number > 0 && (size_t)number < count;
    return known ? names[number] : "of an unknown number";
}

alexnet_status an_caffe_describe(const char *path, const an_caffe_layer *layer, an_caffe_role *role,
                                 an_layer_spec *spec, alexnet_error *error) {
    const layer_kind *kind = find_kind(layer->type);
    if (!kind)
        return an_caffe_fail_layer(path, layer, "is of a type", error);
    *role = kind->role;
    return kind->describe ? kind->describe(path, layer, spec, error) : ALEXNET_OK;
}
