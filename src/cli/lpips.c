/* alexnet lpips: how different pictures look. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/network.h"
#include "cli/pictures.h"
#include "core/file.h"
#include "core/memory.h"
#include "eval/lpips.h"
#include "pull/cache.h"
#include "pull/known.h"

typedef struct lpips_settings {
    an_common common;
    const char *linear;
    int size;
} lpips_settings;

static const an_option options[] = {
    {.name = "linear",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(lpips_settings, linear),
     .value = "FILE",
     .unset = "what was pulled as lpips-alex",
     .help = "the linear weights of LPIPS 0.1 for AlexNet, alex.pth"},
    {.name = "size",
     .type = AN_OPTION_INT,
     .offset = offsetof(lpips_settings, size),
     .value = "N",
     .low = 31,
     .high = 4096,
     .unset = "the pictures' own",
     .help = "resize the short side to N pixels and compare the centre squares"},
    {0}};

/* What has been compared so far. */
typedef struct comparison {
    const lpips_settings *settings;
    an_lpips *lpips;
    json_t *pairs; /* NULL: they are printed */
    double sum;
    size_t done, failed;
} comparison;

/* Compares two pictures; `name` is what people call the pair. */
static alexnet_status compare(comparison *so_far, const char *a, const char *b, const char *name,
                              alexnet_error *error) {
    double distance;
    AN_TRY(an_lpips_files(so_far->lpips, a, b, &distance, error));
    so_far->sum += distance;
    so_far->done++;
    if (so_far->pairs) {
        json_array_append_new(so_far->pairs,
                              json_pack("{s:o, s:o, s:o}", "a", an_json_string(a), "b",
                                        an_json_string(b), "lpips", an_json_number(distance)));
        return ALEXNET_OK;
    }
    printf("%.6f  ", distance);
    an_print_name(stdout, name);
    putchar('\n');
    return ALEXNET_OK;
}

/* ---- Folders. */

/* A picture's name inside its folder. */
static const char *name_in(const char *path, const char *folder) {
    path += strlen(folder);
    return path + strspn(path, "/");
}

/* A picture of one of the two folders. */
typedef struct named {
    const char *path, *name;
} named;

static int by_name(const void *left, const void *right) {
    return strcmp(((const named *)left)->name, ((const named *)right)->name);
}

/* The pictures of a folder in the order of their names; freed with free(). */
static named *named_pictures(const an_pictures *pictures, const char *folder) {
    named *list = calloc(pictures->count, sizeof *list);
    for (size_t i = 0; list && i < pictures->count; i++)
        list[i] = (named){pictures->paths[i], name_in(pictures->paths[i], folder)};
    if (list)
        qsort(list, pictures->count, sizeof *list, by_name);
    return list;
}

/* Names a picture without a partner, or a pair that could not be compared. */
static void note_failure(comparison *so_far, an_display *display, const char *message) {
    an_display_warn(display, message);
    so_far->failed++;
}

static void note_alone(comparison *so_far, an_display *display, const named *picture,
                       const char *folder) {
    alexnet_error missing;
    an_fail(&missing, ALEXNET_IO, "%s: %s has no picture of this name", picture->path, folder);
    note_failure(so_far, display, missing.message);
}

/* Walks through both lists, which are in the order of their names. */
static alexnet_status compare_lists(comparison *so_far, const named *a, size_t a_count,
                                    const named *b, size_t b_count, char *const folders[2],
                                    an_display *display, alexnet_error *error) {
    alexnet_status status = ALEXNET_OK;
    for (size_t i = 0, j = 0; status == ALEXNET_OK && (i < a_count || j < b_count);) {
        const int order = i == a_count ? 1 : j == b_count ? -1 : by_name(&a[i], &b[j]);
        if (order < 0) {
            note_alone(so_far, display, &a[i++], folders[1]);
        } else if (order > 0) {
            note_alone(so_far, display, &b[j++], folders[0]);
        } else {
            alexnet_error failure = {0};
            if (so_far->pairs) /* otherwise the lines themselves show the progress */
                an_display_show(display, (double)i / (double)a_count, "%s of %s pictures",
                                an_thousands(i).text, an_thousands(a_count).text);
            status = compare(so_far, a[i].path, b[j].path, a[i].name, &failure);
            if (status == ALEXNET_NO_MEMORY || status == ALEXNET_BACKEND) {
                *error = failure; /* the others would fail, too */
            } else if (status != ALEXNET_OK) {
                note_failure(so_far, display, failure.message);
                status = ALEXNET_OK;
            }
            i++;
            j++;
        }
    }
    an_display_end(display);
    return status;
}

