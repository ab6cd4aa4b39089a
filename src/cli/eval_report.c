#include "cli/eval_report.h"

#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "core/file.h"
#include "core/memory.h"
#include "inspect/inspect.h"

/* ---- The confusion matrix. */

static alexnet_status draw_matrix(const char *path, const an_dataset *dataset,
                                  const an_evaluation *evaluation, const an_confusion *confusion,
                                  alexnet_error *error) {
    enum { most_pairs = 100 };
    an_confused_pair found[most_pairs];
    an_matrix_pair pairs[most_pairs];
    char title[640];
    int *order = NULL;
    alexnet_status status;
    AN_TRY(an_alloc((void **)&order, 2 * (size_t)confusion->classes, sizeof *order,
                    "the order of the classes", error));
    int *blocks = order + confusion->classes;
    AN_TRY_CLEANUP(an_confusion_order(confusion, order, blocks, error));
    const an_matrix matrix = {.classes = confusion->classes,
                              .counts = confusion->counts,
                              .names = dataset->class_names,
                              .order = order,
                              .blocks = blocks,
                              .pairs = pairs,
                              .pair_count = an_confusion_pairs(confusion, found, most_pairs)};
    for (size_t i = 0; i < matrix.pair_count; i++)
        pairs[i] = (an_matrix_pair){dataset->class_names[found[i].label],
                                    dataset->class_names[found[i].answer], found[i].times};
    snprintf(title, sizeof title, "%.200s: %s pictures, top-1 %s, top-5 %s", dataset->name,
             an_thousands(evaluation->images).text, an_percent(evaluation->top1).text,
             an_percent(evaluation->top5).text);
    status = an_draw_matrix(&matrix, title, path, error);
cleanup:
    an_free(order);
    return status;
}

/* ---- The worst mistakes. */

/* Reads a picture, made about as small as it is shown; one that cannot be read any more is grey. */
static alexnet_status read_small(const an_dataset *dataset, size_t index, an_image *scratch,
                                 an_image *out, alexnet_error *error) {
    enum { side = 176 };
    int width, height;
    if (an_dataset_read(dataset, index, scratch, NULL) != ALEXNET_OK) {
        AN_TRY(an_image_reserve(scratch, 1, 1, error));
        memset(scratch->pixels, 0xee, 3);
    }
    an_short_side_size(scratch->width, scratch->height, side, &width, &height);
    return an_image_resize(scratch, width, height, out, error);
}

static void describe(const an_dataset *dataset, const an_mistake *mistake, const an_image *image,
                     an_sheet_entry *entry) {
    entry->image = image;
    entry->caption = dataset->class_names[mistake->label];
    entry->count = mistake->count;
    entry->right = -1;
    for (int i = 0; i < mistake->count; i++) {
        entry->labels[i] = dataset->class_names[mistake->answers[i]];
        entry->probabilities[i] = mistake->probabilities[i];
        if (mistake->answers[i] == mistake->label)
            entry->right = i;
    }
}

static alexnet_status draw_mistakes(const char *path, const an_dataset *dataset,
                                    const an_confusion *confusion, alexnet_error *error) {
    const size_t count = confusion->mistake_count;
    an_image *images = NULL, scratch = {0};
    an_sheet_entry *entries = NULL;
    alexnet_status status;
    AN_TRY_CLEANUP(an_alloc((void **)&images, count, sizeof *images, "the mistakes", error));
    AN_TRY_CLEANUP(an_alloc((void **)&entries, count, sizeof *entries, "the mistakes", error));
    for (size_t i = 0; i < count; i++) {
        const an_mistake *mistake = &confusion->mistakes[i];
        AN_TRY_CLEANUP(read_small(dataset, mistake->index, &scratch, &images[i], error));
        describe(dataset, mistake, &images[i], &entries[i]);
    }
    status = an_draw_sheet(entries, count,
                           "Worst mistakes: what it is, and what was answered (green: right)", path,
                           error);
cleanup:
    for (size_t i = 0; images && i < count; i++)
        an_image_free(&images[i]);
    an_image_free(&scratch);
    an_free(images);
    an_free(entries);
    return status;
}

/* ---- All of it. */

static alexnet_status draw_all(const char *folder, const an_dataset *dataset,
                               const an_evaluation *evaluation, const an_confusion *confusion,
                               alexnet_error *error) {
    char *matrix = an_path_join(folder, "confusion.png");
    char *mistakes = an_path_join(folder, "mistakes.png");
    alexnet_status status = ALEXNET_OK;
    if (!matrix || !mistakes)
        status = an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to draw in it", folder);
    if (status == ALEXNET_OK)
        status = draw_matrix(matrix, dataset, evaluation, confusion, error);
    if (status == ALEXNET_OK && confusion->mistake_count > 0)
        status = draw_mistakes(mistakes, dataset, confusion, error);
    free(matrix);
    free(mistakes);
    return status;
}

alexnet_status an_eval_report_write(const char *folder, const an_dataset *dataset,
                                    const an_evaluation *evaluation, const an_confusion *confusion,
                                    alexnet_error *error) {
    alexnet_error reason = {0};
    AN_TRY(an_report_write(folder, dataset, evaluation, confusion, error));
    const alexnet_status status = draw_all(folder, dataset, evaluation, confusion, &reason);
    if (status == ALEXNET_UNSUPPORTED) {
        fprintf(stderr, "alexnet: %s\n", reason.message);
        return ALEXNET_OK;
    }
    return status == ALEXNET_OK ? status : an_fail(error, status, "%s", reason.message);
}

static bool has_mistakes(const an_confusion *confusion, int label) {
    const an_class_result *result = &confusion->results[label];
    return result->images > 0 && result->top1 < result->images;
}

void an_eval_report_print(const an_dataset *dataset, const an_confusion *confusion) {
    enum { most = 10 };
    int *worst = calloc((size_t)confusion->classes, sizeof *worst);
    if (!worst) /* a table less; the report has it */
        return;
    an_confusion_worst(confusion, worst);
    int count = 0; /* classes about which it is wrong at all */
    while (count < most && count < confusion->classes && has_mistakes(confusion, worst[count]))
        count++;
    if (count > 0)
        printf("\nThe classes about which it is wrong most often\n"
               "  %-28s %8s  %7s  %7s  %s\n",
               "", "pictures", "top-1", "top-5", "most often taken for");
    for (int i = 0; i < count; i++) {
        const an_class_result *result = &confusion->results[worst[i]];
        printf("  ");
        an_print_name(stdout, dataset->class_names[worst[i]]);
        printf("%*s %8s  %7s  %7s  ", an_columns_left(28, dataset->class_names[worst[i]]), "",
               an_thousands(result->images).text,
               an_percent((double)result->top1 / result->images).text,
               an_percent((double)result->top5 / result->images).text);
        an_print_name(stdout, dataset->class_names[result->confused]);
        printf(" (%s)\n", an_thousands(result->confused_times).text);
    }
    free(worst);
}
