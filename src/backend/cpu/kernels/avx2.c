/* The kernels for AVX2. */
#ifdef __x86_64__
#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <omp.h>
#include <string.h>

#include "backend/cpu/kernels/kernels.h"
#include "core/random.h"

#pragma GCC target("avx2,fma")
#define AN_BLOCK 8
#define AN_KERNELS an_kernels_avx2
#define AN_KERNELS_NAME "AVX2"
#include "backend/cpu/kernels/table.h"
#endif
