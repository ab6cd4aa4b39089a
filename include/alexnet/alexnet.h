/*
 * libalexnet: AlexNet for C programs.
 *
 *     alexnet_error error;
 *     alexnet_classifier *classifier;
 *     alexnet_prediction top[5];
 *     if (alexnet_classifier_open("best.safetensors", NULL, &classifier, &error) != ALEXNET_OK ||
 *         alexnet_classify_file(classifier, "cat.jpg", top, 5, &error) != ALEXNET_OK)
 *         fprintf(stderr, "%s\n", error.message);
 *
 * Every function that can fail returns a status and, where `error` is not NULL, fills it with one
 * sentence that says what was wrong, where, and what to do. A pointer that must not be NULL, and
 * is, is INVALID; `error` and `options` may be. The library never prints, exits or aborts and holds
 * no mutable globals. A classifier may be used by one thread at a time; different classifiers by
 * different threads at once.
 */
#ifndef ALEXNET_ALEXNET_H
#define ALEXNET_ALEXNET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ALEXNET_API __attribute__((visibility("default")))
#else
#define ALEXNET_API
#endif

/* What came of a call. */
typedef enum alexnet_status {
    ALEXNET_OK = 0,
    ALEXNET_INVALID,     /* an argument, option or size that cannot work */
    ALEXNET_NO_MEMORY,   /* an allocation failed */
    ALEXNET_IO,          /* a file could not be opened, read or written */
    ALEXNET_FORMAT,      /* a file's content is not what its format demands */
    ALEXNET_MISMATCH,    /* weights that belong to another network */
    ALEXNET_UNSUPPORTED, /* a feature that this build or machine does not have */
    ALEXNET_DIVERGED,    /* training met a loss that is not a number */
    ALEXNET_INTERRUPTED, /* the caller asked to stop */
    ALEXNET_BACKEND      /* a compute library reported a failure */
} alexnet_status;

/* The reason of a failure; untouched by a call that succeeds. */
typedef struct alexnet_error {
    alexnet_status status;
    char message[1024]; /* one sentence, without a newline */
} alexnet_error;

/* The version of the library, "MAJOR.MINOR.PATCH". */
ALEXNET_API const char *alexnet_version(void);

/* How a classifier computes. All zero means: the best device (a GPU that the build can use, or else
 * the processor) and every core. */
typedef struct alexnet_options {
    const char *arch;   /* network of a file that does not name it; NULL: `alexnet` */
    const char *device; /* "auto", "cpu", "cuda" or "reference"; NULL: "auto" */
    int threads;        /* 0: the cores this process may use */
    int batch;          /* the most images that alexnet_forward computes at a time; 0: 16 */
    /* "fp32", "bf16" or "int8", on a GPU also "tf32" or "fp16", whatever the file stores; NULL:
     * "fp32". A device that lacks the instructions computes in float32. */
    const char *precision;
    /* Not 0: for a few pictures only. It opens at once, and float32 weights stay in the mapped
     * file, which processes share. Otherwise they are arranged for one picture at a time, which
     * takes some 0.1 s and a copy of them; then one picture takes about two thirds of the time. */
    int brief;
} alexnet_options;

/* A network with weights, ready to classify; opaque. */
typedef struct alexnet_classifier alexnet_classifier;

/* One answer: a class and how probable the network finds it. */
typedef struct alexnet_prediction {
    int index;         /* 0 to classes - 1 */
    float probability; /* softmax of the logits */
    const char
        *label; /* the class's name, owned by the classifier; "class 7" where none is known */
} alexnet_prediction;

/*
 * Opens a weights file (safetensors, PyTorch's .pth, ONNX, caffemodel or Darknet's .weights, as far
 * as the build reads them) and prepares the network it holds.
 * options: NULL for the defaults. *out: freed with alexnet_classifier_free; NULL after a failure.
 * Fails with IO, FORMAT, MISMATCH, UNSUPPORTED, INVALID or NO_MEMORY.
 */
ALEXNET_API alexnet_status alexnet_classifier_open(const char *weights,
                                                   const alexnet_options *options,
                                                   alexnet_classifier **out, alexnet_error *error);

/* Frees a classifier; NULL is allowed. */
ALEXNET_API void alexnet_classifier_free(alexnet_classifier *classifier);

/* The number of classes, which is the length of one image's logits; 0 of NULL. */
ALEXNET_API int alexnet_classifier_classes(const alexnet_classifier *classifier);

/* The side, in pixels, of the square input that the network takes (227 for most); 0 of NULL. */
ALEXNET_API int alexnet_classifier_input_size(const alexnet_classifier *classifier);

/* The name of class `index`, owned by the classifier; NULL where `index` is out of range, and of
 * NULL. */
ALEXNET_API const char *alexnet_classifier_label(const alexnet_classifier *classifier, int index);

/*
 * Classifies a JPEG, PNG, WebP or PPM file: the `count` most probable classes, best first. Where
 * the network has fewer classes than `count`, the rest has index -1.
 */
ALEXNET_API alexnet_status alexnet_classify_file(alexnet_classifier *classifier, const char *path,
                                                 alexnet_prediction *top, int count,
                                                 alexnet_error *error);

/* The same for an encoded picture in memory (`size` bytes). */
ALEXNET_API alexnet_status alexnet_classify_memory(alexnet_classifier *classifier,
                                                   const void *bytes, size_t size,
                                                   alexnet_prediction *top, int count,
                                                   alexnet_error *error);

/* The same for decoded pixels: (height, width, 3) RGB bytes, rows `stride` bytes apart. */
ALEXNET_API alexnet_status alexnet_classify_pixels(alexnet_classifier *classifier,
                                                   const uint8_t *pixels, int width, int height,
                                                   size_t stride, alexnet_prediction *top,
                                                   int count, alexnet_error *error);

/*
 * The network alone: `images` preprocessed inputs (N, 3, H, W) with H = W = input_size, float32, to
 * logits (N, classes).
 */
ALEXNET_API alexnet_status alexnet_forward(alexnet_classifier *classifier, const float *input,
                                           int images, float *logits, alexnet_error *error);

#ifdef __cplusplus
}
#endif

#endif
