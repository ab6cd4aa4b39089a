#include "formats/weights.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "formats/formats.h"
#include "formats/quantise.h"
#include "formats/recognise.h"
#include "formats/safetensors.h"

/* --- values -------------------------------------------------------------------------------- */

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/*
 * IEEE 754 binary16: 1 bit sign, 5 exponent (bias 15), 10 fraction. Moved to float32's places it is
 * 2^112 too small, since the bias there is 127; infinities and NaN keep the highest exponent.
 */
static float from_half(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
    if (magnitude >= UINT32_C(31) << 23)
        return float_of(sign | 0x7f800000 | magnitude);
    return float_of(sign | magnitude) * 0x1p112f;
}

/* `count` values of any type but I8, one behind the other, to float32; the bytes may lie at any
 * address. */
static void convert_run(const char *dtype, const uint8_t *bytes, size_t count, float *out) {
    if (strcmp(dtype, "F32") == 0) {
        memcpy(out, bytes, count * sizeof *out);
    } else if (strcmp(dtype, "F64") == 0) {
        for (size_t i = 0; i < count; i++) {
            double value;
            memcpy(&value, bytes + i * sizeof value, sizeof value);
            out[i] = (float)value;
        }
    } else if (strcmp(dtype, "BF16") == 0) {
        an_from_bfloat(bytes, count, out);
    } else {
        for (size_t i = 0; i < count; i++) {
            uint16_t value;
            memcpy(&value, bytes + i * sizeof value, sizeof value);
            out[i] = from_half(value);
        }
    }
}

/* The same for a tensor whose values lie `stride` apart, row by row of its last dimension. */
static void convert_strided(const an_file_tensor *source, size_t count, float *out) {
    const char *name;
    size_t bits = 0;
    (void)an_dtype_find(source->dtype, &name, &bits);
    const int last = source->dims - 1;
    const size_t columns = (size_t)source->shape[last], rows = count / columns;
    const size_t step = (size_t)source->stride[last] * bits / 8;
    const bool is_float = strcmp(source->dtype, "F32") == 0;
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        size_t rest = r, place = 0;
        for (int d = last - 1; d >= 0; d--) {
            place += rest % (size_t)source->shape[d] * (size_t)source->stride[d];
            rest /= (size_t)source->shape[d];
        }
        const uint8_t *next = source->bytes + place * bits / 8;
        float *row = out + r * columns;
        for (size_t c = 0; c < columns; c++, next += step)
            if (is_float)
                memcpy(row + c, next, sizeof *row);
            else
                convert_run(source->dtype, next, 1, row + c);
    }
}

/* A tensor of `count` values, of any type but I8, to float32 in C order. */
static void convert(const an_file_tensor *source, size_t count, float *out) {
    if (source->strided && source->dims > 0)
        convert_strided(source, count, out);
    else
        convert_run(source->dtype, source->bytes, count, out);
}

static bool is_int8(const an_file_tensor *tensor) {
    return strcmp(tensor->dtype, "I8") == 0;
}

/* True for `count` finite numbers that are not negative. */
static bool are_magnitudes(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!(values[i] >= 0 && values[i] <= FLT_MAX))
            return false;
    return true;
}

/* int8 weights (O, ...) to float32. */
static alexnet_status dequantise(const an_tensor_file *file, const an_parameter *weight,
                                 const an_file_tensor *source, float *out, alexnet_error *error) {
    const an_file_tensor *scales = an_companion_find(file, weight, AN_WEIGHT_SCALE);
    const size_t rows = (size_t)weight->shape[0];
    void *scale;
    AN_TRY(an_alloc(&scale, rows, sizeof(float), "scales", error));
    memcpy(scale, scales->bytes, scales->size);
    alexnet_status status = ALEXNET_OK;
    if (!are_magnitudes(scale, rows))
        status = an_fail(error, ALEXNET_FORMAT,
                         "%s: %s holds a scale that is negative or no finite number", file->path,
                         scales->name);
    else if (!an_dequantise((const int8_t *)source->bytes, scale, rows, weight->count / rows, out))
        status = an_fail(error, ALEXNET_FORMAT,
                         "%s: %s holds -128; int8 weights are between -127 and 127", file->path,
                         source->name);
    an_free(scale);
    return status;
}

