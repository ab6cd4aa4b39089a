/*
 * Pictures as bytes: what a pixel's colours become is looked up in the picture's tables,
 *
 *     x[n, c, h, w] = value_n[k][byte k of pixel (h, w')],    w' = w, or W - 1 - w mirrored,
 *
 * with colour k = c, or 2 - c where the planes are blue, green, red. Nothing is computed, so that
 * there is only one right answer.
 */
#include "backend/reference/layers.h"

void an_reference_pictures(int images, an_shape shape, const an_picture *pictures, float *x) {
    const size_t height = (size_t)shape.h, width = (size_t)shape.w;
    const size_t bytes = an_picture_bytes(height, width);
#pragma omp parallel for schedule(static)
    for (int n = 0; n < images; n++) {
        const char *place = (const char *)pictures + (size_t)n * bytes;
        const an_picture *picture = (const an_picture *)(const void *)place;
        for (size_t c = 0; c < 3; c++)
            for (size_t h = 0; h < height; h++)
                for (size_t w = 0; w < width; w++) {
                    const size_t k = picture->bgr ? 2 - c : c;
                    const size_t from = picture->mirrored ? width - 1 - w : w;
                    const uint8_t byte = picture->bytes[3 * (h * width + from) + k];
                    x[(((size_t)n * 3 + c) * height + h) * width + w] = picture->value[k][byte];
                }
    }
}
