/*
 * ONNX models: a ModelProto (onnx.proto) with a graph of nodes, each an operator with named inputs
 * and outputs, and initialisers, tensors that are there from the beginning.
 *
 * Read is a graph that is a chain of layers from its one input on: the model zoo's, exported by
 * Caffe2, and what PyTorch exports. What changes no answer (Dropout, Identity, Cast, reshapes in
 * front of a fully connected layer, a Softmax at the end) is passed over, and its layers show which
 * network it is. A model that this project has written says so in its metadata. Values are used
 * where they lie, in the file or in one beside it ("external data").
 *
 * Written is opset 13 with ir_version 7, standard operators only: input "input", float32 (N, 3, H,
 * W) as preprocessed, N symbolic; output "logits", (N, classes). With `preprocess` the input is
 * "pixels", uint8 (N, 3, H, W), RGB, resized and cropped. Weights are float32 and inline, each at a
 * multiple of 64 bytes; nodes are called as the layers, initialisers as the parameters.
 */
#ifndef AN_FORMATS_ONNX_H
#define AN_FORMATS_ONNX_H

#include "formats/tensors.h"
#include "formats/weights.h"

/* Whether bytes begin as an ONNX model does: it has no magic number, but its version comes first.
 */
bool an_onnx_recognise(const uint8_t *bytes, size_t size);

/* UNSUPPORTED, naming the node, where the graph is no chain of layers that are known. */
an_reader an_onnx_read;

/* INVALID for another dtype than "F32", and where the file would pass protobuf's 2 GB. */
an_weights_writer an_onnx_write_weights;

#endif
