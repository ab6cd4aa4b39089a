/* What stands in for reading meta.mat where libmatio was not found when building. */
#include "data/synsets.h"

alexnet_status an_synsets_read(const char *path, const uint8_t *bytes, size_t size, int year,
                               an_synset **out, size_t *count, alexnet_error *error) {
    (void)bytes, (void)size, (void)year;
    *out = NULL;
    *count = 0;
    return an_fail(
        error, ALEXNET_UNSUPPORTED,
        "%s: this build cannot read MATLAB's files; install libmatio-dev and build again", path);
}

void an_synsets_free(an_synset *synsets, size_t count) {
    (void)synsets, (void)count;
}
