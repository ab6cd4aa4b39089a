/* The GPU itself: what there is, its memory, its stream, and recordings of what is enqueued. */
#include "backend/cuda/gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cache.h"

/* Compute capability 7.5 and later, as compiled for (CMakeLists.txt); 8.0 for bfloat16, TF32. */
enum { oldest = 75, oldest_with_bf16 = 80 };

alexnet_status an_gpu_check(cudaError_t result, const char *doing, alexnet_error *error) {
    return result == cudaSuccess ? ALEXNET_OK
                                 : an_fail(error, ALEXNET_BACKEND, "GPU: while %s: %s", doing,
                                           cudaGetErrorString(result));
}

/* Of what the caller can do without: that it failed is not to be told by the next launch, too. */
static alexnet_status check_quietly(cudaError_t result, const char *doing, alexnet_error *error) {
    if (result != cudaSuccess)
        (void)cudaGetLastError();
    return an_gpu_check(result, doing, error);
}

alexnet_status an_gpu_check_cudnn(cudnnStatus_t result, const char *doing, alexnet_error *error) {
    return result == CUDNN_STATUS_SUCCESS ? ALEXNET_OK
                                          : an_fail(error, ALEXNET_BACKEND, "cuDNN: while %s: %s",
                                                    doing, cudnnGetErrorString(result));
}

alexnet_status an_gpu_check_cublas(cublasStatus_t result, const char *doing, alexnet_error *error) {
    return result == CUBLAS_STATUS_SUCCESS
               ? ALEXNET_OK
               : an_fail(error, ALEXNET_BACKEND, "cuBLASLt: while %s: %s", doing,
                         cublasLtGetStatusString(result));
}

alexnet_status an_gpu_too_many(alexnet_error *error) {
    return an_fail(error, ALEXNET_INVALID,
                   "a batch of this size has more values than the GPU's kernels can number; take a "
                   "smaller --batch");
}

alexnet_status an_device_probe(alexnet_error *error) {
    int count = 0, major = 0, minor = 0;
    const cudaError_t result = cudaGetDeviceCount(&count);
    if (result == cudaErrorInsufficientDriver)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "the NVIDIA driver is missing, or older than CUDA %d.%d needs; install or "
                       "update it",
                       CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    if (result == cudaErrorNoDevice || (result == cudaSuccess && count == 0))
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "there is no NVIDIA GPU, or CUDA_VISIBLE_DEVICES hides it");
    if (result != cudaSuccess)
        return an_fail(error, ALEXNET_UNSUPPORTED, "the NVIDIA GPU cannot be used: %s",
                       cudaGetErrorString(result));
    AN_TRY(an_gpu_check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0),
                        "asking what it can do", error));
    AN_TRY(an_gpu_check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0),
                        "asking what it can do", error));
    if (10 * major + minor < oldest)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "the GPU has compute capability %d.%d; it takes %d.%d or later", major,
                       minor, oldest / 10, oldest % 10);
    return ALEXNET_OK;
}

static alexnet_status open_libraries(an_device *device, alexnet_error *error) {
    int major = 0, minor = 0;
    AN_TRY(an_gpu_check(cudaSetDevice(device->number), "taking it", error));
    AN_TRY(an_gpu_check(
        cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device->number),
        "asking what it can do", error));
    AN_TRY(an_gpu_check(
        cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device->number),
        "asking what it can do", error));
    device->bf16 = 10 * major + minor >= oldest_with_bf16;
    AN_TRY(an_gpu_check(cudaStreamCreateWithFlags(&device->stream, cudaStreamNonBlocking),
                        "making a stream", error));
    AN_TRY(an_gpu_check(cudaStreamCreateWithFlags(&device->copies, cudaStreamNonBlocking),
                        "making a stream", error));
    AN_TRY(an_gpu_check_cudnn(cudnnCreate(&device->cudnn), "starting", error));
    AN_TRY(an_gpu_check_cudnn(cudnnSetStream(device->cudnn, device->stream), "starting", error));
    return an_gpu_check_cublas(cublasLtCreate(&device->cublas), "starting", error);
}

/* What is known of this card with these libraries; nothing where they do not say what they are. */
static an_tuning *open_tuning(const an_device *device) {
    struct cudaDeviceProp card;
    int driver = 0;
    char text[AN_TUNING_TEXT];
    char *folder;
    if (cudaGetDeviceProperties(&card, device->number) != cudaSuccess ||
        cudaDriverGetVersion(&driver) != cudaSuccess)
        return NULL;
    snprintf(text, sizeof text, "%.80s, %d.%d, driver %d, cuDNN %zu, cuBLASLt %zu", card.name,
             card.major, card.minor, driver, cudnnGetVersion(), cublasLtGetVersion());
    (void)an_cache_folder(&folder, NULL);
    an_tuning *tuning = an_tuning_open(folder, text);
    free(folder);
    return tuning;
}

