/* The kernels for any processor. */
#include <float.h>
#include <math.h>
#include <omp.h>
#include <string.h>

#include "backend/cpu/kernels/kernels.h"
#include "core/random.h"

#define AN_BLOCK 8
#define AN_KERNELS an_kernels_base
#define AN_KERNELS_NAME "portable"
#include "backend/cpu/kernels/table.h"
