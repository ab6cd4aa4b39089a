/*
 * Writes an LMDB database from its first key to its last.
 *
 * Records come in the order of their keys, so that the file is only ever appended to: a page of
 * each level of the tree is open, and goes to the file when it is full. The same records make the
 * same bytes, whatever stops in between: all that has not reached the file is in an an_lmdb_tree,
 * from which writing goes on, over what a killed process may have appended behind it. liblmdb
 * would write the same tree of pages, but with what its transactions freed in between.
 *
 * Until an_lmdb_writer_finish the file is no database: its first pages are zeros.
 */
#ifndef AN_DATA_LMDB_WRITER_H
#define AN_DATA_LMDB_WRITER_H

#include "core/status.h"
#include "data/lmdb_format.h"

enum { AN_LMDB_PAGE = 4096, AN_LMDB_LEVELS = 12 };

/* A database that is not finished: what is not in its file. Plain bytes, which may be stored. */
typedef struct an_lmdb_tree {
    uint64_t pages; /* written so far */
    uint64_t records;
    uint64_t branches, leaves, overflows; /* pages of each kind */
    uint64_t levels;                      /* that have an open page; [0]: the leaves */
    uint8_t open[AN_LMDB_LEVELS][AN_LMDB_PAGE];
} an_lmdb_tree;

typedef struct an_lmdb_writer {
    const char *path;
    int descriptor;
    an_lmdb_tree tree;
    uint8_t *buffer; /* what has not been written yet */
    size_t buffered;
} an_lmdb_writer;

/*
 * Opens the file `path`, which outlives the writer, for this process alone, and makes it where it
 * is not there. IO, also where another process has it open. Released with an_lmdb_writer_close.
 */
alexnet_status an_lmdb_writer_open(an_lmdb_writer *writer, const char *path, alexnet_error *error);

/* Begins anew (NULL), or goes on from where `tree` was; the file is cut to that. */
alexnet_status an_lmdb_writer_begin(an_lmdb_writer *writer, const an_lmdb_tree *tree,
                                    alexnet_error *error);

/* Appends a record, whose key is larger than the one before and not longer than AN_LMDB_MOST_KEY,
 * and whose value is smaller than 4 GB. */
alexnet_status an_lmdb_put(an_lmdb_writer *writer, const void *key, size_t key_size,
                           const uint8_t *value, size_t value_size, alexnet_error *error);

/* Has everything on the disk but what is in writer->tree. */
alexnet_status an_lmdb_writer_sync(an_lmdb_writer *writer, alexnet_error *error);

/* Writes the rest of the tree and makes the file a database, on the disk. */
alexnet_status an_lmdb_writer_finish(an_lmdb_writer *writer, alexnet_error *error);

/* Closes the file, as it is; an all-zero writer is allowed. */
void an_lmdb_writer_close(an_lmdb_writer *writer);

#endif
