/*
 * Tar archives in memory or mapped: where each member's bytes lie, without unpacking.
 *
 * Layout: a header of 512 bytes, the member's bytes filled up to whole blocks of 512, the next
 * header, ...; blocks of zeros, or the end of the file, end the archive. A header holds the name
 * (100 bytes, and in ustar archives 155 that come before it), the size (octal digits, or base 256
 * where bit 7 of the first byte is set), a checksum, and a type. Names and sizes that have no room
 * there lie in members of their own in front: GNU's 'L' holds a name, pax's 'x' records
 * "length key=value\n". Source: POSIX.1-2001, pax; the manual of GNU tar, appendix D.
 *
 * An archive that is a member of another is read where it lies, as any other.
 */
#ifndef AN_CORE_TAR_H
#define AN_CORE_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

enum { AN_TAR_BLOCK = 512, AN_TAR_LONGEST_NAME = 4095 };

/* An archive that is being read. */
typedef struct an_tar {
    const char *path; /* for messages */
    const uint8_t *bytes;
    size_t size;
    size_t at; /* where the next member is looked for: 0, or another member's place */
} an_tar;

/* A regular file in an archive. */
typedef struct an_tar_member {
    char name[AN_TAR_LONGEST_NAME + 1];
    size_t place;         /* where its first header begins */
    const uint8_t *bytes; /* in the archive */
    size_t size;
} an_tar_member;

/*
 * Finds the next regular file; *found is false where there is no more. Folders, links and devices
 * are passed over. FORMAT where a header is damaged, or a member is larger than what is left;
 * UNSUPPORTED for a sparse file, whose bytes do not lie in one piece.
 */
alexnet_status an_tar_next(an_tar *tar, an_tar_member *member, bool *found, alexnet_error *error);

/* Whether bytes begin as tar archives have begun since 1988. */
bool an_tar_recognise(const uint8_t *bytes, size_t size);

#endif
