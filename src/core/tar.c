#include "core/tar.h"

#include <string.h>

/* A header's fields: where they begin, and how long they are. */
enum {
    name_size = 100,
    size_at = 124,
    size_size = 12,
    checksum_at = 148,
    checksum_size = 8,
    type_at = 156,
    magic_at = 257,
    prefix_at = 345,
    prefix_size = 155
};

/* What members in front of a member say of it. */
typedef struct extension {
    size_t name_length; /* 0: its header holds the name */
    bool has_size;
    size_t size;
} extension;

static alexnet_status fail(const an_tar *tar, const char *what, alexnet_error *error) {
    (void)an_fail(error, ALEXNET_FORMAT,
                  "%s: %s at byte %zu; it is damaged, was not copied whole or is no tar archive",
                  tar->path, what, tar->at);
    return ALEXNET_FORMAT; /* a constant, so that the compiler sees what is not used then */
}

static alexnet_status refuse_sparse(const an_tar *tar, alexnet_error *error) {
    return an_fail(error, ALEXNET_UNSUPPORTED,
                   "%s: the file at byte %zu is sparse, so that its bytes do not lie in one piece; "
                   "pack the archive again without --sparse",
                   tar->path, tar->at);
}

/* A number in octal digits, which blanks may precede and a blank or nothing ends; none is 0. */
static bool read_octal(const uint8_t *digits, size_t count, size_t *out) {
    size_t i = 0;
    *out = 0;
    while (i < count && digits[i] == ' ')
        i++;
    for (; i < count && digits[i] >= '0' && digits[i] <= '7'; i++)
        *out = *out << 3 | (size_t)(digits[i] - '0');
    return i == count || digits[i] == ' ' || digits[i] == '\0';
}

/* A field of at most 12 octal digits, or of base 256, which may not be negative. */
static bool read_number(const uint8_t *field, size_t count, size_t *out) {
    enum { is_binary = 0x80, is_negative = 0x40 };
    if (!(field[0] & is_binary))
        return read_octal(field, count, out);
    if (field[0] & is_negative)
        return false;
    *out = field[0] & (is_negative - 1);
    for (size_t i = 1; i < count; i++) {
        if (*out > SIZE_MAX >> 8)
            return false;
        *out = *out << 8 | field[i];
    }
    return true;
}

/* The sum of all bytes, the checksum's own as blanks; some old programs took bytes as signed. */
static bool is_sound(const uint8_t *header) {
    size_t expected;
    int sum = 0, signed_sum = 0;
    for (size_t i = 0; i < AN_TAR_BLOCK; i++) {
        sum += header[i];
        signed_sum += (int8_t)header[i];
    }
    for (size_t i = checksum_at; i < checksum_at + checksum_size; i++) {
        sum += ' ' - header[i];
        signed_sum += ' ' - (int8_t)header[i];
    }
    return read_octal(header + checksum_at, checksum_size, &expected) &&
           (expected == (size_t)sum || expected == (size_t)signed_sum);
}

