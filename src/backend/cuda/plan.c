/* The plans' side of the backend contract: what comes in, what goes out, and a step. */
#include "backend/cuda/plan.h"

#include <string.h>

#include "core/memory.h"
#include "core/random.h"

static void free_usual(const an_cuda_usual *usual) {
    for (int i = 0; i < 2; i++)
        an_recording_free(usual->recording[i]);
}

static void cuda_destroy(an_plan *base) {
    an_cuda_plan *plan = (an_cuda_plan *)base;
    if (plan->device) /* steps may be under way */
        (void)an_device_wait(plan->device, NULL);
    for (int l = 0; l < AN_MAX_LAYERS; l++) {
        an_convolution_free(plan->layers[l].convolution);
        an_product_free(plan->layers[l].forward);
        an_product_free(plan->layers[l].input);
        an_product_free(plan->layers[l].weights);
    }
    for (int i = 0; i < 2; i++) {
        free_usual(&plan->steps[i]);
        free_usual(&plan->forwards[i]);
        an_feed_free(plan->feed[i]);
    }
    for (int i = 0; i < AN_STEPS_UNDER_WAY; i++)
        an_exchange_free(plan->exchange[i]);
    if (plan->block)
        an_device_give(plan->device, plan->block);
    an_device_close(plan->device);
    an_free(plan);
}

/* The precision, or float32 where the device cannot. */
static an_precision possible(const an_device *device, an_precision precision) {
    const bool young = precision == AN_BF16 || precision == AN_TF32;
    return precision == AN_INT8 || (young && !an_device_has_bf16(device)) ? AN_FP32 : precision;
}

static alexnet_status cuda_create(const an_network *network, const an_plan_options *options,
                                  an_plan **out, alexnet_error *error) {
    void *block;
    alexnet_status status;
    if (options->training && options->precision == AN_INT8)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "int8 is for inference; train with --precision fp32, tf32, bf16 or fp16");
    AN_TRY(an_alloc(&block, 1, sizeof(an_cuda_plan), "plan", error));
    an_cuda_plan *plan = block;
    plan->base =
        (an_plan){.backend = &an_backend_cuda_plan, .network = *network, .options = *options};
    AN_TRY_CLEANUP(an_device_open(&plan->device, error));
    plan->base.options.precision = possible(plan->device, options->precision);
    AN_TRY_CLEANUP(an_cuda_build(plan, error));
    *out = &plan->base;
    return ALEXNET_OK;
cleanup:
    cuda_destroy(&plan->base);
    return status;
}

/* ---- Tensors in and out. */

/* A parameter between the contract's layout, in plan->plain, and the device's. */
static an_cuda_maps parameter_maps(const an_cuda_plan *plan, int index) {
    const an_parameter *parameter = &plan->base.network.parameters[index];
    const an_cuda_layer *it = &plan->layers[parameter->layer];
    const int groups = it->layer->spec.type == AN_CONV ? it->layer->spec.groups : 1;
    an_cuda_maps maps = {.maps = 1, .stored = 1, .places = (int)parameter->count};
    if (parameter->is_bias)
        return maps;
    const bool convolves = it->layer->spec.type == AN_CONV;
    const int side = it->layer->spec.kernel;
    maps.maps = it->layer->in.c / groups;
    maps.stored = it->in_maps / groups;
    maps.places = convolves ? side * side : it->layer->in.h * it->layer->in.w;
    return maps;
}

/* Takes a parameter-like tensor in: `all` is parameters, momentum or gradients. */
static alexnet_status write_parameter(an_cuda_plan *plan, int index, const float *values,
                                      float *all, alexnet_error *error) {
    an_cuda_maps maps = parameter_maps(plan, index);
    const size_t bytes = plan->base.network.parameters[index].count * sizeof *values;
    maps.from = plan->plain;
    maps.to = all + plan->begin[index];
    AN_TRY(an_device_write(plan->device, plan->plain, values, bytes, error));
    return an_device_maps_last(plan->device, &maps, plan->stored[index], error);
}

static alexnet_status read_parameter(an_cuda_plan *plan, int index, const float *all, float *out,
                                     alexnet_error *error) {
    an_cuda_maps maps = parameter_maps(plan, index);
    const size_t count = plan->base.network.parameters[index].count;
    maps.from = all + plan->begin[index];
    maps.to = plan->plain;
    AN_TRY(an_device_maps_first(plan->device, &maps, count, error));
    return an_device_read(plan->device, out, plan->plain, count * sizeof *out, error);
}

