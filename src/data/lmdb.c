/*
 * An LMDB database whose records are Caffe's Datums: `alexnet pack`'s, or one that Caffe's
 * convert_imageset made. Named by its folder, or by the file itself.
 *
 * Of its own databases `alexnet pack` has described the classes (packed.h). In Caffe's there are
 * only numbers: labels.txt or synset_words.txt in the folder or beside it names them, a line each.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/datum.h"
#include "data/lmdb_reader.h"
#include "data/packed.h"

typedef struct lmdb {
    an_dataset base;
    an_lmdb database;
} lmdb;

static void lmdb_destroy(an_dataset *dataset) {
    lmdb *self = (lmdb *)dataset;
    an_lmdb_close(&self->database);
    free(self);
}

static void lmdb_describe(const an_dataset *dataset, size_t index, char *text, size_t size) {
    const an_lmdb_record *record = &((const lmdb *)dataset)->database.records[index];
    snprintf(text, size, "%s/%.*s", dataset->name, record->key_size, (const char *)record->key);
}

static alexnet_status parse(const lmdb *self, const char *name, size_t index, an_datum *out,
                            alexnet_error *error) {
    const an_lmdb_record *record = &self->database.records[index];
    if (an_datum_parse(record->value, record->value_size, out))
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_FORMAT,
                   "%s: record %zu (%.*s) is no whole Datum; these are not Caffe's pictures, or "
                   "damaged",
                   name, index, record->key_size, (const char *)record->key);
}

/* Planes as they lie; a single one, gray, three times. */
static alexnet_status take_planes(const an_datum *datum, const char *name, an_sample *out,
                                  alexnet_error *error) {
    const int width = datum->width, height = datum->height, channels = datum->channels;
    if (datum->floats || (channels != 1 && channels != 3) || width < 1 || height < 1 ||
        width > AN_MAX_IMAGE_SIDE || height > AN_MAX_IMAGE_SIDE ||
        (uint64_t)width * (uint64_t)height * (uint64_t)channels != datum->size)
        return an_fail(error, ALEXNET_FORMAT,
                       datum->floats ? "%s: holds float_data, features or the like; a picture's "
                                       "Datum has bytes in `data`"
                                     : "%s: its %d x %d x %d values (channels, height, width) in "
                                       "%zu bytes are no picture",
                       name, channels, height, width, datum->size);
    if (channels == 3) {
        out->form = AN_SAMPLE_BGR_PLANES;
        out->width = width;
        out->height = height;
        out->bytes = datum->data;
        out->size = datum->size;
        return ALEXNET_OK;
    }
    AN_TRY(an_sample_reserve_rgb(out, width, height, error));
    for (size_t i = 0; i < datum->size; i++)
        memset(out->buffer + 3 * i, datum->data[i], 3);
    return ALEXNET_OK;
}

static alexnet_status lmdb_fetch(const an_dataset *dataset, size_t index, an_sample *out,
                                 alexnet_error *error) {
    const lmdb *self = (const lmdb *)dataset;
    const an_lmdb_record *record = &self->database.records[index];
    an_datum datum;
    char name[512];
    an_mapping_want(&self->database.mapping, (size_t)(record->value - self->database.mapping.bytes),
                    record->value_size);
    AN_TRY(parse(self, dataset->name, index, &datum, error));
    if (datum.label != dataset->labels[index])
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: record %zu is of class %d, but " AN_PACKED_LABELS
                       " says %d: the database was changed since; pack again",
                       dataset->name, index, datum.label, dataset->labels[index]);
    if (!datum.encoded) {
        lmdb_describe(dataset, index, name, sizeof name);
        return take_planes(&datum, name, out, error);
    }
    out->form = AN_SAMPLE_FILE;
    out->bytes = datum.data;
    out->size = datum.size;
    return ALEXNET_OK;
}

static const an_dataset_kind lmdb_kind = {"lmdb", lmdb_destroy, lmdb_fetch, lmdb_describe, NULL};

/* --- a database of alexnet pack ------------------------------------------------------------ */

