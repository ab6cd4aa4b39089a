/* alexnet inspect: filters, activations, saliency and curves as pictures. */
#include <string.h>

#include "cli/classifier.h"
#include "cli/command.h"
#include "cli/network.h"
#include "core/file.h"
#include "core/memory.h"
#include "eval/evaluate.h"
#include "inspect/inspect.h"

typedef struct inspect_settings {
    an_common common;
    const char *out;
    const char *format;
    int class_index;
} inspect_settings;

static const an_option options[] = {
    {.name = "out",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(inspect_settings, out),
     .value = "DIR",
     .fallback = "inspect",
     .help = "the folder that the pictures go to"},
    {.name = "format",
     .type = AN_OPTION_WORD,
     .offset = offsetof(inspect_settings, format),
     .value = "TYPE",
     .choices = "png|svg",
     .fallback = "png",
     .help = "the pictures' type"},
    {.name = "class",
     .type = AN_OPTION_INT,
     .offset = offsetof(inspect_settings, class_index),
     .value = "N",
     .low = -1,
     .high = AN_MAX_CLASSES - 1,
     .help = "saliency: the class that is asked about; -1: the network's answer"},
    {0}};

static void prepare(void *settings) {
    ((inspect_settings *)settings)->class_index = -1;
}

/* The pictures that were drawn. */
typedef struct drawings {
    const inspect_settings *settings;
    json_t *files;   /* NULL: print their names */
    char path[1024]; /* of the one being drawn */
} drawings;

/* Where the picture called `name` goes. */
static const char *next_path(drawings *drawn, const char *name) {
    snprintf(drawn->path, sizeof drawn->path, "%s/%s.%s", drawn->settings->out, name,
             drawn->settings->format);
    return drawn->path;
}

/* Notes that the picture at `path` is there. */
static void note(drawings *drawn) {
    if (drawn->files)
        json_array_append_new(drawn->files, an_json_string(drawn->path));
    else
        printf("%s\n", drawn->path);
}

static alexnet_status draw_filters(drawings *drawn, const char *unused, alexnet_error *error) {
    const inspect_settings *settings = drawn->settings;
    alexnet_classifier *classifier;
    char title[160];
    (void)unused;
    AN_TRY(an_classifier_chosen(&settings->common, 1, false, 0, 0, &classifier, error));
    const an_weights_file *weights = &classifier->weights;
    const an_layer_spec *first = &weights->network.layers[0].spec;
    const float *filters = NULL;
    snprintf(title, sizeof title, "The %d filters of %s (%s)", first->units, first->name,
             weights->network.arch->name);
    alexnet_status status =
        an_weights_tensor(&weights->weights, weights->network.layers[0].weight, &filters, error);
    if (status == ALEXNET_OK)
        status = an_draw_filters(filters, first->units, first->kernel, weights->preprocess.bgr,
                                 title, next_path(drawn, "filters"), error);
    alexnet_classifier_free(classifier);
    AN_TRY(status);
    note(drawn);
    return ALEXNET_OK;
}

/*
 * Reads a picture and prepares the network's input (3, H, W), freed with an_free. `seen` becomes
 * the part of the picture, resized, that the input shows.
 */
static alexnet_status read_input(const an_weights_file *weights, const char *path, an_image *seen,
                                 float **input, alexnet_error *error) {
    an_image image = {0};
    alexnet_status status;
    *input = NULL;
    AN_TRY_CLEANUP(an_image_read(path, &image, error));
    AN_TRY_CLEANUP(an_alloc((void **)input, an_shape_count(weights->network.input), sizeof(float),
                            "a picture", error));
    status = an_image_preprocess(&image, &weights->preprocess, seen, *input, error);
cleanup:
    an_image_free(&image);
    return status;
}

