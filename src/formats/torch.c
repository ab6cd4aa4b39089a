#include "formats/torch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/tar.h"
#include "formats/torch_reader.h"

enum {
    longest_name = 255,
    most_tensors = 4096,
    most_levels = 8 /* of dictionaries around the weights */
};

/* --- ids and places ------------------------------------------------------------------------ */

int an_torch_compare_storages(const void *left, const void *right) {
    const an_torch_storage *a = left, *b = right;
    if (a->key_length != b->key_length)
        return a->key_length < b->key_length ? -1 : 1;
    return memcmp(a->key, b->key, a->key_length);
}

int an_torch_compare_tensors(const void *left, const void *right) {
    const an_torch_tensor *a = left, *b = right;
    return (a->key > b->key) - (a->key < b->key);
}

static bool read_size(const an_pickle_value *value, size_t *out) {
    if (value->kind != AN_PICKLE_INT || value->integer < 0)
        return false;
    *out = (size_t)value->integer;
    return true;
}

/* None, or (key, first value, values). */
static bool read_view(const an_pickle_value *view, an_torch_id *out) {
    out->first_viewed = 0;
    out->view_values = out->values;
    if (view->kind == AN_PICKLE_NONE)
        return true;
    return view->kind == AN_PICKLE_TUPLE && view->object->count == 3 &&
           read_size(&view->object->items[1], &out->first_viewed) &&
           read_size(&view->object->items[2], &out->view_values) &&
           out->first_viewed <= out->values && out->view_values <= out->values - out->first_viewed;
}

alexnet_status an_torch_read_id(const an_tensor_file *file, const an_pickle_value *id,
                                an_torch_id *out, alexnet_error *error) {
    static const an_pickle_value none = {.kind = AN_PICKLE_NONE};
    const an_pickle_value *items = id->kind == AN_PICKLE_TUPLE ? id->object->items : NULL;
    const size_t count = items ? id->object->count : 0;
    size_t bits = 0;
    if ((count != 5 && count != 6) || !an_pickle_is(&items[0], "storage") ||
        !an_pickle_storage_dtype(&items[1]) || items[2].kind != AN_PICKLE_TEXT ||
        !read_size(&items[4], &out->values) || !read_view(count == 6 ? &items[5] : &none, out)) {
        (void)an_fail(error, ALEXNET_FORMAT,
                      "%s: a storage is not described by its class, key, device and size",
                      file->path);
        return ALEXNET_FORMAT; /* a constant, so that the compiler sees what is not used then */
    }
    out->key = &items[2];
    (void)an_dtype_find(an_pickle_storage_dtype(&items[1]), &out->dtype, &bits);
    out->width = bits / 8;
    return ALEXNET_OK;
}

/* Whether values lie in C order, one behind the other. */
static bool is_contiguous(const an_file_tensor *tensor, size_t count) {
    int64_t expected = 1;
    if (count == 0)
        return true;
    for (int d = tensor->dims; d-- > 0;) {
        if (tensor->shape[d] != 1 && tensor->stride[d] != expected)
            return false;
        expected *= tensor->shape[d];
    }
    return true;
}

/* The place of a tensor's last value among a storage's, which holds at most `values`. */
static bool find_last(const an_file_tensor *tensor, int64_t first, size_t values, size_t *out) {
    size_t last = (size_t)first, step;
    for (int d = 0; d < tensor->dims; d++)
        if (!an_multiply((size_t)(tensor->shape[d] - 1), (size_t)tensor->stride[d], &step) ||
            step > values || (last += step) >= values)
            return false;
    *out = last;
    return last < values;
}

