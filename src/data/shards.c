#include "data/shards.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"

enum {
    MOST_SHARDS = 1 << 16, /* about what one process may map */
    MOST_DIGITS = 9
};

/* What a pair of braces holds. */
typedef struct range {
    long first, last;
    int digits;       /* at least; zeros in front */
    const char *rest; /* behind the brace */
} range;

/* The digits here, and *next the place behind them; false where there are none or too many. */
static bool read_digits(const char *begin, long *value, const char **next) {
    *next = begin;
    while (isdigit((unsigned char)**next))
        (*next)++;
    *value = strtol(begin, NULL, 10);
    return *next > begin && *next - begin <= MOST_DIGITS;
}

static bool read_range(const char *brace, range *out) {
    const char *first = brace + 1, *dots, *last, *end;
    if (!read_digits(first, &out->first, &dots) || strncmp(dots, "..", 2) != 0)
        return false;
    last = dots + 2;
    if (!read_digits(last, &out->last, &end) || *end != '}' || out->first > out->last)
        return false;
    const long longest = dots - first > end - last ? dots - first : end - last;
    out->digits = *first == '0' || *last == '0' ? (int)longest : 1;
    out->rest = end + 1;
    return true;
}

static alexnet_status add(an_shards *out, const char *name, alexnet_error *error) {
    if (out->count == MOST_SHARDS)
        return an_fail(error, ALEXNET_INVALID, "%s: the name stands for more than %d files", name,
                       MOST_SHARDS);
    char *copy = an_string_copy(name);
    if (!copy ||
        !an_grow((void **)&out->paths, &out->capacity, out->count + 1, sizeof *out->paths)) {
        free(copy);
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to list the files", name);
    }
    out->paths[out->count++] = copy;
    return ALEXNET_OK;
}

/* Expands the first range; what comes out is expanded again. */
static alexnet_status expand(const char *name, bool existing, an_shards *out,
                             alexnet_error *error) {
    const char *brace = strchr(name, '{');
    if (!brace)
        return existing && !an_is_file(name) ? ALEXNET_OK : add(out, name, error);
    range found;
    if (!read_range(brace, &found))
        return an_fail(error, ALEXNET_INVALID,
                       "%s: braces in a name hold a range that counts up, as in {000000..000146}",
                       name);
    if (found.last - found.first >= MOST_SHARDS)
        return an_fail(error, ALEXNET_INVALID, "%s: the name stands for more than %d files", name,
                       MOST_SHARDS);
    for (long i = found.first; i <= found.last; i++) {
        char path[PATH_MAX];
        if (snprintf(path, sizeof path, "%.*s%0*ld%s", (int)(brace - name), name, found.digits, i,
                     found.rest) >= (int)sizeof path)
            return an_fail(error, ALEXNET_INVALID, "%.100s...: the name is too long", name);
        AN_TRY(expand(path, existing, out, error));
    }
    return ALEXNET_OK;
}

alexnet_status an_shards_expand(const char *name, bool existing, an_shards *out,
                                alexnet_error *error) {
    *out = (an_shards){0};
    const alexnet_status status = expand(name, existing, out, error);
    if (status != ALEXNET_OK)
        an_shards_free(out);
    return status;
}

void an_shards_free(an_shards *shards) {
    for (size_t i = 0; i < shards->count; i++)
        free(shards->paths[i]);
    free(shards->paths);
    *shards = (an_shards){0};
}

/* `name` with its last "train" replaced, freed with free(); NULL where it has none. */
static char *replace_train(const char *name, const char *by) {
    static const char train[] = "train";
    const char *last = NULL, *rest = name;
    while ((rest = strstr(rest, train)))
        last = rest++;
    char *out = NULL;
    if (last && asprintf(&out, "%.*s%s%s", (int)(last - name), name, by, last + strlen(train)) < 0)
        return NULL;
    return out;
}

char *an_shards_held_out(const char *name) {
    static const char *const parts[] = {"val", "test"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *other = replace_train(name, parts[i]);
        an_shards shards = {0};
        const bool found =
            other && an_shards_expand(other, true, &shards, NULL) == ALEXNET_OK && shards.count > 0;
        an_shards_free(&shards);
        if (found)
            return other;
        free(other);
    }
    return NULL;
}
