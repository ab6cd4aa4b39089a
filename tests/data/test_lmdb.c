/*
 * LMDB databases: what is written is read, Caffe's Datums in every form, and files that are
 * damaged or made to do harm.
 */
#include <fcntl.h>
#include <lmdb.h>

#include "core/random.h"
#include "data/datum.h"
#include "data/lmdb_format.h"
#include "data/lmdb_writer.h"
#include "data/packed.h"
#include "scratch.h"

/* --- the file ------------------------------------------------------------------------------ */

/* The key and value of record `i`: keys from 9 to 500 bytes, values from none to three pages. */
static size_t make_key(size_t i, char *key) {
    const size_t length = i % 97 == 0 ? 500 : 9 + i % 40;
    snprintf(key, 512, "%08zu_", i);
    memset(key + 9, 'a' + (char)(i % 26), length - 9);
    return length;
}

static size_t make_value(size_t i, uint8_t *value) {
    const size_t size = i % 11 == 0 ? 100 * i % 12288 : i % 256;
    for (size_t b = 0; b < size; b++)
        value[b] = (uint8_t)(i * 31 + b * b);
    return size;
}

enum { PAGE = 4096 }; /* of this machine's databases */

static uint8_t value_room[12288];
static char key_room[512];

/* A database of one transaction, as liblmdb makes it. */
typedef struct made_file {
    MDB_env *environment;
    MDB_txn *transaction;
    MDB_dbi records;
} made_file;

static made_file create(const char *path) {
    made_file out;
    (void)remove(path);
    assert_int_equal(mdb_env_create(&out.environment), 0);
    assert_int_equal(mdb_env_set_mapsize(out.environment, 1 << 30), 0);
    assert_int_equal(
        mdb_env_open(out.environment, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0666), 0);
    assert_int_equal(mdb_txn_begin(out.environment, NULL, 0, &out.transaction), 0);
    assert_int_equal(mdb_dbi_open(out.transaction, NULL, 0, &out.records), 0);
    return out;
}

static void put(const made_file *to, char *key, size_t key_size, const uint8_t *value,
                size_t size) {
    MDB_val name = {key_size, key}, data = {size, (void *)(uintptr_t)value};
    assert_int_equal(mdb_put(to->transaction, to->records, &name, &data, 0), 0);
}

static void finish(const made_file *made) {
    assert_int_equal(mdb_txn_commit(made->transaction), 0);
    mdb_env_close(made->environment);
}

static void write_records(const char *path, size_t count) {
    const made_file made = create(path);
    for (size_t i = 0; i < count; i++) {
        const size_t key = make_key(i, key_room), value = make_value(i, value_room);
        put(&made, key_room, key, value_room, value);
    }
    finish(&made);
}

static void assert_record(const an_lmdb_record *record, size_t i) {
    assert_int_equal(record->key_size, make_key(i, key_room));
    assert_memory_equal(record->key, key_room, record->key_size);
    assert_int_equal(record->value_size, make_value(i, value_room));
    if (record->value_size > 0)
        assert_memory_equal(record->value, value_room, record->value_size);
}

static void assert_records(const char *path, size_t count) {
    an_lmdb database;
    assert_ok(an_lmdb_open(path, &database, error));
    assert_int_equal(database.count, count);
    for (size_t i = 0; i < count; i++)
        assert_record(&database.records[i], i);
    an_lmdb_close(&database);
}

/* Trees of one to four levels. */
static void test_round_trip(void **state) {
    (void)state;
    static const size_t counts[] = {1, 2, 7, 30, 100, 1000, 12345, 60000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        write_records("records.mdb", counts[i]);
        assert_true(an_lmdb_is_file("records.mdb"));
        assert_records("records.mdb", counts[i]);
        assert_int_equal(remove("records.mdb"), 0);
    }
}

/* --- writing ------------------------------------------------------------------------------- */

enum { GROWING = 3000, SPACE = 64 << 20 };

/* A note of `next`, of any length. */
static void commit(an_lmdb_writer *writer, size_t next, size_t more) {
    static uint8_t note[20000];
    memcpy(note, &next, sizeof next);
    assert_ok(an_lmdb_commit(writer, note, sizeof next + more, error));
}