static alexnet_status take_packed(lmdb *self, const char *folder, alexnet_error *error) {
    const an_lmdb *database = &self->database;
    an_packed packed;
    AN_TRY(an_packed_read(folder, &packed, error));
    alexnet_status status;
    if (packed.images != database->count || packed.bytes != database->mapping.size)
        AN_TRY_CLEANUP(an_fail(error, ALEXNET_FORMAT,
                               "%s: holds %zu records in %zu bytes, where " AN_PACKED_DESCRIPTION
                               " tells of %zu in %llu: the database was changed since; pack again, "
                               "or take the files alexnet.* away to read it as Caffe's",
                               folder, database->count, database->mapping.size, packed.images,
                               (unsigned long long)packed.bytes));
    AN_TRY_CLEANUP(
        an_dataset_begin(&self->base, &lmdb_kind, folder, packed.images, packed.classes, error));
    memcpy(self->base.labels, packed.labels, packed.images * sizeof *packed.labels);
    free(self->base.class_names);
    self->base.class_names = packed.class_names;
    self->base.class_ids = packed.class_ids;
    self->base.statistics = packed.statistics;
    packed.class_names = packed.class_ids = NULL;
    packed.statistics = NULL;
cleanup:
    an_packed_free(&packed);
    return status;
}

/* --- a database of Caffe's ----------------------------------------------------------------- */

/* The lines of a file of class names; those at its end that are empty do not count. */
typedef struct names_file {
    char *path;
    char *text;
    int lines;
} names_file;

static void close_names(names_file *file) {
    free(file->path);
    free(file->text);
    *file = (names_file){0};
}

/* The end of the line at `text`; blanks at its end do not belong to it. */
static size_t line_length(const char *text) {
    size_t length = strcspn(text, "\n");
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    return length;
}

static const char *next_line(const char *text) {
    text += strcspn(text, "\n");
    return *text ? text + 1 : text;
}

static alexnet_status open_names(names_file *file, alexnet_error *error) {
    enum { LIMIT = 16 << 20 };
    uint8_t *bytes;
    size_t size;
    int line = 0;
    AN_TRY(an_read_file(file->path, LIMIT, &bytes, &size, error));
    file->text = realloc(bytes, size + 1);
    if (!file->text) {
        free(bytes);
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to read it", file->path);
    }
    file->text[size] = '\0';
    for (const char *text = file->text; *text; text = next_line(text)) {
        line++;
        if (line_length(text) > 0)
            file->lines = line;
    }
    return ALEXNET_OK;
}

/* Finds labels.txt or synset_words.txt with the database or beside its folder; file->path stays
 * NULL where there is none. */
static alexnet_status find_names(const char *name, names_file *file, alexnet_error *error) {
    static const char *const known[] = {"labels.txt", "synset_words.txt"};
    *file = (names_file){0};
    char *folder = an_string_copy(name);
    for (size_t end = folder ? strlen(folder) : 0; end > 1 && folder[end - 1] == '/'; end--)
        folder[end - 1] = '\0';
    for (int i = 0; folder && i < 4 && !file->path; i++) {
        char *path = i < 2 ? an_path_join(folder, known[i]) : an_path_beside(folder, known[i - 2]);
        if (path && an_is_file(path))
            file->path = path;
        else
            free(path);
    }
    free(folder);
    return file->path ? open_names(file, error) : ALEXNET_OK;
}

/* "n01440764 tench, Tinca tinca": an id, and a name from behind it. */
static bool has_id(const char *line) {
    enum { DIGITS = 8 };
    size_t digits = 0;
    while (line[0] == 'n' && digits < DIGITS && isdigit((unsigned char)line[1 + digits]))
        digits++;
    return digits == DIGITS && line[1 + digits] == ' ';
}

