/* One request after another until a part is whole: what to ask the server, and what to make of its
 * answers. */
#ifndef AN_PULL_TRANSFER_H
#define AN_PULL_TRANSFER_H

#include "pull/curl.h"
#include "pull/download.h"
#include "pull/part.h"
#include "pull/response.h"

typedef struct an_transfer {
    an_part *part;
    const an_source *source;
    const an_download_options *options;
    an_curl curl;
    CURL *handle;
    char reason[CURL_ERROR_SIZE]; /* what libcurl says of a failure */
    bool anew;                    /* what an earlier download had left was given up */
    bool connected;               /* a server has answered, in this request or an earlier one */

    /* Of the request that runs, or ran last. */
    an_response response;
    bool transient;        /* after a failure: it may go better the next time */
    bool taking;           /* the body is one to take */
    alexnet_status status; /* why taking it was given up ... */
    alexnet_error error;   /* ... in a sentence */
} an_transfer;

/* The options must outlive it. Ended with an_transfer_end. */
alexnet_status an_transfer_begin(an_transfer *transfer, an_part *part, const an_source *source,
                                 const an_download_options *options, alexnet_error *error);

/*
 * One attempt to get the bytes that the part lacks. After a failure `transient` says whether to try
 * again; what has arrived stays in the part. INTERRUPTED where the caller's progress function said
 * so.
 */
alexnet_status an_transfer_run(an_transfer *transfer, alexnet_error *error);

void an_transfer_end(an_transfer *transfer);

#endif
