/*
 * AlexNet's layers in plain C: the textbook, and the oracle that other backends are tested against.
 *
 * One file per layer, its formula above each function. Letters: N images, C maps (channels),
 * H x W pixels, O output maps or units, I input maps or units, K side of a window. Every array is
 * dense float32 in that order, (N, C, H, W), the last index fastest; `images` is N, everything else
 * about a layer (shapes, window, constants) comes from the `an_layer`. A `d` before a name means
 * the derivative of the loss by it: dy comes in from the layer above, dx goes out to the one below.
 *
 * Outputs are overwritten, never added to, and must not overlap inputs. Threads share out whole
 * outputs and the terms of each sum keep one order, so results do not depend on the number of
 * threads. Sums along pixels and images run in float32 as written, those along the inputs of a
 * fully connected layer and for biases in double precision.
 */
#ifndef AN_BACKEND_REFERENCE_LAYERS_H
#define AN_BACKEND_REFERENCE_LAYERS_H

#include "backend/backend.h"

/* What a batch of pictures stands for, pictures.c: x (N, 3, H, W), of the input's shape. Only other
 * backends take them; this tells what those should find. */
void an_reference_pictures(int images, an_shape shape, const an_picture *pictures, float *x);

/* Convolution, conv.c: x (N, C, H, W), w (O, C / groups, K, K), b (O), y (N, O, H', W'). */
void an_reference_conv_forward(const an_layer *layer, int images, const float *x, const float *w,
                               const float *b, float *y);
void an_reference_conv_backward_input(const an_layer *layer, int images, const float *w,
                                      const float *dy, float *dx);
void an_reference_conv_backward_weights(const an_layer *layer, int images, const float *x,
                                        const float *dy, float *dw, float *db);

/* Rectified linear unit, relu.c; the backward pass needs only the output y. */
void an_reference_relu_forward(const an_layer *layer, int images, const float *x, float *y);
void an_reference_relu_backward(const an_layer *layer, int images, const float *y, const float *dy,
                                float *dx);

/* Max pooling, max_pool.c: x (N, C, H, W), y (N, C, H', W'). Every window holds a pixel. */
void an_reference_max_pool_forward(const an_layer *layer, int images, const float *x, float *y);
void an_reference_max_pool_backward(const an_layer *layer, int images, const float *x,
                                    const float *dy, float *dx);

/* Adaptive average pooling, avg_pool.c: x (N, C, H, W), y (N, C, units, units). */
void an_reference_avg_pool_forward(const an_layer *layer, int images, const float *x, float *y);
void an_reference_avg_pool_backward(const an_layer *layer, int images, const float *dy, float *dx);

/*
 * Local response normalisation, lrn.c, across maps (AN_LRN) or within them (AN_LRN_WITHIN), as the
 * layer's type says. The forward pass also fills `scale` (N, C, H, W), the base of the power, for
 * the backward pass.
 */
void an_reference_lrn_forward(const an_layer *layer, int images, const float *x, float *scale,
                              float *y);
void an_reference_lrn_backward(const an_layer *layer, int images, const float *x,
                               const float *scale, const float *dy, float *dx);

/* Fully connected, fc.c: x (N, I), w (O, I), b (O), y (N, O). */
void an_reference_fc_forward(const an_layer *layer, int images, const float *x, const float *w,
                             const float *b, float *y);
void an_reference_fc_backward_input(const an_layer *layer, int images, const float *w,
                                    const float *dy, float *dx);
void an_reference_fc_backward_weights(const an_layer *layer, int images, const float *x,
                                      const float *dy, float *dw, float *db);

/*
 * Dropout, dropout.c. `index` is the layer's index in its network. `step` holds the seed, epoch and
 * position that the mask follows from and `no_dropout`; NULL means testing. The backward pass is
 * the same function on the gradient: the factors of a mask do not depend on the data.
 */
void an_reference_dropout(const an_layer *layer, int index, int images, const an_step *step,
                          const float *x, float *y);

/*
 * Softmax and cross-entropy, loss.c: logits (N, classes). `step` holds the labels, where negative
 * ones do not count, and what else makes the targets. Fills `result`, and the gradient of the mean
 * loss, dlogits (N, classes), unless NULL.
 */
void an_reference_loss(int images, int classes, const float *logits, const an_step *step,
                       float *dlogits, an_step_result *result);

/* One parameter's update, update.c: w and its velocity v (count) change in place. */
void an_reference_update(const an_update *update, float momentum, size_t count,
                         const float *gradient, float *v, float *w);

#endif