static alexnet_status name_classes(an_dataset *base, const names_file *file, alexnet_error *error) {
    enum { ID = 9 };
    char number[16];
    const char *line = file->text;
    const bool ids = line && has_id(line);
    if (ids)
        base->class_ids = calloc((size_t)base->classes + 1, sizeof *base->class_ids);
    for (int i = 0; i < base->classes; i++) {
        snprintf(number, sizeof number, "%d", i);
        const char *text = line ? line : number;
        size_t length = line ? line_length(line) : strlen(number);
        if (ids && has_id(text)) {
            if (!base->class_ids || !(base->class_ids[i] = strndup(text, ID)))
                return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for classes", base->name);
            text += ID + 1;
            length -= length > ID ? ID + 1 : length;
        } else if (ids || length == 0) {
            return an_fail(error, ALEXNET_FORMAT, "%s: line %d names no class", file->path, i + 1);
        }
        if (!(base->class_names[i] = strndup(text, length)))
            return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for classes", base->name);
        line = line ? next_line(line) : NULL;
    }
    return ALEXNET_OK;
}

/* Reads the classes of all records. */
static alexnet_status read_labels(const lmdb *self, const char *name, int32_t *labels, int *classes,
                                  alexnet_error *error) {
    an_datum datum;
    *classes = 0;
    for (size_t i = 0; i < self->database.count; i++) {
        AN_TRY(parse(self, name, i, &datum, error));
        if (datum.label < 0 || datum.label >= AN_PACKED_MOST_CLASSES)
            return an_fail(error, ALEXNET_FORMAT,
                           "%s: record %zu is of class %d; classes from 0 to %d are read", name, i,
                           datum.label, AN_PACKED_MOST_CLASSES - 1);
        labels[i] = datum.label;
        *classes = datum.label >= *classes ? datum.label + 1 : *classes;
    }
    return ALEXNET_OK;
}

static alexnet_status check_classes(const char *name, int classes, const names_file *file,
                                    alexnet_error *error) {
    if (file->path && (file->lines < classes || file->lines > AN_PACKED_MOST_CLASSES))
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: names %d classes, but the records of %s are of %d", file->path,
                       file->lines, name, classes);
    if (classes < 2 && file->lines < 2)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: all records are of one class; to tell classes apart takes two or more",
                       name);
    return ALEXNET_OK;
}

static alexnet_status take_caffe(lmdb *self, const char *name, alexnet_error *error) {
    const size_t count = self->database.count;
    names_file file = {0};
    int32_t *labels = NULL;
    int classes;
    alexnet_status status;
    AN_TRY_CLEANUP(an_alloc((void **)&labels, count, sizeof *labels, "classes", error));
    AN_TRY_CLEANUP(read_labels(self, name, labels, &classes, error));
    AN_TRY_CLEANUP(find_names(name, &file, error));
    AN_TRY_CLEANUP(check_classes(name, classes, &file, error));
    classes = file.lines > classes ? file.lines : classes;
    AN_TRY_CLEANUP(an_dataset_begin(&self->base, &lmdb_kind, name, count, classes, error));
    memcpy(self->base.labels, labels, count * sizeof *labels);
    status = name_classes(&self->base, &file, error);
cleanup:
    close_names(&file);
    an_free(labels);
    return status;
}

/* --- opening ------------------------------------------------------------------------------- */

static bool holds(const char *folder, const char *name) {
    char *path = an_path_join(folder, name);
    const bool found = path && an_is_file(path);
    free(path);
    return found;
}

static bool is_half_made(const char *name) {
    return holds(name, AN_PACKED_PART) && !holds(name, AN_PACKED_DATABASE);
}

static bool is_database(const char *name) {
    return holds(name, AN_PACKED_DATABASE) || is_half_made(name) || an_lmdb_is_file(name);
}

