/* alexnet convert: weights from one format, or type of value, to another. */
#include <stdlib.h>

#include "cli/command.h"
#include "cli/network.h"
#include "eval/calibrate.h"
#include "formats/formats.h"

typedef struct convert_settings {
    an_common common;
    const char *from, *to;
    bool preprocess;
    const char *calibrate;
    size_t images;
    int workers;
} convert_settings;

static const an_option options[] = {
    {.name = "from",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(convert_settings, from),
     .value = "FORMAT",
     .unset = "recognised by IN's content",
     .help = "the format of IN: safetensors, safetensors-index, torch, onnx, caffe, "
             "darknet"},
    {.name = "to",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(convert_settings, to),
     .value = "FORMAT",
     .unset = "OUT's extension",
     .help = "the format of OUT: safetensors (.safetensors), torch (.pth, .pt), onnx (.onnx)"},
    {.name = "preprocess",
     .type = AN_OPTION_FLAG,
     .offset = offsetof(convert_settings, preprocess),
     .help = "ONNX: the network takes pixels (uint8, RGB) and normalises them itself"},
    {.name = "precision",
     .type = AN_OPTION_CHOICE,
     .offset = offsetof(an_common, precision),
     .value = "PRECISION",
     .choices = "fp32|bf16|int8",
     .fallback = "fp32",
     .help = "what the weights are stored in"},
    {.name = "calibrate",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(convert_settings, calibrate),
     .value = "DATA",
     .unset = "ranges that IN holds",
     .help = "pictures on which the ranges for int8 are found, a data set as for train"},
    {.name = "calibrate-images",
     .type = AN_OPTION_COUNT,
     .offset = offsetof(convert_settings, images),
     .value = "N",
     .low = 1,
     .high = 1e9,
     .fallback = "256",
     .help = "take only this many of them, chosen by the seed"},
    AN_OPTION_WORKERS(convert_settings, workers),
    AN_OPTION_BATCH("16", "pictures computed at a time"),
    {0}};

/* What weights are stored in, in the order of the choices for --precision. */
static const struct {
    an_precision precision;
    const char *dtype;
} stored[] = {{AN_FP32, "F32"}, {AN_BF16, "BF16"}, {AN_INT8, "I8"}};

static bool show(void *context, size_t done, size_t pictures) {
    an_display_show(context, pictures ? (double)done / (double)pictures : 1,
                    "calibrating: %s of %s pictures", an_thousands(done).text,
                    an_thousands(pictures).text);
    return true;
}

static void broken(void *context, const char *message) {
    an_display_warn(context, message);
}

/* Finds the ranges of the network's inputs and keeps them in `weights`; *pictures: on how many. */
static alexnet_status calibrate(const convert_settings *settings, an_weights_file *weights,
                                size_t *pictures, alexnet_error *error) {
    const an_common *common = &settings->common;
    const an_plan_options observing = {
        .batch = common->batch, .observe = true, .threads = common->threads};
    const an_loader_options loading = {.batch = common->batch,
                                       .workers = settings->workers,
                                       .seed = common->seed,
                                       .limit = settings->images,
                                       .max_broken = 0.1};
    an_display display = an_display_begin(common);
    const an_backend *backend;
    an_dataset *dataset = NULL;
    an_loader *loader = NULL;
    an_plan *plan = NULL;
    alexnet_status status;
    AN_TRY_CLEANUP(an_backend_find(common->device, &backend, error));
    AN_TRY_CLEANUP(
        an_dataset_open(settings->calibrate, AN_SPLIT_TRAIN, common->seed, &dataset, error));
    an_display_unread(&display, dataset);
    AN_TRY_CLEANUP(an_plan_create(backend, &weights->network, &observing, &plan, error));
    AN_TRY_CLEANUP(an_plan_load(plan, &weights->weights, error));
    AN_TRY_CLEANUP(an_loader_create(dataset, &weights->preprocess, &loading, &loader, error));
    an_loader_on_broken(loader, broken, &display);
    AN_TRY_CLEANUP(
        an_calibrate(plan, loader, weights->input_range, pictures, show, &display, error));
    weights->weights.input_range = weights->input_range;
cleanup:
    an_display_end(&display);
    an_loader_free(loader);
    an_plan_free(plan);
    an_dataset_close(dataset);
    return status;
}

