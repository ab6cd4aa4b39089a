/*
 * What a plan does on a GPU: memory, kernels, convolutions and matrix products, in one stream. The
 * plan (plan.c) knows no CUDA; device.cu, convolution.c and product.c implement this on a GPU, and
 * tests/backend/cuda_host.c in plain C, so that plans are tested where there is none.
 *
 * Activations are (N, H, W, C), maps last, as tensor cores want them. Pointers are to the device's
 * memory unless it says otherwise. Everything is enqueued and happens in order; only reading and
 * what is called waiting waits. What fails inside the stream is told by the next of these.
 */
#ifndef AN_BACKEND_CUDA_DEVICE_H
#define AN_BACKEND_CUDA_DEVICE_H

#include "backend/cuda/kernels.h"
#include "core/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct an_device an_device;

/* Whether there is a GPU to use. UNSUPPORTED, with what is missing: driver, card, its age. */
alexnet_status an_device_probe(alexnet_error *error);

/* The first GPU that this process may use (CUDA_VISIBLE_DEVICES), with a stream of its own. */
alexnet_status an_device_open(an_device **out, alexnet_error *error);

/* Closes it; NULL is allowed. What was taken from it is to be given back before. */
void an_device_close(an_device *device);

/* Whether it has instructions for products in bfloat16; those in TF32 came with them. */
bool an_device_has_bf16(const an_device *device);

/* Bytes of its memory, and those that a plan may take now. */
void an_device_memory(const an_device *device, size_t *all, size_t *available);

/* Memory, zeroed; NULL after a failure. NO_MEMORY says how much there is. */
alexnet_status an_device_take(an_device *device, size_t bytes, void **out, alexnet_error *error);
void an_device_give(an_device *device, void *block);

/* Copies to the device from the program's memory, which may change as soon as this returns, or
 * where it is pinned, after the next an_device_read; a large copy may wait for what was enqueued
 * before. And from the device, when all that was enqueued before is done. */
alexnet_status an_device_write(an_device *device, void *to, const void *from, size_t bytes,
                               alexnet_error *error);
alexnet_status an_device_read(an_device *device, void *to, const void *from, size_t bytes,
                              alexnet_error *error);

/* Fills with zeros. */
alexnet_status an_device_clear(an_device *device, void *to, size_t bytes, alexnet_error *error);

/* Waits until all that was enqueued is done. */
alexnet_status an_device_wait(an_device *device, alexnet_error *error);

/* Tells the device that copies will come from this memory, or no longer; only advice. */
void an_device_pin(an_device *device, void *memory, size_t bytes, bool pinned);

/*
 * A way into one block of the device's memory beside the stream: a copy that is begun goes on while
 * the stream works. What is enqueued in the stream behind an_feed_wait finds it there; the next
 * copy begins when what was enqueued before an_feed_done is done. The program's memory has to
 * stay as it is until an_feed_landed, which waits for the copy alone, or an an_device_read
 * behind an_feed_wait.
 */
typedef struct an_feed an_feed;
alexnet_status an_feed_new(an_device *device, an_feed **out, alexnet_error *error);
void an_feed_free(an_feed *feed);
alexnet_status an_feed_begin(an_feed *feed, void *to, const void *from, size_t bytes,
                             alexnet_error *error);
alexnet_status an_feed_wait(an_feed *feed, alexnet_error *error);
alexnet_status an_feed_done(an_feed *feed, alexnet_error *error);
alexnet_status an_feed_landed(an_feed *feed, alexnet_error *error);

/*
 * A block of the program's memory, zeroed, that the device copies from and to by itself, so that
 * nobody waits. In the stream, an_exchange_send copies a part of it to the device and
 * an_exchange_fetch from the device into a part of it. an_exchange_wait waits for the last fetch
 * and what was enqueued before it, but for nothing behind it; until then what was sent has to stay
 * as it is, and what was fetched is not there. To be freed when the device has been waited for.
 */
typedef struct an_exchange an_exchange;
alexnet_status an_exchange_new(an_device *device, size_t bytes, an_exchange **out,
                               alexnet_error *error);
