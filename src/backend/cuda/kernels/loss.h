/* The loss, reference/loss.c. */
#ifndef AN_BACKEND_CUDA_KERNELS_LOSS_H
#define AN_BACKEND_CUDA_KERNELS_LOSS_H

#include "backend/cuda/kernels/numbers.h"
#include "backend/cuda/kernels/state.h"

/* A warp's threads share an index on a GPU; in plain C there is one. */
#ifdef __CUDACC__
#define AN_LANES 32
#else
#define AN_LANES 1
#endif

AN_ANYWHERE float an_lanes_sum(float value) {
#ifdef __CUDA_ARCH__
    for (int distance = 16; distance > 0; distance /= 2)
        value += __shfl_xor_sync(0xFFFFFFFFu, value, distance);
#endif
    return value;
}

AN_ANYWHERE float an_lanes_max(float value) {
#ifdef __CUDA_ARCH__
    for (int distance = 16; distance > 0; distance /= 2)
        value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, distance));
#endif
    return value;
}

/* Of each image its loss and how many classes come before its label, and the logits' gradient. */
typedef struct an_cuda_loss {
    const float *logits;            /* (N, classes) */
    void *dlogits;                  /* the same */
    const int32_t *labels, *second; /* (N) */
    float *losses;                  /* (N), 0 where there is no label */
    int32_t *ranks;                 /* (N), -1 where there is no label */
    const an_cuda_state *state;
    an_number number; /* of dlogits */
    float scale;      /* ... and what they are multiplied by, numbers.h */
    int classes;
} an_cuda_loss;

/* What the probability of class j should be. */
AN_ANYWHERE float an_target(const an_cuda_loss *a, int j, int label, int second) {
    const float sure = 1 - a->state->smoothing;
    const float share = second < 0 ? 1 : a->state->share;
    return (j == label ? sure * share : 0) + (j == second ? sure * (1 - share) : 0) +
           a->state->smoothing / (float)a->classes;
}

AN_ANYWHERE void an_cuda_loss_at(const an_cuda_loss *a, uint32_t i) {
    const uint32_t image = i / AN_LANES;
    const int lane = (int)(i % AN_LANES), label = a->labels[image];
    const int second = a->state->mixed ? a->second[image] : -1;
    const float *z = a->logits + (size_t)image * (size_t)a->classes;
    const size_t first = (size_t)image * (size_t)a->classes;
    float most = -INFINITY, sum = 0, loss = 0, before = 0;
    for (int j = lane; j < a->classes; j += AN_LANES)
        most = fmaxf(most, z[j]);
    most = an_lanes_max(most);
    for (int j = lane; j < a->classes; j += AN_LANES)
        sum += expf(z[j] - most);
    const float normaliser = most + logf(an_lanes_sum(sum));
    for (int j = lane; j < a->classes; j += AN_LANES) {
        float gradient = 0;
        if (label >= 0) {
            const float target = an_target(a, j, label, second);
            gradient = (expf(z[j] - normaliser) - target) / (float)a->state->counted;
            loss += target > 0 ? target * (normaliser - z[j]) : 0;
            if (j != label && !(z[j] < z[label] || (j > label && z[j] == z[label])))
                before++;
        }
        an_put(a->dlogits, a->number, first + (size_t)j, a->scale * gradient);
    }
    loss = an_lanes_sum(loss);
    before = an_lanes_sum(before);
    if (lane == 0) {
        a->losses[image] = loss;
        a->ranks[image] = label < 0 ? -1 : (int32_t)before;
    }
}

/* What comes of a step, or of several. */
typedef struct an_cuda_outcome {
    float loss; /* the mean over the images that count */
    int32_t correct, correct5;
} an_cuda_outcome;

/* The sums over the images; there is one index. */
typedef struct an_cuda_tally {
    const float *losses;
    const int32_t *ranks;
    const an_cuda_state *state;
    an_cuda_outcome *outcome;
    int images;
} an_cuda_tally;

AN_ANYWHERE void an_cuda_tally_at(const an_cuda_tally *a, uint32_t i) {
    float loss = 0, correct = 0, correct5 = 0;
    for (int n = (int)(i % AN_LANES); n < a->images; n += AN_LANES) {
        loss += a->losses[n];
        correct += a->ranks[n] >= 0 && a->ranks[n] < 1 ? 1.0f : 0.0f;
        correct5 += a->ranks[n] >= 0 && a->ranks[n] < 5 ? 1.0f : 0.0f;
    }
    loss = an_lanes_sum(loss);
    correct = an_lanes_sum(correct);
    correct5 = an_lanes_sum(correct5);
    if (i % AN_LANES == 0) {
        a->outcome->loss = a->state->counted > 0 ? loss / (float)a->state->counted : 0;
        a->outcome->correct = (int32_t)correct;
        a->outcome->correct5 = (int32_t)correct5;
    }
}

#endif
