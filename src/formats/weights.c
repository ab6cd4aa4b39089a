#include "formats/weights.h"

#include <float.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "formats/json.h"
#include "formats/quantise.h"

static const char arch_key[] = "alexnet.arch", classes_key[] = "alexnet.classes",
                  input_size_key[] = "alexnet.input_size", preprocess_key[] = "alexnet.preprocess",
                  class_names_key[] = "alexnet.class_names";

/* The largest short side that pictures are resized to. */
enum { max_resize = 8192 };

/* --- which network ------------------------------------------------------------------------- */

static bool is_of_checkpoint(const char *name) {
    return strncmp(name, "momentum.", strlen("momentum.")) == 0 ||
           strncmp(name, "train.", strlen("train.")) == 0;
}

/* "(96, 3, 11, 11)" */
static const char *format_shape(const int64_t *shape, int dims, char *text, size_t size) {
    size_t used = (size_t)snprintf(text, size, "(");
    for (int i = 0; i < dims && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? ", " : "",
                                 (long long)shape[i]);
    if (used < size)
        snprintf(text + used, size - used, ")");
    return text;
}

static bool same_shape(const an_file_tensor *tensor, const an_parameter *parameter) {
    return tensor->dims == parameter->dims &&
           memcmp(tensor->shape, parameter->shape,
                  (size_t)parameter->dims * sizeof *parameter->shape) == 0;
}

/* What does not fit, the first few in words. */
typedef struct misfits {
    size_t count;
    char text[512];
} misfits;

static void note_misfit(misfits *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void note_misfit(misfits *list, const char *format, ...) {
    const size_t used = strlen(list->text);
    if (++list->count > 4 || used + 8 > sizeof list->text)
        return;
    va_list arguments;
    va_start(arguments, format);
    const size_t begin = used + (size_t)snprintf(list->text + used, sizeof list->text - used, "%s",
                                                 list->count > 1 ? "; " : "");
    vsnprintf(list->text + begin, sizeof list->text - begin, format, arguments);
    va_end(arguments);
}

/* What a file may hold for a weight tensor besides it; see weights.h. */
static const struct {
    const char *suffix; /* instead of "weight" */
    bool per_output;    /* (O) rather than (1) */
} companions[] = {{"weight_scale", true}, {"input_range", false}};

enum { weight_scale, input_range, companion_count };

/* "conv1.weight_scale" for "conv1.weight" */
static void companion_name(const an_parameter *weight, int companion, char *name, size_t size) {
    const size_t stem = strlen(weight->name) - strlen("weight");
    snprintf(name, size, "%.*s%s", (int)stem, weight->name, companions[companion].suffix);
}

static const an_file_tensor *find_companion(const an_safetensors *file, const an_parameter *weight,
                                            int companion) {
    char name[64];
    companion_name(weight, companion, name, sizeof name);
    return an_safetensors_find(file, name);
}

static bool is_companion(const an_network *network, const char *tensor) {
    char name[64];
    for (int i = 0; i < network->parameter_count; i++)
        for (int c = 0; c < companion_count && !network->parameters[i].is_bias; c++) {
            companion_name(&network->parameters[i], c, name, sizeof name);
            if (strcmp(name, tensor) == 0)
                return true;
        }
    return false;
}

static bool is_int8(const an_file_tensor *tensor) {
    return strcmp(tensor->dtype, "I8") == 0;
}

static void compare_companions(const an_safetensors *file, const an_parameter *weight,
                               const an_file_tensor *tensor, misfits *list) {
    char name[64], there[96];
    for (int c = 0; c < companion_count; c++) {
        const an_file_tensor *found = find_companion(file, weight, c);
        const long long values = companions[c].per_output ? (long long)weight->shape[0] : 1;
        companion_name(weight, c, name, sizeof name);
        if (c == weight_scale && !found != !is_int8(tensor))
            note_misfit(list, found ? "%s is there, but the weights are not I8" : "%s is missing",
                        name);
        else if (found && (strcmp(found->dtype, "F32") != 0 || found->dims != 1 ||
                           found->shape[0] != values))
            note_misfit(list, "%s is %s %s and not F32 (%lld)", name, found->dtype,
                        format_shape(found->shape, found->dims, there, sizeof there), values);
    }
}

static misfits compare(const an_safetensors *file, const an_network *network) {
    misfits list = {0};
    char there[96], here[96];
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *parameter = &network->parameters[i];
        const an_file_tensor *tensor = an_safetensors_find(file, parameter->name);
        if (!tensor)
            note_misfit(&list, "%s is missing", parameter->name);
        else if (!same_shape(tensor, parameter))
            note_misfit(&list, "%s is %s and not %s", parameter->name,
                        format_shape(tensor->shape, tensor->dims, there, sizeof there),
                        format_shape(parameter->shape, parameter->dims, here, sizeof here));
        else if (!parameter->is_bias)
            compare_companions(file, parameter, tensor, &list);
    }
    for (size_t i = 0; i < file->tensor_count; i++)
        if (!is_of_checkpoint(file->tensors[i].name) &&
            an_network_parameter(network, file->tensors[i].name) < 0 &&
            !is_companion(network, file->tensors[i].name))
            note_misfit(&list, "%.60s is unknown", file->tensors[i].name);
    return list;
}