/* An activation of the batch, or its gradient, of `stored` maps, into plan->plain as the contract
 * has it. */
static alexnet_status unfold(an_cuda_plan *plan, const void *from, an_number number, an_shape shape,
                             int stored, alexnet_error *error) {
    const an_cuda_maps maps = {.from = from,
                               .to = plan->plain,
                               .from_number = number,
                               .maps = shape.c,
                               .stored = stored,
                               .places = shape.h * shape.w};
    return an_device_maps_first(plan->device, &maps,
                                (size_t)plan->base.options.batch * an_shape_count(shape), error);
}

static alexnet_status read_activation(an_cuda_plan *plan, const void *from, an_number number,
                                      an_shape shape, int stored, float *out,
                                      alexnet_error *error) {
    const size_t count = (size_t)plan->base.options.batch * an_shape_count(shape);
    AN_TRY(unfold(plan, from, number, shape, stored, error));
    return an_device_read(plan->device, out, plan->plain, count * sizeof *out, error);
}

/* The gradient of an activation, without the scale that it has on the device. */
static alexnet_status read_activation_gradient(an_cuda_plan *plan, int buffer, an_shape shape,
                                               int stored, float *out, alexnet_error *error) {
    const size_t images = (size_t)plan->base.options.batch;
    AN_TRY(read_activation(plan, plan->buffers[buffer], plan->number, shape, stored, out, error));
    for (size_t i = 0; i < images * an_shape_count(shape); i++)
        out[i] /= plan->gradient_scale;
    return ALEXNET_OK;
}

/* ---- Inputs. */

static size_t input_bytes(const an_cuda_plan *plan, int images) {
    return (size_t)images * an_shape_count(plan->base.network.input) * sizeof(float);
}

static size_t picture_bytes(const an_cuda_plan *plan) {
    const an_shape shape = plan->base.network.input;
    return an_picture_bytes((size_t)shape.h, (size_t)shape.w);
}

/* Where an input may be copied to: where none waits to be read, and rather not where the last step
 * reads; where two wait, over the one that was announced first. */
static int free_slot(const an_cuda_plan *plan) {
    const int other = !plan->slot;
    if (plan->staged[0] && plan->staged[1])
        return !plan->newest;
    return plan->staged[other] ? plan->slot : other;
}

/* Begins to copy an input beside what is computed. */
static alexnet_status send_input(an_cuda_plan *plan, const void *input, size_t bytes,
                                 alexnet_error *error) {
    const int slot = free_slot(plan);
    plan->staged[slot] = NULL;
    plan->newest = slot;
    AN_TRY(an_feed_begin(plan->feed[slot], plan->arrival[slot], input, bytes, error));
    plan->staged[slot] = input;
    return ALEXNET_OK;
}

/* Where a whole batch comes from, whichever it is, and its bytes. */
static const void *batch_of(const an_cuda_plan *plan, const float *input,
                            const an_picture *pictures, size_t *bytes) {
    const int images = plan->base.options.batch;
    *bytes = pictures ? (size_t)images * picture_bytes(plan) : input_bytes(plan, images);
    return pictures ? (const void *)pictures : input;
}

static void cuda_stage(an_plan *base, const float *input, const an_picture *pictures) {
    an_cuda_plan *plan = (an_cuda_plan *)base;
    size_t bytes;
    const void *from = batch_of(plan, input, pictures, &bytes);
    (void)send_input(plan, from, bytes, NULL);
}

static void cuda_pin(an_plan *base, void *memory, size_t bytes, bool pinned) {
    an_device_pin(((an_cuda_plan *)base)->device, memory, bytes, pinned);
}

/* Sees to it that the input is in arrival[slot] for what is enqueued next: there is a copy of it on
 * the way, or one is begun now. */
static alexnet_status await_input(an_cuda_plan *plan, const void *input, size_t bytes,
                                  alexnet_error *error) {
    const int older = !plan->newest;
    int slot = plan->staged[older] == input ? older : plan->newest;
    if (plan->staged[slot] != input) {
        AN_TRY(send_input(plan, input, bytes, error));
        slot = plan->newest;
    }
    plan->slot = slot;
    plan->staged[slot] = NULL;
    return an_feed_wait(plan->feed[slot], error);
}

