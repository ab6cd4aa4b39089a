/* alexnet eval: how often is a network right? */
#include <stdlib.h>

#include "cli/classifier.h"
#include "cli/command.h"
#include "cli/eval_report.h"
#include "cli/network.h"
#include "core/file.h"
#include "data/loader.h"
#include "eval/votes.h"

typedef struct eval_settings {
    an_common common;
    an_list weights;
    int ten_views; /* the row's choices */
    size_t limit;
    int workers;
    int split; /* an_split */
    double max_broken;
    const char *report;
    size_t mistakes;
} eval_settings;

static const an_option options[] = {
    {.name = "weights",
     .type = AN_OPTION_LIST,
     .offset = offsetof(eval_settings, weights),
     .value = "FILE",
     .unset = "none",
     .help = "a file of weights, in any format; given several times, these networks vote"},
    {.name = "views",
     .type = AN_OPTION_CHOICE,
     .offset = offsetof(eval_settings, ten_views),
     .value = "N",
     .choices = "1|10",
     .fallback = "1",
     .help = "1: the centre of each picture; 10: also its corners, and all mirrored"},
    {.name = "split",
     .type = AN_OPTION_CHOICE,
     .offset = offsetof(eval_settings, split),
     .value = "PART",
     .choices = "train|held-out",
     .fallback = "held-out",
     .help = "the part of a data set that has two"},
    {.name = "limit",
     .type = AN_OPTION_COUNT,
     .offset = offsetof(eval_settings, limit),
     .value = "N",
     .low = 0,
     .high = 1e9,
     .unset = "all",
     .help = "look at only this many pictures"},
    AN_OPTION_WORKERS(eval_settings, workers),
    {.name = "max-broken",
     .type = AN_OPTION_NUMBER,
     .offset = offsetof(eval_settings, max_broken),
     .value = "SHARE",
     .low = 0,
     .high = 1,
     .fallback = "0.1",
     .help = "share of unreadable pictures that ends the evaluation, once they are more than ten; "
             "0: the first one does"},
    {.name = "report",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(eval_settings, report),
     .value = "FOLDER",
     .help = "also write which classes are taken for which, and the worst mistakes, into here"},
    {.name = "mistakes",
     .type = AN_OPTION_COUNT,
     .offset = offsetof(eval_settings, mistakes),
     .value = "N",
     .low = 0,
     .high = 600,
     .fallback = "24",
     .help = "the report's worst mistakes: wrong answers of the highest probability"},
    {0}};

/* What is told while it goes. */
typedef struct view {
    an_display display;
    int pass, passes;
} view;

static bool show(void *context, size_t done, size_t pictures) {
    view *on = context;
    an_text which = {""};
    if (on->passes > 1)
        snprintf(which.text, sizeof which.text, " of pass %d of %d", on->pass, on->passes);
    an_display_show(&on->display, pictures ? (double)done / (double)pictures : 1,
                    "%s of %s pictures%s", an_thousands(done).text, an_thousands(pictures).text,
                    which.text);
    return true;
}

static void broken(void *context, const char *message) {
    view *on = context;
    if (on->pass == 1) /* the others would only say it again */
        an_display_warn(&on->display, message);
}

/* What came of it; `confusion` is NULL without a report. */
static alexnet_status print_result(const eval_settings *settings, const an_dataset *dataset,
                                   const an_evaluation *found, const an_confusion *confusion,
                                   alexnet_error *error) {
    const double rate = found->seconds > 0 ? (double)found->images / found->seconds : 0;
    if (settings->common.json) {
        json_t *json = json_pack(
            "{s:I, s:o, s:o, s:o, s:o, s:I, s:f}", "images", (json_int_t)found->images, "top1",
            an_json_number(found->top1), "top5", an_json_number(found->top5), "loss",
            an_json_number(found->loss), "images_per_second", an_json_number(rate), "broken",
            (json_int_t)found->broken, "seconds", found->seconds);
        if (confusion)
            json_object_set_new(json, "classes", an_report_classes(dataset, confusion));
        return an_print_json(json, error);
    }
    printf("%s picture%s in %s (%.1f images/s): top-1 %s, top-5 %s, loss %.4f\n",
           an_thousands(found->images).text, an_plural(found->images),
           an_duration(found->seconds).text, rate, an_percent(found->top1).text,
           an_percent(found->top5).text, found->loss);
    if (confusion) {
        an_eval_report_print(dataset, confusion);
        printf("\nThe report is in %s\n", settings->report);
    }
    return ALEXNET_OK;
}

/* The result, with its report. The result is printed even where the report cannot be written. */
static alexnet_status tell(const eval_settings *settings, const an_dataset *dataset,
                           const an_votes *votes, alexnet_error *error) {
    an_evaluation found;
    an_confusion confusion = {0};
    alexnet_status status;
    AN_TRY(an_votes_count(votes, &found, error));
    if (!settings->report)
        return print_result(settings, dataset, &found, NULL, error);
    status = an_confusion_count(votes, settings->mistakes, &confusion, error);
    if (status == ALEXNET_OK)
        status = an_eval_report_write(settings->report, dataset, &found, &confusion, error);
    const alexnet_status printed =
        print_result(settings, dataset, &found, status == ALEXNET_OK ? &confusion : NULL,
                     status == ALEXNET_OK ? error : NULL);
    an_confusion_free(&confusion);
    return status == ALEXNET_OK ? printed : status;
}

