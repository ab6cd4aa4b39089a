/* What torch.c and the readers of the three containers share. */
#ifndef AN_FORMATS_TORCH_READER_H
#define AN_FORMATS_TORCH_READER_H

#include "formats/pickle.h"
#include "formats/tensors.h"

/* Values that tensors share. */
typedef struct an_torch_storage {
    const char *key; /* without an end of its own */
    size_t key_length;
    const uint8_t *bytes;
    size_t size;
} an_torch_storage;

/* A tensor of the tar generation, which pickles know by its number. */
typedef struct an_torch_tensor {
    int64_t key;
    an_file_tensor tensor; /* without a name */
} an_torch_tensor;

/* What a container comes to; all zero but for the pickle's path at first. */
typedef struct an_torch_content {
    an_pickle pickle;
    an_pickle_value root;
    an_torch_storage *storages; /* (storage_count), in the order of an_torch_compare_storages */
    size_t storage_count;
    bool by_number;           /* tar: persistent ids are tensors' keys, and there are no storages */
    an_torch_tensor *tensors; /* (tensor_count), in the order of an_torch_compare_tensors */
    size_t tensor_count;
} an_torch_content;

/* A container's reader fills in *out; what is there after a failure is released by torch.c. */
alexnet_status an_torch_read_zip(an_tensor_file *file, const uint8_t *bytes, size_t size,
                                 an_torch_content *out, alexnet_error *error);
alexnet_status an_torch_read_stream(an_tensor_file *file, const uint8_t *bytes, size_t size,
                                    an_torch_content *out, alexnet_error *error);
alexnet_status an_torch_read_tar(an_tensor_file *file, const uint8_t *bytes, size_t size,
                                 an_torch_content *out, alexnet_error *error);

/* How the streams begin. */
bool an_torch_is_stream(const uint8_t *bytes, size_t size);

/* For qsort and bsearch: by key. */
int an_torch_compare_storages(const void *left, const void *right);
int an_torch_compare_tensors(const void *left, const void *right);

/* What a persistent id says of a storage. */
typedef struct an_torch_id {
    const an_pickle_value *key; /* AN_PICKLE_TEXT */
    const char *dtype;
    size_t width;                     /* of a value, in bytes */
    size_t values;                    /* of the whole storage */
    size_t first_viewed, view_values; /* the part of it that is meant */
} an_torch_id;

/* Reads ('storage', class, key, device, values[, view]). */
alexnet_status an_torch_read_id(const an_tensor_file *file, const an_pickle_value *id,
                                an_torch_id *out, alexnet_error *error);

/*
 * Says where the values of a tensor lie, of which the dtype, dims, shape and stride are filled in:
 * within the `values` values at `bytes`, from `first` on. `name` is for messages.
 */
alexnet_status an_torch_place(const an_tensor_file *file, const char *name, const uint8_t *bytes,
                              size_t values, int64_t first, an_file_tensor *tensor,
                              alexnet_error *error);

#endif
