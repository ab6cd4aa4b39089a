/*
 * Convolutions by cuDNN, with the algorithm that it measures as the fastest. Where the same bits
 * are wanted each time, or nothing can be measured, its heuristics' first that always gives the
 * same bits is taken, so that a plan made anew computes the same. Where it says that it has none (a
 * last window that reaches over the edge, maps in numbers it cannot align) the plain kernels do it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "backend/cuda/trial.h"

/* Of the scale of gradients, what those of weights keep while they are in half. */
static const float kept_scale = AN_HALF_SCALE;

/* Memory for an algorithm at most. */
static const size_t most_workspace = (size_t)1 << 30;

/* How one is computed. */
typedef struct pass {
    bool by_cudnn;
    int algorithm; /* cuDNN's enumerator of the pass */
    cudnnMathType_t math;
    size_t bytes; /* of workspace */
} pass;

struct an_convolution {
    an_device *device;
    an_cuda_window window;
    cudnnTensorDescriptor_t x, y;
    cudnnFilterDescriptor_t w;
    cudnnConvolutionDescriptor_t how;
    cudnnMathType_t math; /* that it was described with */
    pass forward, input, weights;
    size_t rounded_bytes; /* of the weights' gradient in 16 bits, before the algorithm's memory */
};

static cudnnDataType_t type_of(an_number number) {
    return number == AN_NUMBER_BF16   ? CUDNN_DATA_BFLOAT16
           : number == AN_NUMBER_FP16 ? CUDNN_DATA_HALF
                                      : CUDNN_DATA_FLOAT;
}

/* True float32 is to be asked for: by default, products of it may round to TF32's ten bits. */
static cudnnMathType_t math_of(const an_cuda_window *window) {
    return an_has_16_bits(window->number) ? CUDNN_TENSOR_OP_MATH
           : window->tf32                 ? CUDNN_DEFAULT_MATH
                                          : CUDNN_FMA_MATH;
}

