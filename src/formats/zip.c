#include "formats/zip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    local_size = 30,
    entry_size = 46,
    end_size = 22,
    end64_size = 56,
    locator_size = 20, /* of the record that says where the ZIP64 end record is */
    longest_comment = 65535
};

static const uint16_t no_room16 = 0xffff; /* the value is in a ZIP64 record or field */
static const uint32_t no_room32 = 0xffffffff;

typedef struct archive {
    const char *path;
    const uint8_t *bytes;
    size_t size;
} archive;

/* What the end record says. */
typedef struct directory {
    uint64_t count, size, offset;
} directory;

static uint64_t number(const uint8_t *bytes, int count) {
    uint64_t value = 0;
    for (int i = count; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static bool has_mark(const uint8_t *bytes, const char *mark) {
    return memcmp(bytes, mark, 4) == 0;
}

static alexnet_status fail(const archive *zip, const char *what, alexnet_error *error) {
    (void)an_fail(error, ALEXNET_FORMAT,
                  "%s: %s; it is damaged, was not copied whole or is no zip archive", zip->path,
                  what);
    return ALEXNET_FORMAT; /* a constant, so that the compiler sees what is not used then */
}

static alexnet_status fail_memory(const archive *zip, alexnet_error *error) {
    return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its directory", zip->path);
}

/* How much of a name of this length stands in messages. */
static int shown(size_t length) {
    return length < 100 ? (int)length : 100;
}

/* The end record, whose comment ends with the file; NULL: there is none. */
static const uint8_t *find_end(const archive *zip) {
    for (size_t comment = 0; comment <= longest_comment && comment + end_size <= zip->size;
         comment++) {
        const uint8_t *end = zip->bytes + zip->size - comment - end_size;
        if (has_mark(end, "PK\5\6") && number(end + 20, 2) == comment)
            return end;
    }
    return NULL;
}

/* The ZIP64 end record. */
static alexnet_status read_end64(const archive *zip, const uint8_t *end, directory *out,
                                 alexnet_error *error) {
    const size_t before = (size_t)(end - zip->bytes);
    const uint8_t *locator = before >= locator_size ? end - locator_size : NULL;
    if (!locator || !has_mark(locator, "PK\6\7"))
        return fail(zip, "its end record refers to another that is missing", error);
    const uint64_t offset = number(locator + 8, 8);
    if (before < locator_size + end64_size || offset > before - locator_size - end64_size ||
        !has_mark(zip->bytes + offset, "PK\6\6"))
        return fail(zip, "its ZIP64 end record is not where it is said to be", error);
    const uint8_t *end64 = zip->bytes + offset;
    *out = (directory){number(end64 + 32, 8), number(end64 + 40, 8), number(end64 + 48, 8)};
    return ALEXNET_OK;
}

static alexnet_status find_directory(const archive *zip, directory *out, alexnet_error *error) {
    const uint8_t *end = find_end(zip);
    if (!end)
        return fail(zip, "it has no end record", error);
    *out = (directory){number(end + 10, 2), number(end + 12, 4), number(end + 16, 4)};
    if (out->count == no_room16 || out->size == no_room32 || out->offset == no_room32)
        AN_TRY(read_end64(zip, end, out, error));
    const uint64_t before = (uint64_t)(end - zip->bytes);
    if (out->offset > before || out->size > before - out->offset ||
        out->count > out->size / entry_size)
        return fail(zip, "its directory does not lie where its end record says", error);
    return ALEXNET_OK;
}

/* A member as the directory has it. */
typedef struct entry {
    const uint8_t *name;
    size_t name_length;
    uint64_t stored, size, offset; /* bytes in the archive and unpacked; of the local header */
} entry;

/* The ZIP64 extra field has, in this order, those of the three numbers that had no room. */
static bool read_extra64(const uint8_t *extra, size_t left, entry *out) {
    uint64_t *const numbers[] = {&out->size, &out->stored, &out->offset};
    while (left >= 4) {
        const size_t size = (size_t)number(extra + 2, 2);
        if (size > left - 4)
            return false;
        if (number(extra, 2) == 1) {
            const uint8_t *next = extra + 4;
            size_t rest = size;
            for (int i = 0; i < 3; i++) {
                if (*numbers[i] != no_room32)
                    continue;
                if (rest < 8)
                    return false;
                *numbers[i] = number(next, 8);
                next += 8;
                rest -= 8;
            }
            return true;
        }
        extra += 4 + size;
        left -= 4 + size;
    }
    return true;
}

/* Reads the entry at `at` of a directory of which `left` bytes are left, and sets *used. */
static alexnet_status read_entry(const archive *zip, const uint8_t *at, size_t left, size_t *used,
                                 entry *out, alexnet_error *error) {
    enum { encrypted = 1 };
    if (left < entry_size || !has_mark(at, "PK\1\2"))
        return fail(zip, "its directory has fewer entries than its end record says", error);
    const size_t name = (size_t)number(at + 28, 2), extra = (size_t)number(at + 30, 2);
    const size_t comment = (size_t)number(at + 32, 2);
    *used = entry_size + name + extra + comment;
    if (*used > left)
        return fail(zip, "an entry of its directory does not fit in", error);
    *out = (entry){.name = at + entry_size,
                   .name_length = name,
                   .stored = number(at + 20, 4),
                   .size = number(at + 24, 4),
                   .offset = number(at + 42, 4)};
    if (number(at + 8, 2) & encrypted)
        return an_fail(error, ALEXNET_UNSUPPORTED, "%s: its member '%.*s' is encrypted", zip->path,
                       shown(name), (const char *)out->name);
    if (number(at + 10, 2) != 0)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: its member '%.*s' is compressed (method %d), as in TorchScript's "
                       "programs, but not in what torch.save makes of a state_dict()",
                       zip->path, shown(name), (const char *)out->name, (int)number(at + 10, 2));
    if (!read_extra64(out->name + name, extra, out) || out->stored != out->size)
        return an_fail(error, ALEXNET_FORMAT, "%s: the sizes of its member '%.*s' contradict",
                       zip->path, shown(name), (const char *)out->name);
    return ALEXNET_OK;
}

/* The member's bytes lie behind its local header, which repeats the name, but may have other extra
 * fields: PyTorch aligns the bytes with them. */
static alexnet_status locate(const archive *zip, const entry *of, an_zip_member *out,
                             alexnet_error *error) {
    if (zip->size >= local_size && of->offset <= zip->size - local_size) {
        const uint8_t *local = zip->bytes + of->offset;
        const uint64_t left = zip->size - of->offset;
        const uint64_t header = local_size + of->name_length + number(local + 28, 2);
        if (has_mark(local, "PK\3\4") && number(local + 26, 2) == of->name_length &&
            header <= left && of->size <= left - header &&
            memcmp(local + local_size, of->name, of->name_length) == 0) {
            *out = (an_zip_member){(const char *)of->name, of->name_length, local + header,
                                   (size_t)of->size};
            return ALEXNET_OK;
        }
    }
    return an_fail(error, ALEXNET_FORMAT,
                   "%s: its member '%.*s' does not lie where its directory says; it is damaged or "
                   "was not copied whole",
                   zip->path, shown(of->name_length), (const char *)of->name);
}

static int compare_names(const void *left, const void *right) {
    const an_zip_member *a = left, *b = right;
    const size_t shorter = a->name_length < b->name_length ? a->name_length : b->name_length;
    const int order = memcmp(a->name, b->name, shorter);
    if (order != 0 || a->name_length == b->name_length)
        return order;
    return a->name_length < b->name_length ? -1 : 1;
}

static alexnet_status check_names(const archive *zip, const an_zip_member *members, size_t count,
                                  alexnet_error *error) {
    an_zip_member *sorted = malloc(count * sizeof *sorted);
    if (!sorted)
        return fail_memory(zip, error);
    memcpy(sorted, members, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_names);
    alexnet_status status = ALEXNET_OK;
    for (size_t i = 1; i < count && status == ALEXNET_OK; i++)
        if (compare_names(&sorted[i - 1], &sorted[i]) == 0)
            status = an_fail(error, ALEXNET_FORMAT, "%s: has two members called '%.*s'", zip->path,
                             shown(sorted[i].name_length), sorted[i].name);
    free(sorted);
    return status;
}

static alexnet_status read_directory(const archive *zip, const directory *where,
                                     an_zip_member *members, alexnet_error *error) {
    const uint8_t *at = zip->bytes + where->offset;
    size_t left = (size_t)where->size;
    for (size_t i = 0; i < where->count; i++) {
        entry found;
        size_t used;
        AN_TRY(read_entry(zip, at, left, &used, &found, error));
        AN_TRY(locate(zip, &found, &members[i], error));
        at += used;
        left -= used;
    }
    return check_names(zip, members, (size_t)where->count, error);
}

alexnet_status an_zip_read(const char *path, const uint8_t *bytes, size_t size,
                           an_zip_member **members, size_t *count, alexnet_error *error) {
    const archive zip = {path, bytes, size};
    directory where;
    *members = NULL;
    *count = 0;
    AN_TRY(find_directory(&zip, &where, error));
    if (where.count == 0)
        return ALEXNET_OK;
    an_zip_member *list = malloc((size_t)where.count * sizeof *list);
    if (!list)
        return fail_memory(&zip, error);
    const alexnet_status status = read_directory(&zip, &where, list, error);
    if (status != ALEXNET_OK) {
        free(list);
        return status;
    }
    *members = list;
    *count = (size_t)where.count;
    return ALEXNET_OK;
}
