/* alexnet train: trains a network, or goes on with a run. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/network.h"
#include "cli/train_options.h"
#include "cli/training.h"
#include "core/file.h"
#include "train/recipes.h"
#include "train/settings_json.h"

static void prepare(void *settings) {
    an_train_chosen *chosen = settings;
    chosen->run = an_train_defaults();
    chosen->common.batch = chosen->run.batch;
}

/* Puts the recipe's settings in the place of those that were not given. */
static alexnet_status take_recipe(an_train_chosen *chosen, alexnet_error *error) {
    const an_train_chosen given = *chosen;
    AN_TRY(an_recipe_find(chosen->recipe, &chosen->run, error));
    chosen->common.batch = chosen->run.batch;
    an_options_overlay(an_train_options, given.common.given, &given, chosen);
    return ALEXNET_OK;
}

/* The settings that the common options carry, into the run and out of it. */
static void take_common(an_train_chosen *chosen) {
    const an_common *common = &chosen->common;
    an_train_settings *run = &chosen->run;
    /* Weights say themselves what network they are of. */
    if (common->arch || common->weights)
        run->arch = common->arch;
    run->weights = common->weights;
    run->device = common->device;
    run->precision = (an_precision)common->precision;
    run->threads = common->threads;
    run->seed = common->seed;
    run->batch = common->batch;
}

/* The settings of a run as a table; `chosen` is only there for what the table of options needs. */
static void print_table(FILE *stream, const an_train_chosen *chosen, const an_train_settings *run) {
    an_train_chosen shown = *chosen;
    char threads[32] = "every core";
    shown.run = *run;
    shown.recipe = run->recipe;
    shown.common.batch = run->batch;
    if (run->threads)
        snprintf(threads, sizeof threads, "%d thread%s", run->threads,
                 an_plural((uint64_t)run->threads));
    fprintf(stream,
            "  %-18s %s\n  %-18s %s\n  %-18s %s\n  %-18s %s, %s, %s\n"
            "  %-18s %llu\n",
            "data", run->data ? run->data : "none", "network", run->arch ? run->arch : "alexnet",
            "weights", run->weights ? run->weights : "as the network begins", "device",
            run->device ? run->device : "auto", an_precision_names[run->precision], threads, "seed",
            (unsigned long long)run->seed);
    an_options_print(stream, an_option_find(an_train_options, "recipe"), &shown);
}

/* The settings that the run has, from its folder where it is resumed. */
static void print_settings(void *context, const an_train_settings *run) {
    print_table(stderr, context, run);
}

static alexnet_status print_recipe(an_train_chosen *chosen, char **arguments, int count,
                                   alexnet_error *error) {
    chosen->run.data = count > 0 ? arguments[0] : NULL;
    if (chosen->common.json)
        return an_print_json(an_settings_json(&chosen->run), error);
    print_table(stdout, chosen, &chosen->run);
    return ALEXNET_OK;
}

/* A resumed run has its settings from its folder: any other that is given would be in vain. */
static alexnet_status check_resumed(const an_train_chosen *chosen, alexnet_error *error) {
    static const char *const allowed[] = {"resume", "device",   "threads", "workers",
                                          "json",   "progress", NULL};
    const an_option *const tables[] = {an_train_options, an_common_options};
    const uint64_t given[] = {chosen->common.given, chosen->common.given_common};
    for (int t = 0; t < 2; t++)
        for (int row = 0; tables[t][row].name; row++) {
            bool fine = !(given[t] >> row & 1);
            for (int i = 0; allowed[i] && !fine; i++)
                fine = strcmp(tables[t][row].name, allowed[i]) == 0;
            if (!fine)
                return an_fail(error, ALEXNET_INVALID,
                               "--%s: a resumed run keeps the settings that it began with; leave "
                               "this out, or begin a new run from its weights with --weights",
                               tables[t][row].name);
        }
    return ALEXNET_OK;
}

/* runs/NAME-N with the first N that is free. NAME: the data set's, "shapes" for "shapes:40",
 * "train" for "train-{000..146}.tar". */