static alexnet_status describe(an_convolution *c, alexnet_error *error) {
    const an_cuda_window *w = &c->window;
    const cudnnDataType_t type = type_of(w->number);
    const char *doing = "describing a convolution";
    AN_TRY(an_gpu_check_cudnn(cudnnCreateTensorDescriptor(&c->x), doing, error));
    AN_TRY(an_gpu_check_cudnn(cudnnCreateTensorDescriptor(&c->y), doing, error));
    AN_TRY(an_gpu_check_cudnn(cudnnCreateFilterDescriptor(&c->w), doing, error));
    AN_TRY(an_gpu_check_cudnn(cudnnCreateConvolutionDescriptor(&c->how), doing, error));
    AN_TRY(an_gpu_check_cudnn(cudnnSetTensor4dDescriptor(c->x, CUDNN_TENSOR_NHWC, type, w->images,
                                                         w->in_maps, w->in_height, w->in_width),
                              doing, error));
    AN_TRY(an_gpu_check_cudnn(cudnnSetTensor4dDescriptor(c->y, CUDNN_TENSOR_NHWC, type, w->images,
                                                         w->out_maps, w->out_height, w->out_width),
                              doing, error));
    AN_TRY(
        an_gpu_check_cudnn(cudnnSetFilter4dDescriptor(c->w, type, CUDNN_TENSOR_NHWC, w->out_maps,
                                                      w->in_maps / w->groups, w->kernel, w->kernel),
                           doing, error));
    AN_TRY(an_gpu_check_cudnn(
        cudnnSetConvolution2dDescriptor(c->how, w->pad, w->pad, w->stride, w->stride, 1, 1,
                                        CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
        doing, error));
    AN_TRY(an_gpu_check_cudnn(cudnnSetConvolutionGroupCount(c->how, w->groups), doing, error));
    return an_gpu_check_cudnn(cudnnSetConvolutionMathType(c->how, math_of(w)), doing, error);
}

/* Whether cuDNN's idea of the output's size is the network's. */
static bool same_output(const an_convolution *c) {
    int n, maps, height, width;
    return cudnnGetConvolution2dForwardOutputDim(c->how, c->x, c->w, &n, &maps, &height, &width) ==
               CUDNN_STATUS_SUCCESS &&
           n == c->window.images && maps == c->window.out_maps && height == c->window.out_height &&
           width == c->window.out_width;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* ---- Choosing. */

/* A way that cuDNN proposes for a pass. */
typedef struct proposal {
    cudnnStatus_t status;
    int algorithm;
    cudnnDeterminism_t determinism;
    cudnnMathType_t math;
    size_t bytes;
} proposal;

/* Each algorithm may be measured with two kinds of products. */
enum { most_proposals = 2 * CUDNN_CONVOLUTION_FWD_ALGO_COUNT };

/* What a trial's parts are. */
enum { trial_x, trial_w, trial_y, trial_workspace };

/* What cuDNN calls differently in each pass. */
typedef struct pass_calls {
    const char *name;
    int algorithms;
    /* cuDNN's proposals, the fastest first, as measured in a trial, or, where it is NULL, as its
     * heuristics expect. */
    cudnnStatus_t (*propose)(const an_convolution *c, const an_trial *trial, proposal *out,
                             int *count);
    /* The memory that an algorithm needs; fails where it cannot compute this. */
    cudnnStatus_t (*ask_bytes)(const an_convolution *c, int algorithm, size_t *bytes);
} pass_calls;

/* Ends a `propose`: cuDNN has a type of its own for each pass. */
#define RETURN_PROPOSALS(result, found, count, out)                                                \
    if ((result) != CUDNN_STATUS_SUCCESS)                                                          \
        *(count) = 0;                                                                              \
    for (int i = 0; i < *(count); i++)                                                             \
        (out)[i] = (proposal){(found)[i].status, (int)(found)[i].algo, (found)[i].determinism,     \
                              (found)[i].mathType, (found)[i].memory};                             \
    return result

static cudnnStatus_t propose_forward(const an_convolution *c, const an_trial *t, proposal *out,
                                     int *count) {
    cudnnConvolutionFwdAlgoPerf_t found[most_proposals];
    *count = 0;
    const cudnnStatus_t result =
        t ? cudnnFindConvolutionForwardAlgorithmEx(c->device->cudnn, c->x, t->part[trial_x], c->w,
                                                   t->part[trial_w], c->how, c->y, t->part[trial_y],
                                                   most_proposals, count, found,
                                                   t->part[trial_workspace], most_workspace)
          : cudnnGetConvolutionForwardAlgorithm_v7(c->device->cudnn, c->x, c->w, c->how, c->y,
                                                   most_proposals, count, found);
    RETURN_PROPOSALS(result, found, count, out);
}

static cudnnStatus_t propose_input(const an_convolution *c, const an_trial *t, proposal *out,
                                   int *count) {
    cudnnConvolutionBwdDataAlgoPerf_t found[most_proposals];
    *count = 0;
    const cudnnStatus_t result =
        t ? cudnnFindConvolutionBackwardDataAlgorithmEx(
                c->device->cudnn, c->w, t->part[trial_w], c->y, t->part[trial_y], c->how, c->x,
                t->part[trial_x], most_proposals, count, found, t->part[trial_workspace],
                most_workspace)
          : cudnnGetConvolutionBackwardDataAlgorithm_v7(c->device->cudnn, c->w, c->y, c->how, c->x,
                                                        most_proposals, count, found);
    RETURN_PROPOSALS(result, found, count, out);
}

static cudnnStatus_t propose_weights(const an_convolution *c, const an_trial *t, proposal *out,
                                     int *count) {
    cudnnConvolutionBwdFilterAlgoPerf_t found[most_proposals];
    *count = 0;
    const cudnnStatus_t result =
        t ? cudnnFindConvolutionBackwardFilterAlgorithmEx(
                c->device->cudnn, c->x, t->part[trial_x], c->y, t->part[trial_y], c->how, c->w,
                t->part[trial_w], most_proposals, count, found, t->part[trial_workspace],
                most_workspace)
          : cudnnGetConvolutionBackwardFilterAlgorithm_v7(c->device->cudnn, c->x, c->y, c->how,
                                                          c->w, most_proposals, count, found);
    RETURN_PROPOSALS(result, found, count, out);
}

static cudnnStatus_t ask_forward_bytes(const an_convolution *c, int algorithm, size_t *bytes) {
    return cudnnGetConvolutionForwardWorkspaceSize(c->device->cudnn, c->x, c->w, c->how, c->y,
                                                   (cudnnConvolutionFwdAlgo_t)algorithm, bytes);
}

static cudnnStatus_t ask_input_bytes(const an_convolution *c, int algorithm, size_t *bytes) {
    return cudnnGetConvolutionBackwardDataWorkspaceSize(c->device->cudnn, c->w, c->y, c->how, c->x,
                                                        (cudnnConvolutionBwdDataAlgo_t)algorithm,
                                                        bytes);
}

static cudnnStatus_t ask_weights_bytes(const an_convolution *c, int algorithm, size_t *bytes) {
    return cudnnGetConvolutionBackwardFilterWorkspaceSize(
        c->device->cudnn, c->x, c->y, c->how, c->w, (cudnnConvolutionBwdFilterAlgo_t)algorithm,
        bytes);
}

static const pass_calls passes[] = {
    {"forward", CUDNN_CONVOLUTION_FWD_ALGO_COUNT, propose_forward, ask_forward_bytes},
    {"input", CUDNN_CONVOLUTION_BWD_DATA_ALGO_COUNT, propose_input, ask_input_bytes},
    {"weights", CUDNN_CONVOLUTION_BWD_FILTER_ALGO_COUNT, propose_weights, ask_weights_bytes},
};

enum { pass_count = sizeof passes / sizeof *passes };

/* Of true float32 no product may be rounded. */
static bool is_exact_enough(const an_convolution *c, cudnnMathType_t math) {
    return c->math != CUDNN_FMA_MATH || math == CUDNN_FMA_MATH;
}

/* What a pass needs at least, as cuDNN says it of these products; fails where it cannot do it so,
 * or not in the memory that there may be. */
static bool fits(const an_convolution *c, const pass_calls *calls, pass *it) {
    size_t bytes = 0;
    if (cudnnSetConvolutionMathType(c->how, it->math) != CUDNN_STATUS_SUCCESS)
        return false;
    const cudnnStatus_t result = calls->ask_bytes(c, it->algorithm, &bytes);
    (void)cudnnSetConvolutionMathType(c->how, c->math);
    it->bytes = larger(it->bytes, bytes);
    it->by_cudnn = result == CUDNN_STATUS_SUCCESS && it->bytes <= most_workspace;
    return it->by_cudnn;
}

static cudnnStatus_t take_first(const an_convolution *c, const pass_calls *calls,
                                const an_trial *trial, pass *out) {
    proposal found[most_proposals];
    int count;
    const cudnnStatus_t result = calls->propose(c, trial, found, &count);
    for (int i = 0; i < count && !out->by_cudnn; i++) {
        const proposal *it = &found[i];
        pass way = {.algorithm = it->algorithm, .math = it->math, .bytes = it->bytes};
        if (it->status == CUDNN_STATUS_SUCCESS && is_exact_enough(c, it->math) &&
            (trial || it->determinism == CUDNN_DETERMINISTIC) && fits(c, calls, &way))
            *out = way;
    }
    return result;
}

static void name_pass(const an_convolution *c, const pass_calls *calls, char out[AN_TUNING_TEXT]) {
    const an_cuda_window *w = &c->window;
    snprintf(out, AN_TUNING_TEXT,
             "convolution %s: numbers %d, products %d, %d x %dx%dx%d to %dx%dx%d, kernel %d, "
             "stride %d, pad %d, groups %d",
             calls->name, (int)w->number, (int)c->math, w->images, w->in_height, w->in_width,
             w->in_maps, w->out_height, w->out_width, w->out_maps, w->kernel, w->stride, w->pad,
             w->groups);
}

/* What was measured before, if cuDNN still takes it. */
static bool recall(const an_convolution *c, const pass_calls *calls, pass *out) {
    char what[AN_TUNING_TEXT];
    an_way way;
    name_pass(c, calls, what);
    if (!an_tuning_find(c->device->tuning, what, &way) || way.size != 2 ||
        way.name[0] >= calls->algorithms)
        return false;
    pass known = {
        .algorithm = way.name[0], .math = (cudnnMathType_t)way.name[1], .bytes = way.workspace};
    if (!is_exact_enough(c, known.math) || !fits(c, calls, &known))
        return false;
    *out = known;
    return true;
}

static void remember(const an_convolution *c, const pass_calls *calls, const pass *it) {
    char what[AN_TUNING_TEXT];
    const an_way way = {
        .name = {(uint8_t)it->algorithm, (uint8_t)it->math}, .size = 2, .workspace = it->bytes};
    name_pass(c, calls, what);
    an_tuning_add(c->device->tuning, what, &way);
}

static bool begin_trial(const an_convolution *c, an_trial *trial) {
    size_t bytes[AN_TRIAL_PARTS] = {[trial_workspace] = most_workspace};
    return cudnnGetTensorSizeInBytes(c->x, &bytes[trial_x]) == CUDNN_STATUS_SUCCESS &&
           cudnnGetTensorSizeInBytes(c->y, &bytes[trial_y]) == CUDNN_STATUS_SUCCESS &&
           cudnnGetFilterSizeInBytes(c->w, &bytes[trial_w]) == CUDNN_STATUS_SUCCESS &&
           an_trial_begin(trial, c->device, bytes);
}

/* The passes that are not known yet, by measuring; what cannot be measured is left. */
static void measure(an_convolution *c, pass *const chosen[]) {
    an_trial trial;
    bool known = true;
    for (int p = 0; p < pass_count; p++)
        known &= !chosen[p] || recall(c, &passes[p], chosen[p]);
    if (known || !begin_trial(c, &trial))
        return;
    for (int p = 0; p < pass_count; p++)
        if (chosen[p] && !chosen[p]->by_cudnn) {
            (void)take_first(c, &passes[p], &trial, chosen[p]);
            if (chosen[p]->by_cudnn)
                remember(c, &passes[p], chosen[p]);
        }
    an_trial_end(&trial);
}

/* Whether cuDNN says that it has no way, rather than that something is wrong with it. */
static bool has_none(cudnnStatus_t result) {
    const int category = CUDNN_STATUS_CATEGORY(result);
    return result != CUDNN_STATUS_NOT_SUPPORTED_SUBLIBRARY_UNAVAILABLE &&
           (category == CUDNN_STATUS_NOT_SUPPORTED || category == CUDNN_STATUS_BAD_PARAM);
}

static alexnet_status choose(an_convolution *c, const an_convolution_spec *spec, bool deterministic,
                             alexnet_error *error) {
    pass *const chosen[pass_count] = {&c->forward, spec->input_gradient ? &c->input : NULL,
                                      spec->weight_gradient ? &c->weights : NULL};
    if (!deterministic)
        measure(c, chosen);
    for (int p = 0; p < pass_count; p++)
        if (chosen[p] && !chosen[p]->by_cudnn) {
            const cudnnStatus_t result = take_first(c, &passes[p], NULL, chosen[p]);
            if (!has_none(result))
                AN_TRY(an_gpu_check_cudnn(result, "choosing how to convolve", error));
        }
    return ALEXNET_OK;
}

/* Describes it and chooses how its passes are computed, in a convolution that holds nothing yet. */
static alexnet_status prepare(an_convolution *c, const an_convolution_spec *spec,
                              bool deterministic, alexnet_error *error) {
    AN_TRY(describe(c, error));
    AN_TRY(an_gpu_check_cudnn(cudnnGetConvolutionMathType(c->how, &c->math),
                              "describing a convolution", error));
    return same_output(c) ? choose(c, spec, deterministic, error) : ALEXNET_OK;
}

alexnet_status an_convolution_new(an_device *device, const an_convolution_spec *spec,
                                  bool deterministic, an_convolution **out, size_t *workspace,
                                  alexnet_error *error) {
    *out = NULL;
    *workspace = 0;
    an_convolution *c = calloc(1, sizeof *c);
    if (!c)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory to describe a convolution");
    c->device = device;
    c->window = spec->window;
    const alexnet_status status = prepare(c, spec, deterministic, error);
    if (status != ALEXNET_OK) {
        an_convolution_free(c);
        return status;
    }
    /* Whole portions of 256 bytes, so that what comes behind is aligned. */
    if (spec->weight_gradient && an_has_16_bits(c->window.number))
        c->rounded_bytes = (2 * an_window_weights(&c->window) + 255) / 256 * 256;
    *workspace =
        larger(larger(c->forward.bytes, c->input.bytes), c->rounded_bytes + c->weights.bytes);
    *out = c;
    return ALEXNET_OK;
}

void an_convolution_free(an_convolution *c) {
    if (!c)
        return;
    if (c->x)
        cudnnDestroyTensorDescriptor(c->x);
    if (c->y)
        cudnnDestroyTensorDescriptor(c->y);
    if (c->w)
        cudnnDestroyFilterDescriptor(c->w);
    if (c->how)
        cudnnDestroyConvolutionDescriptor(c->how);
    free(c);
}

/* Passes may differ in the products that they take. */
static alexnet_status select_math(an_convolution *c, const pass *it, alexnet_error *error) {
    return an_gpu_check_cudnn(cudnnSetConvolutionMathType(c->how, it->math),
                              "preparing a convolution", error);
}

alexnet_status an_convolution_forward(an_convolution *c, const void *x, const void *w, void *y,
                                      void *workspace, alexnet_error *error) {
    const float one = 1, zero = 0;
    if (c->forward.by_cudnn) {
        AN_TRY(select_math(c, &c->forward, error));
        return an_gpu_check_cudnn(
            cudnnConvolutionForward(c->device->cudnn, &one, c->x, x, c->w, w, c->how,
                                    (cudnnConvolutionFwdAlgo_t)c->forward.algorithm, workspace,
                                    c->forward.bytes, &zero, c->y, y),
            "convolving", error);
    }
    const an_cuda_conv plain = {.window = c->window, .x = x, .w = w, .y = y};
    return an_device_conv(c->device, &plain, an_window_outputs(&c->window), error);
}

alexnet_status an_convolution_input(an_convolution *c, const void *w, const void *dy, void *dx,
                                    void *workspace, alexnet_error *error) {
    const float one = 1, zero = 0;
    if (c->input.by_cudnn) {
        AN_TRY(select_math(c, &c->input, error));
        return an_gpu_check_cudnn(
            cudnnConvolutionBackwardData(c->device->cudnn, &one, c->w, w, c->y, dy, c->how,
                                         (cudnnConvolutionBwdDataAlgo_t)c->input.algorithm,
                                         workspace, c->input.bytes, &zero, c->x, dx),
            "computing the gradient of a convolution's input", error);
    }
    const an_cuda_conv_input plain = {.window = c->window, .w = w, .dy = dy, .y = dx};
    return an_device_conv_input(c->device, &plain, an_window_inputs(&c->window), error);
}

alexnet_status an_convolution_weights(an_convolution *c, const void *x, const void *dy, float *dw,
                                      void *workspace, alexnet_error *error) {
    const float kept = c->window.number == AN_NUMBER_FP16 ? kept_scale : 1;
    const float left = kept / an_gradient_scale(c->window.number, c->window.images), zero = 0;
    if (!c->weights.by_cudnn) {
        const an_cuda_conv_weights plain = {.window = c->window, .x = x, .dy = dy, .dw = dw};
        return an_device_conv_weights(c->device, &plain, an_window_weights(&c->window), error);
    }
    void *to = c->rounded_bytes > 0 ? workspace : dw;
    AN_TRY(select_math(c, &c->weights, error));
    AN_TRY(an_gpu_check_cudnn(
        cudnnConvolutionBackwardFilter(c->device->cudnn, &left, c->x, x, c->y, dy, c->how,
                                       (cudnnConvolutionBwdFilterAlgo_t)c->weights.algorithm,
                                       (char *)workspace + c->rounded_bytes, c->weights.bytes,
                                       &zero, c->w, to),
        "computing the gradient of a convolution's weights", error));
    const an_cuda_cast widen = {.from = to,
                                .to = dw,
                                .from_number = c->window.number,
                                .to_number = AN_NUMBER_FLOAT,
                                .factor = 1 / kept};
    return to == dw ? ALEXNET_OK
                    : an_device_cast(c->device, &widen, an_window_weights(&c->window), error);
}
