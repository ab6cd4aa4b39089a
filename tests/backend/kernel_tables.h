/* The kernels of every instruction set that this machine has. */
#ifndef AN_TESTS_KERNEL_TABLES_H
#define AN_TESTS_KERNEL_TABLES_H

#include "backend/cpu/kernels/kernels.h"

/* Ends with NULL. */
static inline const an_kernels *const *an_kernel_tables(void) {
    static const an_kernels *usable[4];
    int count = 0;
    usable[count++] = &an_kernels_base;
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

#endif
