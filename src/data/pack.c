#include "data/pack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/random.h"
#include "data/datum.h"
#include "data/lmdb_reader.h"
#include "data/lmdb_writer.h"
#include "data/pack_settings.h"
#include "data/pack_state.h"
#include "data/pack_workers.h"
#include "data/packed.h"

enum {
    MOST_PICTURES = 100000000, /* keys have eight digits */
    DIGITS = 8,
    BATCH = 64 << 20, /* bytes of records that wait in memory for the disk, about */
    SHOW_EVERY = 256  /* records, when they are copied and read back */
};

typedef struct pack {
    an_pack_job job;
    const char *folder;
    const an_pack_observer *observer;
    char *part, *copy, *database; /* paths */
    uint32_t *order;
    json_t *settings;
    an_lmdb_writer writer;
    an_pack_state state;
    uint64_t batch_end; /* state.space must not be more before the state is noted */
    size_t resumed;     /* the position where this call began */
    double noted;       /* when the state was */
} pack;

static uint32_t crc_of(uint64_t crc, const void *bytes, size_t size) {
    return (uint32_t)crc32_z((uLong)crc, bytes, size);
}

/* --- what is packed, and how --------------------------------------------------------------- */

static alexnet_status check(const an_dataset *dataset, const an_pack_options *options,
                            alexnet_error *error) {
    if (dataset->count >= MOST_PICTURES)
        return an_fail(error, ALEXNET_INVALID, "%s: %zu pictures are more than the %d that fit",
                       dataset->name, dataset->count, MOST_PICTURES - 1);
    if (dataset->classes > AN_PACKED_MOST_CLASSES)
        return an_fail(error, ALEXNET_INVALID, "%s: %d classes are more than the %d that fit",
                       dataset->name, dataset->classes, AN_PACKED_MOST_CLASSES);
    if (options->resize < 0 || options->resize > AN_MAX_IMAGE_SIDE)
        return an_fail(error, ALEXNET_INVALID, "pictures cannot be resized to %d; 1 to %d can be",
                       options->resize, AN_MAX_IMAGE_SIDE);
    if (options->quality < 1 || options->quality > 100)
        return an_fail(error, ALEXNET_INVALID, "a JPEG has a quality of 1 to 100, not %d",
                       options->quality);
    return ALEXNET_OK;
}

static alexnet_status make_order(pack *self, alexnet_error *error) {
    const an_dataset *dataset = self->job.dataset;
    if (!self->job.options->shuffle)
        return ALEXNET_OK;
    self->order = malloc(dataset->count * sizeof *self->order);
    if (!self->order)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for the order of %zu pictures",
                       dataset->count);
    /* An order of its own, not that of a training run's first epoch. */
    an_random random = an_random_stream(self->job.options->seed, AN_RANDOM_ORDER, UINT32_MAX, 0);
    an_random_permutation(&random, self->order, (uint32_t)dataset->count);
    self->job.order = self->order;
    return ALEXNET_OK;
}

/* --- packing ------------------------------------------------------------------------------- */

/* Begins a batch of records that take at least `space`. */
static alexnet_status begin_batch(pack *self, uint64_t space, alexnet_error *error) {
    self->batch_end = self->state.space + (space > BATCH ? space : BATCH);
    self->noted = an_seconds();
    return an_lmdb_begin(&self->writer, self->batch_end, error);
}

/* Ends a batch with a note of how far it is, so that a killed pack goes on from here, and begins
 * the next. */
static alexnet_status note(pack *self, uint64_t space, alexnet_error *error) {
    uint8_t *bytes;
    size_t size;
    AN_TRY(an_pack_state_save(self->settings, &self->state, &bytes, &size, error));
    const alexnet_status status = an_lmdb_commit(&self->writer, bytes, size, error);
    free(bytes);
    return status == ALEXNET_OK ? begin_batch(self, space, error) : status;
}

