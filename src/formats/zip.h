/*
 * Zip archives in memory whose members are stored, not compressed: where each member's bytes lie.
 *
 * Layout: for each member a local header (30 bytes, name, extra fields) and its bytes; then the
 * central directory, an entry for each (46 bytes, name, extra fields, comment); then the end record
 * (22 bytes, comment), which says where the directory is. Above 4 GB, or 65,535 members, a ZIP64
 * end record and extra fields hold what has no room.
 *
 * libzip would read the directory too, but does not tell where a member's bytes lie, which is all
 * that is wanted of a mapped file. It also tries every record that might be the end, reading the
 * directory anew for each. Here one end record counts, the one whose comment ends with the file;
 * memory is a fraction of the file's size, and time grows as n log n. Checksums are not looked at,
 * which would mean reading all bytes of a file of which pages are taken as they are needed.
 */
#ifndef AN_FORMATS_ZIP_H
#define AN_FORMATS_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct an_zip_member {
    const char *name; /* in the archive, without an end of its own */
    size_t name_length;
    const uint8_t *bytes; /* in the archive */
    size_t size;
} an_zip_member;

/*
 * Finds the members of the archive `bytes`, in the directory's order; their names all differ.
 * *members is freed with free(), NULL where there are none. FORMAT where something lies outside the
 * file, UNSUPPORTED for a member that is compressed or encrypted, naming the file `path`.
 */
alexnet_status an_zip_read(const char *path, const uint8_t *bytes, size_t size,
                           an_zip_member **members, size_t *count, alexnet_error *error);

#endif
