/*
 * PyTorch's files: what torch.save writes of a state dictionary, or of a checkpoint around one.
 *
 * Three generations, told apart by how they begin:
 *
 * - zip (since 1.6): an archive of stored members in one folder: data.pkl, the object; data/KEY,
 *   the bytes of each storage; byteorder (since 1.14: "little" or "big"); version, and others that
 *   are not needed
 * - stream (0.1.10 to 1.5): five pickles: a magic number, the protocol 1001, facts about the
 *   machine, the object, the list of the storages' keys; then for each key an i64, its values, and
 *   their bytes
 * - tar (until 0.1.9): members sys_info; storages: a pickle of their number, for each a pickle
 *   (key, device, class), an i64, its values, and their bytes, and a pickle of the views [(key, key
 *   of the whole, first value, values)]; tensors: a pickle of their number, for each a pickle (key,
 *   key of the storage, class), i32 dimensions, 4 bytes of nothing, i64 shape, strides and first
 *   value; pickle, the object, in which a persistent id is the key of a tensor
 *
 * In the first two a persistent id is ('storage', class, key, device, values), in a stream with a
 * sixth item, None or of a view (key, first value, values), and a tensor is a call of
 * torch._utils._rebuild_tensor_v2 with (storage, first value, shape, strides, ...). Numbers are
 * little-endian throughout. How the pickles are read, and why nothing of them is executed, is in
 * pickle.h.
 *
 * Which dictionary holds the weights, where the object is a whole checkpoint: of a dictionary, the
 * first that leads to tensors of its entries state_dict, model_state_dict, model, net, network and
 * weights; else itself where tensors are among its values; else the only one of its values that is
 * a dictionary of tensors. Other entries are passed over (optimizer, epoch, ...), as are those of
 * the state dictionary that are no tensors. A name that occurs twice is refused.
 */
#ifndef AN_FORMATS_TORCH_H
#define AN_FORMATS_TORCH_H

#include "formats/tensors.h"
#include "formats/weights.h"

/* Whether bytes begin as one of the three does. */
bool an_torch_recognise(const uint8_t *bytes, size_t size);

/*
 * Reads any of the three. Tensors come in the order of their names and point into the bytes. Of
 * what an_torch_write wrote, the metadata is read, too.
 */
an_reader an_torch_read;

/*
 * Writes a state dictionary in the zip layout that torch.load(weights_only=True) takes: an
 * OrderedDict of tensors in float32, or "BF16", under the names of the network's parameters; their
 * bytes on cache lines' boundaries, so that they can be mapped. The metadata goes into one more
 * member, archive/alexnet.json, an object of strings, which PyTorch passes over; calibration has no
 * place there. INVALID for "I8".
 */
an_weights_writer an_torch_write;

#endif
