/* What a plan decides once: layouts, buffers, memory, and the operations of its layers. */
#include "backend/cuda/plan.h"

#include <string.h>

static size_t number_bytes(an_number number) {
    return an_has_16_bits(number) ? 2 : 4;
}

static an_number number_of(an_precision precision) {
    return precision == AN_BF16   ? AN_NUMBER_BF16
           : precision == AN_FP16 ? AN_NUMBER_FP16
                                  : AN_NUMBER_FLOAT;
}

static bool is_type(const an_cuda_plan *plan, int l, an_layer_type type) {
    return l >= 0 && l < plan->base.network.layer_count &&
           plan->base.network.layers[l].spec.type == type;
}

/* Whether normalising is done by the pooling above, forward and backward (kernels/lrn_pool.h). */
static bool pooled_above(const an_cuda_plan *plan, int l) {
    if (!is_type(plan, l, AN_LRN) || !is_type(plan, l + 1, AN_MAX_POOL))
        return false;
    const an_layer *layer = &plan->base.network.layers[l], *above = layer + 1;
    const an_cuda_lrn lrn = {.tower = layer->in.c / layer->spec.towers,
                             .size = layer->spec.size,
                             .beta = layer->spec.beta};
    const an_cuda_max_pool pool = {.kernel = above->spec.kernel, .stride = above->spec.stride};
    return an_lrn_pool_fits(&lrn, &pool);
}

/* Layers that work element by element, or that another one does, and so in place where nobody
 * observes. */
static bool in_place(const an_cuda_plan *plan, int l) {
    return !plan->base.options.observe && l > 0 &&
           (is_type(plan, l, AN_RELU) || is_type(plan, l, AN_DROPOUT) || pooled_above(plan, l));
}

/* ---- Buffers. */

static int add_buffer(an_cuda_plan *plan, size_t bytes) {
    plan->buffer_bytes[plan->buffer_count] = bytes;
    return plan->buffer_count++;
}

/* Hands out buffers for tensors of which each is made from the one before: new ones, or two in turn
 * that grow to the largest. */
typedef struct supply {
    bool share;
    int pair[2]; /* -1: not there yet */
    int turn;
} supply;

static int next_buffer(an_cuda_plan *plan, supply *from, size_t bytes) {
    if (!from->share)
        return add_buffer(plan, bytes);
    from->turn = !from->turn;
    int *buffer = &from->pair[from->turn];
    if (*buffer < 0)
        *buffer = add_buffer(plan, 0);
    if (plan->buffer_bytes[*buffer] < bytes)
        plan->buffer_bytes[*buffer] = bytes;
    return *buffer;
}

static size_t tensor_bytes(const an_cuda_plan *plan, an_shape shape, int maps, an_number number) {
    return (size_t)plan->base.options.batch * (size_t)maps * (size_t)shape.h * (size_t)shape.w *
           number_bytes(number);
}

/* Tensor cores read 16 bytes of a pixel's maps at once; of the picture's three there are too few,
 * so that zeros are added where a convolution of one group follows. */
static int stored_input_maps(const an_cuda_plan *plan) {
    const an_network *network = &plan->base.network;
    const bool convolves = is_type(plan, 0, AN_CONV) && network->layers[0].spec.groups == 1;
    const int at_once = 16 / (int)number_bytes(plan->number);
    return plan->base.options.precision != AN_FP32 && convolves
               ? (network->input.c + at_once - 1) / at_once * at_once
               : network->input.c;
}

/* Whether a convolution's bias and ReLU, or a product's ReLU, are done by the layer above them,
 * which reads and writes every pixel, or unit, anyway. */
static bool done_above(const an_cuda_plan *plan, int l) {
    if (!is_type(plan, l + 1, AN_RELU) || !in_place(plan, l + 1))
        return false;
    return is_type(plan, l, AN_FC)
               ? is_type(plan, l + 2, AN_DROPOUT)
               : is_type(plan, l, AN_CONV) &&
                     (is_type(plan, l + 2, AN_MAX_POOL) || is_type(plan, l + 2, AN_LRN));
}

/* Which layer does what. */
static void choose_work(an_cuda_plan *plan, int l) {
    an_cuda_layer *it = &plan->layers[l];
    const bool weighs = is_type(plan, l, AN_CONV) || is_type(plan, l, AN_FC);
    const bool pooled = is_type(plan, l, AN_LRN) && in_place(plan, l);
    it->bare = done_above(plan, l);
    it->relu = weighs && !it->bare && is_type(plan, l + 1, AN_RELU) && in_place(plan, l + 1);
    it->done = pooled || (l > 0 && (plan->layers[l - 1].relu || plan->layers[l - 1].bare));
    it->undone = pooled || (l > 0 && plan->layers[l - 1].bare);
    it->norm = is_type(plan, l - 1, AN_LRN) && plan->layers[l - 1].done ? l - 1 : -1;
    it->entry = l > 1 && plan->layers[l - 2].bare ? plan->base.network.layers[l - 2].bias : -1;
}

