#include "eval/classifier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/labels.h"
#include "core/memory.h"
#include "core/threads.h"
#include "eval/logits.h"

enum {
    default_batch = 16,
    label_size = 24 /* "class 1048575" and its end */
};

/* INVALID, with the argument's name, where a program that embeds the library hands over NULL. */
static alexnet_status needed(const void *argument, const char *name, alexnet_error *error) {
    return argument ? ALEXNET_OK
                    : an_fail(error, ALEXNET_INVALID, "%s is NULL, and must not be", name);
}

/* --- opening ------------------------------------------------------------------------------- */

static alexnet_status open_weights(const an_classifier_options *options, an_weights_file *out,
                                   alexnet_error *error) {
    if (options->weights) {
        if (options->classes || options->input_size)
            return an_fail(error, ALEXNET_INVALID,
                           "%s: the number of classes and the input size are those of the file and "
                           "cannot be chosen",
                           options->weights);
        return an_weights_open(options->weights, options->arch, out, error);
    }
    const an_arch *arch;
    an_network network;
    AN_TRY(an_arch_find(options->arch ? options->arch : "alexnet", &arch, error));
    AN_TRY(an_network_build(arch, options->classes, options->input_size, &network, error));
    return an_weights_initialise(&network, options->seed, out, error);
}

static alexnet_status take_weights(const an_classifier_options *options, an_weights_file *out,
                                   alexnet_error *error) {
    const int previous =
        an_threads_enter(options->plan.threads > 0 ? options->plan.threads : an_cpu_count());
    const alexnet_status status = open_weights(options, out, error);
    an_threads_leave(previous);
    return status;
}

/* Room for a batch of inputs, and for a batch of the largest result that may be asked for. */
static alexnet_status take_buffers(alexnet_classifier *classifier, alexnet_error *error) {
    const an_network *network = &classifier->weights.network;
    const an_plan_options *options = &classifier->plan->options;
    const size_t batch = (size_t)options->batch;
    size_t largest = (size_t)network->classes;
    for (int i = 0; options->observe && i < network->layer_count; i++) {
        const size_t count = an_shape_count(network->layers[i].out);
        largest = count > largest ? count : largest;
    }
    void *block;
    AN_TRY(an_alloc(&block, batch * an_shape_count(network->input), sizeof(float),
                    "inputs of a batch", error));
    classifier->input = block;
    AN_TRY(an_alloc(&block, batch * largest, sizeof(float), "results of a batch", error));
    classifier->output = block;
    return ALEXNET_OK;
}

static alexnet_status name_classes(alexnet_classifier *classifier, alexnet_error *error) {
    if (classifier->weights.class_names)
        return ALEXNET_OK;
    const int classes = classifier->weights.network.classes;
    classifier->labels = malloc((size_t)classes * label_size);
    if (!classifier->labels)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for the names of %d classes", classes);
    for (int i = 0; i < classes; i++)
        snprintf(classifier->labels + (size_t)i * label_size, label_size, "class %d", i);
    return ALEXNET_OK;
}

alexnet_status an_classifier_open(const an_classifier_options *options, alexnet_classifier **out,
                                  alexnet_error *error) {
    *out = NULL;
    alexnet_classifier *classifier = calloc(1, sizeof *classifier);
    if (!classifier)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for a classifier");
    classifier->forward_batch = options->forward_batch;
    alexnet_status status;
    const an_backend *backend;
    an_plan_options plan = options->plan;
    plan.batch = plan.batch ? plan.batch : default_batch;
    AN_TRY_CLEANUP(an_backend_find(options->device ? options->device : "auto", &backend, error));
    AN_TRY_CLEANUP(take_weights(options, &classifier->weights, error));
    AN_TRY_CLEANUP(
        an_plan_create(backend, &classifier->weights.network, &plan, &classifier->plan, error));
    AN_TRY_CLEANUP(an_plan_load(classifier->plan, &classifier->weights.weights, error));
    AN_TRY_CLEANUP(take_buffers(classifier, error));
    AN_TRY_CLEANUP(name_classes(classifier, error));
    *out = classifier;
    return ALEXNET_OK;

cleanup:
    alexnet_classifier_free(classifier);
    return status;
}