alexnet_status an_torch_place(const an_tensor_file *file, const char *name, const uint8_t *bytes,
                              size_t values, int64_t first, an_file_tensor *tensor,
                              alexnet_error *error) {
    const char *dtype;
    size_t count, total, bits = 0, last = 0;
    bool fits = first >= 0 && (uint64_t)first <= values;
    for (int d = 0; d < tensor->dims; d++)
        fits = fits && tensor->shape[d] >= 0 && tensor->stride[d] >= 0;
    (void)an_dtype_find(tensor->dtype, &dtype, &bits);
    if (!fits || !an_count_elements(tensor->shape, tensor->dims, &count) ||
        !an_multiply(count, bits / 8, &total) || total > INT64_MAX ||
        (count > 0 && !find_last(tensor, first, values, &last)))
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: tensor '%.100s' lies outside its storage of %zu values", file->path,
                       name, values);
    tensor->bytes = bytes + (size_t)first * (bits / 8);
    tensor->size = count > 0 ? (last - (size_t)first + 1) * (bits / 8) : 0;
    tensor->strided = !is_contiguous(tensor, count);
    return ALEXNET_OK;
}

/* --- tensors ------------------------------------------------------------------------------- */

/* An entry of the state dictionary. */
typedef struct entry {
    const an_pickle_value *name, *value;
} entry;

static bool is_tensor(const an_torch_content *content, const an_pickle_value *value) {
    return value->kind == (content->by_number ? AN_PICKLE_PERSISTENT : AN_PICKLE_TENSOR);
}

/* A tuple of whole numbers, as many as *dims where that is not negative. */
static bool read_numbers(const an_pickle_value *tuple, int *dims, int64_t *out) {
    if (tuple->kind != AN_PICKLE_TUPLE || tuple->object->count > AN_TENSOR_DIMS ||
        (*dims >= 0 && tuple->object->count != (size_t)*dims))
        return false;
    *dims = (int)tuple->object->count;
    for (int i = 0; i < *dims; i++) {
        if (tuple->object->items[i].kind != AN_PICKLE_INT)
            return false;
        out[i] = tuple->object->items[i].integer;
    }
    return true;
}

static alexnet_status find_storage(const an_tensor_file *file, const an_torch_content *content,
                                   const an_torch_id *id, const uint8_t **out,
                                   alexnet_error *error) {
    const an_torch_storage key = {.key = id->key->text, .key_length = id->key->length};
    const int shown = id->key->length < 40 ? (int)id->key->length : 40;
    const an_torch_storage *found = content->storage_count
                                        ? bsearch(&key, content->storages, content->storage_count,
                                                  sizeof key, an_torch_compare_storages)
                                        : NULL;
    size_t size;
    *out = NULL;
    if (!found)
        return an_fail(error, ALEXNET_FORMAT, "%s: its storage '%.*s' is missing", file->path,
                       shown, id->key->text);
    if (!an_multiply(id->values, id->width, &size) || size != found->size)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: its storage '%.*s' has %zu bytes, but is said to hold %zu values of %s",
                       file->path, shown, id->key->text, found->size, id->values, id->dtype);
    *out = found->bytes;
    return ALEXNET_OK;
}

/* A call of _rebuild_tensor_v2: (storage, first value, shape, strides, ...). */
static alexnet_status rebuild(const an_tensor_file *file, const an_torch_content *content,
                              const an_pickle_object *arguments, an_file_tensor *tensor,
                              alexnet_error *error) {
    const an_pickle_value *items = arguments->items;
    an_torch_id id;
    const uint8_t *bytes;
    int dims = -1;
    if (arguments->count < 4 || items[0].kind != AN_PICKLE_PERSISTENT ||
        items[1].kind != AN_PICKLE_INT || !read_numbers(&items[2], &dims, tensor->shape) ||
        !read_numbers(&items[3], &dims, tensor->stride))
        return an_fail(
            error, ALEXNET_FORMAT,
            "%s: tensor '%.100s' is not described by a storage, an offset, a shape of at "
            "most %d dimensions and strides",
            file->path, tensor->name, AN_TENSOR_DIMS);
    tensor->dims = dims;
    AN_TRY(an_torch_read_id(file, &content->pickle.ids[items[0].integer], &id, error));
    AN_TRY(find_storage(file, content, &id, &bytes, error));
    tensor->dtype = id.dtype;
    return an_torch_place(file, tensor->name, bytes + id.first_viewed * id.width, id.view_values,
                          items[1].integer, tensor, error);
}

