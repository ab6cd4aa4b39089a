/*
 * Caffe's .caffemodel: a NetParameter of Caffe's message definitions, in protobuf's wire format,
 * whose layers carry their weights as blobs. Both kinds of layers are read, those of 2014 on
 * (`layer`, with types by name) and those before (`layers`, V1, by number).
 *
 * The layers become an_tensor_file's, in the order in which data passes through them: they must be
 * one chain, which the blobs' names tell (`bottom`, `top`), with Split, Flatten and Dropout
 * anywhere. What makes the data and what is made of the scores is passed over, and so are layers
 * that are not there in Caffe's test phase. A layer that computes what no network here does is
 * refused.
 *
 * Caffe's networks take BGR from 0 to 255 less means. The metadata says so, with the means, the
 * scale and the size that the model's data layer has; where it has none, or names a file of means,
 * which does not come with the weights, with BVLC's channel means and 227 pixels.
 *
 * protobuf-c unpacks layer by layer, without the blobs, at most 64 KB at once and with a budget of
 * memory that follows from the file's size, for it takes some 40 bytes for a field of two. Reading
 * weights through it as well would copy each, and take 40 bytes and an allocation for every value
 * that is not packed. So blobs are found by walking over the wire format, and used where they lie.
 */
#ifndef AN_FORMATS_CAFFE_H
#define AN_FORMATS_CAFFE_H

#include "formats/tensors.h"

/* Whether bytes begin as a NetParameter with a layer does. */
bool an_caffe_recognise(const uint8_t *bytes, size_t size);

/* There is none where AN_WITH_PROTOBUF is not defined. */
an_reader an_caffe_read;

#endif
