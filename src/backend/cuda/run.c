/* What a plan does for every batch: all layers forward, and backward. */
#include "backend/cuda/plan.h"

/* Elements of a batch of a shape, and portions that kernels over activations count. */
static size_t elements(const an_cuda_plan *plan, an_shape shape, int maps) {
    return (size_t)plan->base.options.batch * (size_t)shape.h * (size_t)shape.w * (size_t)maps;
}

static size_t portions(const an_cuda_plan *plan, an_shape shape) {
    return elements(plan, shape, shape.c) / (size_t)an_width(shape.c);
}

/* The time, of a stream that has nothing left to do, where the plan is timed. */
static alexnet_status begin(const an_cuda_plan *plan, double *begun, alexnet_error *error) {
    if (plan->base.options.times)
        AN_TRY(an_device_wait(plan->device, error));
    *begun = an_timing_begin(&plan->base);
    return ALEXNET_OK;
}

static alexnet_status end(const an_cuda_plan *plan, an_timed pass, int l, double begun,
                          alexnet_error *error) {
    if (plan->base.options.times)
        AN_TRY(an_device_wait(plan->device, error));
    an_timing_end(&plan->base, pass, l, begun);
    return ALEXNET_OK;
}

/* The weights of a layer as products read them. */
static const void *weights_of(const an_cuda_plan *plan, const an_layer *layer) {
    const size_t at = plan->begin[layer->weight];
    return plan->rounded ? (const void *)(plan->rounded + at) : plan->parameters + at;
}

/* The bias of a fully connected layer as its product adds it: of the type of its output. */
static const void *bias_of(const an_cuda_plan *plan, const an_cuda_layer *it) {
    const size_t at = plan->begin[it->layer->bias];
    return an_has_16_bits(it->number) ? (const void *)(plan->rounded + at) : plan->parameters + at;
}

/* The bias that a layer adds to its input. */
static const float *entry_of(const an_cuda_plan *plan, const an_cuda_layer *it) {
    return it->entry < 0 ? NULL : plan->parameters + plan->begin[it->entry];
}

/* ---- Kernels over a layer, forward and backward. */

/* The bias of a convolution or product and ReLU, as far as it has not done them itself, and no
 * layer above it will. */
static alexnet_status finish(const an_cuda_plan *plan, const an_cuda_layer *it, void *y,
                             alexnet_error *error) {
    const bool added = it->forward && an_product_adds_bias(it->forward);
    if ((it->convolution && it->bare) || (added && !it->relu))
        return ALEXNET_OK;
    const float *bias = plan->parameters + plan->begin[it->layer->bias];
    const an_cuda_bias arguments = {.x = y,
                                    .y = y,
                                    .bias = added ? NULL : bias,
                                    .number = it->number,
                                    .maps = it->layer->out.c,
                                    .relu = it->relu};
    return an_device_bias(plan->device, &arguments, portions(plan, it->layer->out), error);
}

static alexnet_status relu_forward(const an_cuda_plan *plan, const an_cuda_layer *it, const void *x,
                                   void *y, alexnet_error *error) {
    const an_cuda_bias arguments = {
        .x = x, .y = y, .number = it->number, .maps = it->layer->out.c, .relu = true};
    return an_device_bias(plan->device, &arguments, portions(plan, it->layer->out), error);
}

static alexnet_status relu_backward(const an_cuda_plan *plan, const an_cuda_layer *it,
                                    const void *dy, void *dx, alexnet_error *error) {
    const an_cuda_relu_backward arguments = {.y = plan->buffers[it->y],
                                             .dy = dy,
                                             .dx = dx,
                                             .number = plan->number,
                                             .maps = it->layer->out.c};
    return an_device_relu_backward(plan->device, &arguments, portions(plan, it->layer->out), error);
}

