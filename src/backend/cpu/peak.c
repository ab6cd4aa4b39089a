#include "backend/cpu/peak.h"

#include <omp.h>
#include <string.h>

#include "backend/cpu/kernels/kernels.h"
#include "core/clock.h"
#include "core/memory.h"

/* The best of many short runs counts: what the machine can do when nobody disturbs it. */
static const double slice_seconds = 0.004;

/* Operations a second of all threads together. */
static double arithmetic(double (*multiply_adds)(int rounds), double seconds) {
    const double begin = an_seconds();
    double best = 0;
    for (int rounds = 1000; an_seconds() - begin < seconds;) {
        double operations = 0;
        const double before = an_seconds();
#pragma omp parallel reduction(+ : operations)
        operations += multiply_adds(rounds);
        const double passed = an_seconds() - before;
        if (passed < slice_seconds)
            rounds *= 2; /* too short to tell */
        else if (operations / passed > best)
            best = operations / passed;
    }
    return best;
}

/* In floats, 256 MB: about what the weights take, so that a cache which holds some of them holds as
 * much of these. */
enum { stream_count = 64 << 20 };

/* Thread t's part of `count` floats: one stretch each, of whole cache lines. */
static size_t part_begin(size_t count, int t, int threads) {
    return count / 16 * (size_t)t / (size_t)threads * 16;
}

/* Reads all of it, or copies the first half into the second: every thread one stretch. */
static void stream(const an_kernels *kernels, float *data, size_t count, bool copy) {
    volatile float sink;
    const size_t used = copy ? count / 2 : count;
#pragma omp parallel
    {
        const int t = omp_get_thread_num(), threads = omp_get_num_threads();
        const size_t begin = part_begin(used, t, threads), end = part_begin(used, t + 1, threads);
        if (copy)
            memcpy(data + used + begin, data + begin, (end - begin) * sizeof *data);
        else
            sink = kernels->read_through(end - begin, data + begin);
    }
    (void)sink;
}

/* Writes something else everywhere: memory that was never written, or is the same throughout, may
 * be one page in a cache. */
static void fill(float *data, size_t count) {
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++)
        data[i] = (float)(i * 2654435761U % 8191);
}

/* Bytes a second. */
static double bandwidth(bool copy, double seconds) {
    const an_kernels *kernels = an_kernels_best();
    float *data;
    if (an_alloc((void **)&data, stream_count, sizeof *data, "stream", NULL) != ALEXNET_OK)
        return 0;
    fill(data, stream_count);
    const double begin = an_seconds();
    double best = 0;
    do {
        const double before = an_seconds();
        stream(kernels, data, stream_count, copy);
        const double rate = (double)stream_count * sizeof *data / (an_seconds() - before);
        best = rate > best ? rate : best;
    } while (an_seconds() - begin < seconds);
    an_free(data);
    return best;
}

/* Of what is multiplied in less than float32: by `own`, instructions of its own, where they are
 * there, else as 16-bit integers. */
static an_rate arithmetic_below(bool can, double (*own)(int rounds), const char *by,
                                double seconds) {
    const an_kernels *kernels = an_kernels_best();
    double (*const integers)(int rounds) = kernels->multiply_adds_int16[an_can_int16(kernels)];
    if (can)
        return (an_rate){arithmetic(own, seconds), by};
    return integers ? (an_rate){arithmetic(integers, seconds), "16-bit integers"}
                    : (an_rate){0, "AVX2"};
}

an_rate an_cpu_limit(an_limit limit, double seconds) {
    const an_kernels *kernels = an_kernels_best();
    an_rate rate = {0, ""};
    switch (limit) {
    case AN_LIMIT_FP32:
        rate = (an_rate){arithmetic(kernels->multiply_adds, seconds), kernels->name};
        break;
    case AN_LIMIT_BF16:
        rate = an_can_amx()
                   ? (an_rate){arithmetic(an_multiply_adds_amx_bf16, seconds), "AMX"}
                   : arithmetic_below(an_can_bf16(), an_multiply_adds_bf16, "AVX512_BF16", seconds);
        break;
    case AN_LIMIT_INT8:
        rate = an_can_amx()
                   ? (an_rate){arithmetic(an_multiply_adds_amx_int8, seconds), "AMX"}
                   : arithmetic_below(an_can_int8(), an_multiply_adds_int8, "AVX512_VNNI", seconds);
        break;
    case AN_LIMIT_READ:
    case AN_LIMIT_COPY:
        rate.a_second = bandwidth(limit == AN_LIMIT_COPY, seconds);
        break;
    case AN_LIMITS:
        break; /* their number */
    }
    return rate;
}
