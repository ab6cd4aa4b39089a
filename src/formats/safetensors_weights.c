/* Weights as safetensors: in float32, bfloat16 or int8. */
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "formats/quantise.h"
#include "formats/safetensors.h"
#include "formats/weights.h"

/* For each parameter itself, and for a weight its scales and its input's range; the mean picture.
 */
enum { most_tensors = 3 * AN_MAX_PARAMETERS + 1 };

typedef enum content { VALUES, BFLOATS, BYTES, SCALES, RANGE } content;

/* What `fill` needs to know of the tensors, in the order in which they are written. */
typedef struct contents {
    const an_weights_file *from;
    float *scale[AN_MAX_PARAMETERS]; /* (O), of weights that become int8 */
    int count;
    int parameter[most_tensors];
    content content[most_tensors];
    char names[most_tensors][64];
    an_tensor_source tensors[most_tensors];
} contents;

static void add_tensor(contents *all, int parameter, content what) {
    static const char *const dtypes[] = {
        [VALUES] = "F32", [BFLOATS] = "BF16", [BYTES] = "I8", [SCALES] = "F32", [RANGE] = "F32"};
    const an_parameter *p = &all->from->network.parameters[parameter];
    const size_t stem = strlen(p->name) - strlen("weight");
    const int i = all->count++;
    char *name = all->names[i];
    all->parameter[i] = parameter;
    all->content[i] = what;
    all->tensors[i] = (an_tensor_source){.name = name, .dtype = dtypes[what], .dims = 1};
    if (what == RANGE) {
        snprintf(name, sizeof all->names[i], "%.*sinput_range", (int)stem, p->name);
        all->tensors[i].shape[0] = 1;
        return;
    }
    snprintf(name, sizeof all->names[i], "%s%s", p->name, what == SCALES ? "_scale" : "");
    all->tensors[i].dims = what == SCALES ? 1 : p->dims;
    memcpy(all->tensors[i].shape, p->shape, sizeof p->shape);
}

/* Float32 before narrower values, so that every tensor lies at a multiple of its values' size. */
static void list_tensors(contents *all, content of_weights) {
    const an_network *network = &all->from->network;
    const content of_biases = of_weights == BYTES ? VALUES : of_weights;
    for (int narrow = 0; narrow < 2; narrow++)
        for (int i = 0; i < network->parameter_count; i++) {
            const bool is_bias = network->parameters[i].is_bias;
            if (!narrow && !is_bias && of_weights == BYTES)
                add_tensor(all, i, SCALES);
            if (!narrow && !is_bias && all->from->weights.input_range)
                add_tensor(all, i, RANGE);
            const content own = is_bias ? of_biases : of_weights;
            if ((own != VALUES) == narrow)
                add_tensor(all, i, own);
        }
}

/* The scales of all weights, ahead of the weights in the file. */
static alexnet_status find_scales(contents *all, const char *path, float *scales,
                                  alexnet_error *error) {
    const an_network *network = &all->from->network;
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *parameter = &network->parameters[i];
        const size_t rows = (size_t)parameter->shape[0];
        if (parameter->is_bias)
            continue;
        all->scale[i] = scales;
        scales += rows;
        const float *values;
        AN_TRY(an_weights_tensor(&all->from->weights, i, &values, error));
        const bool finite =
            an_quantise_scales(values, rows, parameter->count / rows, all->scale[i]);
        an_weights_release(&all->from->weights, i);
        if (!finite)
            return an_fail(error, ALEXNET_FORMAT,
                           "%s: %s holds a value that is no finite number, which int8 cannot say",
                           path, parameter->name);
    }
    return ALEXNET_OK;
}

static alexnet_status fill(void *context, size_t index, void *out, alexnet_error *error) {
    const contents *all = context;
    const an_weights *weights = &all->from->weights;
    const int i = all->parameter[index];
    const an_parameter *parameter = &all->from->network.parameters[i];
    const size_t rows = (size_t)parameter->shape[0];
    const float *values;
    AN_TRY(an_weights_tensor(weights, i, &values, error));
    switch (all->content[index]) {
    case VALUES:
        memcpy(out, values, parameter->count * sizeof *values);
        break;
    case BFLOATS:
        an_to_bfloat(values, parameter->count, out);
        break;
    case BYTES:
        an_quantise(values, all->scale[i], rows, parameter->count / rows, out);
        break;
    case SCALES:
        memcpy(out, all->scale[i], rows * sizeof *values);
        break;
    case RANGE:
        memcpy(out, &weights->input_range[parameter->layer], sizeof *values);
        break;
    }
    an_weights_release(weights, i);
    return ALEXNET_OK;
}

alexnet_status an_safetensors_write_weights(const char *path, const an_weights_file *weights,
                                            const an_write_options *options, alexnet_error *error) {
    const char *dtype = options->dtype ? options->dtype : "F32";
    contents all = {.from = weights};
    const bool int8 = strcmp(dtype, "I8") == 0;
    size_t rows = 0, entries = 0;
    void *scales = NULL;
    an_metadata *metadata = NULL;
    alexnet_status status;
    for (int i = 0; i < weights->network.parameter_count; i++)
        rows += (size_t)weights->network.parameters[i].shape[0];
    AN_TRY_CLEANUP(an_alloc(&scales, rows, sizeof(float), "scales", error));
    if (int8)
        AN_TRY_CLEANUP(find_scales(&all, path, scales, error));
    if (weights->preprocess.mean_image)
        all.tensors[all.count++] = an_mean_image_source(&weights->preprocess);
    list_tensors(&all, int8 ? BYTES : strcmp(dtype, "BF16") == 0 ? BFLOATS : VALUES);
    AN_TRY_CLEANUP(an_weights_metadata(&weights->network, &weights->preprocess,
                                       weights->class_names, &metadata, &entries, error));
    status = an_safetensors_write(path, all.tensors, (size_t)all.count, metadata, entries, fill,
                                  &all, error);
cleanup:
    an_metadata_free(metadata, entries);
    an_free(scales);
    return status;
}