alexnet_status an_device_open(an_device **out, alexnet_error *error) {
    *out = NULL;
    AN_TRY(an_device_probe(error));
    an_device *device = calloc(1, sizeof *device);
    if (!device)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for the GPU's handles");
    const alexnet_status status = open_libraries(device, error);
    if (status != ALEXNET_OK) {
        an_device_close(device);
        return status;
    }
    device->tuning = open_tuning(device);
    *out = device;
    return ALEXNET_OK;
}

void an_device_close(an_device *device) {
    if (!device)
        return;
    an_tuning_close(device->tuning);
    if (device->cublas)
        cublasLtDestroy(device->cublas);
    if (device->cudnn)
        cudnnDestroy(device->cudnn);
    if (device->copies)
        (void)cudaStreamDestroy(device->copies);
    if (device->stream)
        (void)cudaStreamDestroy(device->stream);
    free(device);
}

bool an_device_has_bf16(const an_device *device) {
    return device->bf16;
}

void an_device_keep_tuning(an_device *device) {
    an_tuning_keep(device->tuning);
}

/* What is left free: kernels and graphs are loaded when they are first used. */
static const size_t for_libraries = (size_t)256 << 20;

void an_device_memory(const an_device *device, size_t *all, size_t *available) {
    (void)device;
    if (cudaMemGetInfo(available, all) != cudaSuccess)
        *available = *all = 0;
    *available -= *available < for_libraries ? *available : for_libraries;
}

alexnet_status an_device_take(an_device *device, size_t bytes, void **out, alexnet_error *error) {
    *out = NULL;
    const cudaError_t result = cudaMalloc(out, bytes);
    if (result == cudaErrorMemoryAllocation) {
        size_t all, available;
        (void)cudaGetLastError(); /* else the next launch would tell of it */
        an_device_memory(device, &all, &available);
        return an_fail(error, ALEXNET_NO_MEMORY,
                       "the GPU has not the %.2f GB that this takes: of its %.2f GB %.2f are free",
                       (double)bytes / 1e9, (double)all / 1e9, (double)available / 1e9);
    }
    AN_TRY(an_gpu_check(result, "taking memory", error));
    return an_device_clear(device, *out, bytes, error);
}

void an_device_give(an_device *device, void *block) {
    (void)device;
    (void)cudaFree(block);
}

alexnet_status an_device_write(an_device *device, void *to, const void *from, size_t bytes,
                               alexnet_error *error) {
    /* Of memory that is not pinned, CUDA takes a copy before it returns, for which it may wait for
     * the stream. */
    return an_gpu_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, device->stream),
                        "copying to it", error);
}

alexnet_status an_device_read(an_device *device, void *to, const void *from, size_t bytes,
                              alexnet_error *error) {
    AN_TRY(an_gpu_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, device->stream),
                        "copying from it", error));
    return an_device_wait(device, error);
}

alexnet_status an_device_clear(an_device *device, void *to, size_t bytes, alexnet_error *error) {
    return an_gpu_check(cudaMemsetAsync(to, 0, bytes, device->stream), "clearing memory", error);
}

alexnet_status an_device_wait(an_device *device, alexnet_error *error) {
    return an_gpu_check(cudaStreamSynchronize(device->stream), "waiting for it", error);
}

/* ---- Copies beside the stream. */

void an_device_pin(an_device *device, void *memory, size_t bytes, bool pinned) {
    if (pinned)
        (void)cudaHostRegister(memory, bytes, cudaHostRegisterDefault);
    else if (cudaStreamSynchronize(device->copies) == cudaSuccess) /* which may still read it */
        (void)cudaHostUnregister(memory);
    (void)cudaGetLastError(); /* it was only advice */
}

/* Of events for which a program waits: it sleeps, and leaves the core to those who decode pictures;
 * the GPU has the next step at hand meanwhile. */
enum { sleeping = cudaEventDisableTiming | cudaEventBlockingSync };

struct an_feed {
    an_device *device;
    cudaEvent_t arrived; /* in `copies` */
    cudaEvent_t used;    /* in `stream` */
};

alexnet_status an_feed_new(an_device *device, an_feed **out, alexnet_error *error) {
    *out = NULL;
    an_feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for the GPU's handles");
    feed->device = device;
    cudaError_t result = cudaEventCreateWithFlags(&feed->arrived, sleeping);
    if (result == cudaSuccess)
        result = cudaEventCreateWithFlags(&feed->used, cudaEventDisableTiming);
    if (result != cudaSuccess) {
        an_feed_free(feed);
        return an_gpu_check(result, "making an event", error);
    }
    *out = feed;
    return ALEXNET_OK;
}

void an_feed_free(an_feed *feed) {
    if (!feed)
        return;
    /* What is under way would otherwise write into memory that is given back. */
    (void)cudaStreamSynchronize(feed->device->copies);
    if (feed->arrived)
        (void)cudaEventDestroy(feed->arrived);
    if (feed->used)
        (void)cudaEventDestroy(feed->used);
    free(feed);
}

