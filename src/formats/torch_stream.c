/* torch.save's files of before 1.6: five pickles, then the storages one behind the other. */
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "formats/torch_reader.h"

/* The pickle of the number 0x1950a86a20f9469cfc6c. */
static const uint8_t magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

enum { protocol = 1001 };

bool an_torch_is_stream(const uint8_t *bytes, size_t size) {
    return size >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

/* The bytes, and how many are read. */
typedef struct stream {
    const uint8_t *bytes;
    size_t size, at;
} stream;

static alexnet_status next_pickle(stream *from, an_pickle *pickle, an_pickle_value *out,
                                  alexnet_error *error) {
    size_t used;
    AN_TRY(
        an_pickle_read(pickle, from->bytes + from->at, from->size - from->at, &used, out, error));
    from->at += used;
    return ALEXNET_OK;
}

static alexnet_status check_system(const an_tensor_file *file, const an_pickle_value *version,
                                   const an_pickle_value *system, alexnet_error *error) {
    if (version->kind != AN_PICKLE_INT || version->integer != protocol)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: does not say that its layout is that of protocol %d", file->path,
                       protocol);
    const an_pickle_value *little =
        system->kind == AN_PICKLE_DICT ? an_pickle_find(system, "little_endian") : NULL;
    if (!little || little->kind != AN_PICKLE_BOOL || !little->integer)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: does not say that it is little-endian; only such values are read",
                       file->path);
    return ALEXNET_OK;
}

/* What the pickles say of each storage: an id for each tensor that uses it. */
typedef struct ids {
    an_torch_id *list;
    size_t count;
} ids;

static int compare_ids(const void *left, const void *right) {
    const an_pickle_value *a = ((const an_torch_id *)left)->key;
    const an_pickle_value *b = ((const an_torch_id *)right)->key;
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    return memcmp(a->text, b->text, a->length);
}

static alexnet_status list_ids(const an_tensor_file *file, const an_pickle *pickle, ids *out,
                               alexnet_error *error) {
    if (pickle->id_count == 0)
        return ALEXNET_OK;
    out->list = malloc(pickle->id_count * sizeof *out->list);
    if (!out->list)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its storages", file->path);
    for (size_t i = 0; i < pickle->id_count; i++)
        AN_TRY(an_torch_read_id(file, &pickle->ids[i], &out->list[out->count++], error));
    qsort(out->list, out->count, sizeof *out->list, compare_ids);
    return ALEXNET_OK;
}

/* The storage that comes next, which is that of `key`. */
static alexnet_status next_storage(const an_tensor_file *file, stream *from, const ids *known,
                                   const an_pickle_value *key, an_torch_storage *out,
                                   alexnet_error *error) {
    const an_torch_id wanted = {.key = key};
    const an_torch_id *id =
        key->kind == AN_PICKLE_TEXT && known->count
            ? bsearch(&wanted, known->list, known->count, sizeof wanted, compare_ids)
            : NULL;
    if (!id)
        return an_fail(error, ALEXNET_FORMAT, "%s: lists a storage that no tensor uses",
                       file->path);
    uint64_t values;
    size_t size;
    const int shown = key->length < 40 ? (int)key->length : 40;
    if (from->size - from->at < sizeof values)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: ends before its storage '%.*s'; it was not copied whole", file->path,
                       shown, key->text);
    memcpy(&values, from->bytes + from->at, sizeof values);
    from->at += sizeof values;
    if (values != id->values || !an_multiply(id->values, id->width, &size))
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: its storage '%.*s' has %llu values at byte %zu, but is said to hold "
                       "%zu",
                       file->path, shown, key->text, (unsigned long long)values, from->at,
                       id->values);
    if (size > from->size - from->at)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: its storage '%.*s' takes %zu bytes, of which %zu are there; it was not "
                       "copied whole",
                       file->path, shown, key->text, size, from->size - from->at);
    *out = (an_torch_storage){key->text, key->length, from->bytes + from->at, size};
    from->at += size;
    return ALEXNET_OK;
}

static alexnet_status read_storages(const an_tensor_file *file, stream *from, const ids *known,
                                    const an_pickle_value *keys, an_torch_content *out,
                                    alexnet_error *error) {
    if (keys->kind != AN_PICKLE_LIST)
        return an_fail(error, ALEXNET_FORMAT, "%s: has no list of its storages", file->path);
    const size_t count = keys->object->count;
    if (count == 0)
        return ALEXNET_OK;
    out->storages = malloc(count * sizeof *out->storages);
    if (!out->storages)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its storages", file->path);
    for (size_t i = 0; i < count; i++)
        AN_TRY(next_storage(file, from, known, &keys->object->items[i],
                            &out->storages[out->storage_count++], error));
    qsort(out->storages, count, sizeof *out->storages, an_torch_compare_storages);
    for (size_t i = 1; i < count; i++)
        if (an_torch_compare_storages(&out->storages[i - 1], &out->storages[i]) == 0)
            return an_fail(error, ALEXNET_FORMAT, "%s: lists a storage twice", file->path);
    return ALEXNET_OK;
}

alexnet_status an_torch_read_stream(an_tensor_file *file, const uint8_t *bytes, size_t size,
                                    an_torch_content *out, alexnet_error *error) {
    stream from = {bytes, size, sizeof magic};
    an_pickle_value version, system, keys;
    ids known = {0};
    alexnet_status status;
    AN_TRY(next_pickle(&from, &out->pickle, &version, error));
    AN_TRY(next_pickle(&from, &out->pickle, &system, error));
    AN_TRY(check_system(file, &version, &system, error));
    AN_TRY(next_pickle(&from, &out->pickle, &out->root, error));
    AN_TRY(next_pickle(&from, &out->pickle, &keys, error));
    AN_TRY_CLEANUP(list_ids(file, &out->pickle, &known, error));
    status = read_storages(file, &from, &known, &keys, out, error);

cleanup:
    free(known.list);
    return status;
}
