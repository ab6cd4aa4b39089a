/* The first layer in float32: a word is one float. */
#include "backend/cpu/kernels/first_maps.h"

typedef vec first_sum;
typedef vec first_ending; /* the biases */
typedef float first_element;

static const float first_zero = 0;

static inline vec first_dot(vec sum, vecu weights, vecu word) {
    return multiply_add((vec)weights, (vec)word, sum);
}

static inline void first_image(const an_first_work *work, an_first_data *data) {
    (void)work;
    (void)data;
}

static inline void first_convert(an_first_data *data, const float *from, int count, float *to) {
    (void)data;
    memcpy(to, from, (size_t)count * sizeof *to);
}

static inline vec first_start(const an_first_work *work, const an_first_data *data, int map) {
    (void)work;
    (void)data;
    (void)map;
    return (vec){0};
}

static inline vec first_end(const an_first_work *work, const an_first_data *data, int map) {
    return first_maps(work, data->bias, map);
}

static inline vec first_finish(vec biases, vec sum) {
    return sum + biases;
}

#include "backend/cpu/kernels/first_walk.h"

static void first_forward(const an_first_work *work, const an_first_data *data) {
    first_walk(work, data);
}
