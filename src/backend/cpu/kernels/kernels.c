/* Which kernels run: the one place that asks the processor. */
#include "backend/cpu/kernels/kernels.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "backend/cpu/dnnl.h"

#ifdef __x86_64__
static bool can_avx512(void) {
    return an_dnnl_allows_avx512() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

/* AVX-VNNI, whose name clang 14 does not know. */
static bool can_avx_vnni(void) {
    unsigned a = 0, b, c, d;
    const unsigned avx_vnni = 1u << 4;
    return an_dnnl_allows_avx2_vnni() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & avx_vnni);
}

/* Linux lends a process the tiles' registers when it asks; from then on all its threads have them.
 */
static bool tiles_lent;

static void ask_for_tiles(void) {
#ifdef __linux__
    const long request = 0x1023, tile_data = 18; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
    tiles_lent = syscall(SYS_arch_prctl, request, tile_data) == 0;
#endif
}

/* AMX's tiles, and its products of bfloat16 and of bytes: names that not every compiler knows. */
static bool can_amx(void) {
    static pthread_once_t asked = PTHREAD_ONCE_INIT;
    unsigned a = 0, b, c, d = 0;
    const unsigned bf16 = 1u << 22, tiles = 1u << 24, int8 = 1u << 25, all = bf16 | tiles | int8;
    if (!can_avx512() || !an_dnnl_allows_amx() || !__get_cpuid_count(7, 0, &a, &b, &c, &d) ||
        (d & all) != all)
        return false;
    pthread_once(&asked, ask_for_tiles);
    return tiles_lent;
}
#endif

bool an_can_amx(void) {
#ifdef __x86_64__
    return can_amx() && an_can_bf16() && an_can_int8();
#else
    return false;
#endif
}

bool an_can_bf16(void) {
#ifdef __x86_64__
    return can_avx512() && an_dnnl_allows_bf16() && __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

bool an_can_int8(void) {
#ifdef __x86_64__
    return can_avx512() && an_dnnl_allows_vnni() && __builtin_cpu_supports("avx512vnni");
#else
    return false;
#endif
}

an_int16 an_can_int16(const an_kernels *kernels) {
#ifdef __x86_64__
    if (kernels == &an_kernels_avx512)
        return an_can_int8() ? AN_INT16_VNNI : AN_INT16_PAIRS;
    if (kernels == &an_kernels_avx2)
        return can_avx_vnni() ? AN_INT16_VNNI : AN_INT16_PAIRS;
#else
    (void)kernels;
#endif
    return AN_INT16_NONE;
}

const an_kernels *an_kernels_best(void) {
#ifdef __x86_64__
    if (can_avx512())
        return &an_kernels_avx512;
    if (an_dnnl_allows_avx2() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &an_kernels_avx2;
#endif
    return &an_kernels_base;
}

bool an_lrn_fits(const an_kernels *kernels, const an_layer *layer) {
    const an_layer_spec *spec = &layer->spec;
    return spec->type == AN_LRN && spec->size == 5 && spec->beta == 0.75f &&
           (spec->towers == 1 || layer->in.c / spec->towers % kernels->block == 0);
}

bool an_lrn_pool_fits(const an_kernels *kernels, const an_layer *lrn, const an_layer *pool) {
    return an_lrn_fits(kernels, lrn) && pool->spec.kernel == 3 && pool->spec.stride == 2 &&
           pool->in.h == 2 * pool->out.h + 1 && pool->in.w == 2 * pool->out.w + 1;
}

size_t an_blocked_count(const an_kernels *kernels, an_shape shape, int images) {
    const int blocks = (shape.c + kernels->block - 1) / kernels->block;
    return (size_t)images * blocks * kernels->block * shape.h * shape.w;
}
