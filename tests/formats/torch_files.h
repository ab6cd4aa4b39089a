/* Files as torch.save writes them, made byte by byte. */
#ifndef AN_TORCH_FILES_H
#define AN_TORCH_FILES_H

#include <stdlib.h>

#include "formats/torch.h"
#include "testing.h"

/* Bytes that grow. */
typedef struct bytes {
    uint8_t *data;
    size_t size, room;
} bytes;

static inline void put(bytes *to, const void *data, size_t size) {
    while (to->room < to->size + size + 1) {
        to->room = 2 * to->room + 64;
        to->data = realloc(to->data, to->room);
        assert_non_null(to->data);
    }
    if (size > 0)
        memcpy(to->data + to->size, data, size);
    to->size += size;
}

/* Instructions, or other text. */
static inline void put_plain(bytes *to, const char *text) {
    put(to, text, strlen(text));
}

/* A little-endian number of so many bytes. */
static inline void put_number(bytes *to, uint64_t number, size_t size) {
    put(to, &number, size);
}

static inline void put_int(bytes *to, int64_t number) {
    if (number >= 0 && number < 256) {
        put_plain(to, "K");
        put_number(to, (uint64_t)number, 1);
    } else {
        put_plain(to, "\x8a\x08");
        put_number(to, (uint64_t)number, 8);
    }
}

static inline void put_text(bytes *to, const char *text) {
    put_plain(to, "X");
    put_number(to, strlen(text), 4);
    put_plain(to, text);
}

static inline void put_tuple(bytes *to, const int64_t *numbers, int count) {
    put_plain(to, "(");
    for (int i = 0; i < count; i++)
        put_int(to, numbers[i]);
    put_plain(to, "t");
}

/* A tensor to be described. */
typedef struct described {
    const char *name, *class, *storage; /* "FloatStorage"; NULL name: the value alone */
    int64_t values;                     /* that the storage is said to have */
    int64_t first;
    int dims;
    int64_t shape[10], stride[10];
    const char *view; /* instructions for a sixth item of the id; NULL: none */
} described;