/* A tensor of the tar generation, under its number, which pickles say as a string, too. */
static alexnet_status look_up(const an_tensor_file *file, const an_torch_content *content,
                              const an_pickle_value *id, an_file_tensor *tensor,
                              alexnet_error *error) {
    an_torch_tensor key = {.key = id->kind == AN_PICKLE_INT ? id->integer : -1};
    char text[24] = "";
    if (id->kind == AN_PICKLE_TEXT && id->length < sizeof text) {
        memcpy(text, id->text, id->length);
        key.key = strtoll(text, NULL, 10);
    }
    const an_torch_tensor *found = content->tensor_count
                                       ? bsearch(&key, content->tensors, content->tensor_count,
                                                 sizeof key, an_torch_compare_tensors)
                                       : NULL;
    if (!found)
        return an_fail(error, ALEXNET_FORMAT, "%s: the values of tensor '%.100s' are missing",
                       file->path, tensor->name);
    char *const name = tensor->name;
    *tensor = found->tensor;
    tensor->name = name;
    return ALEXNET_OK;
}

static alexnet_status add_tensor(an_tensor_file *file, const an_torch_content *content,
                                 const entry *from, alexnet_error *error) {
    char name[longest_name + 1];
    an_file_tensor *tensor;
    const size_t length = from->name->length;
    if (length == 0 || length > longest_name || memchr(from->name->text, '\0', length))
        return an_fail(
            error, ALEXNET_FORMAT,
            "%s: the name of a tensor has %zu characters, or odd ones; 1 to %d are usual",
            file->path, length, longest_name);
    memcpy(name, from->name->text, length);
    name[length] = '\0';
    AN_TRY(an_tensor_file_add(file, name, &tensor, error));
    if (content->by_number)
        return look_up(file, content, &content->pickle.ids[from->value->integer], tensor, error);
    return rebuild(file, content, from->value->object, tensor, error);
}

static int compare_names(const void *left, const void *right) {
    const an_pickle_value *a = ((const entry *)left)->name, *b = ((const entry *)right)->name;
    const int order = memcmp(a->text, b->text, a->length < b->length ? a->length : b->length);
    if (order != 0 || a->length == b->length)
        return order;
    return a->length < b->length ? -1 : 1;
}

static alexnet_status add_all(an_tensor_file *file, const an_torch_content *content,
                              const an_pickle_object *dict, alexnet_error *error) {
    entry entries[most_tensors] = {0};
    size_t count = 0;
    for (size_t i = 0; i + 1 < dict->count; i += 2) {
        const entry found = {&dict->items[i], &dict->items[i + 1]};
        if (found.name->kind != AN_PICKLE_TEXT || !is_tensor(content, found.value))
            continue;
        if (count == most_tensors)
            return an_fail(error, ALEXNET_UNSUPPORTED,
                           "%s: holds more than %d tensors, which no network here has", file->path,
                           most_tensors);
        entries[count++] = found;
    }
    qsort(entries, count, sizeof *entries, compare_names);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && compare_names(&entries[i - 1], &entries[i]) == 0)
            return an_fail(error, ALEXNET_FORMAT, "%s: has two tensors called '%.*s'", file->path,
                           entries[i].name->length < 100 ? (int)entries[i].name->length : 100,
                           entries[i].name->text);
        AN_TRY(add_tensor(file, content, &entries[i], error));
    }
    return ALEXNET_OK;
}

/* --- the state dictionary ------------------------------------------------------------------ */

static bool holds_tensors(const an_torch_content *content, const an_pickle_value *value) {
    if (value->kind != AN_PICKLE_DICT)
        return false;
    const an_pickle_object *dict = value->object;
    for (size_t i = 0; i + 1 < dict->count; i += 2)
        if (dict->items[i].kind == AN_PICKLE_TEXT && is_tensor(content, &dict->items[i + 1]))
            return true;
    return false;
}

