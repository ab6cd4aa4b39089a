/*
 * A file while it is downloaded: PATH.part holds its bytes, PATH.part.from where they come from, as
 * two lines: the address, and the validator (ETag or Last-Modified) that the server gave the file,
 * by which it can say whether what it has now is still the same.
 */
#ifndef AN_PULL_PART_H
#define AN_PULL_PART_H

#include "pull/digest.h"

enum { AN_VALIDATOR_SIZE = 256 };

typedef struct an_part {
    int descriptor;                    /* of PATH.part, locked; -1: not open */
    char *path;                        /* PATH.part */
    char *from;                        /* PATH.part.from */
    uint64_t size;                     /* bytes in it ... */
    an_digest digest;                  /* ... and their digest */
    char validator[AN_VALIDATOR_SIZE]; /* "": none */
} an_part;

/*
 * Opens the part of `path` and locks it, unless another process has it: then *busy, and nothing is
 * open. What an earlier download of `url` has left in it is read for its digest. Ended with
 * an_part_finish or an_part_close.
 */
alexnet_status an_part_open(an_part *part, const char *path, const char *url, bool *busy,
                            alexnet_error *error);

/* Empties it for a file at `url` with another validator (NULL: none). */
alexnet_status an_part_restart(an_part *part, const char *url, const char *validator,
                               alexnet_error *error);

alexnet_status an_part_append(an_part *part, const void *bytes, size_t size, alexnet_error *error);

/* Syncs it and makes it `path`. */
alexnet_status an_part_finish(an_part *part, const char *path, alexnet_error *error);

/* Removes it. */
void an_part_remove(an_part *part);

/* Releases it; what is in it stays for later, but an empty one goes. */
void an_part_close(an_part *part);

#endif
