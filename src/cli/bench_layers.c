/* alexnet bench --layers: where the time of a step goes. */
#include "cli/bench.h"

/* The passes: as JSON calls them, and the title over their columns. */
static const struct {
    const char *key, *title;
} passes[AN_TIMED_COUNT] = {
    [AN_TIMED_FORWARD] = {"forward", "forward"},
    [AN_TIMED_INPUT] = {"input_gradient", "gradient of input"},
    [AN_TIMED_WEIGHTS] = {"weight_gradient", "gradient of weights"},
    [AN_TIMED_UPDATE] = {"update", "update"},
};

/* Less is only the looking at the clock around what a neighbour has done. */
static const double least_seconds = 1e-6;

void an_bench_layer_medians(const an_layer_times *times, int steps, an_layer_times *out) {
    double numbers[AN_BENCH_LAYER_STEPS];
    const int count = steps < AN_BENCH_LAYER_STEPS ? steps : AN_BENCH_LAYER_STEPS;
    for (int pass = 0; pass < AN_TIMED_COUNT; pass++)
        for (int l = 0; l < AN_MAX_LAYERS; l++) {
            for (int i = 0; i < count; i++)
                numbers[i] = times[i].seconds[pass][l];
            const double median = an_bench_median(numbers, count);
            out->seconds[pass][l] = median < least_seconds ? 0 : median;
        }
}

/* Operations of a pass: two for each multiply-add of the textbook's formula. */
static double operations(const an_plan *plan, int pass, int layer) {
    return pass == AN_TIMED_UPDATE
               ? 0
               : 2.0 * (double)plan->network.layers[layer].macs * plan->options.batch;
}

static double gflops(const an_plan *plan, const an_layer_times *times, int pass, int layer) {
    return operations(plan, pass, layer) / times->seconds[pass][layer] / 1e9;
}

static double layer_seconds(const an_layer_times *times, int layer) {
    double sum = 0;
    for (int pass = 0; pass < AN_TIMED_COUNT; pass++)
        sum += times->seconds[pass][layer];
    return sum;
}

json_t *an_bench_layers_json(const an_plan *plan, const an_layer_times *times) {
    json_t *list = json_array();
    for (int l = 0; l < plan->network.layer_count; l++) {
        const an_layer *layer = &plan->network.layers[l];
        json_t *entry =
            json_pack("{s:s, s:I, s:f}", "name", layer->spec.name, "macs", (json_int_t)layer->macs,
                      "milliseconds", 1e3 * layer_seconds(times, l));
        for (int pass = 0; pass < AN_TIMED_COUNT; pass++) {
            if (times->seconds[pass][l] == 0)
                continue;
            json_t *part = json_pack("{s:f}", "milliseconds", 1e3 * times->seconds[pass][l]);
            if (operations(plan, pass, l) > 0)
                json_object_set_new(part, "gflops", json_real(gflops(plan, times, pass, l)));
            json_object_set_new(entry, passes[pass].key, part);
        }
        json_array_append_new(list, entry);
    }
    return list;
}

/* One pass of a layer: milliseconds and GFLOP/s, in columns. */
static void print_pass(const an_plan *plan, const an_layer_times *times, int pass, int layer) {
    const double seconds = times->seconds[pass][layer];
    if (seconds > 0)
        printf("  %10.3f", 1e3 * seconds);
    else
        printf("  %10s", "-");
    if (seconds > 0 && operations(plan, pass, layer) > 0)
        printf("%9.0f", gflops(plan, times, pass, layer));
    else if (pass != AN_TIMED_UPDATE)
        printf("%9s", "");
}

void an_bench_print_layers(const an_plan *plan, const an_layer_times *times) {
    const int used = plan->options.training ? AN_TIMED_COUNT : 1;
    printf("%-8s", "layer");
    for (int pass = 0; pass < used; pass++)
        printf("  %*s", pass == AN_TIMED_UPDATE ? 10 : 19, passes[pass].title);
    printf("\n%-8s", "");
    for (int pass = 0; pass < used; pass++)
        printf(pass == AN_TIMED_UPDATE ? "  %10s" : "  %10s  GFLOP/s", "ms");
    printf("\n");
    for (int l = 0; l < plan->network.layer_count; l++) {
        if (layer_seconds(times, l) == 0)
            continue;
        printf("%-8s", plan->network.layers[l].spec.name);
        for (int pass = 0; pass < used; pass++)
            print_pass(plan, times, pass, l);
        printf("\n");
    }
}