static void choose_forward(an_cuda_plan *plan) {
    const an_network *network = &plan->base.network;
    supply outputs = {.share = !plan->base.options.training && !plan->base.options.observe,
                      .pair = {-1, -1}};
    plan->input_maps = stored_input_maps(plan);
    plan->input =
        add_buffer(plan, tensor_bytes(plan, network->input, plan->input_maps, plan->number));
    int x = plan->input, maps = plan->input_maps;
    for (int l = 0; l < network->layer_count; l++) {
        an_cuda_layer *it = &plan->layers[l];
        const bool last = l == network->layer_count - 1;
        it->layer = &network->layers[l];
        it->in_maps = maps;
        /* The loss is computed of float32. */
        it->number = last && is_type(plan, l, AN_FC) ? AN_NUMBER_FLOAT : plan->number;
        maps = it->layer->out.c;
        it->x = x;
        it->y =
            in_place(plan, l)
                ? x
                : next_buffer(plan, &outputs, tensor_bytes(plan, it->layer->out, maps, it->number));
        choose_work(plan, l);
        x = it->y;
    }
}

static void choose_backward(an_cuda_plan *plan) {
    const an_network *network = &plan->base.network;
    const bool observe = plan->base.options.observe;
    supply gradients = {.share = !observe, .pair = {-1, -1}};
    const int last = network->layer_count - 1;
    int dy = next_buffer(
        plan, &gradients,
        tensor_bytes(plan, network->layers[last].out, network->layers[last].out.c, plan->number));
    for (int l = last; l >= 0; l--) {
        an_cuda_layer *it = &plan->layers[l];
        it->dy = dy;
        if (in_place(plan, l))
            it->dx = dy;
        else if (l > 0 || observe)
            it->dx = next_buffer(plan, &gradients,
                                 tensor_bytes(plan, it->layer->in, it->in_maps, plan->number));
        else
            it->dx = -1;
        dy = it->dx;
    }
    plan->input_gradient = plan->layers[0].dx;
}

/* ---- Operations. */

static void need_workspace(an_cuda_plan *plan, size_t bytes) {
    if (plan->workspace_bytes < bytes)
        plan->workspace_bytes = bytes;
}

static alexnet_status prepare_convolution(an_cuda_plan *plan, an_cuda_layer *it,
                                          alexnet_error *error) {
    const an_layer *layer = it->layer;
    const bool training = plan->base.options.training;
    const an_convolution_spec spec = {.window = {.number = plan->number,
                                                 .images = plan->base.options.batch,
                                                 .in_maps = it->in_maps,
                                                 .in_height = layer->in.h,
                                                 .in_width = layer->in.w,
                                                 .out_maps = layer->out.c,
                                                 .out_height = layer->out.h,
                                                 .out_width = layer->out.w,
                                                 .kernel = layer->spec.kernel,
                                                 .stride = layer->spec.stride,
                                                 .pad = layer->spec.pad,
                                                 .groups = layer->spec.groups,
                                                 .tf32 = plan->base.options.precision == AN_TF32},
                                      .input_gradient = training && it->dx >= 0,
                                      .weight_gradient = training};
    size_t bytes;
    AN_TRY(an_convolution_new(plan->device, &spec, plan->base.options.deterministic,
                              &it->convolution, &bytes, error));
    need_workspace(plan, bytes);
    return ALEXNET_OK;
}

static alexnet_status prepare_product(an_cuda_plan *plan, const an_product_spec *spec,
                                      an_product **out, alexnet_error *error) {
    size_t bytes;
    AN_TRY(
        an_product_new(plan->device, spec, plan->base.options.deterministic, out, &bytes, error));
    need_workspace(plan, bytes);
    return ALEXNET_OK;
}

