#include "pull/curl.h"

#include "core/library.h"

static const an_library_function functions[] = {
    {"curl_global_init", offsetof(an_curl, global_init)},
    {"curl_global_cleanup", offsetof(an_curl, global_cleanup)},
    {"curl_easy_init", offsetof(an_curl, easy_init)},
    {"curl_easy_cleanup", offsetof(an_curl, easy_cleanup)},
    {"curl_easy_setopt", offsetof(an_curl, easy_setopt)},
    {"curl_easy_perform", offsetof(an_curl, easy_perform)},
    {"curl_easy_strerror", offsetof(an_curl, easy_strerror)},
    {"curl_slist_append", offsetof(an_curl, slist_append)},
    {"curl_slist_free_all", offsetof(an_curl, slist_free_all)},
};

/* The names that it has had since 2006, on Debian and its kin and where it is built with GnuTLS. */
static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", NULL};

static const an_library libcurl = {.names = names,
                                   .what = "libcurl, which downloads",
                                   .package = "libcurl4",
                                   .functions = functions,
                                   .function_count = sizeof functions / sizeof *functions};

alexnet_status an_curl_begin(an_curl *curl, alexnet_error *error) {
    *curl = (an_curl){0};
    alexnet_status status = an_library_load(&libcurl, curl, error);
    if (status == ALEXNET_OK && curl->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        status = an_fail(error, ALEXNET_UNSUPPORTED, "libcurl cannot be initialised");
    if (status != ALEXNET_OK)
        *curl = (an_curl){0};
    return status;
}

void an_curl_end(an_curl *curl) {
    if (curl->global_init)
        curl->global_cleanup();
    *curl = (an_curl){0};
}
