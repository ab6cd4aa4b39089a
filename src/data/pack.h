/*
 * Packing: any data set into an LMDB database of Caffe's Datums, with its pictures resized.
 *
 * Worker threads decode, resize and encode; the caller's thread appends their records in order, to
 * the database pack.part. Every so often LMDB has them on the disk, together with a note of how far
 * packing is, so that a process killed at any moment loses no more than what came since: the same
 * call goes on. In the end the records are copied, without what notes and unfinished work left in
 * the file, every record of the copy is read back, and it becomes data.mdb, with the bytes of an
 * unbroken pack. Meanwhile the folder takes twice the room. packed.h says what lies beside the
 * database then.
 *
 * Records have keys as Caffe's convert_imageset makes them, `%08d_` the position and the picture's
 * name. A picture that cannot be read is passed over.
 */
#ifndef AN_DATA_PACK_H
#define AN_DATA_PACK_H

#include "data/dataset.h"

typedef struct an_pack_options {
    int resize;       /* the short side becomes so many pixels, also of smaller pictures; 0: none */
    bool square;      /* only the centre square is kept, as the authors did it */
    bool raw;         /* planes of bytes, blue first, as convert_imageset writes; otherwise JPEG */
    int quality;      /* of JPEGs, 1 to 100 */
    bool full_colour; /* 4:4:4; otherwise 4:2:0 */
    bool reencode;    /* encode anew also what is a JPEG of the right size already */
    bool shuffle;     /* a random order, of `seed`; otherwise the data set's */
    uint64_t seed;
    int threads;       /* 0: the cores this process may use */
    double max_broken; /* give up once more than this share (and more than ten) cannot be read;
                             0: at the first one */
    double checkpoint; /* seconds between two notes of how far it is */
} an_pack_options;

typedef struct an_pack_progress {
    size_t done, pictures; /* of all; while verifying, records of all */
    size_t resumed;        /* done before this call */
    bool verifying;        /* records are copied, and then the copies read back */
} an_pack_progress;

typedef struct an_pack_observer {
    bool (*progress)(void *context, const an_pack_progress *now); /* false: stop */
    void (*broken)(void *context, const char *message);           /* in the data set's order */
    void *context;
} an_pack_observer;

typedef struct an_pack_result {
    size_t images, broken;
    uint64_t bytes; /* of the database */
    bool was_there; /* it was finished before */
} an_pack_result;

/*
 * Packs a data set into the folder `folder`, which is made. IO, also where another process packs
 * into it; UNSUPPORTED in a build without liblmdb; FORMAT where too many pictures are broken, or
 * what is read back is not what was written; INVALID where the folder holds something else: a
 * database of other pictures or settings, finished or not; INTERRUPTED, after a note of how far it
 * is, where the observer stops it.
 */
alexnet_status an_pack(const an_dataset *dataset, const char *folder,
                       const an_pack_options *options, const an_pack_observer *observer,
                       an_pack_result *result, alexnet_error *error);

#endif
