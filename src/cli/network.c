#include "cli/network.h"

alexnet_status an_network_chosen(const an_common *common, int classes, int input_size,
                                 an_network *out, alexnet_error *error) {
    const an_arch *arch;
    AN_TRY(an_arch_find(common->arch ? common->arch : "alexnet", &arch, error));
    return an_network_build(arch, classes, input_size, out, error);
}

an_plan_options an_plan_chosen(const an_common *common, bool training) {
    return (an_plan_options){.batch = common->batch,
                             .training = training,
                             .precision = (an_precision)common->precision,
                             .threads = common->threads};
}
