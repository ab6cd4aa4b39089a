/* The entry points of the backend contract: they check what every backend may then rely on. */
#include "backend/backend.h"

#include <string.h>

#include "core/clock.h"
#include "core/threads.h"

alexnet_status an_plan_create(const an_backend *backend, const an_network *network,
                              const an_plan_options *options, an_plan **out, alexnet_error *error) {
    *out = NULL;
    if (options->batch < 1)
        return an_fail(error, ALEXNET_INVALID, "batch %d: it must be at least 1", options->batch);
    if (options->threads < 0)
        return an_fail(error, ALEXNET_INVALID, "threads %d: they must be at least 1, or 0 for all",
                       options->threads);
    if (options->training && network->classes == 0)
        return an_fail(error, ALEXNET_INVALID, "%s cannot be trained without its last layer",
                       network->arch->name);
    an_plan_options filled = *options;
    if (filled.threads == 0)
        filled.threads = an_cpu_count();
    const int previous = an_threads_enter(filled.threads);
    const alexnet_status status = backend->create(network, &filled, out, error);
    an_threads_leave(previous);
    return status;
}

void an_plan_free(an_plan *plan) {
    if (plan)
        plan->backend->destroy(plan);
}

alexnet_status an_plan_load(an_plan *plan, const an_weights *weights, alexnet_error *error) {
    const int previous = an_threads_enter(plan->options.threads);
    const alexnet_status status = plan->backend->load(plan, weights, error);
    an_threads_leave(previous);
    return status;
}

static alexnet_status check_images(const an_plan *plan, int images, alexnet_error *error) {
    return images >= 1 && images <= plan->options.batch
               ? ALEXNET_OK
               : an_fail(error, ALEXNET_INVALID, "%d images in a plan for 1 to %d", images,
                         plan->options.batch);
}

static alexnet_status refuse_pictures(const an_plan *plan, alexnet_error *error) {
    return an_fail(error, ALEXNET_INVALID, "a plan of %s takes no pictures, only floats",
                   plan->backend->name);
}

alexnet_status an_plan_forward(an_plan *plan, const float *input, int images, float *logits,
                               alexnet_error *error) {
    AN_TRY(check_images(plan, images, error));
    const int previous = an_threads_enter(plan->options.threads);
    const alexnet_status status = plan->backend->forward(plan, input, images, logits, error);
    an_threads_leave(previous);
    return status;
}

alexnet_status an_plan_forward_pictures(an_plan *plan, const an_picture *pictures, int images,
                                        float *logits, alexnet_error *error) {
    if (!an_plan_takes_pictures(plan))
        return refuse_pictures(plan, error);
    AN_TRY(check_images(plan, images, error));
    const int previous = an_threads_enter(plan->options.threads);
    const alexnet_status status =
        plan->backend->forward_pictures(plan, pictures, images, logits, error);
    an_threads_leave(previous);
    return status;
}

static alexnet_status check_labels(const an_plan *plan, const an_step *step, alexnet_error *error) {
    const int classes = plan->network.classes;
    for (int i = 0; i < plan->options.batch; i++) {
        const int32_t label = step->labels[i];
        const int32_t second = step->second_labels ? step->second_labels[i] : label;
        if (label >= classes || second >= classes || (label >= 0 && second < 0))
            return an_fail(error, ALEXNET_INVALID, "label %d with %d classes",
                           label >= classes ? label : second, classes);
    }
    return ALEXNET_OK;
}

/* One kind of input, and one that the plan takes. */
static alexnet_status check_input(const an_plan *plan, const an_step *step, alexnet_error *error) {
    if (!step->input == !step->pictures)
        return an_fail(error, ALEXNET_INVALID,
                       "a step is on floats or on pictures: one of them, not %s",
                       step->input ? "both" : "none");
    if (step->pictures && !an_plan_takes_pictures(plan))
        return refuse_pictures(plan, error);
    return ALEXNET_OK;
}

/* The place of a step's result. */
static an_step_result *result_of(an_plan *plan, uint64_t step) {
    return &plan->results[step % AN_STEPS_UNDER_WAY];
}

alexnet_status an_plan_begin(an_plan *plan, const an_step *step, alexnet_error *error) {
    if (!plan->options.training)
        return an_fail(error, ALEXNET_INVALID, "a plan for inference cannot train");
    if (plan->begun - plan->finished == AN_STEPS_UNDER_WAY)
        return an_fail(error, ALEXNET_INVALID,
                       "%d steps are under way, and no more can be; finish one first",
                       AN_STEPS_UNDER_WAY);
    AN_TRY(check_input(plan, step, error));
    AN_TRY(check_labels(plan, step, error));
    const int previous = an_threads_enter(plan->options.threads);
    const alexnet_status status =
        plan->backend->step(plan, step, result_of(plan, plan->begun), error);
    an_threads_leave(previous);
    plan->begun += status == ALEXNET_OK;
    return status;
}

