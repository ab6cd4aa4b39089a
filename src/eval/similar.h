/*
 * Which pictures are alike: the cosine similarity of what a layer makes of them.
 *
 * The similarity of two pictures is sum a_i b_i of their features a and b, each divided by its
 * Euclidean length: 1 where they point the same way, 0 where they have nothing in common, -1 where
 * they are opposed. (The paper, §6.1, compares the last hidden layer's features by their Euclidean
 * distance d; of features of length 1, d^2 = 2 - 2 similarity gives the same order.)
 */
#ifndef AN_EVAL_SIMILAR_H
#define AN_EVAL_SIMILAR_H

#include <stddef.h>
#include <stdint.h>

/* Stands for "no picture". */
#define AN_NOTHING SIZE_MAX

/* Divides features (length) by their Euclidean length. Zeros stay zeros, and features that have no
 * finite length become zeros. */
void an_normalise(float *features, size_t length);

typedef struct an_find {
    size_t index; /* of the candidate; AN_NOTHING, behind the others, where there are no more */
    float similarity;
} an_find;

/* What is looked for, and among what. Features are normalised; NULL: of a picture that is none. */
typedef struct an_search {
    const float *const *candidates; /* (candidate_count) of (length) */
    size_t candidate_count;
    const float *const *queries; /* (query_count) of (length) */
    const size_t *same;          /* (query_count): the candidate that is the query itself, and so is
                                    no answer; AN_NOTHING: there is none */
    size_t query_count;
    size_t length;
    size_t top; /* answers wanted for each query, at least 1 */
    int threads;
} an_search;

/* The most similar candidates of each query, best first: out (query_count, top). */
void an_search_run(const an_search *search, an_find *out);

#endif
