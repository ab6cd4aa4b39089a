#include "formats/caffe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/caffe_layers.h"
#include "formats/caffe_wire.h"
#include "formats/protobuf.h"

enum {
    layer_limit = 1000,
    name_limit = 200, /* of a layer's name */
    trunk_limit = 16, /* names of the same data */
    side_limit = 10000
};

typedef struct caffe_reader {
    an_tensor_file *file;
    /* What the data is called that the last layer has made. */
    const char *trunk[trunk_limit];
    size_t trunk_count;
    /* What the model says of its input; 0: nothing. */
    bool transformed;
    float scale, mean[3];
    size_t mean_count;
    uint32_t crop;
    int64_t side;
} caffe_reader;

/* --- the chain of layers ------------------------------------------------------------------- */

static bool is_on_trunk(const caffe_reader *reader, const char *blob) {
    for (size_t i = 0; i < reader->trunk_count; i++)
        if (strcmp(reader->trunk[i], blob) == 0)
            return true;
    return false;
}

static alexnet_status name_trunk(caffe_reader *reader, const an_caffe_layer *layer,
                                 const char *blob, alexnet_error *error) {
    if (reader->trunk_count == trunk_limit)
        return an_caffe_fail_layer(reader->file->path, layer,
                                   "has more copies made of its input than 16", error);
    reader->trunk[reader->trunk_count++] = blob;
    return ALEXNET_OK;
}

/* A layer that hands its input on under other names. */
static alexnet_status follow_copies(caffe_reader *reader, const an_caffe_layer *layer,
                                    alexnet_error *error) {
    if (!is_on_trunk(reader, layer->bottom[0]))
        return ALEXNET_OK;
    for (size_t i = 0; i < layer->top_count; i++)
        AN_TRY(name_trunk(reader, layer, layer->top[i], error));
    return ALEXNET_OK;
}

/* A layer that computes takes what the one before it has made. */
static alexnet_status follow(caffe_reader *reader, const an_caffe_layer *layer,
                             alexnet_error *error) {
    if (layer->bottom_count != 1 || layer->top_count != 1)
        return an_caffe_fail_layer(reader->file->path, layer, "has not one input and one output",
                                   error);
    if (reader->trunk_count > 0 && !is_on_trunk(reader, layer->bottom[0]))
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: layer '%.100s' takes '%.100s', where the one before makes '%.100s'; "
                       "only networks that are one chain are known here",
                       reader->file->path, layer->name, layer->bottom[0], reader->trunk[0]);
    reader->trunk_count = 0;
    return name_trunk(reader, layer, layer->top[0], error);
}

static alexnet_status add_blobs(const caffe_reader *reader, const an_caffe_layer *layer,
                                bool is_conv, alexnet_error *error) {
    static const struct {
        const char *name;
        int conv_dims, fc_dims;
    } blobs[] = {{"weight", 4, 2}, {"bias", 1, 1}};
    char name[name_limit + 8];
    an_file_tensor *tensor;
    if (layer->blob_count < 1 || layer->blob_count > 2)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: layer '%.100s' has %zu blobs and not weights and biases",
                       reader->file->path, layer->name, layer->blob_count);
    for (size_t i = 0; i < layer->blob_count; i++) {
        snprintf(name, sizeof name, "%s.%s", layer->name, blobs[i].name);
        AN_TRY(an_caffe_add_blob(reader->file, name,
                                 is_conv ? blobs[i].conv_dims : blobs[i].fc_dims,
                                 layer->blobs[i].data, layer->blobs[i].len, &tensor, error));
        if (!is_conv && layer->inner_product->transpose && tensor->dims == 2) { /* (I, O) */
            const int64_t outputs = tensor->shape[1];
            tensor->shape[1] = tensor->shape[0];
            tensor->shape[0] = outputs;
            tensor->strided = true;
            tensor->stride[0] = 1;
            tensor->stride[1] = outputs;
        }
    }
    return ALEXNET_OK;
}

static alexnet_status add_layer(caffe_reader *reader, const an_caffe_layer *layer,
                                const an_layer_spec *spec, alexnet_error *error) {
    an_tensor_file *file = reader->file;
    an_file_layer *added;
    AN_TRY(follow(reader, layer, error));
    for (size_t i = 0; i < file->layer_count; i++)
        if (strcmp(file->layers[i].name, layer->name) == 0)
            return an_fail(error, ALEXNET_FORMAT, "%s: two layers are called '%.100s'", file->path,
                           layer->name);
    if (file->layer_count == layer_limit)
        return an_fail(error, ALEXNET_FORMAT, "%s: has more than %d layers", file->path,
                       layer_limit);
    AN_TRY(an_tensor_file_add_layer(file, layer->name, &added, error));
    added->spec = *spec;
    if (spec->type != AN_CONV && spec->type != AN_FC)
        return ALEXNET_OK;
    return add_blobs(reader, layer, spec->type == AN_CONV, error);
}

