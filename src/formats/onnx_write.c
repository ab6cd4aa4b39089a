/*
 * Writes ONNX models. Fields may come in any order, so that a model is written as
 *
 *     the model without its graph | graph: tag, length | the graph without weights |
 *     for each weight: tag, length | name, shape, ... | raw_data: tag, length | values
 *
 * in one pass, the lengths worked out ahead and the values straight from where they are.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "formats/onnx.h"
#include "formats/onnx_build.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw_data is written as it lies");

enum {
    GRAPH_TAG = 7 << 3 | 2,       /* of a ModelProto */
    INITIALIZER_TAG = 5 << 3 | 2, /* of a GraphProto */
    RAW_DATA_TAG = 9 << 3 | 2,    /* of a TensorProto */
    FLOAT = 1,
    BOUNDARY = 64, /* of values: kernels then read whole cache lines from a mapping */
    MOST_HEAD = 512,
    MOST_VARINT = 10
};

/* 7 bits a byte, the lowest first, the 8th set while more follow. */
static size_t put_varint(uint64_t value, uint8_t *out) {
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        out[size++] = (uint8_t)(value | 0x80);
    out[size++] = (uint8_t)value;
    return size;
}

static size_t put_tag(int tag, uint64_t length, uint8_t *out) {
    out[0] = (uint8_t)tag;
    return 1 + put_varint(length, out + 1);
}

/* What comes before a parameter's values, with a doc_string of so many blanks; returns its size.
 * out: MOST_HEAD bytes. */
static size_t put_head(const an_parameter *parameter, size_t blanks, uint8_t *out) {
    static const char all_blanks[] =
        "                                                                    "; /* > BOUNDARY + 3 */
    const size_t values = parameter->count * sizeof(float);
    uint8_t raw_data[1 + MOST_VARINT], message[MOST_HEAD / 2];
    an_parameter named = *parameter;
    char doc_string[sizeof all_blanks] = "";
    Onnx__TensorProto tensor = ONNX__TENSOR_PROTO__INIT;
    memcpy(doc_string, all_blanks, blanks);
    tensor.name = named.name;
    tensor.n_dims = (size_t)parameter->dims;
    tensor.dims = named.shape;
    tensor.has_data_type = 1;
    tensor.data_type = FLOAT;
    tensor.doc_string = blanks > 0 ? doc_string : NULL;
    const size_t raw_size = put_tag(RAW_DATA_TAG, values, raw_data);
    const size_t size = onnx__tensor_proto__pack(&tensor, message);
    const size_t before = put_tag(INITIALIZER_TAG, size + raw_size + values, out);
    memcpy(out + before, message, size);
    memcpy(out + before + size, raw_data, raw_size);
    return before + size + raw_size;
}

/* The same, so that the values behind it begin at a boundary of the file: a doc_string takes two
 * bytes more than its text. */
static size_t put_aligned_head(const an_parameter *parameter, size_t position, uint8_t *out) {
    size_t blanks = 0;
    size_t size = put_head(parameter, blanks, out);
    while ((position + size) % BOUNDARY != 0 && blanks < BOUNDARY + 2)
        size = put_head(parameter, ++blanks, out);
    return size;
}

/* Where the weights end that begin at `position`. */
static uint64_t measure(const an_network *network, uint64_t position) {
    uint8_t head[MOST_HEAD];
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *parameter = &network->parameters[i];
        position += put_aligned_head(parameter, position, head);
        position += parameter->count * sizeof(float);
    }
    return position;
}

/* The graph's length is written ahead of it and moves it: the size of that number is tried. */
static size_t find_graph_size(const an_network *network, size_t position, size_t rest,
                              uint64_t *out) {
    uint8_t tag[1 + MOST_VARINT];
    for (size_t size = 2; size < sizeof tag; size++) {
        *out = measure(network, position + size + rest) - position - size;
        if (put_tag(GRAPH_TAG, *out, tag) == size)
            return size;
    }
    return 0;
}

static alexnet_status write_message(an_writer *writer, const ProtobufCMessage *message,
                                    alexnet_error *error) {
    const size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its graph", writer->path);
    protobuf_c_message_pack(message, bytes);
    const alexnet_status status = an_writer_write(writer, bytes, size, error);
    free(bytes);
    return status;
}

static alexnet_status write_values(an_writer *writer, const an_weights_file *weights,
                                   size_t position, alexnet_error *error) {
    const an_network *network = &weights->network;
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *parameter = &network->parameters[i];
        const size_t size = parameter->count * sizeof(float);
        const float *values;
        uint8_t head[MOST_HEAD];
        const size_t before = put_aligned_head(parameter, position, head);
        AN_TRY(an_writer_write(writer, head, before, error));
        AN_TRY(an_weights_tensor(&weights->weights, i, &values, error));
        const alexnet_status status = an_writer_write(writer, values, size, error);
        an_weights_release(&weights->weights, i);
        AN_TRY(status);
        position += before + size;
    }
    return ALEXNET_OK;
}

alexnet_status an_onnx_write_weights(const char *path, const an_weights_file *weights,
                                     const an_write_options *options, alexnet_error *error) {
    an_writer writer = {.descriptor = -1};
    an_onnx_builder *builder = NULL;
    Onnx__ModelProto *model;
    Onnx__GraphProto *graph;
    an_metadata *metadata = NULL;
    size_t entries = 0;
    uint64_t graph_size;
    uint8_t tag[1 + MOST_VARINT];
    alexnet_status status;
    if (options->dtype && strcmp(options->dtype, "F32") != 0)
        return an_fail(error, ALEXNET_INVALID,
                       "%s: ONNX is written in float32 only; safetensors hold the other types",
                       path);
    if (options->preprocess && weights->preprocess.mean_image)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: these weights subtract a mean picture, which a graph with "
                       "preprocessing does not; write it without, and subtract the "
                       "tensor " AN_TENSOR_MEAN_IMAGE " of their safetensors file from the input",
                       path);
    AN_TRY_CLEANUP(an_weights_metadata(&weights->network, &weights->preprocess,
                                       weights->class_names, &metadata, &entries, error));
    AN_TRY_CLEANUP(an_onnx_build(path, weights, options->preprocess, metadata, entries, &builder,
                                 &model, &graph, error));
    const size_t before = onnx__model_proto__get_packed_size(model);
    const size_t rest = onnx__graph_proto__get_packed_size(graph);
    const size_t tag_size = find_graph_size(&weights->network, before, rest, &graph_size);
    if (tag_size == 0 || before + tag_size + graph_size > INT_MAX) {
        status = an_fail(error, ALEXNET_INVALID,
                         "%s: would take %.1f GB, and an ONNX file cannot pass protobuf's 2 GB; "
                         "safetensors can",
                         path, (double)graph_size / 1e9);
        goto cleanup;
    }
    put_tag(GRAPH_TAG, graph_size, tag);
    AN_TRY_CLEANUP(an_writer_open(&writer, path, error));
    AN_TRY_CLEANUP(write_message(&writer, &model->base, error));
    AN_TRY_CLEANUP(an_writer_write(&writer, tag, tag_size, error));
    AN_TRY_CLEANUP(write_message(&writer, &graph->base, error));
    AN_TRY_CLEANUP(write_values(&writer, weights, before + tag_size + rest, error));
    status = an_writer_commit(&writer, error);

cleanup:
    an_writer_abandon(&writer);
    an_onnx_builder_free(builder);
    an_metadata_free(metadata, entries);
    return status;
}
