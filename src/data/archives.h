/*
 * What data sets in tar archives share: the archives are mapped, and of each picture is known where
 * its header begins; name, place and size are read there again when it is fetched. With its label
 * that takes 12 bytes a picture, and opening a data set touches headers only.
 */
#ifndef AN_DATA_ARCHIVES_H
#define AN_DATA_ARCHIVES_H

#include "core/file.h"
#include "core/tar.h"
#include "data/dataset.h"

typedef struct an_archive {
    char *path;
    an_mapping mapping;
    size_t end; /* pictures in this archive and those before it */
} an_archive;

/* A data set in archives: the an_dataset of a kind. */
typedef struct an_archives {
    an_dataset base;
    an_archive *archives;
    size_t archive_count, archive_capacity;
    size_t *places; /* (base.count) where each picture's header begins in its archive */
} an_archives;

/* A new one of a kind whose functions are the four below; NULL where memory ran out. */
an_archives *an_archives_new(const an_dataset_kind *kind);

void an_archives_destroy(an_dataset *dataset);
alexnet_status an_archives_fetch(const an_dataset *dataset, size_t index, an_sample *out,
                                 alexnet_error *error);
void an_archives_describe(const an_dataset *dataset, size_t index, char *text, size_t size);
void an_archives_expect(const an_dataset *dataset, size_t first, size_t count);

/* Maps a further archive. */
alexnet_status an_archives_map(an_archives *self, const char *path, alexnet_error *error);

/* An archive, to be read from its beginning. */
an_tar an_archive_read(const an_archive *archive);

/* Pictures of one archive, in a data set's order. An all-zero listing is valid and empty. */
typedef struct an_listing {
    size_t archive; /* its number */
    size_t *places;
    int32_t *labels;
    size_t count, place_capacity, label_capacity;
} an_listing;

alexnet_status an_listing_add(an_listing *listing, size_t place, int32_t label,
                              alexnet_error *error);

/* Frees what `count` listings hold, and the array itself; NULL is allowed. */
void an_listings_free(an_listing *listings, size_t count);

/*
 * Fills listings by several threads: calls `read` with the number of each. Reading headers here and
 * there is waiting for the disk, which serves several at a time. Of failures that of the lowest
 * number counts.
 */
typedef alexnet_status (*an_listing_reader)(void *context, size_t number, alexnet_error *error);
alexnet_status an_listings_read(size_t count, an_listing_reader read, void *context,
                                alexnet_error *error);

/* Makes the data set of the listings, one behind the other: an_dataset_begin and the labels. */
alexnet_status an_archives_begin(an_archives *self, const char *name, int classes,
                                 const an_listing *listings, size_t count, alexnet_error *error);

#endif
