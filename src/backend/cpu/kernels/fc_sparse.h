/*
 * Fully connected layers of one image whose inputs come from a ReLU: half of them are zero before
 * training, two thirds and more after it. What one image costs is reading the weights, so those of
 * an input that is zero are not read, and the others take few bytes (fc_sparse_weights.h). The sums
 * are the same.
 *
 * Weights are float32, bfloat16 or bytes with a scale for each output; the image stays in float32.
 * An output of which a weight is no finite number is NaN whatever its inputs are.
 */
#include "backend/cpu/kernels/fc_sparse_weights.h"

enum {
    sparse_together = 4,     /* rows of weights that are multiplied together */
    sparse_chunks = 16,      /* the inputs are in, at most: one chunk is a thread's at a time */
    sparse_least_chunk = 32, /* inputs */
    sparse_ahead = 2048      /* bytes of a row that are asked for before they are needed; of a
                                shorter row, those of the next */
};

/* An input that is not zero, times the work's raise. */
typedef struct sparse_input {
    int index;
    float x;
} sparse_input;

/* What is to be done for an image. */
typedef struct sparse_work {
    const an_fc_job *job;
    an_precision type;
    const sparse_input *list;
    int listed, chunk, chunks; /* inputs in the list, in a chunk of it; chunks */
    float *sums;               /* (chunks, outputs filled up) */
    float lower;               /* what sums are multiplied with, besides their outputs' scales */
} sparse_work;

static size_t sparse_list_bytes(int inputs) {
    return an_aligned(inputs * sizeof(sparse_input));
}

/* The list and the sums. */
static size_t sparse_workspace_bytes(int images, int inputs, int outputs) {
    (void)images;
    return sparse_list_bytes(inputs) + sparse_chunks * sparse_width(outputs) * sizeof(float);
}

/* Numbers that stand for floats are 2^-111 at most. The power of two that brings the largest input
 * to 2^64, if it is a float, keeps products and sums far from both ends of float32. */
static int sparse_raise(const an_fc_job *job) {
    uint32_t most = 0;
    for (int i = 0; i < job->inputs; i++) {
        uint32_t bits;
        memcpy(&bits, &job->x[i], sizeof bits);
        bits &= 0x7fffffff;
        most = most > bits ? most : bits;
    }
    return smaller(larger(64 + 127 - (int)(most >> 23), 0), 127);
}

static sparse_work sparse_prepare(an_precision type, const an_fc_job *job) {
    const int raise = type == AN_INT8 ? 0 : sparse_raise(job);
    const float factor = ldexpf(1, raise);
    sparse_input *list = job->workspace;
    int listed = 0;
    for (int i = 0; i < job->inputs; i++) {
        list[listed] = (sparse_input){i, job->x[i] * factor};
        listed += job->x[i] != 0;
    }
    const int even = portions_of(portions_of(listed, sparse_chunks), sparse_together);
    const int chunk = larger(even * sparse_together, sparse_least_chunk);
    return (sparse_work){
        .job = job,
        .type = type,
        .list = list,
        .listed = listed,
        .chunk = chunk,
        .chunks = portions_of(listed, chunk),
        .sums = (float *)(void *)((char *)job->workspace + sparse_list_bytes(job->inputs)),
        .lower = type == AN_INT8 ? 1 : ldexpf(1, sparse_bias - raise)};
}

/* sums (groups) += x times weights, of `rows` inputs, while what comes `sparse_ahead` bytes later
 * is fetched, of these rows or of the next: into all caches, since past them memory answers
 * Sapphire Rapids at a quarter of its speed. `rows` and the type are constants where it is inlined.
 */
static inline __attribute__((always_inline)) void
sparse_add(const an_precision type, const int rows, int groups, const char *const *row,
           const char *const *next, const float *x, float *sums) {
    const int bytes = (int)sparse_group_bytes(type), ahead = smaller(sparse_ahead / bytes, groups);
    for (int g = 0; g < groups; g++, sums += sparse_group) {
        const bool here = g + ahead < groups;
        const char *const *coming = here ? row : next;
        const ptrdiff_t at = (ptrdiff_t)(here ? g + ahead : g + ahead - groups) * bytes;
        vec sum[sparse_vectors];
#pragma GCC unroll 8
        for (int k = 0; k < sparse_vectors; k++)
            sum[k] = load(sums + (size_t)k * AN_BLOCK);
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
            for (int line = 0; line < bytes; line += AN_ALIGNMENT)
                __builtin_prefetch(coming[r] + at + line);
            sparse_multiply(type, broadcast(x[r]), row[r] + (size_t)g * bytes, sum);
        }
#pragma GCC unroll 8
        for (int k = 0; k < sparse_vectors; k++)
            store(sums + (size_t)k * AN_BLOCK, sum[k]);
    }
}

