/*
 * The device of the cuda backend in plain C: its memory is the program's, its kernels are those of
 * kernels.h in a loop, convolutions are the plain kernels, products three loops. So the plans of
 * src/backend/cuda/ are tested where there is no GPU, all but the libraries that they call there.
 *
 * As on a GPU, what is enqueued is done behind the program's back: here as late as it may be, when
 * somebody waits for it. What is recorded is done only when it is replayed, and workspaces hold
 * nothing from one operation to the next. What may be computed in TF32 is.
 */
#include "backend/cuda_host.h"

#include <stdlib.h>
#include <string.h>

#include "backend/cuda/device.h"
#include "core/memory.h"

/* An operation with a copy of its arguments. */
typedef struct operation {
    void (*run)(const void *arguments, size_t count);
    void *arguments;
    size_t count;
} operation;

struct an_recording {
    operation *operations;
    size_t count, capacity;
};

struct an_device {
    an_recording *recording; /* under way */
    an_recording stream;     /* all that was ever enqueued */
    size_t done;             /* of it, and freed */
};

/* Memory that there is; tests set it. Fakes of hardware may have state. */
static an_cuda_host host = {.memory = (size_t)1 << 40, .bf16 = true};

an_cuda_host *an_cuda_host_settings(void) {
    return &host;
}

alexnet_status an_device_probe(alexnet_error *error) {
    (void)error;
    return ALEXNET_OK;
}

alexnet_status an_device_open(an_device **out, alexnet_error *error) {
    *out = calloc(1, sizeof **out);
    return *out ? ALEXNET_OK : an_fail(error, ALEXNET_NO_MEMORY, "no memory");
}

void an_device_close(an_device *device) {
    if (!device)
        return;
    (void)an_device_wait(device, NULL);
    free(device->stream.operations);
    an_recording_free(device->recording);
    free(device);
}

bool an_device_has_bf16(const an_device *device) {
    (void)device;
    return host.bf16;
}

void an_device_memory(const an_device *device, size_t *all, size_t *available) {
    (void)device;
    *all = *available = host.memory;
}

alexnet_status an_device_take(an_device *device, size_t bytes, void **out, alexnet_error *error) {
    (void)device;
    return an_alloc(out, bytes, 1, "the device's memory", error);
}

void an_device_give(an_device *device, void *block) {
    (void)device;
    an_free(block);
}

/* Keeps an operation, for later or for replays. */
static alexnet_status enqueue(an_device *device, void (*run)(const void *, size_t),
                              const void *arguments, size_t size, size_t count,
                              alexnet_error *error) {
    an_recording *recording = device->recording ? device->recording : &device->stream;
    void *copy = malloc(size);
    if (!copy || !an_grow((void **)&recording->operations, &recording->capacity,
                          recording->count + 1, sizeof *recording->operations)) {
        free(copy);
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory to record");
    }
    memcpy(copy, arguments, size);
    operation *kept = &recording->operations[recording->count++];
    kept->run = run;
    kept->arguments = copy;
    kept->count = count;
    return ALEXNET_OK;
}

/* Does what was enqueued up to a place in the stream. */
static void catch_up(an_device *device, size_t place) {
    an_recording *stream = &device->stream;
    for (; device->done < place; device->done++) {
        const operation *next = &stream->operations[device->done];
        next->run(next->arguments, next->count);
        free(next->arguments);
    }
}

/* What goes to the program and comes from it cannot be part of what is replayed. */
static alexnet_status check_recording(const an_device *device, alexnet_error *error) {
    return device->recording
               ? an_fail(error, ALEXNET_BACKEND, "copying, clearing or waiting while recording")
               : ALEXNET_OK;
}

typedef struct copy_call {
    void *to;
    const void *from;
} copy_call;

static void run_copy(const void *arguments, size_t bytes) {
    const copy_call *call = arguments;
    memcpy(call->to, call->from, bytes);
}

/* A copy of memory that stays as it is until then. */
static alexnet_status enqueue_copy(an_device *device, void *to, const void *from, size_t bytes,
                                   alexnet_error *error) {
    const copy_call call = {to, from};
    AN_TRY(check_recording(device, error));
    return enqueue(device, run_copy, &call, sizeof call, bytes, error);
}

/* The bytes lie behind the pointer to where they go. */
static void run_write(const void *arguments, size_t bytes) {
    const copy_call *call = arguments;
    memcpy(call->to, call + 1, bytes);
}

