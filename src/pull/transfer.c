#include "pull/transfer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    default_timeout = 30,
    most_redirections = 10,
    slowest = 100 /* bytes a second: a connection that brings less is taken for dead */
};
static const uint64_t default_limit = UINT64_C(8) << 30;

/* --- failures ------------------------------------------------------------------------------ */

static const char *code_name(int code) {
    static const struct {
        int code;
        const char *name;
    } names[] = {{401, "it wants a password"},
                 {403, "access is forbidden"},
                 {404, "there is no such file"},
                 {407, "the proxy wants a password"},
                 {408, "it waited too long"},
                 {410, "the file is gone"},
                 {416, "it has no such part"},
                 {429, "too many requests; wait a while"},
                 {500, "it failed"},
                 {502, "the server behind it failed"},
                 {503, "it is out of service for now"},
                 {504, "the server behind it did not answer in time"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code)
            return names[i].name;
    return "which is of no use here";
}

/* The server answers, but not with the file. */
static alexnet_status refused(an_transfer *t, alexnet_error *error) {
    const int code = t->response.code;
    t->transient = code == 408 || code == 429 || code == 500 || (code >= 502 && code <= 504);
    return an_fail(error, ALEXNET_IO, "%s: the server answers %d: %s", t->source->url, code,
                   code_name(code));
}

static alexnet_status cannot_connect(an_transfer *t, CURLcode code, alexnet_error *error) {
    const char *const what = code == CURLE_COULDNT_RESOLVE_HOST ? "the server's name is not found"
                             : code == CURLE_COULDNT_RESOLVE_PROXY ? "the proxy's name is not found"
                                                                   : "no connection to the server";
    t->transient = t->connected; /* it went before, so that it may go again */
    return an_fail(error, ALEXNET_IO,
                   "%s: %s (%s); is there a network? A proxy is taken from the variables "
                   "https_proxy, http_proxy and no_proxy",
                   t->source->url, what, t->reason);
}

/* What libcurl says went wrong, in words that say what to do. */
static alexnet_status broken(an_transfer *t, CURLcode code, alexnet_error *error) {
    const char *url = t->source->url;
    if (!t->reason[0])
        snprintf(t->reason, sizeof t->reason, "%s", t->curl.easy_strerror(code));
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        return cannot_connect(t, code, error);
    case CURLE_TOO_MANY_REDIRECTS:
        return an_fail(error, ALEXNET_IO, "%s: the server redirects more than %d times", url,
                       most_redirections);
    case CURLE_UNSUPPORTED_PROTOCOL:
        if (t->response.code == 0)
            return an_fail(error, ALEXNET_IO, "%s: what answers there is no HTTP server (%s)", url,
                           t->reason);
        return an_fail(error, ALEXNET_IO,
                       "%s: the server redirects to an address that is not allowed, as from "
                       "https:// to another kind (%s)",
                       url, t->reason);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return an_fail(error, ALEXNET_IO,
                       "%s: the server's certificate cannot be verified (%s); are the "
                       "ca-certificates installed and the clock right?",
                       url, t->reason);
    case CURLE_OUT_OF_MEMORY:
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: memory ran out", url);
    case CURLE_OPERATION_TIMEDOUT:
        t->transient = true;
        return an_fail(error, ALEXNET_IO, "%s: nothing arrives any more (%s)", url, t->reason);
    default:
        t->transient = true;
        return an_fail(error, ALEXNET_IO, "%s: the connection broke after %llu bytes (%s)", url,
                       (unsigned long long)t->part->size, t->reason);
    }
}

/* --- what an answer means ------------------------------------------------------------------ */

static bool has_digest(const an_source *source) {
    return source->sha256 || source->sha1;
}

static uint64_t limit_of(const an_transfer *t) {
    if (t->source->size)
        return t->source->size;
    return t->options->limit ? t->options->limit : default_limit;
}

static alexnet_status restart(an_transfer *t, const char *validator, alexnet_error *error) {
    t->anew = t->anew || t->part->size > 0;
    return an_part_restart(t->part, t->source->url, validator, error);
}

