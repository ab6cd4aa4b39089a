/* The cpu backend's kernels that this machine can run, whichever it would choose. */
#ifndef AN_TESTS_KERNEL_TABLES_H
#define AN_TESTS_KERNEL_TABLES_H

#include "backend/cpu/kernels/kernels.h"

/* Ends with NULL. */
const an_kernels *const *an_kernel_tables(void);

#endif
