/* alexnet summary: the layers of a network and where every number about them comes from. */
#include <string.h>

#include "cli/command.h"
#include "cli/network.h"

typedef struct summary_settings {
    an_common common;
    int classes, input_size;
} summary_settings;

static const an_option options[] = {AN_OPTION_CLASSES(summary_settings, classes),
                                    AN_OPTION_INPUT_SIZE(summary_settings, input_size),
                                    {.name = "batch",
                                     .type = AN_OPTION_INT,
                                     .offset = offsetof(an_common, batch),
                                     .value = "N",
                                     .low = 1,
                                     .high = 65536,
                                     .fallback = "128",
                                     .help = "the batch that the memory for training is given for"},
                                    {0}};

/* The least that a plan needs, in bytes of float32. ReLU and dropout work in place. */
typedef struct memory {
    uint64_t weights;
    uint64_t inference; /* activations, batch 1: the layer with the largest input and output */
    uint64_t kept;      /* activations and their gradients, training */
    uint64_t training;  /* that, and weights, gradients and momentum */
} memory;

static bool in_place(const an_layer *layer) {
    return layer->spec.type == AN_RELU || layer->spec.type == AN_DROPOUT;
}

static memory memory_of(const an_network *network, int batch) {
    memory need = {.weights = 4 * (uint64_t)network->parameter_floats};
    uint64_t kept = an_shape_count(network->input);
    for (int i = 0; i < network->layer_count; i++) {
        const an_layer *layer = &network->layers[i];
        const uint64_t in = an_shape_count(layer->in), out = an_shape_count(layer->out);
        if (in_place(layer))
            continue;
        kept += out;
        need.inference = 4 * (in + out) > need.inference ? 4 * (in + out) : need.inference;
    }
    need.kept = 2 * 4 * kept * (uint64_t)batch;
    need.training = 3 * need.weights + need.kept;
    return need;
}

static uint64_t layer_parameters(const an_network *network, const an_layer *layer) {
    return layer->weight < 0
               ? 0
               : network->parameters[layer->weight].count + network->parameters[layer->bias].count;
}

/* "96 * (3*11*11) + 96": maps, what each of them sees, and the biases. */
static an_text parameter_arithmetic(const an_network *network, const an_layer *layer) {
    const int64_t *shape = network->parameters[layer->weight].shape;
    an_text out;
    if (layer->spec.type == AN_CONV)
        snprintf(out.text, sizeof out.text, "%lld * (%lld*%lld*%lld) + %lld", (long long)shape[0],
                 (long long)shape[1], (long long)shape[2], (long long)shape[3],
                 (long long)shape[0]);
    else
        snprintf(out.text, sizeof out.text, "%lld * %lld + %lld", (long long)shape[0],
                 (long long)shape[1], (long long)shape[0]);
    return out;
}

static void print_layers(const an_network *network) {
    printf("%-10s %-18s %16s %14s %16s\n", "layer", "type", "output", "parameters",
           "multiply-adds");
    printf("%-10s %-18s %4d x %3d x %3d\n", "input", "picture", network->input.c, network->input.h,
           network->input.w);
    for (int i = 0; i < network->layer_count; i++) {
        const an_layer *layer = &network->layers[i];
        char output[48];
        if (layer->out.h == 1 && layer->out.w == 1)
            snprintf(output, sizeof output, "%d", layer->out.c);
        else
            snprintf(output, sizeof output, "%4d x %3d x %3d", layer->out.c, layer->out.h,
                     layer->out.w);
        printf("%-10s %-18s %16s", layer->spec.name, an_layer_type_name(layer->spec.type), output);
        if (layer->weight >= 0)
            printf(" %14s %16s", an_thousands(layer_parameters(network, layer)).text,
                   an_thousands(layer->macs).text);
        putchar('\n');
    }
    printf("%-10s %-18s %16s %14s %16s\n", "all", "", "",
           an_thousands(network->parameter_floats).text, an_thousands(network->macs).text);
}

static void print_sizes(const an_network *network) {
    printf("\nSizes: (input + 2*padding - window) / stride + 1\n");
    for (int i = 0; i < network->layer_count; i++) {
        char arithmetic[128];
        an_layer_arithmetic(&network->layers[i], arithmetic, sizeof arithmetic);
        if (arithmetic[0])
            printf("  %-8s %s\n", network->layers[i].spec.name, arithmetic);
    }
    printf("\nParameters: outputs * what each of them sees + biases\n");
    for (int i = 0; i < network->layer_count; i++) {
        const an_layer *layer = &network->layers[i];
        if (layer->weight >= 0)
            printf("  %-8s %s = %s\n", layer->spec.name, parameter_arithmetic(network, layer).text,
                   an_thousands(layer_parameters(network, layer)).text);
    }
}

