/* What zlib and gzip compressed, decoded in memory. */
#ifndef AN_DATA_INFLATE_H
#define AN_DATA_INFLATE_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/*
 * Decodes a zlib stream or a gzip file, of one member or several, to at most `limit` bytes. *out is
 * freed with free(). `path` stands in messages. FORMAT where it is damaged, cut off, or decodes to
 * more.
 */
alexnet_status an_inflate(const char *path, const uint8_t *bytes, size_t size, size_t limit,
                          uint8_t **out, size_t *out_size, alexnet_error *error);

#endif