/* The network of `arch` with as many classes as the last layer in the file has rows. */
static alexnet_status network_of(const an_safetensors *file, const an_arch *arch, int input_size,
                                 an_network *out, alexnet_error *error) {
    AN_TRY(an_network_build(arch, 0, input_size, out, error));
    const an_layer *last = &out->layers[out->layer_count - 1];
    const an_file_tensor *tensor = an_safetensors_find(file, out->parameters[last->weight].name);
    if (!tensor || tensor->dims != 2 || tensor->shape[0] < 1 || tensor->shape[0] > AN_MAX_CLASSES)
        return ALEXNET_OK; /* which the comparison with 1000 classes will put into words */
    return an_network_build(arch, (int)tensor->shape[0], input_size, out, error);
}

/* A whole number of the metadata; 0 where there is none. */
static alexnet_status metadata_int(const an_safetensors *file, const char *key, int *out,
                                   alexnet_error *error) {
    *out = 0;
    const char *text = an_safetensors_metadata(file, key);
    if (!text)
        return ALEXNET_OK;
    char *end;
    const long value = strtol(text, &end, 10);
    if (end == text || *end || value < 1 || value > AN_MAX_CLASSES)
        return an_fail(error, ALEXNET_FORMAT, "%s: its metadata says '%.40s' for %s", file->path,
                       text, key);
    *out = (int)value;
    return ALEXNET_OK;
}

static alexnet_status check_arch(const an_safetensors *file, const char *asked,
                                 alexnet_error *error) {
    const char *named = an_safetensors_metadata(file, arch_key);
    if (named && asked && strcmp(named, asked) != 0)
        return an_fail(error, ALEXNET_MISMATCH,
                       "%s: holds weights of '%.40s', but '%s' was asked for", file->path, named,
                       asked);
    return ALEXNET_OK;
}

static alexnet_status fail_misfits(const an_safetensors *file, const an_arch *arch,
                                   const misfits *list, const char *hint, alexnet_error *error) {
    return an_fail(error, ALEXNET_MISMATCH, "%s: its tensors are not those of '%s': %s%s%s",
                   file->path, arch->name, list->text, list->count > 4 ? "; and more" : "", hint);
}

static alexnet_status find_network(const an_safetensors *file, const char *asked, an_network *out,
                                   alexnet_error *error) {
    AN_TRY(check_arch(file, asked, error));
    const char *named = an_safetensors_metadata(file, arch_key);
    const an_arch *arch;
    int classes, input_size;
    alexnet_status status = an_arch_find(named ? named : (asked ? asked : "alexnet"), &arch, error);
    if (status != ALEXNET_OK)
        return named ? an_fail_in(error, ALEXNET_FORMAT, "%s", file->path) : status;
    AN_TRY(metadata_int(file, classes_key, &classes, error));
    AN_TRY(metadata_int(file, input_size_key, &input_size, error));
    if (network_of(file, arch, input_size, out, error) != ALEXNET_OK)
        return an_fail_in(error, ALEXNET_FORMAT, "%s", file->path);

    const misfits list = compare(file, out);
    if (list.count > 0) {
        char hint[96] = "";
        for (const an_arch *const *other = an_archs(); !named && *other && !hint[0]; other++) {
            an_network network;
            if (network_of(file, *other, input_size, &network, NULL) == ALEXNET_OK &&
                compare(file, &network).count == 0)
                snprintf(hint, sizeof hint, "; they would fit --arch %s", (*other)->name);
        }
        return fail_misfits(file, arch, &list, hint, error);
    }
    if (classes && classes != out->classes)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: its metadata says %d classes, its last layer has %d", file->path,
                       classes, out->classes);
    return ALEXNET_OK;
}