/* Takes what was noted, and compares it with what is there and is asked for. */
static alexnet_status take_note(pack *self, const an_lmdb *part, alexnet_error *error) {
    const an_lmdb_record *first = part->records;
    json_t *settings;
    if (!an_lmdb_is_note(first))
        return an_fail(error, ALEXNET_FORMAT, "it does not say how far it is");
    AN_TRY(an_pack_state_load(first->value, first->value_size, &settings, &self->state, error));
    alexnet_status status = an_pack_settings_compare(self->folder, self->settings, settings, error);
    json_decref(settings);
    if (status == ALEXNET_OK &&
        (self->state.position > self->job.dataset->count || self->state.images != part->count - 1))
        status = an_fail(error, ALEXNET_FORMAT, "it is not as far as it says");
    return status;
}

/* Looks through a part file, with the reader that does not trust it, for how far it is. */
static alexnet_status look(pack *self, bool *found, alexnet_error *error) {
    an_lmdb part;
    AN_TRY(an_lmdb_open(self->part, &part, error));
    *found = part.count > 0;
    const alexnet_status status = *found ? take_note(self, &part, error) : ALEXNET_OK;
    an_lmdb_close(&part);
    return status;
}

/* Begins anew, or goes on. */
static alexnet_status begin(pack *self, alexnet_error *error) {
    struct stat info;
    alexnet_error reason;
    bool found = false;
    if (fstat(self->writer.descriptor, &info) == 0 && info.st_size > 0) {
        const alexnet_status status = look(self, &found, &reason);
        if (status == ALEXNET_FORMAT)
            return an_fail(error, status,
                           "%s: packing cannot go on: %s; remove the file to begin anew",
                           self->part, reason.message);
        if (status != ALEXNET_OK)
            return an_fail(error, status, "%s", reason.message);
    }
    self->resumed = (size_t)self->state.position;
    AN_TRY(begin_batch(self, 0, error));
    return found ? ALEXNET_OK : note(self, 0, error);
}

static alexnet_status pass_over(pack *self, const alexnet_error *failure, alexnet_error *error) {
    const size_t count = self->job.dataset->count;
    if (failure->status == ALEXNET_NO_MEMORY)
        return an_fail(error, failure->status, "%s", failure->message);
    self->state.broken++;
    if (self->observer && self->observer->broken)
        self->observer->broken(self->observer->context, failure->message);
    if (!an_too_many_broken(self->state.broken, count, self->job.options->max_broken))
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_FORMAT,
                   "%s: %llu of %zu pictures cannot be read, which is too many; the last for this "
                   "reason: %s; mend or remove them, or tolerate more",
                   self->job.dataset->name, (unsigned long long)self->state.broken, count,
                   failure->message);
}

/* The key of the record at a position; returns its length. */
static size_t key_of(const pack *self, size_t position, char *key) {
    char name[AN_LMDB_MOST_KEY + 1];
    const size_t picture = an_pack_picture(&self->job, position);
    const int length = snprintf(key, AN_LMDB_MOST_KEY + 1, "%08zu_%s", position,
                                an_pack_name(self->job.dataset, picture, name, sizeof name));
    return length < AN_LMDB_MOST_KEY ? (size_t)length : AN_LMDB_MOST_KEY;
}

static alexnet_status append(pack *self, size_t position, const an_encoded *value,
                             alexnet_error *error) {
    char key[AN_LMDB_MOST_KEY + 1];
    const size_t key_size = key_of(self, position, key);
    AN_TRY(an_lmdb_put(&self->writer, key, key_size, value->bytes, value->size, error));
    self->state.images++;
    self->state.space += an_lmdb_space(key_size, value->size);
    self->state.crc = crc_of(self->state.crc, value->bytes, value->size);
    return ALEXNET_OK;
}

static uint64_t space_of(const an_pack_chunk *chunk) {
    uint64_t space = 0;
    for (size_t i = 0; i < chunk->count; i++)
        space += an_lmdb_space(AN_LMDB_MOST_KEY, chunk->values[i].size);
    return space;
}

