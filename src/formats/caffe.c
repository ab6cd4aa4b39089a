#include "formats/caffe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "formats/caffe_layers.h"
#include "formats/caffe_wire.h"
#include "formats/wire.h"

enum {
    settings_limit = 1 << 16, /* bytes of a layer without its blobs */
    layer_limit = 1000,
    name_limit = 200, /* of a layer's name */
    trunk_limit = 16, /* names of the same data */
    side_limit = 10000
};

/* What protobuf-c may still allocate. */
typedef struct memory_budget {
    size_t left;
    bool exceeded;
} memory_budget;

typedef struct caffe_reader {
    an_tensor_file *file;
    memory_budget budget;
    ProtobufCAllocator allocator;
    uint8_t *settings; /* (settings_limit) */
    uint32_t layers;   /* AN_CAFFE_LAYER or AN_CAFFE_LAYERS; 0: none yet */
    /* What the data is called that the last layer has made. */
    char *trunk[trunk_limit];
    size_t trunk_count;
    /* What the model says of its input; 0: nothing. */
    bool transformed;
    float scale, mean[3];
    size_t mean_count;
    uint32_t crop;
    int64_t side;
} caffe_reader;

/* --- protobuf-c ---------------------------------------------------------------------------- */

static void *allocate(void *data, size_t size) {
    memory_budget *budget = data;
    const size_t overhead = 16; /* of a block */
    if (size > SIZE_MAX - overhead || size + overhead > budget->left) {
        budget->exceeded = true;
        return NULL;
    }
    budget->left -= size + overhead;
    return malloc(size);
}

static void release(void *data, void *block) {
    (void)data;
    free(block);
}

/* Unpacks a message, freed with free_message, from `size` bytes of the settings. */
static alexnet_status unpack(caffe_reader *reader, const ProtobufCMessageDescriptor *type,
                             size_t size, ProtobufCMessage **out, alexnet_error *error) {
    *out = protobuf_c_message_unpack(type, &reader->allocator, size, reader->settings);
    if (*out)
        return ALEXNET_OK;
    if (reader->budget.exceeded)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: its %s takes more memory than a file of this size has a use for",
                       reader->file->path, type->short_name);
    return an_fail(error, ALEXNET_FORMAT, "%s: its %s is damaged", reader->file->path,
                   type->short_name);
}

static void free_message(caffe_reader *reader, ProtobufCMessage *message) {
    if (message)
        protobuf_c_message_free_unpacked(message, &reader->allocator);
}

/* Adds a field to the settings, of which there are *size bytes. */
static alexnet_status keep_field(caffe_reader *reader, const an_wire_field *field, size_t *size,
                                 alexnet_error *error) {
    const size_t more = (size_t)(field->end - field->begin);
    if (more > settings_limit - *size)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: at byte %zu of a message that describes layers there are more than "
                       "%d bytes besides weights",
                       reader->file->path, *size, settings_limit);
    memcpy(reader->settings + *size, field->begin, more);
    *size += more;
    return ALEXNET_OK;
}

/* --- the chain of layers ------------------------------------------------------------------- */

static bool is_on_trunk(const caffe_reader *reader, const char *blob) {
    for (size_t i = 0; i < reader->trunk_count; i++)
        if (strcmp(reader->trunk[i], blob) == 0)
            return true;
    return false;
}

static void leave_trunk(caffe_reader *reader) {
    while (reader->trunk_count > 0)
        free(reader->trunk[--reader->trunk_count]);
}

static alexnet_status name_trunk(caffe_reader *reader, const an_caffe_layer *layer,
                                 const char *blob, alexnet_error *error) {
    if (reader->trunk_count == trunk_limit)
        return an_caffe_fail_layer(reader->file->path, layer,
                                   "has more copies made of its input than 16", error);
    char *copy = an_string_copy(blob);
    if (!copy)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its layers",
                       reader->file->path);
    reader->trunk[reader->trunk_count++] = copy;
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
    leave_trunk(reader);
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
        const an_wire_field *blob = &layer->blobs[i];
        snprintf(name, sizeof name, "%s.%s", layer->name, blobs[i].name);
        AN_TRY(an_caffe_add_blob(reader->file, name,
                                 is_conv ? blobs[i].conv_dims : blobs[i].fc_dims, blob->bytes,
                                 (size_t)(blob->end - blob->bytes), &tensor, error));
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

/* (N, 3, side, side) */
static alexnet_status read_input(caffe_reader *reader, size_t dims, int64_t height, int64_t width,
                                 alexnet_error *error) {
    if (dims != 4 || reader->side)
        return ALEXNET_OK;
    if (height != width)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: takes pictures of %lld x %lld; only squares are known here",
                       reader->file->path, (long long)height, (long long)width);
    reader->side = height;
    return ALEXNET_OK;
}

/* What a layer without an input does to pictures; the first one that says something counts, for
 * those of the other phase do the same. */
static alexnet_status read_data_layer(caffe_reader *reader, const an_caffe_layer *layer,
                                      alexnet_error *error) {
    const Caffe__TransformationParameter *t = layer->transformation;
    if (layer->input && layer->input->n_shape > 0) {
        const Caffe__BlobShape *shape = layer->input->shape[0];
        if (shape->n_dim == 4)
            AN_TRY(read_input(reader, 4, shape->dim[2], shape->dim[3], error));
    }
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
    }

