#include "data/inflate.h"

#include <stdlib.h>

#include <zlib.h>

#include "core/memory.h"

enum { PIECE = 1 << 20 }; /* zlib counts in 32 bits */

/* Decodes until the file ends, the output growing with what comes. */
static alexnet_status inflate_all(z_stream *stream, const char *path, size_t size, size_t limit,
                                  uint8_t **out, size_t *out_size, alexnet_error *error) {
    size_t capacity = 0, taken = 0;
    int result = Z_OK;
    *out_size = 0;
    for (;;) {
        if (!an_grow((void **)out, &capacity, *out_size + PIECE, 1))
            return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to unpack it", path);
        const uInt given = (uInt)(size - taken < PIECE ? size - taken : PIECE);
        stream->avail_in = given;
        stream->next_out = *out + *out_size;
        stream->avail_out = PIECE;
        result = inflate(stream, Z_NO_FLUSH);
        taken += given - stream->avail_in;
        *out_size += PIECE - stream->avail_out;
        if (*out_size > limit)
            return an_fail(error, ALEXNET_FORMAT, "%s: unpacks to more than the %zu bytes allowed",
                           path, limit);
        if (result == Z_STREAM_END && taken == size)
            return ALEXNET_OK;
        if (result == Z_STREAM_END)
            result = inflateReset(stream); /* a further member */
        if (result != Z_OK)
            return an_fail(
                error, ALEXNET_FORMAT,
                "%s: is damaged at byte %zu, cut off, or not compressed by gzip; download it again",
                path, taken);
    }
}

alexnet_status an_inflate(const char *path, const uint8_t *bytes, size_t size, size_t limit,
                          uint8_t **out, size_t *out_size, alexnet_error *error) {
    enum { zlib_or_gzip = 32 };
    z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)bytes};
    *out = NULL;
    if (inflateInit2(&stream, MAX_WBITS + zlib_or_gzip) != Z_OK)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to unpack it", path);
    const alexnet_status status = inflate_all(&stream, path, size, limit, out, out_size, error);
    (void)inflateEnd(&stream);
    if (status != ALEXNET_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}
