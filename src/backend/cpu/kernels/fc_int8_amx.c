/* Fully connected layers in int8 by AMX. */
#ifdef __x86_64__
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "backend/cpu/kernels/fc_engine.h"

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,amx-tile,amx-int8")

#define FC_AMX
#define FC_ENGINE an_fc_amx_int8
#include "backend/cpu/kernels/fc_int8.h"
#endif