static bool ends_with(const char *text, const char *end) {
    const size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

/* Looks through a folder for the first database, in byte order, whose name ends so. */
static char *find_ending(const char *folder, const char *end) {
    DIR *stream = opendir(folder);
    char *best = NULL;
    for (const struct dirent *found; stream && (found = readdir(stream));) {
        if (!ends_with(found->d_name, end))
            continue;
        char *path = an_path_join(folder, found->d_name);
        if (path && is_database(path) && (!best || strcmp(path, best) < 0)) {
            free(best);
            best = path;
        } else {
            free(path);
        }
    }
    if (stream)
        closedir(stream);
    return best;
}

/* The database of a part in a folder that holds several, freed with free(); NULL where there is
 * none. */
static char *find_part(const char *folder, an_split split) {
    static const char *const names[2][3] = {{"train", NULL}, {"val", "test", NULL}};
    static const char *const endings[2][3] = {{"train_lmdb", NULL},
                                              {"val_lmdb", "test_lmdb", NULL}};
    for (const char *const *name = names[split]; *name; name++) {
        char *path = an_path_join(folder, *name);
        if (path && is_database(path))
            return path;
        free(path);
    }
    char *found = NULL;
    for (const char *const *end = endings[split]; *end && !found; end++)
        found = find_ending(folder, *end);
    return found;
}

static bool has_part(const char *name, an_split split) {
    char *part = find_part(name, split);
    free(part);
    return part != NULL;
}

static bool has_parts(const char *name) {
    return has_part(name, AN_SPLIT_TRAIN) || has_part(name, AN_SPLIT_HELD_OUT);
}

alexnet_status an_packed_check_place(const char *folder, bool parts, alexnet_error *error) {
    if (parts && is_database(folder))
        return an_fail(error, ALEXNET_INVALID,
                       "%s: holds a database already, and two parts, in train/ and val/, would lie "
                       "beside it; choose another folder",
                       folder);
    if (!parts && has_parts(folder))
        return an_fail(error, ALEXNET_INVALID,
                       "%s: holds a data set of parts already, beside which its own database would "
                       "lie; choose another folder, or one inside it",
                       folder);
    return ALEXNET_OK;
}

static bool lmdb_recognise(const char *name) {
    return is_database(name) || has_parts(name);
}

static bool lmdb_has_held_out(const char *name) {
    return !is_database(name) && has_part(name, AN_SPLIT_TRAIN) &&
           has_part(name, AN_SPLIT_HELD_OUT);
}

static alexnet_status open_database(const char *name, an_dataset **out, alexnet_error *error) {
    if (is_half_made(name))
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: is a half-made database; finish it with the `alexnet pack` that began "
                       "it",
                       name);
    const bool is_file = an_is_file(name);
    lmdb *self = calloc(1, sizeof *self);
    char *path = is_file ? an_string_copy(name) : an_path_join(name, AN_PACKED_DATABASE);
    alexnet_status status = ALEXNET_OK;
    if (!self || !path) {
        free(self);
        free(path);
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to open it", name);
    }
    self->base.kind = &lmdb_kind;
    AN_TRY_CLEANUP(an_lmdb_open(path, &self->database, error));
    if (self->database.count == 0)
        AN_TRY_CLEANUP(an_fail(error, ALEXNET_FORMAT,
                               "%s: holds no records; was it not written to its end?", path));
    if (!is_file && an_packed_is_in(name))
        AN_TRY_CLEANUP(take_packed(self, name, error));
    else
        AN_TRY_CLEANUP(take_caffe(self, name, error));
    *out = &self->base;
cleanup:
    free(path);
    if (status != ALEXNET_OK)
        an_dataset_close(&self->base);
    return status;
}

static alexnet_status lmdb_open(const char *name, an_split split, uint64_t seed, an_dataset **out,
                                alexnet_error *error) {
    (void)seed;
    *out = NULL;
    if (is_database(name) && has_parts(name))
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: holds a database of its own and those of parts; name a part's folder, "
                       "or move the one or the others elsewhere",
                       name);
    char *part = is_database(name) ? an_string_copy(name) : find_part(name, split);
    if (!part) /* the one that is there stands for both */
        part = find_part(name, split == AN_SPLIT_TRAIN ? AN_SPLIT_HELD_OUT : AN_SPLIT_TRAIN);
    if (!part)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to open it", name);
    const alexnet_status status = open_database(part, out, error);
    free(part);
    return status;
}

const an_dataset_source an_lmdb_source = {lmdb_recognise, lmdb_has_held_out, lmdb_open};