/* The only value of a dictionary that is a dictionary of tensors; NULL: there is none, or several.
 */
static an_pickle_object *only_child(const an_torch_content *content, const an_pickle_object *dict) {
    an_pickle_object *only = NULL;
    for (size_t i = 0; i + 1 < dict->count; i += 2) {
        const an_pickle_value *value = &dict->items[i + 1];
        if (value->kind != AN_PICKLE_DICT || value->object == only || value->object->visited)
            continue;
        value->object->visited = true;
        if (!holds_tensors(content, value))
            continue;
        if (only)
            return NULL;
        only = value->object;
    }
    return only;
}

/* The dictionary of weights in or below a value; NULL: there is none. Each dictionary is looked at
 * once, whatever refers to it, and how often. */
static an_pickle_object *find_weights(const an_torch_content *content, const an_pickle_value *value,
                                      int levels) {
    static const char *const usual[] = {"state_dict", "model_state_dict", "model",
                                        "net",        "network",          "weights"};
    if (value->kind != AN_PICKLE_DICT || value->object->visited || levels == 0)
        return NULL;
    value->object->visited = true;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        const an_pickle_value *below = an_pickle_find(value, usual[i]);
        an_pickle_object *found = below ? find_weights(content, below, levels - 1) : NULL;
        if (found)
            return found;
    }
    if (holds_tensors(content, value))
        return value->object;
    return only_child(content, value->object);
}

static alexnet_status fail_without_weights(const an_tensor_file *file, const an_pickle_value *root,
                                           alexnet_error *error) {
    char keys[160] = "";
    size_t used = 0;
    for (size_t i = 0; root->kind == AN_PICKLE_DICT && i + 1 < root->object->count; i += 2) {
        const an_pickle_value *key = &root->object->items[i];
        if (key->kind == AN_PICKLE_TEXT && used < sizeof keys)
            used += (size_t)snprintf(keys + used, sizeof keys - used, "%s%.*s", used ? ", " : "",
                                     key->length < 40 ? (int)key->length : 40, key->text);
    }
    return an_fail(error, ALEXNET_FORMAT,
                   "%s: holds no state dictionary, which maps names to tensors, and none is found "
                   "under state_dict, model or another usual key%s%s%s",
                   file->path, used ? "; its keys are " : "", keys,
                   used >= sizeof keys ? " ..." : "");
}

/* --- the file ------------------------------------------------------------------------------ */

static bool is_zip(const uint8_t *bytes, size_t size) {
    static const uint8_t begin[] = {'P', 'K', 3, 4};
    return size >= sizeof begin && memcmp(bytes, begin, sizeof begin) == 0;
}

bool an_torch_recognise(const uint8_t *bytes, size_t size) {
    return is_zip(bytes, size) || an_torch_is_stream(bytes, size) || an_tar_recognise(bytes, size);
}

static alexnet_status read_content(an_tensor_file *file, const uint8_t *bytes, size_t size,
                                   an_torch_content *out, alexnet_error *error) {
    if (is_zip(bytes, size))
        return an_torch_read_zip(file, bytes, size, out, error);
    if (an_torch_is_stream(bytes, size))
        return an_torch_read_stream(file, bytes, size, out, error);
    if (an_tar_recognise(bytes, size))
        return an_torch_read_tar(file, bytes, size, out, error);
    return an_fail(error, ALEXNET_FORMAT, "%s: is no file of torch.save", file->path);
}

alexnet_status an_torch_read(an_tensor_file *file, const uint8_t *bytes, size_t size,
                             alexnet_error *error) {
    an_torch_content content = {.pickle = {.path = file->path}};
    alexnet_status status;
    AN_TRY_CLEANUP(read_content(file, bytes, size, &content, error));
    const an_pickle_object *weights = find_weights(&content, &content.root, most_levels);
    status = weights ? add_all(file, &content, weights, error)
                     : fail_without_weights(file, &content.root, error);

cleanup:
    an_pickle_free(&content.pickle);
    free(content.storages);
    free(content.tensors);
    return status;
}