static inline void put_tensor(bytes *to, const described *it) {
    if (it->name)
        put_text(to, it->name);
    put_plain(to, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_text(to, "storage");
    put_plain(to, "ctorch\n");
    put_plain(to, it->class);
    put_plain(to, "\n");
    put_text(to, it->storage);
    put_text(to, "cuda:0");
    put_int(to, it->values);
    put_plain(to, it->view ? it->view : "");
    put_plain(to, "tQ");
    put_int(to, it->first);
    put_tuple(to, it->shape, it->dims);
    put_tuple(to, it->stride, it->dims);
    put_plain(to, "\x89"
                  "ccollections\nOrderedDict\n)RtR");
}

/* What the pickle of a state dictionary begins with, and ends with. */
#define BEGIN                                                                                      \
    "\x80\x02"                                                                                     \
    "ccollections\nOrderedDict\n)R("
#define END "u."

/* A member of a zip archive, and what may be wrong with it. */
typedef struct zipped {
    const char *name;
    const void *data;
    size_t size;
    int flags, method;
    int64_t more_stored, more_size, more_offset; /* than is true, in the directory */
    const char *local_name;                      /* NULL: the same */
} zipped;

typedef struct zip_end {
    int more_members;
    int64_t more_size, more_offset; /* of the directory */
    const char *comment;
    bool zip64;
} zip_end;

static inline bytes make_zip(const zipped *members, int count, const zip_end *end) {
    static const zip_end sound = {0};
    bytes zip = {0}, directory = {0};
    end = end ? end : &sound;
    for (int i = 0; i < count; i++) {
        const zipped *it = &members[i];
        const size_t offset = zip.size, length = strlen(it->name);
        const char *local = it->local_name ? it->local_name : it->name;
        put_plain(&zip, "PK\3\4");
        put_number(&zip, 0, 8);
        put_number(&zip, 0, 8);
        put_number(&zip, 0, 6);
        put_number(&zip, strlen(local), 2);
        const size_t filling = 64 - (zip.size + 2 + strlen(local)) % 64;
        put_number(&zip, filling, 2);
        put_plain(&zip, local);
        for (size_t j = 0; j < filling; j++)
            put(&zip, "", 1);
        put(&zip, it->data, it->size);
        put_plain(&directory, "PK\1\2");
        put_number(&directory, 0, 4);
        put_number(&directory, (uint64_t)it->flags, 2);
        put_number(&directory, (uint64_t)it->method, 2);
        put_number(&directory, 0, 8);
        put_number(&directory, end->zip64 ? UINT32_MAX : it->size + (size_t)it->more_stored, 4);
        put_number(&directory, end->zip64 ? UINT32_MAX : it->size + (size_t)it->more_size, 4);
        put_number(&directory, length, 2);
        put_number(&directory, end->zip64 ? 28 : 0, 2);
        put_number(&directory, 0, 2);
        put_number(&directory, 0, 8);
        put_number(&directory, end->zip64 ? UINT32_MAX : offset + (size_t)it->more_offset, 4);
        put_plain(&directory, it->name);
        if (end->zip64) {
            put_number(&directory, 1 | 24 << 16, 4);
            put_number(&directory, it->size + (size_t)it->more_size, 8);
            put_number(&directory, it->size + (size_t)it->more_stored, 8);
            put_number(&directory, offset + (size_t)it->more_offset, 8);
        }
    }
    const uint64_t begin = zip.size + (size_t)end->more_offset;
    const uint64_t length = directory.size + (size_t)end->more_size;
    const uint64_t listed = (uint64_t)count + (uint64_t)end->more_members;
    put(&zip, directory.data, directory.size);
    free(directory.data);
    if (end->zip64) {
        const size_t at = zip.size;
        put_plain(&zip, "PK\6\6");
        put_number(&zip, 44, 8);
        put_number(&zip, 0, 8);
        put_number(&zip, 0, 4);
        put_number(&zip, listed, 8);
        put_number(&zip, listed, 8);
        put_number(&zip, length, 8);
        put_number(&zip, begin, 8);
        put_plain(&zip, "PK\6\7");
        put_number(&zip, 0, 4);
        put_number(&zip, at, 8);
        put_number(&zip, 1, 4);
    }
    put_plain(&zip, "PK\5\6");
    put_number(&zip, 0, 4);
    put_number(&zip, listed, 2);
    put_number(&zip, listed, 2);
    put_number(&zip, end->zip64 ? UINT32_MAX : length, 4);
    put_number(&zip, end->zip64 ? UINT32_MAX : begin, 4);
    put_number(&zip, end->comment ? strlen(end->comment) : 0, 2);
    put_plain(&zip, end->comment ? end->comment : "");
    return zip;
}

/* The first pickles of a stream. */
static inline void put_stream_begin(bytes *to) {
    static const uint8_t magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                    0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
    put(to, magic, sizeof magic);
    put_plain(to, "\x80\x02M\xe9\x03.\x80\x02}(");
    put_text(to, "little_endian");
    put_plain(to, "\x88u.");
}

static inline void put_tar_member(bytes *to, const char *name, const bytes *content) {
    char header[512] = "";
    unsigned sum = 0;
    snprintf(header, 100, "%s", name);
    snprintf(header + 124, 12, "%011zo", content->size);
    memset(header + 148, ' ', 8);
    header[156] = '0';
    snprintf(header + 257, 6, "ustar");
    memset(header + 263, '0', 2);
    for (int i = 0; i < 512; i++)
        sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
    put(to, header, sizeof header);
    put(to, content->data, content->size);
    while (to->size % 512 != 0)
        put(to, "", 1);
}

/* Reads bytes in memory of exactly their size. After a success the file's bytes are freed by the
 * next call, or with NULL. */
static inline alexnet_status read_bytes(const bytes *from, an_tensor_file *file,
                                        alexnet_error *error) {
    static uint8_t *copy;
    free(copy);
    copy = NULL;
    if (!from)
        return ALEXNET_OK;
    copy = malloc(from->size ? from->size : 1);
    assert_non_null(copy);
    memcpy(copy, from->data, from->size);
    *file = (an_tensor_file){.path = strdup("made.pth")};
    const alexnet_status status = an_torch_read(file, copy, from->size, error);
    if (status != ALEXNET_OK)
        an_tensor_file_close(file);
    return status;
}

/* A zip file of a pickle and one storage, '0'. */
static inline bytes zip_of(const bytes *pickle, const void *values, size_t size) {
    const zipped members[] = {{.name = "m/data.pkl", .data = pickle->data, .size = pickle->size},
                              {.name = "m/data/0", .data = values, .size = size}};
    return make_zip(members, 2, NULL);
}

/* Reads a zip file of a pickle and one storage. */
static inline alexnet_status read_pickle(const bytes *pickle, const void *values, size_t size,
                                         an_tensor_file *file, alexnet_error *error) {
    const bytes zip = zip_of(pickle, values, size);
    const alexnet_status status = read_bytes(&zip, file, error);
    free(zip.data);
    return status;
}

#endif
