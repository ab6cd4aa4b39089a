/* The kernels for AVX-512. */
#ifdef __x86_64__
#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <omp.h>
#include <string.h>

#include "backend/cpu/kernels/kernels.h"
#include "core/random.h"

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
#define AN_BLOCK 16
#define AN_KERNELS an_kernels_avx512
#define AN_KERNELS_NAME "AVX-512"
#include "backend/cpu/kernels/table.h"
#endif
