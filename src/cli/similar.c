/* alexnet similar: which pictures are alike? */
#include <stdlib.h>
#include <string.h>

#include "cli/classifier.h"
#include "cli/command.h"
#include "cli/network.h"
#include "cli/pictures.h"
#include "core/file.h"
#include "eval/gallery.h"
#include "eval/similar.h"
#include "inspect/inspect.h"

typedef struct similar_settings {
    an_common common;
    const char *layer;
    int top;
    const char *index;
    const char *sheet;
} similar_settings;

static const an_option options[] = {
    {.name = "layer",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(similar_settings, layer),
     .value = "NAME",
     .fallback = "fc7",
     .help = "the layer whose output is compared; alexnet summary lists them"},
    {.name = "top",
     .type = AN_OPTION_INT,
     .offset = offsetof(similar_settings, top),
     .value = "K",
     .low = 1,
     .high = 1000,
     .fallback = "10",
     .help = "finds for each picture"},
    {.name = "index",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(similar_settings, index),
     .value = "FILE",
     .help = "keep what was computed here, so that the next search computes only what is new"},
    {.name = "sheet",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(similar_settings, sheet),
     .value = "FILE",
     .help = "also draw the pictures and their finds, as .png or .svg"},
    AN_OPTION_BATCH("16", "pictures computed at a time"),
    {0}};

/* A search from its arguments to its finds. */
typedef struct similar {
    const similar_settings *settings;
    alexnet_classifier *classifier;
    int layer;
    an_feature_source source; /* with --index */
    an_feature_index index;   /* as it was */
    an_pictures searched, asked;
    an_gallery gallery; /* the pictures searched, then those asked about */
    size_t candidates;  /* how many of them are searched */
    size_t first_query, queries;
    size_t top;
    an_find *finds; /* (queries, top) */
    size_t broken;
    json_t *failed; /* what is to be said of those that cannot be read, with --json */
    an_display display;
} similar;

/* ---- What is searched, and what for. */

static bool is_picture(const char *argument) {
    return !an_is_folder(argument);
}

/* INVALID where the arguments do not say what to search. */
static alexnet_status check_usage(const similar_settings *settings, char **arguments, int count,
                                  alexnet_error *error) {
    const char *sheet = settings->sheet ? an_path_extension(settings->sheet) : ".png";
    AN_TRY(an_weights_needed(&settings->common, error));
    if (strcmp(sheet, ".png") != 0 && strcmp(sheet, ".svg") != 0)
        return an_fail(error, ALEXNET_INVALID, "--sheet %s: sheets are drawn as .png or .svg",
                       settings->sheet);
    if (count == 1 && is_picture(arguments[0]) && !(settings->index && an_is_file(settings->index)))
        return an_fail(error, ALEXNET_INVALID,
                       "%s: name the pictures or folders to search behind it, or an --index of "
                       "them",
                       arguments[0]);
    return ALEXNET_OK;
}

static alexnet_status open_index(similar *search, alexnet_error *error) {
    const char *path = search->settings->index;
    if (!path)
        return ALEXNET_OK;
    AN_TRY(an_feature_source_of(&search->classifier->weights, search->layer,
                                search->classifier->plan->options.precision, &search->source,
                                error));
    if (!an_is_file(path))
        return ALEXNET_OK;
    return an_feature_index_open(path, &search->source, &search->index, error);
}

/* The first argument is asked about and the others are searched; one folder stands for both, and
 * one picture is looked for in the index. */
static alexnet_status collect(similar *search, char **arguments, int count, alexnet_error *error) {
    const bool in_index = count == 1 && is_picture(arguments[0]);
    const bool in_itself = count == 1 && !in_index;
    if (in_itself)
        AN_TRY(an_pictures_collect(&search->searched, arguments, 1, &search->display, error));
    else
        AN_TRY(an_pictures_collect(&search->asked, arguments, 1, &search->display, error));
    AN_TRY(
        an_pictures_collect(&search->searched, arguments + 1, count - 1, &search->display, error));

    const size_t indexed = in_index ? search->index.count : 0;
    const size_t all = indexed + search->searched.count + search->asked.count;
    const char **names = calloc(all + 1, sizeof *names);
    if (!names)
        return an_fail(error, ALEXNET_NO_MEMORY, "memory ran out while listing the pictures");
    for (size_t i = 0; i < indexed; i++) { /* what has vanished is no longer searched */
        const char *path = search->index.entries[i].path;
        if (an_is_file(path))
            names[search->candidates++] = path;
    }
    for (size_t i = 0; i < search->searched.count; i++)
        names[search->candidates++] = search->searched.paths[i];
    for (size_t i = 0; i < search->asked.count; i++)
        names[search->candidates + i] = search->asked.paths[i];
    search->first_query = in_itself ? 0 : search->candidates;
    search->queries = in_itself ? search->candidates : search->asked.count;
    const alexnet_status status =
        an_gallery_begin(&search->gallery, names, search->candidates + search->asked.count, error);
    free(names);
    return status;
}

