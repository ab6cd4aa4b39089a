/* What `alexnet bench` measures, a file each. */
#ifndef AN_CLI_BENCH_H
#define AN_CLI_BENCH_H

#include "backend/limits.h"
#include "cli/command.h"
#include "data/dataset.h"

typedef struct bench_settings {
    an_common common;
    int classes, input_size;
    bool layers, deterministic;
    const char *data;
    int workers;
    int crop; /* an_crop_kind */
    double noise;
} bench_settings;

/* Long enough for the clock and the pages to settle, and for a median that stays. */
#define AN_BENCH_WARM_UP_SECONDS 0.5
#define AN_BENCH_SECONDS 3.0
#define AN_BENCH_TURN_SECONDS 1.0
enum { AN_BENCH_TURNS = 3, AN_BENCH_STEPS = 5, AN_BENCH_LAYER_STEPS = 1000 };

/* Inference, or training steps. */
alexnet_status an_bench_plan(const bench_settings *settings, bool training, alexnet_error *error);

/* What the machine can do at most. */
alexnet_status an_bench_peak(const bench_settings *settings, alexnet_error *error);

/* The loader alone. */
alexnet_status an_bench_loader(const bench_settings *settings, alexnet_error *error);

/* Pictures made, and the time it took. */
typedef struct bench_rate {
    size_t images, batches;
    double seconds, cpu_seconds; /* cpu: of all threads together */
} bench_rate;

/* JPEG and other files of a data set, held in memory to be decoded again and again. */
typedef struct bench_files {
    an_sample *samples;
    size_t count;
} bench_files;

/* Takes files from all over a data set, as many as fit in a quarter of a gigabyte. None where its
 * pictures are not stored as files. Freed with an_bench_files_free, after a failure too. */
alexnet_status an_bench_files_take(const an_dataset *dataset, bench_files *out,
                                   alexnet_error *error);
void an_bench_files_free(bench_files *files);

/* Only decodes them to RGB, for a while and with so many threads, and adds that up. */
alexnet_status an_bench_files_decode(const bench_files *files, int threads, bench_rate *sum,
                                     alexnet_error *error);

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
