/*
 * A network ready to compute on pictures: weights, preprocessing, class names and a plan.
 *
 * The one piece of code behind the public alexnet_classifier and the commands `classify`,
 * `forward`, `features` and `inspect`. Weights come from a file or, where none is named, are
 * initialised.
 */
#ifndef AN_EVAL_CLASSIFIER_H
#define AN_EVAL_CLASSIFIER_H

#include "backend/backend.h"
#include "data/image.h"
#include "formats/weights.h"

/* Stands for "the logits" where a layer's index is asked for. */
enum { AN_LOGITS = -1 };

/* All zero: an untrained `alexnet` for 1000 classes on the best device. Strings are not owned. */
typedef struct an_classifier_options {
    const char *weights;  /* a weights file; NULL: initialised as the architecture's table says */
    const char *arch;     /* as for an_weights_open; NULL: the file's, or `alexnet` */
    int classes;          /* without weights; 0: 1000 */
    int input_size;       /* without weights; 0: the architecture's own */
    uint64_t seed;        /* without weights */
    const char *device;   /* NULL: "auto" */
    an_plan_options plan; /* batch 0: 16; `observe` for the activations of layers */
    int forward_batch;    /* images that alexnet_forward takes at a time; 0: as the plan */
} an_classifier_options;

/* Read its fields freely. */
struct alexnet_classifier {
    an_weights_file weights; /* network, preprocess, class_names and the tensors */
    an_plan *plan;
    int forward_batch;   /* where it is more than the plan's, alexnet_forward ... */
    an_plan *batch_plan; /* ... has a plan of its own, made when it is first needed */
    float *input;        /* room for one batch: (batch, 3, H, W), ... */
    float *output; /* ... and for its results: (batch, the largest layer's C * H * W, or classes) */
    char *labels;  /* "class 0", "class 1", ... where there are no names; NULL otherwise */
};

/* Opens or initialises the weights and makes the plan. *out: freed with alexnet_classifier_free. */
alexnet_status an_classifier_open(const an_classifier_options *options, alexnet_classifier **out,
                                  alexnet_error *error);

/* Takes the names of the classes from a text file, one a line (core/labels.h), in place of any
 * that the weights have. MISMATCH where their number is another; then everything is as before. */
alexnet_status an_classifier_name(alexnet_classifier *classifier, const char *path,
                                  alexnet_error *error);

/* The index of the layer called `name`; INVALID with the list of names where there is none. */
alexnet_status an_layer_find(const an_network *network, const char *name, int *out,
                             alexnet_error *error);

/* The shape of one image's result: a layer's output, or (classes, 1, 1) for AN_LOGITS. */
an_shape an_result_shape(const an_network *network, int layer);

/*
 * Preprocessed inputs (images, 3, H, W), any number of them, to a layer's activations
 * (images, C, H, W) or to the logits (images, classes). Layers need a plan that observes.
 */
alexnet_status an_classifier_compute(alexnet_classifier *classifier, int layer, const float *input,
                                     size_t images, float *out, alexnet_error *error);

/*
 * The same from files ("-": standard input), read and preprocessed on all threads, a batch at a
 * time. failures (count): the status and sentence of each file; where it is not ALEXNET_OK the
 * file's results are zeros, and the other files are computed all the same. The call itself fails
 * only where nothing can be computed.
 */
alexnet_status an_classifier_files(alexnet_classifier *classifier, int layer,
                                   const char *const *paths, size_t count, float *out,
                                   alexnet_error *failures, alexnet_error *error);

/*
 * Logits (classes) to the `count` most probable classes, best first; where there are fewer classes
 * the rest has index -1, probability 0 and label "".
 */
alexnet_status an_classifier_top(const alexnet_classifier *classifier, const float *logits,
                                 alexnet_prediction *top, int count, alexnet_error *error);

#endif
