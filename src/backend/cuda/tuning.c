#include "backend/cuda/tuning.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"

/* ---- The fastest. */

int an_tuning_fastest(int ways, int rounds, double (*seconds)(void *context, int way),
                      void *context) {
    double least[AN_TUNING_WAYS];
    bool fails[AN_TUNING_WAYS] = {false};
    int best = -1;
    for (int way = 0; way < ways; way++)
        least[way] = HUGE_VAL;
    for (int round = 0; round < rounds; round++)
        for (int way = 0; way < ways; way++) {
            const double now = fails[way] ? -1 : seconds(context, way);
            fails[way] = now < 0;
            least[way] = fmin(least[way], now);
        }
    for (int way = 0; way < ways; way++)
        if (!fails[way] && (best < 0 || least[way] < least[best]))
            best = way;
    return best;
}

/* ---- What is known. */

static const char heading[] =
    "# How alexnet computes fastest on GPUs, as it has measured; it may be deleted.\n";

enum {
    key_size = 2 * AN_TUNING_TEXT, /* device, tab, what, end of the string */
    line_size = key_size + 2 * AN_WAY_BYTES + 24,
    most_bytes = AN_TUNING_LINES * line_size
};

typedef struct entry {
    char key[key_size];
    an_way way;
    bool fresh; /* not in the file yet */
} entry;

typedef struct table {
    entry *entries;
    size_t count, capacity;
} table;

struct an_tuning {
    char device[AN_TUNING_TEXT];
    char *folder, *path; /* NULL: nothing is kept */
    table known;
};

static bool append(table *to, const entry *it) {
    if (!an_grow((void **)&to->entries, &to->capacity, to->count + 1, sizeof *to->entries))
        return false;
    to->entries[to->count++] = *it;
    return true;
}

/* The last one with this key. */
static entry *find(const table *in, const char *key) {
    for (size_t i = in->count; i-- > 0;)
        if (strcmp(in->entries[i].key, key) == 0)
            return &in->entries[i];
    return NULL;
}

static bool put(table *into, const entry *it) {
    entry *same = find(into, it->key);
    if (same) {
        *same = *it;
        return true;
    }
    if (into->count == AN_TUNING_LINES)
        memmove(into->entries, into->entries + 1, --into->count * sizeof *into->entries);
    return append(into, it);
}

/* ---- Lines. */

static bool parse_name(const char *at, const char *end, an_way *out) {
    static const char digits[] = "0123456789abcdef";
    const size_t count = (size_t)(end - at);
    if (count == 0 || count % 2 != 0 || count > 2 * sizeof out->name)
        return false;
    for (size_t i = 0; i < count; i++) {
        const char *digit = memchr(digits, at[i], sizeof digits - 1);
        if (!digit)
            return false;
        out->name[i / 2] = (uint8_t)(out->name[i / 2] << 4 | (digit - digits));
    }
    out->size = count / 2;
    return true;
}

static bool parse_bytes(const char *at, const char *end, size_t *out) {
    if (at == end)
        return false;
    for (*out = 0; at < end; at++) {
        if (*at < '0' || *at > '9' || *out > (SIZE_MAX - 9) / 10)
            return false;
        *out = *out * 10 + (size_t)(*at - '0');
    }
    return true;
}

/* The place of the tab behind `at`; NULL where there is none, or `at` is. */
static const char *next_tab(const char *at, const char *end) {
    return at && at < end ? memchr(at + 1, '\t', (size_t)(end - at) - 1) : NULL;
}

static bool parse_line(const char *line, const char *end, entry *out) {
    const char *what = next_tab(line, end), *name = next_tab(what, end);
    const char *bytes = next_tab(name, end);
    *out = (entry){0};
    if (!bytes || *line == '\t' || (size_t)(name - line) >= sizeof out->key ||
        memchr(line, '\0', (size_t)(name - line)))
        return false;
    memcpy(out->key, line, (size_t)(name - line));
    return parse_name(name + 1, bytes, &out->way) &&
           parse_bytes(bytes + 1, end, &out->way.workspace);
}

