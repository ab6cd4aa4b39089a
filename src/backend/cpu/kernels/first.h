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

static inline void first_join(int stride, const float *row, int count, uint32_t *to) {
    (void)stride;
    memcpy(to, row, (size_t)count * sizeof *row);
}

static inline vecu first_gradients(const float *dy, int w, int width) {
    (void)width;
    return (vecu)load(dy + (size_t)w * AN_BLOCK);
}

#include "backend/cpu/kernels/first_walk.h"

#include "backend/cpu/kernels/first_gradient.h"

static void first_forward(const an_first_work *work, const an_first_data *data) {
    first_walk(work, data);
}

static void first_gradient(const an_first_work *work, const an_first_data *data) {
    first_add_up(work, data);
}
