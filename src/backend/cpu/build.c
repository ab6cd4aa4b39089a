/* What a plan decides once: layouts, fusions and buffers. */
#include "backend/cpu/plan.h"

static int add_buffer(an_cpu_plan *plan, size_t count) {
    plan->buffers[plan->buffer_count].count = count;
    return plan->buffer_count++;
}

/* Hands out buffers for tensors of which each is made from the one before: new ones, or two in turn
 * that grow to the largest. */
typedef struct supply {
    an_cpu_plan *plan;
    bool share;
    int pair[2]; /* -1: not there yet */
    int turn;
} supply;

static int next_buffer(supply *from, size_t count) {
    if (!from->share)
        return add_buffer(from->plan, count);
    from->turn = !from->turn;
    int *buffer = &from->pair[from->turn];
    if (*buffer < 0)
        *buffer = add_buffer(from->plan, 0);
    if (from->plan->buffers[*buffer].count < count)
        from->plan->buffers[*buffer].count = count;
    return *buffer;
}

static size_t image_count(const an_cpu_plan *plan, an_shape shape, bool blocked, int images) {
    return blocked ? an_blocked_count(plan->kernels, shape, images)
                   : (size_t)images * an_shape_count(shape);
}

static size_t tensor_count(const an_cpu_plan *plan, an_shape shape, bool blocked) {
    return image_count(plan, shape, blocked, plan->base.options.batch);
}

static bool is_type(const an_cpu_plan *plan, int l, an_layer_type type) {
    return l >= 0 && l < plan->base.network.layer_count &&
           plan->base.network.layers[l].spec.type == type;
}

/* Average pooling to the size that is there already. */
static bool is_identity(const an_layer *layer) {
    return layer->spec.type == AN_ADAPTIVE_AVG_POOL && layer->in.h == layer->out.h &&
           layer->in.w == layer->out.w;
}

/* Whether the layer above a ReLU takes its input from below it and does both: one pass over memory
 * less in each direction. oneDNN could do it in convolutions, but turns NaN into 0 there, and so
 * would hide that training has gone astray. */
static bool done_above(const an_cpu_plan *plan, int l) {
    return is_type(plan, l + 1, AN_MAX_POOL) ||
           (is_type(plan, l + 1, AN_LRN) &&
            an_lrn_fits(plan->kernels, &plan->base.network.layers[l + 1]));
}

/* Whether the pooling above a normalisation does it, too. */
static bool pools_above(const an_cpu_plan *plan, int l) {
    const an_layer *layers = plan->base.network.layers;
    return !plan->base.options.observe && is_type(plan, l, AN_LRN) &&
           is_type(plan, l + 1, AN_MAX_POOL) &&
           an_lrn_pool_fits(plan->kernels, &layers[l], &layers[l + 1]);
}

/* What layer l does itself, and in which layout it takes its input; `blocked` is what comes. */
static void choose_work(an_cpu_plan *plan, int l, bool blocked) {
    an_cpu_layer *it = &plan->layers[l];
    const bool fuse = !plan->base.options.observe;
    it->in_blocked = blocked;
    switch (it->layer->spec.type) {
    case AN_CONV:
        it->in_blocked = l > 0;
        it->relu = fuse && is_type(plan, l + 1, AN_RELU) && !done_above(plan, l + 1) && l > 0 &&
                   an_conv_does_relu(plan->kernels, it->layer);
        break;
    case AN_FC:
        it->in_blocked = false;
        it->relu = fuse && is_type(plan, l + 1, AN_RELU);
        break;
    case AN_RELU:
        it->skip_backward = fuse && done_above(plan, l);
        it->skip = it->skip_backward || (l > 0 && plan->layers[l - 1].relu);
        break;
    case AN_MAX_POOL:
        it->in_blocked = true;
        it->through_relu = fuse && is_type(plan, l - 1, AN_RELU);
        if (pools_above(plan, l - 1)) {
            it->lrn = it[-1].layer;
            it->through_relu = it[-1].through_relu;
        }
        break;
    case AN_LRN:
    case AN_LRN_WITHIN:
        it->reference = !an_lrn_fits(plan->kernels, it->layer);
        it->in_blocked = !it->reference;
        it->through_relu = fuse && !it->reference && is_type(plan, l - 1, AN_RELU);
        it->skip = it->skip_backward = pools_above(plan, l);
        break;
    case AN_ADAPTIVE_AVG_POOL:
        it->skip = it->skip_backward = is_identity(it->layer);
        it->reference = true;
        it->in_blocked = it->skip && blocked;
        break;
    case AN_DROPOUT:
        it->in_blocked = false;
        it->skip = !plan->base.options.training && !it->layer->spec.scale_at_test;
        break;
    }
    it->out_blocked = it->layer->spec.type == AN_CONV || it->in_blocked;
}