static alexnet_status take_pictures(const an_cuda_plan *plan, alexnet_error *error) {
    const an_shape shape = plan->base.network.input;
    const an_cuda_pictures pictures = {.from = plan->arrival[plan->slot],
                                       .to = plan->buffers[plan->input],
                                       .bytes = picture_bytes(plan),
                                       .number = plan->number,
                                       .stored = plan->input_maps,
                                       .rows = shape.h,
                                       .columns = shape.w};
    return an_device_pictures(plan->device, &pictures,
                              (size_t)plan->base.options.batch * (size_t)shape.h * (size_t)shape.w,
                              error);
}

/* The input from where it arrived into its buffer. */
static alexnet_status take_input(an_cuda_plan *plan, alexnet_error *error) {
    if (plan->pictures)
        return take_pictures(plan, error);
    const an_shape shape = plan->base.network.input;
    const an_cuda_maps maps = {.from = plan->arrival[plan->slot],
                               .to = plan->buffers[plan->input],
                               .to_number = plan->number,
                               .maps = shape.c,
                               .stored = plan->input_maps,
                               .places = shape.h * shape.w};
    return an_device_maps_last(plan->device, &maps,
                               (size_t)plan->base.options.batch * (size_t)plan->input_maps *
                                   (size_t)shape.h * (size_t)shape.w,
                               error);
}

/* ---- Parameters. */

/* Rounds all parameters for the products to read. */
static alexnet_status round_parameters(an_cuda_plan *plan, alexnet_error *error) {
    const an_cuda_cast round = {
        .from = plan->parameters, .to = plan->rounded, .to_number = plan->number, .factor = 1};
    return plan->rounded ? an_device_cast(plan->device, &round, plan->stored_floats, error)
                         : ALEXNET_OK;
}

static alexnet_status cuda_load(an_plan *base, const an_weights *weights, alexnet_error *error) {
    an_cuda_plan *plan = (an_cuda_plan *)base;
    for (int i = 0; i < base->network.parameter_count; i++) {
        const float *values;
        AN_TRY(an_weights_tensor(weights, i, &values, error));
        AN_TRY(write_parameter(plan, i, values, plan->parameters, error));
        an_weights_release(weights, i);
    }
    AN_TRY(round_parameters(plan, error));
    if (!plan->momentum)
        return ALEXNET_OK;
    return an_device_clear(plan->device, plan->momentum,
                           plan->stored_floats * sizeof *plan->momentum, error);
}

/* ---- Recording what is usual. */

/* Enqueues something. */
typedef alexnet_status work(an_cuda_plan *plan, const an_step *step, an_step_result *result,
                            alexnet_error *error);

/* A recording of it; NULL where it cannot be recorded. */
static an_recording *record(an_cuda_plan *plan, work *enqueue, const an_step *step,
                            an_step_result *result) {
    an_recording *recording;
    if (an_device_record(plan->device, NULL) != ALEXNET_OK)
        return NULL;
    const alexnet_status enqueued = enqueue(plan, step, result, NULL);
    if (an_device_recorded(plan->device, &recording, NULL) == ALEXNET_OK && enqueued == ALEXNET_OK)
        return recording;
    an_recording_free(recording);
    return NULL;
}

/* The second time it is recorded, when the libraries have made their own preparations and the
 * kernels are loaded, and from then on replayed. Where that fails it is enqueued each time. */
static alexnet_status run_usual(an_cuda_plan *plan, an_cuda_usual *usual, work *enqueue,
                                const an_step *step, an_step_result *result, alexnet_error *error) {
    an_recording **recording = &usual->recording[plan->slot];
    if (usual->times++ > 0 && !*recording && !plan->unrecordable) {
        *recording = record(plan, enqueue, step, result);
        plan->unrecordable = !*recording;
    }
    return *recording ? an_device_replay(plan->device, *recording, error)
                      : enqueue(plan, step, result, error);
}

/* ---- Forward. */

/* From an input that has arrived to the batch's logits in plan->plain. */
static alexnet_status enqueue_forward(an_cuda_plan *plan, const an_step *step,
                                      an_step_result *result, alexnet_error *error) {
    (void)result;
    const an_cuda_layer *last = &plan->layers[plan->base.network.layer_count - 1];
    AN_TRY(take_input(plan, error));
    AN_TRY(an_cuda_run_forward(plan, step, error));
    return unfold(plan, plan->buffers[last->y], last->number, last->layer->out, last->layer->out.c,
                  error);
}