/* --- preprocessing and class names --------------------------------------------------------- */

static bool between(double value, double least, double most) {
    return value >= least && value <= most; /* false for what is no number, too */
}

/* *out holds the architecture's own and is left so where the file says nothing. */
static alexnet_status read_preprocess(const an_safetensors *file, an_preprocess *out,
                                      alexnet_error *error) {
    const char *text = an_safetensors_metadata(file, preprocess_key);
    if (!text)
        return ALEXNET_OK;
    json_int_t resize, crop;
    double scale, mean[3], std[3];
    const char *channels, *interpolation;
    json_error_t reason = {0};
    alexnet_status status = ALEXNET_OK;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &reason);
    if (!root ||
        json_unpack_ex(root, &reason, JSON_STRICT, "{s:I, s:I, s:s, s:F, s:[FFF], s:[FFF], s:s}",
                       "resize", &resize, "crop", &crop, "channels", &channels, "scale", &scale,
                       "mean", &mean[0], &mean[1], &mean[2], "std", &std[0], &std[1], &std[2],
                       "interpolation", &interpolation) != 0) {
        status = an_fail(error, ALEXNET_FORMAT, "%s: its %s cannot be used: %s", file->path,
                         preprocess_key, reason.text);
        goto cleanup;
    }
    if (strcmp(interpolation, "bilinear") != 0)
        status = an_fail(error, ALEXNET_UNSUPPORTED,
                         "%s: its %s asks for the interpolation '%.40s'; only bilinear is known",
                         file->path, preprocess_key, interpolation);
    else if (strcmp(channels, "rgb") != 0 && strcmp(channels, "bgr") != 0)
        status = an_fail(error, ALEXNET_FORMAT,
                         "%s: its %s asks for the channels '%.40s'; there are rgb and bgr",
                         file->path, preprocess_key, channels);
    else if (crop != out->crop || resize < crop || resize > max_resize)
        status = an_fail(error, ALEXNET_FORMAT,
                         "%s: its %s resizes to %lld and crops %lld; the crop must be the input's "
                         "%d, and the size not less and at most %d",
                         file->path, preprocess_key, (long long)resize, (long long)crop, out->crop,
                         max_resize);
    bool usable = between(scale, 1e-6, 1e6);
    for (int i = 0; i < 3; i++)
        usable = usable && between(mean[i], -1e6, 1e6) && between(std[i], 1e-6, 1e6);
    if (status == ALEXNET_OK && !usable)
        status = an_fail(error, ALEXNET_FORMAT,
                         "%s: its %s holds a scale, mean or std that cannot be computed with",
                         file->path, preprocess_key);
    if (status == ALEXNET_OK) {
        *out = (an_preprocess){.resize = (int)resize,
                               .crop = (int)crop,
                               .bgr = strcmp(channels, "bgr") == 0,
                               .scale = (float)scale};
        for (int i = 0; i < 3; i++) {
            out->mean[i] = (float)mean[i];
            out->std[i] = (float)std[i];
        }
    }

cleanup:
    json_decref(root);
    return status;
}

static alexnet_status read_class_names(an_weights_file *out, alexnet_error *error) {
    const char *path = out->file.path;
    const char *text = an_safetensors_metadata(&out->file, class_names_key);
    if (!text)
        return ALEXNET_OK;
    alexnet_status status = ALEXNET_OK;
    json_error_t reason = {0};
    json_t *root = json_loads(text, 0, &reason);
    if (!json_is_array(root) || json_array_size(root) != (size_t)out->network.classes) {
        status =
            an_fail(error, ALEXNET_FORMAT, "%s: its %s is not a list of %d names%s%s", path,
                    class_names_key, out->network.classes, reason.text[0] ? ": " : "", reason.text);
        goto cleanup;
    }
    out->class_names = calloc((size_t)out->network.classes, sizeof *out->class_names);
    for (int i = 0; status == ALEXNET_OK && i < out->network.classes; i++) {
        const char *name = json_string_value(json_array_get(root, (size_t)i));
        if (!name)
            status = an_fail(error, ALEXNET_FORMAT, "%s: entry %d of its %s is not a string", path,
                             i, class_names_key);
        else if (!out->class_names || !(out->class_names[i] = an_string_copy(name)))
            status = an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its class names", path);
    }

cleanup:
    json_decref(root);
    return status;
}

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