static bool works_in_place(const an_cpu_plan *plan, const an_cpu_layer *it) {
    const an_layer_type type = it->layer->spec.type;
    return !plan->base.options.observe && (type == AN_RELU || type == AN_DROPOUT);
}

static void choose_all_work(an_cpu_plan *plan) {
    const an_network *network = &plan->base.network;
    bool blocked = false;
    for (int l = 0; l < network->layer_count; l++) {
        an_cpu_layer *it = &plan->layers[l];
        *it = (an_cpu_layer){.layer = &network->layers[l],
                             .converted = -1,
                             .scale = -1,
                             .dy = -1,
                             .dx = -1,
                             .dconverted = -1};
        choose_work(plan, l, blocked);
        blocked = it->out_blocked;
    }
}

/* Whether a layer's output has a buffer that its input has not. */
static bool makes_tensor(const an_cpu_plan *plan, int l) {
    const an_cpu_layer *it = &plan->layers[l];
    return l == 0 || !(it->skip || works_in_place(plan, it));
}

/* Floats of the front's maps that are meant to stay in the caches of each thread. */
enum { front_floats = 1 << 18 };

/* The layers below the second with weights, for inference, where all of them are kernels for
 * blocked maps that take as few images as they are given. */
static void choose_front(an_cpu_plan *plan) {
    const an_plan_options *options = &plan->base.options;
    const an_layer *layers = plan->base.network.layers;
    plan->front = 0;
    plan->portion = options->batch;
    if (options->training || options->observe || !an_first_fits(&layers[0]))
        return;
    int front = 1;
    while (front < plan->base.network.layer_count && layers[front].weight < 0 &&
           plan->layers[front].in_blocked && plan->layers[front].out_blocked &&
           !plan->layers[front].reference)
        front++;
    const size_t maps = tensor_count(plan, layers[0].out, true) / options->batch;
    const int threads = options->threads,
              each = front_floats / maps < 1 ? 1 : (int)(front_floats / maps);
    plan->front = front;
    plan->portion = each * threads < options->batch ? each * threads : options->batch;
}

/* The last layer of the front that makes a tensor, which all others read: the batch's. */
static int last_of_front(const an_cpu_plan *plan) {
    int l = plan->front - 1;
    while (l >= 0 && !makes_tensor(plan, l))
        l--;
    return l;
}

/* Buffers of the activations, first layer to last. */
static void place_activations(an_cpu_plan *plan) {
    const an_plan_options *options = &plan->base.options;
    supply portions = {plan, true, {-1, -1}, 0};
    supply batches = {plan, !options->training && !options->observe, {-1, -1}, 0};
    int current = -1;
    bool blocked = false;
    for (int l = 0; l < plan->base.network.layer_count; l++) {
        an_cpu_layer *it = &plan->layers[l];
        const bool inside = l < last_of_front(plan);
        if (it->in_blocked != blocked)
            current = it->converted =
                next_buffer(&batches, tensor_count(plan, it->layer->in, it->in_blocked));
        it->x = current;
        if (makes_tensor(plan, l))
            current = next_buffer(inside ? &portions : &batches,
                                  image_count(plan, it->layer->out, it->out_blocked,
                                              inside ? plan->portion : options->batch));
        it->y = current;
        if (it->reference && it->layer->spec.type != AN_ADAPTIVE_AVG_POOL)
            it->scale = add_buffer(plan, tensor_count(plan, it->layer->in, false));
        blocked = it->out_blocked;
    }
}

