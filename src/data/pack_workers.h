/* Packing's worker threads: pictures into records, some at a time, handed out in order. */
#ifndef AN_DATA_PACK_WORKERS_H
#define AN_DATA_PACK_WORKERS_H

#include "data/colour_sums.h"
#include "data/jpeg_encode.h"
#include "data/pack.h"

enum { AN_PACK_CHUNK = 16 }; /* at most so many pictures at a time */

/* What is packed. */
typedef struct an_pack_job {
    const an_dataset *dataset;
    const an_pack_options *options;
    const uint32_t *order; /* (count) which picture is at a position; NULL: the data set's order */
} an_pack_job;

static inline size_t an_pack_picture(const an_pack_job *job, size_t position) {
    return job->order ? job->order[position] : position;
}

/* The records of neighbouring positions. */
typedef struct an_pack_chunk {
    size_t first, count;
    an_encoded values[AN_PACK_CHUNK];      /* Datums */
    alexnet_error failures[AN_PACK_CHUNK]; /* status OK where there is a record */
    an_colour_sums sums;
} an_pack_chunk;

typedef struct an_pack_workers an_pack_workers;

/* Starts them at a position. What `job` points to must outlive them. Freed with
 * an_pack_workers_free. */
alexnet_status an_pack_workers_start(const an_pack_job *job, size_t first, an_pack_workers **out,
                                     alexnet_error *error);

/* Waits for the next chunk; NULL behind the last one. The chunk before is given back. */
const an_pack_chunk *an_pack_workers_next(an_pack_workers *workers);

/* Stops the threads and frees everything; NULL is allowed. */
void an_pack_workers_free(an_pack_workers *workers);

#endif
