/*
 * Stochastic gradient descent with momentum and weight decay (the paper's §5; Krizhevsky's
 * weights.cu). The learning rate multiplies on the way into the velocity, so that lowering it does
 * not slow what is already moving; PyTorch's SGD multiplies on the way out.
 */
#include "backend/reference/layers.h"

/*
 * v <- m v - d e w - e g;    w <- w + v
 *
 * with momentum m, weight decay d and learning rate e. With e = 0 the parameter is frozen: neither
 * w nor v changes.
 */
void an_reference_update(const an_update *update, float momentum, size_t count,
                         const float *gradient, float *v, float *w) {
    const float rate = update->learning_rate, decay = update->weight_decay;
    if (rate == 0)
        return;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        v[i] = momentum * v[i] - decay * rate * w[i] - rate * gradient[i];
        w[i] += v[i];
    }
}
