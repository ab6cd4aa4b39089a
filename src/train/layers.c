#include "train/layers.h"

#include "train/sums.h"

alexnet_status an_layers_measure(an_plan *plan, const an_update *updates, float *scratch,
                                 json_t **out, alexnet_error *error) {
    const an_network *network = &plan->network;
    json_t *all = json_object();
    *out = NULL;
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *parameter = &network->parameters[i];
        alexnet_status status = an_plan_read(plan, AN_PARAMETER, i, scratch, error);
        const double size = an_mean_magnitude(scratch, parameter->count);
        if (status == ALEXNET_OK) /* w <- w + v: the velocity is what the step has added */
            status = an_plan_read(plan, AN_MOMENTUM, i, scratch, error);
        const double moved = an_mean_magnitude(scratch, parameter->count);
        const double update = updates[i].learning_rate == 0 ? 0 : moved; /* 0: frozen */
        if (status != ALEXNET_OK) {
            json_decref(all);
            return status;
        }
        json_object_set_new(all, parameter->name,
                            json_pack("{s:f, s:f, s:f}", "size", size, "update", update, "ratio",
                                      size > 0 ? update / size : 0));
    }
    *out = all;
    return ALEXNET_OK;
}