/* The size of the whole file, as the server says; AN_UNKNOWN_LENGTH. */
static uint64_t announced(const an_response *response) {
    return response->code == 206 ? response->all : response->length;
}

static alexnet_status check_announced(const an_transfer *t, alexnet_error *error) {
    const uint64_t all = announced(&t->response), size = t->source->size;
    if (all == AN_UNKNOWN_LENGTH)
        return ALEXNET_OK;
    if (size && all != size)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: the server announces %llu bytes where the file has %llu; it is another "
                       "one",
                       t->source->url, (unsigned long long)all, (unsigned long long)size);
    if (all > limit_of(t))
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: the server announces %llu bytes; more than %llu are not taken",
                       t->source->url, (unsigned long long)all, (unsigned long long)limit_of(t));
    return ALEXNET_OK;
}

/* Whether the part that the server sends goes on where ours ends, and is of the same file. */
static bool continues(const an_transfer *t) {
    const char *validator = an_response_validator(&t->response);
    return t->response.begin == t->part->size &&
           (!t->part->validator[0] || !validator || strcmp(validator, t->part->validator) == 0);
}

/* Looks at the head of an answer before its first byte is taken. */
static alexnet_status begin_body(an_transfer *t, alexnet_error *error) {
    const int code = t->response.code;
    t->connected = true;
    if (code != 200 && (code != 206 || t->part->size == 0))
        return refused(t, error);
    AN_TRY(check_announced(t, error));
    if (!t->response.framed && !t->source->size && !has_digest(t->source))
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: the server does not say how long the file is, so that a broken "
                       "connection would look like its end; name its digest, with --sha256",
                       t->source->url);
    if (code == 200) {
        AN_TRY(restart(t, an_response_validator(&t->response), error));
    } else if (!continues(t)) {
        AN_TRY(restart(t, NULL, error));
        t->transient = true;
        return an_fail(error, ALEXNET_IO, "%s: the file has changed since its first part came",
                       t->source->url);
    }
    t->taking = true;
    return ALEXNET_OK;
}

static alexnet_status take(an_transfer *t, const char *bytes, size_t size, alexnet_error *error) {
    if (!t->taking)
        AN_TRY(begin_body(t, error));
    if (size > limit_of(t) - t->part->size) {
        an_part_remove(t->part);
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: the server sends more than %llu bytes, which is %s; what came was "
                       "removed",
                       t->source->url, (unsigned long long)limit_of(t),
                       t->source->size ? "what the file has" : "the most that is taken");
    }
    return an_part_append(t->part, bytes, size, error);
}

/* The answer has ended well; has the file? */
static alexnet_status check_whole(an_transfer *t, alexnet_error *error) {
    if (!t->taking) /* no byte came */
        AN_TRY(begin_body(t, error));
    const uint64_t all = t->source->size ? t->source->size : announced(&t->response),
                   size = t->part->size;
    if (size == 0)
        return an_fail(error, ALEXNET_FORMAT, "%s: the server sends an empty file", t->source->url);
    if (all == AN_UNKNOWN_LENGTH || all == size)
        return ALEXNET_OK;
    if (size > all) { /* parts that are longer than they say */
        an_part_remove(t->part);
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: the server sends more than the %llu bytes that it announces; what came "
                       "was removed",
                       t->source->url, (unsigned long long)all);
    }
    t->transient = true;
    return an_fail(error, ALEXNET_IO, "%s: the server stopped after %llu of %llu bytes",
                   t->source->url, (unsigned long long)size, (unsigned long long)all);
}

/* "There is no part from there on": either we have everything, or something else. */
static alexnet_status no_more_parts(an_transfer *t, alexnet_error *error) {
    const uint64_t size = t->part->size;
    if (size > 0 && t->response.all == size && (!t->source->size || size == t->source->size))
        return ALEXNET_OK;
    AN_TRY(restart(t, NULL, error));
    const alexnet_status status = refused(t, error);
    t->transient = size > 0;
    return status;
}

