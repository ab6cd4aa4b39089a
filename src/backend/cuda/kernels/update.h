/* The update of all parameters, reference/update.c. */
#ifndef AN_BACKEND_CUDA_KERNELS_UPDATE_H
#define AN_BACKEND_CUDA_KERNELS_UPDATE_H

#include "backend/cuda/kernels/numbers.h"
#include "backend/cuda/kernels/state.h"

/* The index counts eights. */
typedef struct an_cuda_update {
    float *parameters, *momentum;
    const float *gradients;
    uint16_t *rounded; /* the parameters in 16 bits; NULL: not needed */
    an_number number;  /* ... of this kind */
    const an_cuda_state *state;
    size_t begin[AN_CUDA_PARAMETERS]; /* where each parameter begins, a multiple of 8 */
    int count;
} an_cuda_update;

AN_ANYWHERE void an_cuda_update_at(const an_cuda_update *a, uint32_t i) {
    const size_t first = (size_t)i * 8;
    int parameter = 0;
    while (parameter + 1 < a->count && first >= a->begin[parameter + 1])
        parameter++;
    const float rate = a->state->learning_rate[parameter];
    const float decay = a->state->weight_decay[parameter];
    float w[8], v[8], g[8];
    if (rate == 0)
        return;
    an_get_some(a->parameters, AN_NUMBER_FLOAT, first, 8, w);
    an_get_some(a->momentum, AN_NUMBER_FLOAT, first, 8, v);
    an_get_some(a->gradients, AN_NUMBER_FLOAT, first, 8, g);
    for (int k = 0; k < 8; k++) {
        v[k] = a->state->momentum * v[k] - decay * rate * w[k] - rate * g[k];
        w[k] += v[k];
    }
    an_put_some(a->momentum, AN_NUMBER_FLOAT, first, 8, v);
    an_put_some(a->parameters, AN_NUMBER_FLOAT, first, 8, w);
    if (a->rounded)
        an_put_some(a->rounded, a->number, first, 8, w);
}

#endif
