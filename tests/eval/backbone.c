#include "testing.h"

#include "backbone.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/memory.h"
#include "formats/safetensors.h"
#include "model/network.h"

void write_backbone(const char *path, uint64_t seed) {
    const an_arch *arch;
    an_network network;
    char header[4096] = "{\"__metadata__\":{\"alexnet.arch\":\"torchvision\"}";
    size_t used = strlen(header);
    assert_ok(an_arch_find("torchvision", &arch, error));
    assert_ok(an_network_build(arch, 10, 0, &network, error));
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int i = 0; i < network.parameter_count; i++) {
        const an_parameter *p = &network.parameters[i];
        used += (size_t)snprintf(header + used, sizeof header - used,
                                 ",\"%s\":{\"dtype\":\"F32\",\"shape\":[", p->name);
        for (int d = 0; d < p->dims; d++)
            used += (size_t)snprintf(header + used, sizeof header - used, "%s%d", d ? "," : "",
                                     (int)p->shape[d]);
        used +=
            (size_t)snprintf(header + used, sizeof header - used, "],\"data_offsets\":[%zu,%zu]}",
                             4 * p->offset, 4 * (p->offset + p->count));
    }
    header[used++] = '}';
    while (used % 8 != 0)
        header[used++] = ' ';
    const uint64_t length = used;
    assert_int_equal(fwrite(&length, 1, sizeof length, file), sizeof length);
    assert_int_equal(fwrite(header, 1, used, file), used);
    for (int i = 0; i < network.parameter_count; i++) {
        const an_parameter *p = &network.parameters[i];
        if (network.layers[p->layer].spec.type == AN_FC)
            continue;
        float *values = malloc(p->count * sizeof *values);
        assert_non_null(values);
        an_initialise_parameter(&network, i, seed, values);
        assert_int_equal(fwrite(values, sizeof *values, p->count, file), p->count);
        free(values);
    }
    assert_int_equal(fflush(file), 0);
    assert_int_equal(
        ftruncate(fileno(file), (off_t)(sizeof length + used + 4 * network.parameter_floats)), 0);
    assert_int_equal(fclose(file), 0);
}

void write_linear(const char *path, spoiling how) {
    static const int maps[5] = {64, 192, 384, 256, 256};
    char names[5][32];
    float values[5][384];
    an_tensor_source sources[5] = {0};
    size_t count = 0;
    for (int i = 0; i < 5; i++) {
        if (how == WITHOUT_LIN3 && i == 3)
            continue;
        const int here = how == LIN2_OF_128_MAPS && i == 2 ? 128 : maps[i];
        snprintf(names[i], sizeof names[i], "lin%d.model.1.weight", i);
        for (int c = 0; c < here; c++)
            values[i][c] = 1 / (float)here;
        if (how == LIN4_NOT_FINITE && i == 4)
            values[i][7] = NAN;
        sources[count++] =
            (an_tensor_source){.name = names[i],
                               .dims = 4,
                               .shape = {1, here, 1, 1},
                               .values = values[i],
                               .dtype = how == LIN1_IN_HALVES && i == 1 ? "F16" : NULL};
    }
    assert_ok(an_safetensors_write(path, sources, count, NULL, 0, NULL, NULL, error));
}
