/* alexnet compare: several runs side by side, as a table and a picture. */
#include <math.h>

#include "cli/command.h"
#include "inspect/inspect.h"
#include "train/summary.h"

typedef struct compare_settings {
    an_common common;
    const char *out;
} compare_settings;

static const an_option options[] = {{.name = "out",
                                     .type = AN_OPTION_TEXT,
                                     .offset = offsetof(compare_settings, out),
                                     .value = "FILE",
                                     .fallback = "compare.png",
                                     .help = "the picture, .png or .svg"},
                                    {0}};

static an_text number(double value, int decimals) {
    an_text text = {"-"};
    if (isfinite(value))
        snprintf(text.text, sizeof text.text, "%.*f", decimals, value);
    return text;
}

static void print_table(char *const *folders, const an_run_summary *runs, int count) {
    printf("%-9s %-14s %9s %10s %8s %8s %6s %9s %13s  %s\n", "recipe", "network", "epochs", "loss",
           "top-1", "top-5", "best", "images/s", "time", "run");
    for (int i = 0; i < count; i++) {
        const an_run_summary *run = &runs[i];
        char epochs[32];
        snprintf(epochs, sizeof epochs, "%u/%u", run->epochs, run->planned);
        printf("%-9s %-14s %9s %10s %8s %8s %6u %9s %13s  ", run->recipe, run->arch, epochs,
               number(run->train_loss, 4).text, an_percent(run->val_top1).text,
               an_percent(run->val_top5).text, run->best_epoch,
               number(run->images_per_second, 1).text, an_duration(run->seconds).text);
        an_print_name(stdout, folders[i]);
        putchar('\n');
    }
}

static json_t *describe(const char *folder, const an_run_summary *run) {
    return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "folder",
                     an_json_string(folder), "recipe", an_json_string(run->recipe), "arch",
                     an_json_string(run->arch), "epochs", (json_int_t)run->epochs, "planned_epochs",
                     (json_int_t)run->planned, "best_epoch", (json_int_t)run->best_epoch,
                     "train_loss", an_json_number(run->train_loss), "val_top1",
                     an_json_number(run->val_top1), "val_top5", an_json_number(run->val_top5),
                     "images_per_second", an_json_number(run->images_per_second), "seconds",
                     an_json_number(run->seconds));
}

static alexnet_status print_json(char *const *folders, const an_run_summary *runs, int count,
                                 const char *picture, alexnet_error *error) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, describe(folders[i], &runs[i]));
    return an_print_json(json_pack("{s:o, s:o}", "runs", list, "picture",
                                   picture ? an_json_string(picture) : json_null()),
                         error);
}

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    const compare_settings *settings = chosen;
    const char *folders[AN_MAX_COMPARED];
    an_run_summary runs[AN_MAX_COMPARED];
    for (int i = 0; i < count; i++) {
        folders[i] = arguments[i];
        AN_TRY(an_run_summarise(folders[i], &runs[i], error));
    }
    const alexnet_status drawn = an_draw_comparison(folders, (size_t)count, settings->out, error);
    if (drawn == ALEXNET_UNSUPPORTED)
        fprintf(stderr, "alexnet: %s\n", error->message); /* the table is worth having alone */
    else
        AN_TRY(drawn);
    const char *picture = drawn == ALEXNET_OK ? settings->out : NULL;
    if (settings->common.json)
        return print_json(arguments, runs, count, picture, error);
    print_table(arguments, runs, count);
    if (picture) {
        printf("\n");
        an_print_name(stdout, picture);
        printf("\n");
    }
    return ALEXNET_OK;
}

const an_command an_command_compare = {
    .name = "compare",
    .arguments = "RUN...",
    .least = 1,
    .most = AN_MAX_COMPARED,
    .title = "put training runs side by side, in a table and a picture",
    .text =
        "Shows for each run, a folder that `alexnet train` has made, its recipe, network, the\n"
        "epochs done and asked for, the training loss of the last one, the validation accuracy\n"
        "of the best one, and the time; and draws training loss and validation accuracy of\n"
        "all runs into one picture. A run may still be going on.",
    .examples = "  alexnet compare runs/cifar-1 runs/cifar-2\n"
                "  alexnet compare --out recipes.svg runs/*",
    .options = options,
    .idle = "arch|weights|device|precision|batch|threads|seed|progress",
    .size = sizeof(compare_settings),
    .run = run,
};
