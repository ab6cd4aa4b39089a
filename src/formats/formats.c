#include "formats/formats.h"

#include <stdio.h>
#include <string.h>

#include "formats/caffe.h"
#include "formats/darknet.h"
#include "formats/onnx.h"
#include "formats/safetensors.h"
#include "formats/safetensors_index.h"
#include "formats/torch.h"

static const an_format safetensors = {
    .name = "safetensors",
    .title = "safetensors",
    .extensions = ".safetensors",
    .recognise = an_safetensors_recognise,
    .read = an_safetensors_read,
    .write = an_safetensors_write_weights,
};

static const an_format safetensors_index = {
    .name = "safetensors-index",
    .title = "index of safetensors files",
    .extensions = ".json",
    .recognise = an_safetensors_index_recognise,
    .read = an_safetensors_index_read,
};

static const an_format torch = {
    .name = "torch",
    .title = "PyTorch state dictionary",
    .extensions = ".pth .pt",
    .recognise = an_torch_recognise,
    .read = an_torch_read,
#ifdef AN_WITH_ZIP
    .write = an_torch_write,
#endif
};

static const an_format onnx = {
    .name = "onnx",
    .title = "ONNX",
    .extensions = ".onnx",
    .recognise = an_onnx_recognise,
    .library = "protobuf-c",
#ifdef AN_WITH_PROTOBUF
    .read = an_onnx_read,
    .write = an_onnx_write_weights,
#endif
};

static const an_format caffe = {
    .name = "caffe",
    .title = "Caffe model",
    .extensions = ".caffemodel",
    .recognise = an_caffe_recognise,
#ifdef AN_WITH_PROTOBUF
    .read = an_caffe_read,
#endif
    .library = "protobuf-c",
};

static const an_format darknet = {
    .name = "darknet",
    .title = "Darknet weights file",
    .extensions = ".weights",
    .recognise = an_darknet_recognise,
    .read = an_darknet_read,
};

/* Darknet's files have no magic number, so they come last. */
const an_format *const an_formats[] = {&safetensors, &safetensors_index, &torch, &onnx,
                                       &caffe,       &darknet,           NULL};

/* "safetensors, torch, onnx": those that are read, or written. */
static const char *list_formats(bool written, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (const an_format *const *format = an_formats; *format && used < size; format++)
        if (!written || (*format)->write)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
                                     (*format)->name);
    return text;
}

/* Whether ".pth" is a word of ".pth .pt". */
static bool has_word(const char *words, const char *word) {
    const size_t length = strlen(word);
    for (const char *at = words; length > 0 && (at = strstr(at, word)); at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

alexnet_status an_format_find(const char *name, const char *path, const an_format **out,
                              alexnet_error *error) {
    char names[128];
    const char *extension = path ? an_path_extension(path) : "";
    for (const an_format *const *format = an_formats; *format; format++)
        if (name ? strcmp((*format)->name, name) == 0
                 : has_word((*format)->extensions, extension)) {
            *out = *format;
            return ALEXNET_OK;
        }
    if (name)
        return an_fail(error, ALEXNET_INVALID, "there is no format '%s'; there are %s", name,
                       list_formats(false, names, sizeof names));
    return an_fail(error, ALEXNET_INVALID,
                   "%s: its extension '%s' names no format; say one with --to: %s", path, extension,
                   list_formats(true, names, sizeof names));
}

/* The format of a file's bytes. */
static alexnet_status recognise(const char *path, const uint8_t *bytes, size_t size,
                                const an_format **out, alexnet_error *error) {
    char names[128];
    for (const an_format *const *format = an_formats; *format; format++)
        if ((*format)->recognise(bytes, size)) {
            *out = *format;
            return ALEXNET_OK;
        }
    if (size == 0) {
        (void)an_fail(error, ALEXNET_FORMAT, "%s: is empty (0 bytes); copy or download it again",
                      path);
        return ALEXNET_FORMAT;
    }
    (void)an_fail(error, ALEXNET_FORMAT,
                  "%s: is none of the formats of weights known here (%s), or is damaged", path,
                  list_formats(false, names, sizeof names));
    return ALEXNET_FORMAT; /* a constant, so that *out is seen to be set otherwise */
}

static alexnet_status check_library(const char *path, const an_format *format,
                                    alexnet_error *error) {
    if (format->read)
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_UNSUPPORTED,
                   "%s: is a %s, for which this build of alexnet lacks %s", path, format->title,
                   format->library);
}

alexnet_status an_tensor_file_open(const char *path, const an_format *format, an_tensor_file *out,
                                   alexnet_error *error) {
    *out = (an_tensor_file){0};
    if (!format) {
        an_mapping mapping;
        AN_TRY(an_map(path, &mapping, error));
        const alexnet_status status = recognise(path, mapping.bytes, mapping.size, &format, error);
        an_unmap(&mapping);
        AN_TRY(status);
    }
    AN_TRY(check_library(path, format, error));
    return an_tensor_file_read(path, format->read, out, error);
}

alexnet_status an_weights_write(const char *path, const an_format *format,
                                const an_weights_file *weights, const an_write_options *options,
                                alexnet_error *error) {
    AN_TRY(check_library(path, format, error));
    if (!format->write)
        return an_fail(error, ALEXNET_UNSUPPORTED, "%s: the format %s is read, but not written",
                       path, format->name);
    return format->write(path, weights, options, error);
}
