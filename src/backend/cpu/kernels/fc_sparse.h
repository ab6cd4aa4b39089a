/*
 * Fully connected layers of one image whose inputs come from a ReLU: half of them are zero before
 * training, two thirds and more after it. What one image costs is reading the weights, so they
 * stand input by input, and those of an input that is zero are not read. The sums are the same.
 *
 * Packed they are (panel, I, outputs of the panel): 2 KB of weights for each input, so that a
 * panel's plain weights can go as soon as it is packed.
 *
 * Weights are float32, bfloat16 or bytes with a scale for each output; the image stays in float32.
 * An output of which a weight is no finite number is NaN whatever its inputs are.
 */

enum {
    sparse_outputs = 64,     /* panels are filled up to a multiple of so many, a line of bytes */
    sparse_row_bytes = 2048, /* of a panel's row; less in the last panel */
    sparse_run = 512,        /* outputs that a thread takes at a time, at most */
    sparse_rows = 8,         /* inputs that are multiplied together */
    sparse_pack = 16         /* that are turned over together */
};

static inline size_t sparse_element(an_precision type) {
    return type == AN_BF16 ? sizeof(uint16_t) : type == AN_INT8 ? sizeof(int8_t) : sizeof(float);
}

static inline int sparse_width(int outputs) {
    return portions_of(outputs, sparse_outputs) * sparse_outputs;
}

/* Outputs of a panel. */
static inline int sparse_panel(an_precision type) {
    return sparse_row_bytes / (int)sparse_element(type);
}

/* Behind the rows a scale for each output. */
static size_t sparse_packed_bytes(an_precision type, int inputs, int outputs) {
    return inputs * sparse_element(type) * sparse_width(outputs) +
           sparse_width(outputs) * sizeof(float);
}

static float *sparse_scales(an_precision type, int inputs, int outputs, const void *packed) {
    char *rows = (char *)(uintptr_t)packed;
    return (float *)(void *)(rows + inputs * sparse_element(type) * sparse_width(outputs));
}

/* Where the weights of some outputs begin: those of the first input, and from there to those of the
 * next it is `stride` bytes. */
typedef struct sparse_columns {
    char *first;
    size_t stride;
} sparse_columns;

static inline sparse_columns sparse_columns_of(an_precision type, int inputs, int outputs, int o,
                                               const void *packed) {
    const size_t size = sparse_element(type);
    const int begin = o - o % sparse_panel(type);
    const size_t stride = size * smaller(sparse_panel(type), sparse_width(outputs) - begin);
    char *columns = (char *)(uintptr_t)packed + size * begin * inputs;
    return (sparse_columns){columns + (o - begin) * size, stride};
}

/* The numbers of the inputs that are not zero. */
static size_t sparse_workspace_bytes(int images, int inputs) {
    (void)images;
    return portions_of(inputs * (int)sizeof(int), AN_ALIGNMENT) * (size_t)AN_ALIGNMENT;
}

/* ---- Packing. */

/* What the output's sums are multiples of; NaN where a weight is not finite. */
static float sparse_scale(an_precision type, int inputs, const float *w) {
    float most = 0;
    bool finite = true;
    for (int i = 0; i < inputs; i++) {
        const float magnitude = fabsf(w[i]);
        finite &= magnitude < INFINITY;
        most = most > magnitude ? most : magnitude;
    }
    if (!finite)
        return NAN;
    return type != AN_INT8 ? 1 : most / 127 >= FLT_MIN ? most / 127 : 0;
}

/* A weight as it is stored at `to`. */
static inline __attribute__((always_inline)) void sparse_store(const an_precision type, float w,
                                                               float scale, char *to) {
    uint32_t bits;
    memcpy(&bits, &w, sizeof bits);
    if (type == AN_INT8) {
        const int8_t byte = scale > 0 ? (int8_t)rintf(w / scale) : 0;
        memcpy(to, &byte, sizeof byte);
    } else if (type == AN_BF16) { /* the upper half, rounded to the nearest even */
        const uint16_t half = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
        memcpy(to, &half, sizeof half);
    } else {
        memcpy(to, &w, sizeof w);
    }
}

