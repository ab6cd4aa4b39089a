#include "eval/gallery.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "eval/similar.h"

/* ---- Pictures. */

/* A picture that is to be sorted. */
typedef struct place {
    const char *path;
    size_t index;
} place;

/* Of the same file, the first named first. */
static int by_path(const void *left, const void *right) {
    const place *a = left, *b = right;
    const int order = strcmp(a->path, b->path);
    return order != 0 ? order : a->index < b->index ? -1 : 1;
}

/* Fills in `same`. */
static alexnet_status find_same(an_gallery *gallery, alexnet_error *error) {
    place *places = calloc(gallery->count + 1, sizeof *places);
    size_t count = 0;
    if (!places)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for a list of %zu pictures",
                       gallery->count);
    for (size_t i = 0; i < gallery->count; i++) {
        gallery->pictures[i].same = i;
        if (gallery->pictures[i].path)
            places[count++] = (place){gallery->pictures[i].path, i};
    }
    qsort(places, count, sizeof *places, by_path);
    for (size_t i = 1; i < count; i++)
        if (strcmp(places[i - 1].path, places[i].path) == 0)
            gallery->pictures[places[i].index].same = gallery->pictures[places[i - 1].index].same;
    free(places);
    return ALEXNET_OK;
}

alexnet_status an_gallery_begin(an_gallery *gallery, const char *const *names, size_t count,
                                alexnet_error *error) {
    *gallery = (an_gallery){.pictures = calloc(count + 1, sizeof *gallery->pictures)};
    if (!gallery->pictures)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for a list of %zu pictures", count);
    gallery->count = count;
    for (size_t i = 0; i < count; i++) {
        an_gallery_picture *picture = &gallery->pictures[i];
        picture->name = names[i];
        if (an_stamp_of(names[i], &picture->stamp)) /* or reading it will say what is wrong */
            picture->path = realpath(names[i], NULL);
    }
    return find_same(gallery, error);
}

void an_gallery_free(an_gallery *gallery) {
    for (size_t i = 0; i < gallery->count; i++)
        free(gallery->pictures[i].path);
    free(gallery->pictures);
    an_free(gallery->computed);
    *gallery = (an_gallery){0};
}

/* ---- Features. */

static bool is_missing(const an_gallery *gallery, size_t i) {
    return gallery->pictures[i].same == i && !gallery->pictures[i].features;
}

static bool same_stamp(an_stamp a, an_stamp b) {
    return a.size == b.size && a.seconds == b.seconds && a.nanoseconds == b.nanoseconds;
}

void an_gallery_take(an_gallery *gallery, const an_feature_index *index) {
    for (size_t i = 0; i < gallery->count; i++) {
        an_gallery_picture *picture = &gallery->pictures[i];
        const an_index_entry *entry =
            picture->path ? an_feature_index_find(index, picture->path) : NULL;
        if (entry && is_missing(gallery, i) && same_stamp(entry->stamp, picture->stamp))
            picture->features = entry->features;
    }
}

/* Rooms for one batch. */
typedef struct rooms {
    const char **names;
    size_t *positions; /* in the gallery */
    alexnet_error *failures;
    size_t batch;
} rooms;

/* Computes the next batch of missing pictures from *position on, into `to`; *taken: how many. */
static alexnet_status compute_batch(an_gallery *gallery, alexnet_classifier *classifier, int layer,
                                    rooms *room, size_t *position, size_t *taken, float *to,
                                    alexnet_error *error) {
    *taken = 0;
    for (; *position < gallery->count && *taken < room->batch; ++*position)
        if (is_missing(gallery, *position)) {
            room->names[*taken] = gallery->pictures[*position].name;
            room->positions[(*taken)++] = *position;
        }
    AN_TRY(an_classifier_files(classifier, layer, room->names, *taken, to, room->failures, error));
    for (size_t i = 0; i < *taken; i++) {
        float *features = to + i * gallery->length;
        an_normalise(features, gallery->length);
        if (room->failures[i].status == ALEXNET_OK)
            gallery->pictures[room->positions[i]].features = features;
    }
    return ALEXNET_OK;
}

