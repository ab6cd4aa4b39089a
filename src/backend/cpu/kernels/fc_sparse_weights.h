/*
 * Weights of a fully connected layer for one image (fc_sparse.h), which are read once for each: as
 * few bytes as hold them, an input's side by side.
 *
 * An output's weights are numbers times its scale. For bytes that is 1/127 of the largest. Floats
 * keep sign and mantissa, but of the exponent only 4 of 8 bits: the scale is the power of two with
 * which the largest weight has exponent 15 of 15. What would need one below 1 is subnormal, as in
 * float32 itself: weights below 2^-14 of the largest are rounded to multiples of 2^-37 of it
 * (bfloat16: 2^-21). Every other weight is kept to the bit. So float32 takes 28 bits, bfloat16 12.
 *
 * Outputs are stored in groups of 8 vectors. A word has 4 bits to spare for each number in it, and
 * those of 7 vectors of words (float32; of bfloat16, which has two in a word, 3) hold the last
 * one's.
 *
 * Packed weights are (panel, I, groups of the panel): up to 14 KB for each input, since memory is
 * fastest where it is read in long runs. A group is packed from its outputs' plain weights, so that
 * those can go as soon as it is; till all are there, a panel's inputs stand in slabs (groups of the
 * panel, inputs of the slab), which are turned over at last.
 */

enum {
    sparse_vectors = 8,
    sparse_group = sparse_vectors * AN_BLOCK, /* outputs */
    sparse_panel = 4096,                      /* outputs, at most */
    sparse_tile = 16,                         /* inputs that are packed together */
    sparse_packed_together = 512,             /* outputs, whole groups */
    sparse_slab_bytes = 32 << 20,             /* at most */
    sparse_top = 15                           /* exponent of an output's largest weight */
};

/* ---- One group. */

/* Vectors of words. */
static inline __attribute__((always_inline)) int sparse_words(const an_precision type) {
    return type == AN_INT8 ? 2 : type == AN_BF16 ? 3 : 7;
}

static inline __attribute__((always_inline)) size_t sparse_group_bytes(const an_precision type) {
    return sparse_words(type) * sizeof(vecu);
}

/* The bits of a word by what they are: those of its one float32, or two bfloat16. */
typedef struct sparse_bits {
    uint32_t sign, number, spare; /* `number`: mantissa and 4 bits of exponent */
    int spare_at;                 /* the lowest of the (lower) spare ones */
} sparse_bits;

static inline __attribute__((always_inline)) sparse_bits sparse_bits_of(const an_precision type) {
    return type == AN_BF16 ? (sparse_bits){0x80008000, 0x07ff07ff, 0x78007800, 11}
                           : (sparse_bits){0x80000000, 0x07ffffff, 0x78000000, 27};
}