/* The ranges that calibration found: of every layer with weights, or none. */
static alexnet_status read_ranges(an_weights_file *out, alexnet_error *error) {
    const an_network *network = &out->network;
    const an_parameter *without = NULL;
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *parameter = &network->parameters[i];
        if (parameter->is_bias)
            continue;
        const an_file_tensor *range = an_companion_find(&out->file, parameter, AN_INPUT_RANGE);
        if (!range) {
            without = parameter;
            continue;
        }
        float *value = &out->input_range[parameter->layer];
        memcpy(value, range->bytes, sizeof *value);
        if (!are_magnitudes(value, 1))
            return an_fail(error, ALEXNET_FORMAT, "%s: %s is negative or no finite number",
                           out->file.path, range->name);
        out->weights.input_range = out->input_range;
    }
    if (without && out->weights.input_range)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: other layers have an input_range, but that of %s is missing",
                       out->file.path, without->name);
    return ALEXNET_OK;
}

/* Mapped pages, and those that can be converted again, need not stay. */
static void release(void *context, int parameter) {
    an_weights_file *file = context;
    an_converted *it = &file->converted[parameter];
    const size_t size = file->network.parameters[parameter].count * sizeof(float);
    if (!it->source)
        an_tensor_file_forget(&file->file, file->weights.tensor[parameter], size);
    else if (it->users > 0 && --it->users == 0)
        an_forget(it->values, size);
}

/* What somebody else still uses, too, stays. */
static void forget(void *context, int parameter, size_t first, size_t count) {
    an_weights_file *file = context;
    const an_converted *it = &file->converted[parameter];
    if (!it->source)
        an_tensor_file_forget(&file->file, file->weights.tensor[parameter] + first,
                              count * sizeof(float));
    else if (it->users == 1)
        an_forget(it->values + first, count * sizeof(float));
}

static alexnet_status fetch(void *context, int parameter, alexnet_error *error) {
    an_weights_file *file = context;
    an_converted *it = &file->converted[parameter];
    const an_parameter *about = &file->network.parameters[parameter];
    if (it->source && it->users == 0) {
        if (is_int8(it->source))
            AN_TRY(dequantise(&file->file, about, it->source, it->values, error));
        else
            convert(it->source, about->count, it->values);
        an_tensor_file_forget(&file->file, it->source->bytes, it->source->size);
    }
    it->users++;
    return ALEXNET_OK;
}

static bool is_usable_in_place(const an_file_tensor *tensor) {
    return strcmp(tensor->dtype, "F32") == 0 && !tensor->strided &&
           (uintptr_t)tensor->bytes % _Alignof(float) == 0;
}

static alexnet_status check_dtype(const an_tensor_file *file, const an_file_tensor *tensor,
                                  bool is_bias, alexnet_error *error) {
    const char *dtype = tensor->dtype;
    if (strcmp(dtype, "F32") == 0 || strcmp(dtype, "F16") == 0 || strcmp(dtype, "BF16") == 0 ||
        strcmp(dtype, "F64") == 0 || (is_int8(tensor) && !is_bias && !tensor->strided))
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_UNSUPPORTED,
                   "%s: %s holds %s values; weights can be F32, F16, BF16 or F64, and with scales "
                   "I8",
                   file->path, tensor->name, dtype);
}

/* Float32 is used where it lies; for what is not, or lies at an odd address, there is room. */
static alexnet_status point_at_tensors(an_weights_file *out, alexnet_error *error) {
    const an_network *network = &out->network;
    size_t floats = 0;
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *parameter = &network->parameters[i];
        const an_file_tensor *tensor = an_tensor_find(&out->file, parameter->name);
        AN_TRY(check_dtype(&out->file, tensor, parameter->is_bias, error));
        if (is_usable_in_place(tensor)) {
            out->weights.tensor[i] = (const float *)(const void *)tensor->bytes;
        } else {
            out->converted[i].source = tensor;
            floats += parameter->count;
        }
    }
    if (floats > 0) {
        void *block;
        AN_TRY(an_reserve(&block, floats, sizeof(float), out->file.path, error));
        out->owned = block;
    }
    float *next = out->owned;
    for (int i = 0; i < network->parameter_count; i++)
        if (out->converted[i].source) {
            out->weights.tensor[i] = out->converted[i].values = next;
            next += network->parameters[i].count;
        }
    return ALEXNET_OK;
}

/* --- the mean picture ---------------------------------------------------------------------- */