/* What the note of an unfinished database says, which holds so many records. */
static size_t noted(const an_lmdb *database) {
    size_t next;
    assert_true(database->count > 0 && an_lmdb_is_note(database->records));
    memcpy(&next, database->records->value, sizeof next);
    return next;
}

/* Appends records up to `end`. */
static void append(an_lmdb_writer *writer, size_t next, size_t end) {
    for (; next < end; next++) {
        const size_t key = make_key(next, key_room), value = make_value(next, value_room);
        assert_ok(an_lmdb_put(writer, key_room, key, value_room, value, error));
    }
}

static void begin(an_lmdb_writer *writer, const char *path) {
    assert_ok(an_lmdb_writer_open(writer, path, error));
    assert_ok(an_lmdb_begin(writer, SPACE, error));
}

/* Writing that stops anywhere goes on from what was noted. */
static void test_goes_on(void **state) {
    (void)state;
    an_random random = an_random_stream(7, AN_RANDOM_TEST, 0, 0);
    an_lmdb_writer writer;
    an_lmdb database;
    size_t next = 0, lost = 0;
    while (next < GROWING) {
        begin(&writer, "parts.mdb");
        const size_t most = next + 1 + an_random_below(&random, 200);
        const size_t end = most < GROWING ? most : GROWING;
        append(&writer, next, end);
        if (an_random_below(&random, 4) == 0) {
            lost++; /* the batch, when the writer is closed */
        } else {
            commit(&writer, end, an_random_below(&random, 10000));
            next = end;
        }
        an_lmdb_writer_close(&writer);
        assert_ok(an_lmdb_open("parts.mdb", &database, error));
        assert_int_equal(database.count > 0 ? noted(&database) : 0, next);
        for (size_t i = 0; i < next; i++)
            assert_record(&database.records[1 + i], i);
        an_lmdb_close(&database);
    }
    assert_true(lost > 2);
}

/* The same batches make the same bytes. */
static void test_same_bytes(void **state) {
    (void)state;
    static const char *const names[] = {"one.mdb", "same.mdb"};
    an_lmdb_writer writer;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(an_lmdb_writer_open(&writer, names[i], error));
        for (size_t next = 0; next < GROWING; next += GROWING / 10) {
            assert_ok(an_lmdb_begin(&writer, SPACE, error));
            append(&writer, next, next + GROWING / 10);
            assert_ok(an_lmdb_commit(&writer, NULL, 0, error));
        }
        an_lmdb_writer_close(&writer);
        assert_records(names[i], GROWING);
    }
    assert_same_files(names[0], names[1]);
}

/* Only one process writes a file; where no batch has ended it holds nothing. */
static void test_writer(void **state) {
    (void)state;
    an_lmdb_writer writer, other;
    an_lmdb database;
    begin(&writer, "half.mdb");
    assert_fails(an_lmdb_writer_open(&other, "half.mdb", error), ALEXNET_IO, "another process");
    assert_ok(an_lmdb_put(&writer, "00000000_", 9, value_room, 5000, error));
    assert_fails(an_lmdb_put(&writer, "00000000_", 9, value_room, 5000, error), ALEXNET_IO,
                 "MDB_KEYEXIST");
    an_lmdb_writer_close(&writer);
    assert_ok(an_lmdb_open("half.mdb", &database, error));
    assert_int_equal(database.count, 0);
    an_lmdb_close(&database);
    assert_fails(an_lmdb_writer_open(&other, "no/folder.mdb", error), ALEXNET_IO, "No such file");
    assert_fails(an_lmdb_open("none.mdb", &database, error), ALEXNET_IO, "No such file");
}

/* --- damage -------------------------------------------------------------------------------- */

