/*
 * The records of an LMDB database, as pointers into the mapped file.
 *
 * liblmdb trusts its file: a page number out of a damaged one leads it out of the map, and the
 * process ends. Here the tree is walked once, on opening, and every number in it is checked before
 * it is used: pages lie inside the file, nodes, keys and values inside their pages, keys
 * are in order, no more pages are visited than there are, the tree is at most AN_LMDB_DEPTH deep,
 * and the index takes no more memory than three times the file. So any bytes are either read or
 * refused with a sentence. It also takes no lock file, which read-only media do not let be made,
 * and no transaction a thread. What is not protected, as with every mapped file: the file must not
 * be cut or written to while it is open.
 *
 * Refused: databases of 32-bit machines, with several values a key, or with named databases inside.
 */
#ifndef AN_DATA_LMDB_READER_H
#define AN_DATA_LMDB_READER_H

#include "core/file.h"

enum { AN_LMDB_DEPTH = 32 };

typedef struct an_lmdb_record {
    const uint8_t *key, *value;
    uint32_t value_size;
    uint16_t key_size;
} an_lmdb_record;

typedef struct an_lmdb {
    an_mapping mapping; /* to be read here and there: an_mapping_want a value before it is read */
    size_t count;
    an_lmdb_record *records; /* (count) in the order of the keys */
} an_lmdb;

/* True where `path` is a file that begins as a database does. */
bool an_lmdb_is_file(const char *path);

/*
 * Maps the database in the file `path` and lists its records, of which there may be none. Released
 * with an_lmdb_close. IO where it cannot be mapped, FORMAT with the page at fault where it is
 * damaged, NO_MEMORY.
 */
alexnet_status an_lmdb_open(const char *path, an_lmdb *out, alexnet_error *error);

/* Releases a database; an all-zero one is allowed. */
void an_lmdb_close(an_lmdb *database);

#endif
