#include "train/average.h"

#include <math.h>

#include "core/memory.h"

alexnet_status an_average_begin(an_average *average, an_plan *plan, double decay, float *scratch,
                                alexnet_error *error) {
    const an_network *network = &plan->network;
    an_plan_options options = plan->options;
    void *block;
    *average = (an_average){.decay = decay, .scratch = scratch};
    AN_TRY(an_alloc(&block, network->parameter_floats, sizeof(float), "averaged weights", error));
    average->values = block;
    for (int i = 0; i < network->parameter_count; i++)
        AN_TRY(an_plan_read(plan, AN_PARAMETER, i, average->values + network->parameters[i].offset,
                            error));
    options.training = options.observe = false;
    options.times = NULL;
    return an_plan_create(plan->backend, network, &options, &average->plan, error);
}

alexnet_status an_average_add(an_average *average, an_plan *plan, uint64_t step,
                              alexnet_error *error) {
    const double t = (double)step;
    const float share = (float)(1 - fmin(average->decay, (1 + t) / (10 + t)));
    for (int i = 0; i < plan->network.parameter_count; i++) {
        const an_parameter *parameter = &plan->network.parameters[i];
        float *values = average->values + parameter->offset;
        const float *weights = average->scratch;
        AN_TRY(an_plan_read(plan, AN_PARAMETER, i, average->scratch, error));
#pragma omp parallel for simd schedule(static)
        for (size_t j = 0; j < parameter->count; j++)
            values[j] += share * (weights[j] - values[j]);
    }
    return ALEXNET_OK;
}

alexnet_status an_average_load(an_average *average, alexnet_error *error) {
    const an_weights weights = an_weights_of(&average->plan->network, average->values);
    return an_plan_load(average->plan, &weights, error);
}

void an_average_free(an_average *average) {
    an_plan_free(average->plan);
    an_free(average->values);
    *average = (an_average){0};
}