/* Opens a file of these bytes; where that is possible every byte of it is looked at. */
static alexnet_status look(const uint8_t *bytes, size_t size, alexnet_error *error) {
    an_lmdb database;
    unsigned sum = 0;
    FILE *file = fopen("look.mdb", "wb"); /* not synced: there are thousands */
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    AN_TRY(an_lmdb_open("look.mdb", &database, error));
    for (size_t i = 0; i < database.count; i++) {
        const an_lmdb_record *record = &database.records[i];
        for (size_t b = 0; b < record->key_size; b++)
            sum += record->key[b];
        for (size_t b = 0; b < record->value_size; b++)
            sum += record->value[b];
    }
    an_lmdb_close(&database);
    return sum == UINT32_MAX ? ALEXNET_FORMAT : ALEXNET_OK;
}

/* Every byte of the pages that lead to records, changed in three ways, and every length. What is
 * read must lie inside the file: the sanitizers look. */
static void test_damaged(void **state) {
    (void)state;
    enum { RECORDS = 45 };
    an_mapping mapping;
    write_records("sound.mdb", RECORDS);
    assert_ok(an_map("sound.mdb", &mapping, error));
    const size_t size = mapping.size;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    memcpy(bytes, mapping.bytes, size);
    an_unmap(&mapping);
    assert_ok(look(bytes, size, error));
    int refused = 0;
    alexnet_error error;
    for (size_t page = 1; page < size / PAGE; page++) {
        const unsigned flags = an_lmdb_u16(bytes + page * PAGE + AN_LMDB_PAGE_FLAGS);
        /* The header and the first and last nodes of a page; of overflow pages the header. */
        const size_t step = flags & AN_LMDB_OVERFLOW ? PAGE : 1;
        for (size_t i = 0; i < PAGE; i += i < 160 || i > 4000 ? step : 61 * step) {
            uint8_t *byte = bytes + page * PAGE + i;
            const uint8_t sound = *byte, values[] = {0, 0xff, (uint8_t)(sound + 1)};
            for (size_t v = 0; v < sizeof values; v++) {
                *byte = values[v];
                refused += look(bytes, size, &error) != ALEXNET_OK;
            }
            *byte = sound;
        }
    }
    assert_true(refused > 100);
    for (size_t cut = 0; cut < size; cut += cut < 300 ? 1 : 997)
        assert_int_not_equal(look(bytes, cut, &error), ALEXNET_OK);
    free(bytes);
}

static uint8_t *page_of(uint8_t *file, size_t number) {
    return file + number * PAGE;
}

/* A database made to do harm: pages that lead back, and a list of records as long as a file of
 * its size never is. */
static void test_harm(void **state) {
    (void)state;
    an_mapping mapping;
    write_records("sound.mdb", 500);
    assert_ok(an_map("sound.mdb", &mapping, error));
    uint8_t *bytes = malloc(mapping.size);
    assert_non_null(bytes);
    memcpy(bytes, mapping.bytes, mapping.size);
    uint8_t *main = page_of(bytes, 1) + AN_LMDB_META_MAIN;
    uint8_t *root = page_of(bytes, an_lmdb_u64(main + AN_LMDB_DB_ROOT));
    uint8_t *first = root + an_lmdb_u16(root + AN_LMDB_PAGE_HEADER);
    uint8_t *second = root + an_lmdb_u16(root + AN_LMDB_PAGE_HEADER + 2);
    uint8_t kept[8];
    const uint32_t own = (uint32_t)an_lmdb_u64(root), most = UINT32_MAX;
    memcpy(kept, first, 8);
    memcpy(first, &own, 4);
    assert_fails(look(bytes, mapping.size, error), ALEXNET_FORMAT, "deeper than trees");
    memcpy(first, second, 4);
    assert_fails(look(bytes, mapping.size, error), ALEXNET_FORMAT, "out of order");
    memcpy(first, kept, 8);
    memcpy(main + AN_LMDB_DB_RECORDS, &most, 4);
    assert_fails(look(bytes, mapping.size, error), ALEXNET_FORMAT, "more records than the file");
    memcpy(bytes, mapping.bytes, mapping.size);
    main[AN_LMDB_DB_RECORDS]++;
    assert_fails(look(bytes, mapping.size, error), ALEXNET_FORMAT, "holds 500 records");
    memcpy(bytes, mapping.bytes, mapping.size);
    main[AN_LMDB_DB_FLAGS] = 4; /* MDB_DUPSORT */
    assert_fails(look(bytes, mapping.size, error), ALEXNET_FORMAT, "several values");
    memcpy(bytes, mapping.bytes, mapping.size);
    memset(page_of(bytes, 1) + AN_LMDB_META_TRANSACTION, 0, 8); /* the first meta page counts, */
    assert_ok(look(bytes, mapping.size, error));                /* which knows of no records */
    an_unmap(&mapping);
    free(bytes);
}

