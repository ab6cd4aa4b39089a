/* Weights as torch.save writes a state dictionary: a pickle and raw values in a zip archive. */
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "core/json.h"
#include "core/memory.h"
#include "formats/quantise.h"
#include "formats/torch.h"

enum {
    most_members = AN_MAX_PARAMETERS + 4,
    boundary = 64,        /* of every member's bytes, as in PyTorch's files */
    most_pickle = 1 << 14 /* 16 parameters take less than 300 bytes each */
};

/* --- the pickle ---------------------------------------------------------------------------- */

typedef struct pickle {
    uint8_t bytes[most_pickle];
    size_t size;
} pickle;

static void put(pickle *to, const void *bytes, size_t size) {
    if (size > most_pickle - to->size)
        size = 0; /* cannot be: names of parameters are at most 39 characters long */
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

/* Instructions without bytes of their own, and those that end with a newline. */
static void put_plain(pickle *to, const char *text) {
    put(to, text, strlen(text));
}

static void put_text(pickle *to, const char *text) {
    const uint32_t length = (uint32_t)strlen(text);
    put_plain(to, "X");
    put(to, &length, sizeof length);
    put(to, text, length);
}

static void put_number(pickle *to, int64_t number) {
    const int32_t narrow = (int32_t)number;
    if (number == narrow) {
        put_plain(to, "J");
        put(to, &narrow, sizeof narrow);
    } else {
        put_plain(to, "\x8a\x08");
        put(to, &number, sizeof number);
    }
}

/* torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict()) */
static void put_tensor(pickle *to, const an_parameter *parameter, int key, const char *class) {
    char name[16];
    int64_t stride[4], next = 1;
    for (int d = parameter->dims; d-- > 0; next *= parameter->shape[d])
        stride[d] = next;
    snprintf(name, sizeof name, "%d", key);
    put_plain(to, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_text(to, "storage");
    put_plain(to, class);
    put_text(to, name);
    put_text(to, "cpu");
    put_number(to, (int64_t)parameter->count);
    put_plain(to, "tQ");
    put_number(to, 0);
    put_plain(to, "(");
    for (int d = 0; d < parameter->dims; d++)
        put_number(to, parameter->shape[d]);
    put_plain(to, "t(");
    for (int d = 0; d < parameter->dims; d++)
        put_number(to, stride[d]);
    put_plain(to, "t\x89"
                  "ccollections\nOrderedDict\n)RtR");
}

/* OrderedDict: for each parameter its name and tensor. */
static void put_state(pickle *to, const an_network *network, bool bfloat) {
    put_plain(to, "\x80\x02"
                  "ccollections\nOrderedDict\n)R(");
    for (int i = 0; i < network->parameter_count; i++) {
        put_text(to, network->parameters[i].name);
        put_tensor(to, &network->parameters[i], i,
                   bfloat ? "ctorch\nBFloat16Storage\n" : "ctorch\nFloatStorage\n");
    }
    put_plain(to, "u.");
}

/* --- members ------------------------------------------------------------------------------- */

/* A member of the archive, which libzip reads from beginning to end. */
typedef struct member {
    char name[64];
    const void *bytes; /* NULL: the parameter's, while it is open */
    size_t size, at;
    const an_weights *weights;
    int parameter;
    size_t values;
    bool bfloat;
    void *converted; /* bfloat16 while it is open */
    alexnet_error *error;
} member;

static bool open_member(member *it) {
    it->at = 0;
    if (!it->weights)
        return true;
    const float *values;
    if (an_weights_tensor(it->weights, it->parameter, &values, it->error) != ALEXNET_OK)
        return false;
    it->bytes = values;
    if (!it->bfloat)
        return true;
    if (an_reserve(&it->converted, it->size, 1, "weights in bfloat16", it->error) != ALEXNET_OK)
        return false;
    an_to_bfloat(values, it->values, it->converted);
    it->bytes = it->converted;
    return true;
}

static void close_member(member *it) {
    an_free(it->converted);
    it->converted = NULL;
    if (it->weights)
        an_weights_release(it->weights, it->parameter);
}

static zip_int64_t fail_source(void *data, zip_uint64_t length) {
    zip_error_t reason;
    zip_error_init(&reason);
    zip_error_set(&reason, ZIP_ER_WRITE, 0); /* the sentence is in the member or target */
    return zip_error_to_data(&reason, data, length);
}

static zip_int64_t read_member(void *context, void *data, zip_uint64_t length,
                               zip_source_cmd_t command) {
    member *it = context;
    switch (command) {
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE,
                                              ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE,
                                              -1);
    case ZIP_SOURCE_STAT: {
        zip_stat_t *stat = data;
        zip_stat_init(stat);
        stat->size = it->size;
        stat->valid = ZIP_STAT_SIZE;
        return sizeof *stat;
    }
    case ZIP_SOURCE_OPEN:
        return open_member(it) ? 0 : -1;
    case ZIP_SOURCE_READ: {
        const size_t left = it->size - it->at;
        const size_t count = length < left ? (size_t)length : left;
        memcpy(data, (const char *)it->bytes + it->at, count);
        it->at += count;
        return (zip_int64_t)count;
    }
    case ZIP_SOURCE_CLOSE:
        close_member(it);
        return 0;
    case ZIP_SOURCE_ERROR:
        return fail_source(data, length);
    case ZIP_SOURCE_FREE:
        return 0;
    default:
        return -1;
    }
}

/* --- the archive --------------------------------------------------------------------------- */

/* Where libzip writes: it goes back to each member's header when it knows the checksum. */
typedef struct target {
    an_writer writer;
    uint64_t at;
    alexnet_error *error;
} target;

static zip_int64_t write_target(void *context, void *data, zip_uint64_t length,
                                zip_source_cmd_t command) {
    target *to = context;
    switch (command) {
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(
            ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
            ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_BEGIN_WRITE,
            ZIP_SOURCE_COMMIT_WRITE, ZIP_SOURCE_ROLLBACK_WRITE, ZIP_SOURCE_WRITE,
            ZIP_SOURCE_SEEK_WRITE, ZIP_SOURCE_TELL_WRITE, ZIP_SOURCE_REMOVE, -1);
    case ZIP_SOURCE_STAT:
        zip_stat_init(data);
        return sizeof(zip_stat_t);
    case ZIP_SOURCE_WRITE:
        if (an_writer_write(&to->writer, data, (size_t)length, to->error) != ALEXNET_OK)
            return -1;
        to->at += length;
        return (zip_int64_t)length;
    case ZIP_SOURCE_SEEK_WRITE: {
        const zip_source_args_seek_t *seek =
            ZIP_SOURCE_GET_ARGS(zip_source_args_seek_t, data, length, NULL);
        if (!seek || seek->whence != SEEK_SET || seek->offset < 0 ||
            an_writer_seek(&to->writer, (uint64_t)seek->offset, to->error) != ALEXNET_OK)
            return -1;
        to->at = (uint64_t)seek->offset;
        return 0;
    }
    case ZIP_SOURCE_TELL_WRITE:
        return (zip_int64_t)to->at;
    case ZIP_SOURCE_ERROR:
        return fail_source(data, length);
    case ZIP_SOURCE_OPEN:
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
    case ZIP_SOURCE_BEGIN_WRITE:
    case ZIP_SOURCE_COMMIT_WRITE:
    case ZIP_SOURCE_ROLLBACK_WRITE:
        return 0;
    default:
        return -1;
    }
}

typedef struct archive {
    zip_t *zip;
    target target;
    uint64_t end; /* of what will have been written */
    member members[most_members];
    int count;
    pickle pickle;
} archive;

static alexnet_status fail_zip(const archive *to, const char *reason, alexnet_error *error) {
    return an_fail(error, ALEXNET_IO, "%s: cannot be written: %s", to->target.writer.path, reason);
}

/*
 * Adds a member, stored, with bytes that begin on a boundary: an extra field fills up the local
 * header, as in PyTorch's files. The header takes 30 bytes, the name, and 4 and the filling of the
 * field; above 4 GB libzip adds a field of 20.
 */
static alexnet_status add_member(archive *to, const char *name, member about,
                                 alexnet_error *error) {
    static const uint8_t zeros[boundary];
    enum { field = 'F' | 'B' << 8, new_year_1980 = 1 << 5 | 1 };
    member *it = &to->members[to->count++];
    *it = about;
    it->error = to->target.error;
    snprintf(it->name, sizeof it->name, "archive/%s", name);
    const uint64_t header = 30 + strlen(it->name) + 4 + (it->size >= UINT32_MAX ? 20 : 0);
    const uint64_t filling = (boundary - (to->end + header) % boundary) % boundary;
    to->end += header + filling + it->size;
    zip_source_t *source = zip_source_function(to->zip, read_member, it);
    const zip_int64_t index = source ? zip_file_add(to->zip, it->name, source, 0) : -1;
    if (index < 0) {
        zip_source_free(source);
        return fail_zip(to, zip_strerror(to->zip), error);
    }
    if (zip_set_file_compression(to->zip, (zip_uint64_t)index, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(to->zip, (zip_uint64_t)index, 0, new_year_1980, 0) != 0 ||
        zip_file_extra_field_set(to->zip, (zip_uint64_t)index, field, ZIP_EXTRA_FIELD_NEW, zeros,
                                 (zip_uint16_t)filling, ZIP_FL_LOCAL) != 0)
        return fail_zip(to, zip_strerror(to->zip), error);
    return ALEXNET_OK;
}

static alexnet_status add_text(archive *to, const char *name, const char *text,
                               alexnet_error *error) {
    return add_member(to, name, (member){.bytes = text, .size = strlen(text)}, error);
}

static alexnet_status add_members(archive *to, const an_weights_file *weights, bool bfloat,
                                  const char *metadata, alexnet_error *error) {
    const an_network *network = &weights->network;
    put_state(&to->pickle, network, bfloat);
    AN_TRY(add_member(to, "data.pkl", (member){.bytes = to->pickle.bytes, .size = to->pickle.size},
                      error));
    AN_TRY(add_text(to, "byteorder", "little", error));
    for (int i = 0; i < network->parameter_count; i++) {
        const size_t values = network->parameters[i].count;
        char name[32];
        snprintf(name, sizeof name, "data/%d", i);
        AN_TRY(add_member(to, name,
                          (member){.weights = &weights->weights,
                                   .parameter = i,
                                   .values = values,
                                   .size = values * (bfloat ? 2 : sizeof(float)),
                                   .bfloat = bfloat},
                          error));
    }
    AN_TRY(add_text(to, "version", "3\n", error));
    return add_text(to, "alexnet.json", metadata, error);
}

/* The metadata as JSON; *out is freed with free(). */
static alexnet_status format_metadata(const char *path, const an_weights_file *weights, char **out,
                                      alexnet_error *error) {
    an_metadata *entries;
    size_t count;
    AN_TRY(an_weights_metadata(&weights->network, &weights->preprocess, weights->class_names,
                               &entries, &count, error));
    json_t *root = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(root, entries[i].key, an_json_string(entries[i].value));
    *out = json_object_size(root) == count ? json_dumps(root, JSON_INDENT(1)) : NULL;
    json_decref(root);
    an_metadata_free(entries, count);
    return *out ? ALEXNET_OK
                : an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its metadata", path);
}

static alexnet_status open_archive(archive *to, const char *path, alexnet_error *error) {
    zip_error_t reason;
    zip_error_init(&reason);
    AN_TRY(an_writer_open(&to->target.writer, path, error));
    zip_source_t *source = zip_source_function_create(write_target, &to->target, &reason);
    to->zip = source ? zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &reason) : NULL;
    alexnet_status status = ALEXNET_OK;
    if (!to->zip) {
        zip_source_free(source);
        status = fail_zip(to, zip_error_strerror(&reason), error);
    }
    zip_error_fini(&reason);
    return status;
}

/* Has libzip write everything. */
static alexnet_status close_archive(archive *to, alexnet_error *error) {
    alexnet_error own = {0};
    to->target.error = &own;
    for (int i = 0; i < to->count; i++)
        to->members[i].error = &own;
    if (zip_close(to->zip) == 0) {
        to->zip = NULL;
        return ALEXNET_OK;
    }
    if (own.status != ALEXNET_OK)
        return an_fail(error, own.status, "%s", own.message);
    return fail_zip(to, zip_strerror(to->zip), error);
}

alexnet_status an_torch_write(const char *path, const an_weights_file *weights,
                              const an_write_options *options, alexnet_error *error) {
    const char *dtype = options->dtype ? options->dtype : "F32";
    const bool bfloat = strcmp(dtype, "BF16") == 0;
    char *metadata = NULL;
    void *block = NULL;
    archive *to = NULL;
    alexnet_status status;
    if (!bfloat && strcmp(dtype, "F32") != 0)
        return an_fail(
            error, ALEXNET_INVALID,
            "%s: a state dictionary is written in float32 (fp32) or bfloat16 (bf16), not "
            "%s; int8 goes into .safetensors",
            path, dtype);
    AN_TRY_CLEANUP(an_alloc(&block, 1, sizeof *to, "an archive", error));
    to = block;
    AN_TRY_CLEANUP(format_metadata(path, weights, &metadata, error));
    AN_TRY_CLEANUP(open_archive(to, path, error));
    AN_TRY_CLEANUP(add_members(to, weights, bfloat, metadata, error));
    AN_TRY_CLEANUP(close_archive(to, error));
    status = an_writer_commit(&to->target.writer, error);

cleanup:
    if (to && to->zip)
        zip_discard(to->zip);
    if (to)
        an_writer_abandon(&to->target.writer);
    an_free(block);
    free(metadata);
    return status;
}
