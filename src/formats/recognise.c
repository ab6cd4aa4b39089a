#include "formats/recognise.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

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

/* --- tensors beside a weight tensor -------------------------------------------------------- */

static const struct {
    const char *suffix; /* instead of "weight" */
    bool per_output;    /* (O) rather than (1) */
} companions[] = {
    [AN_WEIGHT_SCALE] = {"weight_scale", true}, [AN_INPUT_RANGE] = {"input_range", false}};

enum { companion_count = sizeof companions / sizeof *companions };

/* "conv1.weight_scale" for "conv1.weight" */
static void companion_name(const an_parameter *weight, int companion, char *name, size_t size) {
    const size_t stem = strlen(weight->name) - strlen("weight");
    snprintf(name, size, "%.*s%s", (int)stem, weight->name, companions[companion].suffix);
}

const an_file_tensor *an_companion_find(const an_tensor_file *file, const an_parameter *weight,
                                        an_companion which) {
    char name[64];
    companion_name(weight, (int)which, name, sizeof name);
    return an_tensor_find(file, name);
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

static void compare_companions(const an_tensor_file *file, const an_parameter *weight,
                               const an_file_tensor *tensor, misfits *list) {
    char name[64], there[96];
    for (int c = 0; c < companion_count; c++) {
        const an_file_tensor *found = an_companion_find(file, weight, (an_companion)c);
        const long long values = companions[c].per_output ? (long long)weight->shape[0] : 1;
        companion_name(weight, c, name, sizeof name);
        if (c == AN_WEIGHT_SCALE && !found != !(strcmp(tensor->dtype, "I8") == 0))
            note_misfit(list, found ? "%s is there, but the weights are not I8" : "%s is missing",
                        name);
        else if (found && (strcmp(found->dtype, "F32") != 0 || found->dims != 1 ||
                           found->shape[0] != values || found->strided))
            note_misfit(list, "%s is %s %s and not F32 (%lld)", name, found->dtype,
                        an_format_shape(found->shape, found->dims, there, sizeof there), values);
    }
}

/* --- by tensors ---------------------------------------------------------------------------- */

/* Tensors of a checkpoint, or of the preprocessing. */
static bool is_beside_weights(const char *name) {
    return strncmp(name, "momentum.", strlen("momentum.")) == 0 ||
           strncmp(name, "train.", strlen("train.")) == 0 ||
           strcmp(name, AN_TENSOR_MEAN_IMAGE) == 0;
}

static bool same_shape(const an_file_tensor *tensor, const an_parameter *parameter) {
    return tensor->dims == parameter->dims &&
           memcmp(tensor->shape, parameter->shape,
                  (size_t)parameter->dims * sizeof *parameter->shape) == 0;
}

static misfits compare(const an_tensor_file *file, const an_network *network) {
    misfits list = {0};
    char there[96], here[96];
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *parameter = &network->parameters[i];
        const an_file_tensor *tensor = an_tensor_find(file, parameter->name);
        if (!tensor)
            note_misfit(&list, "%s is missing", parameter->name);
        else if (!same_shape(tensor, parameter))
            note_misfit(&list, "%s is %s and not %s", parameter->name,
                        an_format_shape(tensor->shape, tensor->dims, there, sizeof there),
                        an_format_shape(parameter->shape, parameter->dims, here, sizeof here));
        else if (!parameter->is_bias)
            compare_companions(file, parameter, tensor, &list);
    }
    for (size_t i = 0; i < file->tensor_count; i++)
        if (!is_beside_weights(file->tensors[i].name) &&
            an_network_parameter(network, file->tensors[i].name) < 0 &&
            !is_companion(network, file->tensors[i].name))
            note_misfit(&list, "%.60s is unknown", file->tensors[i].name);
    return list;
}

static alexnet_status fail_misfits(const an_tensor_file *file, const an_arch *arch,
                                   const misfits *list, alexnet_error *error) {
    return an_fail(error, ALEXNET_MISMATCH, "%s: its tensors are not those of '%s': %s%s",
                   file->path, arch->name, list->text, list->count > 4 ? "; and more" : "");
}