alexnet_status alexnet_classifier_open(const char *weights, const alexnet_options *options,
                                       alexnet_classifier **out, alexnet_error *error) {
    static const alexnet_options defaults = {0};
    const alexnet_options *o = options ? options : &defaults;
    an_precision precision = AN_FP32;
    AN_TRY(needed(out, "out", error));
    *out = NULL;
    if (!weights)
        return an_fail(error, ALEXNET_INVALID, "no weights file is named");
    if (o->batch < 0)
        return an_fail(error, ALEXNET_INVALID, "batch %d: it must be at least 1, or 0 for %d",
                       o->batch, default_batch);
    if (o->precision)
        AN_TRY(an_precision_find(o->precision, &precision, error));
    /* Pictures come one by one: a plan for many would compute empty places beside each. */
    return an_classifier_open(
        &(an_classifier_options){.weights = weights,
                                 .arch = o->arch,
                                 .device = o->device,
                                 .plan = {.batch = 1,
                                          .precision = precision,
                                          .threads = o->threads,
                                          .brief = o->brief != 0},
                                 .forward_batch = o->batch ? o->batch : default_batch},
        out, error);
}

void alexnet_classifier_free(alexnet_classifier *classifier) {
    if (!classifier)
        return;
    an_plan_free(classifier->plan); /* the plans first: they may point at the weights */
    an_plan_free(classifier->batch_plan);
    an_weights_close(&classifier->weights);
    an_free(classifier->input);
    an_free(classifier->output);
    free(classifier->labels);
    free(classifier);
}

int alexnet_classifier_classes(const alexnet_classifier *classifier) {
    return classifier ? classifier->weights.network.classes : 0;
}

int alexnet_classifier_input_size(const alexnet_classifier *classifier) {
    return classifier ? classifier->weights.network.input_size : 0;
}

const char *alexnet_classifier_label(const alexnet_classifier *classifier, int index) {
    if (!classifier || index < 0 || index >= classifier->weights.network.classes)
        return NULL;
    if (classifier->weights.class_names)
        return classifier->weights.class_names[index];
    return classifier->labels + (size_t)index * label_size;
}

alexnet_status an_classifier_name(alexnet_classifier *classifier, const char *path,
                                  alexnet_error *error) {
    an_weights_file *weights = &classifier->weights;
    int classes = weights->network.classes;
    char **names;
    AN_TRY(an_labels_read(path, &classes, &names, error));
    an_labels_free(weights->class_names, weights->network.classes);
    weights->class_names = names;
    return ALEXNET_OK;
}

/* --- computing ----------------------------------------------------------------------------- */

alexnet_status an_layer_find(const an_network *network, const char *name, int *out,
                             alexnet_error *error) {
    *out = an_network_layer(network, name);
    if (*out >= 0)
        return ALEXNET_OK;
    char names[512] = "";
    for (int i = 0; i < network->layer_count; i++) {
        strncat(names, " ", sizeof names - strlen(names) - 1);
        strncat(names, network->layers[i].spec.name, sizeof names - strlen(names) - 1);
    }
    return an_fail(error, ALEXNET_INVALID, "%s has no layer called '%.60s'; there are:%s",
                   network->arch->name, name, names);
}

an_shape an_result_shape(const an_network *network, int layer) {
    return layer == AN_LOGITS ? (an_shape){network->classes, 1, 1} : network->layers[layer].out;
}

/* One batch or less. The plan hands out whole batches, so that a shorter one takes a detour. */
static alexnet_status compute_batch(alexnet_classifier *classifier, int layer, const float *input,
                                    int images, float *out, alexnet_error *error) {
    an_plan *plan = classifier->plan;
    if (layer == AN_LOGITS)
        return an_plan_forward(plan, input, images, out, error);
    AN_TRY(an_plan_forward(plan, input, images, classifier->output, error));
    if (images == plan->options.batch)
        return an_plan_read(plan, AN_ACTIVATION, layer, out, error);
    AN_TRY(an_plan_read(plan, AN_ACTIVATION, layer, classifier->output, error));
    const an_shape shape = an_result_shape(&plan->network, layer);
    memcpy(out, classifier->output, (size_t)images * an_shape_count(shape) * sizeof *out);
    return ALEXNET_OK;
}

