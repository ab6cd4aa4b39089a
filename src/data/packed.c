#include "data/packed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/wire.h"
#include "data/colour_sums.h"

#define FORMAT "alexnet pack"

enum { VERSION = 1, MOST_DESCRIPTION = 64 << 20, MOST_MEAN = 16 << 20 };

/* BlobProto's fields, caffe.proto. */
enum { BLOB_NUM = 1, BLOB_CHANNELS, BLOB_HEIGHT, BLOB_WIDTH, BLOB_DATA };

static alexnet_status no_memory(const char *folder, alexnet_error *error) {
    return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its description", folder);
}

static void free_texts(char **texts, int count) {
    for (int i = 0; texts && i < count; i++)
        free(texts[i]);
    free(texts);
}

void an_packed_free(an_packed *packed) {
    free_texts(packed->class_names, packed->classes);
    free_texts(packed->class_ids, packed->classes);
    free(packed->labels);
    an_statistics_free(packed->statistics);
    json_decref(packed->settings);
    *packed = (an_packed){0};
}

bool an_packed_is_in(const char *folder) {
    char *path = an_path_join(folder, AN_PACKED_DESCRIPTION);
    const bool found = path && an_is_file(path);
    free(path);
    return found;
}

/* --- writing ------------------------------------------------------------------------------- */

static alexnet_status write_file(const char *folder, const char *name, const void *bytes,
                                 size_t size, alexnet_error *error) {
    char *path = an_path_join(folder, name);
    if (!path)
        return no_memory(folder, error);
    const alexnet_status status = an_write_file(path, bytes, size, error);
    free(path);
    return status;
}

static size_t put_number(uint8_t *out, unsigned field, int type, size_t value) {
    size_t used = 0;
    out[used++] = (uint8_t)(field << 3 | (unsigned)type);
    for (; value >= 0x80; value >>= 7)
        out[used++] = (uint8_t)(value | 0x80);
    out[used++] = (uint8_t)value;
    return used;
}

/* The mean image as a BlobProto. */
static alexnet_status write_mean(const char *folder, const an_statistics *statistics,
                                 alexnet_error *error) {
    enum { HEADER = 64 };
    const size_t side = (size_t)statistics->side, plane = side * side;
    const size_t size = 3 * plane * sizeof(float);
    uint8_t *bytes = malloc(HEADER + size);
    if (!bytes)
        return no_memory(folder, error);
    size_t used = put_number(bytes, BLOB_NUM, AN_WIRE_VARINT, 1);
    used += put_number(bytes + used, BLOB_CHANNELS, AN_WIRE_VARINT, 3);
    used += put_number(bytes + used, BLOB_HEIGHT, AN_WIRE_VARINT, side);
    used += put_number(bytes + used, BLOB_WIDTH, AN_WIRE_VARINT, side);
    used += put_number(bytes + used, BLOB_DATA, AN_WIRE_BYTES, size);
    for (size_t c = 0; c < 3; c++)
        memcpy(bytes + used + c * plane * sizeof(float), statistics->mean_image + (2 - c) * plane,
               plane * sizeof(float));
    const alexnet_status status = write_file(folder, AN_PACKED_MEAN, bytes, used + size, error);
    free(bytes);
    return status;
}

static json_t *texts_of(char *const *texts, int count) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, an_json_string(texts[i]));
    return list;
}

static json_t *reals_of(const double *values, int count) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_real(values[i]));
    return list;
}

static json_t *describe(const an_packed *packed) {
    const an_statistics *statistics = packed->statistics;
    char crc[16];
    snprintf(crc, sizeof crc, "%08" PRIx32, packed->crc);
    json_t *covariance = json_array();
    for (int i = 0; i < 3; i++)
        json_array_append_new(covariance, reals_of(statistics->covariance[i], 3));
    json_t *json =
        json_pack("{s:s, s:i, s:O, s:I, s:I, s:s, s:o, s:o, s:i, s:o}", "format", FORMAT, "version",
                  VERSION, "settings", packed->settings, "images", (json_int_t)packed->images,
                  "bytes", (json_int_t)packed->bytes, "crc32", crc, "mean",
                  reals_of(statistics->mean, 3), "covariance", covariance, "mean_image_side",
                  statistics->side, "classes", texts_of(packed->class_names, packed->classes));
    if (json && packed->class_ids)
        json_object_set_new(json, "class_ids", texts_of(packed->class_ids, packed->classes));
    return json;
}

static alexnet_status write_description(const char *folder, const an_packed *packed,
                                        alexnet_error *error) {
    json_t *json = describe(packed);
    char *text = json ? json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(json);
    if (!text)
        return no_memory(folder, error);
    const alexnet_status status =
        write_file(folder, AN_PACKED_DESCRIPTION, text, strlen(text), error);
    free(text);
    return status;
}

alexnet_status an_packed_write(const char *folder, const an_packed *packed, alexnet_error *error) {
    AN_TRY(write_file(folder, AN_PACKED_LABELS, packed->labels,
                      packed->images * sizeof *packed->labels, error));
    if (packed->statistics->side > 0)
        AN_TRY(write_mean(folder, packed->statistics, error));
    return write_description(folder, packed, error);
}

/* --- reading ------------------------------------------------------------------------------- */

static alexnet_status read_file(const char *folder, const char *name, size_t limit, uint8_t **bytes,
                                size_t *size, alexnet_error *error) {
    *bytes = NULL;
    *size = 0;
    char *path = an_path_join(folder, name);
    if (!path)
        return no_memory(folder, error);
    const alexnet_status status = an_read_file(path, limit, bytes, size, error);
    free(path);
    return status;
}

