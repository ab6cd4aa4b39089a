/*
 * What the kernels of a first layer (first_walk.h) need to know about it. ../first.c fills it in.
 *
 * The network's input has few maps, so vectors lie along the output maps and each value of the
 * input is broadcast to all lanes. A broadcast takes a word of four bytes: one float32, or a pair
 * of bfloat16 or four bytes from neighbouring columns, which one instruction multiplies with as
 * many weights of each map and adds up.
 *
 * Rows of the input are first spread out: each phase t of the stride S has all words that begin in
 * a column S j + t, for j = 0, 1, ... one behind the other, so that neighbouring pixels of the
 * output find their words side by side whatever the stride. Rows and columns that do not exist
 * (padding) are there as zeros.
 */
#ifndef AN_BACKEND_CPU_KERNELS_FIRST_WORK_H
#define AN_BACKEND_CPU_KERNELS_FIRST_WORK_H

#include "core/memory.h"
#include "model/network.h"

typedef struct an_first_work {
    const an_layer *layer;
    int threads;
    int elements;          /* values in a word: 1, 2 or 4 */
    int phases;            /* of the stride that words begin in: those divisible by ... */
    int phase_step;        /* ... this */
    int columns;           /* words of one phase in a row */
    int rows;              /* of one map, with padding */
    int words;             /* of one filter: (C, K, K / elements rounded up) */
    int *offsets;          /* of each of them, in words from that of the same output pixel */
    int maps;              /* O, filled up to whole tiles */
    size_t weight_bytes;   /* of packed weights: (maps / tile, words, tile) words */
    int line;              /* the gradient of weights: words of one row */
    size_t gradient_bytes; /* the same: scratch memory for one thread */
    size_t scratch_bytes;  /* for one thread: (C, rows, phases, columns) words and one plain row */
} an_first_work;

/* What one call works on. */
typedef struct an_first_data {
    int images;         /* N */
    const float *x;     /* (N, C, H, W) */
    const void *packed; /* weights; int8: behind them start[maps], scale[maps], range */
    const float *bias;  /* (O) */
    float range;        /* int8: of the image at work */
    float *y;           /* blocked */
    const float *dy;    /* blocked */
    float *dw, *db;     /* (O, C, K, K), (O) */
    void *scratch;      /* scratch_bytes for each thread */
} an_first_data;

enum {
    AN_FIRST_VECTORS = 2,      /* of maps in a tile: packed weights are filled up to as many */
    AN_FIRST_GRADIENT_ROWS = 4 /* of the output, that the gradient of weights takes at a time */
};

#ifdef __x86_64__
/* In bfloat16 and int8, with blocks of 16 maps, where an_can_bf16() and an_can_int8(). */
void an_first_forward_bf16(const an_first_work *work, const an_first_data *data);
void an_first_gradient_bf16(const an_first_work *work, const an_first_data *data);
void an_first_forward_int8(const an_first_work *work, const an_first_data *data);
#endif

#endif