/* --- one request --------------------------------------------------------------------------- */

static size_t on_head(char *line, size_t size, size_t count, void *context) {
    an_transfer *t = context;
    an_response_line(&t->response, line, size * count);
    return size * count;
}

/* Anything but `count` ends the transfer; then the reason is in t->status. */
static size_t on_body(char *bytes, size_t size, size_t count, void *context) {
    an_transfer *t = context;
    t->status = take(t, bytes, size * count, &t->error);
    return t->status == ALEXNET_OK ? size * count : 0;
}

static int on_progress(void *context, curl_off_t all, curl_off_t now, curl_off_t to_send,
                       curl_off_t sent) {
    const an_transfer *t = context;
    const an_download_options *options = t->options;
    const uint64_t said = announced(&t->response);
    uint64_t whole = t->source->size;
    (void)all, (void)now, (void)to_send, (void)sent;
    if (!whole && t->taking && said != AN_UNKNOWN_LENGTH)
        whole = said;
    return options->progress && !options->progress(options->context, t->part->size, whole);
}

/* libcurl takes numbers as long; 0 where everything was accepted. */
static int set_limits(const an_transfer *t) {
    const an_curl *curl = &t->curl;
    CURL *handle = t->handle;
    const long timeout = t->options->timeout > 0 ? t->options->timeout : default_timeout;
    int refusals = 0;
    refusals += curl->easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, timeout) != CURLE_OK;
    refusals += curl->easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, timeout) != CURLE_OK;
    refusals += curl->easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, (long)slowest) != CURLE_OK;
    refusals += curl->easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L) != CURLE_OK;
    refusals += curl->easy_setopt(handle, CURLOPT_MAXREDIRS, (long)most_redirections) != CURLE_OK;
    refusals += curl->easy_setopt(handle, CURLOPT_FAILONERROR, 1L) != CURLE_OK;
    return refusals;
}

/* Only HTTP and HTTPS; from HTTPS only to HTTPS. */
static int set_protocols(const an_transfer *t) {
    const an_curl *curl = &t->curl;
    const bool secure = strncasecmp(t->source->url, "https:", 6) == 0;
    int refusals = 0;
#if LIBCURL_VERSION_NUM >= 0x075500
    const char *allowed = secure ? "https" : "http,https";
    refusals += curl->easy_setopt(t->handle, CURLOPT_PROTOCOLS_STR, allowed) != CURLE_OK;
    refusals += curl->easy_setopt(t->handle, CURLOPT_REDIR_PROTOCOLS_STR, allowed) != CURLE_OK;
#else
    const long allowed = CURLPROTO_HTTPS | (secure ? 0 : CURLPROTO_HTTP);
    refusals += curl->easy_setopt(t->handle, CURLOPT_PROTOCOLS, allowed) != CURLE_OK;
    refusals += curl->easy_setopt(t->handle, CURLOPT_REDIR_PROTOCOLS, allowed) != CURLE_OK;
#endif
    return refusals;
}

static int set_callbacks(an_transfer *t) {
    const an_curl *curl = &t->curl;
    CURL *handle = t->handle;
    int refusals = 0;
    refusals += curl->easy_setopt(handle, CURLOPT_ERRORBUFFER, t->reason) != CURLE_OK;
    refusals += curl->easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_head) != CURLE_OK;
    refusals += curl->easy_setopt(handle, CURLOPT_HEADERDATA, t) != CURLE_OK;
    refusals += curl->easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK;
    refusals += curl->easy_setopt(handle, CURLOPT_WRITEDATA, t) != CURLE_OK;
    refusals += curl->easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress) != CURLE_OK;
    refusals += curl->easy_setopt(handle, CURLOPT_XFERINFODATA, t) != CURLE_OK;
    refusals += curl->easy_setopt(handle, CURLOPT_NOPROGRESS, 0L) != CURLE_OK;
    return refusals;
}

