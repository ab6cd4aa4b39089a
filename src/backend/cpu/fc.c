#include "backend/cpu/fc.h"

enum { most_int8_inputs = 66000 }; /* so many products of bytes fit a sum of 32 bits */

/* Whether zeros among the inputs are worth looking for. In float32 the weights would be used where
 * they are otherwise, so that turning them over has to pay. */
static bool skips_zeros(const an_fc_options *options) {
    return options->images == 1 && !options->training && !options->signed_input &&
           (options->precision != AN_FP32 || !options->brief);
}

static const an_fc_engine *engine_of(const an_kernels *kernels, int inputs,
                                     const an_fc_options *options) {
    if (skips_zeros(options))
        return kernels->fc_sparse[options->precision];
#ifdef __x86_64__
    if (options->precision == AN_BF16 && an_can_bf16())
        return an_can_amx() ? &an_fc_amx_bf16 : &an_fc_bf16;
    if (options->precision == AN_INT8 && an_can_int8() && inputs <= most_int8_inputs)
        return an_can_amx() ? &an_fc_amx_int8 : &an_fc_int8;
#else
    (void)inputs;
#endif
    if (options->precision == AN_INT8 && kernels->fc_int8)
        return kernels->fc_int8;
    return &kernels->fc;
}

static int inputs_of(const an_fc *fc) {
    return (int)an_shape_count(fc->layer->in);
}

static int outputs_of(const an_fc *fc) {
    return fc->layer->spec.units;
}

an_fc an_fc_make(const an_kernels *kernels, const an_layer *layer, const an_fc_options *options) {
    an_fc fc = {.layer = layer,
                .kernels = kernels,
                .images = options->images,
                .training = options->training,
                .signed_input = options->signed_input};
    fc.engine = engine_of(kernels, inputs_of(&fc), options);
    return fc;
}

/* Whether the forward pass takes packed weights. */
static bool packs(const an_fc *fc) {
    return fc->engine->pack && !fc->training;
}

size_t an_fc_packed_bytes(const an_fc *fc) {
    return packs(fc) ? fc->engine->packed_bytes(inputs_of(fc), outputs_of(fc)) : 0;
}

size_t an_fc_workspace_bytes(const an_fc *fc) {
    const int inputs = inputs_of(fc), outputs = outputs_of(fc);
    const size_t forward = fc->engine->workspace_bytes(fc->images, inputs, outputs);
    const size_t backward =
        fc->training ? fc->engine->backward_workspace_bytes(fc->images, inputs, outputs) : 0;
    return forward > backward ? forward : backward;
}

void an_fc_pack(const an_fc *fc, int first, int last, const float *w, void *packed) {
    fc->engine->pack(&(an_fc_packing){inputs_of(fc), outputs_of(fc), first, last, w, packed});
}

alexnet_status an_fc_arrange(const an_fc *fc, void *packed, alexnet_error *error) {
    return fc->engine->arrange ? fc->engine->arrange(inputs_of(fc), outputs_of(fc), packed, error)
                               : ALEXNET_OK;
}

void an_fc_forward(const an_fc *fc, int images, const float *x, const float *w, const float *b,
                   bool relu, float *y, void *workspace) {
    fc->engine->forward(&(an_fc_job){.images = images,
                                     .inputs = inputs_of(fc),
                                     .outputs = outputs_of(fc),
                                     .x = x,
                                     .packed = packs(fc) ? w : NULL,
                                     .w = packs(fc) ? NULL : w,
                                     .b = b,
                                     .relu = relu,
                                     .y = y,
                                     .workspace = workspace,
                                     .signed_input = fc->signed_input});
}

void an_fc_backward_input(const an_fc *fc, const float *w, const float *dy, float *dx,
                          void *workspace) {
    fc->engine->backward_input(fc->images, inputs_of(fc), outputs_of(fc), w, dy, dx, workspace);
}

void an_fc_backward_weights(const an_fc *fc, const float *x, const float *dy, float *dw, float *db,
                            const an_fc_update *update, void *workspace) {
    fc->kernels->sum_images(fc->images, outputs_of(fc), dy, db);
    fc->engine->backward_weights(&(an_fc_gradient){.images = fc->images,
                                                   .inputs = inputs_of(fc),
                                                   .outputs = outputs_of(fc),
                                                   .x = x,
                                                   .dy = dy,
                                                   .dw = dw,
                                                   .update = update ? update->rule : NULL,
                                                   .momentum = update ? update->momentum : 0,
                                                   .v = update ? update->v : NULL,
                                                   .w = update ? update->w : NULL,
                                                   .workspace = workspace});
}
