/* What a plan does for every batch: all layers forward, and backward. */
#include <string.h>

#include "backend/cpu/plan.h"
#include "backend/reference/layers.h"

/* From one layout to the other. */
static void convert(const an_cpu_plan *plan, bool to_blocked, an_shape shape, int images,
                    const float *from, float *to) {
    (to_blocked ? plan->kernels->block_maps : plan->kernels->unblock_maps)(shape, images, from, to);
}

/* Floats of `images` images of a layer's output. */
static size_t output_count(const an_cpu_plan *plan, const an_cpu_layer *it, int images) {
    return it->out_blocked ? an_blocked_count(plan->kernels, it->layer->out, images)
                           : (size_t)images * an_shape_count(it->layer->out);
}

static alexnet_status conv_forward(const an_cpu_plan *plan, const an_cpu_layer *it, int images,
                                   const float *x, float *y, alexnet_error *error) {
    const float *packed = plan->packed[it->layer->weight];
    if (!packed) {
        AN_TRY(an_conv_pack(&it->conv, plan->tensor[it->layer->weight], 0, plan->packing,
                            plan->workspace, error));
        packed = plan->packing;
    }
    return an_conv_forward(&it->conv, images, x, packed, plan->tensor[it->layer->bias], it->relu, y,
                           plan->workspace, error);
}

static void dropout_forward(const an_cpu_plan *plan, int l, int images, const an_step *step,
                            const float *x, float *y) {
    const an_cpu_layer *it = &plan->layers[l];
    const size_t count = output_count(plan, it, images);
    if (x != y)
        memcpy(y, x, count * sizeof *y);
    if (step && !step->no_dropout)
        plan->kernels->dropout(it->layer, l, images, step, y);
    else if (it->layer->spec.scale_at_test)
        for (size_t i = 0; i < count; i++)
            y[i] *= 1 - it->layer->spec.rate;
}

static alexnet_status layer_forward(const an_cpu_plan *plan, int l, int images, const an_step *step,
                                    const float *x, float *y, alexnet_error *error) {
    const an_cpu_layer *it = &plan->layers[l];
    const an_kernels *kernels = plan->kernels;
    const an_layer *layer = it->layer;
    switch (layer->spec.type) {
    case AN_CONV:
        return conv_forward(plan, it, images, x, y, error);
    case AN_FC:
        an_fc_forward(&it->fc, images, x, plan->tensor[layer->weight], plan->tensor[layer->bias],
                      it->relu, y, plan->workspace);
        break;
    case AN_RELU:
        kernels->relu_forward(output_count(plan, it, images), x, y);
        break;
    case AN_MAX_POOL:
        if (it->lrn)
            kernels->lrn_pool_forward(it->lrn, layer, images, it->through_relu, x, y,
                                      plan->workspace);
        else
            kernels->pool_forward(layer, images, it->through_relu, x, y);
        break;
    case AN_LRN:
    case AN_LRN_WITHIN:
        if (it->reference)
            an_reference_lrn_forward(layer, images, x, an_cpu_data(plan, it->scale), y);
        else
            kernels->lrn_forward(layer, images, it->through_relu, x, y);
        break;
    case AN_ADAPTIVE_AVG_POOL:
        an_reference_avg_pool_forward(layer, images, x, y);
        break;
    case AN_DROPOUT:
        dropout_forward(plan, l, images, step, x, y);
        break;
    }
    return ALEXNET_OK;
}

/* A whole batch that begins with `images` images, the others zero. */
static const float *fill_up(const an_cpu_plan *plan, const float *input, int images) {
    const size_t image = an_shape_count(plan->base.network.input);
    float *batch = an_cpu_data(plan, plan->staging);
    memcpy(batch, input, (size_t)images * image * sizeof *batch);
    memset(batch + (size_t)images * image, 0,
           (size_t)(plan->base.options.batch - images) * image * sizeof *batch);
    return batch;
}

/* One layer, from what is below it. */
static alexnet_status run_layer(const an_cpu_plan *plan, int l, int images, const an_step *step,
                                const float *x, float *y, alexnet_error *error) {
    const an_cpu_layer *it = &plan->layers[l];
    const double begun = an_timing_begin(&plan->base);
    if (it->converted >= 0) {
        convert(plan, it->in_blocked, it->layer->in, images, x, an_cpu_data(plan, it->converted));
        x = an_cpu_data(plan, it->converted);
    }
    if (!it->skip)
        AN_TRY(layer_forward(plan, l, images, step, x, y, error));
    an_timing_end(&plan->base, AN_TIMED_FORWARD, l, begun);
    return ALEXNET_OK;
}

