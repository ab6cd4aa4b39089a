/* What a layer of a caffemodel computes, as protobuf-c has unpacked it. */
#ifndef AN_FORMATS_CAFFE_LAYERS_H
#define AN_FORMATS_CAFFE_LAYERS_H

#include "caffe.pb-c.h"
#include "model/network.h"

/* A layer of either version; what is not there is NULL. */
typedef struct an_caffe_layer {
    const char *name, *type;
    char **bottom, **top;
    size_t bottom_count, top_count;
    Caffe__NetStateRule **include, **exclude;
    size_t include_count, exclude_count;
    const Caffe__ConvolutionParameter *convolution;
    const Caffe__InnerProductParameter *inner_product;
    const Caffe__LRNParameter *lrn;
    const Caffe__PoolingParameter *pooling;
    const Caffe__ReLUParameter *relu;
    const Caffe__DropoutParameter *dropout;
    const Caffe__TransformationParameter *transformation;
    const Caffe__DataParameter *data;
    const Caffe__InputParameter *input;
    const ProtobufCBinaryData *blobs; /* (blob_count) BlobProtos */
    size_t blob_count;
} an_caffe_layer;

typedef enum an_caffe_role {
    AN_CAFFE_COMPUTES,
    AN_CAFFE_COPIES, /* hands its input on, under other names or in another shape */
    AN_CAFFE_JUDGES  /* makes something of the scores */
} an_caffe_role;

/* The name that a type of V1 has had since 2014, by its number. */
const char *an_caffe_v1_type(int32_t number);

/* What a layer does, and where it computes, `spec` (zero before) as a row of an architecture's
 * table. UNSUPPORTED, naming the file `path` and the layer, for what no network here has. */
alexnet_status an_caffe_describe(const char *path, const an_caffe_layer *layer, an_caffe_role *role,
                                 an_layer_spec *spec, alexnet_error *error);

/* The failure of a layer that does something (`what`) that none here does. */
alexnet_status an_caffe_fail_layer(const char *path, const an_caffe_layer *layer, const char *what,
                                   alexnet_error *error);

#endif