/* y (N, O) = x w^T; dx (N, I) = dy w; dw (O, I) = dy^T x. */
static alexnet_status prepare_fully_connected(an_cuda_plan *plan, an_cuda_layer *it,
                                              alexnet_error *error) {
    const int images = plan->base.options.batch, units = it->layer->out.c;
    const int inputs = it->in_maps * it->layer->in.h * it->layer->in.w;
    const bool tf32 = plan->base.options.precision == AN_TF32;
    const an_product_spec forward = {.rows = images,
                                     .columns = units,
                                     .depth = inputs,
                                     .b_turned = true,
                                     .bias = true,
                                     .tf32 = tf32,
                                     .in = plan->number,
                                     .out = it->number,
                                     .factor = 1};
    const an_product_spec input = {.rows = images,
                                   .columns = inputs,
                                   .depth = units,
                                   .tf32 = tf32,
                                   .in = plan->number,
                                   .out = plan->number,
                                   .factor = 1};
    const an_product_spec weights = {.rows = units,
                                     .columns = inputs,
                                     .depth = images,
                                     .a_turned = true,
                                     .tf32 = tf32,
                                     .in = plan->number,
                                     .out = AN_NUMBER_FLOAT,
                                     .factor = 1 / plan->gradient_scale};
    AN_TRY(prepare_product(plan, &forward, &it->forward, error));
    if (!plan->base.options.training)
        return ALEXNET_OK;
    AN_TRY(prepare_product(plan, &input, &it->input, error));
    return prepare_product(plan, &weights, &it->weights, error);
}

static alexnet_status prepare_layers(an_cuda_plan *plan, alexnet_error *error) {
    for (int l = 0; l < plan->base.network.layer_count; l++) {
        if (is_type(plan, l, AN_CONV))
            AN_TRY(prepare_convolution(plan, &plan->layers[l], error));
        if (is_type(plan, l, AN_FC))
            AN_TRY(prepare_fully_connected(plan, &plan->layers[l], error));
    }
    an_device_keep_tuning(plan->device);
    return ALEXNET_OK;
}

/* ---- Parameters. */

static size_t at_least(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Where each parameter lies, and what carries the largest tensors in and out. */
static void place_parameters(an_cuda_plan *plan) {
    const an_network *network = &plan->base.network;
    const size_t images = (size_t)plan->base.options.batch;
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *parameter = &network->parameters[i];
        const an_cuda_layer *it = &plan->layers[parameter->layer];
        const size_t maps = parameter->is_bias ? 1 : (size_t)it->layer->in.c;
        const size_t stored_maps = parameter->is_bias ? 1 : (size_t)it->in_maps;
        plan->stored[i] = parameter->count / maps * stored_maps;
        plan->begin[i] = plan->stored_floats;
        plan->stored_floats +=
            (plan->stored[i] + AN_CUDA_ALIGNMENT - 1) / AN_CUDA_ALIGNMENT * AN_CUDA_ALIGNMENT;
        plan->plain_floats = at_least(plan->plain_floats, parameter->count);
    }
    if (plan->base.options.observe)
        plan->plain_floats = at_least(plan->plain_floats, images * an_shape_count(network->input));
    for (int l = 0; l < network->layer_count; l++) {
        const an_shape out = network->layers[l].out;
        const bool leaves = plan->base.options.observe || l == network->layer_count - 1;
        if (leaves)
            plan->plain_floats = at_least(plan->plain_floats, images * an_shape_count(out));
        const uint32_t parts = an_row_parts((uint32_t)(images * (size_t)out.h * (size_t)out.w));
        const size_t sums = (parts + an_row_parts(parts)) * (size_t)out.c;
        if (plan->base.options.training && network->layers[l].bias >= 0)
            plan->bias_floats = at_least(plan->bias_floats, sums);
    }
}

/* ---- Memory. */

static void want(an_cuda_plan *plan, an_cuda_use use, void *pointer, size_t bytes) {
    plan->parts[use][plan->part_count[use]++] = (an_cuda_part){pointer, bytes};
}

#define WANT(use, member, count) want(plan, (use), &plan->member, (count) * sizeof *plan->member)

/* A batch as floats, or as pictures, which are larger where they are small. */
static size_t arrival_bytes(const an_cuda_plan *plan) {
    const an_shape shape = plan->base.network.input;
    const size_t floats = an_shape_count(shape) * sizeof(float);
    const size_t picture = an_picture_bytes((size_t)shape.h, (size_t)shape.w);
    return (size_t)plan->base.options.batch * at_least(floats, picture);
}