/* The front's layers, a portion of the images after the other. */
static alexnet_status run_front(const an_cpu_plan *plan, const float *input, int images,
                                alexnet_error *error) {
    const size_t image = an_shape_count(plan->base.network.input);
    const int output = plan->front > 0 ? plan->layers[plan->front - 1].y : -1;
    for (int first = 0; first < images; first += plan->portion) {
        const int some = images - first < plan->portion ? images - first : plan->portion;
        const float *x = input + (size_t)first * image;
        for (int l = 0; l < plan->front; l++) {
            const an_cpu_layer *it = &plan->layers[l];
            float *y = an_cpu_data(plan, it->y);
            if (it->y == output)
                y += output_count(plan, it, first);
            AN_TRY(run_layer(plan, l, some, NULL, x, y, error));
            x = y;
        }
    }
    return ALEXNET_OK;
}

alexnet_status an_cpu_run_forward(an_cpu_plan *plan, const float *input, int images,
                                  const an_step *step, alexnet_error *error) {
    if (plan->staging >= 0 && images < plan->base.options.batch)
        input = fill_up(plan, input, images);
    AN_TRY(run_front(plan, input, images, error));
    const float *x = plan->front > 0 ? an_cpu_data(plan, plan->layers[plan->front - 1].y) : input;
    for (int l = plan->front; l < plan->base.network.layer_count; l++) {
        float *y = an_cpu_data(plan, plan->layers[l].y);
        AN_TRY(run_layer(plan, l, images, step, x, y, error));
        x = y;
    }
    return ALEXNET_OK;
}

/* The part of `all`, parameters or gradients, that belongs to parameter `index`. */
static float *part(const an_cpu_plan *plan, float *all, int index) {
    return all + plan->base.network.parameters[index].offset;
}

/* Tells that a parameter's gradient is complete, then updates it. */
static void finish_parameter(const an_cpu_plan *plan, const an_step *step, int index) {
    const size_t count = plan->base.network.parameters[index].count;
    float *gradient = part(plan, plan->gradients, index);
    if (step->gradient_ready)
        step->gradient_ready(step->context, index, gradient, count);
    if (step->updates)
        plan->kernels->update(&step->updates[index], step->momentum, count, gradient,
                              part(plan, plan->momentum, index),
                              part(plan, plan->parameters, index));
}

/* The gradient of the input of a layer with weights. */
static alexnet_status input_backward(const an_cpu_plan *plan, const an_cpu_layer *it,
                                     const float *dy, float *dx, alexnet_error *error) {
    const float *w = plan->tensor[it->layer->weight];
    if (it->layer->spec.type == AN_CONV)
        return an_conv_backward_input(&it->conv, w, dy, dx, plan->workspace, error);
    an_fc_backward_input(&it->fc, w, dy, dx, plan->workspace);
    return ALEXNET_OK;
}

/* Whether the gradients of a layer's weights and their update are one pass. */
static bool updates_at_once(const an_cpu_layer *it, const an_step *step) {
    return it->layer->spec.type == AN_FC && step->updates && !step->gradient_ready;
}

/* The gradients of its parameters; the weights' update as well where updates_at_once. */
static alexnet_status weights_backward(const an_cpu_plan *plan, const an_cpu_layer *it,
                                       const an_step *step, const float *x, const float *dy,
                                       alexnet_error *error) {
    const an_layer *layer = it->layer;
    float *dw = part(plan, plan->gradients, layer->weight);
    float *db = part(plan, plan->gradients, layer->bias);
    if (layer->spec.type == AN_CONV)
        return an_conv_backward_weights(&it->conv, x, dy, dw, db, plan->workspace, error);
    const bool at_once = updates_at_once(it, step);
    const an_fc_update update = {at_once ? &step->updates[layer->weight] : NULL, step->momentum,
                                 part(plan, plan->momentum, layer->weight),
                                 part(plan, plan->parameters, layer->weight)};
    an_fc_backward_weights(&it->fc, x, dy, dw, db, at_once ? &update : NULL, plan->workspace);
    return ALEXNET_OK;
}

