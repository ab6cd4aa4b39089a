/* alexnet pack: any data set as an LMDB database. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "core/file.h"
#include "data/pack.h"
#include "data/packed.h"

/* --split: an_split's two, and both of them. */
enum { SPLIT_BOTH = AN_SPLIT_HELD_OUT + 1, PARTS = 2 };

typedef struct pack_settings {
    an_common common;
    an_pack_options pack; /* seed, threads: from common */
    int split;
    const char *colour;
} pack_settings;

#define PACK(member) offsetof(pack_settings, pack.member)

static const an_option options[] = {
    {.name = "split",
     .type = AN_OPTION_CHOICE,
     .offset = offsetof(pack_settings, split),
     .value = "PART",
     .choices = "train|held-out|both",
     .fallback = "both",
     .help = "which part of DATA; both go to DB/train and DB/val, where there are two"},
    {.name = "resize",
     .type = AN_OPTION_INT,
     .offset = PACK(resize),
     .value = "PIXELS",
     .low = 0,
     .high = AN_MAX_IMAGE_SIDE,
     .fallback = "256",
     .unset = "as it is",
     .help = "what the short side becomes, also of smaller pictures"},
    {.name = "square",
     .type = AN_OPTION_FLAG,
     .offset = PACK(square),
     .help = "keep only the centre square, as the paper did"},
    {.name = "quality",
     .type = AN_OPTION_INT,
     .offset = PACK(quality),
     .value = "Q",
     .low = 1,
     .high = 100,
     .fallback = "90",
     .help = "of the JPEGs"},
    {.name = "colour",
     .type = AN_OPTION_WORD,
     .offset = offsetof(pack_settings, colour),
     .value = "SAMPLING",
     .choices = "4:2:0|4:4:4",
     .fallback = "4:2:0",
     .help = "resolution of colour in the JPEGs: half or full"},
    {.name = "raw",
     .type = AN_OPTION_FLAG,
     .offset = PACK(raw),
     .help = "store pixels rather than JPEGs: ten times the room, nothing to decode"},
    {.name = "reencode",
     .type = AN_OPTION_FLAG,
     .offset = PACK(reencode),
     .help = "encode also JPEGs that have the right size anew"},
    {.name = "shuffle",
     .type = AN_OPTION_FLAG,
     .offset = PACK(shuffle),
     .help = "in random order (--seed), for programs that read in order, such as Caffe"},
    {.name = "max-broken",
     .type = AN_OPTION_NUMBER,
     .offset = PACK(max_broken),
     .value = "SHARE",
     .low = 0,
     .high = 1,
     .fallback = "0.1",
     .help = "share of unreadable pictures that ends the packing, once they are more than ten; 0: "
             "the first one does"},
    {.name = "checkpoint",
     .type = AN_OPTION_NUMBER,
     .offset = PACK(checkpoint),
     .value = "SECONDS",
     .low = 0,
     .high = 86400,
     .fallback = "5",
     .help = "how much is lost at most where it is killed"},
    {0}};

/* What is told while it goes. */
typedef struct view {
    an_display display;
    const char *folder;
    double begin; /* of this part */
} view;

static bool show(void *context, const an_pack_progress *now) {
    view *on = context;
    const double seconds = an_seconds() - on->begin;
    const double rate = seconds > 0 ? (double)(now->done - now->resumed) / seconds : 0;
    const double fraction = (double)now->done / (double)now->pictures;
    if (now->verifying)
        an_display_show(&on->display, fraction, "%s: copying and reading back, %s of %s",
                        on->folder, an_thousands(now->done).text, an_thousands(now->pictures).text);
    else
        an_display_show(&on->display, fraction, "%s: %s of %s pictures, %.0f a second, %s left",
                        on->folder, an_thousands(now->done).text, an_thousands(now->pictures).text,
                        rate, an_duration((double)(now->pictures - now->done) / rate).text);
    return !an_interrupted();
}

static void broken(void *context, const char *message) {
    view *on = context;
    an_display_warn(&on->display, message);
}

/* A part that has been packed. */
typedef struct part {
    char *folder;
    an_pack_result result;
} part;

static alexnet_status pack_part(const pack_settings *settings, const char *data, an_split split,
                                part *out, alexnet_error *error) {
    an_dataset *dataset;
    view on = {.display = an_display_begin(&settings->common),
               .folder = out->folder,
               .begin = an_seconds()};
    const an_pack_observer observer = {show, broken, &on};
    AN_TRY(an_dataset_open(data, split, settings->common.seed, &dataset, error));
    an_display_unread(&on.display, dataset);
    const alexnet_status status =
        an_pack(dataset, out->folder, &settings->pack, &observer, &out->result, error);
    an_dataset_close(dataset);
    an_display_end(&on.display);
    return status;
}