static void list_memory(an_cuda_plan *plan) {
    const size_t images = (size_t)plan->base.options.batch, floats = plan->stored_floats;
    const bool training = plan->base.options.training;
    WANT(AN_CUDA_PARAMETERS_USE, parameters, floats);
    WANT(AN_CUDA_PARAMETERS_USE, rounded, an_has_16_bits(plan->number) ? floats : 0);
    WANT(AN_CUDA_GRADIENTS_USE, gradients, training ? floats : 0);
    WANT(AN_CUDA_MOMENTUM_USE, momentum, training ? floats : 0);
    for (int b = 0; b < plan->buffer_count; b++)
        want(plan, AN_CUDA_ACTIVATIONS_USE, &plan->buffers[b], plan->buffer_bytes[b]);
    for (int l = 0; l < plan->base.network.layer_count; l++) {
        const size_t outputs = images * an_shape_count(plan->base.network.layers[l].out);
        WANT(AN_CUDA_ACTIVATIONS_USE, layers[l].place,
             training && is_type(plan, l, AN_MAX_POOL) ? outputs : 0);
        WANT(AN_CUDA_ACTIVATIONS_USE, layers[l].base,
             is_type(plan, l, AN_LRN_WITHIN) ? outputs : 0);
    }
    const size_t input = arrival_bytes(plan);
    want(plan, AN_CUDA_ACTIVATIONS_USE, &plan->arrival[0], input);
    want(plan, AN_CUDA_ACTIVATIONS_USE, &plan->arrival[1], input);
    WANT(AN_CUDA_WORKSPACE_USE, plain, plan->plain_floats);
    WANT(AN_CUDA_WORKSPACE_USE, bias_parts, plan->bias_floats);
    WANT(AN_CUDA_WORKSPACE_USE, labels, images);
    WANT(AN_CUDA_WORKSPACE_USE, second, images);
    WANT(AN_CUDA_WORKSPACE_USE, ranks, images);
    WANT(AN_CUDA_WORKSPACE_USE, losses, images);
    WANT(AN_CUDA_WORKSPACE_USE, state, 1);
    WANT(AN_CUDA_WORKSPACE_USE, outcome, 1);
    want(plan, AN_CUDA_WORKSPACE_USE, &plan->workspace, plan->workspace_bytes);
}

/* Parts begin at multiples of what cuDNN and CUDA's own allocations have. */
static size_t aligned(size_t bytes) {
    return (bytes + 255) / 256 * 256;
}

static alexnet_status refuse(const an_cuda_plan *plan, size_t needed, size_t available,
                             alexnet_error *error) {
    const size_t images = (size_t)plan->base.options.batch;
    const size_t each = plan->bytes[AN_CUDA_ACTIVATIONS_USE] / images + 1;
    const size_t fixed = needed - plan->bytes[AN_CUDA_ACTIVATIONS_USE];
    const size_t fitting = available > fixed ? (available - fixed) / each : 0;
    if (fitting < 1)
        return an_fail(error, ALEXNET_NO_MEMORY,
                       "%s takes %.2f GB of the GPU's memory, of which %.2f GB are free",
                       plan->base.network.arch->name, (double)needed / 1e9,
                       (double)available / 1e9);
    return an_fail(error, ALEXNET_NO_MEMORY,
                   "%s with batch %zu takes %.2f GB of the GPU's memory, of which %.2f GB are "
                   "free; about --batch %zu would fit",
                   plan->base.network.arch->name, images, (double)needed / 1e9,
                   (double)available / 1e9, fitting);
}

static alexnet_status take_memory(an_cuda_plan *plan, alexnet_error *error) {
    size_t needed = 0, all, available;
    for (int use = 0; use < AN_CUDA_USES; use++) {
        for (int p = 0; p < plan->part_count[use]; p++)
            plan->bytes[use] += aligned(plan->parts[use][p].bytes);
        needed += plan->bytes[use];
    }
    an_device_memory(plan->device, &all, &available);
    if (needed > available)
        return refuse(plan, needed, available, error);
    AN_TRY(an_device_take(plan->device, needed, &plan->block, error));
    char *next = plan->block;
    for (int use = 0; use < AN_CUDA_USES; use++)
        for (int p = 0; p < plan->part_count[use]; p++) {
            const an_cuda_part *part = &plan->parts[use][p];
            void *place = part->bytes > 0 ? next : NULL;
            memcpy(part->pointer, &place, sizeof place);
            next += aligned(part->bytes);
        }
    return ALEXNET_OK;
}

alexnet_status an_cuda_build(an_cuda_plan *plan, alexnet_error *error) {
    plan->number = number_of(plan->base.options.precision);
    plan->gradient_scale = an_gradient_scale(plan->number, plan->base.options.batch);
    plan->input_gradient = -1;
    choose_forward(plan);
    if (plan->base.options.training)
        choose_backward(plan);
    place_parameters(plan);
    AN_TRY(prepare_layers(plan, error));
    const size_t labels = 2 * (size_t)plan->base.options.batch * sizeof(int32_t);
    for (int i = 0; i < 2; i++)
        AN_TRY(an_feed_new(plan->device, &plan->feed[i], error));
    for (int i = 0; plan->base.options.training && i < AN_STEPS_UNDER_WAY; i++)
        AN_TRY(an_exchange_new(plan->device, sizeof(an_cuda_letter) + labels, &plan->exchange[i],
                               error));
    list_memory(plan);
    return take_memory(plan, error);
}
