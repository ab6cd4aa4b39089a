/* The cpu backend: its memory, its parameters, and the functions of the contract. */
#include "backend/cpu/plan.h"

#include <string.h>

#include "backend/cpu/peak.h"
#include "backend/reference/layers.h"

/* The part of `all` (parameters, gradients or momentum) that belongs to parameter `index`. */
static float *part(const an_cpu_plan *plan, float *all, int index) {
    return all + plan->base.network.parameters[index].offset;
}

static bool is_fc(const an_cpu_layer *it) {
    return it->layer->spec.type == AN_FC;
}

/* Bytes of a layer's weights as it packs them for inference; 0 where it takes the plain ones. */
static size_t packed_bytes(const an_cpu_layer *it) {
    return is_fc(it) ? an_fc_packed_bytes(&it->fc) : an_conv_packed_bytes(&it->conv);
}

/* Bytes of the workspace that a layer's passes take. */
static size_t workspace_bytes(const an_cpu_plan *plan, const an_cpu_layer *it) {
    if (it->lrn)
        return (size_t)plan->base.options.threads * sizeof(float) *
               plan->kernels->lrn_pool_floats(it->lrn, it->layer);
    return is_fc(it) ? an_fc_workspace_bytes(&it->fc) : an_conv_workspace_bytes(&it->conv);
}

static alexnet_status take_workspace(an_cpu_plan *plan, alexnet_error *error) {
    size_t work = 0, packing = 0;
    for (int l = 0; l < plan->base.network.layer_count; l++) {
        const an_cpu_layer *it = &plan->layers[l];
        const size_t work_here = workspace_bytes(plan, it);
        const size_t packing_here = is_fc(it) ? 0 : an_conv_packed_bytes(&it->conv);
        work = work_here > work ? work_here : work;
        packing = packing_here > packing ? packing_here : packing;
    }
    const an_tensor_spec specs[] = {
        {"work", &plan->workspace, work / sizeof(float)},
        {"packed", &plan->packing, plan->base.options.training ? packing / sizeof(float) : 0},
    };
    return an_arena_take(&plan->workspace_memory, "workspace", specs, 2, error);
}

/* For training all parameters; for inference what layers have packed, and their biases. */
static alexnet_status take_parameters(an_cpu_plan *plan, alexnet_error *error) {
    const an_network *network = &plan->base.network;
    const size_t floats = network->parameter_floats;
    an_tensor_spec specs[AN_MAX_PARAMETERS];
    if (plan->base.options.training) {
        AN_TRY(an_arena_take(&plan->parameter_memory, "parameters",
                             &(an_tensor_spec){"parameters", &plan->parameters, floats}, 1, error));
        AN_TRY(an_arena_take(&plan->gradient_memory, "gradients",
                             &(an_tensor_spec){"gradients", &plan->gradients, floats}, 1, error));
        for (int i = 0; i < network->parameter_count; i++)
            plan->tensor[i] = part(plan, plan->parameters, i);
        return an_arena_take(&plan->momentum_memory, "momentum",
                             &(an_tensor_spec){"momentum", &plan->momentum, floats}, 1, error);
    }
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *parameter = &network->parameters[i];
        const size_t packed = packed_bytes(&plan->layers[parameter->layer]) / sizeof(float);
        specs[i] = (an_tensor_spec){parameter->name, &plan->packed[i],
                                    parameter->is_bias && packed > 0 ? parameter->count : packed};
    }
    return an_arena_take(&plan->parameter_memory, "packed parameters", specs,
                         (size_t)network->parameter_count, error);
}

static alexnet_status take_activations(an_cpu_plan *plan, alexnet_error *error) {
    an_tensor_spec specs[AN_CPU_MAX_BUFFERS];
    for (int i = 0; i < plan->buffer_count; i++)
        specs[i] = (an_tensor_spec){"buffer", &plan->buffers[i].data, plan->buffers[i].count};
    return an_arena_take(&plan->activation_memory, "activations", specs, (size_t)plan->buffer_count,
                         error);
}

