/* What this processor can do at most, as measured. */
#ifndef AN_BACKEND_CPU_PEAK_H
#define AN_BACKEND_CPU_PEAK_H

#include "backend/backend.h"

/* As an_backend's `limit`. */
an_rate an_cpu_limit(an_limit limit, double seconds);

#endif
