/* torch.save's files of today: a zip archive. */
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "formats/torch_reader.h"
#include "formats/zip.h"

/* Of the metadata: what JSON takes in memory is many times its size. */
enum { most_entries = 64, most_bytes = 16 << 20 };

/* The archive and the folder that everything lies in: that of the first member, as for PyTorch. */
typedef struct folder {
    an_zip_member *members;
    size_t count;
    const char *name; /* with its slash */
    size_t name_length;
} folder;

/* Whether a member lies in the folder, and in the folder `below` of that; *rest: what follows. */
static bool is_below(const folder *in, const an_zip_member *member, const char *below,
                     size_t *rest) {
    *rest = in->name_length + strlen(below);
    return member->name_length > *rest && memcmp(member->name, in->name, in->name_length) == 0 &&
           memcmp(member->name + in->name_length, below, strlen(below)) == 0;
}

static const an_zip_member *find(const folder *in, const char *name) {
    size_t rest;
    for (size_t i = 0; i < in->count; i++) {
        const an_zip_member *member = &in->members[i];
        if (is_below(in, member, "", &rest) && member->name_length - rest == strlen(name) &&
            memcmp(member->name + rest, name, strlen(name)) == 0)
            return member;
    }
    return NULL;
}

static alexnet_status open_folder(const an_tensor_file *file, const uint8_t *bytes, size_t size,
                                  folder *out, alexnet_error *error) {
    AN_TRY(an_zip_read(file->path, bytes, size, &out->members, &out->count, error));
    const an_zip_member *first = out->members;
    const char *slash = first ? memchr(first->name, '/', first->name_length) : NULL;
    out->name = first ? first->name : NULL;
    out->name_length = slash ? (size_t)(slash - out->name) + 1 : 0;
    if (!slash || !find(out, "data.pkl"))
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: is a zip archive, but has no data.pkl in it as PyTorch's have",
                       file->path);
    const an_zip_member *order = find(out, "byteorder");
    if (order &&
        (order->size != strlen("little") || memcmp(order->bytes, "little", order->size) != 0))
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: its byteorder is '%.*s'; only little-endian values are read",
                       file->path, order->size < 20 ? (int)order->size : 20,
                       (const char *)order->bytes);
    return ALEXNET_OK;
}

/* The members data/KEY. */
static alexnet_status list_storages(const an_tensor_file *file, const folder *in,
                                    an_torch_content *out, alexnet_error *error) {
    size_t rest;
    out->storages = malloc(in->count * sizeof *out->storages);
    if (!out->storages)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its storages", file->path);
    for (size_t i = 0; i < in->count; i++) {
        const an_zip_member *member = &in->members[i];
        if (is_below(in, member, "data/", &rest))
            out->storages[out->storage_count++] = (an_torch_storage){
                member->name + rest, member->name_length - rest, member->bytes, member->size};
    }
    if (out->storage_count > 0)
        qsort(out->storages, out->storage_count, sizeof *out->storages, an_torch_compare_storages);
    return ALEXNET_OK;
}

/* alexnet.json: what an_torch_write puts beside the weights. */
static alexnet_status read_metadata(an_tensor_file *file, const folder *in, alexnet_error *error) {
    const an_zip_member *member = find(in, "alexnet.json");
    json_error_t reason = {0};
    const char *key;
    json_t *value;
    if (!member)
        return ALEXNET_OK;
    if (member->size > most_bytes)
        return an_fail(error, ALEXNET_FORMAT, "%s: its alexnet.json is larger than %d MB",
                       file->path, most_bytes >> 20);
    json_t *root =
        json_loadb((const char *)member->bytes, member->size, JSON_REJECT_DUPLICATES, &reason);
    alexnet_status status = ALEXNET_OK;
    if (!json_is_object(root) || json_object_size(root) > most_entries)
        status = an_fail(error, ALEXNET_FORMAT, "%s: its alexnet.json is no object of metadata%s%s",
                         file->path, reason.text[0] ? ": " : "", reason.text);
    json_object_foreach(root, key, value) {
        if (status != ALEXNET_OK)
            break;
        status = json_is_string(value)
                     ? an_metadata_add(&file->metadata, &file->metadata_count, key,
                                       json_string_value(value), error)
                     : an_fail(error, ALEXNET_FORMAT,
                               "%s: the value of '%.100s' in its alexnet.json is not a string",
                               file->path, key);
    }
    json_decref(root);
    return status;
}

alexnet_status an_torch_read_zip(an_tensor_file *file, const uint8_t *bytes, size_t size,
                                 an_torch_content *out, alexnet_error *error) {
    folder in = {0};
    size_t used;
    alexnet_status status;
    AN_TRY_CLEANUP(open_folder(file, bytes, size, &in, error));
    const an_zip_member *object = find(&in, "data.pkl");
    AN_TRY_CLEANUP(list_storages(file, &in, out, error));
    AN_TRY_CLEANUP(read_metadata(file, &in, error));
    status = an_pickle_read(&out->pickle, object->bytes, object->size, &used, &out->root, error);

cleanup:
    free(in.members);
    return status;
}