/* --- the input ----------------------------------------------------------------------------- */

/* The first size counts that is given. */
static alexnet_status read_side(caffe_reader *reader, int64_t height, int64_t width,
                                alexnet_error *error) {
    if (reader->side)
        return ALEXNET_OK;
    if (height != width)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: takes pictures of %lld x %lld; only squares are known here",
                       reader->file->path, (long long)height, (long long)width);
    reader->side = height;
    return ALEXNET_OK;
}

/* (N, 3, side, side) */
static alexnet_status read_input(caffe_reader *reader, const Caffe__BlobShape *shape,
                                 alexnet_error *error) {
    return shape->n_dim == 4 ? read_side(reader, shape->dim[2], shape->dim[3], error) : ALEXNET_OK;
}

/* What a layer without an input does to pictures; the first one that says something counts, for
 * those of the other phase do the same. */
static alexnet_status read_data_layer(caffe_reader *reader, const an_caffe_layer *layer,
                                      alexnet_error *error) {
    const Caffe__TransformationParameter *t = layer->transformation;
    if (layer->input && layer->input->n_shape > 0)
        AN_TRY(read_input(reader, layer->input->shape[0], error));
    if ((!t && !layer->data) || reader->transformed)
        return ALEXNET_OK;
    reader->transformed = true;
    if (layer->data) {
        reader->scale = layer->data->scale;
        reader->crop = layer->data->crop_size;
    }
    if (!t)
        return ALEXNET_OK;
    if (t->n_mean_value != 0 && t->n_mean_value != 1 && t->n_mean_value != 3)
        return an_fail(error, ALEXNET_FORMAT, "%s: layer '%.100s' has %zu means for 3 channels",
                       reader->file->path, layer->name, t->n_mean_value);
    reader->scale = t->has_scale || !layer->data ? t->scale : reader->scale;
    reader->crop = t->crop_size ? t->crop_size : reader->crop;
    reader->mean_count = t->n_mean_value;
    bool finite = isfinite(reader->scale);
    for (size_t i = 0; i < 3 && t->n_mean_value > 0; i++) {
        reader->mean[i] = t->mean_value[i % t->n_mean_value];
        finite = finite && isfinite(reader->mean[i]);
    }
    if (!finite)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: layer '%.100s' has a mean or scale that is no finite number",
                       reader->file->path, layer->name);
    return ALEXNET_OK;
}

static alexnet_status write_metadata(const caffe_reader *reader, alexnet_error *error) {
    an_tensor_file *file = reader->file;
    const an_arch *arch;
    an_network network;
    char side[24];
    AN_TRY(an_arch_find("caffe-alexnet", &arch, error));
    if (reader->crop || reader->side)
        snprintf(side, sizeof side, "%lld",
                 reader->crop ? (long long)reader->crop : (long long)reader->side);
    else
        snprintf(side, sizeof side, "%d", arch->input_size);
    const long long size = strtoll(side, NULL, 10);
    if (size < 1 || size > side_limit ||
        an_network_build(arch, 0, (int)size, &network, error) != ALEXNET_OK)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: takes pictures of %s pixels, which no network "
                       "here does",
                       file->path, side);
    an_preprocess preprocess = an_network_preprocess(&network);
    for (int i = 0; i < 3; i++) {
        if (reader->mean_count > 0)
            preprocess.mean[i] = reader->mean[i];
        if (reader->transformed) /* Caffe scales what is left when the mean is gone */
            preprocess.mean[i] *= reader->scale;
    }
    if (reader->transformed)
        preprocess.scale = reader->scale;
    char *text = an_preprocess_format(&preprocess);
    if (!text)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its metadata", file->path);
    alexnet_status status =
        an_metadata_add(&file->metadata, &file->metadata_count, AN_KEY_PREPROCESS, text, error);
    if (status == ALEXNET_OK)
        status =
            an_metadata_add(&file->metadata, &file->metadata_count, AN_KEY_INPUT_SIZE, side, error);
    free(text);
    return status;
}

/* --- messages ------------------------------------------------------------------------------ */

/* The network of Caffe's test phase, at level 0 and no stage. */
static bool is_met(const Caffe__NetStateRule *rule) {
    return (!rule->has_phase || rule->phase == CAFFE__PHASE__TEST) &&
           (!rule->has_min_level || rule->min_level <= 0) &&
           (!rule->has_max_level || rule->max_level >= 0) && rule->n_stage == 0;
}