/* An input of which nobody has said that it would come, and that is read before the program goes
 * on, takes the shortest way into an inference plan: in the stream. */
static bool comes_by_itself(const an_cuda_plan *plan) {
    return !plan->base.options.training && !plan->staged[0] && !plan->staged[1];
}

static alexnet_status forward(an_cuda_plan *plan, const void *batch, size_t bytes, int images,
                              float *logits, alexnet_error *error) {
    const bool usual = !plan->base.options.training && !plan->base.options.times;
    AN_TRY(comes_by_itself(plan)
               ? an_device_write(plan->device, plan->arrival[plan->slot], batch, bytes, error)
               : await_input(plan, batch, bytes, error));
    AN_TRY(
        usual ? run_usual(plan, &plan->forwards[plan->pictures], enqueue_forward, NULL, NULL, error)
              : enqueue_forward(plan, NULL, NULL, error));
    /* That waits for all of it, so that no copy need be told when its use is done. */
    return an_device_read(plan->device, logits, plan->plain,
                          (size_t)images * (size_t)plan->base.network.classes * sizeof *logits,
                          error);
}

/* Of a smaller batch, what else is in the buffers is computed too, and not looked at. */
static alexnet_status cuda_forward(an_plan *base, const float *input, int images, float *logits,
                                   alexnet_error *error) {
    an_cuda_plan *plan = (an_cuda_plan *)base;
    plan->pictures = false;
    return forward(plan, input, input_bytes(plan, images), images, logits, error);
}

static alexnet_status cuda_forward_pictures(an_plan *base, const an_picture *pictures, int images,
                                            float *logits, alexnet_error *error) {
    an_cuda_plan *plan = (an_cuda_plan *)base;
    plan->pictures = true;
    return forward(plan, pictures, (size_t)images * picture_bytes(plan), images, logits, error);
}

/* ---- A step. */

/* What step `number` takes along. Its memory is free: the step that had it before is finished. */
static an_cuda_letter *letter_of(const an_cuda_plan *plan, uint64_t number) {
    return an_exchange_memory(plan->exchange[number % AN_STEPS_UNDER_WAY]);
}

static alexnet_status send(const an_cuda_plan *plan, void *to, const void *part, size_t bytes,
                           alexnet_error *error) {
    return an_exchange_send(plan->exchange[plan->base.begun % AN_STEPS_UNDER_WAY], to, part, bytes,
                            error);
}

static alexnet_status write_state(an_cuda_plan *plan, const an_step *step, an_step_result *result,
                                  alexnet_error *error) {
    const size_t images = (size_t)plan->base.options.batch;
    an_cuda_state *state = &letter_of(plan, plan->base.begun)->state;
    *state = (an_cuda_state){.seed = step->seed,
                             .position = step->position,
                             .epoch = step->epoch,
                             .purpose = AN_RANDOM_DROPOUT,
                             .dropout = !step->no_dropout,
                             .mixed = step->second_labels != NULL,
                             .momentum = step->momentum,
                             .share = (float)step->share,
                             .smoothing = (float)step->smoothing};
    for (size_t n = 0; n < images; n++)
        state->counted += step->labels[n] >= 0;
    result->counted = state->counted;
    for (int i = 0; step->updates && i < plan->base.network.parameter_count; i++) {
        state->learning_rate[i] = step->updates[i].learning_rate;
        state->weight_decay[i] = step->updates[i].weight_decay;
    }
    return send(plan, plan->state, state, sizeof *state, error);
}

static alexnet_status write_labels(an_cuda_plan *plan, const an_step *step, alexnet_error *error) {
    const size_t images = (size_t)plan->base.options.batch;
    const size_t bytes = images * sizeof *step->labels;
    int32_t *labels = letter_of(plan, plan->base.begun)->labels, *second = labels + images;
    memcpy(labels, step->labels, bytes);
    AN_TRY(send(plan, plan->labels, labels, bytes, error));
    if (!step->second_labels)
        return ALEXNET_OK;
    memcpy(second, step->second_labels, bytes);
    return send(plan, plan->second, second, bytes, error);
}

