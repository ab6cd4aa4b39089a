/* alexnet train: trains a network, or goes on with a run. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/network.h"
#include "cli/training.h"
#include "core/file.h"

typedef struct train_settings {
    an_common common;
    an_train_settings run; /* arch, weights, device, precision, threads, seed, batch: from common */
    const char *out;
    const char *resume;
    const char *recipe;
} train_settings;

#define RUN(member) offsetof(train_settings, run.member)
#define OWN(member) offsetof(train_settings, member)

/* Large enough for any run, small enough to be exact in a double. */
#define MANY 1e9

/* Defaults that are not here are those of an_train_defaults. */
static const an_option options[] = {
    {.name = "out",
     .type = AN_OPTION_TEXT,
     .offset = OWN(out),
     .value = "DIR",
     .unset = "runs/DATA-1, -2, ...",
     .help = "the folder of the run"},
    {.name = "resume",
     .type = AN_OPTION_TEXT,
     .offset = OWN(resume),
     .value = "DIR",
     .unset = "a new run",
     .help = "go on with the run in this folder, with its settings"},
    {.name = "recipe",
     .type = AN_OPTION_WORD,
     .offset = OWN(recipe),
     .value = "NAME",
     .choices = "default",
     .fallback = "default",
     .help = "settings that belong together; those given beside it count more"},
    {.name = "val",
     .type = AN_OPTION_TEXT,
     .offset = RUN(validation),
     .value = "DATA",
     .unset = "the data set's held-out part",
     .help = "what to validate on after every epoch"},
    {.name = "epochs",
     .type = AN_OPTION_INT,
     .offset = RUN(epochs),
     .value = "N",
     .low = 1,
     .high = 1000000,
     .help = "how often every picture is seen"},
    {.name = "batch",
     .type = AN_OPTION_INT,
     .offset = offsetof(an_common, batch),
     .value = "N",
     .low = 1,
     .high = 65536,
     .help = "pictures in a step"},
    AN_OPTION_CLASSES(train_settings, run.classes),
    AN_OPTION_INPUT_SIZE(train_settings, run.input_size),
    {.name = "limit",
     .type = AN_OPTION_COUNT,
     .offset = RUN(limit),
     .value = "N",
     .low = 0,
     .high = MANY,
     .unset = "all",
     .help = "learn from only this many pictures"},
    {.name = "val-limit",
     .type = AN_OPTION_COUNT,
     .offset = RUN(validation_limit),
     .value = "N",
     .low = 0,
     .high = MANY,
     .unset = "all",
     .help = "validate on only this many pictures"},
    {.name = "schedule",
     .type = AN_OPTION_CHOICE,
     .offset = RUN(schedule.kind),
     .value = "KIND",
     .choices = "constant|step|cosine|plateau",
     .help = "how the learning rate changes"},
    {.name = "lr",
     .type = AN_OPTION_NUMBER,
     .offset = RUN(schedule.base),
     .value = "RATE",
     .low = 0,
     .high = 100,
     .help = "learning rate"},
    {.name = "lr-factor",
     .type = AN_OPTION_NUMBER,
     .offset = RUN(schedule.factor),
     .value = "F",
     .low = 0,
     .high = 1,
     .help = "step, plateau: what the rate is multiplied with"},
    {.name = "lr-every",
     .type = AN_OPTION_NUMBER,
     .offset = RUN(schedule.every),
     .value = "EPOCHS",
     .low = 0.001,
     .high = 1000000,
     .help = "step: epochs between two steps"},
    {.name = "patience",
     .type = AN_OPTION_INT,
     .offset = RUN(schedule.patience),
     .value = "EPOCHS",
     .low = 1,
     .high = 1000000,
     .help = "plateau: epochs without a better validation loss"},
    {.name = "warmup",
     .type = AN_OPTION_NUMBER,
     .offset = RUN(schedule.warmup),
     .value = "EPOCHS",
     .low = 0,
     .high = 1000000,
     .help = "epochs over which the rate rises from zero"},
    {.name = "momentum",
     .type = AN_OPTION_NUMBER,
     .offset = RUN(momentum),
     .value = "M",
     .low = 0,
     .high = 0.9999,
     .help = "share of the last update in the next"},
    {.name = "weight-decay",
     .type = AN_OPTION_NUMBER,
     .offset = RUN(weight_decay),
     .value = "D",
     .low = 0,
     .high = 1,
     .help = "how strongly weights are drawn to zero"},
    {.name = "bias-lr",
     .type = AN_OPTION_NUMBER,
     .offset = RUN(bias_rate),
     .value = "F",
     .low = 0,
     .high = 100,
     .help = "learning rate of the biases, as a multiple"},
    {.name = "bias-decay",
     .type = AN_OPTION_NUMBER,
     .offset = RUN(bias_decay),
     .value = "F",
     .low = 0,
     .high = 100,
     .help = "weight decay of the biases, as a multiple"},
    {.name = "no-augment",
     .type = AN_OPTION_OFF,
     .offset = RUN(augment),
     .help = "no random crops and mirroring"},
    {.name = "overfit-batch",
     .type = AN_OPTION_FLAG,
     .offset = RUN(overfit_batch),
     .help = "learn only the first batch by heart, to see that learning works"},
    {.name = "workers",
     .type = AN_OPTION_INT,
     .offset = RUN(workers),
     .value = "N",
     .low = 0,
     .high = 1024,
     .unset = "every core",
     .help = "threads that read and decode pictures"},
    {.name = "max-broken",
     .type = AN_OPTION_NUMBER,
     .offset = RUN(max_broken),
     .value = "SHARE",
     .low = 0,
     .high = 1,
     .help = "share of unreadable pictures that ends the run"},
    {.name = "checkpoint-steps",
     .type = AN_OPTION_COUNT,
     .offset = RUN(checkpoint_steps),
     .value = "N",
     .low = 0,
     .high = MANY,
     .unset = "the epoch's end",
     .help = "steps between two checkpoints"},
    {.name = "log-steps",
     .type = AN_OPTION_COUNT,
     .offset = RUN(log_steps),
     .value = "N",
     .low = 1,
     .high = MANY,
     .help = "steps between two lines of metrics.jsonl"},
    {0}};

