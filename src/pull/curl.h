/*
 * libcurl, loaded when something is downloaded. Linked, it would bring some thirty libraries into
 * every command, which then began 7 ms later: a third of what classifying a picture takes.
 */
#ifndef AN_PULL_CURL_H
#define AN_PULL_CURL_H

#include <curl/curl.h>

#include "core/status.h"

/* The functions that are used, by their names in libcurl without "curl_". */
typedef struct an_curl {
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_global_cleanup) *global_cleanup;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_easy_setopt) *easy_setopt;
    __typeof__(curl_easy_perform) *easy_perform;
    __typeof__(curl_easy_strerror) *easy_strerror;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free_all;
} an_curl;

/* Loads and initialises it; ended with an_curl_end. UNSUPPORTED where this machine has none. */
alexnet_status an_curl_begin(an_curl *curl, alexnet_error *error);

/* Allowed on one that is all zero. */
void an_curl_end(an_curl *curl);

#endif