/* The network of `arch` with as many classes as the last layer in the file has rows. */
static alexnet_status network_of(const an_tensor_file *file, const an_arch *arch, int input_size,
                                 an_network *out, alexnet_error *error) {
    AN_TRY(an_network_build(arch, 0, input_size, out, error));
    const an_layer *last = &out->layers[out->layer_count - 1];
    const an_file_tensor *tensor = an_tensor_find(file, out->parameters[last->weight].name);
    if (!tensor || tensor->dims != 2 || tensor->shape[0] < 1 || tensor->shape[0] > AN_MAX_CLASSES)
        return ALEXNET_OK; /* which the comparison with 1000 classes will put into words */
    return an_network_build(arch, (int)tensor->shape[0], input_size, out, error);
}

/* The architecture whose tensors are the file's. */
static alexnet_status find_by_tensors(const an_tensor_file *file, int input_size,
                                      const an_arch **out, alexnet_error *error) {
    const an_arch *nearest = NULL, *found = NULL;
    misfits fewest = {0};
    char fitting[256] = "";
    size_t used = 0, fits = 0;
    for (const an_arch *const *arch = an_archs(); *arch; arch++) {
        an_network network;
        if (network_of(file, *arch, input_size, &network, NULL) != ALEXNET_OK)
            continue;
        const misfits list = compare(file, &network);
        if (list.count == 0 && used < sizeof fitting) {
            found = found ? found : *arch;
            used += (size_t)snprintf(fitting + used, sizeof fitting - used, "%s%s",
                                     fits++ ? ", " : "", (*arch)->name);
        }
        if (!nearest || list.count < fewest.count) {
            nearest = *arch;
            fewest = list;
        }
    }
    if (!nearest)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: its metadata asks for an input of %d x %d, which no network takes",
                       file->path, input_size, input_size);
    if (!found)
        return fail_misfits(file, nearest, &fewest, error);
    if (fits > 1 && found != *an_archs())
        return an_fail(error, ALEXNET_MISMATCH,
                       "%s: its tensors are those of several networks (%s), which compute "
                       "differently; say which with --arch",
                       file->path, fitting);
    *out = found;
    return ALEXNET_OK;
}

/* --- by layers ----------------------------------------------------------------------------- */

/* What changes nothing when pictures are classified, or is told by the tensors' shapes. */
static bool is_passed_over(an_layer_type type) {
    return type == AN_DROPOUT || type == AN_ADAPTIVE_AVG_POOL;
}

static bool near(float a, float b) {
    return fabsf(a - b) <= 1e-5f * fabsf(b);
}

/* Whether a layer in a file is that of a table. How pooling rounds shows in shapes, if at all. */
static bool same_layer(const an_layer_spec *there, const an_layer_spec *here) {
    if (there->type != here->type)
        return false;
    switch (here->type) {
    case AN_CONV:
        return there->units == here->units && there->kernel == here->kernel &&
               there->stride == here->stride && there->pad == here->pad &&
               there->groups == here->groups;
    case AN_MAX_POOL:
        return there->kernel == here->kernel && there->stride == here->stride;
    case AN_LRN:
    case AN_LRN_WITHIN:
        return there->size == here->size && near(there->alpha, here->alpha) &&
               near(there->beta, here->beta) && near(there->k, here->k) &&
               there->towers == here->towers;
    case AN_FC:
        return here->units == 0 || there->units == here->units; /* 0: the number of classes */
    default:
        return true;
    }
}

/* "conv of 96 maps, 11x11, stride 4, pad 0, groups 1" */
static void describe_layer(const an_layer_spec *spec, char *text, size_t size) {
    const char *type = an_layer_type_name(spec->type);
    switch (spec->type) {
    case AN_CONV:
        snprintf(text, size, "%s of %d maps, %dx%d, stride %d, pad %d, groups %d", type,
                 spec->units, spec->kernel, spec->kernel, spec->stride, spec->pad, spec->groups);
        break;
    case AN_MAX_POOL:
        snprintf(text, size, "%s %dx%d, stride %d", type, spec->kernel, spec->kernel, spec->stride);
        break;
    case AN_LRN:
    case AN_LRN_WITHIN:
        snprintf(text, size, "%s of %d, alpha %g, beta %g, k %g, towers %d", type, spec->size,
                 (double)spec->alpha, (double)spec->beta, (double)spec->k, spec->towers);
        break;
    case AN_FC:
        snprintf(text, size, "%s of %d units", type, spec->units);
        break;
    default:
        snprintf(text, size, "%s", type);
    }
}

