#include "formats/darknet.h"

#include <stdio.h>
#include <string.h>

/* Numbers of versions are small; those from 1000 on said that matrices are transposed. */
enum { version_limit = 10000 };

typedef struct file_header {
    bool transposed; /* fully connected weights are (I, O) */
    size_t size;
} file_header;

/* False where the bytes are too few, or no header. */
static bool read_header(const uint8_t *bytes, size_t size, file_header *out) {
    int32_t version[3];
    if (size < sizeof version)
        return false;
    memcpy(version, bytes, sizeof version);
    for (int i = 0; i < 3; i++)
        if (version[i] < 0 || version[i] >= version_limit)
            return false;
    if (version[0] == 0 && version[1] == 0) /* zeros are no version */
        return false;
    const bool wide = version[0] * 10 + version[1] >= 2 && version[0] < 1000 && version[1] < 1000;
    *out = (file_header){
        .transposed = version[0] > 1000 || version[1] > 1000,
        .size = sizeof version + (wide ? sizeof(uint64_t) : sizeof(uint32_t)),
    };
    return size >= out->size;
}

/* The network with any number of classes, how many values the layers before the last have, and how
 * many the last one has for a class. */
static alexnet_status measure(an_network *network, size_t *fixed, size_t *per_class,
                              alexnet_error *error) {
    const an_arch *arch;
    AN_TRY(an_arch_find("darknet", &arch, error));
    AN_TRY(an_network_build(arch, 0, 0, network, error));
    const an_layer *last = &network->layers[network->layer_count - 1];
    *per_class = network->parameters[last->weight].fan_in + 1;
    *fixed = network->parameter_floats - (size_t)network->classes * *per_class;
    return ALEXNET_OK;
}

/* How many classes a file with so many bytes of values has; 0: it is not of this network. */
static int count_classes(size_t bytes, size_t fixed, size_t per_class) {
    const size_t values = bytes / sizeof(float);
    if (bytes % sizeof(float) != 0 || values <= fixed || (values - fixed) % per_class != 0)
        return 0;
    const size_t classes = (values - fixed) / per_class;
    return classes <= AN_MAX_CLASSES ? (int)classes : 0;
}

bool an_darknet_recognise(const uint8_t *bytes, size_t size) {
    file_header header;
    an_network network;
    size_t fixed, per_class;
    return read_header(bytes, size, &header) &&
           measure(&network, &fixed, &per_class, NULL) == ALEXNET_OK &&
           count_classes(size - header.size, fixed, per_class) > 0;
}

/* Points a tensor at its values, and *bytes behind them. */
static alexnet_status add_tensor(an_tensor_file *file, const an_parameter *parameter,
                                 bool transposed, const uint8_t **bytes, alexnet_error *error) {
    an_file_tensor *tensor;
    AN_TRY(an_tensor_file_add(file, parameter->name, &tensor, error));
    tensor->dtype = "F32";
    tensor->dims = parameter->dims;
    memcpy(tensor->shape, parameter->shape, sizeof parameter->shape);
    tensor->bytes = *bytes;
    tensor->size = parameter->count * sizeof(float);
    if (transposed && parameter->dims == 2) {
        tensor->strided = true;
        tensor->stride[0] = 1;
        tensor->stride[1] = parameter->shape[0];
    }
    *bytes += tensor->size;
    return ALEXNET_OK;
}

alexnet_status an_darknet_read(an_tensor_file *file, const uint8_t *bytes, size_t size,
                               alexnet_error *error) {
    file_header header;
    an_network network;
    size_t fixed, per_class;
    if (!read_header(bytes, size, &header))
        return an_fail(error, ALEXNET_FORMAT, "%s: is not a Darknet weights file", file->path);
    AN_TRY(measure(&network, &fixed, &per_class, error));
    const size_t values = size - header.size;
    const int classes = count_classes(values, fixed, per_class);
    if (classes == 0)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: holds %zu bytes of values, where those of Darknet's alexnet.cfg take "
                       "%zu and %zu more for each class; it is of another network, or was not "
                       "copied whole",
                       file->path, values, fixed * sizeof(float), per_class * sizeof(float));
    AN_TRY(an_network_build(network.arch, classes, 0, &network, error));
    AN_TRY(an_metadata_add(&file->metadata, &file->metadata_count, AN_KEY_ARCH, network.arch->name,
                           error));
    const uint8_t *next = bytes + header.size;
    for (int i = 0; i < network.layer_count; i++) {
        const an_layer *layer = &network.layers[i];
        if (layer->weight < 0)
            continue;
        AN_TRY(add_tensor(file, &network.parameters[layer->bias], false, &next, error));
        AN_TRY(
            add_tensor(file, &network.parameters[layer->weight], header.transposed, &next, error));
    }
    return ALEXNET_OK;
}
