/*
 * What `alexnet pack` leaves in the folder of a database beside data.mdb, where other readers of
 * LMDB do not look:
 *
 *   alexnet.json      what was packed and how, the classes, channel means and covariance of colours
 *   alexnet.labels    int32, little-endian: the class of each record, so that opening the database
 *                     need not touch every record
 *   mean.binaryproto  the mean image as Caffe has it, a BlobProto (1, 3, side, side), blue first;
 *                     not there where the pictures' centre squares are of several sizes
 *
 * While the database is being made, it is called pack.part, and holds itself how far it is; its
 * copy pack.copy becomes data.mdb.
 */
#ifndef AN_DATA_PACKED_H
#define AN_DATA_PACKED_H

#include <jansson.h>

#include "data/dataset.h"

#define AN_PACKED_DATABASE "data.mdb"
#define AN_PACKED_DESCRIPTION "alexnet.json"
#define AN_PACKED_LABELS "alexnet.labels"
#define AN_PACKED_MEAN "mean.binaryproto"
#define AN_PACKED_PART "pack.part"
#define AN_PACKED_COPY "pack.copy"

/* More classes than any data set has, few enough to hold their names. */
enum { AN_PACKED_MOST_CLASSES = 1 << 17 };

typedef struct an_packed {
    size_t images;
    uint64_t bytes; /* of the database */
    uint32_t crc;   /* CRC-32 of all records' values, in their order */
    int classes;
    char **class_names; /* (classes) */
    char **class_ids;   /* (classes); NULL where there are none */
    int32_t *labels;    /* (images) */
    an_statistics *statistics;
    json_t *settings; /* an object: how the database was made */
} an_packed;

/* True where `folder` has a description. */
bool an_packed_is_in(const char *folder);

/* Reads all of it. IO, FORMAT where a file is damaged or they do not belong together, NO_MEMORY.
 * *out is freed with an_packed_free. */
alexnet_status an_packed_read(const char *folder, an_packed *out, alexnet_error *error);

/* Writes all of it, the description last. */
alexnet_status an_packed_write(const char *folder, const an_packed *packed, alexnet_error *error);

/*
 * INVALID where the folder holds databases of parts, in train/ and val/, and one of its own is to
 * be packed into it, or (`parts`) the other way round: nobody could tell then which is meant.
 */
alexnet_status an_packed_check_place(const char *folder, bool parts, alexnet_error *error);

/* Frees what it holds; an all-zero one is allowed. */
void an_packed_free(an_packed *packed);

#endif