alexnet_status an_feed_begin(an_feed *feed, void *to, const void *from, size_t bytes,
                             alexnet_error *error) {
    const cudaStream_t copies = feed->device->copies;
    AN_TRY(check_quietly(cudaStreamWaitEvent(copies, feed->used, 0), "copying to it", error));
    AN_TRY(check_quietly(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, copies),
                         "copying to it", error));
    return check_quietly(cudaEventRecord(feed->arrived, copies), "copying to it", error);
}

alexnet_status an_feed_wait(an_feed *feed, alexnet_error *error) {
    return an_gpu_check(cudaStreamWaitEvent(feed->device->stream, feed->arrived, 0),
                        "waiting for a copy", error);
}

alexnet_status an_feed_done(an_feed *feed, alexnet_error *error) {
    return an_gpu_check(cudaEventRecord(feed->used, feed->device->stream),
                        "enqueuing the end of a copy's use", error);
}

alexnet_status an_feed_landed(an_feed *feed, alexnet_error *error) {
    return an_gpu_check(cudaEventSynchronize(feed->arrived), "waiting for a copy", error);
}

/* ---- Exchanges: pinned memory, copied in the stream. */

struct an_exchange {
    an_device *device;
    void *memory;
    cudaEvent_t fetched;
};

alexnet_status an_exchange_new(an_device *device, size_t bytes, an_exchange **out,
                               alexnet_error *error) {
    *out = NULL;
    an_exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for the GPU's handles");
    exchange->device = device;
    cudaError_t result = cudaEventCreateWithFlags(&exchange->fetched, sleeping);
    if (result == cudaSuccess)
        result = cudaMallocHost(&exchange->memory, bytes);
    if (result != cudaSuccess) {
        an_exchange_free(exchange);
        return an_gpu_check(result, "taking memory that it can copy from by itself", error);
    }
    memset(exchange->memory, 0, bytes);
    *out = exchange;
    return ALEXNET_OK;
}

void an_exchange_free(an_exchange *exchange) {
    if (!exchange)
        return;
    if (exchange->fetched)
        (void)cudaEventDestroy(exchange->fetched);
    if (exchange->memory)
        (void)cudaFreeHost(exchange->memory);
    free(exchange);
}

void *an_exchange_memory(an_exchange *exchange) {
    return exchange->memory;
}

alexnet_status an_exchange_send(an_exchange *exchange, void *to, const void *part, size_t bytes,
                                alexnet_error *error) {
    return an_gpu_check(
        cudaMemcpyAsync(to, part, bytes, cudaMemcpyHostToDevice, exchange->device->stream),
        "copying to it", error);
}

alexnet_status an_exchange_fetch(an_exchange *exchange, void *part, const void *from, size_t bytes,
                                 alexnet_error *error) {
    const cudaStream_t stream = exchange->device->stream;
    AN_TRY(an_gpu_check(cudaMemcpyAsync(part, from, bytes, cudaMemcpyDeviceToHost, stream),
                        "copying from it", error));
    return an_gpu_check(cudaEventRecord(exchange->fetched, stream), "copying from it", error);
}

alexnet_status an_exchange_wait(an_exchange *exchange, alexnet_error *error) {
    return an_gpu_check(cudaEventSynchronize(exchange->fetched), "waiting for a step", error);
}

/* ---- Recordings: CUDA graphs. */

struct an_recording {
    cudaGraphExec_t graph;
};

alexnet_status an_device_record(an_device *device, alexnet_error *error) {
    return check_quietly(cudaStreamBeginCapture(device->stream, cudaStreamCaptureModeThreadLocal),
                         "beginning to record", error);
}

alexnet_status an_device_recorded(an_device *device, an_recording **out, alexnet_error *error) {
    cudaGraph_t graph = NULL;
    *out = NULL;
    AN_TRY(
        check_quietly(cudaStreamEndCapture(device->stream, &graph), "ending a recording", error));
    an_recording *recording = calloc(1, sizeof *recording);
    const cudaError_t result =
        recording ? cudaGraphInstantiate(&recording->graph, graph, 0) : cudaErrorMemoryAllocation;
    (void)cudaGraphDestroy(graph);
    if (result != cudaSuccess) {
        free(recording);
        return check_quietly(result, "making a graph of a recording", error);
    }
    *out = recording;
    return ALEXNET_OK;
}

alexnet_status an_device_replay(an_device *device, const an_recording *recording,
                                alexnet_error *error) {
    return an_gpu_check(cudaGraphLaunch(recording->graph, device->stream), "replaying a recording",
                        error);
}

void an_recording_free(an_recording *recording) {
    if (!recording)
        return;
    (void)cudaGraphExecDestroy(recording->graph);
    free(recording);
}
