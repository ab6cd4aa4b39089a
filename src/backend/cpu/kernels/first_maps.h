/* Values of which there is one a map, in the kernels of a first layer. */

/* Those of B maps from `map` on, zero behind the last. */
static inline vec first_maps(const an_first_work *work, const float *values, int map) {
    vec lanes = {0};
    const int count = smaller(AN_BLOCK, work->layer->out.c - map);
    if (count > 0)
        memcpy(&lanes, values + map, (size_t)count * sizeof *values);
    return lanes;
}
