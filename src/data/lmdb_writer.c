#include "data/lmdb_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum {
    MODE = 0666,     /* of a file that is made, less the umask */
    FREED = 64 << 20 /* what notes and pages that changed leave free, at most */
};

static const char note_key[] = "!alexnet"; /* before digits and letters */

static MDB_val bytes_of(const void *bytes, size_t size) {
    return (MDB_val){.mv_size = size, .mv_data = (void *)(uintptr_t)bytes}; /* LMDB reads only */
}

static alexnet_status failed(const an_lmdb_writer *writer, int reason, alexnet_error *error) {
    if (reason == ENOMEM)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to write it", writer->path);
    return an_fail(error, ALEXNET_IO,
                   "%s: cannot be written: %s%s; what has been packed stays, and with room on the "
                   "disk the same command goes on",
                   writer->path, mdb_strerror(reason),
                   reason == EIO ? ", which LMDB says also where the disk is full" : "");
}

/* --- the file ------------------------------------------------------------------------------ */

alexnet_status an_lmdb_writer_open(an_lmdb_writer *writer, const char *path, alexnet_error *error) {
    *writer = (an_lmdb_writer){.path = path};
    writer->descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, MODE);
    if (writer->descriptor < 0)
        return an_fail(error, ALEXNET_IO, "%s: cannot be written: %s", path, strerror(errno));
    writer->is_open = true;
    if (flock(writer->descriptor, LOCK_EX | LOCK_NB) == 0)
        return ALEXNET_OK;
    (void)an_fail(error, ALEXNET_IO,
                  errno == EWOULDBLOCK ? "%s: another process is writing it; wait for that one"
                                       : "%s: cannot be locked: %s",
                  path, strerror(errno));
    an_lmdb_writer_close(writer);
    return ALEXNET_IO;
}

static void end_batch(an_lmdb_writer *writer) {
    mdb_txn_abort(writer->transaction);
    mdb_env_close(writer->environment);
    writer->transaction = NULL;
    writer->environment = NULL;
}

void an_lmdb_writer_close(an_lmdb_writer *writer) {
    end_batch(writer);
    if (writer->is_open)
        close(writer->descriptor);
    *writer = (an_lmdb_writer){0};
}

static uint64_t page_size(void) {
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t an_lmdb_space(size_t key_size, size_t value_size) {
    return (uint64_t)key_size + value_size + page_size();
}

/* --- batches ------------------------------------------------------------------------------- */

alexnet_status an_lmdb_begin(an_lmdb_writer *writer, uint64_t space, alexnet_error *error) {
    const uint64_t pages = (space + space / 4 + FREED) / page_size();
    int reason = mdb_env_create(&writer->environment);
    if (reason == 0)
        reason = mdb_env_set_mapsize(writer->environment, pages * page_size());
    if (reason == 0)
        reason = mdb_env_open(writer->environment, writer->path, MDB_NOSUBDIR | MDB_NOLOCK, MODE);
    if (reason == 0)
        reason = mdb_txn_begin(writer->environment, NULL, 0, &writer->transaction);
    if (reason == 0)
        reason = mdb_dbi_open(writer->transaction, NULL, 0, &writer->records);
    return reason == 0 ? ALEXNET_OK : failed(writer, reason, error);
}

alexnet_status an_lmdb_put(an_lmdb_writer *writer, const void *key, size_t key_size,
                           const uint8_t *value, size_t value_size, alexnet_error *error) {
    MDB_val name = bytes_of(key, key_size), data = bytes_of(value, value_size);
    const int reason = mdb_put(writer->transaction, writer->records, &name, &data, MDB_APPEND);
    return reason == 0 ? ALEXNET_OK : failed(writer, reason, error);
}

alexnet_status an_lmdb_commit(an_lmdb_writer *writer, const uint8_t *note, size_t size,
                              alexnet_error *error) {
    MDB_val key = bytes_of(note_key, sizeof note_key - 1), data = bytes_of(note, size);
    int reason = note ? mdb_put(writer->transaction, writer->records, &key, &data, 0) : 0;
    if (reason == 0) {
        reason = mdb_txn_commit(writer->transaction);
        writer->transaction = NULL; /* also where it failed */
    }
    end_batch(writer);
    return reason == 0 ? ALEXNET_OK : failed(writer, reason, error);
}

bool an_lmdb_is_note(const an_lmdb_record *record) {
    return record->key_size == sizeof note_key - 1 &&
           memcmp(record->key, note_key, sizeof note_key - 1) == 0;
}
