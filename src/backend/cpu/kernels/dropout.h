/*
 * Dropout. The mask is not stored but computed when needed, forward and backward, B blocks of the
 * counter-based generator (core/random.h) at a time: lane i of words[k] is word k of block
 * `block` + i, and so belongs to unit 4 (block + i) + k.
 */

typedef uint64_t vecw __attribute__((vector_size(AN_BLOCK * sizeof(uint64_t))));

/* The upper and lower halves of the 64-bit products. */
static inline void multiply_wide(uint32_t a, vecu b, vecu *upper, vecu *lower) {
    const vecw product = (uint64_t)a * __builtin_convertvector(b, vecw);
    *upper = __builtin_convertvector(product >> 32, vecu);
    *lower = __builtin_convertvector(product, vecu);
}

static inline void philox_blocks(const an_random *stream, uint32_t block, vecu words[4]) {
    const vecu lanes = {AN_LANES(0)};
    vecu c0 = lanes + block, c1 = stream->counter[1] + (vecu){0};
    vecu c2 = stream->counter[2] + (vecu){0}, c3 = stream->counter[3] + (vecu){0};
    uint32_t k0 = stream->key[0], k1 = stream->key[1];
    for (int round = 0; round < 10; round++) {
        vecu upper0, lower0, upper1, lower1;
        multiply_wide(0xD2511F53u, c0, &upper0, &lower0);
        multiply_wide(0xCD9E8D57u, c2, &upper1, &lower1);
        c0 = upper1 ^ c1 ^ k0;
        c2 = upper0 ^ c3 ^ k1;
        c1 = lower1;
        c3 = lower0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

/* The random number of unit `first` + i, if words[0][0] is that of unit `first`. */
static inline uint32_t lane_of(const vecu words[4], size_t i) {
    return words[i % 4][i / 4];
}

static void dropout(const an_layer *layer, int index, int images, const an_step *step, float *x) {
    const size_t units = an_shape_count(layer->in);
    const double threshold = (double)layer->spec.rate * 0x1p32;
    const float factor = layer->spec.scale_at_test ? 1 : 1 / (1 - layer->spec.rate);
#pragma omp parallel for schedule(static)
    for (int n = 0; n < images; n++) {
        const uint64_t position = step->position + (uint64_t)n;
        const an_random stream = an_random_stream(step->seed, AN_RANDOM_DROPOUT, step->epoch,
                                                  position * AN_MAX_LAYERS + (uint64_t)index);
        float *image = x + (size_t)n * units;
        for (size_t first = 0; first < units; first += (size_t)4 * AN_BLOCK) {
            vecu words[4];
            philox_blocks(&stream, (uint32_t)(first / 4), words);
            for (size_t i = 0; i < (size_t)4 * AN_BLOCK && first + i < units; i++)
                image[first + i] = lane_of(words, i) < threshold ? 0 : factor * image[first + i];
        }
    }
}
