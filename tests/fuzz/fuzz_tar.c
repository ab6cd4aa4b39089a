/*
 * A libFuzzer target for tar archives, and archives in them. Headers get the checksums that they
 * would need, so that what is behind the check is reached.
 */
#include <stdlib.h>
#include <string.h>

#include "core/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seal(uint8_t *header) {
    enum { checksum = 148, digits = 8 };
    unsigned sum = digits * ' ';
    for (int i = 0; i < AN_TAR_BLOCK; i++)
        sum += i >= checksum && i < checksum + digits ? 0 : header[i];
    for (int i = 6; i-- > 0; sum >>= 3)
        header[checksum + i] = (uint8_t)('0' + (sum & 7));
    header[checksum + 6] = header[checksum + 7] = ' ';
}

static void read_all(const uint8_t *bytes, size_t size, int depth) {
    an_tar tar = {.path = "input", .bytes = bytes, .size = size};
    an_tar_member member;
    alexnet_error error;
    bool found;
    while (an_tar_next(&tar, &member, &found, &error) == ALEXNET_OK && found) {
        if (member.bytes < bytes || member.size > size ||
            (size_t)(member.bytes - bytes) > size - member.size || member.place >= tar.at ||
            strlen(member.name) > AN_TAR_LONGEST_NAME)
            abort();
        if (depth < 2)
            read_all(member.bytes, member.size, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size + 1);
    if (!copy)
        abort();
    uint8_t *bytes = copy + 1; /* no byte to spare behind */
    memcpy(bytes, data, size);
    for (size_t at = 0; at + AN_TAR_BLOCK <= size; at += AN_TAR_BLOCK)
        if (an_tar_recognise(bytes + at, size - at))
            seal(bytes + at);
    read_all(bytes, size, 0);
    free(copy);
    return 0;
}
