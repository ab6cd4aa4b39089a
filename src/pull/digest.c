#include "pull/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

an_digest an_digest_begin(void) {
    an_digest digest;
    sha256_init(&digest.sha256);
    sha1_init(&digest.sha1);
    return digest;
}

void an_digest_add(an_digest *digest, const void *bytes, size_t size) {
    sha256_update(&digest->sha256, size, bytes);
    sha1_update(&digest->sha1, size, bytes);
}

static void write_hexadecimal(const uint8_t *bytes, size_t count, char *text) {
    for (size_t i = 0; i < count; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

an_digest_text an_digest_of(const an_digest *digest) {
    an_digest copy = *digest; /* asking for a digest begins the next one */
    an_digest_text text = {.sha256 = "", .sha1 = ""};
    uint8_t sha256[SHA256_DIGEST_SIZE], sha1[SHA1_DIGEST_SIZE];
    sha256_digest(&copy.sha256, sizeof sha256, sha256);
    sha1_digest(&copy.sha1, sizeof sha1, sha1);
    write_hexadecimal(sha256, sizeof sha256, text.sha256);
    write_hexadecimal(sha1, sizeof sha1, text.sha1);
    return text;
}

alexnet_status an_digest_read(int descriptor, const char *path, an_digest *digest, uint64_t *size,
                              alexnet_error *error) {
    enum { block = 256 << 10 };
    uint8_t *bytes = malloc(block);
    if (!bytes)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to read it", path);
    ssize_t got;
    do {
        got = read(descriptor, bytes, block);
        if (got > 0) {
            an_digest_add(digest, bytes, (size_t)got);
            *size += (uint64_t)got;
        }
    } while (got > 0 || (got < 0 && errno == EINTR));
    const int reason = errno;
    free(bytes);
    if (got < 0)
        return an_fail(error, ALEXNET_IO, "%s: cannot be read: %s", path, strerror(reason));
    return ALEXNET_OK;
}

bool an_digest_matches(const char *expected, const char *found) {
    return !expected || strncasecmp(expected, found, strlen(expected)) == 0;
}
