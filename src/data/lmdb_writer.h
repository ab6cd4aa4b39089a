/*
 * Writes an LMDB database from its first key to its last, with liblmdb.
 *
 * Records come in the order of their keys, in batches: a batch is one of LMDB's transactions, which
 * a killed process leaves whole or not at all. With each may go a note of the caller's, from which
 * writing goes on; it is the first record of the unfinished database.
 *
 * The same records in the same batches, without notes, make the same bytes. In other batches they
 * do not: LMDB keeps pages that it has freed, and what was in them.
 */
#ifndef AN_DATA_LMDB_WRITER_H
#define AN_DATA_LMDB_WRITER_H

#include <lmdb.h>

#include "core/status.h"
#include "data/lmdb_reader.h"

enum { AN_LMDB_MOST_KEY = 511 };

typedef struct an_lmdb_writer {
    const char *path;
    int descriptor; /* holds the lock */
    bool is_open;
    MDB_env *environment; /* of a batch; otherwise NULL */
    MDB_txn *transaction;
    MDB_dbi records;
} an_lmdb_writer;

/*
 * Opens the file `path`, which outlives the writer, for this process alone, and makes it where it
 * is not there. IO, also where another process has it open. Released with an_lmdb_writer_close.
 */
alexnet_status an_lmdb_writer_open(an_lmdb_writer *writer, const char *path, alexnet_error *error);

/* What a record takes in the database, at most. */
uint64_t an_lmdb_space(size_t key_size, size_t value_size);

/* Begins a batch. `space`: what all records have taken and the batch will. The file's map is made
 * for it; the file itself only grows with what it holds. */
alexnet_status an_lmdb_begin(an_lmdb_writer *writer, uint64_t space, alexnet_error *error);

/* Appends a record, whose key is larger than the one before and not longer than AN_LMDB_MOST_KEY,
 * and whose value is smaller than 4 GB. Keys begin with digits or letters. */
alexnet_status an_lmdb_put(an_lmdb_writer *writer, const void *key, size_t key_size,
                           const uint8_t *value, size_t value_size, alexnet_error *error);

/* Ends a batch: has its records and the note (NULL: none) on the disk. One that fails leaves the
 * database as it was. */
alexnet_status an_lmdb_commit(an_lmdb_writer *writer, const uint8_t *note, size_t size,
                              alexnet_error *error);

/* True where a record, the first one of a database, is its note. */
bool an_lmdb_is_note(const an_lmdb_record *record);

/* Gives up a batch that has not ended and closes the file; an all-zero writer is allowed. */
void an_lmdb_writer_close(an_lmdb_writer *writer);

#endif