/* What would only come out after hours of computing. */
static alexnet_status check_report(const eval_settings *settings, const an_dataset *dataset,
                                   alexnet_error *error) {
    if (!settings->report)
        return ALEXNET_OK;
    if (dataset->classes > AN_MOST_CONFUSED_CLASSES)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s has %d classes; a --report is made of at most %d", dataset->name,
                       dataset->classes, AN_MOST_CONFUSED_CLASSES);
    return an_make_folder(settings->report, error);
}

/* The network's answers have to mean what the data set's classes do. */
static alexnet_status check_classes(const char *weights, const alexnet_classifier *classifier,
                                    const an_dataset *dataset, alexnet_error *error) {
    char *const *names = classifier->weights.class_names;
    const int classes = alexnet_classifier_classes(classifier);
    if (dataset->classes != classes)
        return an_fail(error, ALEXNET_MISMATCH,
                       "%s tells %d classes apart, but %s has %d; train for this data set first, "
                       "or fine-tune with alexnet train --weights",
                       weights, classes, dataset->name, dataset->classes);
    const int other = an_dataset_other_class(dataset, names);
    if (other >= 0)
        return an_fail(error, ALEXNET_MISMATCH,
                       "class %d of %s is '%s', but of %s it is '%s'; they must be the same", other,
                       weights, names[other], dataset->name, dataset->class_names[other]);
    return ALEXNET_OK;
}

/* Adds the votes of one network. */
static alexnet_status add_network(const eval_settings *settings, const char *weights,
                                  const an_dataset *dataset, an_votes *votes, view *on,
                                  alexnet_error *error) {
    an_common common = settings->common;
    const int views = settings->ten_views ? 10 : 1;
    const an_loader_options loading = {.batch = (common.batch + views - 1) / views,
                                       .views = views,
                                       .workers = settings->workers,
                                       .seed = common.seed,
                                       .limit = settings->limit,
                                       .max_broken = settings->max_broken};
    alexnet_classifier *classifier = NULL;
    an_loader *loader = NULL;
    char *path;
    alexnet_status status;
    AN_TRY(an_weights_path(weights, &path, error));
    common.weights = path;
    AN_TRY_CLEANUP(an_classifier_chosen(&common, common.batch, false, 0, 0, &classifier, error));
    AN_TRY_CLEANUP(check_classes(weights, classifier, dataset, error));
    on->pass++;
    AN_TRY_CLEANUP(
        an_loader_create(dataset, &classifier->weights.preprocess, &loading, &loader, error));
    an_loader_on_broken(loader, broken, on);
    if (votes->views == 0)
        AN_TRY_CLEANUP(an_votes_begin(votes, an_loader_pictures(loader), dataset->classes, error));
    AN_TRY_CLEANUP(an_votes_add(votes, classifier->plan, loader, show, on, error));
cleanup:
    an_loader_free(loader);
    alexnet_classifier_free(classifier);
    free(path);
    return status;
}

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    const eval_settings *settings = chosen;
    const an_list *networks = &settings->weights;
    an_common common = settings->common;
    view on = {.display = an_display_begin(&common), .passes = networks->count};
    an_dataset *dataset = NULL;
    an_votes votes = {0};
    alexnet_status status;
    (void)count;
    common.weights = networks->items[0];
    AN_TRY(an_weights_needed(&common, error));
    AN_TRY(an_dataset_open(arguments[0], (an_split)settings->split, common.seed, &dataset, error));
    an_display_unread(&on.display, dataset);
    AN_TRY_CLEANUP(check_report(settings, dataset, error));
    for (int i = 0; i < networks->count; i++)
        AN_TRY_CLEANUP(add_network(settings, networks->items[i], dataset, &votes, &on, error));
    an_display_end(&on.display);
    status = tell(settings, dataset, &votes, error);
cleanup:
    an_display_end(&on.display);
    an_votes_free(&votes);
    an_dataset_close(dataset);
    return status;
}

const an_command an_command_eval = {
    .name = "eval",
    .arguments = "DATA",
    .least = 1,
    .most = 1,
    .title = "measure how often a network is right",
    .text = "Classifies a data set and gives the share of pictures whose class came first (top-1)\n"
            "and among the first five (top-5), and the mean cross-entropy. Of a data set with a\n"
            "held-out part that part is taken.\n"
            "\n"
            "Ten views of each picture (--views 10) and several networks (--weights again and\n"
            "again) vote: their probabilities are averaged, as the paper did it.\n"
            "\n"
            "--report FOLDER writes there how often each class was taken for which\n"
            "(confusion.csv, confusion.png), how right the network is about each class\n"
            "(classes.csv), its worst mistakes (mistakes.png), and all of it with the names of\n"
            "the files (report.json). The classes it is wrong about most often are printed.",
    .examples = "  alexnet eval --weights runs/shapes-1/best.safetensors shapes:1000\n"
                "  alexnet eval --weights a.safetensors --weights b.safetensors --views 10 photos\n"
                "  alexnet eval --weights best.safetensors --report report photos\n"
                "  alexnet eval --weights best.safetensors --json photos/val",
    .options = options,
    .size = sizeof(eval_settings),
    .run = run,
};