/* B numbers as bfloat16, rounded to the nearest even. */
static inline vecu sparse_halves(const float *numbers) {
    const vecu bits = (vecu)load(numbers);
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/* Numbers that fill a group, as words of whole float32 or bfloat16; of these, numbers k and k +
 * AN_BLOCK share a word. */
static inline __attribute__((always_inline)) void
sparse_whole_words(const an_precision type, const float *numbers, vecu *words) {
    if (type == AN_BF16)
        for (int k = 0; k < sparse_vectors / 2; k++, numbers += (size_t)2 * AN_BLOCK)
            words[k] = sparse_halves(numbers) | sparse_halves(numbers + AN_BLOCK) << 16;
    else
        for (int k = 0; k < sparse_vectors; k++, numbers += AN_BLOCK)
            words[k] = (vecu)load(numbers);
}

static inline __attribute__((always_inline)) void sparse_store(const an_precision type,
                                                               const float *numbers, char *to) {
    if (type == AN_INT8) {
        for (int o = 0; o < sparse_group; o++)
            to[o] = (char)(int8_t)rintf(numbers[o]);
        return;
    }
    const sparse_bits bits = sparse_bits_of(type);
    const int stored = sparse_words(type);
    vecu words[sparse_vectors];
    sparse_whole_words(type, numbers, words);
    const vecu last = (words[stored] & bits.number) | (words[stored] & bits.sign) >> 4;
    for (int k = 0; k < stored; k++) {
        const vecu word =
            (words[k] & (bits.sign | bits.number)) | (last >> 4 * k << bits.spare_at & bits.spare);
        memcpy(to + k * sizeof word, &word, sizeof word);
    }
}

/* sums += x times the numbers in a word of each lane, one vector of sums for each. */
static inline __attribute__((always_inline)) void
sparse_multiply_words(const an_precision type, vec x, vecu words, vec *sums) {
    if (type == AN_BF16) {
        sums[0] = multiply_add(x, (vec)(words << 16), sums[0]);
        sums[1] = multiply_add(x, (vec)(words & 0xffff0000), sums[1]);
    } else {
        sums[0] = multiply_add(x, (vec)words, sums[0]);
    }
}

/* sums (8 vectors) += x times a group's numbers */
static inline __attribute__((always_inline)) void sparse_multiply(const an_precision type, vec x,
                                                                  const char *group, vec *sums) {
    if (type == AN_INT8) {
#pragma GCC unroll 8
        for (int k = 0; k < sparse_vectors; k++)
            sums[k] = multiply_add(x, load_bytes(group + (size_t)k * AN_BLOCK), sums[k]);
        return;
    }
    const sparse_bits bits = sparse_bits_of(type);
    const int stored = sparse_words(type), in_word = sparse_vectors / (stored + 1);
    vecu last = {0};
#pragma GCC unroll 8
    for (int k = 0; k < stored; k++) {
        vecu words;
        memcpy(&words, group + k * sizeof words, sizeof words);
        last = last >> 4 | (words & bits.spare);
        sparse_multiply_words(type, x, words & (bits.sign | bits.number), sums + k * in_word);
    }
    last = (last << 1 & bits.sign) | (last >> 3 & bits.number);
    sparse_multiply_words(type, x, last, sums + stored * in_word);
}

/* ---- Where a layer's groups are. */

static inline int sparse_width(int outputs) {
    return portions_of(outputs, sparse_group) * sparse_group;
}

/* A panel's outputs [first, first + width), and its rows, an input's weights each. */
typedef struct sparse_rows {
    int first, width;
    size_t bytes; /* of a row */
    char *at;
} sparse_rows;

static inline size_t sparse_row_bytes(an_precision type, int width) {
    return width / sparse_group * sparse_group_bytes(type);
}

static inline sparse_rows sparse_rows_of(an_precision type, int inputs, int outputs, int p,
                                         const void *packed) {
    const int first = p * sparse_panel;
    const int width = smaller(sparse_panel, sparse_width(outputs) - first);
    return (sparse_rows){first, width, sparse_row_bytes(type, width),
                         (char *)(uintptr_t)packed + inputs * sparse_row_bytes(type, first)};
}

/* Behind the rows a scale for each output: of floats 2^-sparse_bias of it, a normal number for any
 * weights. */
enum { sparse_bias = 112 };

static size_t sparse_packed_bytes(an_precision type, int inputs, int outputs) {
    const int width = sparse_width(outputs);
    return an_aligned(inputs * sparse_row_bytes(type, width) + width * sizeof(float));
}

static float *sparse_scales(an_precision type, int inputs, int outputs, const void *packed) {
    char *rows = (char *)(uintptr_t)packed;
    return (float *)(void *)(rows + inputs * sparse_row_bytes(type, sparse_width(outputs)));
}

/* ---- Packing. */

/* How weights become numbers, for each output of a group: times one factor and the other, of which
 * the product may be no float; bytes divided by one. What comes of weights that are not finite is
 * of no account. */
typedef struct sparse_scaling {
    float one[sparse_group], other[sparse_group];
} sparse_scaling;

/* The exponent by which float32 stores a magnitude, in its precision; 1 for those below. */
static int sparse_exponent(an_precision type, float magnitude) {
    uint32_t bits;
    memcpy(&bits, &magnitude, sizeof bits);
    if (type == AN_BF16)
        bits += 0x7fff + (bits >> 16 & 1);
    return larger((int)(bits >> 23), 1);
}

/* Output o's scale as it is stored, and its scaling; NaN where a weight is not finite. */
static float sparse_scale(an_precision type, int inputs, const float *w, int o,
                          sparse_scaling *scaling) {
    float most = 0;
    bool finite = true;
    for (int i = 0; i < inputs; i++) {
        const float magnitude = fabsf(w[i]);
        finite &= magnitude < INFINITY;
        most = most > magnitude ? most : magnitude;
    }
    scaling->one[o] = type == AN_INT8 ? 1 : 0;
    scaling->other[o] = 0;
    if (!finite)
        return NAN;
    if (type == AN_INT8) {
        const float scale = most / 127;
        scaling->one[o] = scale >= FLT_MIN ? scale : INFINITY;
        return scale >= FLT_MIN ? scale : 0;
    }
    const int power = sparse_exponent(type, most) - sparse_top;
    scaling->one[o] = ldexpf(1, -power / 2);
    scaling->other[o] = ldexpf(1, -(power - power / 2));
    return ldexpf(1, power - sparse_bias);
}

/* The numbers of a group and one input, from its weights. */
static inline __attribute__((always_inline)) void
sparse_numbers(const an_precision type, const sparse_scaling *scaling, float *weights) {
    for (int o = 0; o < sparse_group; o += AN_BLOCK) {
        const vec w = load(weights + o), one = load(scaling->one + o);
        const vec bytes = w / one, floats = w * one * load(scaling->other + o);
        store(weights + o, type == AN_INT8 ? only((bytes > -128) & (bytes < 128), bytes) : floats);
    }
}

/* Inputs of a slab. */
static int sparse_slab(int inputs, size_t row_bytes) {
    return smaller(inputs, (int)(sparse_slab_bytes / row_bytes));
}

/* Packs inputs [first, first + count) of a group: of `outputs` outputs w (outputs, I), to (count)
 * groups. */
static inline __attribute__((always_inline)) void
sparse_pack_inputs(const an_precision type, const float *w, int inputs, int outputs, int first,
                   int count, const sparse_scaling *scaling, char *to) {
    float tile[sparse_tile][sparse_group] = {{0}};
    for (int begin = 0; begin < count; begin += sparse_tile) {
        const int some = smaller(sparse_tile, count - begin);
        for (int o = 0; o < outputs; o++)
            for (int i = 0; i < some; i++)
                tile[i][o] = w[(size_t)o * inputs + first + begin + i];
        for (int i = 0; i < some; i++) {
            sparse_numbers(type, scaling, tile[i]);
            sparse_store(type, tile[i], to + (begin + i) * sparse_group_bytes(type));
        }
    }
}

/* Packs outputs [o, o + sparse_group), as far as they are there, into their slabs. */
static inline __attribute__((always_inline)) void
sparse_pack_group(const an_precision type, const an_fc_packing *job, int o) {
    const int inputs = job->inputs, count = smaller(sparse_group, job->outputs - o);
    const float *w = job->w + (size_t)(o - job->first) * inputs;
    const sparse_rows rows =
        sparse_rows_of(type, inputs, job->outputs, o / sparse_panel, job->packed);
    float *scales = sparse_scales(type, inputs, job->outputs, job->packed) + o;
    sparse_scaling scaling;
    for (int c = 0; c < sparse_group; c++)
        scales[c] = c < count ? sparse_scale(type, inputs, w + (size_t)c * inputs, c, &scaling)
                              : sparse_scale(type, 0, NULL, c, &scaling);
    const int slab = sparse_slab(inputs, rows.bytes);
    for (int first = 0; first < inputs; first += slab) {
        const int some = smaller(slab, inputs - first);
        const size_t group = (o - rows.first) / sparse_group;
        sparse_pack_inputs(type, w, inputs, count, first, some, &scaling,
                           rows.at + first * rows.bytes + group * some * sparse_group_bytes(type));
    }
}

/* `group` is sparse_pack_group of one type: a constant would not get into a parallel region. */
static void sparse_pack(const an_fc_packing *job, void (*group)(const an_fc_packing *job, int o)) {
#pragma omp parallel for schedule(dynamic)
    for (int o = job->first; o < job->last; o += sparse_group)
        group(job, o);
}

/* Turns `inputs` of a panel's inputs over: from (groups, inputs) to (inputs, groups). */
static void sparse_turn_slab(size_t group_bytes, int groups, int inputs, char *slab, char *turned) {
    const size_t row = groups * group_bytes;
#pragma omp parallel
    {
#pragma omp for
        for (int i = 0; i < inputs; i++)
            for (int g = 0; g < groups; g++)
                memcpy(turned + i * row + g * group_bytes,
                       slab + ((size_t)g * inputs + i) * group_bytes, group_bytes);
#pragma omp for
        for (int i = 0; i < inputs; i++)
            memcpy(slab + i * row, turned + i * row, row);
    }
}

static alexnet_status sparse_arrange(an_precision type, int inputs, int outputs, void *packed,
                                     alexnet_error *error) {
    const sparse_rows widest = sparse_rows_of(type, inputs, outputs, 0, packed);
    void *turned;
    AN_TRY(an_reserve(&turned, sparse_slab(inputs, widest.bytes), widest.bytes,
                      "fully connected weights", error));
    for (int p = 0; p * sparse_panel < outputs; p++) {
        const sparse_rows rows = sparse_rows_of(type, inputs, outputs, p, packed);
        const int slab = sparse_slab(inputs, rows.bytes);
        for (int first = 0; first < inputs; first += slab)
            sparse_turn_slab(sparse_group_bytes(type), rows.width / sparse_group,
                             smaller(slab, inputs - first), rows.at + first * rows.bytes, turned);
    }
    an_free(turned);
    return ALEXNET_OK;
}