static bool is_included(const an_caffe_layer *layer) {
    bool included = layer->include_count == 0;
    for (size_t i = 0; i < layer->include_count; i++)
        included = included || is_met(layer->include[i]);
    for (size_t i = 0; i < layer->exclude_count; i++)
        included = included && !is_met(layer->exclude[i]);
    return included;
}

static alexnet_status take_layer(caffe_reader *reader, const an_caffe_layer *layer,
                                 alexnet_error *error) {
    if (!layer->name || !layer->type || strlen(layer->name) > name_limit)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: has a layer without a type, or without a name of at most %d bytes",
                       reader->file->path, name_limit);
    if (layer->bottom_count == 0)
        return read_data_layer(reader, layer, error);
    if (!is_included(layer))
        return ALEXNET_OK;
    an_caffe_role role;
    an_layer_spec spec = {0};
    AN_TRY(an_caffe_describe(reader->file->path, layer, &role, &spec, error));
    switch (role) {
    case AN_CAFFE_COMPUTES:
        return add_layer(reader, layer, &spec, error);
    case AN_CAFFE_COPIES:
        return follow_copies(reader, layer, error);
    case AN_CAFFE_JUDGES:
        break;
    }
    return ALEXNET_OK;
}

/* What both versions call alike. */
#define LAYER_OF(message)                                                                          \
    {                                                                                              \
        .name = (message)->name, .bottom = (message)->bottom, .bottom_count = (message)->n_bottom, \
        .top = (message)->top, .top_count = (message)->n_top, .include = (message)->include,       \
        .include_count = (message)->n_include, .exclude = (message)->exclude,                      \
        .exclude_count = (message)->n_exclude, .convolution = (message)->convolution_param,        \
        .inner_product = (message)->inner_product_param, .lrn = (message)->lrn_param,              \
        .pooling = (message)->pooling_param, .relu = (message)->relu_param,                        \
        .dropout = (message)->dropout_param, .transformation = (message)->transform_param,         \
        .data = (message)->data_param ? (message)->data_param : (message)->image_data_param,       \
        .blobs = (message)->blobs, .blob_count = (message)->n_blobs                                \
    }

static alexnet_status take_v1(caffe_reader *reader, const Caffe__V1LayerParameter *message,
                              alexnet_error *error) {
    an_caffe_layer layer = LAYER_OF(message);
    layer.type = an_caffe_v1_type(message->type);
    if (message->has_layer)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: has layers as they were until 2013; Caffe's tool "
                       "upgrade_net_proto_binary makes later ones of them",
                       reader->file->path);
    return take_layer(reader, &layer, error);
}

static alexnet_status take_v2(caffe_reader *reader, const Caffe__LayerParameter *message,
                              alexnet_error *error) {
    an_caffe_layer layer = LAYER_OF(message);
    layer.type = message->type;
    layer.input = message->input_param;
    return take_layer(reader, &layer, error);
}

static alexnet_status take_net(caffe_reader *reader, const Caffe__NetParameter *net,
                               alexnet_error *error) {
    const char *path = reader->file->path;
    if (net->n_layer > 0 && net->n_layers > 0)
        return an_fail(error, ALEXNET_FORMAT, "%s: mixes layers of two versions", path);
    for (size_t i = 0; i < net->n_layers; i++)
        AN_TRY(take_v1(reader, net->layers[i], error));
    for (size_t i = 0; i < net->n_layer; i++)
        AN_TRY(take_v2(reader, net->layer[i], error));
    if (reader->file->layer_count == 0)
        return an_fail(error, ALEXNET_FORMAT, "%s: is not a caffemodel with layers", path);
    if (net->n_input_shape > 0)
        AN_TRY(read_input(reader, net->input_shape[0], error));
    const int32_t *dim = net->input_dim;
    if (net->n_input_dim >= 4)
        AN_TRY(read_side(reader, dim[2], dim[3], error));
    return write_metadata(reader, error);
}

alexnet_status an_caffe_read(an_tensor_file *file, const uint8_t *bytes, size_t size,
                             alexnet_error *error) {
    const size_t budget = ((size_t)4 << 20) + (size <= SIZE_MAX / 4 ? 2 * size : 0);
    caffe_reader reader = {.file = file, .scale = 1};
    an_protobuf *memory;
    ProtobufCMessage *message;
    AN_TRY(an_protobuf_unpack(file->path, &caffe__net_parameter__descriptor, bytes, size, budget,
                              &memory, &message, error));
    const alexnet_status status = take_net(&reader, (const Caffe__NetParameter *)message, error);
    an_protobuf_free(memory);
    return status;
}
