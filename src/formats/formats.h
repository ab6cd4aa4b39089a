/*
 * The formats of weights files: how each is recognised, read and written. One row of a table each;
 * to add a format, write its reader (and writer) and add the row.
 */
#ifndef AN_FORMATS_FORMATS_H
#define AN_FORMATS_FORMATS_H

#include "formats/tensors.h"
#include "formats/weights.h"

struct an_format {
    const char *name;       /* for --from and --to: "safetensors" */
    const char *title;      /* for people: "PyTorch state dictionary" */
    const char *extensions; /* ".pth .pt": what a file to write is recognised by */
    /* Whether bytes look like this format; of formats without a magic number, whether they may. */
    bool (*recognise)(const uint8_t *bytes, size_t size);
    an_reader *read;          /* NULL: this build lacks `library` */
    const char *library;      /* the optional library that it needs; NULL: none */
    an_weights_writer *write; /* NULL: likewise, or the format is read only */
};

/* The formats in the order in which they are tried; ends with NULL. */
extern const an_format *const an_formats[];

/* The format called `name`, or where that is NULL the one of `path`'s extension. INVALID with a
 * list where there is none. */
alexnet_status an_format_find(const char *name, const char *path, const an_format **out,
                              alexnet_error *error);

/* Opens a file of tensors, of any format (NULL: recognised by its content). FORMAT with the list of
 * formats where it is none of them; otherwise as the format's reader. */
alexnet_status an_tensor_file_open(const char *path, const an_format *format, an_tensor_file *out,
                                   alexnet_error *error);

/* Writes weights in a format. UNSUPPORTED where it is read only or this build lacks its library. */
alexnet_status an_weights_write(const char *path, const an_format *format,
                                const an_weights_file *weights, const an_write_options *options,
                                alexnet_error *error);

#endif
