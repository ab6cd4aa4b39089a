/*
 * What is read of a caffemodel without protobuf-c: whether it is one, and its blobs (BlobProto),
 * where they lie in the file, so that 244 MB are not copied. Their fields:
 *
 *   1 to 4  num, channels, height, width: the shape, as it was until 2014
 *   5       data: float32, packed (one run behind one length) or with a tag before each
 *   7       shape {1: dim}
 *   8       double_data, likewise
 *
 * As in Caffe, the old shape is taken where any of its numbers is there, and double_data before
 * data.
 */
#ifndef AN_FORMATS_CAFFE_WIRE_H
#define AN_FORMATS_CAFFE_WIRE_H

#include "formats/tensors.h"

/*
 * Adds the blob in `bytes` as the tensor `name`. Ones before the shape are dropped until `dims`
 * numbers are left, for the old shape always has four. Values in one run are used where they lie;
 * others are copied, into the file's content. FORMAT where values and shape disagree.
 */
alexnet_status an_caffe_add_blob(an_tensor_file *file, const char *name, int dims,
                                 const uint8_t *bytes, size_t size, an_file_tensor **out,
                                 alexnet_error *error);

#endif