static alexnet_status draw_layers(drawings *drawn, alexnet_classifier *classifier,
                                  const float *input, alexnet_error *error) {
    const an_network *network = &classifier->weights.network;
    float *values = NULL;
    size_t most = an_shape_count(network->input);
    const char *names[AN_MOST_BARS]; /* more are not shown */
    alexnet_status status;
    for (int i = 0; i < network->classes && i < AN_MOST_BARS; i++)
        names[i] = alexnet_classifier_label(classifier, i);
    for (int i = 0; i < network->layer_count; i++)
        if (an_shape_count(network->layers[i].out) > most)
            most = an_shape_count(network->layers[i].out);
    AN_TRY(an_alloc((void **)&values, most, sizeof *values, "activations", error));
    AN_TRY_CLEANUP(an_classifier_compute(classifier, AN_LOGITS, input, 1, values, error));
    for (int i = 0; i < network->layer_count; i++) {
        const an_layer *layer = &network->layers[i];
        char name[64], title[160];
        if (layer->spec.type == AN_DROPOUT) /* drops nothing outside training */
            continue;
        snprintf(name, sizeof name, "activations-%02d-%s", i + 1, layer->spec.name);
        snprintf(title, sizeof title, "%s: %d x %d x %d", layer->spec.name, layer->out.c,
                 layer->out.h, layer->out.w);
        AN_TRY_CLEANUP(an_plan_read(classifier->plan, AN_ACTIVATION, i, values, error));
        AN_TRY_CLEANUP(an_draw_activations(values, layer->out,
                                           i == network->layer_count - 1 ? names : NULL, title,
                                           next_path(drawn, name), error));
        note(drawn);
    }
cleanup:
    an_free(values);
    return status;
}

static alexnet_status draw_activations(drawings *drawn, const char *path, alexnet_error *error) {
    alexnet_classifier *classifier = NULL;
    an_image seen = {0};
    float *input = NULL;
    alexnet_status status;
    AN_TRY_CLEANUP(
        an_classifier_chosen(&drawn->settings->common, 1, true, 0, 0, &classifier, error));
    AN_TRY_CLEANUP(read_input(&classifier->weights, path, &seen, &input, error));
    status = draw_layers(drawn, classifier, input, error);
cleanup:
    an_free(input);
    an_image_free(&seen);
    alexnet_classifier_free(classifier);
    return status;
}

/* The gradient of one class's logit to the input, which takes its place in `input`. */
static alexnet_status logit_gradient(const an_common *common, const an_weights_file *weights,
                                     int class_index, float *input, alexnet_error *error) {
    an_plan_options options_ = an_plan_chosen(common, true);
    const an_backend *backend;
    an_plan *plan = NULL;
    float *direction = NULL;
    an_step_result result;
    alexnet_status status;
    options_.batch = 1;
    options_.observe = true;
    AN_TRY_CLEANUP(an_alloc((void **)&direction, (size_t)weights->network.classes, sizeof(float),
                            "a direction", error));
    direction[class_index] = 1;
    AN_TRY_CLEANUP(an_backend_find(common->device, &backend, error));
    AN_TRY_CLEANUP(an_plan_create(backend, &weights->network, &options_, &plan, error));
    AN_TRY_CLEANUP(an_plan_load(plan, &weights->weights, error));
    const an_step step = {.input = input,
                          .labels = &(int32_t){class_index},
                          .logit_gradient = direction,
                          .no_dropout = true};
    AN_TRY_CLEANUP(an_plan_step(plan, &step, &result, error));
    status = an_plan_read(plan, AN_ACTIVATION_GRADIENT, -1, input, error);
cleanup:
    an_plan_free(plan);
    an_free(direction);
    return status;
}

