/*
 * Weights files as networks: which architecture, how many classes, which preprocessing and class
 * names (metadata.h), and the tensors in the network's order.
 *
 * A weight tensor STEM.weight may be I8, between -127 and 127: the weights (O, ...) are those times
 * STEM.weight_scale, F32 (O). STEM.input_range, F32 (1), is the largest magnitude that the layer's
 * input has, as calibration found it; a file has it for every layer with weights, or for none.
 */
#ifndef AN_FORMATS_WEIGHTS_H
#define AN_FORMATS_WEIGHTS_H

#include "formats/safetensors.h"
#include "model/network.h"

/* A tensor that cannot be used where it lies in the file. */
typedef struct an_converted {
    const an_file_tensor *source; /* NULL: it can */
    float *values;                /* float32, while it has users */
    int users;                    /* who have asked for it and not released it */
} an_converted;

typedef struct an_weights_file {
    an_network network;
    an_preprocess preprocess;
    char **class_names; /* (network.classes), or NULL where the file has none */
    an_weights weights; /* float32 tensors: inside the mapping, or in `owned` */
    an_tensor_file file;
    float *owned; /* tensors that were initialised or are converted; NULL: none */
    an_converted converted[AN_MAX_PARAMETERS];
    float input_range[AN_MAX_LAYERS]; /* what weights.input_range points at, where known */
} an_weights_file;

typedef struct an_format an_format; /* formats.h */

/*
 * Opens weights in any format that is read; it is recognised by the content. `arch` is the network
 * that it must be (NULL: found out, see recognise.h). Classes follow from the last layer. MISMATCH
 * lists the first tensors, or the first layer, that do not fit. Tensors whose names begin with
 * "momentum." or "train." belong to a checkpoint and are passed over. Values of float32 are not
 * looked at, and other types are not converted before an_weights_tensor asks for one. *out must
 * stay where it is while its weights are used.
 */
alexnet_status an_weights_open(const char *path, const char *arch, an_weights_file *out,
                               alexnet_error *error);

/* The same in this very format. */
alexnet_status an_weights_open_format(const char *path, const an_format *format, const char *arch,
                                      an_weights_file *out, alexnet_error *error);

/*
 * The same for a safetensors file that must hold weights of this very network, as a checkpoint's
 * does; its architecture need not be among an_archs().
 */
alexnet_status an_weights_open_network(const char *path, const an_network *network,
                                       an_weights_file *out, alexnet_error *error);

/* The same for a network that is not in a file: its initialised weights, without class names. */
alexnet_status an_weights_initialise(const an_network *network, uint64_t seed, an_weights_file *out,
                                     alexnet_error *error);

void an_weights_close(an_weights_file *file);

/* The row of AN_TENSOR_MEAN_IMAGE for an_safetensors_write, of a preprocessing that has one. */
an_tensor_source an_mean_image_source(const an_preprocess *preprocess);

/* How weights are written, where the format leaves a choice. */
typedef struct an_write_options {
    const char *dtype; /* "F32", or where the format can "BF16" or "I8"; NULL: "F32" */
    bool preprocess;   /* ONNX: the network takes pixels, 0 to 255 in RGB, and normalises them */
} an_write_options;

/*
 * Writes a network with all that is known of it: metadata, and the tensors; of a checkpoint nothing
 * else. INVALID for what the format cannot do, FORMAT where a weight cannot be stored so.
 */
typedef alexnet_status an_weights_writer(const char *path, const an_weights_file *weights,
                                         const an_write_options *options, alexnet_error *error);

/*
 * As safetensors: in float32, "BF16" (biases too) or "I8" (biases stay float32, and the calibration
 * is written). FORMAT where a weight is no finite number and cannot be stored so.
 */
an_weights_writer an_safetensors_write_weights;

#endif