/* --- Datum --------------------------------------------------------------------------------- */

static void test_datum(void **state) {
    (void)state;
    uint8_t bytes[AN_DATUM_OVERHEAD + 4];
    an_datum got, datum = {.channels = 3,
                           .height = 300,
                           .width = -2,
                           .data = (const uint8_t *)"data",
                           .size = 4,
                           .label = 7,
                           .encoded = true};
    const size_t size = an_datum_write(&datum, bytes);
    assert_true(an_datum_parse(bytes, size, &got));
    assert_int_equal(got.channels, 3);
    assert_int_equal(got.height, 300);
    assert_int_equal(got.width, -2);
    assert_int_equal(got.label, 7);
    assert_true(got.encoded && !got.floats);
    assert_int_equal(got.size, 4);
    assert_memory_equal(got.data, "data", 4);
    for (size_t cut = 0; cut < size; cut++) { /* an end between fields is none that can be seen */
        uint8_t *part = malloc(cut + 1);
        assert_non_null(part);
        memcpy(part, bytes, cut);
        (void)an_datum_parse(part, cut, &got);
        free(part);
    }
    assert_false(an_datum_parse((const uint8_t *)"\x22\x05"
                                                 "abcd",
                                6, &got));                               /* longer than all */
    assert_false(an_datum_parse((const uint8_t *)"\x0a\x01x", 3, &got)); /* channels of bytes */
    assert_false(an_datum_parse((const uint8_t *)"\x20\x01", 2, &got));  /* data as a number */
    assert_false(an_datum_parse((const uint8_t *)"\x28\x80", 2, &got));  /* a number without end */
    assert_true(an_datum_parse((const uint8_t *)"\x35\0\0\0\0\x42\x01x\x28\x02\x28\x03", 12, &got));
    assert_true(got.floats);        /* and a field that is not known, */
    assert_int_equal(got.label, 3); /* and two labels, of which the last counts */
}

/* --- data sets ----------------------------------------------------------------------------- */

/* A database as Caffe makes them: `count` Datums of bytes. */
typedef struct message {
    uint8_t bytes[128];
    size_t size;
} message;

static message message_of(an_datum datum, const char *data, size_t size) {
    message out;
    datum.data = (const uint8_t *)data;
    datum.size = size;
    out.size = an_datum_write(&datum, out.bytes);
    return out;
}

static void make_database(const char *folder, const message *messages, size_t count) {
    char path[200], key[32];
    snprintf(path, sizeof path, "%s/%s", folder, AN_PACKED_DATABASE);
    assert_ok(an_make_folder(folder, error));
    const made_file made = create(path);
    for (size_t i = 0; i < count; i++) {
        const int length = snprintf(key, sizeof key, "%08zu_x%zu", i, i);
        put(&made, key, (size_t)length, messages[i].bytes, messages[i].size);
    }
    finish(&made);
}

static an_dataset *opened(const char *name, an_split split) {
    an_dataset *dataset = NULL;
    assert_ok(an_dataset_open(name, split, 1, &dataset, error));
    return dataset;
}

#define RAW(channels_, height_, width_, label_, data_)                                             \
    message_of(                                                                                    \
        (an_datum){                                                                                \
            .channels = (channels_), .height = (height_), .width = (width_), .label = (label_)},   \
        (data_), sizeof(data_) - 1)