/* The weights of `count` outputs, w (count, I), as columns. */
static inline __attribute__((always_inline)) void sparse_turn(const an_precision type, int inputs,
                                                              int count, const float *w,
                                                              const float *scales,
                                                              sparse_columns to) {
    const size_t size = sparse_element(type);
    char tile[sparse_pack][sparse_outputs * sizeof(float)] = {{0}};
    for (int first = 0; first < inputs; first += sparse_pack) {
        const int some = smaller(sparse_pack, inputs - first);
        for (int o = 0; o < count; o++)
            for (int i = 0; i < some; i++)
                sparse_store(type, w[(size_t)o * inputs + first + i], scales[o],
                             tile[i] + o * size);
        for (int i = 0; i < some; i++)
            memcpy(to.first + (first + i) * to.stride, tile[i], sparse_outputs * size);
    }
}

/* Outputs [o, o + sparse_outputs), as far as they are there. */
static inline __attribute__((always_inline)) void
sparse_pack_group(const an_precision type, const an_fc_packing *job, int o) {
    const int inputs = job->inputs, outputs = job->outputs;
    const int count = smaller(sparse_outputs, outputs - o);
    const float *w = job->w + (size_t)(o - job->first) * inputs;
    float *scales = sparse_scales(type, inputs, outputs, job->packed) + o;
    for (int c = 0; c < sparse_outputs; c++)
        scales[c] = c < count ? sparse_scale(type, inputs, w + (size_t)c * inputs) : 0;
    sparse_turn(type, inputs, count, w, scales,
                sparse_columns_of(type, inputs, outputs, o, job->packed));
}

/* `group` is sparse_pack_group of one type: a constant would not get into a parallel region. */
static void sparse_pack_weights(const an_fc_packing *job,
                                void (*group)(const an_fc_packing *job, int o)) {
#pragma omp parallel for schedule(dynamic)
    for (int o = job->first; o < job->last; o += sparse_outputs)
        group(job, o);
}

/* ---- Forward. */

/* B weights, in units of their outputs' scales. */
static inline __attribute__((always_inline)) vec sparse_load(const an_precision type,
                                                             const char *from) {
    return type == AN_INT8   ? load_bytes(from)
           : type == AN_BF16 ? load_halves(from)
                             : load((const float *)(const void *)from);
}

/* Rows of weights that are multiplied together, and those that are next. */
typedef struct sparse_block {
    const char *row[sparse_rows], *next[sparse_rows];
    float x[sparse_rows];
} sparse_block;

/* y (count) += sum over `rows` rows of x w; `rows` and the type are constants where it is inlined.
 */
static inline __attribute__((always_inline)) void sparse_add(const an_precision type,
                                                             const int rows, int count,
                                                             const sparse_block *block, float *y) {
    const size_t size = sparse_element(type);
    const int line = AN_ALIGNMENT / (int)size;
    vec x[sparse_rows];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
        x[r] = broadcast(block->x[r]);
    for (int o = 0; o < count; o += line) {
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            __builtin_prefetch(block->next[r] + o * size, 0, 0); /* nothing is needed twice */
#pragma GCC unroll 8
        for (int k = 0; k < line; k += AN_BLOCK) {
            vec sum = {0};
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++)
                sum = multiply_add(x[r], sparse_load(type, block->row[r] + (o + k) * size), sum);
            store(y + o + k, load(y + o + k) + sum);
        }
    }
}

/* Whether rows, from one to the next of which it is `stride` bytes, are those of neighbours. */
static inline bool sparse_follow(const char *const *row, size_t stride) {
    return row[sparse_rows - 1] == row[0] + (sparse_rows - 1) * stride;
}

/* The same where these rows are neighbours, and so are the next: one after the other, as memory
 * likes it best. */
static inline __attribute__((always_inline)) void sparse_add_in_order(const an_precision type,
                                                                      int count, size_t stride,
                                                                      const sparse_block *block,
                                                                      float *y) {
    for (int r = 0; r < sparse_rows; r++) {
        const char *ahead = block->row[r] + 2 * stride;
        sparse_add(type, 1, count,
                   &(sparse_block){.row = {block->row[r]}, .next = {ahead}, .x = {block->x[r]}}, y);
    }
}

