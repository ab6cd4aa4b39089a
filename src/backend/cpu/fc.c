#include "backend/cpu/fc.h"

#include "backend/cpu/dnnl.h"

/* Up to so many images, reading the weights takes longer than multiplying. */
enum { few_images = 16 };

alexnet_status an_fc_forward(const an_kernels *kernels, const an_layer *layer, int images,
                             const float *x, const float *w, const float *b, bool relu, float *y,
                             alexnet_error *error) {
    const int inputs = (int)an_shape_count(layer->in), outputs = layer->spec.units;
    if (images <= few_images) {
        kernels->fc_forward(images, inputs, outputs, x, w, b, relu, y);
        return ALEXNET_OK;
    }
    AN_DNNL(dnnl_sgemm('N', 'T', images, outputs, inputs, 1, x, inputs, w, inputs, 0, y, outputs));
    kernels->add_bias(images, outputs, b, relu, y);
    return ALEXNET_OK;
}

alexnet_status an_fc_backward_input(const an_layer *layer, int images, const float *w,
                                    const float *dy, float *dx, alexnet_error *error) {
    const int inputs = (int)an_shape_count(layer->in), outputs = layer->spec.units;
    AN_DNNL(
        dnnl_sgemm('N', 'N', images, inputs, outputs, 1, dy, outputs, w, inputs, 0, dx, inputs));
    return ALEXNET_OK;
}

alexnet_status an_fc_backward_weights(const an_kernels *kernels, const an_layer *layer, int images,
                                      const float *x, const float *dy, float *dw, float *db,
                                      alexnet_error *error) {
    const int inputs = (int)an_shape_count(layer->in), outputs = layer->spec.units;
    AN_DNNL(
        dnnl_sgemm('T', 'N', outputs, inputs, images, 1, dy, outputs, x, inputs, 0, dw, inputs));
    kernels->sum_images(images, outputs, dy, db);
    return ALEXNET_OK;
}