void an_exchange_free(an_exchange *exchange);
void *an_exchange_memory(an_exchange *exchange);
alexnet_status an_exchange_send(an_exchange *exchange, void *to, const void *part, size_t bytes,
                                alexnet_error *error);
alexnet_status an_exchange_fetch(an_exchange *exchange, void *part, const void *from, size_t bytes,
                                 alexnet_error *error);
alexnet_status an_exchange_wait(an_exchange *exchange, alexnet_error *error);

/*
 * Recording: what is enqueued between begin and end is not done but kept, and done as often as it
 * is replayed, without the cost of enqueuing each part. *out is freed with an_recording_free, and
 * NULL after a failure, behind which things are enqueued as before.
 */
typedef struct an_recording an_recording;
alexnet_status an_device_record(an_device *device, alexnet_error *error);
alexnet_status an_device_recorded(an_device *device, an_recording **out, alexnet_error *error);
alexnet_status an_device_replay(an_device *device, const an_recording *recording,
                                alexnet_error *error);
void an_recording_free(an_recording *recording);

/* an_device_NAME(device, arguments, count) runs kernel NAME of kernels.h for indices below `count`;
 * INVALID where they are too many to be numbered. */
#define AN_CUDA_DECLARE(name, lanes)                                                               \
    alexnet_status an_device_##name(an_device *device, const an_cuda_##name *arguments,            \
                                    size_t count, alexnet_error *error);
AN_CUDA_KERNELS(AN_CUDA_DECLARE)
#undef AN_CUDA_DECLARE

/*
 * Convolutions and products are computed in the way that is fastest, which is found out by
 * measuring where it is not known yet, in memory that is free then; where `deterministic`, in one
 * that always gives the same bits, and that is chosen without measuring.
 */

/* Keeps what was measured, so that plans that are made later, in other processes, too, know it. */
void an_device_keep_tuning(an_device *device);

/*
 * A convolution: x (N, H, W, C), w (O, K, K, C / groups), y (N, H', W', O), all of one type of
 * number, without bias. `workspace` is memory of as many bytes as an_convolution_new asked for. dw
 * is without the scale (an_gradient_scale) that dy has.
 */
typedef struct an_convolution_spec {
    an_cuda_window window;
    bool input_gradient, weight_gradient; /* they will be asked for */
} an_convolution_spec;

typedef struct an_convolution an_convolution;
alexnet_status an_convolution_new(an_device *device, const an_convolution_spec *spec,
                                  bool deterministic, an_convolution **out, size_t *workspace,
                                  alexnet_error *error);
void an_convolution_free(an_convolution *convolution);
alexnet_status an_convolution_forward(an_convolution *convolution, const void *x, const void *w,
                                      void *y, void *workspace, alexnet_error *error);
alexnet_status an_convolution_input(an_convolution *convolution, const void *w, const void *dy,
                                    void *dx, void *workspace, alexnet_error *error);
alexnet_status an_convolution_weights(an_convolution *convolution, const void *x, const void *dy,
                                      float *dw, void *workspace, alexnet_error *error);

/* A matrix product c (rows, columns) = factor a b, rows of each one behind the other. */
typedef struct an_product_spec {
    int rows, columns, depth;
    bool a_turned; /* a lies as (depth, rows) rather than (rows, depth) */
    bool b_turned; /* b lies as (columns, depth) rather than (depth, columns) */
    bool bias;     /* a bias is added to each row, if an_product_adds_bias */
    bool tf32;     /* a and b may be rounded to it */
    an_number in, out;
    float factor;
} an_product_spec;

typedef struct an_product an_product;
alexnet_status an_product_new(an_device *device, const an_product_spec *spec, bool deterministic,
                              an_product **out, size_t *workspace, alexnet_error *error);
void an_product_free(an_product *product);

/* Whether a bias is added with the product, which the device need not be able to. */
bool an_product_adds_bias(const an_product *product);

/* `bias` (columns) is of c's type of number; NULL where none is asked for. */
alexnet_status an_product_run(an_product *product, const void *a, const void *b, const void *bias,
                              void *c, void *workspace, alexnet_error *error);

#ifdef __cplusplus
}
#endif

#endif
