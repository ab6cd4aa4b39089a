#include "train/solver.h"

#include "train/sums.h"

void an_solver_updates(const an_train_settings *settings, const an_phases *phases,
                       const an_network *network, double rate, double epoch, an_update *updates) {
    for (int i = 0; i < network->parameter_count; i++) {
        const bool bias = network->parameters[i].is_bias;
        const double factor =
            an_phases_rate(phases, network, i, epoch) * (bias ? settings->bias_rate : 1);
        updates[i] = (an_update){
            .learning_rate = (float)(rate * factor),
            .weight_decay = (float)(settings->weight_decay * (bias ? settings->bias_decay : 1)),
        };
    }
}

double an_solver_rate(const an_phases *phases, double rate, double epoch) {
    return rate *
           (an_phases_factor(phases, "lr", epoch) * an_phases_factor(phases, "weights", epoch));
}

double an_lars_ratio(double trust, double weight_length, double gradient_length, double decay) {
    const double divisor = gradient_length + decay * weight_length;
    return weight_length > 0 && divisor > 0 ? trust * weight_length / divisor : 1;
}

void an_lars_scale(void *context, int parameter, float *gradient, size_t count) {
    an_lars *lars = context;
    if (lars->plan->network.parameters[parameter].is_bias || lars->status != ALEXNET_OK)
        return;
    lars->status = an_plan_read(lars->plan, AN_PARAMETER, parameter, lars->scratch, lars->error);
    if (lars->status != ALEXNET_OK)
        return;
    an_update *update = &lars->updates[parameter];
    const double ratio = an_lars_ratio(lars->trust, an_length(lars->scratch, count),
                                       an_length(gradient, count), (double)update->weight_decay);
    update->learning_rate = (float)((double)update->learning_rate * ratio);
}
