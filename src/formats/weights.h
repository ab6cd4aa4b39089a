/*
 * Weights files as networks: which architecture, how many classes, which preprocessing and class
 * names, and the tensors in the network's order.
 *
 * Metadata written and read (all strings): "alexnet.arch", "alexnet.classes", "alexnet.input_size",
 * "alexnet.preprocess" (JSON: resize, crop, channels "rgb"/"bgr", scale, mean, std, interpolation),
 * "alexnet.class_names" (JSON array of strings).
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
    an_safetensors file;
    float *owned; /* tensors that were initialised or are converted; NULL: none */
    an_converted converted[AN_MAX_PARAMETERS];
    float input_range[AN_MAX_LAYERS]; /* what weights.input_range points at, where known */
} an_weights_file;

/*
 * Opens weights. `arch` says what a file without metadata is (NULL: `alexnet`); where the metadata
 * names another architecture than a non-NULL `arch`, MISMATCH. Classes follow from the last layer.
 * MISMATCH lists the first tensors that are missing, unknown or of another shape. Tensors whose
 * names begin with "momentum." or "train." belong to a checkpoint and are passed over. Values of
 * float32 are not looked at, and other types are not converted before an_weights_tensor asks for
 * one: opening takes no longer for a large file. *out must stay where it is while its weights are
 * used.
 */
alexnet_status an_weights_open(const char *path, const char *arch, an_weights_file *out,
                               alexnet_error *error);

/*
 * The same for a file that must hold weights of this very network, as a checkpoint's does; its
 * architecture need not be among an_archs().
 */
alexnet_status an_weights_open_network(const char *path, const an_network *network,
                                       an_weights_file *out, alexnet_error *error);

/* The same for a network that is not in a file: its initialised weights, without class names. */
alexnet_status an_weights_initialise(const an_network *network, uint64_t seed, an_weights_file *out,
                                     alexnet_error *error);

void an_weights_close(an_weights_file *file);

/*
 * Writes a network with all that is known of it: metadata, calibration, and the tensors; of a
 * checkpoint nothing else. `dtype` is what the weights are stored as: "F32", "BF16" (biases too) or
 * "I8" (biases stay float32). FORMAT where a weight cannot be stored so, being no finite number.
 */
alexnet_status an_weights_write(const char *path, const an_weights_file *weights, const char *dtype,
                                alexnet_error *error);

/*
 * The metadata that describes a network, for an_safetensors_write: *out and its strings are freed
 * with an_metadata_free. class_names: NULL where unknown.
 */
alexnet_status an_weights_metadata(const an_network *network, const an_preprocess *preprocess,
                                   char *const *class_names, an_metadata **out, size_t *count,
                                   alexnet_error *error);

/* Appends an entry (copies) to a list made by an_weights_metadata, or to an empty one. */
alexnet_status an_metadata_add(an_metadata **metadata, size_t *count, const char *key,
                               const char *value, alexnet_error *error);

void an_metadata_free(an_metadata *metadata, size_t count);

#endif
