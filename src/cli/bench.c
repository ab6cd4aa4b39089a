/* alexnet bench: how fast this machine computes, trains, or loads. */
#include "cli/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/network.h"

static const an_option options[] = {AN_OPTION_CLASSES(bench_settings, classes),
                                    AN_OPTION_INPUT_SIZE(bench_settings, input_size),
                                    {.name = "layers",
                                     .type = AN_OPTION_FLAG,
                                     .offset = offsetof(bench_settings, layers),
                                     .help = "infer, train: the time of each layer, too"},
                                    AN_OPTION_DETERMINISTIC(bench_settings, deterministic),
                                    {.name = "data",
                                     .type = AN_OPTION_TEXT,
                                     .offset = offsetof(bench_settings, data),
                                     .value = "DATA",
                                     .fallback = "shapes",
                                     .help = "loader: the data set that is loaded"},
                                    {.name = "workers",
                                     .type = AN_OPTION_INT,
                                     .offset = offsetof(bench_settings, workers),
                                     .value = "N",
                                     .low = 0,
                                     .high = 1024,
                                     .unset = "every core",
                                     .help = "loader: threads that read and decode pictures"},
                                    {.name = "crop",
                                     .type = AN_OPTION_CHOICE,
                                     .offset = offsetof(bench_settings, crop),
                                     .value = "KIND",
                                     .choices = "centre|random|square|resized",
                                     .fallback = "random",
                                     .help = "loader: the part of each picture that is taken"},
                                    {.name = "noise",
                                     .type = AN_OPTION_NUMBER,
                                     .offset = offsetof(bench_settings, noise),
                                     .value = "SIGMA",
                                     .low = 0,
                                     .high = 100,
                                     .fallback = "0",
                                     .help = "loader: colour noise; the paper's is 0.1"},
                                    {0}};

double an_bench_progress(int steps, double seconds) {
    return fmin(1, fmin((double)steps / AN_BENCH_STEPS, seconds / AN_BENCH_SECONDS));
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double an_bench_median(double *numbers, int count) {
    qsort(numbers, (size_t)count, sizeof *numbers, ascending);
    return (numbers[(count - 1) / 2] + numbers[count / 2]) / 2;
}

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    (void)count;
    const bench_settings *settings = chosen;
    if (strcmp(arguments[0], "infer") == 0 || strcmp(arguments[0], "train") == 0)
        return an_bench_plan(settings, strcmp(arguments[0], "train") == 0, error);
    if (strcmp(arguments[0], "peak") == 0)
        return an_bench_peak(settings, error);
    if (strcmp(arguments[0], "loader") == 0)
        return an_bench_loader(settings, error);
    return an_fail(error, ALEXNET_INVALID,
                   "'%s' cannot be measured; infer, train, loader and peak can", arguments[0]);
}

const an_command an_command_bench = {
    .name = "bench",
    .arguments = "infer|train|loader|peak",
    .least = 1,
    .most = 1,
    .title = "measure inference, training or loading, and what this machine could do",
    .text =
        "Measures inference (infer) or training steps (train) on synthetic pictures with\n"
        "initialised weights, or the reading and preparing of pictures (loader): half a\n"
        "second of warming up, then at least 5 steps and 3 seconds, of which the median is\n"
        "given. Milliseconds are those of a step of the whole batch.\n"
        "\n"
        "loader takes turns with bare decoding: the same files, in memory, to RGB, with as many\n"
        "threads. It gives the means, and which share of bare decoding's speed was reached;\n"
        "that may be above 1, because no more of a picture is decoded than its crop needs.\n"
        "\n"
        "peak measures what the machine can do at most: arithmetic in each precision, and\n"
        "reading and copying memory. From it follows a floor under the time of a step: for\n"
        "each pass of each layer, its operations at the peak or its weights' bytes at the\n"
        "bandwidth, whichever takes longer, as if every multiplication of the layer's formula\n"
        "had to be done (Winograd's way needs fewer, and can be faster than this floor). infer\n"
        "and train say what share of the floor's speed was reached, and --layers prints a\n"
        "table that does so for each layer.",
    .examples = "  alexnet bench infer --batch 1\n"
                "  alexnet bench train --batch 64 --threads 2 --json\n"
                "  alexnet bench train --batch 64 --layers\n"
                "  alexnet bench peak\n"
                "  alexnet bench loader --data photos/train --workers 2 --crop resized",
    .options = options,
    .size = sizeof(bench_settings),
    .run = run,
};
