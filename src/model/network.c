#include "model/network.h"

#include <stdio.h>
#include <string.h>

static const char *const type_names[] = {
    [AN_CONV] = "conv",
    [AN_RELU] = "relu",
    [AN_LRN] = "lrn",
    [AN_LRN_WITHIN] = "lrn_within",
    [AN_MAX_POOL] = "max_pool",
    [AN_ADAPTIVE_AVG_POOL] = "adaptive_avg_pool",
    [AN_FC] = "fc",
    [AN_DROPOUT] = "dropout",
};

/* The largest inputs that keep every product here and in the backends well inside its type. */
enum { max_input_size = 4096, max_picture_side = 65500, max_picture_pixels = 1 << 25 };

const char *an_layer_type_name(an_layer_type type) {
    return type_names[type];
}

size_t an_shape_count(an_shape shape) {
    return (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
}

/* Output side of a sliding window: floor or ceil((side + 2 pad - kernel) / stride) + 1; 0: none. */
static int window_output(int side, const an_layer_spec *spec) {
    const int room = side + 2 * spec->pad - spec->kernel;
    if (room < 0)
        return 0;
    return (room + (spec->round_up ? spec->stride - 1 : 0)) / spec->stride + 1;
}

static alexnet_status window_shape(an_layer *layer, int maps, alexnet_error *error) {
    const an_layer_spec *spec = &layer->spec;
    layer->out =
        (an_shape){maps, window_output(layer->in.h, spec), window_output(layer->in.w, spec)};
    if (layer->out.h < 1 || layer->out.w < 1)
        return an_fail(error, ALEXNET_INVALID,
                       "%s: its %dx%d window does not fit the %dx%d that reach it; the input must "
                       "be larger",
                       spec->name, spec->kernel, spec->kernel, layer->in.h, layer->in.w);
    return ALEXNET_OK;
}

static int add_parameter(an_network *network, int layer, bool is_bias, const int64_t shape[4],
                         int dims, size_t fan_in) {
    an_parameter *parameter = &network->parameters[network->parameter_count];
    *parameter = (an_parameter){.layer = layer, .is_bias = is_bias, .dims = dims, .count = 1};
    snprintf(parameter->name, sizeof parameter->name, "%s.%s",
             network->layers[layer].spec.parameter, is_bias ? "bias" : "weight");
    for (int i = 0; i < dims; i++) {
        parameter->shape[i] = shape[i];
        parameter->count *= (size_t)shape[i];
    }
    parameter->offset = network->parameter_floats;
    parameter->fan_in = fan_in;
    network->parameter_floats += parameter->count;
    return network->parameter_count++;
}

static void add_parameters(an_network *network, int index, const int64_t shape[4], int dims) {
    an_layer *layer = &network->layers[index];
    size_t fan_in = 1;
    for (int i = 1; i < dims; i++)
        fan_in *= (size_t)shape[i];
    layer->weight = add_parameter(network, index, false, shape, dims, fan_in);
    layer->bias = add_parameter(network, index, true, shape, 1, fan_in);
    layer->macs = (uint64_t)fan_in * an_shape_count(layer->out);
    network->macs += layer->macs;
}

static alexnet_status build_layer(an_network *network, int index, alexnet_error *error) {
    an_layer *layer = &network->layers[index];
    const an_layer_spec *spec = &layer->spec;
    layer->out = layer->in;
    layer->weight = layer->bias = -1;
    switch (spec->type) {
    case AN_CONV: {
        if (layer->in.c % spec->groups || spec->units % spec->groups)
            return an_fail(error, ALEXNET_INVALID,
                           "%s: %d groups do not divide %d input and %d output maps", spec->name,
                           spec->groups, layer->in.c, spec->units);
        AN_TRY(window_shape(layer, spec->units, error));
        add_parameters(
            network, index,
            (const int64_t[4]){spec->units, layer->in.c / spec->groups, spec->kernel, spec->kernel},
            4);
        break;
    }
    case AN_MAX_POOL:
        return window_shape(layer, layer->in.c, error);
    case AN_ADAPTIVE_AVG_POOL:
        layer->out = (an_shape){layer->in.c, spec->units, spec->units};
        break;
    case AN_FC: {
        layer->out = (an_shape){spec->units, 1, 1};
        add_parameters(network, index,
                       (const int64_t[4]){spec->units, (int64_t)an_shape_count(layer->in)}, 2);
        break;
    }
    case AN_LRN:
        if (layer->in.c % spec->towers)
            return an_fail(error, ALEXNET_INVALID, "%s: %d towers do not divide %d maps",
                           spec->name, spec->towers, layer->in.c);
        break;
    case AN_RELU:
    case AN_LRN_WITHIN:
    case AN_DROPOUT:
        break;
    }
    return ALEXNET_OK;
}

/* The layers of out->arch from the first to layer `last`, on out->input. */
static alexnet_status build_layers(an_network *out, int last, alexnet_error *error) {
    an_shape shape = out->input;
    for (int i = 0; i <= last; i++) {
        an_layer *layer = &out->layers[i];
        layer->spec = out->arch->layers[i];
        layer->in = shape;
        if (layer->spec.type == AN_FC && layer->spec.units == 0)
            layer->spec.units = out->classes;
        out->layer_count++;
        AN_TRY(build_layer(out, i, error));
        shape = layer->out;
    }
    return ALEXNET_OK;
}

alexnet_status an_network_build(const an_arch *arch, int classes, int input_size, an_network *out,
                                alexnet_error *error) {
    *out = (an_network){.arch = arch,
                        .classes = classes ? classes : 1000,
                        .input_size = input_size ? input_size : arch->input_size};
    if (out->classes < 1 || out->classes > AN_MAX_CLASSES)
        return an_fail(error, ALEXNET_INVALID, "%d classes: the number must be 1 to %d", classes,
                       AN_MAX_CLASSES);
    if (out->input_size < 1 || out->input_size > max_input_size)
        return an_fail(error, ALEXNET_INVALID, "input size %d: it must be 1 to %d", input_size,
                       max_input_size);
    out->input = (an_shape){3, out->input_size, out->input_size};
    const alexnet_status status = build_layers(out, arch->layer_count - 1, error);
    if (status != ALEXNET_OK)
        return an_fail_in(error, status, "%s with input size %d", arch->name, out->input_size);
    return ALEXNET_OK;
}

alexnet_status an_network_build_front(const an_arch *arch, int last, int height, int width,
                                      an_network *out, alexnet_error *error) {
    *out = (an_network){.arch = arch, .input = {3, height, width}};
    if (last < 0 || last >= arch->layer_count - 1)
        return an_fail(error, ALEXNET_INVALID, "%s cannot end with layer %d of %d", arch->name,
                       last, arch->layer_count);
    if (height < 1 || width < 1 || height > max_picture_side || width > max_picture_side ||
        (int64_t)height * width > max_picture_pixels)
        return an_fail(error, ALEXNET_INVALID,
                       "an input of %d x %d pixels: at most %d a side and %d in all are computed",
                       width, height, max_picture_side, max_picture_pixels);
    const alexnet_status status = build_layers(out, last, error);
    if (status != ALEXNET_OK)
        return an_fail_in(error, status, "%s with an input of %d x %d pixels", arch->name, width,
                          height);
    return ALEXNET_OK;
}

int an_network_layer(const an_network *network, const char *name) {
    for (int i = 0; i < network->layer_count; i++)
        if (strcmp(network->layers[i].spec.name, name) == 0)
            return i;
    return -1;
}

int an_network_parameter(const an_network *network, const char *name) {
    for (int i = 0; i < network->parameter_count; i++)
        if (strcmp(network->parameters[i].name, name) == 0)
            return i;
    return -1;
}

void an_layer_arithmetic(const an_layer *layer, char *text, size_t size) {
    const an_layer_spec *spec = &layer->spec;
    text[0] = '\0';
    if (spec->type == AN_CONV || spec->type == AN_MAX_POOL) {
        const int room = layer->in.h + 2 * spec->pad - spec->kernel;
        char padding[24] = "";
        if (spec->type == AN_CONV)
            snprintf(padding, sizeof padding, " + 2*%d", spec->pad);
        if (room % spec->stride == 0)
            snprintf(text, size, "(%d%s - %d) / %d + 1 = %d", layer->in.h, padding, spec->kernel,
                     spec->stride, layer->out.h);
        else
            snprintf(text, size, "%s((%d%s - %d) / %d) + 1 = %d", spec->round_up ? "ceil" : "floor",
                     layer->in.h, padding, spec->kernel, spec->stride, layer->out.h);
    } else if (spec->type == AN_FC && layer->in.h > 1) {
        snprintf(text, size, "%d * %d * %d = %zu inputs", layer->in.c, layer->in.h, layer->in.w,
                 an_shape_count(layer->in));
    }
}

an_preprocess an_network_preprocess(const an_network *network) {
    an_preprocess preprocess = network->arch->preprocess;
    preprocess.crop = network->input_size;
    if (preprocess.resize < preprocess.crop) /* keeps the usual margin of 256 around 227 */
        preprocess.resize = (preprocess.crop * 256 + 226) / 227;
    return preprocess;
}

an_weights an_weights_of(const an_network *network, const float *floats) {
    an_weights weights = {0};
    for (int i = 0; i < network->parameter_count; i++)
        weights.tensor[i] = floats + network->parameters[i].offset;
    return weights;
}

alexnet_status an_weights_tensor(const an_weights *weights, int parameter, const float **out,
                                 alexnet_error *error) {
    if (weights->fetch)
        AN_TRY(weights->fetch(weights->context, parameter, error));
    *out = weights->tensor[parameter];
    return ALEXNET_OK;
}

void an_weights_release(const an_weights *weights, int parameter) {
    if (weights->release)
        weights->release(weights->context, parameter);
}

void an_weights_forget(const an_weights *weights, int parameter, size_t first, size_t count) {
    if (weights->forget)
        weights->forget(weights->context, parameter, first, count);
}
