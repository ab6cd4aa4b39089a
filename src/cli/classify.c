/* alexnet classify: what is in these pictures? */
#include <string.h>

#include "cli/classifier.h"
#include "cli/command.h"
#include "cli/network.h"
#include "cli/pictures.h"
#include "core/memory.h"

typedef struct classify_settings {
    an_common common;
    int top;
    bool logits;
    const char *labels;
} classify_settings;

static const an_option options[] = {{.name = "top",
                                     .type = AN_OPTION_INT,
                                     .offset = offsetof(classify_settings, top),
                                     .value = "K",
                                     .low = 1,
                                     .high = 100,
                                     .fallback = "5",
                                     .help = "answers for each picture"},
                                    {.name = "logits",
                                     .type = AN_OPTION_FLAG,
                                     .offset = offsetof(classify_settings, logits),
                                     .help = "also give the network's output for every class"},
                                    {.name = "labels",
                                     .type = AN_OPTION_TEXT,
                                     .offset = offsetof(classify_settings, labels),
                                     .value = "FILE",
                                     .unset = "as in the weights, or ImageNet's where pulled",
                                     .help = "the names of the classes, one a line"},
                                    AN_OPTION_BATCH("16", "pictures computed at a time"),
                                    {0}};

enum { most_top = 100, label_columns = 28, bar_columns = 30 };

static void print_answers(const char *path, const alexnet_prediction *top, int count) {
    const an_terminal terminal = an_terminal_of(stdout);
    int columns = 0;
    for (int i = 0; i < count; i++)
        columns = an_columns(top[i].label) > columns ? an_columns(top[i].label) : columns;
    columns = columns < label_columns ? columns : label_columns;
    printf("%s", terminal.colour ? "\033[1m" : "");
    an_print_name(stdout, path);
    printf("%s\n", terminal.colour ? "\033[0m" : "");
    for (int i = 0; i < count; i++) {
        const int room = an_columns_left(columns, top[i].label);
        printf("  ");
        an_print_name(stdout, top[i].label);
        printf("%*s %6.2f %%", room, "", 100 * (double)top[i].probability);
        if (terminal.is_terminal)
            printf("  %s%s%s", terminal.colour ? "\033[32m" : "",
                   an_bar((double)top[i].probability, bar_columns, terminal.utf8).text,
                   terminal.colour ? "\033[0m" : "");
        putchar('\n');
    }
}

static void print_logits(const float *logits, int classes) {
    printf("  logits");
    for (int i = 0; i < classes; i++)
        printf(" %.9g", (double)logits[i]);
    putchar('\n');
}

static json_t *answers_json(const char *path, const alexnet_prediction *top, int count,
                            const float *logits, int classes) {
    json_t *answers = json_array(), *values = NULL;
    for (int i = 0; i < count; i++)
        json_array_append_new(answers, json_pack("{s:i, s:o, s:o}", "index", top[i].index, "label",
                                                 an_json_string(top[i].label), "probability",
                                                 an_json_number((double)top[i].probability)));
    for (int i = 0; logits && i < classes; i++) {
        values = values ? values : json_array();
        json_array_append_new(values, an_json_number((double)logits[i]));
    }
    return json_pack("{s:o, s:o, s:o*}", "file", an_json_string(path), "top", answers, "logits",
                     values);
}

/* Classifies `count` pictures of one batch; *broken grows by those that cannot be read. */
static alexnet_status classify_batch(const classify_settings *settings,
                                     alexnet_classifier *classifier, char *const *paths,
                                     size_t count, float *logits, alexnet_error *failures,
                                     an_display *display, json_t *document, size_t *broken,
                                     alexnet_error *error) {
    const int classes = alexnet_classifier_classes(classifier);
    const int wanted = settings->top < classes ? settings->top : classes;
    AN_TRY(an_classifier_files(classifier, AN_LOGITS, (const char *const *)paths, count, logits,
                               failures, error));
    for (size_t i = 0; i < count; i++) {
        const float *found = logits + i * (size_t)classes;
        alexnet_prediction top[most_top];
        if (failures[i].status != ALEXNET_OK) {
            an_display_warn(display, failures[i].message);
            if (document)
                json_array_append_new(document, an_pictures_failure(paths[i], &failures[i]));
            ++*broken;
            continue;
        }
        AN_TRY(an_classifier_top(classifier, found, top, wanted, error));
        if (document) {
            json_array_append_new(document, answers_json(paths[i], top, wanted,
                                                         settings->logits ? found : NULL, classes));
            continue;
        }
        print_answers(paths[i], top, wanted);
        if (settings->logits)
            print_logits(found, classes);
    }
    return ALEXNET_OK;
}

