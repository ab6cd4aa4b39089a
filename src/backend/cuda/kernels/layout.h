/* From one layout, or type of number, to another. */
#ifndef AN_BACKEND_CUDA_KERNELS_LAYOUT_H
#define AN_BACKEND_CUDA_KERNELS_LAYOUT_H

#include "backend/cuda/kernels/numbers.h"

/* Maps first (N, C, P) and maps last (N, P, S), P places; of the S >= C maps that are stored, those
 * from C on are 0. Images, and with places for pixels of a window, weights. */
typedef struct an_cuda_maps {
    const void *from;
    void *to;
    an_number from_number, to_number;
    int maps, stored, places;
} an_cuda_maps, an_cuda_maps_last, an_cuda_maps_first;

/* The index is that of the element in `to`. */
AN_ANYWHERE void an_cuda_maps_last_at(const an_cuda_maps_last *a, uint32_t i) {
    const uint32_t stored = (uint32_t)a->stored, places = (uint32_t)a->places;
    const uint32_t map = i % stored, place = i / stored % places, image = i / stored / places;
    float value = 0;
    if (map < (uint32_t)a->maps)
        value = an_get(a->from, a->from_number,
                       ((size_t)image * (size_t)a->maps + map) * places + place);
    an_put(a->to, a->to_number, i, value);
}

AN_ANYWHERE void an_cuda_maps_first_at(const an_cuda_maps_first *a, uint32_t i) {
    const uint32_t maps = (uint32_t)a->maps, places = (uint32_t)a->places;
    const uint32_t place = i % places, map = i / places % maps, image = i / places / maps;
    an_put(a->to, a->to_number, i,
           an_get(a->from, a->from_number,
                  ((size_t)image * places + place) * (size_t)a->stored + map));
}

/* From one type of number to another, times a factor, element by element. */
typedef struct an_cuda_cast {
    const void *from;
    void *to;
    an_number from_number, to_number;
    float factor;
} an_cuda_cast;

AN_ANYWHERE void an_cuda_cast_at(const an_cuda_cast *a, uint32_t i) {
    an_put(a->to, a->to_number, i, a->factor * an_get(a->from, a->from_number, i));
}

#endif