static an_caffe_layer layer_of(const Caffe__LayerParameter *message) {
    an_caffe_layer layer = LAYER_OF(message);
    layer.type = message->type;
    layer.input = message->input_param;
    return layer;
}

static an_caffe_layer layer_of_v1(const Caffe__V1LayerParameter *message) {
    an_caffe_layer layer = LAYER_OF(message);
    layer.type = an_caffe_v1_type(message->type);
    return layer;
}

/* Sets a layer's blobs aside and unpacks the rest. */
static alexnet_status read_layer(caffe_reader *reader, an_wire wire, bool is_v1,
                                 alexnet_error *error) {
    const uint32_t number = is_v1 ? AN_CAFFE_V1_BLOBS : AN_CAFFE_BLOBS;
    an_wire_field field, blobs[2] = {0};
    size_t blob_count = 0, size = 0;
    while (an_wire_next(&wire, &field)) {
        if (is_v1 && field.number == 1)
            return an_fail(error, ALEXNET_UNSUPPORTED,
                           "%s: has layers as they were until 2013; Caffe's tool "
                           "upgrade_net_proto_binary makes later ones of them",
                           reader->file->path);
        if (field.number != number || field.type != AN_WIRE_BYTES)
            AN_TRY(keep_field(reader, &field, &size, error));
        else if (blob_count++ < 2)
            blobs[blob_count - 1] = field;
    }
    if (wire.next != wire.end)
        return an_fail(error, ALEXNET_FORMAT, "%s: a layer of it is damaged", reader->file->path);
    ProtobufCMessage *message;
    AN_TRY(
        unpack(reader,
               is_v1 ? &caffe__v1_layer_parameter__descriptor : &caffe__layer_parameter__descriptor,
               size, &message, error));
    an_caffe_layer layer = is_v1 ? layer_of_v1((const Caffe__V1LayerParameter *)message)
                                 : layer_of((const Caffe__LayerParameter *)message);
    memcpy(layer.blobs, blobs, sizeof blobs);
    layer.blob_count = blob_count;
    const alexnet_status status = take_layer(reader, &layer, error);
    free_message(reader, message);
    return status;
}

/* What a NetParameter says besides its layers. */
static alexnet_status read_net(caffe_reader *reader, size_t size, alexnet_error *error) {
    ProtobufCMessage *message;
    AN_TRY(unpack(reader, &caffe__net_parameter__descriptor, size, &message, error));
    const Caffe__NetParameter *net = (const Caffe__NetParameter *)message;
    alexnet_status status = ALEXNET_OK;
    if (net->n_input_shape > 0 && net->input_shape[0]->n_dim == 4)
        status =
            read_input(reader, 4, net->input_shape[0]->dim[2], net->input_shape[0]->dim[3], error);
    else if (net->n_input_dim >= 4)
        status = read_input(reader, 4, net->input_dim[2], net->input_dim[3], error);
    free_message(reader, message);
    return status;
}

static alexnet_status read_all(caffe_reader *reader, an_wire wire, alexnet_error *error) {
    const uint8_t *begin = wire.next;
    const char *path = reader->file->path;
    an_wire_field field;
    for (an_wire layers = wire; an_wire_next(&layers, &field);) {
        if (field.number != AN_CAFFE_LAYER && field.number != AN_CAFFE_LAYERS)
            continue;
        if (field.type != AN_WIRE_BYTES || (reader->layers && reader->layers != field.number))
            return an_fail(error, ALEXNET_FORMAT, "%s: mixes layers of two versions", path);
        reader->layers = field.number;
        AN_TRY(read_layer(reader, an_wire_inside(&field), field.number == AN_CAFFE_LAYERS, error));
    }
    size_t size = 0;
    while (an_wire_next(&wire, &field))
        if (field.number != AN_CAFFE_LAYER && field.number != AN_CAFFE_LAYERS)
            AN_TRY(keep_field(reader, &field, &size, error));
    if (wire.next != wire.end)
        return an_fail(error, ALEXNET_FORMAT, "%s: is damaged at byte %zu, or was not copied whole",
                       path, (size_t)(wire.next - begin));
    if (reader->file->layer_count == 0)
        return an_fail(error, ALEXNET_FORMAT, "%s: is not a caffemodel with layers", path);
    AN_TRY(read_net(reader, size, error));
    return write_metadata(reader, error);
}

alexnet_status an_caffe_read(an_tensor_file *file, const uint8_t *bytes, size_t size,
                             alexnet_error *error) {
    caffe_reader reader = {
        .file = file,
        .budget = {.left = (size_t)1 << 20},
        .settings = malloc(settings_limit),
        .scale = 1,
    };
    reader.budget.left += size <= SIZE_MAX / 4 ? 2 * size : 0;
    reader.allocator = (ProtobufCAllocator){allocate, release, &reader.budget};
    const alexnet_status status =
        reader.settings ? read_all(&reader, an_wire_of(bytes, size), error)
                        : an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to read it", file->path);
    leave_trunk(&reader);
    free(reader.settings);
    return status;
}
