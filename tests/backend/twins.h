/*
 * A network's plans on two backends, the reference and the one under test, with the same weights.
 *
 * Tolerance. Both compute in float32 sums of up to K products, in other orders, and Winograd's
 * algorithm other products. A sum of K terms of random sign errs by about sqrt(K) roundings of its
 * root mean square, so a tensor's error, Euclidean and relative to its length, is about eps sqrt(K)
 * in a layer, and adds up over the layers. With K at most 9216, eps = 2^-24, and about a dozen
 * roundings a term in Winograd's transforms, 2^-24 * sqrt(9216) * 12 = 7e-5. Where a rounding makes
 * another pixel the largest of a window, or turns a ReLU, single elements differ by as much as they
 * are large; of n elements that adds some 1 / sqrt(n): none in the small networks here, but a few
 * in one of the usual size, whose gradients are held to a looser bound.
 */
#ifndef AN_TWINS_H
#define AN_TWINS_H

#include "backend/backend.h"

static const double twins_tolerance = 2e-4;

/* Zeroed, freed with an_free. */
float *floats(size_t count);

/* Uniform with the given standard deviation; `item` numbers the stream. */
void fill(float *out, size_t count, uint64_t item, double deviation);

typedef struct twins {
    an_network network;
    an_plan *expected, *found;
    float *weights, *input, *a, *b;
    int32_t *labels;
    double tolerance; /* of a step's tensors */
} twins;

twins make_twins(const an_backend *backend, const an_arch *arch, int classes, int size,
                 an_plan_options options);
void free_twins(twins *t);

/* Compares a tensor of both plans, the logits of `images` images, and all tensors of one step from
 * the same weights and momentum; `layers`: those of layers, too (observing plans). */
void compare(twins *t, an_tensor tensor, int index, const char *what, const char *name,
             size_t count);
void compare_logits(twins *t, int images);
void compare_step(twins *t, bool layers);

/* A step on their input, at a position of the epoch's order. */
an_step a_step(const twins *t, const an_update *updates, uint64_t position);

/* Inference and steps, with layers and without. */
void check_network(const an_backend *backend, const an_arch *arch, int classes, int size, int batch,
                   int threads);

/* Four steps, twice: the same bits. */
void check_repeatable(const an_backend *backend, int threads);

/* An architecture with small fully connected layers, whose size costs time and tests nothing. */
typedef struct slim_arch {
    an_arch arch;
    an_layer_spec layers[AN_MAX_LAYERS];
} slim_arch;

void slim(const an_arch *arch, slim_arch *out);

/* A quarter of the maps, too, for plain kernels. */
void thin_maps(slim_arch *small);

/* Updates of all parameters alike. */
void set_updates(const twins *t, float rate, an_update *updates);

/* The smallest input size from `least` that a network works with. */
int working_size(const an_arch *arch, int least);

/* Numbers of maps that fill no block, groups, remainders of strides, normalisations and dropout in
 * places where no AlexNet has them. */
extern const an_arch odd_arch, strange_arch;

#endif
