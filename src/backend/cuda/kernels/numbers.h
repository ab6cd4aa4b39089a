/* Numbers as they are stored on the device, and how kernels read and write them. */
#ifndef AN_BACKEND_CUDA_KERNELS_NUMBERS_H
#define AN_BACKEND_CUDA_KERNELS_NUMBERS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/philox.h"

#ifdef __CUDACC__
#include <cuda_fp16.h>
#endif

/* How numbers are stored on the device: FP16 is IEEE's half. */
typedef enum an_number { AN_NUMBER_FLOAT, AN_NUMBER_BF16, AN_NUMBER_FP16 } an_number;

AN_ANYWHERE bool an_has_16_bits(an_number number) {
    return number != AN_NUMBER_FLOAT;
}

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

AN_ANYWHERE float an_of_fp16(uint16_t bits) {
#ifdef __CUDA_ARCH__
    return __half2float(__ushort_as_half(bits));
#else
    const uint32_t size = bits & 0x7FFFu, exponent = size >> 10;
    const float least = (float)size * 0x1p-24f; /* where it is below the normal ones */
    uint32_t all;
    float value;
    if (exponent == 31) /* infinity, NaN */
        all = 0x7F800000u | size << 13;
    else if (exponent > 0)
        all = (size << 13) + ((127u - 15u) << 23);
    else
        memcpy(&all, &least, sizeof all);
    all |= (uint32_t)(bits & 0x8000u) << 16;
    memcpy(&value, &all, sizeof value);
    return value;
#endif
}

/* To the nearest, ties to even, beyond 65504 from 65520 on infinity; NaN stays one. */
AN_ANYWHERE uint16_t an_to_fp16(float value) {
#ifdef __CUDA_ARCH__
    return __half_as_ushort(__float2half_rn(value));
#else
    const float over_half = fabsf(value) + 0.5f;
    uint32_t bits, size, rounded;
    memcpy(&bits, &value, sizeof bits);
    size = bits & 0x7FFFFFFFu;
    if (size > 0x7F800000u)
        rounded = 0x7E00u;
    else if (size >= 0x47800000u) /* 65536 */
        rounded = 0x7C00u;
    else if (size >= 0x38800000u) /* 2^-14, the least normal one: the bits that go are rounded */
        rounded = (size - ((127u - 15u) << 23) + 0xFFFu + (size >> 13 & 1u)) >> 13;
    else { /* a multiple of 2^-24, which is a bit of what lies between 0.5 and 1 */
        memcpy(&rounded, &over_half, sizeof rounded);
        rounded -= 0x3F000000u;
    }
    return (uint16_t)(bits >> 16 & 0x8000u) | (uint16_t)rounded;
#endif
}

/* Numbers of 16 bits, of either kind. */
AN_ANYWHERE float an_of_16(uint16_t bits, an_number number) {
    return number == AN_NUMBER_FP16 ? an_of_fp16(bits) : an_of_bf16(bits);
}

AN_ANYWHERE uint16_t an_to_16(float value, an_number number) {
    return number == AN_NUMBER_FP16 ? an_to_fp16(value) : an_to_bf16(value);
}

AN_ANYWHERE float an_get(const void *data, an_number number, size_t i) {
    return an_has_16_bits(number) ? an_of_16(((const uint16_t *)data)[i], number)
                                  : ((const float *)data)[i];
}

AN_ANYWHERE void an_put(void *data, an_number number, size_t i, float value) {
    if (an_has_16_bits(number))
        ((uint16_t *)data)[i] = an_to_16(value, number);
    else
        ((float *)data)[i] = value;
}

/*
 * Loss scaling (Micikevicius et al. 2018, "Mixed precision training", section 3.2): what gradients
 * are multiplied by on their way through the layers. Those of parameters have it taken off again.
 *
 * Half reaches from 2^-24 to 65504. The gradient of the mean over N images has 1 / N of each one's
 * own, and much of it would vanish below; with 32 N an image's is 32 times its own, where the paper
 * found 8 times the mean's to be enough. It begins as p - t, so at 32 at most, and has to grow two
 * thousandfold on its way before it is too large, while it is rather spread over ever more units.
 * Where few images of a large batch count, each counts for more: with no more than 2^14 even a
 * single one begins at a quarter of 65504. What is too large nevertheless becomes infinite, and
 * shows in the loss. As a constant it needs no state that a resumed run would have to know.
 */
enum { AN_HALF_SCALE = 32, AN_MOST_SCALE = 1 << 14 };

AN_ANYWHERE float an_gradient_scale(an_number number, int images) {
    if (number != AN_NUMBER_FP16)
        return 1;
    return (float)(images < AN_MOST_SCALE / AN_HALF_SCALE ? AN_HALF_SCALE * images : AN_MOST_SCALE);
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
    if (width != 8) {
        for (int i = 0; i < width; i++)
            out[i] = an_get(data, number, first + (size_t)i);
    } else if (an_has_16_bits(number)) {
        const an_sixteen all = an_load_sixteen((const uint16_t *)data + first);
        for (int i = 0; i < 4; i++) {
            out[2 * i] = an_of_16((uint16_t)all.word[i], number);
            out[2 * i + 1] = an_of_16((uint16_t)(all.word[i] >> 16), number);
        }
    } else {
        for (int i = 0; i < 8; i += 4) {
            const an_sixteen half = an_load_sixteen((const float *)data + first + i);
            memcpy(out + i, half.word, sizeof half.word);
        }
    }
}

AN_ANYWHERE void an_put_some(void *data, an_number number, size_t first, const int width,
                             const float *values) {
    an_sixteen all;
    if (width != 8) {
        for (int i = 0; i < width; i++)
            an_put(data, number, first + (size_t)i, values[i]);
    } else if (an_has_16_bits(number)) {
        for (int i = 0; i < 4; i++)
            all.word[i] = an_to_16(values[2 * i], number) |
                          (uint32_t)an_to_16(values[2 * i + 1], number) << 16;
        an_store_sixteen((uint16_t *)data + first, all);
    } else {
        for (int i = 0; i < 8; i += 4) {
            memcpy(all.word, values + i, sizeof all.word);
            an_store_sixteen((float *)data + first + i, all);
        }
    }
}

#endif
