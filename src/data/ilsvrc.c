/*
 * ILSVRC as it is distributed: an archive to learn from, which holds an archive WNID.tar for each
 * class; an archive of validation pictures; and the development kit (data/devkit.h), which names
 * the classes and knows what the validation pictures show. Classes are in the order of their WNIDs,
 * and a class's pictures in that of their names, as in folders that were unpacked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "data/archives.h"
#include "data/devkit.h"

static const struct {
    int year;
    const char *train, *val;
} challenges[] = {
    {2012, "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"},
    {2010, "ILSVRC2010_images_train.tar", "ILSVRC2010_images_val.tar"},
};

static const an_dataset_kind ilsvrc_kind = {"ilsvrc", an_archives_destroy, an_archives_fetch,
                                            an_archives_describe, an_archives_expect};

static alexnet_status fail_memory(const char *path, alexnet_error *error) {
    (void)an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to list its pictures", path);
    return ALEXNET_NO_MEMORY; /* a constant, so that the analyser sees what is not used then */
}

/* --- what there is ------------------------------------------------------------------------- */

/* The files of a challenge; NULL: not there. */
typedef struct parts {
    int year;
    char *train, *val;
    char *devkit; /* a folder or an archive */
} parts;

static void parts_free(parts *self) {
    free(self->train);
    free(self->val);
    free(self->devkit);
    *self = (parts){0};
}

/* "folder/name" where that is a file, freed with free(). */
static char *find_file(const char *folder, const char *name) {
    char *path = an_path_join(folder, name);
    if (path && an_is_file(path))
        return path;
    free(path);
    return NULL;
}

/* Finds the files that a name stands for: a folder that holds them, or one of the archives. */
static bool find_parts(const char *name, parts *out) {
    *out = (parts){0};
    const bool is_file = an_is_file(name);
    char *folder = is_file ? an_path_beside(name, "") : an_string_copy(name);
    const char *base = an_path_base(name);
    for (size_t i = 0; folder && i < sizeof challenges / sizeof *challenges; i++) {
        const char *train = challenges[i].train, *val = challenges[i].val;
        if (!is_file || strcmp(base, train) == 0)
            out->train = find_file(folder, train);
        if (!is_file || strcmp(base, val) == 0)
            out->val = find_file(folder, val);
        if (!out->train && !out->val)
            continue;
        out->year = challenges[i].year;
        out->devkit = an_devkit_in(folder[0] ? folder : ".", out->year);
        break;
    }
    free(folder);
    return out->year != 0;
}

/* --- pictures of an archive ---------------------------------------------------------------- */

/* A picture whose archive is being listed. */
typedef struct named {
    size_t name;  /* as a place in the text */
    size_t place; /* of its header in the file */
} named;

typedef struct pictures {
    char *text;
    named *items;
    size_t text_size, text_capacity, count, capacity;
} pictures;

static void pictures_free(pictures *self) {
    free(self->text);
    free(self->items);
}

static int compare_named(const void *a, const void *b, void *text) {
    return strcmp((const char *)text + ((const named *)a)->name,
                  (const char *)text + ((const named *)b)->name);
}

/* Lists an archive that lies in a mapped file, in the order of the pictures' names. */
static alexnet_status list_pictures(const an_mapping *mapping, an_tar tar, pictures *out,
                                    alexnet_error *error) {
    const size_t offset = (size_t)(tar.bytes - mapping->bytes);
    an_tar_member member;
    for (;;) {
        bool found;
        AN_TRY(an_tar_next(&tar, &member, &found, error));
        if (!found)
            break;
        if (!an_image_has_name(member.name))
            continue;
        const size_t size = strlen(member.name) + 1;
        if (!an_grow((void **)&out->text, &out->text_capacity, out->text_size + size, 1) ||
            !an_grow((void **)&out->items, &out->capacity, out->count + 1, sizeof *out->items))
            return fail_memory(tar.path, error);
        memcpy(out->text + out->text_size, member.name, size);
        out->items[out->count++] = (named){out->text_size, offset + member.place};
        out->text_size += size;
    }
    an_mapping_forget(mapping, offset, tar.size);
    if (out->count == 0)
        return an_fail(error, ALEXNET_FORMAT, "%s: holds no pictures (" AN_IMAGE_NAMES ")",
                       tar.path);
    qsort_r(out->items, out->count, sizeof *out->items, compare_named, out->text);
    return ALEXNET_OK;
}

