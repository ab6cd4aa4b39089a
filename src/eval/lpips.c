#include "eval/lpips.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "data/image.h"
#include "formats/formats.h"

enum { STAGES = 5, MOST_MAPS = 384 };

static const char *const stage_names[STAGES] = {"relu1", "relu2", "relu3", "relu4", "relu5"};

struct an_lpips {
    const an_backend *backend;
    an_plan_options options;
    int size;
    an_weights_file weights;
    int layers[STAGES];              /* of the stages, in the network */
    float linear[STAGES][MOST_MAPS]; /* w */
    /* For pictures of one size, which are taken anew for those of another: */
    an_plan *plan;
    an_arena memory;
    float *input;         /* (3, H, W) */
    float *first[STAGES]; /* what the stages put out for the first picture, (C, H, W) each, ... */
    float *second;        /* ... and one of them for the second */
    an_image pictures[2], scratch;
};

/* --- opening ------------------------------------------------------------------------------- */

static alexnet_status read_stage(const an_tensor_file *file, int stage, int maps, float *out,
                                 alexnet_error *error) {
    char name[32];
    snprintf(name, sizeof name, "lin%d.model.1.weight", stage);
    const an_file_tensor *tensor = an_tensor_find(file, name);
    if (!tensor)
        return an_fail(error, ALEXNET_MISMATCH,
                       "%s: has no tensor %s; LPIPS' linear weights for AlexNet are needed, "
                       "weights/v0.1/alex.pth of its reference implementation",
                       file->path, name);
    if (tensor->dims != 4 || tensor->shape[0] != 1 || tensor->shape[1] != maps ||
        tensor->shape[2] != 1 || tensor->shape[3] != 1)
        return an_fail(error, ALEXNET_MISMATCH,
                       "%s: %s is not of shape (1, %d, 1, 1), so these are LPIPS' linear weights "
                       "for another network than AlexNet",
                       file->path, name, maps);
    if (strcmp(tensor->dtype, "F32") != 0)
        return an_fail(error, ALEXNET_UNSUPPORTED, "%s: %s has the type %s; F32 is needed",
                       file->path, name, tensor->dtype);
    const size_t step = sizeof *out * (tensor->strided ? (size_t)tensor->stride[1] : 1);
    for (int c = 0; c < maps; c++) {
        memcpy(out + c, tensor->bytes + (size_t)c * step, sizeof *out);
        if (!isfinite(out[c]))
            return an_fail(error, ALEXNET_FORMAT, "%s: %s: weight %d is not a finite number",
                           file->path, name, c);
    }
    return ALEXNET_OK;
}

static alexnet_status read_linear(an_lpips *lpips, const char *path, alexnet_error *error) {
    an_tensor_file file;
    AN_TRY(an_tensor_file_open(path, NULL, &file, error));
    alexnet_status status = ALEXNET_OK;
    for (int i = 0; i < STAGES && status == ALEXNET_OK; i++) {
        const an_layer *layer = &lpips->weights.network.layers[lpips->layers[i]];
        status = read_stage(&file, i, layer->out.c, lpips->linear[i], error);
    }
    an_tensor_file_close(&file);
    return status;
}

alexnet_status an_lpips_open(const an_lpips_options *options, an_lpips **out,
                             alexnet_error *error) {
    *out = NULL;
    an_lpips *lpips = calloc(1, sizeof *lpips);
    if (!lpips)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory to compare pictures");
    alexnet_status status;
    lpips->size = options->size;
    lpips->options = options->plan;
    lpips->options.batch = 1;
    lpips->options.observe = true;
    AN_TRY_CLEANUP(
        an_backend_find(options->device ? options->device : "auto", &lpips->backend, error));
    AN_TRY_CLEANUP(an_weights_open(options->weights, "torchvision", &lpips->weights, error));
    for (int i = 0; i < STAGES; i++)
        lpips->layers[i] = an_network_layer(&lpips->weights.network, stage_names[i]);
    AN_TRY_CLEANUP(read_linear(lpips, options->linear, error));
    *out = lpips;
    return ALEXNET_OK;

cleanup:
    an_lpips_free(lpips);
    return status;
}

/* Leaves no plan. */
static void free_plan(an_lpips *lpips) {
    an_plan_free(lpips->plan);
    an_arena_free(&lpips->memory);
    lpips->plan = NULL;
}

void an_lpips_free(an_lpips *lpips) {
    if (!lpips)
        return;
    free_plan(lpips); /* first: it may point at the weights */
    an_weights_close(&lpips->weights);
    an_image_free(&lpips->pictures[0]);
    an_image_free(&lpips->pictures[1]);
    an_image_free(&lpips->scratch);
    free(lpips);
}

/* --- comparing ----------------------------------------------------------------------------- */

/* A plan, and memory, for pictures of this size. */
static alexnet_status make_plan(an_lpips *lpips, int height, int width, alexnet_error *error) {
    const int last = lpips->layers[STAGES - 1];
    an_network front;
    an_tensor_spec specs[STAGES + 2];
    size_t largest = 0;
    if (lpips->plan && lpips->plan->network.input.h == height &&
        lpips->plan->network.input.w == width)
        return ALEXNET_OK;
    free_plan(lpips);
    AN_TRY(an_network_build_front(lpips->weights.network.arch, last, height, width, &front, error));
    for (int i = 0; i < STAGES; i++) {
        const size_t count = an_shape_count(front.layers[lpips->layers[i]].out);
        specs[i] = (an_tensor_spec){stage_names[i], &lpips->first[i], count};
        largest = count > largest ? count : largest;
    }
    specs[STAGES] = (an_tensor_spec){"input", &lpips->input, an_shape_count(front.input)};
    specs[STAGES + 1] = (an_tensor_spec){"second", &lpips->second, largest};
    AN_TRY(an_arena_take(&lpips->memory, "two pictures", specs, STAGES + 2, error));
    an_plan *plan;
    AN_TRY(an_plan_create(lpips->backend, &front, &lpips->options, &plan, error));
    lpips->plan = plan;
    const alexnet_status status = an_plan_load(plan, &lpips->weights.weights, error);
    if (status != ALEXNET_OK)
        free_plan(lpips); /* or the next picture would be computed with no weights */
    return status;
}

