#include "data/archives.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"

/* Threads that read listings; they wait for the disk more than they compute. */
enum { READERS = 16 };

an_archives *an_archives_new(const an_dataset_kind *kind) {
    an_archives *self = calloc(1, sizeof *self);
    if (self)
        self->base.kind = kind;
    return self;
}

void an_archives_destroy(an_dataset *dataset) {
    an_archives *self = (an_archives *)dataset;
    for (size_t i = 0; i < self->archive_count; i++) {
        an_unmap(&self->archives[i].mapping);
        free(self->archives[i].path);
    }
    free(self->archives);
    free(self->places);
    free(self);
}

/* The archive of a picture: the first that ends behind it. */
static const an_archive *find_archive(const an_archives *self, size_t index) {
    size_t low = 0, high = self->archive_count - 1;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (index < self->archives[middle].end)
            high = middle;
        else
            low = middle + 1;
    }
    return &self->archives[low];
}

static alexnet_status find_member(const an_archives *self, size_t index, an_tar_member *member,
                                  alexnet_error *error) {
    const an_archive *archive = find_archive(self, index);
    an_tar tar = {.path = archive->path,
                  .bytes = archive->mapping.bytes,
                  .size = archive->mapping.size,
                  .at = self->places[index]};
    bool found;
    AN_TRY(an_tar_next(&tar, member, &found, error));
    if (!found)
        return an_fail(error, ALEXNET_FORMAT, "%s: was changed while it was read", archive->path);
    return ALEXNET_OK;
}

alexnet_status an_archives_fetch(const an_dataset *dataset, size_t index, an_sample *out,
                                 alexnet_error *error) {
    const an_archives *self = (const an_archives *)dataset;
    const an_archive *archive = find_archive(self, index);
    an_tar_member member;
    AN_TRY(find_member(self, index, &member, error));
    if (member.size > AN_MAX_IMAGE_BYTES)
        return an_fail(error, ALEXNET_FORMAT, "%s/%s: is larger than the %zu bytes allowed",
                       archive->path, member.name, AN_MAX_IMAGE_BYTES);
    an_mapping_want(&archive->mapping, (size_t)(member.bytes - archive->mapping.bytes),
                    member.size);
    out->form = AN_SAMPLE_FILE;
    out->bytes = member.bytes;
    out->size = member.size;
    return ALEXNET_OK;
}

void an_archives_describe(const an_dataset *dataset, size_t index, char *text, size_t size) {
    const an_archives *self = (const an_archives *)dataset;
    const char *path = find_archive(self, index)->path;
    an_tar_member member;
    if (find_member(self, index, &member, NULL) == ALEXNET_OK)
        snprintf(text, size, "%s/%s", path, member.name);
    else
        snprintf(text, size, "%s, byte %zu", path, self->places[index]);
}

void an_archives_expect(const an_dataset *dataset, size_t first, size_t count) {
    const an_archives *self = (const an_archives *)dataset;
    for (const size_t end = first + count; first < end;) {
        const an_archive *archive = find_archive(self, first);
        const size_t behind = end < archive->end ? end : archive->end;
        const size_t begin = self->places[first];
        const size_t stop = behind < archive->end ? self->places[behind] : archive->mapping.size;
        if (stop > begin) /* a class's pictures are in the order of names, not of places */
            an_mapping_want(&archive->mapping, begin, stop - begin);
        first = behind;
    }
}

alexnet_status an_archives_map(an_archives *self, const char *path, alexnet_error *error) {
    char *copy = an_string_copy(path);
    if (!copy || !an_grow((void **)&self->archives, &self->archive_capacity,
                          self->archive_count + 1, sizeof *self->archives)) {
        free(copy);
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to open it", path);
    }
    an_archive *archive = &self->archives[self->archive_count++];
    *archive = (an_archive){.path = copy};
    AN_TRY(an_map(path, &archive->mapping, error));
    an_mapping_read_randomly(&archive->mapping);
    return ALEXNET_OK;
}

an_tar an_archive_read(const an_archive *archive) {
    return (an_tar){
        .path = archive->path, .bytes = archive->mapping.bytes, .size = archive->mapping.size};
}

/* --- listings ------------------------------------------------------------------------------ */

alexnet_status an_listing_add(an_listing *listing, size_t place, int32_t label,
                              alexnet_error *error) {
    if (!an_grow((void **)&listing->places, &listing->place_capacity, listing->count + 1,
                 sizeof *listing->places) ||
        !an_grow((void **)&listing->labels, &listing->label_capacity, listing->count + 1,
                 sizeof *listing->labels))
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory to list the pictures of an archive");
    listing->places[listing->count] = place;
    listing->labels[listing->count++] = label;
    return ALEXNET_OK;
}

void an_listings_free(an_listing *listings, size_t count) {
    for (size_t i = 0; listings && i < count; i++) {
        free(listings[i].places);
        free(listings[i].labels);
    }
    free(listings);
}

alexnet_status an_listings_read(size_t count, an_listing_reader read, void *context,
                                alexnet_error *error) {
    alexnet_status status = ALEXNET_OK;
    size_t failed = count;
#pragma omp parallel for schedule(dynamic)                                                         \
    num_threads(count < READERS ? (int)count : READERS) if (count > 2)
    for (size_t i = 0; i < count; i++) {
        alexnet_error own = {0};
        const alexnet_status one = read(context, i, &own);
        if (one != ALEXNET_OK)
#pragma omp critical(an_listings_read)
            if (i < failed) {
                failed = i;
                status = an_fail(error, one, "%s", own.message);
            }
    }
    return status;
}

alexnet_status an_archives_begin(an_archives *self, const char *name, int classes,
                                 const an_listing *listings, size_t count, alexnet_error *error) {
    size_t pictures = 0;
    for (size_t i = 0; i < count; i++)
        pictures += listings[i].count;
    AN_TRY(an_dataset_begin(&self->base, self->base.kind, name, pictures, classes, error));
    self->places = reallocarray(NULL, pictures + 1, sizeof *self->places);
    if (!self->places)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to list %zu pictures", name,
                       pictures);
    size_t done = 0;
    for (size_t i = 0; i < count; i++) {
        const an_listing *listing = &listings[i];
        for (size_t p = 0; p < listing->count; p++, done++) {
            self->places[done] = listing->places[p];
            self->base.labels[done] = listing->labels[p];
        }
        self->archives[listing->archive].end = done;
    }
    return ALEXNET_OK;
}
