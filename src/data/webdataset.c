/*
 * WebDataset's tar shards. Files of one sample lie one behind the other and share a key: the path
 * up to the first dot of its last part. What follows the dot tells what a file is: the picture is
 * jpg, jpeg, png, webp, ppm or pgm; the class is the number in cls, or `label` or `cls` of json.
 * Others are passed over. Source: https://github.com/webdataset/webdataset
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/labels.h"
#include "core/memory.h"
#include "data/archives.h"
#include "data/shards.h"

/* A sample's class is a number, or some fields; more is no description of a picture. */
enum { LONGEST_CLASS = 64, LONGEST_JSON = 1 << 20 };

static const an_dataset_kind webdataset_kind = {
    "webdataset", an_archives_destroy, an_archives_fetch, an_archives_describe, an_archives_expect};

static alexnet_status fail_memory(const char *path, alexnet_error *error) {
    (void)an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to list its pictures", path);
    return ALEXNET_NO_MEMORY; /* a constant, so that the analyser sees what is not used then */
}

/* A sample whose files are being collected. */
typedef struct sample {
    size_t key_length; /* 0: there is none yet */
    char key[AN_TAR_LONGEST_NAME + 1];
    int pictures;
    size_t place; /* of the picture */
    const uint8_t *class, *json;
    size_t class_size, json_size;
} sample;

/* What the shards' readers share. */
typedef struct shard_set {
    an_archives *archives;
    an_listing *listings; /* one a shard */
    int classes;          /* 0: as many as there are labels */
} shard_set;

/* The decimal number that a text is, but for blanks around it; -1: none, or one out of range. */
static int64_t parse_class(const uint8_t *bytes, size_t size) {
    char text[LONGEST_CLASS + 1], *end;
    if (size > LONGEST_CLASS)
        return -1;
    memcpy(text, bytes, size);
    text[size] = '\0';
    const long long value = strtoll(text, &end, 10);
    const bool any = end > text;
    while (isspace((unsigned char)*end))
        end++;
    return any && end == text + size && value >= 0 ? value : -1;
}

/* The number that an object calls "label" or "cls"; -1: none. */
static int64_t parse_json(const uint8_t *bytes, size_t size) {
    json_t *root = size <= LONGEST_JSON ? json_loadb((const char *)bytes, size, 0, NULL) : NULL;
    const json_t *label = json_object_get(root, "label");
    if (!json_is_integer(label))
        label = json_object_get(root, "cls");
    const int64_t value = json_is_integer(label) ? json_integer_value(label) : -1;
    json_decref(root);
    return value;
}

/* Lists a sample that is complete. */
static alexnet_status end_sample(const shard_set *set, sample *self, const an_tar *shard,
                                 an_listing *listing, alexnet_error *error) {
    if (self->key_length == 0)
        return ALEXNET_OK;
    self->key_length = 0;
    if (self->pictures != 1)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: the sample '%s' has %s picture (jpg, jpeg, png, webp, ppm or pgm)",
                       shard->path, self->key, self->pictures == 0 ? "no" : "more than one");
    int64_t label = -1;
    if (self->class)
        label = parse_class(self->class, self->class_size);
    else if (self->json)
        label = parse_json(self->json, self->json_size);
    const int limit = set->classes ? set->classes : AN_MAX_CLASSES;
    if (label < 0)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: the sample '%s' has no class: a number in a file cls, or as `label` or "
                       "`cls` in json",
                       shard->path, self->key);
    if (label >= limit)
        return an_fail(error, ALEXNET_FORMAT, "%s: the sample '%s' is of class %lld, of %d",
                       shard->path, self->key, (long long)label, limit);
    return an_listing_add(listing, self->place, (int32_t)label, error);
}

/* Takes a file of a sample by what it is. */
static void take_file(sample *self, const an_tar_member *member, const char *what) {
    static const char *const pictures[] = {"jpg", "jpeg", "png", "webp", "ppm", "pgm"};
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
        if (strcasecmp(what, pictures[i]) == 0) {
            self->pictures++;
            self->place = member->place;
        }
    if (strcmp(what, "cls") == 0) {
        self->class = member->bytes;
        self->class_size = member->size;
    } else if (strcmp(what, "json") == 0) {
        self->json = member->bytes;
        self->json_size = member->size;
    }
}

static alexnet_status read_shard(void *context, size_t number, alexnet_error *error) {
    const shard_set *set = context;
    const an_archive *archive = &set->archives->archives[number];
    an_listing *listing = &set->listings[number];
    an_tar tar = an_archive_read(archive);
    an_tar_member member;
    sample current = {0};
    bool found;
    listing->archive = number;
    for (;;) {
        AN_TRY(an_tar_next(&tar, &member, &found, error));
        if (!found)
            break;
        const char *base = an_path_base(member.name), *dot = strchr(base, '.');
        if (!dot || dot == base || strncmp(base, "__", 2) == 0)
            continue; /* has no key, or describes the shard */
        const size_t length = (size_t)(dot - member.name);
        if (length != current.key_length || memcmp(current.key, member.name, length) != 0) {
            AN_TRY(end_sample(set, &current, &tar, listing, error));
            current = (sample){.key_length = length};
            memcpy(current.key, member.name, length);
        }
        take_file(&current, &member, dot + 1);
    }
    AN_TRY(end_sample(set, &current, &tar, listing, error));
    an_mapping_forget(&archive->mapping, 0, archive->mapping.size);
    return ALEXNET_OK;
}

