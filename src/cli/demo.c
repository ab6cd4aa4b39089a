/* alexnet demo: the whole story in a few minutes, on the built-in data set or another. */
#include <errno.h> /* program_invocation_name */
#include <stdlib.h>
#include <string.h>

#include "cli/classifier.h"
#include "cli/command.h"
#include "cli/training.h"
#include "core/file.h"
#include "core/memory.h"
#include "data/dataset.h"
#include "inspect/inspect.h"

typedef struct demo_settings {
    an_common common;
    const char *out;
    const char *data;
    int epochs;
    double rate;
} demo_settings;

/* Enough to be right 95 times in 100, and under six minutes on two cores. */
static const an_option options[] = {{.name = "out",
                                     .type = AN_OPTION_TEXT,
                                     .offset = offsetof(demo_settings, out),
                                     .value = "DIR",
                                     .unset = "demo, demo-2, ...",
                                     .help = "the folder of the run and its pictures"},
                                    {.name = "data",
                                     .type = AN_OPTION_TEXT,
                                     .offset = offsetof(demo_settings, data),
                                     .value = "DATA",
                                     .fallback = "shapes:2000",
                                     .help = "what is learned from, with a held-out part"},
                                    {.name = "epochs",
                                     .type = AN_OPTION_INT,
                                     .offset = offsetof(demo_settings, epochs),
                                     .value = "N",
                                     .low = 1,
                                     .high = 1000,
                                     .fallback = "6",
                                     .help = "how often every picture is seen"},
                                    {.name = "lr",
                                     .type = AN_OPTION_NUMBER,
                                     .offset = offsetof(demo_settings, rate),
                                     .value = "RATE",
                                     .low = 0,
                                     .high = 100,
                                     .fallback = "0.008",
                                     .help = "learning rate"},
                                    AN_OPTION_BATCH("32", "pictures in a step"),
                                    {0}};

enum { sheet_pictures = 24, answers = 3 };

/* The demo speaks to a reader: on stderr, where progress belongs. */
static void say(const demo_settings *settings, const char *text) {
    if (settings->common.progress != AN_PROGRESS_NONE)
        fprintf(stderr, "\n%s\n", text);
}

static an_train_settings run_of(const demo_settings *settings) {
    an_train_settings run = an_train_defaults();
    if (settings->common.arch)
        run.arch = settings->common.arch;
    run.data = settings->data;
    run.device = settings->common.device;
    run.precision = (an_precision)settings->common.precision;
    run.threads = settings->common.threads;
    run.seed = settings->common.seed;
    run.batch = settings->common.batch;
    run.epochs = settings->epochs;
    run.schedule = (an_schedule){.kind = AN_SCHEDULE_COSINE,
                                 .base = settings->rate,
                                 .warmup = 0.6,
                                 .epochs = settings->epochs};
    return run;
}

static alexnet_status train(const demo_settings *settings, const char *folder,
                            an_train_result *result, alexnet_error *error) {
    const an_train_settings run = run_of(settings);
    an_training_view view = {.display = an_display_begin(&settings->common), .folder = folder};
    return an_training_run(&view, &run, false, result, error);
}