static alexnet_status compute_loss(an_cuda_plan *plan, alexnet_error *error) {
    const an_cuda_layer *last = &plan->layers[plan->base.network.layer_count - 1];
    const an_cuda_loss loss = {.logits = plan->buffers[last->y],
                               .dlogits = plan->buffers[last->dy],
                               .labels = plan->labels,
                               .second = plan->second,
                               .losses = plan->losses,
                               .ranks = plan->ranks,
                               .state = plan->state,
                               .number = plan->number,
                               .scale = plan->gradient_scale,
                               .classes = plan->base.network.classes};
    const an_cuda_tally tally = {.losses = plan->losses,
                                 .ranks = plan->ranks,
                                 .state = plan->state,
                                 .outcome = plan->outcome,
                                 .images = plan->base.options.batch};
    AN_TRY(an_device_loss(plan->device, &loss, (size_t)plan->base.options.batch, error));
    return an_device_tally(plan->device, &tally, 1, error);
}

/* The caller's gradient of the logits in the place of the loss's. */
static alexnet_status take_logit_gradient(an_cuda_plan *plan, const float *gradient,
                                          alexnet_error *error) {
    const an_cuda_layer *last = &plan->layers[plan->base.network.layer_count - 1];
    const size_t count = (size_t)plan->base.options.batch * (size_t)plan->base.network.classes;
    const an_cuda_cast cast = {.from = plan->plain,
                               .to = plan->buffers[last->dy],
                               .to_number = plan->number,
                               .factor = plan->gradient_scale};
    AN_TRY(an_device_write(plan->device, plan->plain, gradient, count * sizeof *gradient, error));
    return an_device_cast(plan->device, &cast, count, error);
}

static alexnet_status update(an_cuda_plan *plan, alexnet_error *error) {
    an_cuda_update arguments = {.parameters = plan->parameters,
                                .momentum = plan->momentum,
                                .gradients = plan->gradients,
                                .rounded = plan->rounded,
                                .number = plan->number,
                                .state = plan->state,
                                .count = plan->base.network.parameter_count};
    memcpy(arguments.begin, plan->begin, sizeof arguments.begin);
    return an_device_update(plan->device, &arguments, plan->stored_floats / 8, error);
}

/* Enqueues all that happens in a step. */
static alexnet_status enqueue_step(an_cuda_plan *plan, const an_step *step, an_step_result *result,
                                   alexnet_error *error) {
    AN_TRY(take_input(plan, error));
    AN_TRY(an_cuda_run_forward(plan, step, error));
    AN_TRY(compute_loss(plan, error));
    if (step->logit_gradient)
        AN_TRY(take_logit_gradient(plan, step->logit_gradient, error));
    AN_TRY(an_cuda_run_backward(plan, step, error));
    /* gradient_ready may have changed the updates; the state that was sent before has arrived,
     * since gradients have been read. */
    if (step->gradient_ready)
        AN_TRY(write_state(plan, step, result, error));
    if (!step->updates)
        return ALEXNET_OK;
    double begun = an_timing_begin(&plan->base);
    AN_TRY(update(plan, error));
    if (plan->base.options.times)
        AN_TRY(an_device_wait(plan->device, error));
    /* One kernel updates all parameters: it counts as the first one's. */
    an_timing_end(&plan->base, AN_TIMED_UPDATE, plan->base.network.parameters[0].layer, begun);
    return ALEXNET_OK;
}

/* Whether a step is like any other: nobody looks on or takes part. */
static bool is_usual(const an_cuda_plan *plan, const an_step *step) {
    return step->updates && !step->gradient_ready && !step->logit_gradient &&
           !plan->base.options.times;
}

static alexnet_status run_step(an_cuda_plan *plan, const an_step *step, an_step_result *result,
                               alexnet_error *error) {
    return is_usual(plan, step)
               ? run_usual(plan, &plan->steps[plan->pictures], enqueue_step, step, result, error)
               : enqueue_step(plan, step, result, error);
}

/* State, labels and outcome have one place each on the device, though the step before may still
 * need them: they are copied in the stream, which gets to them when it is done with that step. */
static alexnet_status cuda_step(an_plan *base, const an_step *step, an_step_result *result,
                                alexnet_error *error) {
    an_cuda_plan *plan = (an_cuda_plan *)base;
    size_t bytes;
    const void *batch = batch_of(plan, step->input, step->pictures, &bytes);
    an_cuda_letter *letter = letter_of(plan, base->begun);
    *result = (an_step_result){0};
    AN_TRY(write_state(plan, step, result, error));
    AN_TRY(write_labels(plan, step, error));
    plan->pictures = step->pictures != NULL;
    AN_TRY(await_input(plan, batch, bytes, error));
    AN_TRY(run_step(plan, step, result, error));
    AN_TRY(an_feed_done(plan->feed[plan->slot], error));
    AN_TRY(an_exchange_fetch(plan->exchange[base->begun % AN_STEPS_UNDER_WAY], &letter->outcome,
                             plan->outcome, sizeof letter->outcome, error));
    /* From here on the input may change. That waits for no computing but the step's that had the
     * same place before, two steps ago as a rule. */
    return an_feed_landed(plan->feed[plan->slot], error);
}

