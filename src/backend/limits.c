#include "backend/limits.h"

#include "core/threads.h"

an_rate an_backend_limit(const an_backend *backend, an_limit limit, int threads, double seconds) {
    if (!backend->limit)
        return (an_rate){0};
    const int previous = an_threads_enter(threads);
    const an_rate rate = backend->limit(limit, seconds);
    an_threads_leave(previous);
    return rate;
}

an_plan_limits an_plan_limits_of(const an_plan *plan, double seconds) {
    const an_plan_options *options = &plan->options;
    const an_limit arithmetic = options->precision == AN_INT8   ? AN_LIMIT_INT8
                                : options->precision == AN_BF16 ? AN_LIMIT_BF16
                                                                : AN_LIMIT_FP32;
    return (an_plan_limits){
        an_backend_limit(plan->backend, arithmetic, options->threads, seconds).a_second,
        an_backend_limit(plan->backend, AN_LIMIT_READ, options->threads, seconds).a_second};
}

static bool is_first(const an_network *network, int layer) {
    for (int l = 0; l < layer; l++)
        if (network->layers[l].weight >= 0)
            return false;
    return true;
}

double an_pass_operations(const an_plan *plan, an_timed pass, int layer) {
    if (pass == AN_TIMED_UPDATE || (pass == AN_TIMED_INPUT && is_first(&plan->network, layer)))
        return 0;
    return 2.0 * (double)plan->network.layers[layer].macs * plan->options.batch;
}

/* Bytes of the layer's parameters that go between memory and the processor. */
static double parameter_bytes(const an_plan *plan, an_timed pass, int layer) {
    static const double bytes_of_precision[] = {
        [AN_FP32] = 4, [AN_TF32] = 4, [AN_BF16] = 2, [AN_FP16] = 2, [AN_INT8] = 1};
    const int weight = plan->network.layers[layer].weight;
    if (weight < 0 || pass == AN_TIMED_WEIGHTS ||
        (pass == AN_TIMED_INPUT && is_first(&plan->network, layer)))
        return 0;
    const double count = (double)plan->network.parameters[weight].count;
    return count * (pass == AN_TIMED_UPDATE ? 4 * sizeof(float)
                                            : bytes_of_precision[plan->options.precision]);
}

double an_pass_floor(const an_plan *plan, const an_plan_limits *limits, an_timed pass, int layer) {
    if (limits->operations <= 0 || limits->read <= 0)
        return 0;
    const double computing = an_pass_operations(plan, pass, layer) / limits->operations;
    const double reading = parameter_bytes(plan, pass, layer) / limits->read;
    return computing > reading ? computing : reading;
}

double an_plan_floor(const an_plan *plan, const an_plan_limits *limits) {
    const int passes = plan->options.training ? AN_TIMED_COUNT : AN_TIMED_FORWARD + 1;
    double sum = 0;
    for (int l = 0; l < plan->network.layer_count; l++)
        for (int pass = 0; pass < passes; pass++)
            sum += an_pass_floor(plan, limits, (an_timed)pass, l);
    return sum;
}
