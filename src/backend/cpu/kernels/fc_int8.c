/* Fully connected layers in int8 by AVX-512's products of bytes. */
#ifdef __x86_64__
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "backend/cpu/kernels/fc_engine.h"

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")

#define FC_ENGINE an_fc_int8
#include "backend/cpu/kernels/fc_int8.h"
#endif