/* ---- Searching. */

static void show_progress(void *context, size_t done, size_t pictures) {
    an_display_show(&((similar *)context)->display, (double)done / (double)pictures,
                    "%s of %s pictures", an_thousands(done).text, an_thousands(pictures).text);
}

static void show_broken(void *context, const char *name, const alexnet_error *why) {
    similar *search = context;
    an_display_warn(&search->display, why->message);
    json_array_append_new(search->failed, an_pictures_failure(name, why));
}

/* All features, from the index or computed, and back to the index. */
static alexnet_status take_features(similar *search, alexnet_error *error) {
    const an_gallery_watch watch = {show_progress, show_broken, search};
    an_gallery_take(&search->gallery, &search->index);
    AN_TRY(an_gallery_compute(&search->gallery, search->classifier, search->layer, &watch,
                              &search->broken, error));
    if (!search->settings->index)
        return ALEXNET_OK;
    return an_gallery_save(&search->gallery, search->candidates, &search->index, &search->source,
                           search->settings->index, error);
}

static const an_gallery_picture *query_at(const similar *search, size_t query) {
    return &search->gallery.pictures[search->first_query + query];
}

/* The features of a picture, or of the same file where that was named before; NULL: broken. */
static const float *features_of(const similar *search, const an_gallery_picture *picture) {
    return search->gallery.pictures[picture->same].features;
}

static alexnet_status find_all(similar *search, alexnet_error *error) {
    const float **candidates = calloc(search->candidates + 1, sizeof *candidates);
    const float **queries = calloc(search->queries + 1, sizeof *queries);
    size_t *same = calloc(search->queries + 1, sizeof *same);
    const size_t wanted = (size_t)search->settings->top;
    search->top = wanted < search->candidates ? wanted : search->candidates;
    search->finds = calloc(search->queries * search->top + 1, sizeof *search->finds);
    const bool fits = candidates && queries && same && search->finds;
    for (size_t i = 0; fits && i < search->candidates; i++)
        candidates[i] = search->gallery.pictures[i].features;
    for (size_t i = 0; fits && i < search->queries; i++) {
        const an_gallery_picture *query = query_at(search, i);
        queries[i] = features_of(search, query);
        same[i] = query->same < search->candidates ? query->same : AN_NOTHING;
    }
    if (fits && search->top > 0)
        an_search_run(&(an_search){.candidates = candidates,
                                   .candidate_count = search->candidates,
                                   .queries = queries,
                                   .same = same,
                                   .query_count = search->queries,
                                   .length = search->gallery.length,
                                   .top = search->top,
                                   .threads = search->settings->common.threads},
                      search->finds);
    free(candidates);
    free(queries);
    free(same);
    return fits ? ALEXNET_OK
                : an_fail(error, ALEXNET_NO_MEMORY, "no memory to compare %zu pictures with %zu",
                          search->queries, search->candidates);
}

/* ---- Showing. */

/* The finds of a query, and how many they are. */
static const an_find *finds_of(const similar *search, size_t query, size_t *count) {
    const an_find *finds = search->finds + query * search->top;
    for (*count = 0; *count < search->top && finds[*count].index != AN_NOTHING; ++*count)
        continue;
    return finds;
}

static const char *name_of(const similar *search, const an_find *find) {
    return search->gallery.pictures[find->index].name;
}

static void print_finds(const similar *search, size_t query) {
    enum { bar_columns = 30 };
    const an_terminal terminal = an_terminal_of(stdout);
    size_t count;
    const an_find *finds = finds_of(search, query, &count);
    printf("%s", terminal.colour ? "\033[1m" : "");
    an_print_name(stdout, query_at(search, query)->name);
    printf("%s\n", terminal.colour ? "\033[0m" : "");
    if (count == 0)
        printf("  nothing: there is no other picture among those that are searched\n");
    for (size_t i = 0; i < count; i++) {
        const double similarity = (double)finds[i].similarity;
        printf("  %7.4f  ", similarity);
        if (terminal.is_terminal)
            printf("%s%s%s  ", terminal.colour ? "\033[32m" : "",
                   an_bar(similarity, bar_columns, terminal.utf8).text,
                   terminal.colour ? "\033[0m" : "");
        an_print_name(stdout, name_of(search, &finds[i]));
        putchar('\n');
    }
}

static json_t *finds_json(const similar *search, size_t query) {
    size_t count;
    const an_find *finds = finds_of(search, query, &count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            list, json_pack("{s:o, s:o}", "file", an_json_string(name_of(search, &finds[i])),
                            "similarity", an_json_number((double)finds[i].similarity)));
    return json_pack("{s:o, s:o}", "query", an_json_string(query_at(search, query)->name),
                     "similar", list);
}

