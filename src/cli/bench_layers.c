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

static double gflops(const an_plan *plan, const an_layer_times *times, int pass, int layer) {
    return an_pass_operations(plan, (an_timed)pass, layer) / times->seconds[pass][layer] / 1e9;
}

/* The floor of a pass as it was measured: the update's is the weights' gradient's where that pass
 * does both. */
static double pass_floor(const an_plan *plan, const an_plan_limits *limits,
                         const an_layer_times *times, int pass, int layer) {
    const double floor = an_pass_floor(plan, limits, (an_timed)pass, layer);
    const bool updates = pass == AN_TIMED_WEIGHTS && times->seconds[AN_TIMED_UPDATE][layer] == 0;
    return floor + (updates ? an_pass_floor(plan, limits, AN_TIMED_UPDATE, layer) : 0);
}

static double layer_seconds(const an_layer_times *times, int layer) {
    double sum = 0;
    for (int pass = 0; pass < AN_TIMED_COUNT; pass++)
        sum += times->seconds[pass][layer];
    return sum;
}

/* Key and value unless there is none. */
static void set_number(json_t *object, const char *key, double number) {
    if (number > 0)
        json_object_set_new(object, key, json_real(number));
}

static json_t *pass_json(const an_plan *plan, const an_plan_limits *limits,
                         const an_layer_times *times, int pass, int layer) {
    const double seconds = times->seconds[pass][layer], speed = gflops(plan, times, pass, layer);
    json_t *json = json_pack("{s:f}", "milliseconds", 1e3 * seconds);
    set_number(json, "gflops", speed);
    if (limits->operations > 0)
        set_number(json, "share_of_peak", 1e9 * speed / limits->operations);
    set_number(json, "share_of_floor", pass_floor(plan, limits, times, pass, layer) / seconds);
    return json;
}

json_t *an_bench_layers_json(const an_plan *plan, const an_plan_limits *limits,
                             const an_layer_times *times) {
    json_t *list = json_array();
    for (int l = 0; l < plan->network.layer_count; l++) {
        const an_layer *layer = &plan->network.layers[l];
        json_t *entry =
            json_pack("{s:s, s:I, s:f}", "name", layer->spec.name, "macs", (json_int_t)layer->macs,
                      "milliseconds", 1e3 * layer_seconds(times, l));
        for (int pass = 0; pass < AN_TIMED_COUNT; pass++)
            if (times->seconds[pass][l] > 0)
                json_object_set_new(entry, passes[pass].key,
                                    pass_json(plan, limits, times, pass, l));
        json_array_append_new(list, entry);
    }
    return list;
}

/* A number in columns, or spaces. */
static void print_number(int width, int decimals, double number, const char *unit) {
    char text[32] = "";
    if (number > 0)
        snprintf(text, sizeof text, "%.*f%s", decimals, number, unit);
    printf("%*s", width, text);
}

static void print_pass(const an_plan *plan, const an_plan_limits *limits,
                       const an_layer_times *times, int pass, int layer) {
    const double seconds = times->seconds[pass][layer];
    const double floor = pass_floor(plan, limits, times, pass, layer);
    print_number(10, 3, 1e3 * seconds, "");
    if (pass != AN_TIMED_UPDATE)
        print_number(9, 0, seconds > 0 ? gflops(plan, times, pass, layer) : 0, "");
    print_number(7, 0, seconds > 0 ? 100 * floor / seconds : 0, " %");
}

void an_bench_print_layers(const an_plan *plan, const an_plan_limits *limits,
                           const an_layer_times *times) {
    const int used = plan->options.training ? AN_TIMED_COUNT : 1;
    printf("%-8s", "layer");
    for (int pass = 0; pass < used; pass++)
        printf("%*s", pass == AN_TIMED_UPDATE ? 17 : 26, passes[pass].title);
    printf("\n%-8s", "");
    for (int pass = 0; pass < used; pass++)
        printf(pass == AN_TIMED_UPDATE ? "%10s%7s" : "%10s  GFLOP/s%7s", "ms", "floor");
    printf("\n");
    for (int l = 0; l < plan->network.layer_count; l++) {
        if (layer_seconds(times, l) == 0)
            continue;
        printf("%-8s", plan->network.layers[l].spec.name);
        for (int pass = 0; pass < used; pass++)
            print_pass(plan, limits, times, pass, l);
        printf("\n");
    }
}
