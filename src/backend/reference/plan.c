/*
 * The reference backend's plans: the network's layers one after another, every activation kept.
 *
 * Forward, layer l turns activations[l - 1] (the input for l = 0) into activations[l]. Backward, it
 * turns activation_gradients[l] into activation_gradients[l - 1] (input_gradient for l = 0) and
 * fills its parameters' gradients: the chain rule, from the last layer to the first.
 */
#include <string.h>

#include "backend/reference/layers.h"
#include "core/memory.h"

typedef struct reference_plan {
    an_plan base;
    an_arena parameter_memory, gradient_memory, momentum_memory, activation_memory, workspace;
    /* All parameters one behind the other in the network's order; training: the others likewise. */
    float *parameters, *gradients, *momentum;
    float *activations[AN_MAX_LAYERS];          /* (N, C, H, W), each layer's output */
    float *activation_gradients[AN_MAX_LAYERS]; /* the same shapes; training */
    float *input_gradient;                      /* (N, C, H, W); training */
    float *scales[AN_MAX_LAYERS];               /* of normalisation layers, else NULL; see lrn.c */
} reference_plan;

static alexnet_status take_memory(reference_plan *plan, alexnet_error *error) {
    const an_network *network = &plan->base.network;
    /* Below 2^31 images of below 2^32 elements each: the products fit, and the arena checks the
     * sums. */
    const size_t images = (size_t)plan->base.options.batch;
    const bool training = plan->base.options.training;
    const size_t floats = network->parameter_floats;
    an_tensor_spec activations[2 * AN_MAX_LAYERS + 1], scales[AN_MAX_LAYERS];
    size_t count = 0;
    for (int l = 0; l < network->layer_count; l++) {
        const an_layer *layer = &network->layers[l];
        const char *name = layer->spec.name;
        const bool normalises = layer->spec.type == AN_LRN || layer->spec.type == AN_LRN_WITHIN;
        const size_t elements = images * an_shape_count(layer->out);
        activations[count++] = (an_tensor_spec){name, &plan->activations[l], elements};
        activations[count++] =
            (an_tensor_spec){name, &plan->activation_gradients[l], training ? elements : 0};
        scales[l] = (an_tensor_spec){name, &plan->scales[l], normalises ? elements : 0};
    }
    activations[count++] = (an_tensor_spec){"input", &plan->input_gradient,
                                            training ? images * an_shape_count(network->input) : 0};
    AN_TRY(an_arena_take(&plan->parameter_memory, "parameters",
                         &(an_tensor_spec){"parameters", &plan->parameters, floats}, 1, error));
    AN_TRY(an_arena_take(&plan->activation_memory, "activations", activations, count, error));
    AN_TRY(an_arena_take(&plan->workspace, "normalisation scales", scales,
                         (size_t)network->layer_count, error));
    if (!training)
        return ALEXNET_OK;
    AN_TRY(an_arena_take(&plan->gradient_memory, "gradients",
                         &(an_tensor_spec){"gradients", &plan->gradients, floats}, 1, error));
    return an_arena_take(&plan->momentum_memory, "momentum",
                         &(an_tensor_spec){"momentum", &plan->momentum, floats}, 1, error);
}

static void reference_destroy(an_plan *base) {
    reference_plan *plan = (reference_plan *)base;
    an_arena_free(&plan->parameter_memory);
    an_arena_free(&plan->gradient_memory);
    an_arena_free(&plan->momentum_memory);
    an_arena_free(&plan->activation_memory);
    an_arena_free(&plan->workspace);
    an_free(plan);
}

static alexnet_status reference_create(const an_network *network, const an_plan_options *options,
                                       an_plan **out, alexnet_error *error) {
    if (options->precision != AN_FP32)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "the reference backend computes in float32 only; use --precision fp32 or "
                       "another --device");
    void *block;
    AN_TRY(an_alloc(&block, 1, sizeof(reference_plan), "plan", error));
    reference_plan *plan = block;
    plan->base =
        (an_plan){.backend = &an_backend_reference, .network = *network, .options = *options};
    const alexnet_status status = take_memory(plan, error);
    if (status != ALEXNET_OK) {
        reference_destroy(&plan->base);
        return status;
    }
    *out = &plan->base;
    return ALEXNET_OK;
}