alexnet_status an_classifier_compute(alexnet_classifier *classifier, int layer, const float *input,
                                     size_t images, float *out, alexnet_error *error) {
    const an_network *network = &classifier->weights.network;
    const size_t batch = (size_t)classifier->plan->options.batch;
    const size_t in = an_shape_count(network->input),
                 result = an_shape_count(an_result_shape(network, layer));
    for (size_t first = 0; first < images; first += batch) {
        const size_t count = images - first < batch ? images - first : batch;
        AN_TRY(compute_batch(classifier, layer, input + first * in, (int)count,
                             out + first * result, error));
    }
    return ALEXNET_OK;
}

/* Reads and preprocesses files into the classifier's input; zeros where that fails. */
static void read_batch(alexnet_classifier *classifier, const char *const *paths, int count,
                       alexnet_error *failures) {
    const an_preprocess *preprocess = &classifier->weights.preprocess;
    const size_t in = an_shape_count(classifier->weights.network.input);
    const int previous = an_threads_enter(classifier->plan->options.threads);
#pragma omp parallel
    {
        an_image image = {0}, scratch = {0};
#pragma omp for schedule(dynamic)
        for (int i = 0; i < count; i++) {
            float *input = classifier->input + (size_t)i * in;
            failures[i] = (alexnet_error){0};
            if (an_image_read(paths[i], &image, &failures[i]) != ALEXNET_OK ||
                an_image_preprocess(&image, preprocess, &scratch, input, &failures[i]) !=
                    ALEXNET_OK)
                memset(input, 0, in * sizeof *input);
        }
        an_image_free(&image);
        an_image_free(&scratch);
    }
    an_threads_leave(previous);
}

alexnet_status an_classifier_files(alexnet_classifier *classifier, int layer,
                                   const char *const *paths, size_t count, float *out,
                                   alexnet_error *failures, alexnet_error *error) {
    const size_t batch = (size_t)classifier->plan->options.batch;
    const size_t result = an_shape_count(an_result_shape(&classifier->weights.network, layer));
    for (size_t first = 0; first < count; first += batch) {
        const size_t files = count - first < batch ? count - first : batch;
        float *results = out + first * result;
        read_batch(classifier, paths + first, (int)files, failures + first);
        AN_TRY(an_classifier_compute(classifier, layer, classifier->input, files, results, error));
        for (size_t i = 0; i < files; i++)
            if (failures[first + i].status != ALEXNET_OK)
                memset(results + i * result, 0, result * sizeof *results);
    }
    return ALEXNET_OK;
}

static alexnet_status make_batch_plan(alexnet_classifier *classifier, alexnet_error *error) {
    an_plan_options options = classifier->plan->options;
    options.batch = classifier->forward_batch;
    an_plan *plan;
    AN_TRY(an_plan_create(classifier->plan->backend, &classifier->weights.network, &options, &plan,
                          error));
    const alexnet_status status = an_plan_load(plan, &classifier->weights.weights, error);
    if (status == ALEXNET_OK)
        classifier->batch_plan = plan;
    else
        an_plan_free(plan);
    return status;
}

alexnet_status alexnet_forward(alexnet_classifier *classifier, const float *input, int images,
                               float *logits, alexnet_error *error) {
    AN_TRY(needed(classifier, "classifier", error));
    AN_TRY(needed(input, "input", error));
    AN_TRY(needed(logits, "logits", error));
    if (images < 1)
        return an_fail(error, ALEXNET_INVALID, "%d images: there must be at least 1", images);
    const size_t in = an_shape_count(classifier->weights.network.input),
                 classes = (size_t)classifier->weights.network.classes;
    an_plan *plan = classifier->plan;
    if (images > plan->options.batch && classifier->forward_batch > plan->options.batch) {
        if (!classifier->batch_plan)
            AN_TRY(make_batch_plan(classifier, error));
        plan = classifier->batch_plan;
    }
    for (int first = 0, count; first < images; first += count) {
        const int left = images - first;
        count = left < plan->options.batch ? left : plan->options.batch;
        AN_TRY(an_plan_forward(left == 1 ? classifier->plan : plan, input + (size_t)first * in,
                               count, logits + (size_t)first * classes, error));
    }
    return ALEXNET_OK;
}