static alexnet_status take_chunk(pack *self, const an_pack_chunk *chunk, alexnet_error *error) {
    const uint64_t space = space_of(chunk);
    if (self->state.space + space > self->batch_end)
        AN_TRY(note(self, space, error));
    for (size_t i = 0; i < chunk->count; i++) {
        const alexnet_error *failure = &chunk->failures[i];
        if (failure->status == ALEXNET_OK)
            AN_TRY(append(self, chunk->first + i, &chunk->values[i], error));
        else
            AN_TRY(pass_over(self, failure, error));
    }
    self->state.position = chunk->first + chunk->count;
    return an_colour_sums_merge(&self->state.sums, &chunk->sums, error);
}

/* Tells the observer; INTERRUPTED where that wants no more. */
static alexnet_status show(const pack *self, size_t done, size_t of, bool verifying,
                           alexnet_error *error) {
    const an_pack_progress now = {done, of, self->resumed, verifying};
    if (!self->observer || !self->observer->progress ||
        self->observer->progress(self->observer->context, &now))
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_INTERRUPTED, "stopped; the same command goes on from here");
}

static alexnet_status pack_pictures(pack *self, alexnet_error *error) {
    const size_t count = self->job.dataset->count;
    an_pack_workers *workers;
    alexnet_status status = ALEXNET_OK;
    AN_TRY(an_pack_workers_start(&self->job, self->resumed, &workers, error));
    for (const an_pack_chunk *chunk;
         status == ALEXNET_OK && (chunk = an_pack_workers_next(workers));) {
        AN_TRY_CLEANUP(take_chunk(self, chunk, error));
        if (an_seconds() - self->noted >= self->job.options->checkpoint)
            AN_TRY_CLEANUP(note(self, 0, error));
        status = show(self, (size_t)self->state.position, count, false, error);
        if (status == ALEXNET_INTERRUPTED)
            status = note(self, 0, error) == ALEXNET_OK ? status : ALEXNET_IO;
    }
    if (status == ALEXNET_OK)
        status = note(self, 0, error);
cleanup:
    an_pack_workers_free(workers);
    return status;
}

/* --- finishing ----------------------------------------------------------------------------- */

static alexnet_status not_as_written(const pack *self, const an_lmdb_record *record,
                                     alexnet_error *error) {
    return an_fail(error, ALEXNET_FORMAT,
                   "%s: the record %.*s is not as it was written; is the disk at fault? Remove the "
                   "folder and pack again",
                   self->copy, record->key_size, (const char *)record->key);
}

/* The position that a record's key begins with; SIZE_MAX where it does not. */
static size_t position_of(const an_lmdb_record *record) {
    size_t position = 0;
    if (record->key_size < DIGITS + 1 || record->key[DIGITS] != '_')
        return SIZE_MAX;
    for (int i = 0; i < DIGITS; i++) {
        const unsigned digit = record->key[i] - (unsigned)'0';
        if (digit > 9)
            return SIZE_MAX;
        position = 10 * position + digit;
    }
    return position;
}

/* True where a record holds a picture as it says. */
static bool is_picture(const an_datum *datum, const an_pack_options *options) {
    an_jpeg_header header;
    if (options->raw)
        return !datum->encoded && datum->size == 3 * (size_t)datum->width * (size_t)datum->height;
    return datum->encoded && an_jpeg_read_header(datum->data, datum->size, &header) &&
           header.width == datum->width && header.height == datum->height;
}

/* Reads a record back, and notes its class. */
static alexnet_status verify_record(const pack *self, const an_lmdb_record *record, size_t least,
                                    int32_t *label, uint32_t *crc, alexnet_error *error) {
    const an_dataset *dataset = self->job.dataset;
    const size_t position = position_of(record);
    an_datum datum;
    *crc = crc_of(*crc, record->value, record->value_size);
    if (position < least || position >= dataset->count ||
        !an_datum_parse(record->value, record->value_size, &datum) ||
        datum.label != dataset->labels[an_pack_picture(&self->job, position)] ||
        !is_picture(&datum, self->job.options))
        return not_as_written(self, record, error);
    *label = datum.label;
    return ALEXNET_OK;
}