alexnet_status an_device_write(an_device *device, void *to, const void *from, size_t bytes,
                               alexnet_error *error) {
    AN_TRY(check_recording(device, error));
    copy_call *call = malloc(sizeof *call + bytes);
    if (!call)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory");
    *call = (copy_call){.to = to};
    memcpy(call + 1, from, bytes);
    const alexnet_status status =
        enqueue(device, run_write, call, sizeof *call + bytes, bytes, error);
    free(call);
    return status;
}

alexnet_status an_device_read(an_device *device, void *to, const void *from, size_t bytes,
                              alexnet_error *error) {
    AN_TRY(an_device_wait(device, error));
    memcpy(to, from, bytes);
    return ALEXNET_OK;
}

static void run_clear(const void *arguments, size_t bytes) {
    const copy_call *call = arguments;
    memset(call->to, 0, bytes);
}

alexnet_status an_device_clear(an_device *device, void *to, size_t bytes, alexnet_error *error) {
    const copy_call call = {.to = to};
    AN_TRY(check_recording(device, error));
    return enqueue(device, run_clear, &call, sizeof call, bytes, error);
}

alexnet_status an_device_wait(an_device *device, alexnet_error *error) {
    AN_TRY(check_recording(device, error));
    catch_up(device, device->stream.count);
    return ALEXNET_OK;
}

/* ---- Transfers: as late as they may be; until then what they will overwrite is spoilt. */

struct an_feed {
    an_device *device;
    void *to;
    const void *from;
    size_t bytes; /* 0: none is under way */
    bool awaited; /* by the stream */
    size_t used;  /* the place in the stream behind its use */
};

void an_device_pin(an_device *device, void *memory, size_t bytes, bool pinned) {
    (void)device, (void)memory, (void)bytes;
    host.pinned += pinned ? 1 : -1;
}

alexnet_status an_feed_new(an_device *device, an_feed **out, alexnet_error *error) {
    *out = calloc(1, sizeof **out);
    if (!*out)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory");
    (*out)->device = device;
    return ALEXNET_OK;
}

void an_feed_free(an_feed *feed) {
    free(feed);
}

alexnet_status an_feed_begin(an_feed *feed, void *to, const void *from, size_t bytes,
                             alexnet_error *error) {
    AN_TRY(check_recording(feed->device, error));
    catch_up(feed->device, feed->used);
    feed->to = to;
    feed->from = from;
    feed->bytes = bytes;
    feed->awaited = false;
    memset(to, 0xFF, bytes);
    host.feeds++;
    return ALEXNET_OK;
}

alexnet_status an_feed_landed(an_feed *feed, alexnet_error *error) {
    (void)error;
    if (feed->bytes > 0)
        memcpy(feed->to, feed->from, feed->bytes);
    feed->bytes = 0;
    return ALEXNET_OK;
}

typedef struct arrival_call {
    an_feed *feed;
} arrival_call;

static void run_arrival(const void *arguments, size_t count) {
    (void)count;
    const arrival_call *call = arguments;
    (void)an_feed_landed(call->feed, NULL);
}

alexnet_status an_feed_wait(an_feed *feed, alexnet_error *error) {
    const arrival_call call = {feed};
    AN_TRY(check_recording(feed->device, error));
    feed->awaited = true;
    return enqueue(feed->device, run_arrival, &call, sizeof call, 1, error);
}

alexnet_status an_feed_done(an_feed *feed, alexnet_error *error) {
    if (!feed->awaited)
        return an_fail(error, ALEXNET_BACKEND, "a feed is done that was not waited for");
    feed->used = feed->device->stream.count;
    return ALEXNET_OK;
}

/* ---- Exchanges: what is fetched is spoilt until it was waited for. */

struct an_exchange {
    an_device *device;
    size_t fetched; /* the place in the stream behind the last fetch */
    max_align_t memory[];
};

alexnet_status an_exchange_new(an_device *device, size_t bytes, an_exchange **out,
                               alexnet_error *error) {
    *out = calloc(1, sizeof **out + bytes);
    if (!*out)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory");
    (*out)->device = device;
    return ALEXNET_OK;
}

void an_exchange_free(an_exchange *exchange) {
    free(exchange);
}

void *an_exchange_memory(an_exchange *exchange) {
    return exchange->memory;
}

alexnet_status an_exchange_send(an_exchange *exchange, void *to, const void *part, size_t bytes,
                                alexnet_error *error) {
    return enqueue_copy(exchange->device, to, part, bytes, error);
}

alexnet_status an_exchange_fetch(an_exchange *exchange, void *part, const void *from, size_t bytes,
                                 alexnet_error *error) {
    memset(part, 0xFF, bytes);
    AN_TRY(enqueue_copy(exchange->device, part, from, bytes, error));
    exchange->fetched = exchange->device->stream.count;
    return ALEXNET_OK;
}