/* Outputs [first, first + count) of the inputs in `list`. */
static inline __attribute__((always_inline)) void sparse_outputs_of(const an_precision type,
                                                                    const an_fc_job *job, int first,
                                                                    int count, const int *list,
                                                                    int listed) {
    const sparse_columns columns =
        sparse_columns_of(type, job->inputs, job->outputs, first, job->packed);
    const float *scales = sparse_scales(type, job->inputs, job->outputs, job->packed) + first;
    _Alignas(AN_ALIGNMENT) float sums[sparse_run] = {0};
    sparse_block block;
    int i = 0;
    for (; i + sparse_rows <= listed; i += sparse_rows) {
        for (int r = 0; r < sparse_rows; r++) {
            const int next = list[smaller(i + r + sparse_rows, listed - 1)];
            block.row[r] = columns.first + list[i + r] * columns.stride;
            block.next[r] = columns.first + next * columns.stride;
            block.x[r] = job->x[list[i + r]];
        }
        if (type == AN_FP32 && sparse_follow(block.row, columns.stride) &&
            sparse_follow(block.next, columns.stride))
            sparse_add_in_order(type, count, columns.stride, &block, sums);
        else
            sparse_add(type, sparse_rows, count, &block, sums);
    }
    for (; i < listed; i++) {
        block.row[0] = block.next[0] = columns.first + list[i] * columns.stride;
        block.x[0] = job->x[list[i]];
        sparse_add(type, 1, count, &block, sums);
    }
    for (int o = 0; o < smaller(count, job->outputs - first); o++)
        fc_output(job, 0, first + o, sums[o] * scales[o]);
}

/* The numbers of the inputs that are not zero; returns how many. */
static int sparse_list(const an_fc_job *job, int *list) {
    int listed = 0;
    for (int i = 0; i < job->inputs; i++) {
        list[listed] = i;
        listed += job->x[i] != 0;
    }
    return listed;
}

/* sparse_outputs_of one type. */
typedef void sparse_function(const an_fc_job *job, int first, int count, const int *list,
                             int listed);

static void sparse_forward(const an_fc_job *job, sparse_function *outputs_of) {
    int *list = job->workspace;
    const int listed = sparse_list(job, list), width = sparse_width(job->outputs);
    /* Two runs for each thread or more, so that a core that is busy elsewhere is not waited for. */
    const int share = portions_of(width / sparse_outputs, 2 * omp_get_max_threads());
    int run = sparse_run;
    while (run > share * sparse_outputs)
        run /= 2;
#pragma omp parallel for schedule(dynamic)
    for (int o = 0; o < width; o += run)
        outputs_of(job, o, smaller(run, width - o), list, listed);
}

/* An engine (fc_engine.h) for each type. */
#define SPARSE_ENGINE(name, type, element)                                                         \
    static size_t sparse_packed_bytes_##name(int inputs, int outputs) {                            \
        return sparse_packed_bytes(type, inputs, outputs);                                         \
    }                                                                                              \
    static void sparse_pack_group_##name(const an_fc_packing *job, int o) {                        \
        sparse_pack_group(type, job, o);                                                           \
    }                                                                                              \
    static void sparse_pack_##name(const an_fc_packing *job) {                                     \
        sparse_pack_weights(job, sparse_pack_group_##name);                                        \
    }                                                                                              \
    static void sparse_outputs_of_##name(const an_fc_job *job, int first, int count,               \
                                         const int *list, int listed) {                            \
        sparse_outputs_of(type, job, first, count, list, listed);                                  \
    }                                                                                              \
    static void sparse_forward_##name(const an_fc_job *job) {                                      \
        sparse_forward(job, sparse_outputs_of_##name);                                             \
    }                                                                                              \
    static const an_fc_engine sparse_##name = {.packed_bytes = sparse_packed_bytes_##name,         \
                                               .packed_together =                                  \
                                                   sparse_row_bytes / (int)sizeof(element),        \
                                               .pack = sparse_pack_##name,                         \
                                               .workspace_bytes = sparse_workspace_bytes,          \
                                               .forward = sparse_forward_##name};
