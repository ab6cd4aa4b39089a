/*
 * Convolutions by cuDNN. Of its algorithms its own heuristics' first that always gives the same
 * bits is taken, so that a plan made anew computes the same; where there is none (a last window
 * that reaches over the edge, maps in numbers it cannot align) the plain kernels do it.
 */
#include <stdlib.h>

#include "backend/cuda/gpu.h"

/* Of the scale of gradients, what those of weights keep while they are in half. */
static const float kept_scale = AN_HALF_SCALE;

/* Memory for an algorithm at most. */
static const size_t most_workspace = (size_t)1 << 30;

/* How one is computed. */
typedef struct pass {
    bool by_cudnn;
    int algorithm; /* cuDNN's enumerator of the pass */
    size_t bytes;  /* of workspace */
} pass;

struct an_convolution {
    an_device *device;
    an_cuda_window window;
    cudnnTensorDescriptor_t x, y;
    cudnnFilterDescriptor_t w;
    cudnnConvolutionDescriptor_t how;
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

/* Takes the first of cuDNN's `count` proposals that will do; they have a type for each pass. */
#define TAKE_FIRST(found, count, pass)                                                             \
    for (int i = 0; i < (count) && !(pass)->by_cudnn; i++)                                         \
        if ((found)[i].status == CUDNN_STATUS_SUCCESS &&                                           \
            (found)[i].determinism == CUDNN_DETERMINISTIC &&                                       \
            (found)[i].memory <= most_workspace) {                                                 \
            (pass)->by_cudnn = true;                                                               \
            (pass)->algorithm = (int)(found)[i].algo;                                              \
            (pass)->bytes = (found)[i].memory;                                                     \
        }

static void choose_forward(an_convolution *c) {
    enum { most = CUDNN_CONVOLUTION_FWD_ALGO_COUNT };
    cudnnConvolutionFwdAlgoPerf_t found[most];
    int count = 0;
    if (cudnnGetConvolutionForwardAlgorithm_v7(c->device->cudnn, c->x, c->w, c->how, c->y, most,
                                               &count, found) == CUDNN_STATUS_SUCCESS)
        TAKE_FIRST(found, count, &c->forward)
}

static void choose_input(an_convolution *c) {
    enum { most = CUDNN_CONVOLUTION_BWD_DATA_ALGO_COUNT };
    cudnnConvolutionBwdDataAlgoPerf_t found[most];
    int count = 0;
    if (cudnnGetConvolutionBackwardDataAlgorithm_v7(c->device->cudnn, c->w, c->y, c->how, c->x,
                                                    most, &count, found) == CUDNN_STATUS_SUCCESS)
        TAKE_FIRST(found, count, &c->input)
}

static void choose_weights(an_convolution *c) {
    enum { most = CUDNN_CONVOLUTION_BWD_FILTER_ALGO_COUNT };
    cudnnConvolutionBwdFilterAlgoPerf_t found[most];
    int count = 0;
    if (cudnnGetConvolutionBackwardFilterAlgorithm_v7(c->device->cudnn, c->x, c->y, c->how, c->w,
                                                      most, &count, found) == CUDNN_STATUS_SUCCESS)
        TAKE_FIRST(found, count, &c->weights)
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

alexnet_status an_convolution_new(an_device *device, const an_cuda_window *window, bool training,
                                  an_convolution **out, size_t *workspace, alexnet_error *error) {
    *out = NULL;
    *workspace = 0;
    an_convolution *c = calloc(1, sizeof *c);
    if (!c)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory to describe a convolution");
    c->device = device;
    c->window = *window;
    const alexnet_status status = describe(c, error);
    if (status != ALEXNET_OK) {
        an_convolution_free(c);
        return status;
    }
    if (same_output(c)) {
        choose_forward(c);
        if (training)
            choose_input(c);
        if (training)
            choose_weights(c);
    }
    /* Whole portions of 256 bytes, so that what comes behind is aligned. */
    if (training && an_has_16_bits(window->number))
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

alexnet_status an_convolution_forward(an_convolution *c, const void *x, const void *w, void *y,
                                      void *workspace, alexnet_error *error) {
    const float one = 1, zero = 0;
    if (c->forward.by_cudnn)
        return an_gpu_check_cudnn(
            cudnnConvolutionForward(c->device->cudnn, &one, c->x, x, c->w, w, c->how,
                                    (cudnnConvolutionFwdAlgo_t)c->forward.algorithm, workspace,
                                    c->forward.bytes, &zero, c->y, y),
            "convolving", error);
    const an_cuda_conv plain = {.window = c->window, .x = x, .w = w, .y = y};
    return an_device_conv(c->device, &plain, an_window_outputs(&c->window), error);
}

alexnet_status an_convolution_input(an_convolution *c, const void *w, const void *dy, void *dx,
                                    void *workspace, alexnet_error *error) {
    const float one = 1, zero = 0;
    if (c->input.by_cudnn)
        return an_gpu_check_cudnn(
            cudnnConvolutionBackwardData(c->device->cudnn, &one, c->w, w, c->y, dy, c->how,
                                         (cudnnConvolutionBwdDataAlgo_t)c->input.algorithm,
                                         workspace, c->input.bytes, &zero, c->x, dx),
            "computing the gradient of a convolution's input", error);
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
