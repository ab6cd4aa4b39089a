#include "formats/quantise.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Adding and taking away 1.5 * 2^23 leaves no bits behind the point of a float32. */
static const float rounder = 0x1.8p23f;

/* The largest magnitude, infinite where one is no finite number. */
static float largest(const float *values, size_t count) {
    float most = 0;
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        const float magnitude = fabsf(values[i]);
        most = magnitude > most ? magnitude : most;
        finite &= magnitude <= FLT_MAX;
    }
    return finite ? most : INFINITY;
}

bool an_quantise_scales(const float *w, size_t rows, size_t columns, float *scale) {
    bool finite = true;
#pragma omp parallel for reduction(&& : finite)
    for (size_t r = 0; r < rows; r++) {
        const float most = largest(w + r * columns, columns);
        finite = finite && most <= FLT_MAX;
        /* Scales too small to divide by are as good as none. */
        scale[r] = most / 127 >= FLT_MIN ? most / 127 : 0;
    }
    return finite;
}

void an_quantise(const float *w, const float *scale, size_t rows, size_t columns, int8_t *q) {
#pragma omp parallel for
    for (size_t r = 0; r < rows; r++) {
        const float divisor = scale[r] > 0 ? scale[r] : INFINITY;
        for (size_t c = 0; c < columns; c++)
            q[r * columns + c] = (int8_t)(w[r * columns + c] / divisor + rounder - rounder);
    }
}

bool an_dequantise(const int8_t *q, const float *scale, size_t rows, size_t columns, float *w) {
    bool sound = true;
#pragma omp parallel for reduction(&& : sound)
    for (size_t r = 0; r < rows; r++) {
        const int8_t *from = q + r * columns;
        float *to = w + r * columns;
        uint8_t least = 0;
        for (size_t c = 0; c < columns; c++) {
            to[c] = (float)from[c] * scale[r];
            least |= from[c] == INT8_MIN;
        }
        sound = sound && !least;
    }
    return sound;
}

/* To the nearest, of two as near to the even one; a NaN keeps its sign and becomes a quiet one. */
static uint16_t to_bfloat(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void an_to_bfloat(const float *values, size_t count, uint8_t *out) {
#pragma omp parallel for
    for (size_t i = 0; i < count; i++) {
        const uint16_t half = to_bfloat(values[i]);
        memcpy(out + i * sizeof half, &half, sizeof half);
    }
}

void an_from_bfloat(const uint8_t *bytes, size_t count, float *out) {
#pragma omp parallel for
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, bytes + i * sizeof half, sizeof half);
        const uint32_t bits = (uint32_t)half << 16;
        memcpy(out + i, &bits, sizeof bits);
    }
}