static alexnet_status verify(const pack *self, int32_t *labels, alexnet_error *error) {
    an_lmdb database;
    uint32_t crc = 0;
    size_t next = 0;
    AN_TRY(an_lmdb_open(self->copy, &database, error));
    an_mapping_read_in_order(&database.mapping);
    alexnet_status status = ALEXNET_OK;
    for (size_t i = 0; i < database.count && status == ALEXNET_OK; i++) {
        const an_lmdb_record *record = &database.records[i];
        status = i < self->state.images ? verify_record(self, record, next, &labels[i], &crc, error)
                                        : not_as_written(self, record, error);
        next = position_of(record) + 1;
        if (status == ALEXNET_OK && (i + 1) % SHOW_EVERY == 0)
            status = show(self, i + 1, database.count, true, error);
    }
    if (status == ALEXNET_OK && (database.count != self->state.images || crc != self->state.crc))
        status = an_fail(error, ALEXNET_FORMAT,
                         "%s: what was read back is not what was written; is the disk at fault? "
                         "Remove the folder and pack again",
                         self->copy);
    an_lmdb_close(&database);
    return status;
}

/* Appends the records of the part file to the copy, in batches that depend on nothing else. */
static alexnet_status copy_records(const pack *self, const an_lmdb *part, an_lmdb_writer *copy,
                                   alexnet_error *error) {
    uint64_t batch = 0;
    AN_TRY(an_lmdb_begin(copy, self->state.space, error));
    for (size_t i = 1; i < part->count; i++) { /* behind the note */
        const an_lmdb_record *record = &part->records[i];
        const uint64_t space = an_lmdb_space(record->key_size, record->value_size);
        if (batch > 0 && batch + space > BATCH) {
            AN_TRY(an_lmdb_commit(copy, NULL, 0, error));
            AN_TRY(an_lmdb_begin(copy, self->state.space, error));
            batch = 0;
        }
        batch += space;
        AN_TRY(an_lmdb_put(copy, record->key, record->key_size, record->value, record->value_size,
                           error));
        if (i % SHOW_EVERY == 0)
            AN_TRY(show(self, i, part->count - 1, true, error));
    }
    return an_lmdb_commit(copy, NULL, 0, error);
}

/* Verifies the copy, writes what lies beside it, and gives it its name. */
static alexnet_status publish(const pack *self, int descriptor, uint64_t bytes,
                              alexnet_error *error) {
    const an_dataset *dataset = self->job.dataset;
    const size_t images = (size_t)self->state.images;
    an_packed packed = {.images = images,
                        .bytes = bytes,
                        .crc = (uint32_t)self->state.crc,
                        .classes = dataset->classes,
                        .class_names = dataset->class_names,
                        .class_ids = dataset->class_ids,
                        .settings = self->settings};
    alexnet_status status;
    AN_TRY(an_alloc((void **)&packed.labels, images, sizeof *packed.labels, "classes", error));
    AN_TRY_CLEANUP(verify(self, packed.labels, error));
    AN_TRY_CLEANUP(an_colour_sums_finish(&self->state.sums, &packed.statistics, error));
    AN_TRY_CLEANUP(an_packed_write(self->folder, &packed, error));
    status = an_file_commit(descriptor, self->copy, self->database, error);
cleanup:
    an_free(packed.labels);
    an_statistics_free(packed.statistics);
    return status;
}

/* Removes what packing needed. */
static void clean_up(const pack *self) {
    (void)unlink(self->copy);
    (void)unlink(self->part);
}

