/* What stands in for downloading where libcurl or nettle was not found when building. */
#include "pull/download.h"

bool an_download_available(void) {
    return false;
}

alexnet_status an_download(const an_source *source, const char *path,
                           const an_download_options *options, an_downloaded *out,
                           alexnet_error *error) {
    (void)path, (void)options;
    *out = (an_downloaded){0};
    return an_fail(error, ALEXNET_UNSUPPORTED,
                   "%s: this build cannot download; install libcurl4-openssl-dev and nettle-dev "
                   "and build again",
                   source->url);
}