static void test_forms(void **state) {
    (void)state;
    static const char ppm[] = "P6 1 1 255\nrgb";
    const message messages[] = {RAW(3, 1, 2, 0, "bBgGrR"), RAW(1, 2, 1, 1, "xy"),
                                message_of((an_datum){.label = 3, .encoded = true}, ppm, 14)};
    make_database("forms", messages, 3);
    an_dataset *dataset = opened("forms", AN_SPLIT_TRAIN);
    assert_string_equal(dataset->kind->name, "lmdb");
    assert_int_equal(dataset->count, 3);
    assert_int_equal(dataset->classes, 4);
    assert_string_equal(dataset->class_names[3], "3");
    assert_null(dataset->class_ids);
    assert_null(dataset->statistics);
    static const int labels[] = {0, 1, 3};
    for (int i = 0; i < 3; i++)
        assert_int_equal(dataset->labels[i], labels[i]);
    an_image image = {0};
    an_sample sample = {0};
    char name[64];
    assert_ok(an_dataset_read(dataset, 0, &image, error));
    assert_true(image.width == 2 && image.height == 1);
    assert_memory_equal(image.pixels, "rgbRGB", 6);
    assert_ok(an_dataset_read(dataset, 1, &image, error));
    assert_true(image.width == 1 && image.height == 2);
    assert_memory_equal(image.pixels, "xxxyyy", 6);
    assert_ok(an_dataset_read(dataset, 2, &image, error));
    assert_memory_equal(image.pixels, "rgb", 3);
    assert_ok(an_dataset_fetch(dataset, 0, &sample, error));
    assert_int_equal(sample.form, AN_SAMPLE_BGR_PLANES);
    assert_null(sample.buffer); /* it lies in the map */
    an_dataset_describe(dataset, 2, name, sizeof name);
    assert_string_equal(name, "forms/00000002_x2");
    an_image_free(&image);
    an_sample_free(&sample);
    an_dataset_close(dataset);
    dataset = opened("forms/data.mdb", AN_SPLIT_TRAIN); /* the file by itself */
    assert_int_equal(dataset->count, 3);
    an_dataset_close(dataset);
}

/* Records that are no pictures are refused one by one, in a sentence. */
static void test_refused_records(void **state) {
    (void)state;
    static const struct {
        message message;
        const char *part;
    } cases[] = {
        {{"\x28\x01\x35\0\0\0\0", 7}, "holds float_data"},
        {{"\x08\x02\x10\x01\x18\x01\x22\x02xy\x28\x01", 12}, "2 x 1 x 1 values"},
        {{"\x08\x03\x10\x01\x18\x01\x22\x02xy\x28\x01", 12}, "in 2 bytes are no picture"},
        {{"\x08\x03\x10\x00\x18\x01\x28\x01", 8}, "3 x 0 x 1 values"},
        {{"\x08\x03\x10\xff\xff\xff\xff\x07\x18\xff\xff\xff\xff\x07\x22\x02xy\x28\x01", 20},
         "2147483647"},
        {{"\x28\x01\x38\x01", 4}, "is empty"},
        {{"\x22\x04what\x28\x01\x38\x01", 10}, "no picture but text"},
    };
    enum { COUNT = sizeof cases / sizeof *cases };
    message messages[COUNT + 1] = {{"", 0}};
    for (int i = 0; i < COUNT; i++)
        messages[i] = cases[i].message;
    make_database("refused", messages, COUNT + 1);
    an_dataset *dataset = opened("refused", AN_SPLIT_TRAIN);
    an_image image = {0};
    for (size_t i = 0; i < COUNT; i++) {
        char name[64];
        snprintf(name, sizeof name, "0000000%zu_x%zu", i, i);
        assert_fails(an_dataset_read(dataset, i, &image, error), ALEXNET_FORMAT, cases[i].part);
        assert_fails(an_dataset_read(dataset, i, &image, error), ALEXNET_FORMAT, name);
    }
    an_image_free(&image);
    an_dataset_close(dataset);
}

static void assert_refused(const char *name, const char *part) {
    an_dataset *dataset;
    assert_fails(an_dataset_open(name, AN_SPLIT_TRAIN, 1, &dataset, error), ALEXNET_FORMAT, part);
    assert_null(dataset);
}

