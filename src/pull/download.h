/*
 * Files from HTTP and HTTPS servers, none of which is trusted: under its final name a file appears
 * whole and checked, or not at all.
 *
 * Until then its bytes lie in NAME.part, and where they are from in NAME.part.from. A download that
 * ends early leaves both, and the next one goes on from there. RFC 9110 is what servers are held
 * to.
 */
#ifndef AN_PULL_DOWNLOAD_H
#define AN_PULL_DOWNLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

/* A file on a server, and what is known of it. */
typedef struct an_source {
    const char *url;    /* http:// or https:// */
    uint64_t size;      /* bytes; 0: unknown */
    const char *sha256; /* hexadecimal, whole or only its beginning; NULL: unknown */
    const char *sha1;   /* the same */
} an_source;

/* All zero: as one waits for a file at a terminal, without being told anything. */
typedef struct an_download_options {
    uint64_t limit; /* the most bytes taken where the size is unknown; 0: 8 GiB */
    int timeout;    /* seconds to connect in, and without a byte; 0: 30 */
    int retries;    /* attempts after the first, without progress; 0: 5; -1: none */
    double pause;   /* seconds before the first of them, then twice as many; 0: 1 */
    /* Called again and again with the bytes that are there, and all of them (0: unknown); false
     * ends the download: INTERRUPTED. NULL: never. */
    bool (*progress)(void *context, uint64_t done, uint64_t all);
    /* Called with a sentence when something went wrong and is tried again. NULL: never. */
    void (*note)(void *context, const char *message);
    void *context;
} an_download_options;

/* What a download came to. */
typedef struct an_downloaded {
    char sha256[65]; /* of the file */
    uint64_t size;   /* bytes */
    uint64_t begun;  /* of these an earlier, broken download had left */
    bool was_there;  /* nothing had to be downloaded */
} an_downloaded;

/*
 * Makes `path` the file of `source`, in a folder that exists. A file that is there already and has
 * the right digest is left alone; any other stays until the right one is complete. Several
 * processes may do this at once: one downloads, the others wait for it.
 *
 * INVALID for an address or path that cannot work; IO where the server cannot be reached, refuses,
 * or breaks off every time; FORMAT where what it sends is not the file; UNSUPPORTED without
 * libcurl; INTERRUPTED.
 */
alexnet_status an_download(const an_source *source, const char *path,
                           const an_download_options *options, an_downloaded *out,
                           alexnet_error *error);

/* True where this build can download. */
bool an_download_available(void);

#endif