static bool is_zero(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static bool is_file(char type) {
    return type == '0' || type == '\0' || type == '7';
}

/* What says something of members behind it: of the next, or (pax's 'g') of all. */
static bool is_extension(char type) {
    return type == 'L' || type == 'K' || type == 'x' || type == 'g';
}

/* Takes a name from what follows a header or a record's key. */
static alexnet_status take_name(const an_tar *tar, const uint8_t *text, size_t size,
                                extension *given, an_tar_member *member, alexnet_error *error) {
    given->name_length = strnlen((const char *)text, size);
    if (given->name_length > AN_TAR_LONGEST_NAME)
        return fail(tar, "a name has more than 4095 bytes", error);
    memcpy(member->name, text, given->name_length);
    member->name[given->name_length] = '\0';
    return ALEXNET_OK;
}

/* A decimal number that `limit` ends; *next becomes the place behind its digits. */
static bool read_decimal(const uint8_t **next, const uint8_t *limit, size_t *out) {
    const uint8_t *const begin = *next;
    for (*out = 0; *next < limit && **next >= '0' && **next <= '9'; (*next)++) {
        const size_t digit = (size_t)(**next - '0');
        if (*out > (SIZE_MAX - digit) / 10)
            return false;
        *out = *out * 10 + digit;
    }
    return *next > begin;
}

/* One pax record's key and value. */
static alexnet_status take_record(const an_tar *tar, const uint8_t *key, size_t key_length,
                                  const uint8_t *value, size_t size, extension *given,
                                  an_tar_member *member, alexnet_error *error) {
    static const char sparse[] = "GNU.sparse.";
    if (key_length == 4 && memcmp(key, "path", 4) == 0)
        return take_name(tar, value, size, given, member, error);
    if (key_length == 4 && memcmp(key, "size", 4) == 0) {
        const uint8_t *next = value;
        given->has_size = size > 0; /* without a value: as if there were no record */
        if (size > 0 && (!read_decimal(&next, value + size, &given->size) || next != value + size))
            return fail(tar, "a pax record of a size is no number", error);
    }
    if (key_length >= strlen(sparse) && memcmp(key, sparse, strlen(sparse)) == 0)
        return refuse_sparse(tar, error);
    return ALEXNET_OK;
}

static alexnet_status take_records(const an_tar *tar, const uint8_t *bytes, size_t size,
                                   extension *given, an_tar_member *member, alexnet_error *error) {
    const uint8_t *const end = bytes + size;
    while (bytes < end && *bytes) {
        const uint8_t *key = bytes;
        size_t length;
        if (!read_decimal(&key, end, &length) || length > (size_t)(end - bytes) ||
            length <= (size_t)(key - bytes) + 1 || *key++ != ' ' || bytes[length - 1] != '\n')
            return fail(tar, "a pax record's length is wrong", error);
        bytes += length;
        const size_t rest = (size_t)(bytes - 1 - key);
        const uint8_t *equals = memchr(key, '=', rest);
        if (!equals)
            return fail(tar, "a pax record has no value", error);
        AN_TRY(take_record(tar, key, (size_t)(equals - key), equals + 1,
                           rest - (size_t)(equals + 1 - key), given, member, error));
    }
    return ALEXNET_OK;
}

/* The name in a header; GNU tar, whose magic is not quite ustar's, has no prefix. */
static void name_by_header(const uint8_t *header, an_tar_member *member) {
    size_t length = 0;
    if (memcmp(header + magic_at, "ustar", sizeof "ustar") == 0 && header[prefix_at]) {
        length = strnlen((const char *)header + prefix_at, prefix_size);
        memcpy(member->name, header + prefix_at, length);
        member->name[length++] = '/';
    }
    const size_t rest = strnlen((const char *)header, name_size);
    memcpy(member->name + length, header, rest);
    member->name[length + rest] = '\0';
}

/* Whether nothing follows; an archive may lack the blocks that end it. */
static alexnet_status look_for_end(const an_tar *tar, bool *end, alexnet_error *error) {
    const size_t left = tar->size - tar->at;
    *end = left == 0 || is_zero(tar->bytes + tar->at, left < AN_TAR_BLOCK ? left : AN_TAR_BLOCK);
    if (!*end && left < AN_TAR_BLOCK)
        return fail(tar, "the file ends within a header", error);
    return ALEXNET_OK;
}

/* Reads the header here, with what was said in front of it, and goes on behind its bytes. */
static alexnet_status next_header(an_tar *tar, const extension *given, an_tar_member *member,
                                  char *type, alexnet_error *error) {
    const uint8_t *header = tar->bytes + tar->at;
    const size_t left = tar->size - tar->at - AN_TAR_BLOCK;
    *type = (char)header[type_at];
    if (!is_sound(header) || !read_number(header + size_at, size_size, &member->size))
        return fail(tar, "a tar header is damaged", error);
    if (given->has_size && !is_extension(*type))
        member->size = given->size;
    if (*type >= '1' && *type <= '6')
        member->size = 0; /* links, devices and folders have no bytes, whatever is said */
    if (member->size > left)
        return fail(tar, "a member is larger than what is left", error);
    member->bytes = header + AN_TAR_BLOCK;
    if (is_file(*type) && given->name_length == 0)
        name_by_header(header, member);
    const size_t padding = (AN_TAR_BLOCK - member->size % AN_TAR_BLOCK) % AN_TAR_BLOCK;
    tar->at += AN_TAR_BLOCK + member->size;
    tar->at += padding < tar->size - tar->at ? padding : tar->size - tar->at;
    return ALEXNET_OK;
}

alexnet_status an_tar_next(an_tar *tar, an_tar_member *member, bool *found, alexnet_error *error) {
    extension given = {0};
    *found = false;
    member->place = tar->at;
    for (;;) {
        bool end;
        char type;
        AN_TRY(look_for_end(tar, &end, error));
        if (end)
            return ALEXNET_OK;
        AN_TRY(next_header(tar, &given, member, &type, error));
        if (is_file(type)) {
            *found = true;
            return ALEXNET_OK;
        }
        if (type == 'S')
            return refuse_sparse(tar, error);
        if (type == 'L')
            AN_TRY(take_name(tar, member->bytes, member->size, &given, member, error));
        if (type == 'x')
            AN_TRY(take_records(tar, member->bytes, member->size, &given, member, error));
        if (!is_extension(type)) {
            given = (extension){0};
            member->place = tar->at;
        }
    }
}

bool an_tar_recognise(const uint8_t *bytes, size_t size) {
    return size >= AN_TAR_BLOCK && memcmp(bytes + magic_at, "ustar", strlen("ustar")) == 0;
}