static void cpu_destroy(an_plan *base) {
    an_cpu_plan *plan = (an_cpu_plan *)base;
    for (int l = 0; l < base->network.layer_count; l++)
        an_conv_free(&plan->layers[l].conv);
    an_dnnl_close(&plan->dnnl);
    an_arena_free(&plan->activation_memory);
    an_arena_free(&plan->parameter_memory);
    an_arena_free(&plan->gradient_memory);
    an_arena_free(&plan->momentum_memory);
    an_arena_free(&plan->workspace_memory);
    an_free(plan);
}

static alexnet_status create_parts(an_cpu_plan *plan, alexnet_error *error) {
    AN_TRY(an_dnnl_open(&plan->dnnl, error));
    plan->kernels = an_kernels_best();
    AN_TRY(an_cpu_build(plan, error));
    AN_TRY(take_activations(plan, error));
    AN_TRY(take_workspace(plan, error));
    return take_parameters(plan, error);
}

/* The precision, or float32 where the processor cannot: for training in bfloat16 it needs its own
 * instructions, for inference those for integers do, too. */
static an_precision possible(const an_plan_options *options) {
    const bool less = options->precision == AN_BF16 || options->precision == AN_INT8;
    const bool can = options->training ? an_can_bf16() : an_can_int16(an_kernels_best());
    return less && can ? options->precision : AN_FP32;
}

static alexnet_status cpu_create(const an_network *network, const an_plan_options *options,
                                 an_plan **out, alexnet_error *error) {
    if (options->precision == AN_INT8 && options->training)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "int8 is for inference; train with --precision fp32 or bf16");
    void *block;
    AN_TRY(an_alloc(&block, 1, sizeof(an_cpu_plan), "plan", error));
    an_cpu_plan *plan = block;
    plan->base = (an_plan){.backend = &an_backend_cpu, .network = *network, .options = *options};
    plan->base.options.precision = possible(options);
    const alexnet_status status = create_parts(plan, error);
    if (status != ALEXNET_OK) {
        cpu_destroy(&plan->base);
        return status;
    }
    *out = &plan->base;
    return ALEXNET_OK;
}

/* Packs a fully connected layer's weights, and gives the plain ones back piece by piece: with 151
 * MB of fc6 both together would be the peak of all memory. */
static alexnet_status pack_fc(const an_fc *fc, const an_weights *weights, int index,
                              const float *values, float *packed, alexnet_error *error) {
    const int outputs = fc->layer->spec.units, at_a_time = fc->engine->packed_together;
    const size_t inputs = an_shape_count(fc->layer->in);
    for (int first = 0, last; first < outputs; first = last) {
        last = outputs - first < at_a_time ? outputs : first + at_a_time;
        an_fc_pack(fc, first, last, values + first * inputs, packed);
        an_weights_forget(weights, index, first * inputs, (last - first) * inputs);
    }
    return an_fc_arrange(fc, packed, error);
}

static alexnet_status load_for_inference(an_cpu_plan *plan, const an_weights *weights,
                                         alexnet_error *error) {
    const an_network *network = &plan->base.network;
    /* The large ones, which are last, are packed before others take room. */
    for (int i = network->parameter_count - 1; i >= 0; i--) {
        const an_parameter *parameter = &network->parameters[i];
        an_cpu_layer *it = &plan->layers[parameter->layer];
        const float range = weights->input_range ? weights->input_range[parameter->layer] : 0;
        const float *values;
        AN_TRY(an_weights_tensor(weights, i, &values, error));
        plan->tensor[i] = values;
        if (!plan->packed[i])
            continue;
        plan->tensor[i] = plan->packed[i];
        if (parameter->is_bias)
            memcpy(plan->packed[i], values, parameter->count * sizeof *values);
        else if (is_fc(it))
            AN_TRY(pack_fc(&it->fc, weights, i, values, plan->packed[i], error));
        else
            AN_TRY(an_conv_pack(&it->conv, values, range, plan->packed[i], plan->workspace, error));
        an_weights_release(weights, i);
    }
    return ALEXNET_OK;
}

static alexnet_status cpu_load(an_plan *base, const an_weights *weights, alexnet_error *error) {
    an_cpu_plan *plan = (an_cpu_plan *)base;
    if (!base->options.training)
        return load_for_inference(plan, weights, error);
    for (int i = 0; i < base->network.parameter_count; i++) {
        const float *values;
        AN_TRY(an_weights_tensor(weights, i, &values, error));
        memcpy(part(plan, plan->parameters, i), values,
               base->network.parameters[i].count * sizeof *values);
        an_weights_release(weights, i);
    }
    memset(plan->momentum, 0, base->network.parameter_floats * sizeof(float));
    return ALEXNET_OK;
}

