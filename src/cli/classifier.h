/* The network that a command computes pictures with, and what it computes of them. */
#ifndef AN_CLI_CLASSIFIER_H
#define AN_CLI_CLASSIFIER_H

#include "cli/options.h"
#include "cli/output.h"
#include "eval/classifier.h"

/*
 * The network of --weights, or an initialised one with `classes` and `input_size` (0: its own),
 * ready for at most `batch` images at a time; observing where layers will be asked for. *out: freed
 * with alexnet_classifier_free.
 */
alexnet_status an_classifier_chosen(const an_common *common, int batch, bool observe, int classes,
                                    int input_size, alexnet_classifier **out, alexnet_error *error);

/*
 * The names of the classes: those in the file `labels`, or else in the weights; where neither is
 * there and the network tells a thousand classes apart, those of ImageNet, if they have been
 * pulled.
 */
alexnet_status an_labels_chosen(const char *labels, alexnet_classifier *classifier,
                                alexnet_error *error);

/* What is computed of each image, and the shape that the array of all of them has. */
typedef struct an_result {
    int layer;        /* AN_LOGITS, or the layer's index */
    const char *name; /* of the layer */
    int64_t shape[4]; /* (N, C, H, W), or (N, C) from the first fully connected layer on */
    int dims;
} an_result;

/* The result that --layer names (NULL: the logits) for `images` images. */
alexnet_status an_result_chosen(const an_network *network, const char *layer, size_t images,
                                an_result *out, alexnet_error *error);

/* Its shape as a JSON array. */
json_t *an_result_json(const an_result *result);

#endif