an_tensor_source an_mean_image_source(const an_preprocess *preprocess) {
    return (an_tensor_source){.name = AN_TENSOR_MEAN_IMAGE,
                              .dims = 3,
                              .shape = {3, preprocess->crop, preprocess->crop},
                              .values = preprocess->mean_image};
}

static alexnet_status read_mean_image(an_weights_file *out, alexnet_error *error) {
    const an_file_tensor *tensor = an_tensor_find(&out->file, AN_TENSOR_MEAN_IMAGE);
    const int crop = out->preprocess.crop;
    if (!tensor)
        return ALEXNET_OK;
    if (tensor->dims != 3 || tensor->shape[0] != 3 || tensor->shape[1] != crop ||
        tensor->shape[2] != crop || !is_usable_in_place(tensor))
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: %s is not F32 (3, %d, %d), as its preprocessing needs it",
                       out->file.path, tensor->name, crop, crop);
    const float *values = (const float *)(const void *)tensor->bytes;
    for (size_t i = 0; i < tensor->size / sizeof *values; i++)
        if (!isfinite(values[i]))
            return an_fail(error, ALEXNET_FORMAT, "%s: %s holds a value that is no finite number",
                           out->file.path, tensor->name);
    out->preprocess.mean_image = values;
    return ALEXNET_OK;
}

/* --- opening and closing ------------------------------------------------------------------- */

/* Preprocessing, class names and values of a network that was recognised. */
static alexnet_status read_rest(an_weights_file *out, alexnet_error *error) {
    const an_tensor_file *file = &out->file;
    const char *preprocess = an_tensor_file_metadata(file, AN_KEY_PREPROCESS);
    const char *class_names = an_tensor_file_metadata(file, AN_KEY_CLASS_NAMES);
    out->preprocess = an_network_preprocess(&out->network);
    if (preprocess)
        AN_TRY(an_preprocess_parse(file->path, preprocess, &out->preprocess, error));
    if (class_names)
        AN_TRY(an_class_names_parse(file->path, class_names, out->network.classes,
                                    &out->class_names, error));
    AN_TRY(read_mean_image(out, error));
    AN_TRY(point_at_tensors(out, error));
    AN_TRY(read_ranges(out, error));
    out->weights.fetch = fetch;
    out->weights.release = release;
    out->weights.forget = forget;
    out->weights.context = out;
    return ALEXNET_OK;
}

alexnet_status an_weights_open_format(const char *path, const an_format *format, const char *arch,
                                      an_weights_file *out, alexnet_error *error) {
    alexnet_status status;
    *out = (an_weights_file){0};
    AN_TRY_CLEANUP(an_tensor_file_open(path, format, &out->file, error));
    AN_TRY_CLEANUP(an_recognise(&out->file, arch, &out->network, error));
    AN_TRY_CLEANUP(read_rest(out, error));
    return ALEXNET_OK;

cleanup:
    an_weights_close(out);
    return status;
}

alexnet_status an_weights_open(const char *path, const char *arch, an_weights_file *out,
                               alexnet_error *error) {
    return an_weights_open_format(path, NULL, arch, out, error);
}

alexnet_status an_weights_open_network(const char *path, const an_network *network,
                                       an_weights_file *out, alexnet_error *error) {
    alexnet_status status;
    *out = (an_weights_file){.network = *network};
    AN_TRY_CLEANUP(an_safetensors_open(path, &out->file, error));
    AN_TRY_CLEANUP(an_recognise_as(&out->file, network, error));
    AN_TRY_CLEANUP(read_rest(out, error));
    return ALEXNET_OK;

cleanup:
    an_weights_close(out);
    return status;
}

alexnet_status an_weights_initialise(const an_network *network, uint64_t seed, an_weights_file *out,
                                     alexnet_error *error) {
    *out = (an_weights_file){.network = *network, .preprocess = an_network_preprocess(network)};
    void *block;
    AN_TRY(an_alloc(&block, network->parameter_floats, sizeof(float), "weights", error));
    out->owned = block;
    an_initialise(network, seed, out->owned);
    out->weights = an_weights_of(network, out->owned);
    return ALEXNET_OK;
}

void an_weights_close(an_weights_file *file) {
    for (int i = 0; file->class_names && i < file->network.classes; i++)
        free(file->class_names[i]);
    free(file->class_names);
    an_free(file->owned);
    an_tensor_file_close(&file->file);
    *file = (an_weights_file){0};
}