/* How far the file's layers are an architecture's. */
typedef struct agreement {
    bool whole;
    int alike;                  /* layers, from the first on */
    const an_file_layer *there; /* the first two that differ; NULL: there is none left */
    const an_layer_spec *here;
} agreement;

static agreement compare_layers(const an_tensor_file *file, const an_arch *arch) {
    agreement found = {0};
    size_t there = 0;
    int here = 0;
    for (;; there++, here++, found.alike++) {
        while (there < file->layer_count && is_passed_over(file->layers[there].spec.type))
            there++;
        while (here < arch->layer_count && is_passed_over(arch->layers[here].type))
            here++;
        found.there = there < file->layer_count ? &file->layers[there] : NULL;
        found.here = here < arch->layer_count ? &arch->layers[here] : NULL;
        found.whole = !found.there && !found.here;
        if (!found.there || !found.here || !same_layer(&found.there->spec, found.here))
            return found;
    }
}

static alexnet_status fail_layers(const an_tensor_file *file, const an_arch *arch,
                                  const agreement *found, alexnet_error *error) {
    char there[128] = "no further layer", here[128] = "ends there";
    if (found->there)
        describe_layer(&found->there->spec, there, sizeof there);
    if (found->here)
        describe_layer(found->here, here, sizeof here);
    return an_fail(error, ALEXNET_MISMATCH,
                   "%s: its layers are those of no network here: of '%s', which comes nearest, it "
                   "has the first %d, but then%s%.60s%s %s where '%s' has %s",
                   file->path, arch->name, found->alike, found->there ? " '" : "",
                   found->there ? found->there->name : "", found->there ? "' is" : "", there,
                   arch->name, here);
}

/* The architecture that has the file's layers. */
static alexnet_status find_by_layers(const an_tensor_file *file, const char *asked,
                                     const an_arch **out, alexnet_error *error) {
    agreement best = {.alike = -1};
    for (const an_arch *const *arch = an_archs(); *arch && !best.whole; arch++) {
        if (asked && strcmp((*arch)->name, asked) != 0)
            continue;
        const agreement found = compare_layers(file, *arch);
        if (found.whole || found.alike > best.alike) {
            best = found;
            *out = *arch;
        }
    }
    return best.whole ? ALEXNET_OK : fail_layers(file, *out, &best, error);
}

static alexnet_status rename_tensor(const an_tensor_file *file, an_file_tensor *tensor,
                                    const char *name, alexnet_error *error) {
    char *copy = an_string_copy(name);
    if (!copy)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its tensors", file->path);
    free(tensor->name);
    tensor->name = copy;
    return ALEXNET_OK;
}

/* Layers with weights have the same order in the file and the table, whatever they are called. */
static alexnet_status name_by_layers(an_tensor_file *file, const an_arch *arch,
                                     alexnet_error *error) {
    static const char *const kinds[] = {"weight", "bias"};
    an_file_tensor *tensors[AN_MAX_PARAMETERS] = {0};
    char names[AN_MAX_PARAMETERS][64], name[256];
    int count = 0;
    size_t there = 0;
    for (int here = 0; here < arch->layer_count; here++) {
        if (!arch->layers[here].parameter)
            continue;
        while (file->layers[there].spec.type != AN_CONV && file->layers[there].spec.type != AN_FC)
            there++;
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof name, "%s.%s", file->layers[there].name, kinds[k]);
            for (size_t t = 0; t < file->tensor_count; t++)
                if (strcmp(file->tensors[t].name, name) == 0) {
                    snprintf(names[count], sizeof names[count], "%s.%s",
                             arch->layers[here].parameter, kinds[k]);
                    tensors[count++] = &file->tensors[t];
                    break;
                }
        }
        there++;
    }
    for (int i = 0; i < count; i++) /* only now: an old name may be another's new one */
        AN_TRY(rename_tensor(file, tensors[i], names[i], error));
    return ALEXNET_OK;
}

