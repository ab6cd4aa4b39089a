/* Tar archives made block by block, sound and otherwise. */
#ifndef AN_TAR_FILES_H
#define AN_TAR_FILES_H

#include <stdlib.h>

#include "core/tar.h"
#include "testing.h"

/* An archive being made. Its bytes have just the size that is read: a reader that goes further is
 * seen by AddressSanitizer. */
typedef struct tar_file {
    uint8_t *bytes;
    size_t size;
} tar_file;

static inline uint8_t *tar_append(tar_file *self, size_t size) {
    self->bytes = realloc(self->bytes, self->size + size);
    assert_non_null(self->bytes);
    memset(self->bytes + self->size, 0, size);
    self->size += size;
    return self->bytes + self->size - size;
}

static inline void tar_seal(uint8_t *header) {
    unsigned sum = 0;
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < AN_TAR_BLOCK; i++)
        sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
}

/* A header whose size field says `claimed`, and its bytes in whole blocks. Returns the header's
 * place. */
static inline size_t tar_put_claiming(tar_file *self, char type, const char *name,
                                      const void *content, size_t size, const char *claimed) {
    static const uint8_t magic[] = {'u', 's', 't', 'a', 'r', 0, '0', '0'};
    uint8_t *header = tar_append(self, AN_TAR_BLOCK);
    const size_t place = self->size - AN_TAR_BLOCK;
    for (size_t i = 0; i < 100 && name[i]; i++)
        header[i] = (uint8_t)name[i];
    for (size_t i = 0; i < 12 && claimed[i]; i++)
        header[124 + i] = (uint8_t)claimed[i];
    header[156] = (uint8_t)type;
    memcpy(header + 257, magic, sizeof magic);
    tar_seal(header);
    if (size > 0)
        memcpy(tar_append(self, (size + AN_TAR_BLOCK - 1) / AN_TAR_BLOCK * AN_TAR_BLOCK), content,
               size);
    return place;
}

static inline size_t tar_put(tar_file *self, char type, const char *name, const void *content,
                             size_t size) {
    char claimed[32];
    snprintf(claimed, sizeof claimed, "%011zo", size);
    return tar_put_claiming(self, type, name, content, size, claimed);
}

static inline size_t tar_put_text(tar_file *self, char type, const char *name, const char *text) {
    return tar_put(self, type, name, text, strlen(text));
}

static inline void tar_finish(tar_file *self) {
    tar_append(self, (size_t)2 * AN_TAR_BLOCK);
}

#endif
