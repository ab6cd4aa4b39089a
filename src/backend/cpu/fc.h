/* Fully connected layers on plain activations (N, I), with plain weights (O, I) in place. */
#ifndef AN_BACKEND_CPU_FC_H
#define AN_BACKEND_CPU_FC_H

#include "backend/cpu/kernels/kernels.h"

/* y (N, O) = x w^T + b, with ReLU on top where asked for. */
alexnet_status an_fc_forward(const an_kernels *kernels, const an_layer *layer, int images,
                             const float *x, const float *w, const float *b, bool relu, float *y,
                             alexnet_error *error);

/* dx (N, I) = dy w */
alexnet_status an_fc_backward_input(const an_layer *layer, int images, const float *w,
                                    const float *dy, float *dx, alexnet_error *error);

/* dw (O, I) = dy^T x, db (O) = sum of dy over the images. */
alexnet_status an_fc_backward_weights(const an_kernels *kernels, const an_layer *layer, int images,
                                      const float *x, const float *dy, float *dw, float *db,
                                      alexnet_error *error);

#endif
