#include "formats/metadata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"

/* The largest short side that pictures are resized to. */
enum { max_resize = 8192 };

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

void an_metadata_free(an_metadata *metadata, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(metadata[i].key);
        free(metadata[i].value);
    }
    free(metadata);
}

/* --- writing ------------------------------------------------------------------------------- */

/* JSON as text, freed with free(); the value is given up. NULL where memory ran out. */
static char *format_json(json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    return text;
}

char *an_preprocess_format(const an_preprocess *p) {
    return format_json(json_pack("{s:i, s:i, s:s, s:f, s:[fff], s:[fff], s:s}", "resize", p->resize,
                                 "crop", p->crop, "channels", p->bgr ? "bgr" : "rgb", "scale",
                                 (double)p->scale, "mean", (double)p->mean[0], (double)p->mean[1],
                                 (double)p->mean[2], "std", (double)p->std[0], (double)p->std[1],
                                 (double)p->std[2], "interpolation", "bilinear"));
}

static char *format_class_names(char *const *class_names, int classes) {
    json_t *names = json_array();
    for (int i = 0; i < classes; i++)
        json_array_append_new(names, an_json_string(class_names[i]));
    return format_json(names);
}

/* Adds a text that is freed afterwards. */
static alexnet_status add_text(an_metadata **metadata, size_t *count, const char *key, char *text,
                               alexnet_error *error) {
    const alexnet_status status =
        text ? an_metadata_add(metadata, count, key, text, error)
             : an_fail(error, ALEXNET_NO_MEMORY, "no memory for the metadata '%s'", key);
    free(text);
    return status;
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
    AN_TRY_CLEANUP(an_metadata_add(out, count, AN_KEY_ARCH, network->arch->name, error));
    AN_TRY_CLEANUP(an_metadata_add(out, count, AN_KEY_CLASSES, classes, error));
    AN_TRY_CLEANUP(an_metadata_add(out, count, AN_KEY_INPUT_SIZE, input_size, error));
    AN_TRY_CLEANUP(
        add_text(out, count, AN_KEY_PREPROCESS, an_preprocess_format(preprocess), error));
    if (class_names)
        AN_TRY_CLEANUP(add_text(out, count, AN_KEY_CLASS_NAMES,
                                format_class_names(class_names, network->classes), error));
    return ALEXNET_OK;

cleanup:
    an_metadata_free(*out, *count);
    *out = NULL;
    *count = 0;
    return status;
}

/* --- reading ------------------------------------------------------------------------------- */

static bool between(double value, double least, double most) {
    return value >= least && value <= most; /* false for what is no number, too */
}

alexnet_status an_preprocess_parse(const char *path, const char *text, an_preprocess *out,
                                   alexnet_error *error) {
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
        status = an_fail(error, ALEXNET_FORMAT, "%s: its %s cannot be used: %s", path,
                         AN_KEY_PREPROCESS, reason.text);
        goto cleanup;
    }
    if (strcmp(interpolation, "bilinear") != 0)
        status = an_fail(error, ALEXNET_UNSUPPORTED,
                         "%s: its %s asks for the interpolation '%.40s'; only bilinear is known",
                         path, AN_KEY_PREPROCESS, interpolation);
    else if (strcmp(channels, "rgb") != 0 && strcmp(channels, "bgr") != 0)
        status = an_fail(error, ALEXNET_FORMAT,
                         "%s: its %s asks for the channels '%.40s'; there are rgb and bgr", path,
                         AN_KEY_PREPROCESS, channels);
    else if (crop != out->crop || resize < crop || resize > max_resize)
        status = an_fail(error, ALEXNET_FORMAT,
                         "%s: its %s resizes to %lld and crops %lld; the crop must be the input's "
                         "%d, and the size not less and at most %d",
                         path, AN_KEY_PREPROCESS, (long long)resize, (long long)crop, out->crop,
                         max_resize);
    bool usable = between(scale, 1e-6, 1e6);
    for (int i = 0; i < 3; i++)
        usable = usable && between(mean[i], -1e6, 1e6) && between(std[i], 1e-6, 1e6);
    if (status == ALEXNET_OK && !usable)
        status = an_fail(error, ALEXNET_FORMAT,
                         "%s: its %s holds a scale, mean or std that cannot be computed with", path,
                         AN_KEY_PREPROCESS);
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

alexnet_status an_class_names_parse(const char *path, const char *text, int classes, char ***out,
                                    alexnet_error *error) {
    alexnet_status status = ALEXNET_OK;
    json_error_t reason = {0};
    char **names = NULL;
    json_t *root = json_loads(text, 0, &reason);
    if (!json_is_array(root) || json_array_size(root) != (size_t)classes) {
        status = an_fail(error, ALEXNET_FORMAT, "%s: its %s is not a list of %d names%s%s", path,
                         AN_KEY_CLASS_NAMES, classes, reason.text[0] ? ": " : "", reason.text);
        goto cleanup;
    }
    names = calloc((size_t)classes, sizeof *names);
    for (int i = 0; status == ALEXNET_OK && i < classes; i++) {
        const char *name = json_string_value(json_array_get(root, (size_t)i));
        if (!name)
            status = an_fail(error, ALEXNET_FORMAT, "%s: entry %d of its %s is not a string", path,
                             i, AN_KEY_CLASS_NAMES);
        else if (!names || !(names[i] = an_string_copy(name)))
            status = an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its class names", path);
    }

cleanup:
    for (int i = 0; status != ALEXNET_OK && names && i < classes; i++)
        free(names[i]);
    if (status != ALEXNET_OK) {
        free(names);
        names = NULL;
    }
    *out = names;
    json_decref(root);
    return status;
}