static alexnet_status compare_folders(comparison *so_far, char *const folders[2],
                                      alexnet_error *error) {
    an_pictures a = {0}, b = {0};
    named *a_list = NULL, *b_list = NULL;
    an_display display = an_display_begin(&so_far->settings->common);
    alexnet_status status;
    AN_TRY_CLEANUP(an_pictures_collect(&a, &folders[0], 1, &display, error));
    AN_TRY_CLEANUP(an_pictures_collect(&b, &folders[1], 1, &display, error));
    a_list = named_pictures(&a, folders[0]);
    b_list = named_pictures(&b, folders[1]);
    if (!a_list || !b_list) {
        status = an_fail(error, ALEXNET_NO_MEMORY, "memory ran out while listing the pictures");
        goto cleanup;
    }
    status = compare_lists(so_far, a_list, a.count, b_list, b.count, folders, &display, error);
cleanup:
    free(a_list);
    free(b_list);
    an_pictures_free(&a);
    an_pictures_free(&b);
    return status;
}

/* ---- The command. */

static alexnet_status print_result(comparison *so_far, bool folders, alexnet_error *error) {
    const double mean = so_far->sum / (double)so_far->done;
    if (so_far->pairs) {
        json_t *pairs = so_far->pairs;
        so_far->pairs = NULL;
        return an_print_json(json_pack("{s:o, s:o}", "pairs", pairs, "mean", an_json_number(mean)),
                             error);
    }
    if (folders)
        printf("%.6f  mean of %s pairs\n", mean, an_thousands(so_far->done).text);
    return ALEXNET_OK;
}

static alexnet_status compare_all(comparison *so_far, char *const arguments[2],
                                  alexnet_error *error) {
    const bool folders = an_is_folder(arguments[0]);
    if (folders) {
        AN_TRY(compare_folders(so_far, arguments, error));
    } else {
        char name[2048];
        snprintf(name, sizeof name, "%s  %s", arguments[0], arguments[1]);
        AN_TRY(compare(so_far, arguments[0], arguments[1], name, error));
    }
    if (so_far->done > 0)
        AN_TRY(print_result(so_far, folders, error));
    if (so_far->failed > 0)
        return an_fail(error, ALEXNET_FORMAT,
                       "%zu pictures had no partner to be compared with, "
                       "or could not be; the mean is that of %zu pairs",
                       so_far->failed, so_far->done);
    return ALEXNET_OK;
}

/* *out: the file of linear weights, freed with free(). */
static alexnet_status find_linear(const lpips_settings *settings, char **out,
                                  alexnet_error *error) {
    *out = settings->linear ? an_string_copy(settings->linear)
                            : an_cache_find(an_known_find("lpips-alex"));
    if (*out)
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_INVALID,
                   "it needs --linear FILE, the linear weights that LPIPS' authors publish as "
                   "weights/v0.1/alex.pth; `alexnet pull lpips-alex` downloads them");
}

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    const lpips_settings *settings = chosen;
    const an_common *common = &settings->common;
    (void)count;
    if (common->arch && strcmp(common->arch, "torchvision") != 0)
        return an_fail(error, ALEXNET_INVALID,
                       "--arch %s: LPIPS is measured with torchvision's AlexNet", common->arch);
    AN_TRY(an_weights_needed(common, error));
    if (an_is_folder(arguments[0]) != an_is_folder(arguments[1]))
        return an_fail(error, ALEXNET_INVALID,
                       "%s and %s: two pictures can be compared, or two folders", arguments[0],
                       arguments[1]);
    char *linear;
    AN_TRY(find_linear(settings, &linear, error));
    const an_lpips_options how = {.weights = common->weights,
                                  .linear = linear,
                                  .size = settings->size,
                                  .device = common->device,
                                  .plan = an_plan_chosen(common, false)};
    comparison so_far = {.settings = settings};
    alexnet_status status = an_lpips_open(&how, &so_far.lpips, error);
    free(linear);
    if (status != ALEXNET_OK)
        return an_weights_failed(common, status, error);
    so_far.pairs = common->json ? json_array() : NULL;
    status = compare_all(&so_far, arguments, error);
    json_decref(so_far.pairs);
    an_lpips_free(so_far.lpips);
    return status;
}

const an_command an_command_lpips = {
    .name = "lpips",
    .arguments = "A B",
    .least = 2,
    .most = 2,
    .title = "measure how different pictures look (LPIPS)",
    .text =
        "Compares two pictures, or those of two folders that have the same name, by LPIPS 0.1\n"
        "(Zhang et al. 2018) with AlexNet: 0 where the network sees no difference. It needs\n"
        "torchvision's weights and the linear weights that LPIPS' authors publish. Of folders,\n"
        "each pair and the mean are printed; pictures without a partner are named, and the\n"
        "exit code is then 1. Two pictures must have the same size, from 31 x 31 pixels up.",
    .examples = "  alexnet lpips --weights torchvision a.png b.png\n"
                "  alexnet lpips --weights torchvision --linear alex.pth photos/ compressed/",
    .options = options,
    .idle = "batch|seed",
    .size = sizeof(lpips_settings),
    .run = run,
};
