/* alexnet features: what a layer makes of each picture, as an array for other programs. */
#include <math.h>
#include <string.h>

#include "cli/classifier.h"
#include "cli/command.h"
#include "cli/network.h"
#include "cli/pictures.h"
#include "core/memory.h"
#include "formats/npy.h"

typedef struct features_settings {
    an_common common;
    const char *layer;
    const char *out;
} features_settings;

static const an_option options[] = {
    {.name = "layer",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(features_settings, layer),
     .value = "NAME",
     .fallback = "fc7",
     .help = "the layer whose output is wanted; alexnet summary lists them"},
    {.name = "out",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(features_settings, out),
     .value = "FILE",
     .fallback = "features.npy",
     .help = "where the array goes"},
    AN_OPTION_BATCH("16", "pictures computed at a time"),
    {0}};

/* Rooms for one batch. */
typedef struct rooms {
    size_t batch, each; /* pictures, and floats for each of them */
    float *results;
    alexnet_error *failures;
} rooms;

/* Computes the pictures batch by batch; a broken one becomes a row of NaN, so that the rows stay
 * those of the list of files. */
static alexnet_status compute(alexnet_classifier *classifier, int layer,
                              const an_pictures *pictures, const rooms *room, an_writer *writer,
                              an_display *display, json_t *failed, size_t *broken,
                              alexnet_error *error) {
    for (size_t done = 0; done < pictures->count; done += room->batch) {
        const size_t left = pictures->count - done;
        const size_t count = left < room->batch ? left : room->batch;
        memset(room->failures, 0, room->batch * sizeof *room->failures);
        AN_TRY(an_classifier_files(classifier, layer, (const char *const *)pictures->paths + done,
                                   count, room->results, room->failures, error));
        for (size_t i = 0; i < count; i++) {
            if (room->failures[i].status == ALEXNET_OK)
                continue;
            an_display_warn(display, room->failures[i].message);
            json_array_append_new(
                failed, an_pictures_failure(pictures->paths[done + i], &room->failures[i]));
            ++*broken;
            for (size_t j = 0; j < room->each; j++)
                room->results[i * room->each + j] = NAN;
        }
        AN_TRY(an_writer_write(writer, room->results, count * room->each * sizeof(float), error));
        an_display_show(display, (double)(done + count) / (double)pictures->count,
                        "%s of %s pictures", an_thousands(done + count).text,
                        an_thousands(pictures->count).text);
    }
    return ALEXNET_OK;
}

static alexnet_status print_result(const features_settings *settings, const an_result *result,
                                   const an_pictures *pictures, json_t *failed,
                                   alexnet_error *error) {
    if (!settings->common.json) {
        printf("%s of %s picture%s to %s\n", result->name, an_thousands(pictures->count).text,
               an_plural(pictures->count), settings->out);
        return ALEXNET_OK;
    }
    json_t *files = json_array();
    an_pictures_add_empty(pictures, failed);
    for (size_t i = 0; i < pictures->count; i++)
        json_array_append_new(files, an_json_string(pictures->paths[i]));
    return an_print_json(json_pack("{s:s, s:o, s:o, s:O, s:o}", "layer", result->name, "shape",
                                   an_result_json(result), "files", files, "failed", failed, "out",
                                   an_json_string(settings->out)),
                         error);
}

static alexnet_status features(const features_settings *settings, const an_pictures *pictures,
                               an_display *display, alexnet_error *error) {
    const size_t wanted = (size_t)settings->common.batch;
    rooms room = {.batch = wanted < pictures->count ? wanted : pictures->count};
    an_writer writer = {0};
    alexnet_classifier *classifier = NULL;
    an_result result;
    json_t *failed = json_array(); /* of `files`, and folders without any */
    size_t broken = 0;
    alexnet_status status;
    AN_TRY_CLEANUP(
        an_classifier_chosen(&settings->common, (int)room.batch, true, 0, 0, &classifier, error));
    const an_network *network = &classifier->weights.network;
    AN_TRY_CLEANUP(an_result_chosen(network, settings->layer, pictures->count, &result, error));
    room.each = an_shape_count(an_result_shape(network, result.layer));
    AN_TRY_CLEANUP(an_alloc((void **)&room.results, room.batch * room.each, sizeof(float),
                            "activations", error));
    AN_TRY_CLEANUP(
        an_alloc((void **)&room.failures, room.batch, sizeof *room.failures, "messages", error));
    AN_TRY_CLEANUP(an_npy_begin(&writer, settings->out, result.shape, result.dims, error));
    AN_TRY_CLEANUP(compute(classifier, result.layer, pictures, &room, &writer, display, failed,
                           &broken, error));
    AN_TRY_CLEANUP(an_writer_commit(&writer, error));
    AN_TRY_CLEANUP(print_result(settings, &result, pictures, failed, error));
    if (broken + pictures->empty_count > 0)
        status = an_fail(error, ALEXNET_FORMAT, "%s%s",
                         an_pictures_missed(broken, pictures->count, pictures->empty_count).text,
                         broken == 0   ? ""
                         : broken == 1 ? "; its row is NaN"
                                       : "; their rows are NaN");
cleanup:
    an_display_end(display);
    json_decref(failed);
    an_writer_abandon(&writer);
    an_free(room.failures);
    an_free(room.results);
    alexnet_classifier_free(classifier);
    return status;
}

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    const features_settings *settings = chosen;
    AN_TRY(an_weights_needed(&settings->common, error)); /* an untrained one would seem to work */
    an_pictures pictures = {0};
    an_display display = an_display_begin(&settings->common);
    alexnet_status status = an_pictures_collect(&pictures, arguments, count, &display, error);
    if (status == ALEXNET_OK)
        status = features(settings, &pictures, &display, error);
    an_pictures_free(&pictures);
    return status;
}

const an_command an_command_features = {
    .name = "features",
    .arguments = "IMAGE...",
    .least = 1,
    .most = 1 << 30,
    .title = "compute a layer's activations for pictures, as .npy",
    .text = "Writes what a layer (fc7 unless named) puts out for each picture into one array, a\n"
            "row for each, in the order of the files; of folders, every picture in them. The row\n"
            "of a picture that cannot be read is NaN, and the exit code is then 1.",
    .examples = "  alexnet features --weights best.safetensors --out photos.npy photos/\n"
                "  alexnet features --weights best.safetensors --layer pool5 cat.jpg",
    .options = options,
    .idle = "seed",
    .size = sizeof(features_settings),
    .run = run,
};