/* --- the pictures to learn from ------------------------------------------------------------ */

/* A class's archive inside the archive. */
typedef struct class_archive {
    char *path; /* of both: ".../ILSVRC2012_img_train.tar/n01440764.tar" */
    char *wnid;
    const uint8_t *bytes;
    size_t size;
    int label;
} class_archive;

/* An archive to learn from that is being read. */
typedef struct class_set {
    an_archives *archives; /* of one archive */
    class_archive *items;
    size_t count, capacity;
    an_listing *listings; /* one a class archive */
} class_set;

static void class_set_free(class_set *self) {
    for (size_t i = 0; i < self->count; i++) {
        free(self->items[i].path);
        free(self->items[i].wnid);
    }
    free(self->items);
    an_listings_free(self->listings, self->count);
}

static int compare_classes(const void *a, const void *b) {
    return strcmp(((const class_archive *)a)->wnid, ((const class_archive *)b)->wnid);
}

/* Finds the class archives, in the order of their WNIDs. */
static alexnet_status find_classes(class_set *self, alexnet_error *error) {
    an_tar tar = an_archive_read(self->archives->archives);
    an_tar_member member;
    for (;;) {
        bool found;
        AN_TRY(an_tar_next(&tar, &member, &found, error));
        if (!found)
            break;
        const char *base = an_path_base(member.name), *extension = an_path_extension(base);
        if (strcmp(extension, ".tar") != 0)
            continue;
        if (!an_grow((void **)&self->items, &self->capacity, self->count + 1, sizeof *self->items))
            return fail_memory(tar.path, error);
        class_archive *item = &self->items[self->count++];
        *item = (class_archive){.path = an_path_join(tar.path, member.name),
                                .wnid = strndup(base, (size_t)(extension - base)),
                                .bytes = member.bytes,
                                .size = member.size};
        if (!item->path || !item->wnid)
            return fail_memory(tar.path, error);
    }
    if (self->count < 2)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: holds %s archive of a class (n01440764.tar, ...); is it the one to "
                       "learn from?",
                       tar.path, self->count == 0 ? "no" : "a single");
    qsort(self->items, self->count, sizeof *self->items, compare_classes);
    return ALEXNET_OK;
}

/* Gives each class archive its class: among the kit's, or without one among those that are here. */
static alexnet_status label_classes(class_set *self, const an_devkit *kit, alexnet_error *error) {
    for (size_t i = 0; i < self->count; i++) {
        class_archive *item = &self->items[i];
        if (i > 0 && strcmp(item[-1].wnid, item->wnid) == 0)
            return an_fail(error, ALEXNET_FORMAT, "%s: is there twice", item->path);
        item->label = kit->classes > 0 ? an_devkit_find(kit, item->wnid) : (int)i;
        if (item->label < 0)
            return an_fail(error, ALEXNET_MISMATCH,
                           "%s: its class is none of those of the development kit; do the two "
                           "belong to the same challenge?",
                           item->path);
    }
    return ALEXNET_OK;
}

static alexnet_status read_class(void *context, size_t number, alexnet_error *error) {
    const class_set *self = context;
    const class_archive *item = &self->items[number];
    const an_tar tar = {.path = item->path, .bytes = item->bytes, .size = item->size};
    an_listing *listing = &self->listings[number];
    pictures found = {0};
    alexnet_status status = list_pictures(&self->archives->archives->mapping, tar, &found, error);
    for (size_t i = 0; i < found.count && status == ALEXNET_OK; i++)
        status = an_listing_add(listing, found.items[i].place, item->label, error);
    pictures_free(&found);
    return status;
}

