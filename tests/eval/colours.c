#include "colours.h"

#include <math.h>

#include "formats/safetensors.h"
#include "formats/weights.h"
#include "testing.h"

/* The logit of "nothing". */
static const float nothing = 0.0625f;

static an_network build(void) {
    const an_arch *arch;
    an_network network;
    assert_ok(an_arch_find("alexnet", &arch, error));
    assert_ok(an_network_build(arch, COLOUR_CLASSES, COLOUR_SIDE, &network, error));
    return network;
}

/* Unit c of every layer looks at unit c of the one before: through the middle of its window. */
static alexnet_status fill(void *context, size_t index, void *out, alexnet_error *error) {
    (void)error;
    float *values = out;
    const an_network *network = context;
    const an_parameter *p = &network->parameters[index];
    memset(values, 0, p->count * sizeof *values);
    if (p->is_bias) {
        if (strcmp(p->name, "fc8.bias") == 0)
            values[3] = nothing;
        return ALEXNET_OK;
    }
    const size_t window = p->dims == 4 ? (size_t)(p->shape[2] * p->shape[3]) : 1;
    for (size_t c = 0; c < 3; c++)
        values[(c * (size_t)p->shape[1] + c) * window + window / 2] = 1;
    return ALEXNET_OK;
}

void write_colour_weights(const char *path, bool bgr, bool class_names) {
    char red[] = "red", green[] = "green", blue[] = "blue", none[] = "nothing";
    char *names[COLOUR_CLASSES] = {red, green, blue, none};
    an_network network = build();
    an_preprocess preprocess = an_network_preprocess(&network);
    preprocess.bgr = bgr;
    an_metadata *metadata;
    size_t entries;
    assert_ok(an_weights_metadata(&network, &preprocess, class_names ? names : NULL, &metadata,
                                  &entries, error));
    an_tensor_source sources[AN_MAX_PARAMETERS] = {0};
    for (int i = 0; i < network.parameter_count; i++) {
        sources[i].name = network.parameters[i].name;
        sources[i].dims = network.parameters[i].dims;
        memcpy(sources[i].shape, network.parameters[i].shape, sizeof network.parameters[i].shape);
    }
    assert_ok(an_safetensors_write(path, sources, (size_t)network.parameter_count, metadata,
                                   entries, fill, &network, error));
    an_metadata_free(metadata, entries);
}

void colour_values(const int rgb[3], bool bgr, int norms, double value[3]) {
    const an_network network = build();
    const an_preprocess preprocess = an_network_preprocess(&network);
    for (int c = 0; c < 3; c++) {
        const double pixel = rgb[bgr ? 2 - c : c] * (double)preprocess.scale;
        value[c] = fmax(0, (pixel - (double)preprocess.mean[c]) / (double)preprocess.std[c]);
    }
    /* x / (2 + 1e-4 / 5 * sum)^0.75: each channel is in the others' window. */
    for (int times = 0; times < norms; times++) {
        double sum = 0;
        for (int c = 0; c < 3; c++)
            sum += value[c] * value[c];
        for (int c = 0; c < 3; c++)
            value[c] /= pow(2 + 1e-4 / 5 * sum, 0.75);
    }
}

void colour_logits(const int rgb[3], bool bgr, double logits[COLOUR_CLASSES]) {
    colour_values(rgb, bgr, 2, logits);
    logits[3] = (double)nothing;
}

void write_colour_picture(const char *path, int width, int height, const int rgb[3]) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "P6\n%d %d\n255\n", width, height);
    for (int i = 0; i < width * height; i++)
        for (int c = 0; c < 3; c++)
            fputc(rgb[c], file);
    assert_int_equal(fclose(file), 0);
}