/* The gradients of parameters and input, then the update, which changes the weights that the
 * gradient of the input needs. */
static alexnet_status weighted_backward(const an_cpu_plan *plan, int l, const an_step *step,
                                        const float *x, const float *dy, float *dx,
                                        alexnet_error *error) {
    const an_cpu_layer *it = &plan->layers[l];
    const double input_begun = an_timing_begin(&plan->base);
    if (dx) {
        AN_TRY(input_backward(plan, it, dy, dx, error));
        an_timing_end(&plan->base, AN_TIMED_INPUT, l, input_begun);
    }
    const bool at_once = updates_at_once(it, step);
    const double weights_begun = an_timing_begin(&plan->base);
    AN_TRY(weights_backward(plan, it, step, x, dy, error));
    an_timing_end(&plan->base, AN_TIMED_WEIGHTS, l, weights_begun);
    const double update_begun = an_timing_begin(&plan->base);
    finish_parameter(plan, step, it->layer->bias);
    if (!at_once)
        finish_parameter(plan, step, it->layer->weight);
    an_timing_end(&plan->base, at_once ? AN_TIMED_WEIGHTS : AN_TIMED_UPDATE, l, update_begun);
    return ALEXNET_OK;
}

static void dropout_backward(const an_cpu_plan *plan, int l, const an_step *step, const float *dy,
                             float *dx) {
    dropout_forward(plan, l, plan->base.options.batch, step, dy, dx);
}

static alexnet_status layer_backward(const an_cpu_plan *plan, int l, const an_step *step,
                                     const float *x, alexnet_error *error) {
    const an_cpu_layer *it = &plan->layers[l];
    const an_kernels *kernels = plan->kernels;
    const an_layer *layer = it->layer;
    const int images = plan->base.options.batch;
    const float *dy = an_cpu_data(plan, it->dy);
    float *dx = it->dx < 0 ? NULL : an_cpu_data(plan, it->dx);
    if (layer->weight >= 0)
        return weighted_backward(plan, l, step, x, dy, dx, error);
    if (!dx)
        return ALEXNET_OK; /* nobody below wants it */
    const double begun = an_timing_begin(&plan->base);
    switch (layer->spec.type) {
    case AN_CONV:
    case AN_FC:
        break; /* those have weights */
    case AN_RELU:
        kernels->relu_backward(output_count(plan, it, images), an_cpu_data(plan, it->y), dy, dx);
        break;
    case AN_MAX_POOL:
        if (it->lrn)
            kernels->lrn_pool_backward(it->lrn, layer, images, it->through_relu, x, dy, dx,
                                       plan->workspace);
        else
            kernels->pool_backward(layer, images, it->through_relu, x, dy, dx);
        break;
    case AN_LRN:
    case AN_LRN_WITHIN:
        if (it->reference)
            an_reference_lrn_backward(layer, images, x, an_cpu_data(plan, it->scale), dy, dx);
        else
            kernels->lrn_backward(layer, images, it->through_relu, x, dy, dx);
        break;
    case AN_ADAPTIVE_AVG_POOL:
        an_reference_avg_pool_backward(layer, images, dy, dx);
        break;
    case AN_DROPOUT:
        dropout_backward(plan, l, step, dy, dx);
        break;
    }
    an_timing_end(&plan->base, AN_TIMED_INPUT, l, begun);
    return ALEXNET_OK;
}

alexnet_status an_cpu_run_backward(an_cpu_plan *plan, const an_step *step, alexnet_error *error) {
    for (int l = plan->base.network.layer_count - 1; l >= 0; l--) {
        const an_cpu_layer *it = &plan->layers[l];
        const float *x = it->x < 0 ? step->input : an_cpu_data(plan, it->x);
        if (!it->skip_backward)
            AN_TRY(layer_backward(plan, l, step, x, error));
        const double begun = an_timing_begin(&plan->base);
        if (it->dconverted >= 0)
            convert(plan, !it->in_blocked, it->layer->in, plan->base.options.batch,
                    an_cpu_data(plan, it->dx), an_cpu_data(plan, it->dconverted));
        an_timing_end(&plan->base, AN_TIMED_INPUT, l, begun);
    }
    return ALEXNET_OK;
}
