/* alexnet data: what is in a data set, and what is wrong with it? */
#include "cli/data.h"

#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "core/file.h"
#include "core/memory.h"

typedef struct data_settings {
    an_common common;
    const char *val;
    int split; /* the row's choices */
    bool fast;
    const char *sheet;
    int per_class;
    size_t names;
} data_settings;

enum { BOTH, TRAIN, HELD_OUT };

static const an_option options[] = {
    {.name = "val",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(data_settings, val),
     .value = "DATA",
     .unset = "what DATA has",
     .help = "the held-out part, where it is a data set of its own"},
    {.name = "split",
     .type = AN_OPTION_CHOICE,
     .offset = offsetof(data_settings, split),
     .value = "PART",
     .choices = "both|train|held-out",
     .fallback = "both",
     .help = "the parts to look at"},
    {.name = "fast",
     .type = AN_OPTION_FLAG,
     .offset = offsetof(data_settings, fast),
     .help = "read only the headers of pictures: no damage inside them, no colours, and only "
             "duplicates to the byte are found"},
    {.name = "names",
     .type = AN_OPTION_COUNT,
     .offset = offsetof(data_settings, names),
     .value = "N",
     .low = 0,
     .high = 1e9,
     .fallback = "10",
     .help = "pictures to name of each finding; --json names all"},
    {.name = "sheet",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(data_settings, sheet),
     .value = "FILE",
     .help = "also draw some pictures of each class, as .png or .svg"},
    {.name = "per-class",
     .type = AN_OPTION_INT,
     .offset = offsetof(data_settings, per_class),
     .value = "N",
     .low = 1,
     .high = 100,
     .unset = "10, or 5 of more than 100 classes",
     .help = "pictures of each class on the sheet"},
    {0}};

/* What is told while it goes. */
typedef struct watch {
    an_display display;
    const char *part;
} watch;

static bool show(void *context, size_t done, size_t pictures) {
    watch *on = context;
    an_display_show(&on->display, (double)done / (double)pictures, "%s: %s of %s pictures",
                    on->part, an_thousands(done).text, an_thousands(pictures).text);
    return !an_interrupted();
}

static alexnet_status open_part(data_findings *found, const char *name, const char *data,
                                an_split split, uint64_t seed, alexnet_error *error) {
    data_part *part = &found->parts[found->part_count];
    AN_TRY(an_dataset_open_to_look(data, split, seed, &part->dataset, error));
    part->name = name;
    found->part_count++;
    return ALEXNET_OK;
}

static alexnet_status open_parts(const data_settings *settings, data_findings *found,
                                 alexnet_error *error) {
    const char *held_out = settings->val ? settings->val : found->data;
    const uint64_t seed = settings->common.seed;
    const bool has_two = settings->val || an_dataset_has_held_out(found->data);
    if (!has_two && settings->split == HELD_OUT)
        return an_fail(error, ALEXNET_INVALID, "%s: has no held-out part; name one with --val",
                       found->data);
    if (settings->split != HELD_OUT)
        AN_TRY(
            open_part(found, has_two ? "train" : "all", found->data, AN_SPLIT_TRAIN, seed, error));
    if (has_two && settings->split != TRAIN)
        AN_TRY(open_part(found, "held-out", held_out, AN_SPLIT_HELD_OUT, seed, error));
    return ALEXNET_OK;
}

static alexnet_status survey_part(const data_settings *settings, data_part *part, watch *on,
                                  alexnet_error *error) {
    const an_survey_options looking = {.threads = settings->common.threads,
                                       .headers_only = settings->fast,
                                       .progress = show,
                                       .context = on};
    const size_t classes = (size_t)part->dataset->classes;
    double *sizes;
    on->part = part->name;
    AN_TRY(an_survey_take(part->dataset, &looking, &part->survey, error));
    AN_TRY(an_survey_summarise(&part->survey, &part->summary, error));
    AN_TRY(an_alloc((void **)&part->class_counts, classes, sizeof *part->class_counts,
                    "the sizes of classes", error));
    AN_TRY(an_alloc((void **)&sizes, classes, sizeof *sizes, "the sizes of classes", error));
    an_survey_classes(part->dataset, part->class_counts);
    for (size_t i = 0; i < classes; i++) {
        sizes[i] = (double)part->class_counts[i];
        part->empty_classes += part->class_counts[i] == 0;
    }
    part->class_sizes = an_spread_of(sizes, classes);
    an_free(sizes);
    return ALEXNET_OK;
}

static alexnet_status look(const data_settings *settings, data_findings *found, watch *on,
                           alexnet_error *error) {
    const an_survey *surveys[AN_MOST_PARTS];
    AN_TRY(open_parts(settings, found, error));
    for (int i = 0; i < found->part_count; i++) {
        AN_TRY(survey_part(settings, &found->parts[i], on, error));
        surveys[i] = &found->parts[i].survey;
    }
    return an_duplicates_find(surveys, found->part_count, &found->duplicates, error);
}

static void release(data_findings *found) {
    for (int i = 0; i < found->part_count; i++) {
        an_survey_free(&found->parts[i].survey);
        an_free(found->parts[i].class_counts);
        an_dataset_close(found->parts[i].dataset);
    }
    an_duplicates_free(&found->duplicates);
}

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    const data_settings *settings = chosen;
    const char *extension = settings->sheet ? an_path_extension(settings->sheet) : ".png";
    const double begin = an_seconds();
    data_findings found = {.data = arguments[0]};
    watch on = {.display = an_display_begin(&settings->common)};
    alexnet_status status;
    (void)count;
    if (strcmp(extension, ".png") != 0 && strcmp(extension, ".svg") != 0)
        return an_fail(error, ALEXNET_INVALID, "--sheet %s: sheets are drawn as .png or .svg",
                       settings->sheet);
    an_interrupt_watch();
    AN_TRY_CLEANUP(look(settings, &found, &on, error));
    found.seconds = an_seconds() - begin;
    if (settings->sheet) {
        const size_t usual = found.parts[0].dataset->classes > 100 ? 5 : 10;
        AN_TRY_CLEANUP(an_data_draw(&found,
                                    settings->per_class ? (size_t)settings->per_class : usual,
                                    settings->sheet, error));
    }
    an_display_end(&on.display);
    if (settings->common.json)
        status = an_data_print_json(&found, error);
    else
        an_data_print(&found, settings->names);
cleanup:
    an_display_end(&on.display);
    release(&found);
    return status;
}

const an_command an_command_data = {
    .name = "data",
    .arguments = "DATA",
    .least = 1,
    .most = 1,
    .title = "see what is in a data set, and what is wrong with it",
    .text =
        "Looks at every picture of a data set of any kind, on every core: how many there are of\n"
        "each class, of what sizes, formats and colours; which classes have none; which pictures\n"
        "are broken or odd (CMYK, a PNG named .jpg, turned by EXIF); and which are there more\n"
        "than once, with the same bytes, the same pixels, or so alike that one is the other in\n"
        "another size or quality. Of a data set with a held-out part both are looked at, and\n"
        "pictures found in both are named: they make a network look better than it is.\n"
        "\n"
        "What is found is the result: the exit code is 0 also where pictures are broken.",
    .examples = "  alexnet data photos\n"
                "  alexnet data --sheet photos.png --names 100 photos\n"
                "  alexnet data --fast --json imagenet\n"
                "  alexnet data train-photos --val other-photos",
    .options = options,
    .idle = "arch|weights|device|precision|batch",
    .size = sizeof(data_settings),
    .run = run,
};
