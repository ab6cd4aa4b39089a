/* How parameters begin: the distributions that each architecture's table names. */
#include <math.h>
#include <string.h>

#include "core/random.h"
#include "model/network.h"

/* Elements computed by one thread at a time; a multiple of the generator's four. */
enum { chunk = 1 << 16 };

void an_initialise_parameter(const an_network *network, int parameter, uint64_t seed, float *out) {
    const an_parameter *p = &network->parameters[parameter];
    const an_layer_spec *spec = &network->layers[p->layer].spec;
    const an_random stream = an_random_stream(seed, AN_RANDOM_INIT, 0, (uint64_t)parameter);
    const double scale = 1.0 / sqrt((double)p->fan_in);
    if (p->is_bias && spec->init != AN_INIT_TORCH) {
        for (size_t i = 0; i < p->count; i++)
            out[i] = spec->bias;
        return;
    }
#pragma omp parallel for schedule(static)
    for (size_t first = 0; first < p->count; first += chunk) {
        const size_t count = p->count - first < chunk ? p->count - first : chunk;
        switch (spec->init) {
        case AN_INIT_HE:
            an_random_fill_normal(&stream, first, count, sqrt(2.0) * scale, out + first);
            break;
        case AN_INIT_NORMAL:
            an_random_fill_normal(&stream, first, count, (double)spec->deviation, out + first);
            break;
        case AN_INIT_TORCH:
            an_random_fill_uniform(&stream, first, count, scale, out + first);
            break;
        case AN_INIT_UNIFORM:
            an_random_fill_uniform(&stream, first, count, sqrt(2.0) * scale, out + first);
            break;
        }
    }
}

void an_network_begin_as_paper(an_network *network) {
    static const char *const with_one[] = {"conv2", "conv4", "conv5", "fc6", "fc7"};
    for (int l = 0; l < network->layer_count; l++) {
        an_layer_spec *spec = &network->layers[l].spec;
        spec->init = AN_INIT_NORMAL;
        spec->deviation = 0.01f;
        spec->bias = 0;
        for (size_t i = 0; i < sizeof with_one / sizeof *with_one; i++)
            if (strcmp(spec->name, with_one[i]) == 0)
                spec->bias = 1;
    }
}

void an_initialise(const an_network *network, uint64_t seed, float *out) {
    for (int i = 0; i < network->parameter_count; i++)
        an_initialise_parameter(network, i, seed, out + network->parameters[i].offset);
}
