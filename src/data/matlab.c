#include "data/matlab.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "data/inflate.h"

enum { HEADER = 128, TAG = 8, UNPACKED_LIMIT = 16 << 20, MOST_VALUES = 1 << 20, MOST_FIELDS = 64 };

/* Types of elements, classes of matrices. */
enum { INT8 = 1, INT32 = 5, UINT32 = 6, MATRIX = 14, COMPRESSED = 15, UTF8 = 16, UTF16 = 17 };
enum { STRUCTURES = 2, CHARACTERS = 4, FIRST_NUMBERS = 6, LAST_NUMBERS = 15 };

/* An element's content, or what is left of it. */
typedef struct element {
    uint32_t type;
    const uint8_t *bytes;
    size_t size;
} element;

/* What the elements that begin a matrix say. */
typedef struct matrix {
    int class;
    size_t count; /* of values, or structures */
    element name;
} matrix;

static uint32_t read32(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Takes the next element from what is left; false where it does not fit in. */
static bool next(element *rest, element *out) {
    if (rest->size < TAG)
        return false;
    const uint32_t first = read32(rest->bytes);
    size_t whole = TAG;
    if (first >> 16) {
        *out = (element){first & 0xffff, rest->bytes + 4, first >> 16};
        if (out->size > 4)
            return false;
    } else {
        *out = (element){first, rest->bytes + TAG, read32(rest->bytes + 4)};
        const size_t padding = first == COMPRESSED ? 0 : (TAG - out->size % TAG) % TAG;
        if (out->size > rest->size - TAG || padding > rest->size - TAG - out->size)
            return false;
        whole += out->size + padding;
    }
    rest->bytes += whole;
    rest->size -= whole;
    return true;
}

/* Takes what a matrix begins with: flags, two dimensions, and a name. */
static bool begin(element *rest, matrix *out) {
    enum { is_complex = 8 };
    element flags, dims;
    if (!next(rest, &flags) || flags.type != UINT32 || flags.size != 8 ||
        (flags.bytes[1] & is_complex) || !next(rest, &dims) || dims.type != INT32 ||
        dims.size != 8 || !next(rest, &out->name) || out->name.type != INT8)
        return false;
    out->class = flags.bytes[0];
    return an_multiply(read32(dims.bytes), read32(dims.bytes + 4), &out->count) &&
           out->count <= MOST_VALUES;
}

/* A matrix of numbers or characters: as many as its dimensions say. */
static bool is_value(element value) {
    static const uint8_t widths[] = {0, 1, 1, 2, 2, 4, 4, 4, 0, 8, 0, 0, 8, 8, 0, 0, 1, 2};
    matrix head;
    element content;
    if (value.type != MATRIX || !begin(&value, &head) || !next(&value, &content) || value.size > 0)
        return false;
    const size_t width = content.type < sizeof widths ? widths[content.type] : 0;
    if (head.class == CHARACTERS && content.type == UTF8) /* of one to four bytes each */
        return content.size >= head.count && content.size <= 4 * head.count;
    const bool is_text = content.type == UTF8 || content.type == UTF16;
    return width > 0 && content.size == head.count * width &&
           (head.class == CHARACTERS ||
            (head.class >= FIRST_NUMBERS && head.class <= LAST_NUMBERS && !is_text));
}

/* A structure array whose fields are such matrices. */
static bool is_structures(element rest, matrix head) {
    element length, names, value;
    if (head.class != STRUCTURES || !next(&rest, &length) || length.type != INT32 ||
        length.size != 4 || !next(&rest, &names) || names.type != INT8)
        return false;
    const size_t room = read32(length.bytes);
    if (room == 0 || names.size == 0 || names.size % room != 0 || names.size / room > MOST_FIELDS)
        return false;
    for (size_t end = room; end <= names.size; end += room)
        if (names.bytes[end - 1] != '\0')
            return false;
    for (size_t i = 0; i < head.count * (names.size / room); i++)
        if (!next(&rest, &value) || !is_value(value))
            return false;
    return rest.size == 0;
}

/* Whether an element is the variable, which is then checked whole. */
static alexnet_status check(const char *path, const element *found, const char *variable, bool *is,
                            alexnet_error *error) {
    element rest = *found;
    matrix head;
    *is = found->type == MATRIX && begin(&rest, &head) && head.name.size == strlen(variable) &&
          memcmp(head.name.bytes, variable, head.name.size) == 0;
    if (*is && !is_structures(rest, head))
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: `%s` is damaged, or no array of structures of numbers and texts", path,
                       variable);
    return ALEXNET_OK;
}

static alexnet_status make_file(const char *path, const uint8_t *header, const element *found,
                                uint8_t **out, size_t *out_size, alexnet_error *error) {
    const size_t whole = found->size + (TAG - found->size % TAG) % TAG;
    const uint32_t tag[2] = {MATRIX, (uint32_t)found->size};
    *out_size = HEADER + TAG + whole;
    *out = calloc(1, *out_size);
    if (!*out)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to read it", path);
    memcpy(*out, header, HEADER);
    memcpy(*out + HEADER, tag, TAG);
    memcpy(*out + HEADER + TAG, found->bytes, found->size);
    return ALEXNET_OK;
}

alexnet_status an_matlab_extract(const char *path, const uint8_t *bytes, size_t size,
                                 const char *variable, uint8_t **out, size_t *out_size,
                                 alexnet_error *error) {
    static const uint8_t version5[] = {0, 1, 'I', 'M'}; /* little-endian; 7.3 would be HDF5 */
    *out = NULL;
    if (size < HEADER || memcmp(bytes + HEADER - sizeof version5, version5, sizeof version5) != 0)
        return an_fail(error, ALEXNET_FORMAT, "%s: is no MATLAB 5 file", path);
    element rest = {.bytes = bytes + HEADER, .size = size - HEADER}, found;
    while (next(&rest, &found)) {
        uint8_t *unpacked = NULL;
        bool is = false;
        alexnet_status status = ALEXNET_OK;
        if (found.type == COMPRESSED) {
            element inner = {0};
            status = an_inflate(path, found.bytes, found.size, UNPACKED_LIMIT, &unpacked,
                                &inner.size, error);
            inner.bytes = unpacked;
            if (status == ALEXNET_OK && !next(&inner, &found))
                found.type = 0;
        }
        if (status == ALEXNET_OK)
            status = check(path, &found, variable, &is, error);
        if (status == ALEXNET_OK && is)
            status = make_file(path, bytes, &found, out, out_size, error);
        free(unpacked);
        if (status != ALEXNET_OK || is)
            return status;
    }
    return an_fail(error, ALEXNET_FORMAT, "%s: holds no variable `%s`, or is damaged before it",
                   path, variable);
}