/* Reads a picture; with a size, its centre square as large as that. */
static alexnet_status read_picture(an_lpips *lpips, const char *path, an_image *out,
                                   alexnet_error *error) {
    const int side = lpips->size;
    if (side == 0)
        return an_image_read(path, out, error);
    int width, height;
    AN_TRY(an_image_read(path, &lpips->scratch, error));
    an_short_side_size(lpips->scratch.width, lpips->scratch.height, side, &width, &height);
    const an_crop centre = an_crop_centre(width, height, side);
    return an_image_resize_part(&lpips->scratch, width, height,
                                (an_part){centre.x, centre.y, side, side}, out, error);
}

/* The network's input (3, H, W) of a picture. */
static void to_input(const an_image *picture, float *out) {
    static const float shift[3] = {-0.030f, -0.088f, -0.188f}, scale[3] = {0.458f, 0.448f, 0.450f};
    const size_t pixels = (size_t)picture->width * (size_t)picture->height;
    for (int c = 0; c < 3; c++, out += pixels) {
        float values[256];
        for (int i = 0; i < 256; i++)
            values[i] = ((float)i / 127.5f - 1 - shift[c]) / scale[c];
        for (size_t i = 0; i < pixels; i++)
            out[i] = values[picture->pixels[3 * i + (size_t)c]];
    }
}

/* Runs the network on a picture. Its stages can then be read; what it puts out goes to `second`. */
static alexnet_status run_network(an_lpips *lpips, const an_image *picture, alexnet_error *error) {
    to_input(picture, lpips->input);
    return an_plan_forward(lpips->plan, lpips->input, 1, lpips->second, error);
}

/* What a stage, with its linear weights, adds to the distance. a, b: (C, H, W). */
static double stage_distance(const float *a, const float *b, const float *linear, an_shape shape) {
    enum { AT_ONCE = 64 };
    const size_t pixels = (size_t)shape.h * (size_t)shape.w;
    double sum = 0;
    for (size_t first = 0; first < pixels; first += AT_ONCE) {
        const size_t count = pixels - first < AT_ONCE ? pixels - first : AT_ONCE;
        double a_unit[AT_ONCE] = {0}, b_unit[AT_ONCE] = {0}; /* 1 / (length + 1e-10) */
        for (int c = 0; c < shape.c; c++) {
            const float *x = a + (size_t)c * pixels + first, *y = b + (size_t)c * pixels + first;
            for (size_t i = 0; i < count; i++) {
                a_unit[i] += (double)x[i] * (double)x[i];
                b_unit[i] += (double)y[i] * (double)y[i];
            }
        }
        for (size_t i = 0; i < count; i++) {
            a_unit[i] = 1 / (sqrt(a_unit[i]) + 1e-10);
            b_unit[i] = 1 / (sqrt(b_unit[i]) + 1e-10);
        }
        for (int c = 0; c < shape.c; c++) {
            const float *x = a + (size_t)c * pixels + first, *y = b + (size_t)c * pixels + first;
            double squares = 0;
            for (size_t i = 0; i < count; i++) {
                const double difference = (double)x[i] * a_unit[i] - (double)y[i] * b_unit[i];
                squares += difference * difference;
            }
            sum += (double)linear[c] * squares;
        }
    }
    return sum / (double)pixels;
}

static alexnet_status compare(an_lpips *lpips, double *out, alexnet_error *error) {
    const an_image *a = &lpips->pictures[0], *b = &lpips->pictures[1];
    if (a->width != b->width || a->height != b->height)
        return an_fail(error, ALEXNET_INVALID,
                       "they have %d x %d and %d x %d pixels, and only pictures of the same size "
                       "can be compared; --size N compares their centres at N x N pixels",
                       a->width, a->height, b->width, b->height);
    AN_TRY(make_plan(lpips, a->height, a->width, error));
    AN_TRY(run_network(lpips, a, error));
    for (int i = 0; i < STAGES; i++)
        AN_TRY(an_plan_read(lpips->plan, AN_ACTIVATION, lpips->layers[i], lpips->first[i], error));
    AN_TRY(run_network(lpips, b, error));
    double sum = 0;
    for (int i = 0; i < STAGES; i++) {
        const an_shape shape = lpips->plan->network.layers[lpips->layers[i]].out;
        AN_TRY(an_plan_read(lpips->plan, AN_ACTIVATION, lpips->layers[i], lpips->second, error));
        sum += stage_distance(lpips->first[i], lpips->second, lpips->linear[i], shape);
    }
    *out = sum;
    return ALEXNET_OK;
}

alexnet_status an_lpips_files(an_lpips *lpips, const char *a, const char *b, double *out,
                              alexnet_error *error) {
    AN_TRY(read_picture(lpips, a, &lpips->pictures[0], error));
    AN_TRY(read_picture(lpips, b, &lpips->pictures[1], error));
    const alexnet_status status = compare(lpips, out, error);
    return status == ALEXNET_OK ? status : an_fail_in(error, status, "%s and %s", a, b);
}
