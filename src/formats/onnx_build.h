/* A network as an ONNX model without its weights: nodes, constants, input, output, metadata. */
#ifndef AN_FORMATS_ONNX_BUILD_H
#define AN_FORMATS_ONNX_BUILD_H

#include "formats/weights.h"
#include "onnx.pb-c.h"

typedef struct an_onnx_builder an_onnx_builder;

/*
 * Builds the model that takes preprocessed input, or with `preprocess` pixels. *model and *graph
 * (which is not yet in the model) lie in *out, are freed with an_onnx_builder_free, and point into
 * `weights` and `metadata`. INVALID for a network too large to be put into a graph; NO_MEMORY.
 */
alexnet_status an_onnx_build(const char *path, const an_weights_file *weights, bool preprocess,
                             const an_metadata *metadata, size_t metadata_count,
                             an_onnx_builder **out, Onnx__ModelProto **model,
                             Onnx__GraphProto **graph, alexnet_error *error);

/* NULL is allowed. */
void an_onnx_builder_free(an_onnx_builder *builder);

#endif
