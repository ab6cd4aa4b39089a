/* The first layer in float32: a word is one float. */

typedef vec first_sum;
typedef float first_element;

static inline vec first_dot(vec sum, vecu weights, vecu word) {
    return multiply_add((vec)weights, (vec)word, sum);
}

static inline float first_zero(const an_first_data *data) {
    (void)data;
    return 0;
}

static inline void first_convert(const an_first_data *data, const float *from, int count,
                                 float *to) {
    (void)data;
    memcpy(to, from, (size_t)count * sizeof *to);
}

/* B values of one a map, zero behind the last. */
static inline vec first_maps(const an_first_work *work, const float *values, int map) {
    vec lanes = {0};
    const int count = smaller(AN_BLOCK, work->layer->out.c - map);
    if (count > 0)
        memcpy(&lanes, values + map, (size_t)count * sizeof *values);
    return lanes;
}

static inline vec first_start(const an_first_work *work, const an_first_data *data, int map) {
    return first_maps(work, data->bias, map);
}

static inline vec first_finish(const an_first_work *work, const an_first_data *data, int map,
                               vec sum) {
    (void)work;
    (void)data;
    (void)map;
    return sum;
}

#include "backend/cpu/kernels/first_walk.h"