static an_cuda_lrn lrn_of(const an_cuda_plan *plan, const an_cuda_layer *it) {
    const an_layer_spec *spec = &it->layer->spec;
    return (an_cuda_lrn){.x = plan->buffers[it->x],
                         .bias = entry_of(plan, it),
                         .number = plan->number,
                         .maps = it->layer->in.c,
                         .tower = it->layer->in.c / spec->towers,
                         .size = spec->size,
                         .alpha = spec->alpha / (float)spec->size,
                         .beta = spec->beta,
                         .k = spec->k};
}

static alexnet_status lrn(const an_cuda_plan *plan, const an_cuda_layer *it, const void *dy,
                          void *to, alexnet_error *error) {
    an_cuda_lrn arguments = lrn_of(plan, it);
    const size_t count = elements(plan, it->layer->in, it->layer->in.c);
    const size_t indices = an_lrn_by_8(&arguments) ? count / 8 : count;
    arguments.dy = dy;
    arguments.y = to;
    return dy ? an_device_lrn_backward(plan->device, &arguments, indices, error)
              : an_device_lrn(plan->device, &arguments, indices, error);
}

static alexnet_status lrn_within(const an_cuda_plan *plan, const an_cuda_layer *it, const void *dy,
                                 void *to, alexnet_error *error) {
    const an_layer_spec *spec = &it->layer->spec;
    const an_shape shape = it->layer->in;
    const an_cuda_lrn_within arguments = {.x = plan->buffers[it->x],
                                          .dy = dy,
                                          .y = to,
                                          .base = it->base,
                                          .number = plan->number,
                                          .maps = shape.c,
                                          .height = shape.h,
                                          .width = shape.w,
                                          .size = spec->size,
                                          .alpha = spec->alpha / (float)(spec->size * spec->size),
                                          .beta = spec->beta,
                                          .k = spec->k};
    const size_t count = elements(plan, shape, shape.c);
    return dy ? an_device_lrn_within_backward(plan->device, &arguments, count, error)
              : an_device_lrn_within(plan->device, &arguments, count, error);
}

static an_cuda_max_pool max_pool_of(const an_cuda_plan *plan, const an_cuda_layer *it) {
    const an_shape in = it->layer->in, out = it->layer->out;
    return (an_cuda_max_pool){.bias = entry_of(plan, it),
                              .place = it->place,
                              .number = plan->number,
                              .maps = in.c,
                              .in_height = in.h,
                              .in_width = in.w,
                              .out_height = out.h,
                              .out_width = out.w,
                              .kernel = it->layer->spec.kernel,
                              .stride = it->layer->spec.stride};
}

/* With the normalisation below; `from`: backward dy. */
static alexnet_status lrn_pool(const an_cuda_plan *plan, const an_cuda_layer *it, bool backward,
                               const void *from, void *to, alexnet_error *error) {
    const size_t images = (size_t)plan->base.options.batch;
    an_cuda_lrn_pool arguments = {.lrn = lrn_of(plan, &plan->layers[it->norm]),
                                  .pool = max_pool_of(plan, it)};
    arguments.rows = an_lrn_pool_rows(&arguments.pool, backward, images);
    const size_t count = an_lrn_pool_count(&arguments, backward, images);
    if (backward) {
        arguments.pool.x = from;
        arguments.lrn.y = to;
        return an_device_lrn_pool_backward(plan->device, &arguments, count, error);
    }
    arguments.pool.y = to;
    return an_device_lrn_pool(plan->device, &arguments, count, error);
}

/* `from`: x, or backward dy. */
static alexnet_status max_pool(const an_cuda_plan *plan, const an_cuda_layer *it, bool backward,
                               const void *from, void *to, alexnet_error *error) {
    if (it->norm >= 0)
        return lrn_pool(plan, it, backward, from, to, error);
    an_cuda_max_pool arguments = max_pool_of(plan, it);
    arguments.x = from;
    arguments.y = to;
    return backward ? an_device_max_pool_backward(plan->device, &arguments,
                                                  portions(plan, it->layer->in), error)
                    : an_device_max_pool(plan->device, &arguments, portions(plan, it->layer->out),
                                         error);
}