static void test_refused_databases(void **state) {
    (void)state;
    const message good[] = {RAW(1, 1, 1, 0, "a"), RAW(1, 1, 1, 1, "b")};
    message bad[] = {RAW(1, 1, 1, 0, "a"), RAW(1, 1, 1, -1, "b")};
    make_database("bad", bad, 2);
    assert_refused("bad", "record 1 is of class -1");
    bad[1] = RAW(1, 1, 1, INT32_MAX, "b");
    make_database("bad-2", bad, 2);
    assert_refused("bad-2", "class 2147483647");
    make_database("bad-3", good, 1);
    assert_refused("bad-3", "of one class");
    bad[1].size--;
    make_database("bad-4", bad, 2);
    assert_refused("bad-4", "record 1 (00000001_x1) is no whole Datum");
    put_text("bad-5/data.mdb", "nothing");
    assert_refused("bad-5", "no LMDB database");
    make_database("bad-8", good, 0);
    assert_refused("bad-8", "holds no records");
    put_text("bad-6/pack.part", "");
    assert_refused("bad-6", "half-made");
    make_database("bad-7", good, 2);
    put_text("bad-7/labels.txt", "one\n");
    assert_refused("bad-7", "names 1 classes, but the records of bad-7 are of 2");
    put_text("bad-7/labels.txt", "one\n\nthree\n");
    assert_refused("bad-7", "line 2 names no class");
    put_text("bad-7/alexnet.json", "{}");
    assert_refused("bad-7", "is not what this version");
}

static void test_names(void **state) {
    (void)state;
    const message messages[] = {RAW(1, 1, 1, 0, "a"), RAW(1, 1, 1, 1, "b")};
    make_database("named/train_lmdb", messages, 2);
    put_text("named/synset_words.txt", "n01440764 tench, Tinca tinca\nn01443537 goldfish\r\n"
                                       "n01484850 great white shark\n\n");
    an_dataset *dataset = opened("named/train_lmdb/", AN_SPLIT_TRAIN);
    assert_int_equal(dataset->classes, 3); /* also one that no picture is of */
    assert_string_equal(dataset->class_names[0], "tench, Tinca tinca");
    assert_string_equal(dataset->class_names[1], "goldfish");
    assert_string_equal(dataset->class_ids[2], "n01484850");
    an_dataset_close(dataset);
    put_text("named/train_lmdb/labels.txt", "first\nsecond");
    dataset = opened("named/train_lmdb", AN_SPLIT_TRAIN);
    assert_int_equal(dataset->classes, 2);
    assert_string_equal(dataset->class_names[1], "second");
    assert_null(dataset->class_ids);
    an_dataset_close(dataset);
}

/* A folder with a database for each part, as pack makes them and as Caffe's examples do. */
static void test_parts(void **state) {
    (void)state;
    const message messages[] = {RAW(1, 1, 1, 0, "a"), RAW(1, 1, 1, 1, "b"), RAW(1, 1, 1, 1, "c")};
    static const char *const parts[][3] = {
        {"own", "own/train", "own/val"},
        {"caffe", "caffe/ilsvrc12_train_lmdb", "caffe/ilsvrc12_val_lmdb"},
        {"tests", "tests/mnist_train_lmdb", "tests/mnist_test_lmdb"}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        make_database(parts[i][1], messages, 3);
        assert_false(an_dataset_has_held_out(parts[i][0]));
        an_dataset *dataset = opened(parts[i][0], AN_SPLIT_HELD_OUT); /* the one that there is */
        assert_int_equal(dataset->count, 3);
        an_dataset_close(dataset);
        make_database(parts[i][2], messages, 2);
        assert_true(an_dataset_has_held_out(parts[i][0]));
        dataset = opened(parts[i][0], AN_SPLIT_TRAIN);
        assert_int_equal(dataset->count, 3);
        assert_string_equal(dataset->name, parts[i][1]);
        an_dataset_close(dataset);
        dataset = opened(parts[i][0], AN_SPLIT_HELD_OUT);
        assert_int_equal(dataset->count, 2);
        an_dataset_close(dataset);
        assert_false(an_dataset_has_held_out(parts[i][1]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_same_bytes),      cmocka_unit_test(test_writer),
        cmocka_unit_test(test_damaged),         cmocka_unit_test(test_harm),
        cmocka_unit_test(test_datum),           cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refused_records), cmocka_unit_test(test_refused_databases),
        cmocka_unit_test(test_names),           cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
