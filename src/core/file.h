/* Files: mapped or read whole, and written so that a name always holds the old or the new content.
 */
#ifndef AN_CORE_FILE_H
#define AN_CORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* A file mapped read-only into memory. */
typedef struct an_mapping {
    const uint8_t *bytes; /* NULL where size is 0 */
    size_t size;
} an_mapping;

/* Maps a regular file whole. Released with an_unmap. */
alexnet_status an_map(const char *path, an_mapping *out, alexnet_error *error);

/* Releases a mapping; an all-zero mapping is allowed. */
void an_unmap(an_mapping *mapping);

/* Tells the system that bytes [offset, offset + size) of a mapping are no longer needed resident.
 */
void an_mapping_forget(const an_mapping *mapping, size_t offset, size_t size);

/* Tells the system that a mapping will be read here and there, so that it reads nothing ahead, or
 * from its begin to its end. */
void an_mapping_read_randomly(const an_mapping *mapping);
void an_mapping_read_in_order(const an_mapping *mapping);

/* Has the system begin to read bytes [offset, offset + size) of a mapping, all in one go. */
void an_mapping_want(const an_mapping *mapping, size_t offset, size_t size);

/* Reads a file ("-": standard input) of at most `limit` bytes. *bytes is freed with free(). */
alexnet_status an_read_file(const char *path, size_t limit, uint8_t **bytes, size_t *size,
                            alexnet_error *error);

/* The same into a buffer of malloc() that may be there already, and grows where it is too small. */
alexnet_status an_read_file_into(const char *path, size_t limit, uint8_t **buffer, size_t *capacity,
                                 size_t *size, alexnet_error *error);

/* A file being written under a temporary name beside its final one. */
typedef struct an_writer {
    int descriptor;
    char *path;      /* the final name */
    char *temporary; /* the name while writing */
} an_writer;

/* Begins to write `path`. Ended with an_writer_commit or an_writer_abandon. */
alexnet_status an_writer_open(an_writer *writer, const char *path, alexnet_error *error);

/* Appends bytes. After a failure the writer must be abandoned. */
alexnet_status an_writer_write(an_writer *writer, const void *bytes, size_t size,
                               alexnet_error *error);

/* Goes on `offset` bytes behind the file's beginning, over what is there. */
alexnet_status an_writer_seek(an_writer *writer, uint64_t offset, alexnet_error *error);

/* Syncs the file, renames it to its final name and syncs the folder. Releases the writer always. */
alexnet_status an_writer_commit(an_writer *writer, alexnet_error *error);

/* Removes the temporary file; the final name is as before. An all-zero writer is allowed. */
void an_writer_abandon(an_writer *writer);

/* What a commit does, for a file that was written in any other way: syncs the open file, renames it
 * from `temporary` to `path` and syncs the folder. */
alexnet_status an_file_commit(int descriptor, const char *temporary, const char *path,
                              alexnet_error *error);

/* The three steps for content that is in memory. */
alexnet_status an_write_file(const char *path, const void *bytes, size_t size,
                             alexnet_error *error);

/* Makes a folder and its parents; one that exists is fine. */
alexnet_status an_make_folder(const char *path, alexnet_error *error);

/* True where `path` is a folder, or a regular file. */
bool an_is_folder(const char *path);
bool an_is_file(const char *path);

/* "folder/name", freed with free(); NULL where memory ran out. */
char *an_path_join(const char *folder, const char *name);

/* The path of a file called `name` in the folder of the file `path`, freed with free(); NULL where
 * memory ran out. */
char *an_path_beside(const char *path, const char *name);

/* The part of a path behind its last slash, and the extension with its dot ("" where none). */
const char *an_path_base(const char *path);
const char *an_path_extension(const char *path);

#endif