static alexnet_status classify(const classify_settings *settings, const an_pictures *pictures,
                               an_display *display, json_t *document, alexnet_error *error) {
    alexnet_classifier *classifier = NULL;
    alexnet_error *failures = NULL;
    float *logits = NULL;
    size_t broken = 0, batch = (size_t)settings->common.batch;
    batch = batch < pictures->count ? batch : pictures->count;
    alexnet_status status;
    AN_TRY_CLEANUP(
        an_classifier_chosen(&settings->common, (int)batch, false, 0, 0, &classifier, error));
    AN_TRY_CLEANUP(an_labels_chosen(settings->labels, classifier, error));
    AN_TRY_CLEANUP(an_alloc((void **)&logits,
                            batch * (size_t)alexnet_classifier_classes(classifier), sizeof *logits,
                            "logits", error));
    AN_TRY_CLEANUP(an_alloc((void **)&failures, batch, sizeof *failures, "messages", error));
    for (size_t done = 0; done < pictures->count; done += batch) {
        const size_t count = pictures->count - done < batch ? pictures->count - done : batch;
        if (document) /* otherwise the answers themselves show the progress */
            an_display_show(display, (double)done / (double)pictures->count, "%s of %s pictures",
                            an_thousands(done).text, an_thousands(pictures->count).text);
        memset(failures, 0, batch * sizeof *failures);
        AN_TRY_CLEANUP(classify_batch(settings, classifier, pictures->paths + done, count, logits,
                                      failures, display, document, &broken, error));
    }
    an_pictures_add_empty(pictures, document);
    if (broken + pictures->empty_count > 0)
        status = an_fail(error, ALEXNET_FORMAT, "%s",
                         an_pictures_missed(broken, pictures->count, pictures->empty_count).text);
cleanup:
    an_display_end(display);
    an_free(failures);
    an_free(logits);
    alexnet_classifier_free(classifier);
    return status;
}

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    const classify_settings *settings = chosen;
    AN_TRY(an_weights_needed(&settings->common, error));
    an_pictures pictures = {0};
    json_t *document = settings->common.json ? json_array() : NULL;
    an_display display = an_display_begin(&settings->common);
    alexnet_status status = an_pictures_collect(&pictures, arguments, count, &display, error);
    if (status == ALEXNET_OK)
        status = classify(settings, &pictures, &display, document, error);
    /* What could be classified is the result even where some pictures were broken. */
    if (document && (status == ALEXNET_OK || json_array_size(document) > 0)) {
        const alexnet_status printed = an_print_json(document, status == ALEXNET_OK ? error : NULL);
        status = status == ALEXNET_OK ? printed : status;
    } else {
        json_decref(document);
    }
    an_pictures_free(&pictures);
    return status;
}

const an_command an_command_classify = {
    .name = "classify",
    .arguments = "IMAGE...",
    .least = 1,
    .most = 1 << 30,
    .title = "say what is in pictures",
    .text =
        "Classifies JPEG, PNG, WebP and PPM files, folders of them, or - for standard input, and\n"
        "gives the most probable classes of each. A picture that cannot be read is named, as is a\n"
        "folder without any; the others are classified all the same, and the exit code is\n"
        "then 1.\n"
        "\n"
        "--weights takes a file or the name of weights that were pulled: alexnet pull --list.",
    .examples = "  alexnet classify --weights torchvision cat.jpg\n"
                "  alexnet classify --weights runs/shapes-1/best.safetensors cat.jpg\n"
                "  alexnet classify --weights best.safetensors --top 3 --json photos/",
    .options = options,
    .idle = "seed",
    .size = sizeof(classify_settings),
    .run = run,
};
