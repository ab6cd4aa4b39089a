#include "data/unread.h"

#include <stdio.h>
#include <strings.h>

#include "core/file.h"

static const char *const names[AN_UNREAD_NAMES] = {".bmp",  ".gif",  ".tif", ".tiff",
                                                   ".heic", ".heif", ".avif"};

const char *an_unread_name(int index) {
    return names[index];
}

bool an_unread_count(an_unread *unread, const char *file) {
    const char *extension = an_path_extension(file);
    for (int i = 0; i < AN_UNREAD_NAMES; i++)
        if (strcasecmp(extension, names[i]) == 0) {
            unread->counts[i]++;
            return true;
        }
    return false;
}

void an_unread_add(an_unread *to, const an_unread *from) {
    for (int i = 0; i < AN_UNREAD_NAMES; i++)
        to->counts[i] += from->counts[i];
}

size_t an_unread_sum(const an_unread *unread) {
    size_t sum = 0;
    for (int i = 0; i < AN_UNREAD_NAMES; i++)
        sum += unread->counts[i];
    return sum;
}

void an_unread_describe(const an_unread *unread, char *text, size_t size) {
    const size_t sum = an_unread_sum(unread);
    text[0] = '\0';
    if (sum == 0)
        return;
    size_t used =
        (size_t)snprintf(text, size, "%zu %s not read", sum,
                         sum == 1 ? "picture of a format that is" : "pictures of formats that are");
    const char *before = " (";
    for (int i = 0; i < AN_UNREAD_NAMES && used < size; i++)
        if (unread->counts[i] > 0) {
            used += (size_t)snprintf(text + used, size - used, "%s%zu %s", before,
                                     unread->counts[i], names[i]);
            before = ", ";
        }
    if (used < size)
        snprintf(text + used, size - used, ")");
}

bool an_unread_tell(const an_unread *unread, const char *where, char *text, size_t size) {
    char what[256];
    an_unread_describe(unread, what, sizeof what);
    snprintf(text, size, what[0] ? "%s: %s %s left out" : "", where, what,
             an_unread_sum(unread) == 1 ? "is" : "are");
    return what[0] != '\0';
}
