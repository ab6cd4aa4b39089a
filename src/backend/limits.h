/*
 * What bounds a device, and so every plan on it: its arithmetic in each precision and its memory's
 * bandwidth, as measured, and the floor under a step's time that follows.
 */
#ifndef AN_BACKEND_LIMITS_H
#define AN_BACKEND_LIMITS_H

#include "backend/backend.h"

/*
 * Measures one limit for about `seconds` with `threads` threads (0: the cores this process may
 * use). The rate is 0 where the device lacks the instructions, or the backend knows no limits. The
 * memory that it takes (AN_LIMIT_READ, AN_LIMIT_COPY: 256 MB) is given back.
 */
an_rate an_backend_limit(const an_backend *backend, an_limit limit, int threads, double seconds);

/* The limits of a plan, both 0 where they are not known. */
typedef struct an_plan_limits {
    double operations; /* a second, in the plan's precision */
    double read;       /* bytes a second */
} an_plan_limits;

an_plan_limits an_plan_limits_of(const an_plan *plan, double seconds);

/* Operations of a layer's pass over the batch: two for each multiply-add that the layer's formula
 * has. 0 for the update, and for the gradient of the network's input, which nobody needs. */
double an_pass_operations(const an_plan *plan, an_timed pass, int layer);

/*
 * The least seconds that a pass can take: its operations at the peak, or if that is longer, its
 * bytes of parameters at the bandwidth of reading. Those are: forward and for the gradient of the
 * input, all weights once, in the plan's precision; for the update, weights and momentum in float32
 * in and out.
 */
double an_pass_floor(const an_plan *plan, const an_plan_limits *limits, an_timed pass, int layer);

/* The sum over all passes of a step of the plan, or of an inference where it is for inference. */
double an_plan_floor(const an_plan *plan, const an_plan_limits *limits);

#endif