/* `count` values of any type but I8 to float32; the source may lie at any address. */
static void convert(const an_file_tensor *source, size_t count, float *out) {
    const uint8_t *bytes = source->bytes;
    if (strcmp(source->dtype, "F32") == 0) {
        memcpy(out, bytes, count * sizeof *out);
    } else if (strcmp(source->dtype, "F64") == 0) {
        for (size_t i = 0; i < count; i++) {
            double value;
            memcpy(&value, bytes + i * sizeof value, sizeof value);
            out[i] = (float)value;
        }
    } else if (strcmp(source->dtype, "BF16") == 0) {
        an_from_bfloat(bytes, count, out);
    } else {
        for (size_t i = 0; i < count; i++) {
            uint16_t value;
            memcpy(&value, bytes + i * sizeof value, sizeof value);
            out[i] = from_half(value);
        }
    }
}

/* True for `count` finite numbers that are not negative. */
static bool are_magnitudes(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!(values[i] >= 0 && values[i] <= FLT_MAX))
            return false;
    return true;
}

/* int8 weights (O, ...) to float32. */
static alexnet_status dequantise(const an_safetensors *file, const an_parameter *weight,
                                 const an_file_tensor *source, float *out, alexnet_error *error) {
    const an_file_tensor *scales = find_companion(file, weight, weight_scale);
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
        const an_file_tensor *range = find_companion(&out->file, parameter, input_range);
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

static void forget(const an_weights_file *file, const void *bytes, size_t size) {
    const an_mapping *mapping = &file->file.mapping;
    const uintptr_t begin = (uintptr_t)mapping->bytes, at = (uintptr_t)bytes;
    if (at >= begin && at - begin < mapping->size)
        an_mapping_forget(mapping, at - begin, size);
}

/* Mapped pages, and those that can be converted again, need not stay. */
static void release(void *context, int parameter) {
    an_weights_file *file = context;
    an_converted *it = &file->converted[parameter];
    const size_t size = file->network.parameters[parameter].count * sizeof(float);
    if (!it->source)
        forget(file, file->weights.tensor[parameter], size);
    else if (it->users > 0 && --it->users == 0)
        an_forget(it->values, size);
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
        forget(file, it->source->bytes, it->source->size);
    }
    it->users++;
    return ALEXNET_OK;
}

static bool is_usable_in_place(const an_file_tensor *tensor) {
    return strcmp(tensor->dtype, "F32") == 0 && (uintptr_t)tensor->bytes % _Alignof(float) == 0;
}