static alexnet_status draw_saliency(drawings *drawn, const char *path, alexnet_error *error) {
    const an_common *common = &drawn->settings->common;
    alexnet_classifier *classifier = NULL;
    an_image seen = {0};
    float *input = NULL, *logits = NULL;
    int class_index = drawn->settings->class_index;
    char title[256];
    alexnet_status status;
    AN_TRY_CLEANUP(an_classifier_chosen(common, 1, false, 0, 0, &classifier, error));
    const an_weights_file *weights = &classifier->weights;
    if (class_index >= weights->network.classes) {
        status = an_fail(error, ALEXNET_INVALID, "--class %d: this network has the classes 0 to %d",
                         class_index, weights->network.classes - 1);
        goto cleanup;
    }
    AN_TRY_CLEANUP(read_input(weights, path, &seen, &input, error));
    AN_TRY_CLEANUP(an_alloc((void **)&logits, (size_t)weights->network.classes, sizeof(float),
                            "logits", error));
    if (class_index < 0) {
        AN_TRY_CLEANUP(an_classifier_compute(classifier, AN_LOGITS, input, 1, logits, error));
        an_top_k(logits, weights->network.classes, 1, &class_index);
    }
    AN_TRY_CLEANUP(logit_gradient(common, weights, class_index, input, error));
    snprintf(title, sizeof title, "Where it depends on the pixels: %s",
             alexnet_classifier_label(classifier, class_index));
    AN_TRY_CLEANUP(an_draw_saliency(&seen, input, weights->network.input_size, title,
                                    next_path(drawn, "saliency"), error));
    note(drawn);
cleanup:
    an_free(logits);
    an_free(input);
    an_image_free(&seen);
    alexnet_classifier_free(classifier);
    return status;
}

static alexnet_status draw_curves(drawings *drawn, const char *folder, alexnet_error *error) {
    AN_TRY(an_draw_curves(folder, next_path(drawn, "curves"), error));
    note(drawn);
    return ALEXNET_OK;
}

/* What can be drawn, and what it is drawn of. */
static const struct subject {
    const char *name, *argument;
    alexnet_status (*draw)(drawings *drawn, const char *argument, alexnet_error *error);
} subjects[] = {
    {"filters", NULL, draw_filters},
    {"activations", "an IMAGE", draw_activations},
    {"saliency", "an IMAGE", draw_saliency},
    {"curves", "the folder of a RUN", draw_curves},
};

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    const inspect_settings *settings = chosen;
    const struct subject *subject = NULL;
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        if (strcmp(arguments[0], subjects[i].name) == 0)
            subject = &subjects[i];
    if (!subject)
        return an_fail(error, ALEXNET_INVALID,
                       "'%s' cannot be drawn; filters, activations, saliency and curves can",
                       arguments[0]);
    if (subject->argument ? count != 2 : count != 1)
        return an_fail(error, ALEXNET_INVALID, "%s needs %s", subject->name,
                       subject->argument ? subject->argument : "no further argument");
    if (subject->draw != draw_curves)
        AN_TRY(an_weights_needed(&settings->common, error));
    AN_TRY(an_make_folder(settings->out, error));
    drawings drawn = {.settings = settings, .files = settings->common.json ? json_array() : NULL};
    const alexnet_status status = subject->draw(&drawn, arguments[1], error);
    if (status != ALEXNET_OK || !drawn.files) {
        json_decref(drawn.files);
        return status;
    }
    return an_print_json(json_pack("{s:o}", "files", drawn.files), error);
}

const an_command an_command_inspect = {
    .name = "inspect",
    .arguments = "filters|activations IMAGE|saliency IMAGE|curves RUN",
    .least = 1,
    .most = 2,
    .title = "draw filters, activations, saliency or a run's curves",
    .text = "Draws the filters of the first layer (filters), what every layer makes of a picture\n"
            "(activations), which pixels the network's answer depends on (saliency), or the loss\n"
            "and accuracy of a training run (curves).",
    .examples = "  alexnet inspect filters --weights best.safetensors\n"
                "  alexnet inspect activations --weights best.safetensors --out cat cat.jpg\n"
                "  alexnet inspect curves --format svg runs/shapes-1",
    .options = options,
    .idle = "batch|seed|progress",
    .size = sizeof(inspect_settings),
    .prepare = prepare,
    .run = run,
};
