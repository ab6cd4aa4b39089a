/* What `alexnet bench` measures, a file each. */
#ifndef AN_CLI_BENCH_H
#define AN_CLI_BENCH_H

#include "backend/limits.h"
#include "cli/command.h"

typedef struct bench_settings {
    an_common common;
    int classes, input_size;
    bool layers;
    const char *data;
    int workers;
} bench_settings;

/* Long enough for the clock and the pages to settle, and for a median that stays. */
#define AN_BENCH_WARM_UP_SECONDS 0.5
#define AN_BENCH_SECONDS 3.0
enum { AN_BENCH_STEPS = 5, AN_BENCH_LAYER_STEPS = 1000 };

/* Inference, or training steps. */
alexnet_status an_bench_plan(const bench_settings *settings, bool training, alexnet_error *error);

/* What the machine can do at most. */
alexnet_status an_bench_peak(const bench_settings *settings, alexnet_error *error);

/* The loader alone. */
alexnet_status an_bench_loader(const bench_settings *settings, alexnet_error *error);

/* How far a measurement is that ends after so many steps and so much time. */
double an_bench_progress(int steps, double seconds);

/* The median of `count` numbers, which it sorts. */
double an_bench_median(double *numbers, int count);

/* The median of each pass of each layer over the steps of a measurement, of which `times` holds
 * the first AN_BENCH_LAYER_STEPS. */
void an_bench_layer_medians(const an_layer_times *times, int steps, an_layer_times *out);

/* The time and speed of each layer, and which share of its floor's: a table, or for --json a list.
 */
void an_bench_print_layers(const an_plan *plan, const an_plan_limits *limits,
                           const an_layer_times *times);
json_t *an_bench_layers_json(const an_plan *plan, const an_plan_limits *limits,
                             const an_layer_times *times);

#endif