static void print_memory(const memory *need, int batch) {
    printf("\nMemory in float32, the least that does\n");
    printf("  weights                          %10s\n", an_bytes(need->weights).text);
    printf("  activations, inference, batch 1  %10s\n", an_bytes(need->inference).text);
    printf("  training, batch %-5d            %10s  (weights, gradients and momentum %s,\n"
           "  %44s  activations and their gradients %s)\n",
           batch, an_bytes(need->training).text, an_bytes(3 * need->weights).text, "",
           an_bytes(need->kept).text);
}

/* The tutorial computes 55 for what its code makes 56; say which of the two one is looking at. */
static alexnet_status print_correction(const an_network *network, alexnet_error *error) {
    static const char *const names[] = {"alexnet", "alexnet-code"};
    char arithmetic[2][128], end[2][16];
    const char *name = network->arch->name;
    if (network->input_size != 227 || (strcmp(name, names[0]) != 0 && strcmp(name, names[1]) != 0))
        return ALEXNET_OK;
    for (int i = 0; i < 2; i++) {
        const an_arch *arch;
        an_network other;
        AN_TRY(an_arch_find(names[i], &arch, error));
        AN_TRY(an_network_build(arch, 0, network->input_size, &other, error));
        an_layer_arithmetic(&other.layers[0], arithmetic[i], sizeof arithmetic[i]);
        const an_shape last = other.layers[an_network_layer(&other, "pool5")].out;
        snprintf(end[i], sizeof end[i], "%d x %d", last.h, last.w);
    }
    printf("\n55 or 56? The tutorial pads conv1 by 2 in its code and computes\n"
           "(227 + 4 - 11) / 4 + 1 = 55, but that is 56:\n"
           "  with padding 2 (alexnet-code)  %s\n"
           "  without padding (alexnet)      %s\n"
           "After pool5 it no longer matters: %s and %s.\n",
           arithmetic[1], arithmetic[0], end[1], end[0]);
    return ALEXNET_OK;
}

static json_t *to_json(const an_network *network, const memory *need, int batch) {
    json_t *layers = json_array();
    for (int i = 0; i < network->layer_count; i++) {
        const an_layer *layer = &network->layers[i];
        char arithmetic[128];
        an_layer_arithmetic(layer, arithmetic, sizeof arithmetic);
        json_array_append_new(
            layers,
            json_pack("{s:s, s:s, s:[i,i,i], s:I, s:I, s:s}", "name", layer->spec.name, "type",
                      an_layer_type_name(layer->spec.type), "output", layer->out.c, layer->out.h,
                      layer->out.w, "parameters", (json_int_t)layer_parameters(network, layer),
                      "macs", (json_int_t)layer->macs, "arithmetic", arithmetic));
    }
    return json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:o, s:{s:I, s:I, s:I, s:i}}", "arch",
                     network->arch->name, "title", network->arch->title, "classes",
                     network->classes, "input_size", network->input_size, "parameters",
                     (json_int_t)network->parameter_floats, "macs", (json_int_t)network->macs,
                     "layers", layers, "memory", "weights", (json_int_t)need->weights, "inference",
                     (json_int_t)need->inference, "training", (json_int_t)need->training, "batch",
                     batch);
}

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    const summary_settings *settings = chosen;
    an_network network;
    (void)arguments;
    (void)count;
    AN_TRY(an_network_chosen(&settings->common, settings->classes, settings->input_size, &network,
                             error));
    const memory need = memory_of(&network, settings->common.batch);
    if (settings->common.json)
        return an_print_json(to_json(&network, &need, settings->common.batch), error);
    printf("%s: %s\n%s classes, input %d x %d\n\n", network.arch->name, network.arch->title,
           an_thousands((uint64_t)network.classes).text, network.input_size, network.input_size);
    print_layers(&network);
    print_sizes(&network);
    print_memory(&need, settings->common.batch);
    return print_correction(&network, error);
}

const an_command an_command_summary = {
    .name = "summary",
    .arguments = "",
    .title = "the layers, with every size and count worked out",
    .text = "Prints a network layer by layer: what each puts out, how many parameters it has and\n"
            "how many multiply-adds it costs for one picture, and how these numbers come about.\n"
            "A size that does not work is refused with the layer that it fails in.",
    .examples = "  alexnet summary\n"
                "  alexnet summary --arch alexnet-paper --classes 10\n"
                "  alexnet summary --arch torchvision --input-size 63",
    .options = options,
    .idle = "device|precision|threads|seed|progress",
    .size = sizeof(summary_settings),
    .run = run,
};