static alexnet_status print_result(const convert_settings *settings, const char *out,
                                   const an_format *format, const an_weights_file *weights,
                                   size_t calibrated, alexnet_error *error) {
    const char *precision = an_precision_names[stored[settings->common.precision].precision];
    an_tensor_file written;
    AN_TRY(an_tensor_file_open(out, format, &written, error));
    const size_t tensors = written.tensor_count, bytes = written.mappings[0].size;
    an_tensor_file_close(&written);
    const char *arch = weights->network.arch->name;
    if (settings->common.json)
        return an_print_json(
            json_pack("{s:I, s:I, s:I, s:s, s:s, s:s, s:I}", "tensors", (json_int_t)tensors,
                      "parameters", (json_int_t)weights->network.parameter_floats, "bytes",
                      (json_int_t)bytes, "arch", arch, "format", format->name, "precision",
                      precision, "calibrated_on", (json_int_t)calibrated),
            error);
    printf("%s: %s, %s parameters in %s, %s", out, arch,
           an_thousands(weights->network.parameter_floats).text, precision, an_bytes(bytes).text);
    if (calibrated > 0)
        printf(", calibrated on %s pictures", an_thousands(calibrated).text);
    putchar('\n');
    return ALEXNET_OK;
}

static alexnet_status convert(const convert_settings *settings, const char *out,
                              const an_format *format, an_weights_file *weights,
                              alexnet_error *error) {
    const an_precision precision = stored[settings->common.precision].precision;
    const an_write_options writing = {.dtype = stored[settings->common.precision].dtype,
                                      .preprocess = settings->preprocess};
    size_t calibrated = 0;
    if (settings->calibrate)
        AN_TRY(calibrate(settings, weights, &calibrated, error));
    else if (precision == AN_INT8 && !weights->weights.input_range)
        return an_fail(error, ALEXNET_INVALID,
                       "int8 needs --calibrate DATA, pictures on which it is found how large the "
                       "inputs of the layers become: those that the network was trained with do");
    AN_TRY(an_weights_write(out, format, weights, &writing, error));
    return print_result(settings, out, format, weights, calibrated, error);
}

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    (void)count;
    const convert_settings *settings = chosen;
    const an_format *from = NULL, *to;
    an_common common = settings->common;
    an_weights_file weights;
    char *in;
    if (settings->from)
        AN_TRY(an_format_find(settings->from, NULL, &from, error));
    AN_TRY(an_format_find(settings->to, arguments[1], &to, error));
    AN_TRY(an_weights_path(arguments[0], &in, error));
    common.weights = in;
    alexnet_status status = an_weights_open_format(in, from, common.arch, &weights, error);
    if (status == ALEXNET_OK) {
        status = convert(settings, arguments[1], to, &weights, error);
        an_weights_close(&weights);
    } else {
        status = an_weights_failed(&common, status, error);
    }
    free(in);
    return status;
}

const an_command an_command_convert = {
    .name = "convert",
    .arguments = "IN OUT",
    .least = 2,
    .most = 2,
    .title = "move weights between frameworks, or store them in bfloat16 or int8",
    .text =
        "Reads weights in any format that is known (safetensors, PyTorch, ONNX, Caffe, Darknet),\n"
        "which is recognised by the content, and writes them as OUT, in the format of its\n"
        "extension: .safetensors, .pth, .onnx. Which network it is, is found out where a file "
        "does\n"
        "not say; of several that differ in no tensor, --arch names one.\n"
        "\n"
        "safetensors hold the weights in float32, in bfloat16, half as large, or in int8, a\n"
        "quarter. What makes a file a checkpoint, momentum and progress, is left out. Every\n"
        "command takes each of these files, and computes in the --precision that it is told,\n"
        "float32 unless it is.\n"
        "\n"
        "For int8 each output channel has a scale of its own, and --calibrate DATA finds on\n"
        "pictures how large the inputs of each layer become, so that --precision int8 need not\n"
        "look before it computes. Of a data set with two parts that to learn from is taken.",
    .examples =
        "  alexnet convert alexnet-owt-7be5be79.pth torchvision.safetensors\n"
        "  alexnet convert runs/first/best.safetensors best.onnx --preprocess\n"
        "  alexnet convert runs/first/best.safetensors small.safetensors --precision int8 \\\n"
        "    --calibrate shapes\n"
        "  alexnet classify --weights small.safetensors --precision int8 cat.jpg",
    .options = options,
    .idle = "weights",
    .size = sizeof(convert_settings),
    .run = run,
};