static alexnet_status print_all(const similar *search, alexnet_error *error) {
    json_t *document = search->settings->common.json ? json_array() : NULL;
    for (size_t i = 0; i < search->queries; i++) {
        if (!features_of(search, query_at(search, i)))
            continue;
        if (document)
            json_array_append_new(document, finds_json(search, i));
        else
            print_finds(search, i);
    }
    if (!document)
        return ALEXNET_OK;
    json_array_extend(document, search->failed);
    an_pictures_add_empty(&search->searched, document);
    return an_print_json(document, error);
}

static alexnet_status draw_sheet(const similar *search, alexnet_error *error) {
    const an_network *network = &search->classifier->weights.network;
    an_sheet_search *rows = calloc(search->queries + 1, sizeof *rows);
    an_sheet_find *finds = calloc(search->queries * search->top + 1, sizeof *finds);
    size_t shown = 0;
    char title[160];
    alexnet_status status;
    snprintf(title, sizeof title, "Most alike by %s of %s", search->settings->layer,
             network->arch->name);
    for (size_t i = 0; rows && finds && i < search->queries; i++) {
        if (!features_of(search, query_at(search, i)))
            continue;
        an_sheet_search *row = &rows[shown++];
        const an_find *found = finds_of(search, i, &row->count);
        row->query = query_at(search, i)->name;
        row->finds = finds + i * search->top;
        for (size_t j = 0; j < row->count; j++)
            finds[i * search->top + j] =
                (an_sheet_find){name_of(search, &found[j]), (double)found[j].similarity};
    }
    if (rows && finds)
        status = an_draw_finds(rows, shown, title, search->settings->sheet, error);
    else
        status =
            an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to draw it", search->settings->sheet);
    free(rows);
    free(finds);
    return status;
}

/* ---- The command. */

static alexnet_status run_search(similar *search, char **arguments, int count,
                                 alexnet_error *error) {
    const similar_settings *settings = search->settings;
    an_result result;
    AN_TRY(an_classifier_chosen(&settings->common, settings->common.batch, true, 0, 0,
                                &search->classifier, error));
    AN_TRY(
        an_result_chosen(&search->classifier->weights.network, settings->layer, 1, &result, error));
    search->layer = result.layer;
    AN_TRY(open_index(search, error));
    AN_TRY(collect(search, arguments, count, error));
    AN_TRY(take_features(search, error));
    an_display_end(&search->display);
    AN_TRY(find_all(search, error));
    AN_TRY(print_all(search, error));
    if (settings->sheet)
        AN_TRY(draw_sheet(search, error));
    if (search->broken + search->searched.empty_count > 0)
        return an_fail(
            error, ALEXNET_FORMAT, "%s",
            an_pictures_missed(search->broken, search->gallery.count, search->searched.empty_count)
                .text);
    return ALEXNET_OK;
}

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    const similar_settings *settings = chosen;
    AN_TRY(check_usage(settings, arguments, count, error));
    similar search = {.settings = settings,
                      .failed = json_array(),
                      .display = an_display_begin(&settings->common)};
    const alexnet_status status = run_search(&search, arguments, count, error);
    an_display_end(&search.display);
    free(search.finds);
    json_decref(search.failed);
    an_gallery_free(&search.gallery);
    an_feature_index_close(&search.index);
    an_pictures_free(&search.searched);
    an_pictures_free(&search.asked);
    alexnet_classifier_free(search.classifier);
    return status;
}

const an_command an_command_similar = {
    .name = "similar",
    .arguments = "QUERY [PICTURES...]",
    .least = 1,
    .most = 1 << 30,
    .title = "find the pictures that are most alike",
    .text =
        "Finds, among pictures and folders, those most like QUERY: by the cosine similarity of\n"
        "what a layer (fc7 unless named) makes of them, 1 for the same, 0 for nothing in\n"
        "common. Where QUERY is a folder, each of its pictures is looked for; a folder alone is\n"
        "searched for each of its own pictures. A picture is never its own find.\n"
        "\n"
        "--index FILE keeps the features of the pictures that were searched. Later searches\n"
        "take them from there, compute those of new and changed pictures only, and search\n"
        "everything in it where nothing but QUERY is named. Pictures that cannot be read are\n"
        "named and left out, and the exit code is then 1.",
    .examples =
        "  alexnet similar --weights best.safetensors cat.jpg photos/\n"
        "  alexnet similar --weights best.safetensors --sheet cat.png --top 5 cat.jpg photos/\n"
        "  alexnet similar --weights best.safetensors --index photos.index --json photos/\n"
        "  alexnet similar --weights best.safetensors --index photos.index cat.jpg",
    .options = options,
    .idle = "seed",
    .size = sizeof(similar_settings),
    .run = run,
};
