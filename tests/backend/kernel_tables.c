/* Among the kernels for the tests: blocks of 16 maps, as with AVX-512, on any processor. */
#include "kernel_tables.h"

#include <float.h>
#include <math.h>
#include <omp.h>
#include <string.h>

#include "core/random.h"

#define AN_BLOCK 16
#define AN_KERNELS wide_kernels
#define AN_KERNELS_NAME "portable, wide"
extern const an_kernels wide_kernels;
#include "backend/cpu/kernels/table.h"

const an_kernels *const *an_kernel_tables(void) {
    static const an_kernels *usable[5];
    int count = 0;
    usable[count++] = &an_kernels_base;
    usable[count++] = &wide_kernels;
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        usable[count++] = &an_kernels_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        usable[count++] = &an_kernels_avx512;
#endif
    usable[count] = NULL;
    return usable;
}