static alexnet_status compute_missing(an_gallery *gallery, alexnet_classifier *classifier,
                                      int layer, size_t missing, rooms *room,
                                      const an_gallery_watch *watch, size_t *broken,
                                      alexnet_error *error) {
    size_t position = 0;
    for (size_t done = 0, taken; done < missing; done += taken) {
        AN_TRY(compute_batch(gallery, classifier, layer, room, &position, &taken,
                             gallery->computed + done * gallery->length, error));
        for (size_t i = 0; i < taken; i++) {
            if (room->failures[i].status == ALEXNET_OK)
                continue;
            ++*broken;
            if (watch->broken)
                watch->broken(watch->context, room->names[i], &room->failures[i]);
        }
        if (watch->progress)
            watch->progress(watch->context, done + taken, missing);
    }
    return ALEXNET_OK;
}

alexnet_status an_gallery_compute(an_gallery *gallery, alexnet_classifier *classifier, int layer,
                                  const an_gallery_watch *watch, size_t *broken,
                                  alexnet_error *error) {
    rooms room = {.batch = (size_t)classifier->plan->options.batch};
    size_t missing = 0, floats;
    void *block;
    alexnet_status status;
    gallery->length = an_shape_count(an_result_shape(&classifier->weights.network, layer));
    *broken = 0;
    for (size_t i = 0; i < gallery->count; i++)
        missing += is_missing(gallery, i);
    if (missing == 0)
        return ALEXNET_OK;
    if (!an_multiply(missing, gallery->length, &floats))
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for the features of %zu pictures",
                       missing);
    room.names = calloc(room.batch, sizeof *room.names);
    room.positions = calloc(room.batch, sizeof *room.positions);
    room.failures = calloc(room.batch, sizeof *room.failures);
    if (!room.names || !room.positions || !room.failures) {
        status =
            an_fail(error, ALEXNET_NO_MEMORY, "no memory for a list of %zu pictures", room.batch);
        goto cleanup;
    }
    AN_TRY_CLEANUP(an_reserve(&block, floats, sizeof(float), "features", error));
    gallery->computed = block;
    status = compute_missing(gallery, classifier, layer, missing, &room, watch, broken, error);
cleanup:
    free(room.names);
    free(room.positions);
    free(room.failures);
    return status;
}

/* ---- The index. */

/* The pictures' entries, and those of `old` whose files are still there: entries has room for all.
 * True where that is not what `old` holds. covered (old->count): all false. */
static bool gather(const an_gallery *gallery, size_t indexed, const an_feature_index *old,
                   an_index_entry *entries, bool *covered, size_t *count) {
    bool news = false;
    an_stamp stamp;
    *count = 0;
    for (size_t i = 0; i < indexed; i++) {
        const an_gallery_picture *picture = &gallery->pictures[i];
        if (!picture->path || !picture->features)
            continue;
        const an_index_entry *known = an_feature_index_find(old, picture->path);
        if (known)
            covered[known - old->entries] = true;
        news = news || !known || known->features != picture->features;
        entries[(*count)++] = (an_index_entry){picture->path, picture->stamp, picture->features};
    }
    for (size_t i = 0; i < old->count; i++) {
        if (covered[i])
            continue;
        if (an_stamp_of(old->entries[i].path, &stamp))
            entries[(*count)++] = old->entries[i];
        else
            news = true;
    }
    return news;
}

alexnet_status an_gallery_save(const an_gallery *gallery, size_t indexed,
                               const an_feature_index *old, const an_feature_source *source,
                               const char *path, alexnet_error *error) {
    an_index_entry *entries = calloc(indexed + old->count + 1, sizeof *entries);
    bool *covered = calloc(old->count + 1, sizeof *covered);
    size_t count;
    alexnet_status status = ALEXNET_OK;
    if (!entries || !covered)
        status = an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its list", path);
    else if (gather(gallery, indexed, old, entries, covered, &count))
        status = an_feature_index_write(path, source, entries, count, error);
    free(covered);
    free(entries);
    return status;
}
