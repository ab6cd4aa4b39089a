#include "data/synsets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/matio.h"
#include "data/matlab.h"

/* In bytes: a synset has some words, and a gloss of some lines. */
enum { LONGEST_TEXT = 4096 };

/* A meta.mat that is being read. */
typedef struct meta {
    const char *path;
    an_matio matio;
    matvar_t *synsets;
    char id_field[24];
} meta;

static alexnet_status fail(const meta *self, const char *what, alexnet_error *error) {
    (void)an_fail(error, ALEXNET_FORMAT, "%s: %s; is it of ILSVRC's development kit?", self->path,
                  what);
    return ALEXNET_FORMAT; /* a constant, so that the compiler sees what is not used then */
}

static const matvar_t *field(const meta *self, const char *name, size_t index) {
    return self->matio.field(self->synsets, name, index);
}

/* The first value of a field, whatever type MATLAB or others gave it; -1: there is none. */
static double read_number(const meta *self, const char *name, size_t index) {
    const matvar_t *value = field(self, name, index);
    if (!value || !value->data || value->data_size <= 0 || value->nbytes < (size_t)value->data_size)
        return -1;
    switch (value->class_type) {
#define NUMBER(class, type)                                                                        \
    case class:                                                                                    \
        return value->data_size == sizeof(type) ? (double)*(const type *)value->data : -1
        NUMBER(MAT_C_DOUBLE, double);
        NUMBER(MAT_C_SINGLE, float);
        NUMBER(MAT_C_INT8, int8_t);
        NUMBER(MAT_C_UINT8, uint8_t);
        NUMBER(MAT_C_INT16, int16_t);
        NUMBER(MAT_C_UINT16, uint16_t);
        NUMBER(MAT_C_INT32, int32_t);
        NUMBER(MAT_C_UINT32, uint32_t);
        NUMBER(MAT_C_INT64, int64_t);
        NUMBER(MAT_C_UINT64, uint64_t);
#undef NUMBER
    default:
        return -1;
    }
}

/* Appends a character of UTF-16, of which names need no pairs, as UTF-8. */
static size_t put_character(uint16_t c, char *out) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

/* A field's text, freed with free(); NULL where there is none. */
static char *read_text(const meta *self, const char *name, size_t index) {
    const matvar_t *value = field(self, name, index);
    if (!value || value->class_type != MAT_C_CHAR || !value->data || value->nbytes == 0 ||
        value->nbytes > LONGEST_TEXT)
        return NULL;
    if (value->data_size == 1)
        return strndup(value->data, value->nbytes);
    char text[LONGEST_TEXT / 2 * 3 + 1];
    size_t length = 0;
    if (value->data_size == 2)
        for (size_t i = 0; i < value->nbytes / 2; i++) {
            uint16_t c;
            memcpy(&c, (const char *)value->data + 2 * i, 2);
            length += put_character(c, text + length);
        }
    return length > 0 ? strndup(text, length) : NULL;
}

/* The classes by their IDs. */
static alexnet_status read_classes(const meta *self, size_t total, an_synset *out, size_t *count,
                                   alexnet_error *error) {
    *count = 0;
    for (size_t i = 0; i < total; i++)
        *count += read_number(self, "num_children", i) == 0;
    if (*count == 0)
        return fail(self, "none of its synsets has the number of children 0", error);
    for (size_t i = 0; i < total; i++) {
        if (read_number(self, "num_children", i) != 0)
            continue;
        const double id = read_number(self, self->id_field, i);
        if (!(id >= 1 && id <= (double)*count) || out[(size_t)id - 1].wnid)
            return fail(self, "the IDs of its classes are not 1, 2, ...", error);
        an_synset *synset = &out[(size_t)id - 1];
        synset->wnid = read_text(self, "WNID", i);
        synset->words = read_text(self, "words", i);
        if (!synset->wnid || !synset->words)
            return fail(self, "a class has no WNID or no words", error);
    }
    return ALEXNET_OK;
}

static alexnet_status read_synsets(meta *self, const char *file, an_synset **out, size_t *count,
                                   alexnet_error *error) {
    mat_t *mat = self->matio.open(file, MAT_ACC_RDONLY);
    if (!mat)
        return fail(self, "is damaged", error);
    alexnet_status status;
    self->synsets = self->matio.read_info(mat, "synsets");
    if (!self->synsets || self->matio.read_data(mat, self->synsets) != 0)
        AN_TRY_CLEANUP(fail(self, "is damaged", error));
    const size_t total = self->synsets->dims[0] * self->synsets->dims[1];
    *out = calloc(total + 1, sizeof **out);
    if (!*out)
        AN_TRY_CLEANUP(an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to read it", self->path));
    status = read_classes(self, total, *out, count, error);
    if (status != ALEXNET_OK) {
        an_synsets_free(*out, total);
        *out = NULL;
    }
cleanup:
    self->matio.free(self->synsets);
    self->matio.close(mat);
    return status;
}

/* libmatio reads files by name: a file in memory has one. */
static alexnet_status put_in_memory(const char *path, const uint8_t *bytes, size_t size,
                                    int *descriptor, alexnet_error *error) {
    *descriptor = memfd_create("meta.mat", MFD_CLOEXEC);
    size_t done = 0;
    while (*descriptor >= 0 && done < size) {
        const ssize_t written = write(*descriptor, bytes + done, size - done);
        if (written < 0 && errno != EINTR)
            break;
        done += written > 0 ? (size_t)written : 0;
    }
    if (done == size)
        return ALEXNET_OK;
    (void)an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to read it: %s", path, strerror(errno));
    if (*descriptor >= 0)
        close(*descriptor);
    return ALEXNET_NO_MEMORY;
}

alexnet_status an_synsets_read(const char *path, const uint8_t *bytes, size_t size, int year,
                               an_synset **out, size_t *count, alexnet_error *error) {
    meta self = {.path = path};
    uint8_t *array = NULL;
    size_t array_size;
    int descriptor = -1;
    char file[32];
    alexnet_status status;
    *out = NULL;
    snprintf(self.id_field, sizeof self.id_field, "ILSVRC%d_ID", year);
    AN_TRY(an_matio_load(&self.matio, error));
    AN_TRY(an_matlab_extract(path, bytes, size, "synsets", &array, &array_size, error));
    AN_TRY_CLEANUP(put_in_memory(path, array, array_size, &descriptor, error));
    snprintf(file, sizeof file, "/proc/self/fd/%d", descriptor);
    status = read_synsets(&self, file, out, count, error);
    close(descriptor);
cleanup:
    free(array);
    return status;
}

void an_synsets_free(an_synset *synsets, size_t count) {
    for (size_t i = 0; synsets && i < count; i++) {
        free(synsets[i].wnid);
        free(synsets[i].words);
    }
    free(synsets);
}
