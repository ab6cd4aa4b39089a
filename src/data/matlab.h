/*
 * A structure array of a MATLAB 5 file, checked and taken out of it for libmatio, which believes
 * what a file says: where one byte of a size is wrong, it allocates for ever.
 *
 * Layout: a header of 128 bytes, then elements, each with a tag of type and size (8 bytes; both
 * with up to 4 bytes of content where that is enough) and filled up to 8 bytes. A variable is an
 * element `matrix` of further elements: flags, dimensions, name, then values, or for a structure
 * array the names of its fields and a matrix for each field of each structure. It may be compressed
 * by zlib. Source: MathWorks, MAT-File Format.
 */
#ifndef AN_DATA_MATLAB_H
#define AN_DATA_MATLAB_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/*
 * Makes a file of the array `variable` alone, whose fields are numbers and texts, as those of
 * ILSVRC are. *out is freed with free(). `path` stands in messages. FORMAT for anything else.
 */
alexnet_status an_matlab_extract(const char *path, const uint8_t *bytes, size_t size,
                                 const char *variable, uint8_t **out, size_t *out_size,
                                 alexnet_error *error);

#endif