alexnet_status an_plan_finish(an_plan *plan, an_step_result *result, alexnet_error *error) {
    if (plan->finished == plan->begun)
        return an_fail(error, ALEXNET_INVALID, "no step is under way that could be finished");
    an_step_result *found = result_of(plan, plan->finished);
    const alexnet_status status =
        plan->backend->finish ? plan->backend->finish(plan, found, error) : ALEXNET_OK;
    plan->finished++;
    *result = *found;
    return status;
}

bool an_plan_runs_ahead(const an_plan *plan) {
    /* Where layers are timed, each is waited for. */
    return plan->backend->finish && !plan->options.times;
}

alexnet_status an_plan_step(an_plan *plan, const an_step *step, an_step_result *result,
                            alexnet_error *error) {
    if (plan->begun != plan->finished)
        return an_fail(error, ALEXNET_INVALID,
                       "a step is under way; finish it before one that is done at once");
    AN_TRY(an_plan_begin(plan, step, error));
    return an_plan_finish(plan, result, error);
}

bool an_plan_takes_pictures(const an_plan *plan) {
    return plan->backend->forward_pictures;
}

void an_plan_stage(an_plan *plan, const float *input, const an_picture *pictures) {
    if (plan->backend->stage)
        plan->backend->stage(plan, input, pictures);
}

void an_plan_pin(an_plan *plan, void *memory, size_t bytes, bool pinned) {
    if (plan->backend->pin)
        plan->backend->pin(plan, memory, bytes, pinned);
}

alexnet_status an_plan_read(an_plan *plan, an_tensor tensor, int index, float *out,
                            alexnet_error *error) {
    const bool of_layer = tensor == AN_ACTIVATION || tensor == AN_ACTIVATION_GRADIENT;
    const int count = of_layer ? plan->network.layer_count : plan->network.parameter_count;
    if (index < (tensor == AN_ACTIVATION_GRADIENT ? -1 : 0) || index >= count)
        return an_fail(error, ALEXNET_INVALID, "tensor %d of %d asked for", index, count);
    if ((of_layer && !plan->options.observe) ||
        (tensor != AN_ACTIVATION && !plan->options.training))
        return an_fail(error, ALEXNET_INVALID, "this plan does not keep what was asked for");
    const int previous = an_threads_enter(plan->options.threads);
    const alexnet_status status = plan->backend->read(plan, tensor, index, out, error);
    an_threads_leave(previous);
    return status;
}

alexnet_status an_plan_write_momentum(an_plan *plan, int parameter, const float *values,
                                      alexnet_error *error) {
    if (!plan->options.training || parameter < 0 || parameter >= plan->network.parameter_count)
        return an_fail(error, ALEXNET_INVALID, "this plan has no momentum %d", parameter);
    return plan->backend->write_momentum(plan, parameter, values, error);
}

an_plan_memory an_plan_memory_of(const an_plan *plan) {
    return plan->backend->memory(plan);
}

double an_timing_begin(const an_plan *plan) {
    return plan->options.times ? an_seconds() : 0;
}

void an_timing_end(const an_plan *plan, an_timed pass, int layer, double begun) {
    if (plan->options.times)
        plan->options.times->seconds[pass][layer] += an_seconds() - begun;
}

const char *const an_precision_names[] = {"fp32", "tf32", "bf16", "fp16", "int8", NULL};

alexnet_status an_precision_find(const char *name, an_precision *out, alexnet_error *error) {
    for (int i = AN_FP32; i <= AN_INT8; i++)
        if (strcmp(an_precision_names[i], name) == 0) {
            *out = (an_precision)i;
            return ALEXNET_OK;
        }
    return an_fail(error, ALEXNET_INVALID,
                   "there is no precision '%.40s'; there are fp32, tf32, bf16, fp16 and int8",
                   name);
}

const char *an_plan_fallback(const an_plan *plan, an_precision asked) {
    static const struct {
        const char *gpu, *processor;
    } sentences[] = {
        [AN_TF32] = {"this GPU has no TF32 instructions (those of compute capability 8.0 and later "
                     "have); computing in float32",
                     "TF32 is computed on GPUs only; computing in float32"},
        [AN_BF16] = {"this GPU has no bfloat16 instructions (those of compute capability 8.0 and "
                     "later have); computing in float32",
                     "this processor has no instructions for bfloat16 (AVX2 for inference, "
                     "AVX512_BF16 for training); computing in float32"},
        [AN_FP16] = {NULL, "float16 is computed on GPUs only; computing in float32"},
        [AN_INT8] = {"int8 is not computed on GPUs; computing in float32",
                     "this processor has no instructions for int8 (AVX2); computing in float32"},
    };
    if (plan->options.precision == asked)
        return NULL;
    return strcmp(plan->backend->name, "cuda") == 0 ? sentences[asked].gpu
                                                    : sentences[asked].processor;
}
