/* Fully connected layers in bfloat16 by AVX-512's products of bfloat16. */
#ifdef __x86_64__
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "backend/cpu/kernels/fc_engine.h"

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")

#define FC_ENGINE an_fc_bf16
#include "backend/cpu/kernels/fc_bf16.h"
#endif
