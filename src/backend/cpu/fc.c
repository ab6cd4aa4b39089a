#include "backend/cpu/fc.h"

#include "backend/cpu/dnnl.h"

enum {
    few_images = 8,           /* up to so many, reading the weights takes longer than multiplying */
    most_int8_inputs = 66000, /* so many products of bytes fit a sum of 32 bits */
};

/* What computes in fewer bits; NULL: float32. */
static const an_fc_engine *engine_of(int inputs, const an_fc_options *options) {
#ifdef __x86_64__
    if (options->precision == AN_BF16)
        return &an_fc_bf16;
    if (!options->training && options->precision == AN_INT8 && inputs <= most_int8_inputs)
        return &an_fc_int8;
#else
    (void)inputs, (void)options;
#endif
    return NULL;
}

static int inputs_of(const an_fc *fc) {
    return (int)an_shape_count(fc->layer->in);
}

an_fc an_fc_make(const an_kernels *kernels, const an_layer *layer, const an_fc_options *options) {
    an_fc fc = {.layer = layer,
                .kernels = kernels,
                .images = options->images,
                .training = options->training,
                .signed_input = options->signed_input};
    fc.engine = engine_of(inputs_of(&fc), options);
    return fc;
}

size_t an_fc_packed_bytes(const an_fc *fc) {
    return fc->engine && !fc->training
               ? fc->engine->packed_bytes(inputs_of(fc), fc->layer->spec.units)
               : 0;
}

size_t an_fc_workspace_bytes(const an_fc *fc) {
    const int inputs = inputs_of(fc);
    if (fc->engine) {
        const size_t forward = fc->engine->workspace_bytes(fc->images, inputs);
        const size_t backward =
            fc->training
                ? fc->engine->backward_workspace_bytes(fc->images, inputs, fc->layer->spec.units)
                : 0;
        return forward > backward ? forward : backward;
    }
    return fc->images <= few_images
               ? 0
               : fc->kernels->fc_many_floats(fc->images, inputs) * sizeof(float);
}

void an_fc_pack(const an_fc *fc, const float *w, void *packed) {
    fc->engine->pack(inputs_of(fc), fc->layer->spec.units, w, packed);
}

void an_fc_forward(const an_fc *fc, int images, const float *x, const float *w, const float *b,
                   bool relu, float *y, void *workspace) {
    const int inputs = inputs_of(fc), outputs = fc->layer->spec.units;
    if (fc->engine) {
        fc->engine->forward(&(an_fc_job){.images = images,
                                         .inputs = inputs,
                                         .outputs = outputs,
                                         .x = x,
                                         .packed = fc->training ? NULL : w,
                                         .w = fc->training ? w : NULL,
                                         .b = b,
                                         .relu = relu,
                                         .y = y,
                                         .workspace = workspace,
                                         .signed_input = fc->signed_input});
        return;
    }
    if (images <= few_images)
        fc->kernels->fc_forward(images, inputs, outputs, x, w, b, relu, y);
    else
        fc->kernels->fc_forward_many(images, inputs, outputs, x, w, b, relu, y, workspace);
}

alexnet_status an_fc_backward_input(const an_fc *fc, const float *w, const float *dy, float *dx,
                                    void *workspace, alexnet_error *error) {
    const int inputs = inputs_of(fc), outputs = fc->layer->spec.units;
    if (fc->engine) {
        fc->engine->backward_input(fc->images, inputs, outputs, w, dy, dx, workspace);
        return ALEXNET_OK;
    }
    AN_DNNL(dnnl_sgemm('N', 'N', fc->images, inputs, outputs, 1, dy, outputs, w, inputs, 0, dx,
                       inputs));
    return ALEXNET_OK;
}

bool an_fc_updates(const an_fc *fc) {
    return fc->engine != NULL;
}

alexnet_status an_fc_backward_weights(const an_fc *fc, const float *x, const float *dy, float *dw,
                                      float *db, const an_fc_update *update, void *workspace,
                                      alexnet_error *error) {
    const int inputs = inputs_of(fc), outputs = fc->layer->spec.units;
    fc->kernels->sum_images(fc->images, outputs, dy, db);
    if (fc->engine) {
        fc->engine->backward_weights(&(an_fc_gradient){.images = fc->images,
                                                       .inputs = inputs,
                                                       .outputs = outputs,
                                                       .x = x,
                                                       .dy = dy,
                                                       .dw = dw,
                                                       .update = update ? update->rule : NULL,
                                                       .momentum = update ? update->momentum : 0,
                                                       .v = update ? update->v : NULL,
                                                       .w = update ? update->w : NULL,
                                                       .workspace = workspace});
        return ALEXNET_OK;
    }
    AN_DNNL(dnnl_sgemm('T', 'N', outputs, inputs, fc->images, 1, dy, outputs, x, inputs, 0, dw,
                       inputs));
    return ALEXNET_OK;
}
