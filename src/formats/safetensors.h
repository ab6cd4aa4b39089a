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

#include "formats/tensors.h"

/* Whether bytes begin as a safetensors file does. */
bool an_safetensors_recognise(const uint8_t *bytes, size_t size);

/* Checks a file's bytes; its tensors come in the order of their bytes. */
an_reader an_safetensors_read;

/* an_tensor_file_read of a safetensors file. */
alexnet_status an_safetensors_open(const char *path, an_tensor_file *out, alexnet_error *error);

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
