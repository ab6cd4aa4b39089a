/* Numbers as they are stored on the device, and how kernels read and write them. */
#ifndef AN_BACKEND_CUDA_KERNELS_NUMBERS_H
#define AN_BACKEND_CUDA_KERNELS_NUMBERS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/philox.h"

/* How numbers are stored on the device. */
typedef enum an_number { AN_NUMBER_FLOAT, AN_NUMBER_BF16 } an_number;

/* Maps that a kernel takes at once. */
AN_ANYWHERE int an_width(int maps) {
    return maps % 8 == 0 ? 8 : 1;
}

AN_ANYWHERE float an_of_bf16(uint16_t bits) {
    const uint32_t all = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &all, sizeof value);
    return value;
}

/* To the nearest, ties to even; NaN stays one. */
AN_ANYWHERE uint16_t an_to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

AN_ANYWHERE float an_get(const void *data, an_number number, size_t i) {
    return number == AN_NUMBER_BF16 ? an_of_bf16(((const uint16_t *)data)[i])
                                    : ((const float *)data)[i];
}

AN_ANYWHERE void an_put(void *data, an_number number, size_t i, float value) {
    if (number == AN_NUMBER_BF16)
        ((uint16_t *)data)[i] = an_to_bf16(value);
    else
        ((float *)data)[i] = value;
}

/* 16 bytes, which a GPU reads and writes in one go. */
typedef struct an_sixteen {
    uint32_t word[4];
}
#ifdef __CUDACC__
__align__(16)
#endif
    an_sixteen;

AN_ANYWHERE an_sixteen an_load_sixteen(const void *from) {
#ifdef __CUDA_ARCH__
    return *(const an_sixteen *)from;
#else
    an_sixteen all; /* whatever type it was written as */
    memcpy(&all, from, sizeof all);
    return all;
#endif
}

AN_ANYWHERE void an_store_sixteen(void *to, an_sixteen all) {
#ifdef __CUDA_ARCH__
    *(an_sixteen *)to = all;
#else
    memcpy(to, &all, sizeof all);
#endif
}

/* `width` values from the first on, which is a multiple of it. */
AN_ANYWHERE void an_get_some(const void *data, an_number number, size_t first, const int width,
                             float *out) {
    if (width == 8 && number == AN_NUMBER_BF16) {
        const an_sixteen all = an_load_sixteen((const uint16_t *)data + first);
        for (int i = 0; i < 4; i++) {
            out[2 * i] = an_of_bf16((uint16_t)all.word[i]);
            out[2 * i + 1] = an_of_bf16((uint16_t)(all.word[i] >> 16));
        }
        return;
    }
    for (int i = 0; i < width; i++)
        out[i] = an_get(data, number, first + (size_t)i);
}

AN_ANYWHERE void an_put_some(void *data, an_number number, size_t first, const int width,
                             const float *values) {
    if (width == 8 && number == AN_NUMBER_BF16) {
        an_sixteen all;
        for (int i = 0; i < 4; i++)
            all.word[i] = an_to_bf16(values[2 * i]) | (uint32_t)an_to_bf16(values[2 * i + 1]) << 16;
        an_store_sixteen((uint16_t *)data + first, all);
        return;
    }
    for (int i = 0; i < width; i++)
        an_put(data, number, first + (size_t)i, values[i]);
}

#endif