alexnet_status an_transfer_begin(an_transfer *transfer, an_part *part, const an_source *source,
                                 const an_download_options *options, alexnet_error *error) {
    *transfer = (an_transfer){.part = part, .source = source, .options = options};
    an_transfer *t = transfer;
    AN_TRY(an_curl_begin(&t->curl, error));
    t->handle = t->curl.easy_init();
    if (!t->handle) {
        an_transfer_end(t);
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for a download");
    }
    int refusals = set_limits(t) + set_protocols(t) + set_callbacks(t);
    refusals += t->curl.easy_setopt(t->handle, CURLOPT_URL, source->url) != CURLE_OK;
    refusals +=
        t->curl.easy_setopt(t->handle, CURLOPT_USERAGENT, "alexnet/" ALEXNET_VERSION) != CURLE_OK;
    if (refusals > 0) {
        an_transfer_end(t);
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: cannot be asked for: the libcurl of this machine is too old, or other "
                       "than it was when this was built",
                       source->url);
    }
    return ALEXNET_OK;
}

/* Asks for what is lacking; *headers is freed by the caller. */
static alexnet_status ask(an_transfer *t, struct curl_slist **headers, alexnet_error *error) {
    char range[32], line[AN_VALIDATOR_SIZE + 16];
    const bool rest = t->part->size > 0;
    snprintf(range, sizeof range, "%llu-", (unsigned long long)t->part->size);
    snprintf(line, sizeof line, "If-Range: %s", t->part->validator);
    *headers = NULL;
    if (rest && t->part->validator[0]) {
        *headers = t->curl.slist_append(NULL, line);
        if (!*headers)
            return an_fail(error, ALEXNET_NO_MEMORY, "no memory for a request");
    }
    if (t->curl.easy_setopt(t->handle, CURLOPT_RANGE, rest ? range : NULL) != CURLE_OK ||
        t->curl.easy_setopt(t->handle, CURLOPT_HTTPHEADER, *headers) != CURLE_OK)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for a request");
    return ALEXNET_OK;
}

/* What came of a request. */
static alexnet_status judge(an_transfer *t, CURLcode code, alexnet_error *error) {
    if (t->status != ALEXNET_OK) {
        if (error)
            *error = t->error;
        return t->status;
    }
    switch (code) {
    case CURLE_OK:
        return check_whole(t, error);
    case CURLE_ABORTED_BY_CALLBACK:
        return an_fail(error, ALEXNET_INTERRUPTED, "interrupted");
    case CURLE_HTTP_RETURNED_ERROR:
        t->connected = true;
        return t->response.code == 416 ? no_more_parts(t, error) : refused(t, error);
    default:
        t->connected = t->connected || t->response.code != 0;
        return broken(t, code, error);
    }
}

alexnet_status an_transfer_run(an_transfer *transfer, alexnet_error *error) {
    an_transfer *t = transfer;
    const uint64_t size = t->source->size;
    t->response = (an_response){.length = AN_UNKNOWN_LENGTH, .all = AN_UNKNOWN_LENGTH};
    t->transient = t->taking = false;
    t->status = ALEXNET_OK;
    t->reason[0] = '\0';
    /* Without a validator only a digest can tell whether two parts are of one file. */
    if (t->part->size > limit_of(t) ||
        (t->part->size > 0 && !t->part->validator[0] && !has_digest(t->source)))
        AN_TRY(restart(t, NULL, error));
    if (size && t->part->size == size)
        return ALEXNET_OK;
    struct curl_slist *headers;
    alexnet_status status = ask(t, &headers, error);
    if (status == ALEXNET_OK)
        status = judge(t, t->curl.easy_perform(t->handle), error);
    t->curl.easy_setopt(t->handle, CURLOPT_HTTPHEADER, NULL);
    t->curl.slist_free_all(headers);
    return status;
}

void an_transfer_end(an_transfer *transfer) {
    if (transfer->handle)
        transfer->curl.easy_cleanup(transfer->handle);
    an_curl_end(&transfer->curl);
}