static alexnet_status damaged(const char *folder, const char *name, const char *how,
                              alexnet_error *error) {
    return an_fail(
        error, ALEXNET_FORMAT,
        "%s/%s: %s; pack again, or take the files alexnet.* away to read the database as "
        "Caffe's",
        folder, name, how);
}

static alexnet_status read_labels(const char *folder, an_packed *out, alexnet_error *error) {
    uint8_t *bytes;
    size_t size;
    AN_TRY(read_file(folder, AN_PACKED_LABELS, out->images * sizeof *out->labels, &bytes, &size,
                     error));
    out->labels = (int32_t *)(void *)bytes;
    if (size != out->images * sizeof *out->labels)
        return damaged(folder, AN_PACKED_LABELS, "is not a class for each picture", error);
    for (size_t i = 0; i < out->images; i++)
        if (out->labels[i] < 0 || out->labels[i] >= out->classes)
            return damaged(folder, AN_PACKED_LABELS, "holds a class that there is none of", error);
    return ALEXNET_OK;
}

/* The values of a BlobProto that write_mean made. */
static const uint8_t *find_mean(const uint8_t *bytes, size_t size, size_t wanted) {
    an_wire wire = an_wire_of(bytes, size);
    an_wire_field field;
    while (an_wire_next(&wire, &field))
        if (field.number == BLOB_DATA && field.type == AN_WIRE_BYTES)
            return field.value == wanted ? field.bytes : NULL;
    return NULL;
}

static alexnet_status read_mean(const char *folder, an_statistics *out, alexnet_error *error) {
    const size_t plane = (size_t)out->side * (size_t)out->side, wanted = 3 * plane * sizeof(float);
    uint8_t *bytes;
    size_t size;
    AN_TRY(read_file(folder, AN_PACKED_MEAN, MOST_MEAN, &bytes, &size, error));
    const uint8_t *values = find_mean(bytes, size, wanted);
    alexnet_status status = ALEXNET_OK;
    if (!values)
        status = damaged(folder, AN_PACKED_MEAN, "is not the mean image of that size", error);
    else if (!(out->mean_image = malloc(wanted)))
        status = no_memory(folder, error);
    for (size_t c = 0; status == ALEXNET_OK && c < 3; c++)
        memcpy(out->mean_image + (2 - c) * plane, values + c * plane * sizeof(float),
               plane * sizeof(float));
    free(bytes);
    return status;
}

/* Copies a list of texts; false where it is none, or there is no memory. */
static bool take_texts(const json_t *list, int count, char ***out) {
    *out = calloc((size_t)count + 1, sizeof **out);
    for (int i = 0; *out && i < count; i++) {
        const char *text = json_string_value(json_array_get(list, (size_t)i));
        (*out)[i] = text ? an_string_copy(text) : NULL;
        if (!(*out)[i])
            return false;
    }
    return *out != NULL;
}

static bool take_reals(const json_t *list, double *values) {
    for (size_t i = 0; i < 3; i++) {
        const json_t *value = json_array_get(list, i);
        if (!json_is_number(value))
            return false;
        values[i] = json_number_value(value);
    }
    return json_array_size(list) == 3;
}

static bool take_statistics(const json_t *json, an_packed *out) {
    const json_t *covariance = json_object_get(json, "covariance");
    const json_int_t side = json_integer_value(json_object_get(json, "mean_image_side"));
    out->statistics = calloc(1, sizeof *out->statistics);
    if (!out->statistics || side < 0 || side > AN_MOST_MEAN_SIDE ||
        !take_reals(json_object_get(json, "mean"), out->statistics->mean))
        return false;
    out->statistics->side = (int)side;
    for (size_t i = 0; i < 3; i++)
        if (!take_reals(json_array_get(covariance, i), out->statistics->covariance[i]))
            return false;
    return true;
}

static bool take_description(const json_t *json, an_packed *out) {
    const json_t *names = json_object_get(json, "classes");
    const json_t *ids = json_object_get(json, "class_ids");
    const json_int_t images = json_integer_value(json_object_get(json, "images"));
    const json_int_t bytes = json_integer_value(json_object_get(json, "bytes"));
    const char *format = json_string_value(json_object_get(json, "format"));
    const size_t classes = json_array_size(names);
    if (!format || strcmp(format, FORMAT) != 0 ||
        json_integer_value(json_object_get(json, "version")) != VERSION || images < 1 ||
        images > INT32_MAX || bytes < 1 || classes < 2 || classes > AN_PACKED_MOST_CLASSES)
        return false;
    out->images = (size_t)images;
    out->bytes = (uint64_t)bytes;
    out->classes = (int)classes;
    out->settings = json_incref(json_object_get(json, "settings"));
    return json_is_object(out->settings) && take_statistics(json, out) &&
           take_texts(names, out->classes, &out->class_names) &&
           (!ids || take_texts(ids, out->classes, &out->class_ids));
}

alexnet_status an_packed_read(const char *folder, an_packed *out, alexnet_error *error) {
    uint8_t *text;
    size_t size;
    *out = (an_packed){0};
    AN_TRY(read_file(folder, AN_PACKED_DESCRIPTION, MOST_DESCRIPTION, &text, &size, error));
    json_t *json = json_loadb((const char *)text, size, JSON_REJECT_DUPLICATES, NULL);
    alexnet_status status = ALEXNET_OK;
    free(text);
    if (!json || !take_description(json, out))
        status = damaged(folder, AN_PACKED_DESCRIPTION,
                         "is not what this version of alexnet pack writes", error);
    json_decref(json);
    if (status == ALEXNET_OK)
        status = read_labels(folder, out, error);
    if (status == ALEXNET_OK && out->statistics->side > 0)
        status = read_mean(folder, out->statistics, error);
    if (status != ALEXNET_OK)
        an_packed_free(out);
    return status;
}