/* Classifies held-out pictures and lays them out on one sheet with the network's answers. */
static alexnet_status draw_answers(const demo_settings *settings, alexnet_classifier *classifier,
                                   const char *path, alexnet_error *error) {
    const an_weights_file *weights = &classifier->weights;
    an_dataset *held = NULL;
    an_image images[sheet_pictures] = {0}, scratch = {0};
    an_sheet_entry entries[sheet_pictures] = {0};
    float *input = NULL, *logits = NULL;
    size_t count = 0, most = 0;
    alexnet_status status;
    AN_TRY_CLEANUP(
        an_dataset_open(settings->data, AN_SPLIT_HELD_OUT, settings->common.seed, &held, error));
    AN_TRY_CLEANUP(an_alloc((void **)&input, an_shape_count(weights->network.input), sizeof(float),
                            "a picture", error));
    AN_TRY_CLEANUP(an_alloc((void **)&logits, (size_t)weights->network.classes, sizeof(float),
                            "logits", error));
    most = held->count < sheet_pictures ? held->count : sheet_pictures;
    for (; count < most; count++) {
        /* Evenly from the whole set, which may be ordered by class. */
        const size_t index = count * held->count / most;
        an_sheet_entry *entry = &entries[count];
        alexnet_prediction top[answers];
        AN_TRY_CLEANUP(an_dataset_read(held, index, &images[count], error));
        AN_TRY_CLEANUP(
            an_image_preprocess(&images[count], &weights->preprocess, &scratch, input, error));
        AN_TRY_CLEANUP(an_classifier_compute(classifier, AN_LOGITS, input, 1, logits, error));
        AN_TRY_CLEANUP(an_classifier_top(classifier, logits, top, answers, error));
        *entry = (an_sheet_entry){.image = &images[count],
                                  .caption = held->class_names[held->labels[index]],
                                  .right = -1};
        for (; entry->count < answers && top[entry->count].index >= 0; entry->count++) {
            entry->labels[entry->count] = top[entry->count].label;
            entry->probabilities[entry->count] = top[entry->count].probability;
            if (top[entry->count].index == held->labels[index])
                entry->right = entry->count;
        }
    }
    status = an_draw_sheet(entries, count, "Pictures it had never seen", path, error);
cleanup:
    for (size_t i = 0; i < sheet_pictures; i++)
        an_image_free(&images[i]);
    an_image_free(&scratch);
    an_free(logits);
    an_free(input);
    an_dataset_close(held);
    return status;
}

/*
 * The first layer's filters, and how they differ from those that the seed begins with: after a few
 * hundred steps the noise of the beginning still covers what has been learned.
 */
static alexnet_status draw_filters(const demo_settings *settings, const an_weights_file *weights,
                                   const char *folder, alexnet_error *error) {
    const an_network *network = &weights->network;
    const an_layer *first = &network->layers[0];
    const float *learned;
    const size_t count = network->parameters[first->weight].count;
    float *change = NULL;
    char path[1024];
    alexnet_status status;
    AN_TRY(an_weights_tensor(&weights->weights, first->weight, &learned, error));
    AN_TRY(an_alloc((void **)&change, count, sizeof *change, "filters", error));
    an_initialise_parameter(network, first->weight, settings->common.seed, change);
    for (size_t i = 0; i < count; i++)
        change[i] = learned[i] - change[i];
    snprintf(path, sizeof path, "%s/filters.png", folder);
    AN_TRY_CLEANUP(
        an_draw_filters(learned, first->spec.units, first->spec.kernel, weights->preprocess.bgr,
                        "conv1's filters: much of it is the noise they began with", path, error));
    snprintf(path, sizeof path, "%s/filters-learned.png", folder);
    status = an_draw_filters(change, first->spec.units, first->spec.kernel, weights->preprocess.bgr,
                             "What learning has added to conv1's filters", path, error);
cleanup:
    an_free(change);
    return status;
}

static alexnet_status draw(const demo_settings *settings, const char *folder, const char *weights,
                           alexnet_error *error) {
    an_common common = settings->common;
    alexnet_classifier *classifier = NULL;
    char path[1024];
    alexnet_status status;
    common.weights = weights;
    AN_TRY(an_classifier_chosen(&common, 1, false, 0, 0, &classifier, error));
    AN_TRY_CLEANUP(draw_filters(settings, &classifier->weights, folder, error));
    snprintf(path, sizeof path, "%s/answers.png", folder);
    status = draw_answers(settings, classifier, path, error);
cleanup:
    alexnet_classifier_free(classifier);
    return status;
}

static alexnet_status choose_folder(const demo_settings *settings, char *folder, size_t size,
                                    alexnet_error *error) {
    snprintf(folder, size, "%s", settings->out ? settings->out : "demo");
    for (int n = 2; !settings->out && an_is_folder(folder); n++) {
        if (n == 10000)
            return an_fail(error, ALEXNET_IO, "choose a folder with --out");
        snprintf(folder, size, "demo-%d", n);
    }
    return ALEXNET_OK;
}

