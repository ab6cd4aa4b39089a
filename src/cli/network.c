#include "cli/network.h"

#include <stdio.h>
#include <unistd.h>

#include "core/memory.h"
#include "formats/weights.h"
#include "pull/cache.h"

alexnet_status an_weights_failed(const an_common *common, alexnet_status status,
                                 alexnet_error *error) {
    const char *path = common->weights;
    if (status == ALEXNET_IO && path && access(path, F_OK) != 0)
        return an_fail(error, ALEXNET_IO,
                       "%s: there is no such file; `alexnet train` makes weights, as "
                       "runs/NAME/best.safetensors, and `alexnet pull --list` says which can be "
                       "downloaded",
                       path);
    return status;
}

alexnet_status an_weights_path(const char *weights, char **out, alexnet_error *error) {
    const an_known *known = access(weights, F_OK) == 0 ? NULL : an_known_find(weights);
    *out = NULL;
    if (known && !known->arch)
        return an_fail(error, ALEXNET_INVALID, "--weights %s: these are no weights of a network",
                       weights);
    *out = known ? an_cache_find(known) : an_string_copy(weights);
    if (known && !*out)
        return an_fail(error, ALEXNET_IO,
                       "%s: is not there yet; `alexnet pull %s` downloads it (%.0f MB)", weights,
                       weights, 1e-6 * (double)known->source.size);
    if (!*out)
        return an_fail(error, ALEXNET_NO_MEMORY, "memory ran out");
    return ALEXNET_OK;
}

alexnet_status an_weights_needed(const an_common *common, alexnet_error *error) {
    if (common->weights)
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_INVALID,
                   "it needs --weights: `alexnet pull torchvision` downloads some, which "
                   "--weights torchvision then names, and `alexnet train` makes a file of them, "
                   "runs/NAME/best.safetensors");
}

alexnet_status an_network_chosen(const an_common *common, int classes, int input_size,
                                 an_network *out, alexnet_error *error) {
    const an_arch *arch;
    if (common->weights) {
        an_weights_file file;
        const alexnet_status status = an_weights_open(common->weights, common->arch, &file, error);
        if (status != ALEXNET_OK)
            return an_weights_failed(common, status, error);
        *out = file.network;
        an_weights_close(&file);
        if ((classes && classes != out->classes) || (input_size && input_size != out->input_size))
            return an_fail(error, ALEXNET_INVALID,
                           "%s is a network for %d classes and an input of %d x %d; leave out "
                           "--classes and --input-size",
                           common->weights, out->classes, out->input_size, out->input_size);
        return ALEXNET_OK;
    }
    AN_TRY(an_arch_find(common->arch ? common->arch : "alexnet", &arch, error));
    return an_network_build(arch, classes, input_size, out, error);
}

void an_precision_report(const an_common *common, const an_plan *plan) {
    static bool said; /* several networks may vote */
    const char *fallback = an_plan_fallback(plan, (an_precision)common->precision);
    if (fallback && !said)
        fprintf(stderr, "alexnet: %s\n", fallback);
    said = said || fallback;
}

an_plan_options an_plan_chosen(const an_common *common, bool training) {
    return (an_plan_options){.batch = common->batch,
                             .training = training,
                             .precision = (an_precision)common->precision,
                             .threads = common->threads};
}
