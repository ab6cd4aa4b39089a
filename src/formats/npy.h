/*
 * NumPy's .npy: "\x93NUMPY", version, header length, a Python dictionary literal {'descr',
 * 'fortran_order', 'shape'}, then the values.
 */
#ifndef AN_FORMATS_NPY_H
#define AN_FORMATS_NPY_H

#include "core/file.h"

enum { AN_NPY_DIMS = 8 };

/* A little-endian float32 array in C order, in a mapped file. */
typedef struct an_npy {
    an_mapping mapping;
    int dims;
    int64_t shape[AN_NPY_DIMS];
    size_t count;
    const float *values; /* NULL where count is 0 */
} an_npy;

/* Opens a file of versions 1 to 3. FORMAT for another type, Fortran order, or a wrong length. */
alexnet_status an_npy_open(const char *path, an_npy *out, alexnet_error *error);

void an_npy_close(an_npy *npy);

/* Begins a float32 file of the given shape; the values follow with an_writer_write. */
alexnet_status an_npy_begin(an_writer *writer, const char *path, const int64_t *shape, int dims,
                            alexnet_error *error);

#endif
