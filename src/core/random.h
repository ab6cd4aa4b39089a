/*
 * Counter-based random numbers: Philox4x32-10.
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011, §3.3.
 *
 * A number is a pure function of (seed, purpose, epoch, item, position): no state is shared or
 * advanced, so what a training step sees does not depend on threads, loader workers or ranks.
 */
#ifndef AN_CORE_RANDOM_H
#define AN_CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* What a stream of numbers is for; streams of different purposes are independent. */
typedef enum an_purpose {
    AN_RANDOM_INIT = 1,     /* item: parameter's index in the network; element by element */
    AN_RANDOM_ORDER,        /* the shuffled order of an epoch */
    AN_RANDOM_AUGMENT,      /* crop, mirror; item: the sample's index in the data set, or 2^55 and
                               the index of the group that shares them */
    AN_RANDOM_DROPOUT,      /* item: position in the epoch's order; see backend.h */
    AN_RANDOM_SUBSET,       /* which samples a --limit keeps */
    AN_RANDOM_SHAPES_TRAIN, /* pictures of `shapes`; item: the picture's index */
    AN_RANDOM_SHAPES_HELD,  /* the held-out pictures of `shapes` */
    AN_RANDOM_SYNTHETIC,    /* inputs of benchmarks and checks */
    AN_RANDOM_TEST,         /* tests */
    AN_RANDOM_COLOUR,       /* colour noise; item: the sample's index in the data set */
    AN_RANDOM_MIX /* mixup's shares; item: position in the epoch's order. A new purpose goes
                     last: streams follow from the values */
} an_purpose;

/* A position in one stream. */
typedef struct an_random {
    uint32_t key[2];
    uint32_t
        counter[4];    /* [0]: the block, [1], low 24 bits of [3]: item, [2]: epoch, [3]: purpose */
    uint32_t words[4]; /* the block's output */
    int used;          /* words already handed out, 4: none left */
} an_random;

/* One Philox4x32-10 block: 4 words out of a 128-bit counter and a 64-bit key. */
void an_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* The stream of (seed, purpose, epoch, item), at its begin. item < 2^56. */
an_random an_random_stream(uint64_t seed, an_purpose purpose, uint32_t epoch, uint64_t item);

/* The four words of block `block` of a stream, without moving it. */
void an_random_block(const an_random *stream, uint32_t block, uint32_t out[4]);

/* The next 32 random bits. */
uint32_t an_random_u32(an_random *stream);

/* Uniform in [0, 1), 24 bits. */
float an_random_uniform(an_random *stream);

/* Uniform in [low, high). */
float an_random_range(an_random *stream, float low, float high);

/* Uniform in 0 .. n - 1 without bias; n > 0. */
uint32_t an_random_below(an_random *stream, uint32_t n);

/* Standard normal (Box-Muller, in double precision). */
double an_random_normal(an_random *stream);

/*
 * Fills out[0 .. count) with element i of the stream of a block each four elements, so that any
 * part can be computed alone: `first` is the index of out[0] and must be a multiple of 4.
 * an_random_fill_normal: mean 0, standard deviation `deviation`; elements 2j and 2j+1 of a block
 * are the cosine and sine branch of Box-Muller over words 2j and 2j+1. an_random_fill_uniform: in
 * [-bound, bound).
 */
void an_random_fill_normal(const an_random *stream, size_t first, size_t count, double deviation,
                           float *out);
void an_random_fill_uniform(const an_random *stream, size_t first, size_t count, double bound,
                            float *out);

/* Puts n values into a uniformly random order (Fisher-Yates). */
void an_random_shuffle(an_random *stream, uint32_t *values, uint32_t n);

/* A uniformly random order of 0 .. n - 1. */
void an_random_permutation(an_random *stream, uint32_t *order, uint32_t n);

#endif