static const float *logits_of(const an_cpu_plan *plan) {
    return an_cpu_data(plan, plan->layers[plan->base.network.layer_count - 1].y);
}

/* Copies a tensor of `images` images out of its buffer. */
static void read_buffer(const an_cpu_plan *plan, int buffer, bool blocked, an_shape shape,
                        int images, float *out) {
    const float *data = an_cpu_data(plan, buffer);
    if (blocked)
        plan->kernels->unblock_maps(shape, images, data, out);
    else
        memcpy(out, data, (size_t)images * an_shape_count(shape) * sizeof *out);
}

static alexnet_status cpu_forward(an_plan *base, const float *input, int images, float *logits,
                                  alexnet_error *error) {
    an_cpu_plan *plan = (an_cpu_plan *)base;
    const an_cpu_layer *last = &plan->layers[base->network.layer_count - 1];
    AN_TRY(an_cpu_run_forward(plan, input, images, NULL, error));
    read_buffer(plan, last->y, last->out_blocked, last->layer->out, images, logits);
    return ALEXNET_OK;
}

static alexnet_status cpu_step(an_plan *base, const an_step *step, an_step_result *result,
                               alexnet_error *error) {
    an_cpu_plan *plan = (an_cpu_plan *)base;
    const int images = base->options.batch, classes = base->network.classes;
    float *dlogits = an_cpu_data(plan, plan->layers[base->network.layer_count - 1].dy);
    AN_TRY(an_cpu_run_forward(plan, step->input, images, step, error));
    an_reference_loss(images, classes, logits_of(plan), step, dlogits, result);
    if (step->logit_gradient)
        memcpy(dlogits, step->logit_gradient, (size_t)images * (size_t)classes * sizeof *dlogits);
    return an_cpu_run_backward(plan, step, error);
}

static alexnet_status cpu_read(an_plan *base, an_tensor tensor, int index, float *out,
                               alexnet_error *error) {
    (void)error;
    an_cpu_plan *plan = (an_cpu_plan *)base;
    const int images = base->options.batch;
    if (tensor == AN_ACTIVATION || tensor == AN_ACTIVATION_GRADIENT) {
        if (index < 0) {
            read_buffer(plan, plan->input_gradient, false, base->network.input, images, out);
            return ALEXNET_OK;
        }
        const an_cpu_layer *it = &plan->layers[index];
        read_buffer(plan, tensor == AN_ACTIVATION ? it->y : it->dy, it->out_blocked, it->layer->out,
                    images, out);
        return ALEXNET_OK;
    }
    float *all = tensor == AN_PARAMETER  ? plan->parameters
                 : tensor == AN_MOMENTUM ? plan->momentum
                                         : plan->gradients;
    memcpy(out, part(plan, all, index), base->network.parameters[index].count * sizeof *out);
    return ALEXNET_OK;
}

static alexnet_status cpu_write_momentum(an_plan *base, int parameter, const float *values,
                                         alexnet_error *error) {
    (void)error;
    const an_cpu_plan *plan = (const an_cpu_plan *)base;
    memcpy(part(plan, plan->momentum, parameter), values,
           base->network.parameters[parameter].count * sizeof *values);
    return ALEXNET_OK;
}

static an_plan_memory cpu_memory(const an_plan *base) {
    const an_cpu_plan *plan = (const an_cpu_plan *)base;
    return (an_plan_memory){.parameters = plan->parameter_memory.bytes,
                            .gradients = plan->gradient_memory.bytes,
                            .momentum = plan->momentum_memory.bytes,
                            .activations = plan->activation_memory.bytes,
                            .workspace = plan->workspace_memory.bytes};
}

const an_backend an_backend_cpu = {
    .name = "cpu",
    .description = "oneDNN " AN_DNNL_VERSION " and own kernels, on blocked layouts",
    .create = cpu_create,
    .destroy = cpu_destroy,
    .load = cpu_load,
    .forward = cpu_forward,
    .step = cpu_step,
    .read = cpu_read,
    .write_momentum = cpu_write_momentum,
    .memory = cpu_memory,
    .limit = an_cpu_limit,
};