static alexnet_status avg_pool(const an_cuda_plan *plan, const an_cuda_layer *it, bool backward,
                               const void *from, void *to, alexnet_error *error) {
    const an_shape in = it->layer->in, out = it->layer->out;
    const an_cuda_avg_pool arguments = {.x = from,
                                        .y = to,
                                        .number = plan->number,
                                        .maps = in.c,
                                        .in_height = in.h,
                                        .in_width = in.w,
                                        .out_height = out.h,
                                        .out_width = out.w};
    return backward
               ? an_device_avg_pool_backward(plan->device, &arguments, elements(plan, in, in.c),
                                             error)
               : an_device_avg_pool(plan->device, &arguments, elements(plan, out, out.c), error);
}

/* Forward and backward are the same, also for a ReLU below: where what is in the layer's buffer,
 * its input yet or its output, is not above 0, nothing goes through. `step` is NULL in testing. */
static alexnet_status dropout(const an_cuda_plan *plan, int l, const an_step *step,
                              const void *from, void *to, alexnet_error *error) {
    const an_cuda_layer *it = &plan->layers[l];
    const an_layer_spec *spec = &it->layer->spec;
    const an_shape shape = it->layer->in;
    const bool at_test = spec->scale_at_test, gated = it->entry >= 0;
    if (!step && !at_test && !gated && from == to)
        return ALEXNET_OK;
    const an_cuda_dropout arguments = {.x = from,
                                       .y = to,
                                       .gate = gated ? plan->buffers[it->y] : NULL,
                                       .state = step ? plan->state : NULL,
                                       .number = plan->number,
                                       .maps = shape.c,
                                       .places = shape.h * shape.w,
                                       .item = l,
                                       .items = AN_MAX_LAYERS,
                                       .threshold = (uint64_t)ceil((double)spec->rate * 0x1p32),
                                       .factor_in_testing = at_test ? 1 - spec->rate : 1,
                                       .factor = at_test ? 1 : 1 / (1 - spec->rate)};
    const size_t fours = (an_shape_count(shape) + 3) / 4;
    return an_device_dropout(plan->device, &arguments, (size_t)plan->base.options.batch * fours,
                             error);
}

/* ---- Layers. */

static alexnet_status layer_forward(an_cuda_plan *plan, int l, const an_step *step,
                                    alexnet_error *error) {
    const an_cuda_layer *it = &plan->layers[l];
    const void *x = plan->buffers[it->x];
    void *y = plan->buffers[it->y];
    switch (it->layer->spec.type) {
    case AN_CONV:
        AN_TRY(an_convolution_forward(it->convolution, x, weights_of(plan, it->layer), y,
                                      plan->workspace, error));
        return finish(plan, it, y, error);
    case AN_FC:
        AN_TRY(an_product_run(it->forward, x, weights_of(plan, it->layer), bias_of(plan, it), y,
                              plan->workspace, error));
        return finish(plan, it, y, error);
    case AN_RELU:
        return it->done ? ALEXNET_OK : relu_forward(plan, it, x, y, error);
    case AN_LRN:
        return it->done ? ALEXNET_OK : lrn(plan, it, NULL, y, error);
    case AN_LRN_WITHIN:
        return lrn_within(plan, it, NULL, y, error);
    case AN_MAX_POOL:
        return max_pool(plan, it, false, x, y, error);
    case AN_ADAPTIVE_AVG_POOL:
        return avg_pool(plan, it, false, x, y, error);
    case AN_DROPOUT:
        return dropout(plan, l, step, x, y, error);
    }
    return ALEXNET_OK;
}

alexnet_status an_cuda_run_forward(an_cuda_plan *plan, const an_step *step, alexnet_error *error) {
    for (int l = 0; l < plan->base.network.layer_count; l++) {
        double begun;
        AN_TRY(begin(plan, &begun, error));
        AN_TRY(layer_forward(plan, l, step, error));
        AN_TRY(end(plan, AN_TIMED_FORWARD, l, begun, error));
    }
    return ALEXNET_OK;
}

/* db (O): sums over portions of rows, then over theirs, and so on, which lie in turns at the
 * beginning of the memory for them and behind the first ones. */
