#include "train/solver.h"

void an_solver_updates(const an_train_settings *settings, const an_network *network, double rate,
                       an_update *updates) {
    for (int i = 0; i < network->parameter_count; i++) {
        const bool bias = network->parameters[i].is_bias;
        updates[i] = (an_update){
            .learning_rate = (float)(rate * (bias ? settings->bias_rate : 1)),
            .weight_decay = (float)(settings->weight_decay * (bias ? settings->bias_decay : 1)),
        };
    }
}