static alexnet_status check_dtype(const an_safetensors *file, const an_file_tensor *tensor,
                                  bool is_bias, alexnet_error *error) {
    const char *dtype = tensor->dtype;
    if (strcmp(dtype, "F32") == 0 || strcmp(dtype, "F16") == 0 || strcmp(dtype, "BF16") == 0 ||
        strcmp(dtype, "F64") == 0 || (is_int8(tensor) && !is_bias))
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
        const an_file_tensor *tensor = an_safetensors_find(&out->file, parameter->name);
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

/* --- opening and closing ------------------------------------------------------------------- */

/* The network is found out, or where `network` is not NULL must be this one. */
static alexnet_status open_file(const char *path, const char *arch, const an_network *network,
                                an_weights_file *out, alexnet_error *error) {
    AN_TRY(an_safetensors_open(path, &out->file, error));
    if (network) {
        out->network = *network;
        AN_TRY(check_arch(&out->file, network->arch->name, error));
        const misfits list = compare(&out->file, network);
        if (list.count > 0)
            return fail_misfits(&out->file, network->arch, &list, "", error);
    } else {
        AN_TRY(find_network(&out->file, arch, &out->network, error));
    }
    out->preprocess = an_network_preprocess(&out->network);
    AN_TRY(read_preprocess(&out->file, &out->preprocess, error));
    AN_TRY(read_class_names(out, error));
    AN_TRY(point_at_tensors(out, error));
    AN_TRY(read_ranges(out, error));
    out->weights.fetch = fetch;
    out->weights.release = release;
    out->weights.context = out;
    return ALEXNET_OK;
}

static alexnet_status open_or_close(const char *path, const char *arch, const an_network *network,
                                    an_weights_file *out, alexnet_error *error) {
    *out = (an_weights_file){0};
    const alexnet_status status = open_file(path, arch, network, out, error);
    if (status != ALEXNET_OK)
        an_weights_close(out);
    return status;
}

alexnet_status an_weights_open(const char *path, const char *arch, an_weights_file *out,
                               alexnet_error *error) {
    return open_or_close(path, arch, NULL, out, error);
}

alexnet_status an_weights_open_network(const char *path, const an_network *network,
                                       an_weights_file *out, alexnet_error *error) {
    return open_or_close(path, NULL, network, out, error);
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
    an_safetensors_close(&file->file);
    *file = (an_weights_file){0};
}

/* --- metadata ------------------------------------------------------------------------------ */

alexnet_status an_metadata_add(an_metadata **metadata, size_t *count, const char *key,
                               const char *value, alexnet_error *error) {
    an_metadata *larger = realloc(*metadata, (*count + 1) * sizeof *larger);
    if (larger) {
        *metadata = larger;
        larger[*count] = (an_metadata){an_string_copy(key), an_string_copy(value)};
        if (larger[*count].key && larger[*count].value) {
            ++*count;
            return ALEXNET_OK;
        }
        free(larger[*count].key);
        free(larger[*count].value);
    }
    return an_fail(error, ALEXNET_NO_MEMORY, "no memory for the metadata '%s'", key);
}

/* The same for a JSON value, which is given up. */
static alexnet_status add_json(an_metadata **metadata, size_t *count, const char *key,
                               json_t *value, alexnet_error *error) {
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    const alexnet_status status =
        text ? an_metadata_add(metadata, count, key, text, error)
             : an_fail(error, ALEXNET_NO_MEMORY, "no memory for the metadata '%s'", key);
    free(text);
    return status;
}

static json_t *describe_preprocess(const an_preprocess *p) {
    return json_pack("{s:i, s:i, s:s, s:f, s:[fff], s:[fff], s:s}", "resize", p->resize, "crop",
                     p->crop, "channels", p->bgr ? "bgr" : "rgb", "scale", (double)p->scale, "mean",
                     (double)p->mean[0], (double)p->mean[1], (double)p->mean[2], "std",
                     (double)p->std[0], (double)p->std[1], (double)p->std[2], "interpolation",
                     "bilinear");
}

alexnet_status an_weights_metadata(const an_network *network, const an_preprocess *preprocess,
                                   char *const *class_names, an_metadata **out, size_t *count,
                                   alexnet_error *error) {
    *out = NULL;
    *count = 0;
    char classes[16], input_size[16];
    snprintf(classes, sizeof classes, "%d", network->classes);
    snprintf(input_size, sizeof input_size, "%d", network->input_size);
    alexnet_status status = ALEXNET_OK;
    AN_TRY_CLEANUP(an_metadata_add(out, count, arch_key, network->arch->name, error));
    AN_TRY_CLEANUP(an_metadata_add(out, count, classes_key, classes, error));
    AN_TRY_CLEANUP(an_metadata_add(out, count, input_size_key, input_size, error));
    AN_TRY_CLEANUP(add_json(out, count, preprocess_key, describe_preprocess(preprocess), error));
    if (class_names) {
        json_t *names = json_array();
        for (int i = 0; i < network->classes; i++)
            json_array_append_new(names, an_json_string(class_names[i]));
        AN_TRY_CLEANUP(add_json(out, count, class_names_key, names, error));
    }
    return ALEXNET_OK;

cleanup:
    an_metadata_free(*out, *count);
    *out = NULL;
    *count = 0;
    return status;
}

void an_metadata_free(an_metadata *metadata, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(metadata[i].key);
        free(metadata[i].value);
    }
    free(metadata);
}
