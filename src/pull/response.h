/* What matters of the head of an answer, RFC 9110 and 9112. */
#ifndef AN_PULL_RESPONSE_H
#define AN_PULL_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct an_response {
    int code;          /* 200: the whole file; 206: a part of it; 416: there is no such part */
    bool framed;       /* its end can be told from a broken connection */
    uint64_t length;   /* Content-Length; AN_UNKNOWN_LENGTH */
    uint64_t begin;    /* Content-Range: the part's first byte (206) ... */
    uint64_t all;      /* ... and the whole file's bytes; both AN_UNKNOWN_LENGTH where not said */
    char etag[256];    /* "" where there is none, or one that promises only likeness (W/"...") */
    char modified[64]; /* Last-Modified */
} an_response;

#define AN_UNKNOWN_LENGTH UINT64_MAX

/* Takes the next line of a head, with or without its line end. A status line begins a new answer,
 * as after a redirection. What cannot be understood counts as not said. */
void an_response_line(an_response *response, const char *line, size_t size);

/* What to ask with whether the file is still the same (If-Range); NULL where nothing is fit. */
const char *an_response_validator(const an_response *response);

#endif