static alexnet_status bias_gradient(const an_cuda_plan *plan, const an_cuda_layer *it,
                                    const void *dy, alexnet_error *error) {
    const an_shape out = it->layer->out;
    const size_t maps = (size_t)out.c;
    an_cuda_row_sums sums = {.x = dy,
                             .number = plan->number,
                             .maps = out.c,
                             .rows = (uint32_t)elements(plan, out, 1),
                             .factor = 1};
    float *const places[] = {plan->bias_parts, plan->bias_parts + an_row_parts(sums.rows) * maps};
    for (int turn = 0;; turn = !turn) {
        const uint32_t parts = an_row_parts(sums.rows);
        sums.sums = places[turn];
        if (parts == 1) {
            sums.sums = plan->gradients + plan->begin[it->layer->bias];
            sums.factor = 1 / plan->gradient_scale;
        }
        AN_TRY(
            an_device_row_sums(plan->device, &sums, parts * maps / (size_t)an_width(out.c), error));
        if (parts == 1)
            return ALEXNET_OK;
        sums.x = sums.sums;
        sums.number = AN_NUMBER_FLOAT;
        sums.rows = parts;
    }
}

static alexnet_status weights_backward(an_cuda_plan *plan, const an_cuda_layer *it, const void *dy,
                                       alexnet_error *error) {
    const void *x = plan->buffers[it->x];
    float *dw = plan->gradients + plan->begin[it->layer->weight];
    AN_TRY(it->convolution
               ? an_convolution_weights(it->convolution, x, dy, dw, plan->workspace, error)
               : an_product_run(it->weights, dy, x, NULL, dw, plan->workspace, error));
    return bias_gradient(plan, it, dy, error);
}

static alexnet_status input_backward(an_cuda_plan *plan, int l, const an_step *step, const void *dy,
                                     void *dx, alexnet_error *error) {
    const an_cuda_layer *it = &plan->layers[l];
    switch (it->layer->spec.type) {
    case AN_CONV:
        return an_convolution_input(it->convolution, weights_of(plan, it->layer), dy, dx,
                                    plan->workspace, error);
    case AN_FC:
        return an_product_run(it->input, dy, weights_of(plan, it->layer), NULL, dx, plan->workspace,
                              error);
    case AN_RELU:
        return it->undone ? ALEXNET_OK : relu_backward(plan, it, dy, dx, error);
    case AN_LRN:
        return it->undone ? ALEXNET_OK : lrn(plan, it, dy, dx, error);
    case AN_LRN_WITHIN:
        return lrn_within(plan, it, dy, dx, error);
    case AN_MAX_POOL:
        return max_pool(plan, it, true, dy, dx, error);
    case AN_ADAPTIVE_AVG_POOL:
        return avg_pool(plan, it, true, dy, dx, error);
    case AN_DROPOUT:
        return dropout(plan, l, step, dy, dx, error);
    }
    return ALEXNET_OK;
}

alexnet_status an_cuda_run_backward(an_cuda_plan *plan, const an_step *step, alexnet_error *error) {
    for (int l = plan->base.network.layer_count - 1; l >= 0; l--) {
        const an_cuda_layer *it = &plan->layers[l];
        const void *dy = plan->buffers[it->dy];
        double begun;
        if (it->layer->weight >= 0) {
            AN_TRY(begin(plan, &begun, error));
            AN_TRY(weights_backward(plan, it, dy, error));
            AN_TRY(end(plan, AN_TIMED_WEIGHTS, l, begun, error));
        }
        if (it->dx >= 0) {
            AN_TRY(begin(plan, &begun, error));
            AN_TRY(input_backward(plan, l, step, dy, plan->buffers[it->dx], error));
            AN_TRY(end(plan, AN_TIMED_INPUT, l, begun, error));
        }
        AN_TRY(an_cuda_report_gradient(plan, step, it->layer->bias, error));
        AN_TRY(an_cuda_report_gradient(plan, step, it->layer->weight, error));
    }
    return ALEXNET_OK;
}
