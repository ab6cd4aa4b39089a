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
 * Blobs stay where they are when the messages are unpacked (protobuf.h), and their values are used
 * where they lie, unless each has a tag of its own: then they are copied, one behind the other.
 */
#ifndef AN_FORMATS_CAFFE_H
#define AN_FORMATS_CAFFE_H

#include "formats/tensors.h"

/* Whether bytes begin as a NetParameter with a layer does. */
bool an_caffe_recognise(const uint8_t *bytes, size_t size);

/* There is none where AN_WITH_PROTOBUF is not defined. */
an_reader an_caffe_read;

#endif