static alexnet_status new_folder(const char *data, char *folder, size_t size,
                                 alexnet_error *error) {
    char name[256];
    snprintf(name, sizeof name, "%s", data);
    for (size_t end = strlen(name); end > 1 && name[end - 1] == '/'; end--)
        name[end - 1] = '\0';
    const char *base = an_path_base(name);
    int length = (int)strcspn(base, ":/{");
    while (length > 1 && strchr("-_.", base[length - 1]))
        length--;
    for (int n = 1; n < 100000; n++) {
        snprintf(folder, size, "runs/%.*s-%d", length, base, n);
        if (!an_is_folder(folder) && !an_is_file(folder))
            return ALEXNET_OK;
    }
    return an_fail(error, ALEXNET_IO, "runs/ is full; choose a folder with --out");
}

static void print_result(const an_train_result *result, const char *folder) {
    if (result->was_complete)
        printf("%s was complete already: ", folder);
    printf("%u epoch%s, %s step%s", result->epochs, an_plural(result->epochs),
           an_thousands(result->steps).text, an_plural(result->steps));
    if (!result->was_complete)
        printf(" in %s", an_duration(result->seconds).text);
    if (result->images_per_second > 0)
        printf(" (%.1f images/s)", result->images_per_second);
    printf("%s training loss %.3f, validation top-1 %s, top-5 %s\nweights: %s\n",
           result->was_complete ? "," : ":", result->train_loss, an_percent(result->val_top1).text,
           an_percent(result->val_top5).text, result->checkpoint);
}

static alexnet_status run(void *settings, char **arguments, int count, alexnet_error *error) {
    an_train_chosen *chosen = settings;
    char folder[512];
    AN_TRY(take_recipe(chosen, error));
    take_common(chosen);
    if (chosen->print)
        return print_recipe(chosen, arguments, count, error);
    if (chosen->resume) {
        AN_TRY(check_resumed(chosen, error));
        if (count > 0)
            return an_fail(error, ALEXNET_INVALID,
                           "a resumed run learns from the data that it began with; leave '%s' out",
                           arguments[0]);
        snprintf(folder, sizeof folder, "%s", chosen->resume);
    } else {
        if (count == 0)
            return an_fail(error, ALEXNET_INVALID,
                           "it needs DATA: a folder of class folders, ILSVRC's archives, CIFAR's "
                           "files, tar shards, or `shapes`");
        chosen->run.data = arguments[0];
        if (chosen->out)
            snprintf(folder, sizeof folder, "%s", chosen->out);
        else
            AN_TRY(new_folder(arguments[0], folder, sizeof folder, error));
    }
    chosen->out = folder;
    an_training_view view = {.display = an_display_begin(&chosen->common),
                             .folder = folder,
                             .print_settings = print_settings,
                             .context = chosen};
    an_train_result result;
    const alexnet_status status =
        an_training_run(&view, &chosen->run, chosen->resume != NULL, &result, error);
    if (status != ALEXNET_OK)
        return an_weights_failed(&chosen->common, status, error);
    if (chosen->common.json)
        return an_print_json(an_training_json(&result, folder), error);
    print_result(&result, folder);
    return ALEXNET_OK;
}

const an_command an_command_train = {
    .name = "train",
    .arguments = "DATA",
    .most = 1,
    .title = "train a network on pictures, fine-tune one, or go on with a run",
    .text =
        "Trains on DATA: a folder with a folder of pictures for each class (or with train/ and\n"
        "val/ of that kind), of CIFAR-10's or CIFAR-100's binary files, or of ILSVRC2012's\n"
        "archives as they are distributed; tar shards ('train-{000000..000146}.tar'); or\n"
        "`shapes`, which is drawn (`shapes:5000` for as many pictures). --weights begins with\n"
        "trained weights; where the number of classes differs, all but the last layer are kept.\n"
        "\n"
        "The run is a folder: run.json, metrics.jsonl, events for TensorBoard, curves.png,\n"
        "last.safetensors, best.safetensors. `alexnet compare` puts several side by side.\n"
        "Ctrl-C writes a checkpoint; --resume goes on as if nothing had happened.",
    .examples = "  alexnet train shapes --epochs 4\n"
                "  alexnet train photos --weights best.safetensors --lr 0.001 --epochs 10\n"
                "  alexnet train photos --recipe modern --epochs 10\n"
                "  alexnet train --recipe 2012 --print\n"
                "  alexnet train --resume runs/shapes-1",
    .options = an_train_options,
    .size = sizeof(an_train_chosen),
    .prepare = prepare,
    .run = run,
};