static alexnet_status reference_load(an_plan *base, const an_weights *weights,
                                     alexnet_error *error) {
    reference_plan *plan = (reference_plan *)base;
    for (int i = 0; i < base->network.parameter_count; i++) {
        const an_parameter *parameter = &base->network.parameters[i];
        const float *values;
        AN_TRY(an_weights_tensor(weights, i, &values, error));
        memcpy(plan->parameters + parameter->offset, values, parameter->count * sizeof *values);
        an_weights_release(weights, i);
    }
    if (plan->momentum)
        memset(plan->momentum, 0, base->network.parameter_floats * sizeof(float));
    return ALEXNET_OK;
}

/* The part of `all`, parameters or gradients, that belongs to parameter `index`. */
static float *part(const reference_plan *plan, float *all, int index) {
    return all + plan->base.network.parameters[index].offset;
}

/* All layers forward; `step` is NULL in testing. */
static void run_forward(reference_plan *plan, const float *input, int images, const an_step *step) {
    const an_network *network = &plan->base.network;
    const float *x = input;
    for (int l = 0; l < network->layer_count; l++) {
        const an_layer *layer = &network->layers[l];
        float *y = plan->activations[l];
        const double begun = an_timing_begin(&plan->base);
        switch (layer->spec.type) {
        case AN_CONV:
            an_reference_conv_forward(layer, images, x, part(plan, plan->parameters, layer->weight),
                                      part(plan, plan->parameters, layer->bias), y);
            break;
        case AN_RELU:
            an_reference_relu_forward(layer, images, x, y);
            break;
        case AN_LRN:
        case AN_LRN_WITHIN:
            an_reference_lrn_forward(layer, images, x, plan->scales[l], y);
            break;
        case AN_MAX_POOL:
            an_reference_max_pool_forward(layer, images, x, y);
            break;
        case AN_ADAPTIVE_AVG_POOL:
            an_reference_avg_pool_forward(layer, images, x, y);
            break;
        case AN_FC:
            an_reference_fc_forward(layer, images, x, part(plan, plan->parameters, layer->weight),
                                    part(plan, plan->parameters, layer->bias), y);
            break;
        case AN_DROPOUT:
            an_reference_dropout(layer, l, images, step, x, y);
            break;
        }
        an_timing_end(&plan->base, AN_TIMED_FORWARD, l, begun);
        x = y;
    }
}

/* The gradients of one layer's parameters: x its input, dy the gradient of its output. */
static void weights_backward(reference_plan *plan, int l, const float *x, const float *dy) {
    const an_layer *layer = &plan->base.network.layers[l];
    const int images = plan->base.options.batch;
    if (layer->weight < 0)
        return;
    const double begun = an_timing_begin(&plan->base);
    float *dw = part(plan, plan->gradients, layer->weight);
    float *db = part(plan, plan->gradients, layer->bias);
    if (layer->spec.type == AN_CONV)
        an_reference_conv_backward_weights(layer, images, x, dy, dw, db);
    else
        an_reference_fc_backward_weights(layer, images, x, dy, dw, db);
    an_timing_end(&plan->base, AN_TIMED_WEIGHTS, l, begun);
}

/* The gradient dx of its input. */
static void input_backward(reference_plan *plan, int l, const an_step *step, const float *x,
                           const float *dy, float *dx) {
    const an_layer *layer = &plan->base.network.layers[l];
    const int images = plan->base.options.batch;
    const double begun = an_timing_begin(&plan->base);
    switch (layer->spec.type) {
    case AN_CONV:
        an_reference_conv_backward_input(layer, images, part(plan, plan->parameters, layer->weight),
                                         dy, dx);
        break;
    case AN_RELU:
        an_reference_relu_backward(layer, images, plan->activations[l], dy, dx);
        break;
    case AN_LRN:
    case AN_LRN_WITHIN:
        an_reference_lrn_backward(layer, images, x, plan->scales[l], dy, dx);
        break;
    case AN_MAX_POOL:
        an_reference_max_pool_backward(layer, images, x, dy, dx);
        break;
    case AN_ADAPTIVE_AVG_POOL:
        an_reference_avg_pool_backward(layer, images, dy, dx);
        break;
    case AN_FC:
        an_reference_fc_backward_input(layer, images, part(plan, plan->parameters, layer->weight),
                                       dy, dx);
        break;
    case AN_DROPOUT:
        an_reference_dropout(layer, l, images, step, dy, dx);
        break;
    }
    an_timing_end(&plan->base, AN_TIMED_INPUT, l, begun);
}

static void report_gradient(const reference_plan *plan, const an_step *step, int index) {
    if (index >= 0 && step->gradient_ready)
        step->gradient_ready(step->context, index, part(plan, plan->gradients, index),
                             plan->base.network.parameters[index].count);
}

