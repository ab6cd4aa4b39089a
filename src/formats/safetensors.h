/*
 * safetensors files.
 *
 * Layout: u64 little-endian N; N bytes of JSON; the tensors' bytes. The JSON maps each tensor's
 * name to {"dtype", "shape", "data_offsets": [begin, end]} (relative to the end of the JSON) and
 * "__metadata__" to an object of strings. Ranges are contiguous, without holes or overlap, and end
 * with the file. The JSON begins with its brace and may be followed by blanks.
 *
 * The reader is as strict as the format's own: N <= 100,000,000, no key twice, a size that is the
 * shape's. Blanks before the brace are refused. Values are not looked at.
 */
#ifndef AN_FORMATS_SAFETENSORS_H
#define AN_FORMATS_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "core/file.h"

enum { AN_TENSOR_DIMS = 8 };

/* A tensor in a mapped file. */
typedef struct an_file_tensor {
    char *name;
    const char *dtype; /* "F32", "BF16", ...: one of the format's names */
    int dims;
    int64_t shape[AN_TENSOR_DIMS];
    const uint8_t *bytes; /* inside the mapping, any alignment */
    size_t size;          /* in bytes */
} an_file_tensor;

typedef struct an_metadata {
    char *key, *value;
} an_metadata;

/* An open file: its tensors in the order of their bytes. */
typedef struct an_safetensors {
    char *path;
    an_mapping mapping;
    an_file_tensor *tensors;
    size_t tensor_count;
    an_metadata *metadata;
    size_t metadata_count;
} an_safetensors;

/* Maps and checks a file. FORMAT with the byte or tensor at fault. Closed by an_safetensors_close.
 */
alexnet_status an_safetensors_open(const char *path, an_safetensors *out, alexnet_error *error);

void an_safetensors_close(an_safetensors *file);

/* NULL where there is none. */
const an_file_tensor *an_safetensors_find(const an_safetensors *file, const char *name);
const char *an_safetensors_metadata(const an_safetensors *file, const char *key);

/* One tensor to write, row by row. */
typedef struct an_tensor_source {
    const char *name;
    int dims;
    int64_t shape[AN_TENSOR_DIMS];
    const void *values; /* NULL: asked for through `fill` when its turn comes */
    const char *dtype;  /* of whole bytes; NULL: "F32" */
} an_tensor_source;

/*
 * Writes a file (temporary name, sync, rename): the tensors in the order given, the first on a
 * cache line's boundary. `fill(context, index, values)` supplies the tensors without values, one
 * after the other, into a buffer that it is handed; NULL where all have them.
 */
alexnet_status an_safetensors_write(const char *path, const an_tensor_source *tensors,
                                    size_t tensor_count, const an_metadata *metadata,
                                    size_t metadata_count,
                                    alexnet_status (*fill)(void *context, size_t index,
                                                           void *values, alexnet_error *error),
                                    void *context, alexnet_error *error);

#endif