/* Makes the database of the part file. */
static alexnet_status finish(pack *self, an_pack_result *result, alexnet_error *error) {
    an_lmdb_writer copy = {0};
    an_lmdb part = {0};
    struct stat info;
    alexnet_status status;
    if (self->state.images == 0)
        return an_fail(error, ALEXNET_FORMAT, "%s: none of its pictures can be read",
                       self->job.dataset->name);
    (void)unlink(self->copy); /* of a pack that was killed here */
    AN_TRY(an_lmdb_open(self->part, &part, error));
    an_mapping_read_in_order(&part.mapping);
    AN_TRY_CLEANUP(an_lmdb_writer_open(&copy, self->copy, error));
    AN_TRY_CLEANUP(copy_records(self, &part, &copy, error));
    if (fstat(copy.descriptor, &info) != 0)
        AN_TRY_CLEANUP(an_fail(error, ALEXNET_IO, "%s: %s", self->copy, strerror(errno)));
    AN_TRY_CLEANUP(publish(self, copy.descriptor, (uint64_t)info.st_size, error));
    *result = (an_pack_result){.images = (size_t)self->state.images,
                               .broken = (size_t)self->state.broken,
                               .bytes = (uint64_t)info.st_size};
    clean_up(self);
cleanup:
    an_lmdb_writer_close(&copy);
    an_lmdb_close(&part);
    if (status != ALEXNET_OK)
        (void)unlink(self->copy); /* which has no other use than to take up the disk */
    return status;
}

/* What there is to say about a database that is finished already. */
static alexnet_status take_finished(const pack *self, an_pack_result *result,
                                    alexnet_error *error) {
    an_packed packed;
    if (!an_packed_is_in(self->folder))
        return an_fail(error, ALEXNET_INVALID,
                       "%s: holds a database that alexnet pack did not make; choose another folder",
                       self->folder);
    AN_TRY(an_packed_read(self->folder, &packed, error));
    const alexnet_status status =
        an_pack_settings_compare(self->folder, self->settings, packed.settings, error);
    *result = (an_pack_result){.images = packed.images,
                               .broken = self->job.dataset->count - packed.images,
                               .bytes = packed.bytes,
                               .was_there = true};
    an_packed_free(&packed);
    if (status == ALEXNET_OK)
        clean_up(self); /* after a pack that was killed just before it would have done so */
    return status;
}

/* --- all of it ----------------------------------------------------------------------------- */

static alexnet_status prepare(pack *self, alexnet_error *error) {
    const an_dataset *dataset = self->job.dataset;
    AN_TRY(check(dataset, self->job.options, error));
    AN_TRY(make_order(self, error));
    AN_TRY(an_make_folder(self->folder, error));
    self->part = an_path_join(self->folder, AN_PACKED_PART);
    self->copy = an_path_join(self->folder, AN_PACKED_COPY);
    self->database = an_path_join(self->folder, AN_PACKED_DATABASE);
    self->settings = an_pack_settings(dataset, self->job.options);
    if (!self->part || !self->copy || !self->database || !self->settings)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to pack", dataset->name);
    return ALEXNET_OK;
}

static alexnet_status run(pack *self, an_pack_result *result, alexnet_error *error) {
    AN_TRY(prepare(self, error));
    if (an_is_file(self->database))
        return take_finished(self, result, error);
    AN_TRY(an_lmdb_writer_open(&self->writer, self->part, error));
    /* Another process may have finished it between the lines above; it has let go of it. */
    if (an_is_file(self->database))
        return take_finished(self, result, error);
    AN_TRY(begin(self, error));
    AN_TRY(pack_pictures(self, error));
    return finish(self, result, error);
}

alexnet_status an_pack(const an_dataset *dataset, const char *folder,
                       const an_pack_options *options, const an_pack_observer *observer,
                       an_pack_result *result, alexnet_error *error) {
    *result = (an_pack_result){0};
    pack *self = calloc(1, sizeof *self);
    if (!self)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to pack", dataset->name);
    self->job = (an_pack_job){.dataset = dataset, .options = options};
    self->folder = folder;
    self->observer = observer;
    const alexnet_status status = run(self, result, error);
    an_lmdb_writer_close(&self->writer);
    an_colour_sums_free(&self->state.sums);
    json_decref(self->settings);
    free(self->order);
    free(self->part);
    free(self->copy);
    free(self->database);
    free(self);
    return status;
}
