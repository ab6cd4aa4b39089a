/* torch.save's files of before 0.1.10: a tar archive of pickles and raw numbers. */
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/tar.h"
#include "formats/torch_reader.h"

/* A member's bytes, and how many are read. */
typedef struct part {
    const char *name;
    const uint8_t *bytes;
    size_t size, at;
} part;

static alexnet_status fail(const an_tensor_file *file, const part *in, const char *what,
                           alexnet_error *error) {
    (void)an_fail(error, ALEXNET_FORMAT, "%s: %s at byte %zu of its member '%s'", file->path, what,
                  in->at, in->name);
    return ALEXNET_FORMAT; /* a constant, so that the compiler sees what is not used then */
}

/* Finds the member `out->name`. */
static alexnet_status open_part(const an_tensor_file *file, const uint8_t *bytes, size_t size,
                                part *out, alexnet_error *error) {
    an_tar tar = {.path = file->path, .bytes = bytes, .size = size};
    an_tar_member member;
    bool found;
    for (;;) {
        AN_TRY(an_tar_next(&tar, &member, &found, error));
        if (!found)
            return an_fail(error, ALEXNET_FORMAT,
                           "%s: its member '%s' is not there, as it is in PyTorch's tar archives",
                           file->path, out->name);
        if (strcmp(member.name, out->name) == 0) {
            out->bytes = member.bytes;
            out->size = member.size;
            return ALEXNET_OK;
        }
    }
}

/* --- what members are made of -------------------------------------------------------------- */

static alexnet_status next_pickle(part *in, an_pickle *pickle, an_pickle_value *out,
                                  alexnet_error *error) {
    size_t used;
    AN_TRY(an_pickle_read(pickle, in->bytes + in->at, in->size - in->at, &used, out, error));
    in->at += used;
    return ALEXNET_OK;
}

/* The next `count` little-endian numbers of 64 bits. */
static alexnet_status next_numbers(const an_tensor_file *file, part *in, int64_t *out, size_t count,
                                   alexnet_error *error) {
    if (!in->bytes || count * sizeof *out > in->size - in->at)
        return fail(file, in, "the member ends within a number", error);
    memcpy(out, in->bytes + in->at, count * sizeof *out);
    in->at += count * sizeof *out;
    return ALEXNET_OK;
}

static alexnet_status next_count(const an_tensor_file *file, part *in, an_pickle *pickle,
                                 int64_t *out, alexnet_error *error) {
    an_pickle_value count;
    AN_TRY(next_pickle(in, pickle, &count, error));
    if (count.kind != AN_PICKLE_INT || count.integer < 0)
        return fail(file, in, "there is no count", error);
    *out = count.integer;
    return ALEXNET_OK;
}