/* --- by what is said ----------------------------------------------------------------------- */

/* A whole number of the metadata; 0 where there is none. */
static alexnet_status metadata_int(const an_tensor_file *file, const char *key, int *out,
                                   alexnet_error *error) {
    *out = 0;
    const char *text = an_tensor_file_metadata(file, key);
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

static alexnet_status check_arch(const an_tensor_file *file, const char *asked,
                                 alexnet_error *error) {
    const char *named = an_tensor_file_metadata(file, AN_KEY_ARCH);
    if (named && asked && strcmp(named, asked) != 0)
        return an_fail(error, ALEXNET_MISMATCH,
                       "%s: holds weights of '%.40s', but '%s' was asked for", file->path, named,
                       asked);
    return ALEXNET_OK;
}

/* "module.conv1.weight", "module.conv1.bias", ... : what a wrapper put before every name is cut
 * off, component by component. */
static alexnet_status strip_prefix(an_tensor_file *file, alexnet_error *error) {
    while (file->tensor_count > 1) {
        const char *first = file->tensors[0].name;
        const char *dot = strchr(first, '.');
        const size_t length = dot ? (size_t)(dot - first) + 1 : 0;
        for (size_t i = 0; i < file->tensor_count; i++)
            if (length == 0 || strncmp(file->tensors[i].name, first, length) != 0 ||
                !strchr(file->tensors[i].name + length, '.'))
                return ALEXNET_OK;
        for (size_t i = file->tensor_count; i-- > 0;)
            AN_TRY(rename_tensor(file, &file->tensors[i], file->tensors[i].name + length, error));
    }
    return ALEXNET_OK;
}

static alexnet_status find_arch(an_tensor_file *file, const char *asked, int input_size,
                                const an_arch **out, alexnet_error *error) {
    const char *named = an_tensor_file_metadata(file, AN_KEY_ARCH);
    *out = *an_archs();
    if (asked)
        AN_TRY(an_arch_find(asked, out, error));
    if (named && an_arch_find(named, out, error) != ALEXNET_OK)
        return an_fail_in(error, ALEXNET_FORMAT, "%s", file->path);
    if (!named && file->layer_count > 0) {
        AN_TRY(find_by_layers(file, asked, out, error));
        return name_by_layers(file, *out, error);
    }
    return named || asked ? ALEXNET_OK : find_by_tensors(file, input_size, out, error);
}

alexnet_status an_recognise(an_tensor_file *file, const char *asked, an_network *out,
                            alexnet_error *error) {
    const an_arch *arch;
    int classes, input_size;
    if (file->layer_count == 0)
        AN_TRY(strip_prefix(file, error));
    AN_TRY(check_arch(file, asked, error));
    AN_TRY(metadata_int(file, AN_KEY_CLASSES, &classes, error));
    AN_TRY(metadata_int(file, AN_KEY_INPUT_SIZE, &input_size, error));
    AN_TRY(find_arch(file, asked, input_size, &arch, error));
    if (network_of(file, arch, input_size, out, error) != ALEXNET_OK)
        return an_fail_in(error, ALEXNET_FORMAT, "%s", file->path);
    const misfits list = compare(file, out);
    if (list.count > 0)
        return fail_misfits(file, arch, &list, error);
    if (classes && classes != out->classes)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: its metadata says %d classes, its last layer has %d", file->path,
                       classes, out->classes);
    return ALEXNET_OK;
}

alexnet_status an_recognise_as(an_tensor_file *file, const an_network *network,
                               alexnet_error *error) {
    AN_TRY(check_arch(file, network->arch->name, error));
    const misfits list = compare(file, network);
    return list.count > 0 ? fail_misfits(file, network->arch, &list, error) : ALEXNET_OK;
}