/* What is learned from. */
typedef struct subject {
    bool shapes; /* the program's own */
    int classes;
} subject;

/* Refuses what could not be shown to its end, before anything is said. */
static alexnet_status look(const demo_settings *settings, subject *out, alexnet_error *error) {
    const an_train_settings run = run_of(settings);
    an_dataset *data;
    AN_TRY(an_settings_check(&run, error));
    AN_TRY(an_dataset_open(settings->data, AN_SPLIT_TRAIN, settings->common.seed, &data, error));
    *out = (subject){.shapes = strcmp(data->kind->name, "shapes") == 0, .classes = data->classes};
    an_dataset_close(data);
    if (!an_dataset_has_held_out(settings->data))
        return an_fail(error, ALEXNET_INVALID,
                       "--data %s: has no held-out part, and the demo shows what the network says "
                       "about pictures that it has not seen; name a data set with one, such as a "
                       "folder with train/ and val/",
                       settings->data);
    return ALEXNET_OK;
}

static void say_begin(const demo_settings *settings, const subject *learned) {
    char text[256];
    if (learned->shapes)
        snprintf(text, sizeof text,
                 "1. AlexNet learns to tell ten kinds of shapes and textures apart. It begins\n"
                 "   knowing nothing: one guess in ten is right.");
    else
        snprintf(text, sizeof text,
                 "1. AlexNet learns to tell the %d classes of your data apart. It begins knowing\n"
                 "   nothing: one guess in %d is right.",
                 learned->classes, learned->classes);
    say(settings, text);
}

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    const demo_settings *settings = chosen;
    const double begin = an_seconds();
    char folder[512];
    an_train_result result;
    subject learned;
    (void)arguments;
    (void)count;
    AN_TRY(look(settings, &learned, error));
    AN_TRY(choose_folder(settings, folder, sizeof folder, error));
    say_begin(settings, &learned);
    AN_TRY(train(settings, folder, &result, error));
    say(settings, "2. Pictures of what it has learned.");
    AN_TRY(draw(settings, folder, result.checkpoint, error));
    const double seconds = an_seconds() - begin;
    if (settings->common.json)
        return an_print_json(json_pack("{s:o, s:f, s:o, s:o}", "val_top1",
                                       an_json_number(result.val_top1), "seconds", seconds,
                                       "checkpoint", an_json_string(result.checkpoint), "folder",
                                       an_json_string(folder)),
                             error);
    printf("\nOf pictures that it had never seen it names %s rightly, after %s.\n\n"
           "Look at\n"
           "  %s/answers.png            what it says about pictures it never saw\n"
           "  %s/curves.png             how it learned\n"
           "  %s/filters.png            the filters of conv1\n"
           "  %s/filters-learned.png    what learning has added to them\n\n"
           "Next\n"
           "  %s summary\n"
           "      every size, worked out\n"
           "  %s classify --weights %s PICTURE\n"
           "      your own picture, seen by a network that knows nothing but %s\n"
           "  %s train FOLDER\n"
           "      your own pictures, a folder a class\n",
           an_percent(result.val_top1).text, an_duration(seconds).text, folder, folder, folder,
           folder, program_invocation_name, program_invocation_name, result.checkpoint,
           learned.shapes ? "shapes" : "these classes", program_invocation_name);
    return ALEXNET_OK;
}

const an_command an_command_demo = {
    .name = "demo",
    .arguments = "",
    .title = "see AlexNet learn, in a few minutes",
    .text = "Trains the network on shapes drawn by the program, or on --data, measures it on\n"
            "pictures that it has not seen, and draws its filters, its curves and a sheet of its\n"
            "answers.",
    .examples = "  alexnet demo\n"
                "  alexnet demo --data photos",
    .options = options,
    .idle = "weights",
    .size = sizeof(demo_settings),
    .run = run,
};
