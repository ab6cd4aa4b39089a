/*
 * Darknet's `.weights` of its cfg/alexnet.cfg (the network `darknet`).
 *
 * Layout, little-endian: i32 major, minor, revision; the number of pictures seen in training, u64
 * where major * 10 + minor >= 2 and both are less than 1000, otherwise u32; then float32 values,
 * layer by layer the biases (O) and the weights (O, I, K, K) or (O, I). Where major or minor is
 * more than 1000, fully connected weights are (I, O).
 *
 * The file has neither checksum nor shapes nor the layers' sizes: only its length tells whether it
 * is of this network, and how many classes there are. The values are used where they lie.
 */
#ifndef AN_FORMATS_DARKNET_H
#define AN_FORMATS_DARKNET_H

#include "formats/tensors.h"

/* Whether a plausible version is followed by as many values as `darknet` has. */
bool an_darknet_recognise(const uint8_t *bytes, size_t size);

an_reader an_darknet_read;

#endif
