/*
 * Weights in eight bits and in sixteen.
 *
 * int8: one scale an output channel, the row of a weight tensor (O, I * K * K):
 * scale[o] = max |w[o]| / 127 and q = w / scale, rounded to the nearest whole number, even where
 * two are as near: -127 to 127, so that a negated weight is a negated q. A row of zeros has scale
 * 0. The largest weight of a row is 127 scales, so q * scale, quantised again, is the same q.
 *
 * bfloat16: the upper half of a float32, rounded likewise.
 *
 * The work of a tensor is shared out to an OpenMP team.
 */
#ifndef AN_FORMATS_QUANTISE_H
#define AN_FORMATS_QUANTISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* scale (rows) of w (rows, columns); false where a weight is no finite number. */
bool an_quantise_scales(const float *w, size_t rows, size_t columns, float *scale);

/* q (rows, columns) of w by an_quantise_scales's `scale` (rows). */
void an_quantise(const float *w, const float *scale, size_t rows, size_t columns, int8_t *q);

/* w = q * scale; false where a q is -128, which an_quantise does not make. */
bool an_dequantise(const int8_t *q, const float *scale, size_t rows, size_t columns, float *w);

/* bfloat16 of `count` values and back; NaN stays NaN. The bytes may lie at any address. */
void an_to_bfloat(const float *values, size_t count, uint8_t *out);
void an_from_bfloat(const uint8_t *bytes, size_t count, float *out);

#endif