/* Buffers of their gradients, last layer to first. */
static void place_gradients(an_cpu_plan *plan) {
    const an_plan_options *options = &plan->base.options;
    supply gradients = {plan, !options->observe, {-1, -1}, 0};
    const an_cpu_layer *last = &plan->layers[plan->base.network.layer_count - 1];
    int current = next_buffer(&gradients, tensor_count(plan, last->layer->out, last->out_blocked));
    for (int l = plan->base.network.layer_count - 1; l >= 0; l--) {
        an_cpu_layer *it = &plan->layers[l];
        it->dy = current;
        if (l == 0 && !options->observe)
            break;
        if (!it->skip_backward && !works_in_place(plan, it))
            current = next_buffer(&gradients, tensor_count(plan, it->layer->in, it->in_blocked));
        it->dx = current;
        if (it->converted >= 0)
            current = it->dconverted =
                next_buffer(&gradients, tensor_count(plan, it->layer->in, !it->in_blocked));
    }
    plan->input_gradient = options->observe ? current : -1;
}

/* Whether a layer's input may be negative: not where it comes from a ReLU, through layers that
 * change no sign. */
static bool takes_signed(const an_cpu_plan *plan, int l) {
    do
        l--;
    while (is_type(plan, l, AN_DROPOUT) || is_type(plan, l, AN_MAX_POOL) ||
           is_type(plan, l, AN_LRN) || is_type(plan, l, AN_LRN_WITHIN) ||
           is_type(plan, l, AN_ADAPTIVE_AVG_POOL));
    return !is_type(plan, l, AN_RELU);
}

/* Makes the layers that have weights. */
static alexnet_status make_weighted(an_cpu_plan *plan, alexnet_error *error) {
    const an_plan_options *options = &plan->base.options;
    for (int l = 0; l < plan->base.network.layer_count; l++) {
        an_cpu_layer *it = &plan->layers[l];
        if (it->layer->spec.type == AN_FC)
            it->fc = an_fc_make(plan->kernels, it->layer,
                                &(an_fc_options){.images = options->batch,
                                                 .training = options->training,
                                                 .signed_input = takes_signed(plan, l),
                                                 .brief = options->brief,
                                                 .precision = options->precision});
        if (it->layer->spec.type != AN_CONV)
            continue;
        const an_conv_options how = {.images = options->batch,
                                     .threads = options->threads,
                                     .plain_input = !it->in_blocked,
                                     .training = options->training,
                                     .input_gradient = it->dx >= 0,
                                     .signed_input = takes_signed(plan, l),
                                     .precision = options->precision};
        AN_TRY(an_conv_make(&it->conv, &plan->dnnl, plan->kernels, it->layer, &how, error));
    }
    return ALEXNET_OK;
}

alexnet_status an_cpu_build(an_cpu_plan *plan, alexnet_error *error) {
    plan->input_gradient = -1;
    choose_all_work(plan);
    choose_front(plan);
    place_activations(plan);
    if (plan->base.options.training)
        place_gradients(plan);
    AN_TRY(make_weighted(plan, error));
    const an_cpu_layer *first = &plan->layers[0];
    const bool fills_up = plan->base.options.batch > 1 && first->layer->spec.type == AN_CONV &&
                          an_conv_takes_whole_batches(&first->conv);
    plan->staging =
        fills_up ? add_buffer(plan, tensor_count(plan, plan->base.network.input, false)) : -1;
    return ALEXNET_OK;
}
