/*
 * What travels with weights besides the tensors, as strings under keys, whatever the format:
 *
 *   "alexnet.arch"         the architecture's name
 *   "alexnet.classes"      a whole number
 *   "alexnet.input_size"   side of the input in pixels
 *   "alexnet.preprocess"   JSON: resize, crop, channels "rgb"/"bgr", scale, mean, std,
 * interpolation "alexnet.class_names"  JSON array of strings
 */
#ifndef AN_FORMATS_METADATA_H
#define AN_FORMATS_METADATA_H

#include <stddef.h>

#include "model/network.h"

#define AN_KEY_ARCH "alexnet.arch"
#define AN_KEY_CLASSES "alexnet.classes"
#define AN_KEY_INPUT_SIZE "alexnet.input_size"
#define AN_KEY_PREPROCESS "alexnet.preprocess"
#define AN_KEY_CLASS_NAMES "alexnet.class_names"

/* The tensor, F32 (3, crop, crop), in which a safetensors file has its preprocessing's mean_image.
 */
#define AN_TENSOR_MEAN_IMAGE "preprocess.mean_image"

typedef struct an_metadata {
    char *key, *value;
} an_metadata;

/* Appends an entry (copies) to a list, which may be empty (NULL, 0). */
alexnet_status an_metadata_add(an_metadata **metadata, size_t *count, const char *key,
                               const char *value, alexnet_error *error);

void an_metadata_free(an_metadata *metadata, size_t count);

/*
 * The metadata that describes a network: *out and its strings are freed with an_metadata_free.
 * class_names: (classes), or NULL where unknown.
 */
alexnet_status an_weights_metadata(const an_network *network, const an_preprocess *preprocess,
                                   char *const *class_names, an_metadata **out, size_t *count,
                                   alexnet_error *error);

/* The value of AN_KEY_PREPROCESS for a preprocessing, freed with free(); NULL: no memory. */
char *an_preprocess_format(const an_preprocess *preprocess);

/*
 * Reads the value of AN_KEY_PREPROCESS. *out comes with the network's own, whose crop the text's
 * must be. FORMAT or UNSUPPORTED, naming the file `path`.
 */
alexnet_status an_preprocess_parse(const char *path, const char *text, an_preprocess *out,
                                   alexnet_error *error);

/* Reads the value of AN_KEY_CLASS_NAMES: *out (classes) and its strings are freed with free(). */
alexnet_status an_class_names_parse(const char *path, const char *text, int classes, char ***out,
                                    alexnet_error *error);

#endif