/* All layers backward, from the gradient that lies in the last layer's place. */
static void run_backward(reference_plan *plan, const an_step *step) {
    const an_network *network = &plan->base.network;
    for (int l = network->layer_count - 1; l >= 0; l--) {
        const float *x = l > 0 ? plan->activations[l - 1] : step->input;
        float *dx = l > 0 ? plan->activation_gradients[l - 1] : plan->input_gradient;
        weights_backward(plan, l, x, plan->activation_gradients[l]);
        input_backward(plan, l, step, x, plan->activation_gradients[l], dx);
        report_gradient(plan, step, network->layers[l].bias);
        report_gradient(plan, step, network->layers[l].weight);
    }
}

static alexnet_status reference_forward(an_plan *base, const float *input, int images,
                                        float *logits, alexnet_error *error) {
    (void)error;
    reference_plan *plan = (reference_plan *)base;
    const int last = base->network.layer_count - 1;
    run_forward(plan, input, images, NULL);
    memcpy(logits, plan->activations[last],
           (size_t)images * an_shape_count(base->network.layers[last].out) * sizeof *logits);
    return ALEXNET_OK;
}

static alexnet_status reference_step(an_plan *base, const an_step *step, an_step_result *result,
                                     alexnet_error *error) {
    (void)error;
    reference_plan *plan = (reference_plan *)base;
    const an_network *network = &base->network;
    const int last = network->layer_count - 1, images = base->options.batch;
    float *dlogits = plan->activation_gradients[last];
    run_forward(plan, step->input, images, step);
    an_reference_loss(images, network->classes, plan->activations[last], step, dlogits, result);
    if (step->logit_gradient)
        memcpy(dlogits, step->logit_gradient,
               (size_t)images * (size_t)network->classes * sizeof *dlogits);
    run_backward(plan, step);
    if (!step->updates)
        return ALEXNET_OK;
    for (int i = 0; i < network->parameter_count; i++) {
        const double begun = an_timing_begin(base);
        an_reference_update(&step->updates[i], step->momentum, network->parameters[i].count,
                            part(plan, plan->gradients, i), part(plan, plan->momentum, i),
                            part(plan, plan->parameters, i));
        an_timing_end(base, AN_TIMED_UPDATE, network->parameters[i].layer, begun);
    }
    return ALEXNET_OK;
}

static alexnet_status reference_read(an_plan *base, an_tensor tensor, int index, float *out,
                                     alexnet_error *error) {
    (void)error;
    const reference_plan *plan = (const reference_plan *)base;
    const an_network *network = &base->network;
    const float *from = NULL;
    size_t count = 0;
    switch (tensor) {
    case AN_PARAMETER:
    case AN_MOMENTUM:
    case AN_PARAMETER_GRADIENT:
        count = network->parameters[index].count;
        from = part(plan,
                    tensor == AN_PARAMETER  ? plan->parameters
                    : tensor == AN_MOMENTUM ? plan->momentum
                                            : plan->gradients,
                    index);
        break;
    case AN_ACTIVATION:
    case AN_ACTIVATION_GRADIENT:
        count = (size_t)base->options.batch *
                an_shape_count(index < 0 ? network->input : network->layers[index].out);
        from = index < 0                 ? plan->input_gradient
               : tensor == AN_ACTIVATION ? plan->activations[index]
                                         : plan->activation_gradients[index];
        break;
    }
    memcpy(out, from, count * sizeof *out);
    return ALEXNET_OK;
}

static alexnet_status reference_write_momentum(an_plan *base, int parameter, const float *values,
                                               alexnet_error *error) {
    (void)error;
    const reference_plan *plan = (const reference_plan *)base;
    memcpy(part(plan, plan->momentum, parameter), values,
           base->network.parameters[parameter].count * sizeof *values);
    return ALEXNET_OK;
}

static an_plan_memory reference_memory(const an_plan *base) {
    const reference_plan *plan = (const reference_plan *)base;
    return (an_plan_memory){.parameters = plan->parameter_memory.bytes,
                            .gradients = plan->gradient_memory.bytes,
                            .momentum = plan->momentum_memory.bytes,
                            .activations = plan->activation_memory.bytes,
                            .workspace = plan->workspace.bytes};
}

const an_backend an_backend_reference = {
    .name = "reference",
    .description = "plain C, one file per layer, as the oracle for the others",
    .create = reference_create,
    .destroy = reference_destroy,
    .load = reference_load,
    .forward = reference_forward,
    .step = reference_step,
    .read = reference_read,
    .write_momentum = reference_write_momentum,
    .memory = reference_memory,
};