alexnet_status an_exchange_wait(an_exchange *exchange, alexnet_error *error) {
    AN_TRY(check_recording(exchange->device, error));
    catch_up(exchange->device, exchange->fetched);
    return ALEXNET_OK;
}

/* ---- Recordings. */

alexnet_status an_device_record(an_device *device, alexnet_error *error) {
    device->recording = calloc(1, sizeof *device->recording);
    return device->recording ? ALEXNET_OK : an_fail(error, ALEXNET_NO_MEMORY, "no memory");
}

alexnet_status an_device_recorded(an_device *device, an_recording **out, alexnet_error *error) {
    *out = device->recording;
    device->recording = NULL;
    if (!host.no_recordings)
        return ALEXNET_OK;
    an_recording_free(*out);
    *out = NULL;
    return an_fail(error, ALEXNET_BACKEND, "nothing can be recorded");
}

static void run_recording(const void *arguments, size_t count) {
    (void)count;
    const an_recording *recording = arguments;
    for (size_t i = 0; i < recording->count; i++)
        recording->operations[i].run(recording->operations[i].arguments,
                                     recording->operations[i].count);
}

alexnet_status an_device_replay(an_device *device, const an_recording *recording,
                                alexnet_error *error) {
    AN_TRY(check_recording(device, error));
    host.replays++;
    return enqueue(device, run_recording, recording, sizeof *recording, 1, error);
}

void an_recording_free(an_recording *recording) {
    for (size_t i = 0; recording && i < recording->count; i++)
        free(recording->operations[i].arguments);
    if (recording)
        free(recording->operations);
    free(recording);
}

/* ---- Kernels: on a GPU the order of indices is any, so that here it is not the natural one. */