/* The sums of one chunk of inputs and one panel of outputs. */
static inline __attribute__((always_inline)) void
sparse_sum_up(const an_precision type, const sparse_work *work, int p, int chunk) {
    const an_fc_job *job = work->job;
    const sparse_rows rows = sparse_rows_of(type, job->inputs, job->outputs, p, job->packed);
    const int groups = rows.width / sparse_group;
    float *sums = work->sums + (size_t)chunk * sparse_width(job->outputs) + rows.first;
    const int last = smaller((chunk + 1) * work->chunk, work->listed);
    memset(sums, 0, rows.width * sizeof *sums);
    for (int i = chunk * work->chunk, some; i < last; i += some) {
        some = last - i < sparse_together ? 1 : sparse_together;
        const char *row[sparse_together], *next[sparse_together];
        float x[sparse_together];
        for (int r = 0; r < some; r++) {
            const int after = smaller(i + r + some, last - 1);
            row[r] = rows.at + work->list[i + r].index * rows.bytes;
            next[r] = rows.at + work->list[after].index * rows.bytes;
            x[r] = work->list[i + r].x;
        }
        if (some == 1)
            sparse_add(type, 1, groups, row, next, x, sums);
        else
            sparse_add(type, sparse_together, groups, row, next, x, sums);
    }
}

/* Outputs [first, first + sparse_group) from their sums. */
static void sparse_finish(const sparse_work *work, int first) {
    const an_fc_job *job = work->job;
    const float *scales = sparse_scales(work->type, job->inputs, job->outputs, job->packed) + first;
    const size_t width = sparse_width(job->outputs);
    _Alignas(AN_ALIGNMENT) float total[sparse_group] = {0};
    for (int c = 0; c < work->chunks; c++)
        for (int o = 0; o < sparse_group; o += AN_BLOCK)
            store(total + o, load(total + o) + load(work->sums + c * width + first + o));
    for (int o = 0; o < smaller(sparse_group, job->outputs - first); o++)
        fc_output(job, 0, first + o, total[o] * work->lower * scales[o]);
}

/* `sum_up` is sparse_sum_up of one type. */
static void sparse_forward(an_precision type, const an_fc_job *job,
                           void (*sum_up)(const sparse_work *work, int p, int chunk)) {
    const sparse_work work = sparse_prepare(type, job);
    const int panels = portions_of(job->outputs, sparse_panel);
#pragma omp parallel
    {
#pragma omp for schedule(dynamic)
        for (int task = 0; task < panels * work.chunks; task++)
            sum_up(&work, task / work.chunks, task % work.chunks);
#pragma omp for
        for (int first = 0; first < job->outputs; first += sparse_group)
            sparse_finish(&work, first);
    }
}

/* An engine (fc_engine.h) for each type. */
#define SPARSE_ENGINE(name, type)                                                                  \
    static size_t sparse_packed_bytes_##name(int inputs, int outputs) {                            \
        return sparse_packed_bytes(type, inputs, outputs);                                         \
    }                                                                                              \
    static void sparse_pack_group_##name(const an_fc_packing *job, int o) {                        \
        sparse_pack_group(type, job, o);                                                           \
    }                                                                                              \
    static void sparse_pack_##name(const an_fc_packing *job) {                                     \
        sparse_pack(job, sparse_pack_group_##name);                                                \
    }                                                                                              \
    static alexnet_status sparse_arrange_##name(int inputs, int outputs, void *packed,             \
                                                alexnet_error *error) {                            \
        return sparse_arrange(type, inputs, outputs, packed, error);                               \
    }                                                                                              \
    static void sparse_sum_up_##name(const sparse_work *work, int p, int chunk) {                  \
        sparse_sum_up(type, work, p, chunk);                                                       \
    }                                                                                              \
    static void sparse_forward_##name(const an_fc_job *job) {                                      \
        sparse_forward(type, job, sparse_sum_up_##name);                                           \
    }                                                                                              \
    static const an_fc_engine sparse_##name = {.packed_bytes = sparse_packed_bytes_##name,         \
                                               .packed_together = sparse_packed_together,          \
                                               .pack = sparse_pack_##name,                         \
                                               .arrange = sparse_arrange_##name,                   \
                                               .workspace_bytes = sparse_workspace_bytes,          \
                                               .forward = sparse_forward_##name};