/* --- answers ------------------------------------------------------------------------------- */

alexnet_status an_classifier_top(const alexnet_classifier *classifier, const float *logits,
                                 alexnet_prediction *top, int count, alexnet_error *error) {
    const int classes = classifier->weights.network.classes;
    if (count < 1)
        return an_fail(error, ALEXNET_INVALID, "the %d most probable classes: ask for at least 1",
                       count);
    const int known = count < classes ? count : classes;
    float *probabilities = malloc((size_t)classes * sizeof *probabilities);
    int *indices = malloc((size_t)known * sizeof *indices);
    alexnet_status status = ALEXNET_OK;
    if (probabilities && indices) {
        an_softmax(logits, classes, probabilities);
        an_top_k(logits, classes, known, indices);
        for (int i = 0; i < count; i++) {
            top[i] = (alexnet_prediction){.index = -1, .label = ""};
            if (i < known)
                top[i] = (alexnet_prediction){
                    .index = indices[i],
                    .probability = probabilities[indices[i]],
                    .label = alexnet_classifier_label(classifier, indices[i]),
                };
        }
    } else {
        status = an_fail(error, ALEXNET_NO_MEMORY, "no memory for %d probabilities", classes);
    }
    free(probabilities);
    free(indices);
    return status;
}

static alexnet_status classify_image(alexnet_classifier *classifier, const an_image *image,
                                     alexnet_prediction *top, int count, alexnet_error *error) {
    an_image scratch = {0};
    const alexnet_status status = an_image_preprocess(image, &classifier->weights.preprocess,
                                                      &scratch, classifier->input, error);
    an_image_free(&scratch);
    AN_TRY(status);
    AN_TRY(an_classifier_compute(classifier, AN_LOGITS, classifier->input, 1, classifier->output,
                                 error));
    return an_classifier_top(classifier, classifier->output, top, count, error);
}

/* What all three kinds of pictures need. */
static alexnet_status check_arguments(const alexnet_classifier *classifier,
                                      const alexnet_prediction *top, alexnet_error *error) {
    AN_TRY(needed(classifier, "classifier", error));
    return needed(top, "top", error);
}

alexnet_status alexnet_classify_file(alexnet_classifier *classifier, const char *path,
                                     alexnet_prediction *top, int count, alexnet_error *error) {
    AN_TRY(check_arguments(classifier, top, error));
    AN_TRY(needed(path, "path", error));
    an_image image = {0};
    alexnet_status status = an_image_read(path, &image, error);
    if (status == ALEXNET_OK)
        status = classify_image(classifier, &image, top, count, error);
    an_image_free(&image);
    return status;
}

alexnet_status alexnet_classify_memory(alexnet_classifier *classifier, const void *bytes,
                                       size_t size, alexnet_prediction *top, int count,
                                       alexnet_error *error) {
    AN_TRY(check_arguments(classifier, top, error));
    AN_TRY(needed(bytes, "bytes", error));
    an_image image = {0};
    alexnet_status status = an_image_decode(bytes, size, "picture in memory", &image, error);
    if (status == ALEXNET_OK)
        status = classify_image(classifier, &image, top, count, error);
    an_image_free(&image);
    return status;
}

alexnet_status alexnet_classify_pixels(alexnet_classifier *classifier, const uint8_t *pixels,
                                       int width, int height, size_t stride,
                                       alexnet_prediction *top, int count, alexnet_error *error) {
    AN_TRY(check_arguments(classifier, top, error));
    AN_TRY(needed(pixels, "pixels", error));
    if (width < 1 || height < 1 || stride < (size_t)width * 3)
        return an_fail(error, ALEXNET_INVALID,
                       "a picture of %d x %d pixels with rows %zu bytes apart is impossible", width,
                       height, stride);
    an_image image = {0};
    alexnet_status status = an_image_reserve(&image, width, height, error);
    for (int y = 0; status == ALEXNET_OK && y < height; y++)
        memcpy(image.pixels + (size_t)y * (size_t)width * 3, pixels + (size_t)y * stride,
               (size_t)width * 3);
    if (status == ALEXNET_OK)
        status = classify_image(classifier, &image, top, count, error);
    an_image_free(&image);
    return status;
}
