#include "formats/safetensors_index.h"

#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "formats/safetensors.h"

static const char map_key[] = "\"weight_map\"";

enum {
    size_limit = 16 << 20, /* of an index in bytes; in memory it is many times as large */
    shard_limit = 1000
};

bool an_safetensors_index_recognise(const uint8_t *bytes, size_t size) {
    size_t first = 0;
    while (first < size && bytes[first] && strchr(" \t\r\n", bytes[first]))
        first++;
    return first < size && bytes[first] == '{' &&
           memmem(bytes, size < size_limit ? size : size_limit, map_key, sizeof map_key - 1);
}

/* A file's name and nothing else, and no hidden file's. */
static bool is_plain_name(const char *name) {
    return name[0] && name[0] != '.' && !strpbrk(name, "/\\");
}

/* The shards of the map, each once, as the keys of an object. */
static alexnet_status list_shards(const an_tensor_file *file, json_t *map, json_t *shards,
                                  alexnet_error *error) {
    const char *tensor;
    json_t *value;
    json_object_foreach(map, tensor, value) {
        const char *shard = json_string_value(value);
        if (!shard || !is_plain_name(shard))
            return an_fail(error, ALEXNET_FORMAT,
                           "%s: says that tensor '%.100s' is in '%.100s', which is no name of a "
                           "file beside it",
                           file->path, tensor, shard ? shard : "");
        if (json_object_set_new(shards, shard, json_true()))
            return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its shards", file->path);
        if (json_object_size(shards) > shard_limit)
            return an_fail(error, ALEXNET_FORMAT, "%s: names more than %d files", file->path,
                           shard_limit);
    }
    return ALEXNET_OK;
}

/* Takes the tensors of a shard that the map places there, and marks them in the map as found. */
static alexnet_status take_tensors(an_tensor_file *file, const an_tensor_file *shard,
                                   const char *name, json_t *map, alexnet_error *error) {
    for (size_t i = 0; i < shard->tensor_count; i++) {
        const an_file_tensor *tensor = &shard->tensors[i];
        const char *place = json_string_value(json_object_get(map, tensor->name));
        an_file_tensor *added;
        if (!json_object_get(map, tensor->name))
            continue;
        if (!place || strcmp(place, name) != 0)
            return an_fail(
                error, ALEXNET_FORMAT,
                "%s: the tensor '%.100s' is in %.100s, where the index does not place it",
                file->path, tensor->name, name);
        AN_TRY(an_tensor_file_add(file, tensor->name, &added, error));
        char *copy = added->name;
        *added = *tensor;
        added->name = copy;
        if (json_object_set_new(map, tensor->name, json_true()))
            return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its tensors", file->path);
    }
    for (size_t i = 0; i < shard->metadata_count; i++)
        AN_TRY(an_metadata_add(&file->metadata, &file->metadata_count, shard->metadata[i].key,
                               shard->metadata[i].value, error));
    return ALEXNET_OK;
}

static alexnet_status read_shard(an_tensor_file *file, const char *name, json_t *map,
                                 alexnet_error *error) {
    an_tensor_file shard = {.path = an_path_beside(file->path, name)};
    an_mapping mapping;
    alexnet_status status;
    if (!shard.path)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to open its shards", file->path);
    if (!an_is_file(shard.path)) {
        status = an_fail(error, ALEXNET_IO, "%s: the file %.200s, which it names, is not beside it",
                         file->path, name);
        goto cleanup;
    }
    AN_TRY_CLEANUP(an_tensor_file_map(file, shard.path, &mapping, error));
    AN_TRY_CLEANUP(an_safetensors_read(&shard, mapping.bytes, mapping.size, error));
    status = take_tensors(file, &shard, name, map, error);

cleanup:
    an_tensor_file_close(&shard);
    return status;
}

/* Every tensor of the map was found: its place was overwritten. */
static alexnet_status check_found(const an_tensor_file *file, json_t *map, alexnet_error *error) {
    const char *tensor;
    json_t *value;
    json_object_foreach(map, tensor, value) {
        if (json_is_string(value))
            return an_fail(error, ALEXNET_FORMAT,
                           "%s: the tensor '%.100s' is not in %.100s, where the index places it",
                           file->path, tensor, json_string_value(value));
    }
    return ALEXNET_OK;
}

static alexnet_status read_index(an_tensor_file *file, json_t *root, json_t *shards,
                                 alexnet_error *error) {
    json_t *map = json_object_get(root, "weight_map"), *value;
    const char *key;
    if (!json_is_object(map))
        return an_fail(error, ALEXNET_FORMAT, "%s: its weight_map is not an object", file->path);
    json_object_foreach(json_object_get(root, "metadata"), key, value) {
        if (json_is_string(value))
            AN_TRY(an_metadata_add(&file->metadata, &file->metadata_count, key,
                                   json_string_value(value), error));
    }
    AN_TRY(list_shards(file, map, shards, error));
    json_object_foreach(shards, key, value) AN_TRY(read_shard(file, key, map, error));
    return check_found(file, map, error);
}

alexnet_status an_safetensors_index_read(an_tensor_file *file, const uint8_t *bytes, size_t size,
                                         alexnet_error *error) {
    json_error_t reason = {0};
    if (size > size_limit)
        return an_fail(error, ALEXNET_FORMAT, "%s: is larger than the %d MB that an index may have",
                       file->path, size_limit >> 20);
    json_t *shards = json_object();
    json_t *root = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, &reason);
    alexnet_status status;
    if (!shards || (!root && json_error_code(&reason) == json_error_out_of_memory))
        status = an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to read it", file->path);
    else if (!root)
        status = an_fail(error, ALEXNET_FORMAT, "%s: is no JSON at byte %d: %s", file->path,
                         reason.position, reason.text);
    else
        status = read_index(file, root, shards, error);
    json_decref(root);
    json_decref(shards);
    return status;
}