/* A tuple of `count` items of which those of `numbers` are whole numbers. */
static bool is_tuple(const an_pickle_value *value, size_t count, const char *kinds) {
    if (value->kind != AN_PICKLE_TUPLE || value->object->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (kinds[i] == 'i' && value->object->items[i].kind != AN_PICKLE_INT)
            return false;
    return true;
}

/* --- storages ------------------------------------------------------------------------------ */

/* A storage, or a view of one. */
typedef struct numbered {
    int64_t key;
    const char *dtype;
    size_t width;
    const uint8_t *bytes;
    size_t values;
} numbered;

typedef struct table {
    numbered *rows; /* in the order of their keys, once all are there */
    size_t count, room;
} table;

static int compare_numbered(const void *left, const void *right) {
    const numbered *a = left, *b = right;
    return (a->key > b->key) - (a->key < b->key);
}

static const numbered *find(const table *all, int64_t key) {
    const numbered wanted = {.key = key};
    return all->count ? bsearch(&wanted, all->rows, all->count, sizeof wanted, compare_numbered)
                      : NULL;
}

static alexnet_status add(const an_tensor_file *file, table *all, numbered row,
                          alexnet_error *error) {
    if (all->count == all->room) {
        const size_t room = all->room ? 2 * all->room : 16;
        numbered *larger = realloc(all->rows, room * sizeof *larger);
        if (!larger)
            return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its storages", file->path);
        all->rows = larger;
        all->room = room;
    }
    all->rows[all->count++] = row;
    return ALEXNET_OK;
}

/* (key, device, class), i64, the values' bytes. */
static alexnet_status next_storage(const an_tensor_file *file, part *in, an_pickle *pickle,
                                   numbered *out, alexnet_error *error) {
    an_pickle_value about;
    int64_t values;
    size_t size, bits = 0;
    AN_TRY(next_pickle(in, pickle, &about, error));
    if (!is_tuple(&about, 3, "i.."))
        return fail(file, in, "a storage is not described by its key, device and class", error);
    const char *dtype = an_pickle_storage_dtype(&about.object->items[2]);
    if (!dtype)
        return fail(file, in, "a storage is of no class of storages", error);
    (void)an_dtype_find(dtype, &dtype, &bits);
    AN_TRY(next_numbers(file, in, &values, 1, error));
    if (values < 0 || !an_multiply((size_t)values, bits / 8, &size) || size > in->size - in->at)
        return fail(file, in, "a storage does not fit in", error);
    *out = (numbered){about.object->items[0].integer, dtype, bits / 8, in->bytes + in->at,
                      (size_t)values};
    in->at += size;
    return ALEXNET_OK;
}

/* (key, key of the whole, first value, values) */
static alexnet_status add_view(const an_tensor_file *file, const part *in, table *all,
                               size_t wholes, const an_pickle_value *view, alexnet_error *error) {
    if (!is_tuple(view, 4, "iiii"))
        return fail(file, in, "a view is not four numbers", error);
    const table known = {.rows = all->rows, .count = wholes};
    const an_pickle_value *items = view->object->items;
    const numbered *whole = find(&known, items[1].integer);
    if (!whole || items[2].integer < 0 || (uint64_t)items[2].integer > whole->values ||
        items[3].integer < 0 ||
        (uint64_t)items[3].integer > whole->values - (size_t)items[2].integer)
        return fail(file, in, "a view lies outside its storage", error);
    numbered part_of = *whole;
    part_of.key = items[0].integer;
    part_of.bytes += (size_t)items[2].integer * whole->width;
    part_of.values = (size_t)items[3].integer;
    return add(file, all, part_of, error);
}

static void sort(table *all) {
    if (all->count > 0)
        qsort(all->rows, all->count, sizeof *all->rows, compare_numbered);
}

static alexnet_status read_storages(const an_tensor_file *file, part *in, an_pickle *pickle,
                                    table *all, alexnet_error *error) {
    int64_t count;
    an_pickle_value views;
    AN_TRY(next_count(file, in, pickle, &count, error));
    for (int64_t i = 0; i < count; i++) {
        numbered storage;
        AN_TRY(next_storage(file, in, pickle, &storage, error));
        AN_TRY(add(file, all, storage, error));
    }
    sort(all);
    AN_TRY(next_pickle(in, pickle, &views, error));
    if (views.kind != AN_PICKLE_LIST && views.kind != AN_PICKLE_TUPLE)
        return fail(file, in, "there is no list of views", error);
    const size_t wholes = all->count;
    for (size_t i = 0; i < views.object->count; i++)
        AN_TRY(add_view(file, in, all, wholes, &views.object->items[i], error));
    sort(all);
    return ALEXNET_OK;
}

/* --- tensors ------------------------------------------------------------------------------- */

/* (key, key of the storage, class), i32 dimensions, 4 bytes, i64 shape, strides, first value. */
static alexnet_status next_tensor(const an_tensor_file *file, part *in, an_pickle *pickle,
                                  const table *storages, an_torch_tensor *out,
                                  alexnet_error *error) {
    an_pickle_value about;
    int64_t dims, first;
    AN_TRY(next_pickle(in, pickle, &about, error));
    if (!is_tuple(&about, 3, "ii."))
        return fail(file, in, "a tensor is not described by its key, storage and class", error);
    const numbered *storage = find(storages, about.object->items[1].integer);
    if (!storage)
        return fail(file, in, "a tensor's storage is missing", error);
    AN_TRY(next_numbers(file, in, &dims, 1, error));
    dims &= UINT32_MAX;
    if (dims > AN_TENSOR_DIMS)
        return fail(file, in, "a tensor has more than 8 dimensions", error);
    out->key = about.object->items[0].integer;
    out->tensor = (an_file_tensor){.dtype = storage->dtype, .dims = (int)dims};
    AN_TRY(next_numbers(file, in, out->tensor.shape, (size_t)dims, error));
    AN_TRY(next_numbers(file, in, out->tensor.stride, (size_t)dims, error));
    AN_TRY(next_numbers(file, in, &first, 1, error));
    return an_torch_place(file, "of its member 'tensors'", storage->bytes, storage->values, first,
                          &out->tensor, error);
}

static alexnet_status read_tensors(const an_tensor_file *file, part *in, const table *storages,
                                   an_torch_content *out, alexnet_error *error) {
    int64_t count;
    size_t room = 0;
    AN_TRY(next_count(file, in, &out->pickle, &count, error));
    for (int64_t i = 0; i < count; i++) {
        if (out->tensor_count == room) {
            room = room ? 2 * room : 16;
            an_torch_tensor *larger = realloc(out->tensors, room * sizeof *larger);
            if (!larger)
                return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its tensors",
                               file->path);
            out->tensors = larger;
        }
        AN_TRY(
            next_tensor(file, in, &out->pickle, storages, &out->tensors[out->tensor_count], error));
        out->tensor_count++;
    }
    if (out->tensor_count > 0)
        qsort(out->tensors, out->tensor_count, sizeof *out->tensors, an_torch_compare_tensors);
    return ALEXNET_OK;
}

alexnet_status an_torch_read_tar(an_tensor_file *file, const uint8_t *bytes, size_t size,
                                 an_torch_content *out, alexnet_error *error) {
    part storages = {.name = "storages"}, tensors = {.name = "tensors"},
         object = {.name = "pickle"};
    table all = {0};
    alexnet_status status;
    out->by_number = true;
    AN_TRY(open_part(file, bytes, size, &storages, error));
    AN_TRY(open_part(file, bytes, size, &tensors, error));
    AN_TRY(open_part(file, bytes, size, &object, error));
    AN_TRY_CLEANUP(read_storages(file, &storages, &out->pickle, &all, error));
    AN_TRY_CLEANUP(read_tensors(file, &tensors, &all, out, error));
    status = next_pickle(&object, &out->pickle, &out->root, error);

cleanup:
    free(all.rows);
    return status;
}
