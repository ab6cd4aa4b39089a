/*
 * A picture as bytes, with what they become: a quarter of the input that it stands for. Mirroring,
 * colours, normalisation and the type of number are then left to who computes with it.
 */
#ifndef AN_MODEL_PICTURE_H
#define AN_MODEL_PICTURE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Plane c of the input is value[k][byte k of the pixel], with k = c, or 2 - c where the planes are
 * blue, green, red. Where the picture is mirrored, the pixel in column x is the x-th from the
 * right. All zeros make an input of zeros.
 */
typedef struct an_picture {
    float value[3][256]; /* of each colour, RGB */
    uint32_t mirrored, bgr;
    uint8_t bytes[]; /* (H, W, 3), RGB */
} an_picture;

/* From one picture of a batch to the next, in bytes; a multiple of 16. */
static inline size_t an_picture_bytes(size_t height, size_t width) {
    return (offsetof(an_picture, bytes) + 3 * height * width + 15) / 16 * 16;
}

#endif