static alexnet_status open_train(an_archives *archives, const char *name, const an_devkit *kit,
                                 alexnet_error *error) {
    class_set set = {.archives = archives};
    alexnet_status status;
    AN_TRY_CLEANUP(find_classes(&set, error));
    AN_TRY_CLEANUP(label_classes(&set, kit, error));
    set.listings = calloc(set.count + 1, sizeof *set.listings);
    if (!set.listings)
        AN_TRY_CLEANUP(fail_memory(name, error));
    AN_TRY_CLEANUP(an_listings_read(set.count, read_class, &set, error));
    AN_TRY_CLEANUP(an_archives_begin(archives, name, kit->classes ? kit->classes : (int)set.count,
                                     set.listings, set.count, error));
    for (size_t i = 0; i < set.count && kit->classes == 0; i++) {
        archives->base.class_names[i] = set.items[i].wnid;
        set.items[i].wnid = NULL;
    }
cleanup:
    class_set_free(&set);
    return status;
}

/* --- the validation pictures --------------------------------------------------------------- */

static alexnet_status open_val(an_archives *archives, const char *name, int year,
                               const an_devkit *kit, alexnet_error *error) {
    const an_archive *archive = archives->archives;
    pictures found = {0};
    an_listing listing = {0};
    alexnet_status status;
    AN_TRY_CLEANUP(list_pictures(&archive->mapping, an_archive_read(archive), &found, error));
    for (size_t i = 0; i < found.count; i++) {
        const char *picture = found.text + found.items[i].name;
        const size_t number = an_devkit_picture(picture, year);
        if (number < 1 || number > kit->truth_count)
            AN_TRY_CLEANUP(an_fail(error, ALEXNET_MISMATCH,
                                   "%s/%s: is none of the %zu pictures that the development kit "
                                   "has classes for",
                                   archive->path, picture, kit->truth_count));
        AN_TRY_CLEANUP(
            an_listing_add(&listing, found.items[i].place, kit->truth[number - 1], error));
    }
    status = an_archives_begin(archives, name, kit->classes, &listing, 1, error);
cleanup:
    free(listing.places);
    free(listing.labels);
    pictures_free(&found);
    return status;
}

/* --- opening ------------------------------------------------------------------------------- */

static alexnet_status read_kit(const parts *found, bool needed, const char *archive, an_devkit *kit,
                               alexnet_error *error) {
    if (!found->devkit && !needed)
        return ALEXNET_OK;
    if (!found->devkit) {
        (void)an_fail(error, ALEXNET_IO,
                      "%s: what its pictures show is told by the development kit, ILSVRC%d_devkit"
                      "..., which is to lie beside it",
                      archive, found->year);
        return ALEXNET_IO;
    }
    const alexnet_status status = an_devkit_read(found->devkit, found->year, kit, error);
    /* To learn, a class's WNID will do for a name. */
    return status == ALEXNET_UNSUPPORTED && !needed ? ALEXNET_OK : status;
}

static alexnet_status ilsvrc_open(const char *name, an_split split, uint64_t seed, an_dataset **out,
                                  alexnet_error *error) {
    (void)seed;
    parts found;
    an_devkit kit = {0};
    an_archives *archives = NULL;
    alexnet_status status;
    *out = NULL;
    if (!find_parts(name, &found))
        return an_fail(error, ALEXNET_IO, "%s: holds no archives of ILSVRC any more", name);
    const bool learn = found.train && (split == AN_SPLIT_TRAIN || !found.val);
    const char *path = learn ? found.train : found.val;
    AN_TRY_CLEANUP(read_kit(&found, !learn, path, &kit, error));
    archives = an_archives_new(&ilsvrc_kind);
    if (!archives)
        AN_TRY_CLEANUP(fail_memory(name, error));
    AN_TRY_CLEANUP(an_archives_map(archives, path, error));
    AN_TRY_CLEANUP(learn ? open_train(archives, name, &kit, error)
                         : open_val(archives, name, found.year, &kit, error));
    an_devkit_name(&kit, &archives->base);
    *out = &archives->base;
    archives = NULL;
cleanup:
    if (archives)
        an_dataset_close(&archives->base);
    an_devkit_free(&kit);
    parts_free(&found);
    return status;
}

static bool ilsvrc_recognise(const char *name) {
    parts found;
    const bool is = find_parts(name, &found);
    parts_free(&found);
    return is;
}

static bool ilsvrc_has_held_out(const char *name) {
    parts found;
    const bool has = find_parts(name, &found) && found.train && found.val;
    parts_free(&found);
    return has;
}

const an_dataset_source an_ilsvrc_source = {ilsvrc_recognise, ilsvrc_has_held_out, ilsvrc_open};