/* Returns how long the line is. */
static size_t print_line(const entry *it, char line[line_size]) {
    int length = snprintf(line, line_size, "%s\t", it->key);
    for (size_t i = 0; i < it->way.size; i++)
        length += snprintf(line + length, line_size - (size_t)length, "%02x", it->way.name[i]);
    length += snprintf(line + length, line_size - (size_t)length, "\t%zu\n", it->way.workspace);
    return (size_t)length;
}

/* ---- The file. */

/* Adds what is in the file. */
static void read_table(const char *path, table *out) {
    uint8_t *bytes;
    size_t size;
    if (!an_is_file(path) || an_read_file(path, most_bytes, &bytes, &size, NULL) != ALEXNET_OK)
        return;
    const char *at = (const char *)bytes, *const end = at + size;
    while (at < end && out->count < AN_TUNING_LINES) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        entry it;
        if (line_end && parse_line(at, line_end, &it) && !append(out, &it))
            break;
        at = line_end ? line_end + 1 : end;
    }
    free(bytes);
}

static void write_table(const char *path, const table *all) {
    char *text = malloc(sizeof heading + all->count * line_size);
    size_t size = sizeof heading - 1;
    if (!text)
        return;
    memcpy(text, heading, size);
    for (size_t i = 0; i < all->count; i++)
        size += print_line(&all->entries[i], text + size);
    (void)an_write_file(path, text, size, NULL);
    free(text);
}

void an_tuning_keep(an_tuning *tuning) {
    table all = {0};
    bool news = false;
    if (!tuning || !tuning->path)
        return;
    for (size_t i = 0; i < tuning->known.count; i++)
        news = news || tuning->known.entries[i].fresh;
    if (!news || an_make_folder(tuning->folder, NULL) != ALEXNET_OK)
        return;
    read_table(tuning->path, &all);
    bool fits = true;
    for (size_t i = 0; i < tuning->known.count && fits; i++) {
        entry *it = &tuning->known.entries[i];
        if (it->fresh)
            fits = put(&all, it);
        it->fresh = false;
    }
    if (fits)
        write_table(tuning->path, &all);
    free(all.entries);
}

/* ---- One device. */

an_tuning *an_tuning_open(const char *folder, const char *device) {
    an_tuning *tuning = calloc(1, sizeof *tuning);
    if (!tuning)
        return NULL;
    snprintf(tuning->device, sizeof tuning->device, "%s", device);
    for (char *c = tuning->device; *c; c++)
        if (*c == '\t' || *c == '\n')
            *c = ' ';
    tuning->folder = folder ? an_string_copy(folder) : NULL;
    tuning->path = folder ? an_path_join(folder, AN_TUNING_FILE) : NULL;
    if (folder && (!tuning->folder || !tuning->path)) {
        an_tuning_close(tuning);
        return NULL;
    }
    if (folder)
        read_table(tuning->path, &tuning->known);
    return tuning;
}

void an_tuning_close(an_tuning *tuning) {
    if (!tuning)
        return;
    free(tuning->folder);
    free(tuning->path);
    free(tuning->known.entries);
    free(tuning);
}

static void make_key(const an_tuning *tuning, const char *what, char key[key_size]) {
    snprintf(key, key_size, "%s\t%s", tuning->device, what);
}

bool an_tuning_find(const an_tuning *tuning, const char *what, an_way *out) {
    char key[key_size];
    if (!tuning)
        return false;
    make_key(tuning, what, key);
    const entry *known = find(&tuning->known, key);
    if (known)
        *out = known->way;
    return known != NULL;
}

void an_tuning_add(an_tuning *tuning, const char *what, const an_way *way) {
    entry it = {.way = *way, .fresh = true};
    if (!tuning)
        return;
    make_key(tuning, what, it.key);
    (void)put(&tuning->known, &it);
}
