/*
 * SHA-256 and SHA-1 of a stream of bytes, both at once: the first is what files are known by today,
 * the second what Caffe's models were published with. SHA-1 no longer keeps anybody from making two
 * files of one digest, but still from making another file of a given one.
 */
#ifndef AN_PULL_DIGEST_H
#define AN_PULL_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nettle/sha1.h>
#include <nettle/sha2.h>

#include "core/status.h"

enum { AN_SHA256_DIGITS = 2 * SHA256_DIGEST_SIZE, AN_SHA1_DIGITS = 2 * SHA1_DIGEST_SIZE };

/* The digests of the bytes so far. */
typedef struct an_digest {
    struct sha256_ctx sha256;
    struct sha1_ctx sha1;
} an_digest;

/* Digests in lower-case hexadecimal. */
typedef struct an_digest_text {
    char sha256[AN_SHA256_DIGITS + 1];
    char sha1[AN_SHA1_DIGITS + 1];
} an_digest_text;

/* No bytes yet. */
an_digest an_digest_begin(void);

void an_digest_add(an_digest *digest, const void *bytes, size_t size);

/* The digests of what was added; more may be added afterwards. */
an_digest_text an_digest_of(const an_digest *digest);

/* Adds what `descriptor` holds from its position to its end, and adds the bytes to *size. `path`
 * names it in messages. */
alexnet_status an_digest_read(int descriptor, const char *path, an_digest *digest, uint64_t *size,
                              alexnet_error *error);

/* True where `found` begins with `expected` (in either case), or nothing is expected (NULL). */
bool an_digest_matches(const char *expected, const char *found);

#endif
