#include "formats/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "'<f4' is used as it lies in the file");

/* The first bytes of every file; the version follows. */
static const uint8_t magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

enum {
    magic_size = sizeof magic,
    header_limit = 1 << 16, /* far more than any shape takes */
    data_boundary = 64      /* what NumPy pads to */
};

/* What is left of the header's text. */
typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_blanks(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t'))
        c->at++;
}

/* Passes over blanks and then over `text`, where it is next. */
static bool accept(cursor *c, const char *text) {
    skip_blanks(c);
    const size_t length = strlen(text);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, text, length) != 0)
        return false;
    c->at += length;
    return true;
}

/* A string in single or double quotes; `out` holds what fits. */
static bool read_string(cursor *c, char *out, size_t size) {
    skip_blanks(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
        return false;
    const char *begin = c->at + 1;
    const char *end = memchr(begin, *c->at, (size_t)(c->end - begin));
    if (!end)
        return false;
    snprintf(out, size, "%.*s", (int)(end - begin), begin);
    c->at = end + 1;
    return true;
}

static bool read_number(cursor *c, int64_t *out) {
    skip_blanks(c);
    const char *begin = c->at;
    for (*out = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (__builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, *c->at - '0', out))
            return false;
    return c->at > begin;
}

/* (2, 3), (2,) or (). */
static bool read_shape(cursor *c, an_npy *out) {
    if (!accept(c, "("))
        return false;
    out->dims = 0;
    while (!accept(c, ")")) {
        if (out->dims == AN_NPY_DIMS || !read_number(c, &out->shape[out->dims++]))
            return false;
        if (!accept(c, ",")) {
            if (!accept(c, ")"))
                return false;
            break;
        }
    }
    return true;
}

static alexnet_status read_dictionary(const char *path, cursor c, an_npy *out,
                                      alexnet_error *error) {
    char type[24] = "";
    bool fortran = false, has_order = false, has_shape = false;
    bool sound = accept(&c, "{");
    while (sound && !accept(&c, "}")) {
        char key[24];
        sound = read_string(&c, key, sizeof key) && accept(&c, ":");
        if (sound && strcmp(key, "descr") == 0) {
            if (!read_string(&c, type, sizeof type))
                return an_fail(error, ALEXNET_UNSUPPORTED,
                               "%s: holds records; float32 numbers are needed", path);
        } else if (sound && strcmp(key, "fortran_order") == 0) {
            fortran = accept(&c, "True");
            sound = has_order = fortran || accept(&c, "False");
        } else if (sound) {
            sound = has_shape = strcmp(key, "shape") == 0 && read_shape(&c, out);
        }
        if (sound && !accept(&c, ",")) {
            sound = accept(&c, "}");
            break;
        }
    }
    skip_blanks(&c);
    if (!sound || c.at != c.end || !type[0] || !has_order || !has_shape)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: its header does not say type, order and shape (of at most %d "
                       "dimensions) as NumPy writes them",
                       path, AN_NPY_DIMS);
    if (strcmp(type, "<f4") != 0)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: holds values of type '%s'; save it as float32, as with "
                       "array.astype('<f4')",
                       path, type);
    if (fortran)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: is in Fortran order; save it in C order, as with "
                       "numpy.ascontiguousarray(array)",
                       path);
    return ALEXNET_OK;
}

static alexnet_status read_file(const char *path, an_npy *out, alexnet_error *error) {
    const uint8_t *bytes = out->mapping.bytes;
    const size_t size = out->mapping.size;
    if (size < magic_size + 4 || memcmp(bytes, magic, magic_size) != 0)
        return an_fail(error, ALEXNET_FORMAT, "%s: is not a .npy file", path);
    const int version = bytes[magic_size];
    if (version < 1 || version > 3)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: is of .npy version %d; 1, 2 and 3 are known", path, version);
    /* Version 1 has a length of two bytes, the others of four. */
    const size_t length_size = version == 1 ? 2 : 4, begin = magic_size + 2 + length_size;
    uint32_t length = 0;
    if (size >= begin)
        memcpy(&length, bytes + magic_size + 2, length_size);
    if (size < begin || length > size - begin || length > header_limit)
        return an_fail(error, ALEXNET_FORMAT, "%s: its header is cut off or too long", path);

    const char *text = (const char *)bytes + begin;
    AN_TRY(read_dictionary(path, (cursor){text, text + length}, out, error));
    size_t needed;
    out->count = 1;
    bool countable = true;
    for (int i = 0; i < out->dims; i++)
        countable = countable && an_multiply(out->count, (size_t)out->shape[i], &out->count);
    const size_t values = begin + length;
    if (!countable || !an_multiply(out->count, sizeof(float), &needed) || needed != size - values)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: %zu bytes of values follow its header, which is not what its shape "
                       "needs; it was not copied whole or is damaged",
                       path, size - values);
    if (out->count > 0 && values % _Alignof(float) != 0)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: its values begin at byte %zu, which is no multiple of 4; save it anew "
                       "with NumPy",
                       path, values);
    out->values = out->count ? (const float *)(const void *)(bytes + values) : NULL;
    return ALEXNET_OK;
}

alexnet_status an_npy_open(const char *path, an_npy *out, alexnet_error *error) {
    *out = (an_npy){0};
    alexnet_status status = an_map(path, &out->mapping, error);
    if (status == ALEXNET_OK)
        status = read_file(path, out, error);
    if (status != ALEXNET_OK)
        an_npy_close(out);
    return status;
}

void an_npy_close(an_npy *npy) {
    an_unmap(&npy->mapping);
    *npy = (an_npy){0};
}

alexnet_status an_npy_begin(an_writer *writer, const char *path, const int64_t *shape, int dims,
                            alexnet_error *error) {
    *writer = (an_writer){.descriptor = -1};
    char sides[AN_NPY_DIMS * 22 + 1] = "", text[512];
    size_t used = 0;
    bool possible = dims >= 0 && dims <= AN_NPY_DIMS;
    for (int i = 0; possible && i < dims; i++) {
        possible = shape[i] >= 0;
        used += (size_t)snprintf(sides + used, sizeof sides - used, "%" PRId64 "%s", shape[i],
                                 dims == 1 ? "," : (i + 1 < dims ? ", " : ""));
    }
    if (!possible)
        return an_fail(error, ALEXNET_INVALID, "%s: %d dimensions, or one below zero", path, dims);
    /* Version 1: the dictionary, then blanks and a newline up to the values' boundary. */
    memcpy(text, magic, magic_size);
    text[magic_size] = 1;
    text[magic_size + 1] = 0;
    const size_t begin = magic_size + 2 + sizeof(uint16_t);
    used = begin + (size_t)snprintf(text + begin, sizeof text - begin,
                                    "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }",
                                    sides);
    const size_t size = (used + 1 + data_boundary - 1) / data_boundary * data_boundary;
    memset(text + used, ' ', size - used);
    text[size - 1] = '\n';
    const uint16_t length = (uint16_t)(size - begin);
    memcpy(text + magic_size + 2, &length, sizeof length);
    AN_TRY(an_writer_open(writer, path, error));
    const alexnet_status status = an_writer_write(writer, text, size, error);
    if (status != ALEXNET_OK)
        an_writer_abandon(writer);
    return status;
}
