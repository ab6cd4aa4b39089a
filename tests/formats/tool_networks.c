/*
 * tool_networks                            lists the networks
 * tool_networks ARCH CLASSES SIDE FILE     writes one, in the format of FILE's extension; SIDE 0 is
 *                                          the network's own
 * tool_networks FILE FILE                  whether two files hold the same network and weights, to
 *                                          the bit, whatever their formats: exit code 0 or 1
 *
 * for the scripts that compare with other frameworks. The weights keep activations at about one
 * size through the layers, and biases take part, so that every layer has a say in the answer.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "formats/formats.h"

static void fill(an_weights_file *weights) {
    const an_network *network = &weights->network;
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *parameter = &network->parameters[i];
        const an_random stream = an_random_stream(1, AN_RANDOM_TEST, 0, (uint64_t)i);
        const double limit = parameter->is_bias ? 0.1 : sqrt(6.0 / (double)parameter->fan_in);
        an_random_fill_uniform(&stream, 0, parameter->count, limit,
                               weights->owned + parameter->offset);
    }
}

static alexnet_status write(char **arguments, alexnet_error *error) {
    const an_write_options options = {0};
    const an_format *format;
    const an_arch *arch;
    an_network network;
    an_weights_file weights;
    AN_TRY(an_arch_find(arguments[0], &arch, error));
    AN_TRY(an_network_build(arch, atoi(arguments[1]), atoi(arguments[2]), &network, error));
    AN_TRY(an_format_find(NULL, arguments[3], &format, error));
    AN_TRY(an_weights_initialise(&network, 1, &weights, error));
    fill(&weights);
    const alexnet_status status = an_weights_write(arguments[3], format, &weights, &options, error);
    an_weights_close(&weights);
    return status;
}

static alexnet_status compare(an_weights_file *a, an_weights_file *b, alexnet_error *error) {
    if (a->network.arch != b->network.arch || a->network.input_size != b->network.input_size ||
        a->network.classes != b->network.classes)
        return an_fail(error, ALEXNET_MISMATCH, "the networks differ");
    for (int i = 0; i < a->network.parameter_count; i++) {
        const an_parameter *parameter = &a->network.parameters[i];
        const float *left, *right;
        AN_TRY(an_weights_tensor(&a->weights, i, &left, error));
        AN_TRY(an_weights_tensor(&b->weights, i, &right, error));
        if (memcmp(left, right, parameter->count * sizeof *left) != 0)
            return an_fail(error, ALEXNET_MISMATCH, "%s differs", parameter->name);
        an_weights_release(&a->weights, i);
        an_weights_release(&b->weights, i);
    }
    return ALEXNET_OK;
}

static alexnet_status compare_files(char **arguments, alexnet_error *error) {
    an_weights_file files[2] = {0};
    alexnet_status status;
    AN_TRY_CLEANUP(an_weights_open(arguments[0], NULL, &files[0], error));
    AN_TRY_CLEANUP(an_weights_open(arguments[1], files[0].network.arch->name, &files[1], error));
    status = compare(&files[0], &files[1], error);
cleanup:
    an_weights_close(&files[0]);
    an_weights_close(&files[1]);
    return status;
}

int main(int count, char **arguments) {
    alexnet_error error;
    for (const an_arch *const *arch = an_archs(); count == 1 && *arch; arch++)
        puts((*arch)->name);
    if (count == 1)
        return 0;
    if (count != 3 && count != 5) {
        fprintf(stderr, "usage: %s [ARCH CLASSES SIDE FILE | FILE FILE]\n", arguments[0]);
        return 2;
    }
    if ((count == 3 ? compare_files : write)(arguments + 1, &error) == ALEXNET_OK)
        return 0;
    fprintf(stderr, "%s\n", error.message);
    return 1;
}