static alexnet_status print_result(const pack_settings *settings, const part *parts, int count,
                                   double seconds, alexnet_error *error) {
    uint64_t images = 0, bytes = 0, lost = 0;
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        const an_pack_result *got = &parts[i].result;
        images += got->images;
        bytes += got->bytes;
        lost += got->broken;
        json_array_append_new(
            list, json_pack("{s:o, s:I, s:I, s:I, s:b}", "folder", an_json_string(parts[i].folder),
                            "images", (json_int_t)got->images, "bytes", (json_int_t)got->bytes,
                            "broken", (json_int_t)got->broken, "was_there", got->was_there));
        if (settings->common.json)
            continue;
        an_print_name(stdout, parts[i].folder);
        printf(": %s pictures, %s%s\n", an_thousands(got->images).text, an_bytes(got->bytes).text,
               got->was_there ? ", was there already" : "");
    }
    if (settings->common.json)
        return an_print_json(json_pack("{s:I, s:I, s:f, s:I, s:o}", "images", (json_int_t)images,
                                       "bytes", (json_int_t)bytes, "seconds", seconds, "broken",
                                       (json_int_t)lost, "parts", list),
                             error);
    json_decref(list);
    printf("%s pictures in %s", an_thousands(images).text, an_duration(seconds).text);
    printf(lost > 0 ? "; %s could not be read\n" : "\n", an_thousands(lost).text);
    return ALEXNET_OK;
}

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    pack_settings *settings = chosen;
    const char *data = arguments[0], *folder = arguments[1];
    const bool both = settings->split == SPLIT_BOTH && an_dataset_has_held_out(data);
    const int parts = both ? PARTS : 1;
    part done[PARTS] = {{0}};
    alexnet_status status = ALEXNET_OK;
    (void)count;
    settings->pack.seed = settings->common.seed;
    settings->pack.threads = settings->common.threads;
    settings->pack.full_colour = strcmp(settings->colour, "4:4:4") == 0;
    const double begin = an_seconds();
    AN_TRY(an_packed_check_place(folder, both, error));
    an_interrupt_watch();
    for (int i = 0; i < parts && status == ALEXNET_OK; i++) {
        const an_split split = both                            ? (an_split)i
                               : settings->split == SPLIT_BOTH ? AN_SPLIT_TRAIN
                                                               : (an_split)settings->split;
        done[i].folder =
            both ? an_path_join(folder, i == AN_SPLIT_TRAIN ? "train" : "val") : strdup(folder);
        if (!done[i].folder)
            status = an_fail(error, ALEXNET_NO_MEMORY, "memory ran out");
        else
            status = pack_part(settings, data, split, &done[i], error);
    }
    if (status == ALEXNET_OK)
        status = print_result(settings, done, parts, an_seconds() - begin, error);
    for (int i = 0; i < parts; i++)
        free(done[i].folder);
    return status;
}

const an_command an_command_pack = {
    .name = "pack",
    .arguments = "DATA DB",
    .least = 2,
    .most = 2,
    .title = "pack a data set into an LMDB database, resized",
    .text =
        "Writes any data set into the folder DB as an LMDB database with Caffe's records, which\n"
        "train, eval and Caffe read fast: resized once, JPEG or pixels, in one file. Where DATA\n"
        "has a part to learn from and one held out, they become DB/train and DB/val.\n"
        "\n"
        "The classes' names, the mean image (also as Caffe's mean.binaryproto), the means of the\n"
        "channels and the covariance of colours are written beside it. JPEGs that have the right\n"
        "size already are stored as they are. Pictures that cannot be read are named and passed\n"
        "over. Stopped at any moment, also by kill -9, the same command goes on, and the database\n"
        "becomes the same to the byte; every record is read back in the end.",
    .examples = "  alexnet pack photos photos-256 && alexnet train photos-256\n"
                "  alexnet pack imagenet imagenet-256 --square --quality 92\n"
                "  alexnet pack cifar-10-batches-bin cifar --resize 0 --raw",
    .options = options,
    .idle = "arch|weights|device|precision|batch",
    .size = sizeof(pack_settings),
    .run = run,
};
