#include "pull/curl.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

/* The names that it has had since 2006, on Debian and its kin and where it is built with GnuTLS. */
static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
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

alexnet_status an_curl_begin(an_curl *curl, alexnet_error *error) {
    *curl = (an_curl){0};
    void *library = NULL;
    for (size_t i = 0; !library && i < sizeof names / sizeof *names; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "libcurl, which downloads, cannot be loaded: %s; install libcurl4",
                       dlerror());
    /* It is never unloaded: libraries under it leave functions to be called at exit. */
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *found = dlsym(library, functions[i].name);
        if (!found) {
            *curl = (an_curl){0};
            return an_fail(error, ALEXNET_UNSUPPORTED, "%s lacks the function %s", names[0],
                           functions[i].name);
        }
        memcpy((char *)curl + functions[i].offset, &found, sizeof found);
    }
    if (curl->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        *curl = (an_curl){0};
        return an_fail(error, ALEXNET_UNSUPPORTED, "libcurl cannot be initialised");
    }
    return ALEXNET_OK;
}

void an_curl_end(an_curl *curl) {
    if (curl->global_init)
        curl->global_cleanup();
    *curl = (an_curl){0};
}
