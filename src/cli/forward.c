/* alexnet forward: preprocessed inputs to logits or a layer's activations, .npy to .npy. */
#include <string.h>
#include <sys/stat.h>

#include "cli/classifier.h"
#include "cli/command.h"
#include "cli/network.h"
#include "core/memory.h"
#include "formats/npy.h"

typedef struct forward_settings {
    an_common common;
    const char *layer;
    int classes;
} forward_settings;

static const an_option options[] = {
    AN_OPTION_CLASSES(forward_settings, classes),
    {.name = "layer",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(forward_settings, layer),
     .value = "NAME",
     .unset = "the logits",
     .help = "the layer whose output is wanted; alexnet summary lists them"},
    {0}};

static alexnet_status check_input(const an_npy *npy, const char *path, alexnet_error *error) {
    if (npy->dims != 4 || npy->shape[0] < 1 || npy->shape[1] != 3 || npy->shape[2] != npy->shape[3])
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: the array must be N x 3 x H x H, with at least one image", path);
    return ALEXNET_OK;
}

/* Computes the images batch by batch and appends their results to the file. */
static alexnet_status compute(alexnet_classifier *classifier, int layer, const an_npy *npy,
                              size_t batch, an_writer *writer, an_display *display,
                              alexnet_error *error) {
    const an_network *network = &classifier->weights.network;
    const size_t each = an_shape_count(an_result_shape(network, layer));
    const size_t pixels = an_shape_count(network->input), images = (size_t)npy->shape[0];
    float *results;
    AN_TRY(an_alloc((void **)&results, batch * each, sizeof *results, "results", error));
    alexnet_status status = ALEXNET_OK;
    for (size_t done = 0; done < images && status == ALEXNET_OK; done += batch) {
        const size_t count = images - done < batch ? images - done : batch;
        status = an_classifier_compute(classifier, layer, npy->values + done * pixels, count,
                                       results, error);
        if (status == ALEXNET_OK)
            status = an_writer_write(writer, results, count * each * sizeof *results, error);
        an_display_show(display, (double)(done + count) / (double)images, "%s of %s images",
                        an_thousands(done + count).text, an_thousands(images).text);
    }
    an_display_end(display);
    an_free(results);
    return status;
}

static alexnet_status forward(const forward_settings *settings, const char *in, const char *out,
                              alexnet_error *error) {
    an_npy npy = {0};
    an_writer writer = {0};
    alexnet_classifier *classifier = NULL;
    an_result result;
    an_display display = an_display_begin(&settings->common);
    alexnet_status status;
    AN_TRY(an_npy_open(in, &npy, error));
    AN_TRY_CLEANUP(check_input(&npy, in, error));
    size_t batch = (size_t)settings->common.batch, images = (size_t)npy.shape[0];
    batch = batch < images ? batch : images;
    AN_TRY_CLEANUP(an_classifier_chosen(&settings->common, (int)batch, settings->layer != NULL,
                                        settings->classes, (int)npy.shape[2], &classifier, error));
    const an_network *network = &classifier->weights.network;
    if (network->input_size != npy.shape[2]) {
        status = an_fail(
            error, ALEXNET_MISMATCH, "%s: the network takes %d x %d images, not %d x %d", in,
            network->input_size, network->input_size, (int)npy.shape[2], (int)npy.shape[2]);
        goto cleanup;
    }
    AN_TRY_CLEANUP(an_result_chosen(network, settings->layer, images, &result, error));
    AN_TRY_CLEANUP(an_npy_begin(&writer, out, result.shape, result.dims, error));
    AN_TRY_CLEANUP(compute(classifier, result.layer, &npy, batch, &writer, &display, error));
    AN_TRY_CLEANUP(an_writer_commit(&writer, error));
    if (settings->common.json)
        status = an_print_json(
            json_pack("{s:s, s:o}", "layer", result.name, "shape", an_result_json(&result)), error);
    else
        printf("%s of %s images to %s\n", result.name, an_thousands(images).text, out);
cleanup:
    an_writer_abandon(&writer);
    alexnet_classifier_free(classifier);
    an_npy_close(&npy);
    return status;
}

static bool are_one_file(const char *a, const char *b) {
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    (void)count;
    if (are_one_file(arguments[0], arguments[1]))
        return an_fail(error, ALEXNET_INVALID, "%s: would be written over what is read from it",
                       arguments[1]);
    return forward(chosen, arguments[0], arguments[1], error);
}

const an_command an_command_forward = {
    .name = "forward",
    .arguments = "IN OUT",
    .least = 2,
    .most = 2,
    .title = "compute logits or a layer's output, from .npy to .npy",
    .text =
        "Reads N x 3 x H x H float32 from IN, already preprocessed, and writes the network's\n"
        "logits (N x classes), or the output of --layer, to OUT. Without --weights the network\n"
        "has the weights that it begins with (--arch, --seed).",
    .examples = "  alexnet forward --weights best.safetensors images.npy logits.npy\n"
                "  alexnet forward --weights best.safetensors --layer conv5 images.npy conv5.npy",
    .options = options,
    .size = sizeof(forward_settings),
    .run = run,
};