static alexnet_status cuda_finish(an_plan *base, an_step_result *result, alexnet_error *error) {
    const an_cuda_plan *plan = (const an_cuda_plan *)base;
    const an_cuda_outcome *outcome = &letter_of(plan, base->finished)->outcome;
    AN_TRY(an_exchange_wait(plan->exchange[base->finished % AN_STEPS_UNDER_WAY], error));
    result->loss = (double)outcome->loss;
    result->correct = outcome->correct;
    result->correct5 = outcome->correct5;
    return ALEXNET_OK;
}

alexnet_status an_cuda_report_gradient(an_cuda_plan *plan, const an_step *step, int parameter,
                                       alexnet_error *error) {
    if (parameter < 0 || !step->gradient_ready)
        return ALEXNET_OK;
    const size_t count = plan->base.network.parameters[parameter].count;
    void *block;
    AN_TRY(an_reserve(&block, count, sizeof(float), "a gradient", error));
    float *gradient = block;
    alexnet_status status = read_parameter(plan, parameter, plan->gradients, gradient, error);
    if (status == ALEXNET_OK) {
        step->gradient_ready(step->context, parameter, gradient, count);
        status = write_parameter(plan, parameter, gradient, plan->gradients, error);
    }
    an_free(block);
    return status;
}

/* ---- Reading and writing. */

static alexnet_status cuda_read(an_plan *base, an_tensor tensor, int index, float *out,
                                alexnet_error *error) {
    an_cuda_plan *plan = (an_cuda_plan *)base;
    const an_network *network = &base->network;
    switch (tensor) {
    case AN_PARAMETER:
        return read_parameter(plan, index, plan->parameters, out, error);
    case AN_MOMENTUM:
        return read_parameter(plan, index, plan->momentum, out, error);
    case AN_PARAMETER_GRADIENT:
        return read_parameter(plan, index, plan->gradients, out, error);
    case AN_ACTIVATION: {
        const an_cuda_layer *it = &plan->layers[index];
        return read_activation(plan, plan->buffers[it->y], it->number, it->layer->out,
                               it->layer->out.c, out, error);
    }
    case AN_ACTIVATION_GRADIENT:
        if (index < 0)
            return read_activation_gradient(plan, plan->input_gradient, network->input,
                                            plan->input_maps, out, error);
        return read_activation_gradient(plan, plan->layers[index].dy, network->layers[index].out,
                                        network->layers[index].out.c, out, error);
    }
    return ALEXNET_OK;
}

static alexnet_status cuda_write_momentum(an_plan *base, int parameter, const float *values,
                                          alexnet_error *error) {
    an_cuda_plan *plan = (an_cuda_plan *)base;
    return write_parameter(plan, parameter, values, plan->momentum, error);
}

static an_plan_memory cuda_memory(const an_plan *base) {
    const an_cuda_plan *plan = (const an_cuda_plan *)base;
    return (an_plan_memory){.parameters = plan->bytes[AN_CUDA_PARAMETERS_USE],
                            .gradients = plan->bytes[AN_CUDA_GRADIENTS_USE],
                            .momentum = plan->bytes[AN_CUDA_MOMENTUM_USE],
                            .activations = plan->bytes[AN_CUDA_ACTIVATIONS_USE],
                            .workspace = plan->bytes[AN_CUDA_WORKSPACE_USE]};
}

const an_backend an_backend_cuda_plan = {
    .name = "cuda",
    .description = "NVIDIA GPUs, by cuDNN, cuBLASLt and own kernels",
    .create = cuda_create,
    .destroy = cuda_destroy,
    .load = cuda_load,
    .forward = cuda_forward,
    .forward_pictures = cuda_forward_pictures,
    .step = cuda_step,
    .finish = cuda_finish,
    .read = cuda_read,
    .write_momentum = cuda_write_momentum,
    .memory = cuda_memory,
    .stage = cuda_stage,
    .pin = cuda_pin,
};
