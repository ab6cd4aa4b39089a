/* The product of fc_panels.h by AVX-512: a register has the sums of one image and 16 outputs. */

enum {
    fc_tile = 13,    /* images whose sums fit the registers */
    fc_tiles = 5,    /* that multiply what the cache holds of a panel */
    fc_run = 1,      /* panels of gradients that leave row by row */
    fc_overhang = 0, /* bytes behind the images that are read */
    fc_ahead = 8192  /* bytes from what is multiplied to what is asked for */
};

/* A thread needs nothing to begin with. */
static void fc_enter(void) {
}

static void fc_leave(void) {
}

/* Weights that lie in one run: what comes next in it. */
static fc_ask fc_ask_ahead(const char *w, int tile, int tiles) {
    (void)tile, (void)tiles;
    return (fc_ask){w + fc_ahead, fc_line_weights, fc_line_weights};
}

/* sums (+)= `lines` lines of a tile's images x weights. `images` and `parts`, into how many sums
 * each is split so that additions need not wait, are constants where it is inlined. */
static inline __attribute__((always_inline)) void fc_multiply(const int images, const int parts,
                                                              bool add, int lines, const char *x,
                                                              const char *w, fc_ask ask,
                                                              fc_sum (*sums)[2]) {
    fc_sum sum[fc_tile][2][4];
#pragma GCC unroll 13
    for (int m = 0; m < images; m++) {
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
#pragma GCC unroll 4
            for (int p = 0; p < parts; p++)
                sum[m][half][p] = add && p == 0 ? sums[m][half] : fc_nothing();
        }
    }
    for (int line = 0; line < lines; line++) {
        for (int step = 0; step < fc_steps; step += parts) {
#pragma GCC unroll 4
            for (int p = 0; p < parts; p++) {
                const char *next = ask.from + (size_t)(step + p) * fc_width * 4;
                if (parts > 1) { /* few images: nothing is needed twice */
                    _mm_prefetch(next, _MM_HINT_NTA);
                    _mm_prefetch(next + 64, _MM_HINT_NTA);
                } else {
                    _mm_prefetch(next, _MM_HINT_T0);
                    _mm_prefetch(next + 64, _MM_HINT_T0);
                }
                const __m512i low = _mm512_load_si512(w), high = _mm512_load_si512(w + 64);
#pragma GCC unroll 13
                for (int m = 0; m < images; m++) {
                    int32_t group;
                    memcpy(&group, x + m * fc_line + p * 4, sizeof group);
                    const __m512i image = _mm512_set1_epi32(group);
                    sum[m][0][p] = fc_dot(sum[m][0][p], image, low);
                    sum[m][1][p] = fc_dot(sum[m][1][p], image, high);
                }
                w += fc_width * 4;
            }
            x += parts * 4;
        }
        x += (images - 1) * fc_line;
        ask.from += ask.stride;
    }
#pragma GCC unroll 13
    for (int m = 0; m < images; m++) {
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
            sums[m][half] = sum[m][half][0];
#pragma GCC unroll 4
            for (int p = 1; p < parts; p++)
                sums[m][half] = fc_plus(sums[m][half], sum[m][half][p]);
        }
    }
}

static void fc_multiply_tile(int images, bool add, int lines, const char *x, const char *w,
                             fc_ask ask, fc_sum (*sums)[2]) {
#define FC_CASE(images, parts)                                                                     \
    case images:                                                                                   \
        fc_multiply(images, parts, add, lines, x, w, ask, sums);                                   \
        break;
    switch (images) {
        FC_CASE(1, 4)
        FC_CASE(2, 4)
        FC_CASE(3, 2)
        FC_CASE(4, 2)
        FC_CASE(5, 1)
        FC_CASE(6, 1)
        FC_CASE(7, 1)
        FC_CASE(8, 1)
        FC_CASE(9, 1)
        FC_CASE(10, 1)
        FC_CASE(11, 1)
        FC_CASE(12, 1)
        FC_CASE(13, 1)
    default:
        break;
    }
#undef FC_CASE
}
