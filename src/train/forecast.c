#include "train/forecast.h"

static size_t plan_total(const an_plan_memory *memory) {
    return memory->parameters + memory->gradients + memory->momentum + memory->activations +
           memory->workspace;
}

void an_forecast_of(const an_train_settings *settings, const an_setup *setup, an_forecast *out) {
    const an_network *network = &setup->plan->network;
    const an_average *average = &setup->average;
    const size_t weights = network->parameter_floats * sizeof(float);
    *out = (an_forecast){.plan = an_plan_memory_of(setup->plan),
                         .loader = an_loader_memory(setup->loader),
                         .available = setup->available};
    size_t growing = out->plan.activations + out->plan.workspace;
    if (setup->validation)
        out->loader += an_loader_memory(setup->validation);
    if (average->values) {
        const an_plan_memory plan = an_plan_memory_of(average->plan);
        out->average = weights + plan_total(&plan);
        growing += plan.activations + plan.workspace;
    }
    growing += out->loader;
    out->total = plan_total(&out->plan) + out->average + out->loader;
    /* Weights and momentum, the average too; the best one is a second name of the last until that
     * is written anew, and a new one stands beside both before it takes its place. */
    out->checkpoints = average->values ? 2 * (3 * weights) + weights : 3 * (2 * weights);
    const size_t fixed = out->total - growing, batch = (size_t)settings->batch;
    if (out->available > fixed && growing >= batch)
        out->largest_batch = (out->available - fixed) / (growing / batch);
}