/* The names in a file beside the shards: as many as *classes, which is 0 before. */
static alexnet_status read_names(const char *shard, int *classes, char ***out,
                                 alexnet_error *error) {
    static const char *const files[] = {"classes.txt", "classnames.txt"};
    alexnet_status status = ALEXNET_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && !*out && status == ALEXNET_OK; i++) {
        char *path = an_path_beside(shard, files[i]);
        if (!path)
            status = fail_memory(shard, error);
        else if (an_is_file(path))
            status = an_labels_read(path, classes, out, error);
        free(path);
    }
    return status;
}

/* Names classes by their numbers. */
static alexnet_status number_classes(an_dataset *dataset, alexnet_error *error) {
    for (int i = 0; i < dataset->classes; i++)
        if (asprintf(&dataset->class_names[i], "%d", i) < 0) {
            dataset->class_names[i] = NULL;
            return fail_memory(dataset->name, error);
        }
    return ALEXNET_OK;
}

static int largest_label(const an_listing *listings, size_t count) {
    int32_t largest = -1;
    for (size_t i = 0; i < count; i++)
        for (size_t p = 0; p < listings[i].count; p++)
            largest = listings[i].labels[p] > largest ? listings[i].labels[p] : largest;
    return largest;
}

static alexnet_status open_shards(const char *name, const an_shards *shards, an_dataset **out,
                                  alexnet_error *error) {
    shard_set set = {.archives = an_archives_new(&webdataset_kind),
                     .listings = calloc(shards->count + 1, sizeof *set.listings)};
    char **names = NULL;
    alexnet_status status = ALEXNET_OK;
    if (!set.archives || !set.listings)
        AN_TRY_CLEANUP(fail_memory(name, error));
    AN_TRY_CLEANUP(read_names(shards->paths[0], &set.classes, &names, error));
    for (size_t i = 0; i < shards->count; i++)
        AN_TRY_CLEANUP(an_archives_map(set.archives, shards->paths[i], error));
    AN_TRY_CLEANUP(an_listings_read(shards->count, read_shard, &set, error));
    const int largest = largest_label(set.listings, shards->count);
    const int classes = names ? set.classes : largest + 1;
    if (largest < 0)
        AN_TRY_CLEANUP(an_fail(error, ALEXNET_FORMAT,
                               "%s: holds no samples: files such as 000123.jpg and 000123.cls",
                               name));
    if (classes < 2)
        AN_TRY_CLEANUP(an_fail(error, ALEXNET_FORMAT,
                               "%s: holds a single class; to tell classes apart takes two or more",
                               name));
    AN_TRY_CLEANUP(
        an_archives_begin(set.archives, name, classes, set.listings, shards->count, error));
    an_dataset *dataset = &set.archives->base;
    if (names) {
        free(dataset->class_names);
        dataset->class_names = names;
        names = NULL;
    } else {
        AN_TRY_CLEANUP(number_classes(dataset, error));
    }
    *out = dataset;
    set.archives = NULL;
cleanup:
    an_labels_free(names, set.classes);
    an_listings_free(set.listings, shards->count);
    if (set.archives)
        an_dataset_close(&set.archives->base);
    return status;
}

static bool webdataset_recognise(const char *name) {
    return strcmp(an_path_extension(name), ".tar") == 0 && (strchr(name, '{') || an_is_file(name));
}

static bool webdataset_has_held_out(const char *name) {
    char *held_out = an_shards_held_out(name);
    free(held_out);
    return held_out != NULL;
}

static alexnet_status webdataset_open(const char *name, an_split split, uint64_t seed,
                                      an_dataset **out, alexnet_error *error) {
    (void)seed;
    *out = NULL;
    char *held_out = split == AN_SPLIT_HELD_OUT ? an_shards_held_out(name) : NULL;
    an_shards shards;
    alexnet_status status =
        an_shards_expand(held_out ? held_out : name, held_out != NULL, &shards, error);
    if (status == ALEXNET_OK && shards.count == 0)
        status = an_fail(error, ALEXNET_IO, "%s: there are no such files any more", held_out);
    if (status == ALEXNET_OK)
        status = open_shards(held_out ? held_out : name, &shards, out, error);
    an_shards_free(&shards);
    free(held_out);
    return status;
}

const an_dataset_source an_webdataset_source = {webdataset_recognise, webdataset_has_held_out,
                                                webdataset_open};