#define AN_HOST_KERNEL(name, lanes)                                                                \
    static void run_##name(const void *arguments, size_t count) {                                  \
        for (size_t i = count * (lanes); i-- > 0;)                                                 \
            an_cuda_##name##_at(arguments, (uint32_t)i);                                           \
    }                                                                                              \
    alexnet_status an_device_##name(an_device *device, const an_cuda_##name *arguments,            \
                                    size_t count, alexnet_error *error) {                          \
        return enqueue(device, run_##name, arguments, sizeof *arguments, count, error);            \
    }

AN_CUDA_KERNELS(AN_HOST_KERNEL)

/* ---- Choosing: there is one way. */

static void choose(bool deterministic) {
    host.measured += !deterministic;
    host.unkept += !deterministic;
}

void an_device_keep_tuning(an_device *device) {
    (void)device;
    host.unkept = 0;
}

/* ---- TF32: float32 with ten bits behind the point, to the nearest. */

static float to_tf32(float value) {
    uint32_t bits;
    if (!isfinite(value))
        return value;
    memcpy(&bits, &value, sizeof bits);
    bits = (bits + 0x1000u) & ~0x1FFFu;
    memcpy(&value, &bits, sizeof value);
    return value;
}

typedef struct rounding {
    const float *from;
    float *to;
} rounding;

static void run_rounding(const void *arguments, size_t count) {
    const rounding *call = arguments;
    for (size_t i = 0; i < count; i++)
        call->to[i] = to_tf32(call->from[i]);
}

/* ---- Convolutions: the plain kernels. The workspace is spoilt, as another's result would. */

enum { workspace_bytes = 64 };

static void spoil(void *workspace) {
    memset(workspace, 0xFF, workspace_bytes);
}

struct an_convolution {
    an_device *device;
    an_convolution_spec spec;
    float *rounded[2]; /* the two factors, in TF32 */
};

alexnet_status an_convolution_new(an_device *device, const an_convolution_spec *spec,
                                  bool deterministic, an_convolution **out, size_t *workspace,
                                  alexnet_error *error) {
    const an_cuda_window *window = &spec->window;
    choose(deterministic);
    *workspace = workspace_bytes;
    *out = malloc(sizeof **out);
    if (!*out)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory");
    **out = (an_convolution){.device = device, .spec = *spec};
    const size_t sizes[] = {an_window_inputs(window), an_window_outputs(window),
                            an_window_weights(window)};
    size_t most = sizes[0];
    for (int i = 1; i < 3; i++)
        most = sizes[i] > most ? sizes[i] : most;
    for (int i = 0; i < 2 && window->tf32; i++) {
        void *block;
        AN_TRY(an_alloc(&block, most, sizeof(float), "factors", error));
        (*out)->rounded[i] = block;
    }
    return ALEXNET_OK;
}

void an_convolution_free(an_convolution *convolution) {
    for (int i = 0; convolution && i < 2; i++)
        an_free(convolution->rounded[i]);
    free(convolution);
}

/* Of what was not asked for there is no way. */
static alexnet_status check_asked(bool asked, alexnet_error *error) {
    return asked ? ALEXNET_OK
                 : an_fail(error, ALEXNET_BACKEND, "a gradient that was not to be asked for");
}

/* Rounds a factor, the first or the second, where it is to be in TF32. */
static alexnet_status take_factor(an_convolution *c, int which, const void **factor, size_t count,
                                  alexnet_error *error) {
    const rounding call = {*factor, c->rounded[which]};
    if (!c->spec.window.tf32)
        return ALEXNET_OK;
    *factor = call.to;
    return enqueue(c->device, run_rounding, &call, sizeof call, count, error);
}

alexnet_status an_convolution_forward(an_convolution *c, const void *x, const void *w, void *y,
                                      void *workspace, alexnet_error *error) {
    spoil(workspace);
    AN_TRY(take_factor(c, 0, &x, an_window_inputs(&c->spec.window), error));
    AN_TRY(take_factor(c, 1, &w, an_window_weights(&c->spec.window), error));
    const an_cuda_conv plain = {.window = c->spec.window, .x = x, .w = w, .y = y};
    return an_device_conv(c->device, &plain, an_window_outputs(&c->spec.window), error);
}

alexnet_status an_convolution_input(an_convolution *c, const void *w, const void *dy, void *dx,
                                    void *workspace, alexnet_error *error) {
    spoil(workspace);
    AN_TRY(check_asked(c->spec.input_gradient, error));
    AN_TRY(take_factor(c, 0, &dy, an_window_outputs(&c->spec.window), error));
    AN_TRY(take_factor(c, 1, &w, an_window_weights(&c->spec.window), error));
    const an_cuda_conv_input plain = {.window = c->spec.window, .w = w, .dy = dy, .y = dx};
    return an_device_conv_input(c->device, &plain, an_window_inputs(&c->spec.window), error);
}

alexnet_status an_convolution_weights(an_convolution *c, const void *x, const void *dy, float *dw,
                                      void *workspace, alexnet_error *error) {
    spoil(workspace);
    AN_TRY(check_asked(c->spec.weight_gradient, error));
    AN_TRY(take_factor(c, 0, &x, an_window_inputs(&c->spec.window), error));
    AN_TRY(take_factor(c, 1, &dy, an_window_outputs(&c->spec.window), error));
    const an_cuda_conv_weights plain = {.window = c->spec.window, .x = x, .dy = dy, .dw = dw};
    return an_device_conv_weights(c->device, &plain, an_window_weights(&c->spec.window), error);
}

/* ---- Products. */

struct an_product {
    an_device *device;
    an_product_spec spec;
};

typedef struct product_call {
    an_product_spec spec;
    const void *a, *b, *bias;
    void *c;
} product_call;

static float factor_of(const an_product_spec *p, const void *matrix, size_t i) {
    const float value = an_get(matrix, p->in, i);
    return p->tf32 ? to_tf32(value) : value;
}

static void run_product(const void *arguments, size_t count) {
    (void)count;
    const product_call *call = arguments;
    const an_product_spec *p = &call->spec;
    const size_t rows = (size_t)p->rows, columns = (size_t)p->columns, depth = (size_t)p->depth;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++) {
            float sum = 0;
            for (size_t k = 0; k < depth; k++)
                sum += factor_of(p, call->a, p->a_turned ? k * rows + r : r * depth + k) *
                       factor_of(p, call->b, p->b_turned ? c * depth + k : k * columns + c);
            sum *= p->factor;
            an_put(call->c, p->out, r * columns + c,
                   p->bias ? sum + an_get(call->bias, p->out, c) : sum);
        }
}

alexnet_status an_product_new(an_device *device, const an_product_spec *spec, bool deterministic,
                              an_product **out, size_t *workspace, alexnet_error *error) {
    choose(deterministic);
    *workspace = workspace_bytes;
    *out = malloc(sizeof **out);
    if (!*out)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory");
    **out = (an_product){device, *spec};
    (*out)->spec.bias = spec->bias && !host.no_bias;
    return ALEXNET_OK;
}

void an_product_free(an_product *product) {
    free(product);
}

bool an_product_adds_bias(const an_product *p) {
    return p->spec.bias;
}

alexnet_status an_product_run(an_product *p, const void *a, const void *b, const void *bias,
                              void *c, void *workspace, alexnet_error *error) {
    const product_call call = {p->spec, a, b, bias, c};
    spoil(workspace);
    return enqueue(p->device, run_product, &call, sizeof call, 1, error);
}