static void prepare(void *settings) {
    train_settings *chosen = settings;
    chosen->run = an_train_defaults();
    chosen->common.batch = chosen->run.batch;
}

/* The settings that the common options carry, into the run and out of it. */
static void take_common(train_settings *chosen) {
    const an_common *common = &chosen->common;
    an_train_settings *run = &chosen->run;
    run->arch = common->arch;
    run->weights = common->weights;
    run->device = common->device;
    run->precision = (an_precision)common->precision;
    run->threads = common->threads;
    run->seed = common->seed;
    run->batch = common->batch;
}

/* The settings that the run has, from its folder where it is resumed, as a table. */
static void print_settings(void *context, const an_train_settings *run) {
    train_settings shown = *(const train_settings *)context;
    shown.run = *run;
    shown.common.batch = run->batch;
    fprintf(stderr,
            "  %-18s %s\n  %-18s %s\n  %-18s %s\n  %-18s %s, %s, %d threads\n"
            "  %-18s %llu\n",
            "data", run->data, "network", run->arch, "weights",
            run->weights ? run->weights : "as the network begins", "device", run->device,
            an_precision_name(run->precision), run->threads, "seed", (unsigned long long)run->seed);
    an_options_print(stderr, options, &shown);
}

/* A resumed run has its settings from its folder: any other that is given would be in vain. */
static alexnet_status check_resumed(const train_settings *chosen, alexnet_error *error) {
    static const char *const allowed[] = {"resume", "device",   "threads", "workers",
                                          "json",   "progress", NULL};
    const an_option *const tables[] = {options, an_common_options};
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

/* runs/NAME-N with the first N that is free. NAME: the data set's, "shapes" for "shapes:40". */
static alexnet_status new_folder(const char *data, char *folder, size_t size,
                                 alexnet_error *error) {
    char name[256];
    snprintf(name, sizeof name, "%s", data);
    for (size_t end = strlen(name); end > 1 && name[end - 1] == '/'; end--)
        name[end - 1] = '\0';
    const char *base = an_path_base(name);
    for (int n = 1; n < 100000; n++) {
        snprintf(folder, size, "runs/%.*s-%d", (int)strcspn(base, ":/"), base, n);
        if (!an_is_folder(folder) && !an_is_file(folder))
            return ALEXNET_OK;
    }
    return an_fail(error, ALEXNET_IO, "runs/ is full; choose a folder with --out");
}

static alexnet_status run(void *settings, char **arguments, int count, alexnet_error *error) {
    train_settings *chosen = settings;
    char folder[512];
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
    take_common(chosen);
    chosen->out = folder;
    an_training_view view = {.display = an_display_begin(chosen->common.progress),
                             .print_settings = print_settings,
                             .context = chosen};
    const an_train_observer observer = an_training_observer(&view);
    an_train_result result;
    an_interrupt_watch();
    const alexnet_status status =
        an_train(&chosen->run, folder, chosen->resume != NULL, &observer, &result, error);
    an_display_end(&view.display);
    if (status == ALEXNET_INTERRUPTED)
        return an_fail(error, status,
                       "stopped, with a checkpoint; to go on: alexnet train --resume "
                       "%s",
                       folder);
    if (status != ALEXNET_OK)
        return an_weights_failed(&chosen->common, status, error);
    if (chosen->common.json)
        return an_print_json(an_training_json(&result, folder), error);
    printf("%u epochs, %s steps in %s (%.1f images/s): training loss %.3f, validation top-1 %s, "
           "top-5 %s\nweights: %s\n",
           result.epochs, an_thousands(result.steps).text, an_duration(result.seconds).text,
           result.images_per_second, result.train_loss, an_percent(result.val_top1).text,
           an_percent(result.val_top5).text, result.checkpoint);
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
        "The run is a folder: run.json, metrics.jsonl, last.safetensors, best.safetensors.\n"
        "Ctrl-C writes a checkpoint; --resume goes on as if nothing had happened.",
    .examples = "  alexnet train shapes --epochs 4\n"
                "  alexnet train photos --weights best.safetensors --lr 0.001 --epochs 10\n"
                "  alexnet train --resume runs/shapes-1",
    .options = options,
    .size = sizeof(train_settings),
    .prepare = prepare,
    .run = run,
};
