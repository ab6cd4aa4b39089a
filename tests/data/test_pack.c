/*
 * Packing: what is in the database, and that whatever stops it, the same call ends with the same
 * bytes: kill -9 at random moments, Ctrl-C, a full disk.
 */
#include "data/pack.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "core/clock.h"
#include "core/random.h"
#include "data/lmdb_reader.h"
#include "data/packed.h"
#include "scratch.h"

/* --- a data set ---------------------------------------------------------------------------- */

enum { COUNT = 203, CLASSES = 3, BROKEN = 17 }; /* every 17th picture is broken */

typedef struct fake {
    an_dataset base;
    bool no_memory;
} fake;

static void fake_destroy(an_dataset *dataset) {
    free(dataset);
}

static void fake_describe(const an_dataset *dataset, size_t index, char *text, size_t size) {
    snprintf(text, size, "%s/class/%zu.jpg", dataset->name, index);
}

static int width_of(size_t index) {
    return 30 + (int)(index % 5);
}

static int height_of(size_t index) {
    return 26 + (int)(index % 9);
}

/* Noise on a colour that differs from picture to picture. */
static alexnet_status fake_fetch(const an_dataset *dataset, size_t index, an_sample *out,
                                 alexnet_error *error) {
    an_random random = an_random_stream(5, AN_RANDOM_TEST, 1, index);
    if (((const fake *)dataset)->no_memory)
        return an_fail(error, ALEXNET_NO_MEMORY, "none is left");
    if (index % BROKEN == BROKEN - 1)
        return an_fail(error, ALEXNET_FORMAT, "picture %zu is broken", index);
    AN_TRY(an_sample_reserve_rgb(out, width_of(index), height_of(index), error));
    for (size_t i = 0; i < out->size; i++)
        out->buffer[i] = (uint8_t)(50 * (i % 3) + index % 100 + an_random_below(&random, 50));
    return ALEXNET_OK;
}

static const an_dataset_kind fake_kind = {"fake", fake_destroy, fake_fetch, fake_describe, NULL};

static an_dataset *open_fake(void) {
    fake *self = calloc(1, sizeof *self);
    assert_non_null(self);
    assert_ok(an_dataset_begin(&self->base, &fake_kind, "fake", COUNT, CLASSES, error));
    self->base.class_ids = calloc(CLASSES + 1, sizeof *self->base.class_ids);
    assert_non_null(self->base.class_ids);
    for (int i = 0; i < CLASSES; i++) {
        char text[32];
        snprintf(text, sizeof text, "name \"%d\" \xc3\xa9", i);
        self->base.class_names[i] = strdup(text);
        snprintf(text, sizeof text, "n%08d", i);
        self->base.class_ids[i] = strdup(text);
    }
    for (int i = 0; i < COUNT; i++)
        self->base.labels[i] = i * CLASSES / COUNT;
    return &self->base;
}

static an_pack_options options(void) {
    return (an_pack_options){.resize = 24,
                             .quality = 90,
                             .threads = 2,
                             .max_broken = 0.1,
                             .checkpoint = 0}; /* after every few pictures */
}

static alexnet_status pack(const char *folder, an_pack_options how, an_pack_result *result,
                           alexnet_error *error) {
    an_dataset *dataset = open_fake();
    const alexnet_status status = an_pack(dataset, folder, &how, NULL, result, error);
    an_dataset_close(dataset);
    return status;
}

static void packed(const char *folder, an_pack_options how) {
    an_pack_result result;
    assert_ok(pack(folder, how, &result, error));
    assert_int_equal(result.images, COUNT - COUNT / BROKEN);
    assert_int_equal(result.broken, COUNT / BROKEN);
    assert_false(result.was_there);
}

static const char *inside(const char *folder, const char *name) {
    static char paths[4][200];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* The same files with the same bytes, and nothing left of the work. */
static void assert_same_packs(const char *a, const char *b) {
    static const char *const files[] = {AN_PACKED_DATABASE, AN_PACKED_DESCRIPTION, AN_PACKED_LABELS,
                                        AN_PACKED_MEAN};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_same_files(inside(a, files[i]), inside(b, files[i]));
    assert_false(an_is_file(inside(b, AN_PACKED_PART)));
    assert_false(an_is_file(inside(b, AN_PACKED_COPY)));
}

/* --- what is in it ------------------------------------------------------------------------- */

static void test_content(void **state) {
    (void)state;
    packed("content", options());
    an_dataset *from = open_fake(), *to;
    assert_ok(an_dataset_open("content", AN_SPLIT_TRAIN, 0, &to, error));
    assert_int_equal(to->count, COUNT - COUNT / BROKEN);
    assert_int_equal(to->classes, CLASSES);
    for (int i = 0; i < CLASSES; i++) {
        assert_string_equal(to->class_names[i], from->class_names[i]);
        assert_string_equal(to->class_ids[i], from->class_ids[i]);
    }
    an_image before = {0}, resized = {0}, after = {0};
    size_t record = 0;
    for (size_t i = 0; i < COUNT; i++) {
        int width, height;
        char name[64], expected[64];
        if (i % BROKEN == BROKEN - 1)
            continue;
        an_dataset_describe(to, record, name, sizeof name);
        snprintf(expected, sizeof expected, "content/%08zu_class/%zu.jpg", i, i);
        assert_string_equal(name, expected);
        assert_int_equal(to->labels[record], from->labels[i]);
        assert_ok(an_dataset_read(from, i, &before, error));
        an_short_side_size(before.width, before.height, 24, &width, &height);
        assert_ok(an_image_resize(&before, width, height, &resized, error));
        assert_ok(an_dataset_read(to, record, &after, error));
        assert_int_equal(after.width, width);
        assert_int_equal(after.height, height);
        double difference = 0;
        for (size_t p = 0; p < (size_t)width * (size_t)height * 3; p++)
            difference += abs(after.pixels[p] - resized.pixels[p]);
        assert_true(difference / (width * height * 3) < 12); /* noise in colour, at 4:2:0 */
        record++;
    }
    an_image_free(&before);
    an_image_free(&resized);
    an_image_free(&after);
    an_dataset_close(from);
    an_dataset_close(to);
}

/* cmocka compares in single precision. */
static void assert_near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.12g is not %.12g", value, expected);
}

/* The statistics against sums in floating point over what was stored raw, which is exact. */
static void test_statistics(void **state) {
    (void)state;
    enum { SIDE = 24, PLANE = SIDE * SIDE };
    an_pack_options raw = options();
    raw.raw = raw.square = true;
    packed("raw", raw);
    an_dataset *dataset;
    assert_ok(an_dataset_open("raw", AN_SPLIT_TRAIN, 0, &dataset, error));
    const an_statistics *found = dataset->statistics;
    assert_non_null(found);
    assert_int_equal(found->side, SIDE);
    static double image[3 * PLANE];
    double mean[3] = {0}, product[3][3] = {{0}};
    an_image picture = {0};
    for (size_t i = 0; i < dataset->count; i++) {
        assert_ok(an_dataset_read(dataset, i, &picture, error));
        assert_true(picture.width == SIDE && picture.height == SIDE);
        for (size_t p = 0; p < PLANE; p++)
            for (int a = 0; a < 3; a++) {
                const double value = picture.pixels[3 * p + (size_t)a];
                image[(size_t)a * PLANE + p] += value / (double)dataset->count;
                mean[a] += value;
                for (int b = 0; b < 3; b++)
                    product[a][b] += value * picture.pixels[3 * p + (size_t)b];
            }
    }
    const double pixels = (double)dataset->count * PLANE;
    for (int a = 0; a < 3; a++) {
        assert_near(found->mean[a], mean[a] / pixels, 1e-9);
        for (int b = 0; b < 3; b++)
            assert_near(found->covariance[a][b],
                        product[a][b] / pixels - mean[a] * mean[b] / pixels / pixels, 1e-6);
    }
    for (size_t i = 0; i < 3 * PLANE; i++)
        assert_near(found->mean_image[i], image[i], 1e-4);
    an_image_free(&picture);
    an_dataset_close(dataset);
}

/* Without resizing the pictures' squares differ: there is no mean image, but means there are. */
static void test_as_it_is(void **state) {
    (void)state;
    an_pack_options how = options();
    how.resize = 0;
    packed("as-it-is", how);
    an_dataset *dataset;
    an_image picture = {0};
    assert_ok(an_dataset_open("as-it-is", AN_SPLIT_TRAIN, 0, &dataset, error));
    assert_int_equal(dataset->statistics->side, 0);
    assert_null(dataset->statistics->mean_image);
    assert_true(dataset->statistics->mean[2] - dataset->statistics->mean[0] > 90);
    assert_ok(an_dataset_read(dataset, 3, &picture, error));
    assert_true(picture.width == width_of(3) && picture.height == height_of(3));
    an_image_free(&picture);
    /* JPEGs of the right size stay as they are, unless they shall not. */
    an_pack_result result;
    assert_ok(an_pack(dataset, "again", &how, NULL, &result, error));
    how.reencode = true;
    how.quality = 50;
    assert_ok(an_pack(dataset, "anew", &how, NULL, &result, error));
    an_dataset_close(dataset);
    an_lmdb once, twice, anew;
    assert_ok(an_lmdb_open("as-it-is/data.mdb", &once, error));
    assert_ok(an_lmdb_open("again/data.mdb", &twice, error));
    assert_ok(an_lmdb_open("anew/data.mdb", &anew, error));
    for (size_t i = 0; i < once.count; i++) {
        const an_lmdb_record *record = &once.records[i];
        assert_int_equal(record->value_size, twice.records[i].value_size);
        assert_memory_equal(record->value, twice.records[i].value, record->value_size);
        assert_true(anew.records[i].value_size < record->value_size);
    }
    an_lmdb_close(&once);
    an_lmdb_close(&twice);
    an_lmdb_close(&anew);
}

static void test_threads(void **state) {
    (void)state;
    packed("threads-2", options());
    an_pack_options how = options();
    how.threads = 1;
    how.checkpoint = 1000;
    packed("threads-1", how);
    assert_same_packs("threads-2", "threads-1");
    how.threads = 7;
    packed("threads-7", how);
    assert_same_packs("threads-2", "threads-7");
}

/* Another order, each picture once; the seed chooses it. */
static void test_shuffle(void **state) {
    (void)state;
    an_pack_options how = options();
    how.shuffle = true;
    packed("shuffled", how);
    packed("shuffled-same", how);
    assert_same_packs("shuffled", "shuffled-same");
    how.seed = 1;
    packed("shuffled-other", how);
    an_lmdb first, second;
    assert_ok(an_lmdb_open("shuffled/data.mdb", &first, error));
    assert_ok(an_lmdb_open("shuffled-other/data.mdb", &second, error));
    bool seen[COUNT] = {false};
    int alike = 0;
    for (size_t i = 0; i < first.count; i++) {
        const size_t picture = strtoul((const char *)first.records[i].key + 15, NULL, 10);
        assert_true(picture < COUNT && !seen[picture]);
        seen[picture] = true;
        alike += picture == strtoul((const char *)second.records[i].key + 15, NULL, 10);
    }
    assert_true(alike < 20);
    an_lmdb_close(&first);
    an_lmdb_close(&second);
}

/* --- stopped ------------------------------------------------------------------------------- */

static pid_t start(const char *folder) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    an_pack_result result;
    alexnet_error error;
    const alexnet_status status = pack(folder, options(), &result, &error);
    if (status != ALEXNET_OK)
        fprintf(stderr, "%s\n", error.message);
    _exit(status == ALEXNET_OK ? 0 : 1);
}

static bool wait_for(pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFEXITED(status);
}

static void test_killed(void **state) {
    (void)state;
    enum { KILLS = 20, MOST_TRIALS = 200 };
    an_random random = an_random_stream(9, AN_RANDOM_TEST, 0, 0);
    const double begin = an_seconds();
    assert_true(wait_for(start("unbroken")));
    const double seconds = an_seconds() - begin;
    int kills = 0, trials = 0, halves = 0, copies = 0;
    for (; kills < KILLS && trials < MOST_TRIALS; trials++) {
        bool done = false;
        while (!done) {
            const pid_t child = start("killed");
            usleep((unsigned)(1e6 * seconds * an_random_uniform(&random)));
            kill(child, SIGKILL);
            done = wait_for(child);
            kills += !done;
            halves += !done && an_is_file("killed/pack.part");
            copies += !done && an_is_file("killed/pack.copy");
        }
        assert_same_packs("unbroken", "killed");
        remove_folder("killed");
    }
    print_message("killed %d times, %d of them half done, %d copying; packed %d "
                  "times\n",
                  kills, halves, copies, trials);
    assert_true(kills >= KILLS && halves >= KILLS / 2);
}

/* What an observer sees, and when it stops. */
typedef struct watch {
    size_t stop_at; /* stops once so many are done */
    size_t resumed, done;
    int broken, verified;
    const char *folder; /* packs into it once more, which must fail */
} watch;

static bool progress(void *context, const an_pack_progress *now) {
    watch *on = context;
    assert_int_equal(now->pictures, now->verifying ? COUNT - COUNT / BROKEN : COUNT);
    on->resumed = now->resumed;
    on->verified += now->verifying;
    if (!now->verifying) {
        assert_true(now->done > on->done);
        on->done = now->done;
    }
    if (on->folder) {
        an_pack_result result;
        assert_fails(pack(on->folder, options(), &result, error), ALEXNET_IO, "another process");
    }
    return now->done < on->stop_at;
}

static void broken(void *context, const char *message) {
    watch *on = context;
    char expected[64];
    const int picture = BROKEN * ++on->broken - 1;
    snprintf(expected, sizeof expected, "picture %d is broken", picture);
    assert_non_null(strstr(message, expected));
}

static alexnet_status pack_watched(const char *folder, watch *on, alexnet_error *error) {
    const an_pack_observer observer = {progress, broken, on};
    const an_pack_options how = options();
    an_dataset *dataset = open_fake();
    an_pack_result result;
    const alexnet_status status = an_pack(dataset, folder, &how, &observer, &result, error);
    an_dataset_close(dataset);
    return status;
}

static void test_interrupted(void **state) {
    (void)state;
    watch first = {.stop_at = 100, .folder = "interrupted"};
    watch second = {.stop_at = SIZE_MAX};
    packed("straight", options());
    assert_fails(pack_watched("interrupted", &first, error), ALEXNET_INTERRUPTED,
                 "the same command goes on");
    assert_true(first.done >= 100 && first.done < COUNT);
    second.broken = first.broken; /* each is named once */
    assert_ok(pack_watched("interrupted", &second, error));
    assert_int_equal(second.resumed, first.done);
    assert_int_equal(second.broken, COUNT / BROKEN);
    assert_same_packs("straight", "interrupted");
}

/* Half-made or finished, a pack is gone on with, or done, only for what it began with. */
static void test_other_settings(void **state) {
    (void)state;
    watch on = {0};
    for (int finished = 0; finished < 2; finished++) {
        on.stop_at = finished ? SIZE_MAX : 50;
        an_pack_result result;
        (void)pack_watched("settings", &on, NULL);
        an_pack_options other = options();
        other.quality = 80;
        assert_fails(pack("settings", other, &result, error), ALEXNET_INVALID,
                     "began with encoding \"JPEG 90 4:2:0\", and now it is \"JPEG 80 4:2:0\"");
        other = options();
        other.resize = 25;
        assert_fails(pack("settings", other, &result, error), ALEXNET_INVALID, "resize 24");
        an_dataset *dataset = open_fake();
        dataset->labels[7] = 2;
        other = options();
        assert_fails(an_pack(dataset, "settings", &other, NULL, &result, error), ALEXNET_INVALID,
                     "the list of pictures");
        an_dataset_close(dataset);
    }
    an_pack_result result;
    assert_ok(pack("settings", options(), &result, error));
    assert_true(result.was_there);
    assert_int_equal(result.images, COUNT - COUNT / BROKEN);
}

/* Changes a byte of a half-made pack, so many before the end of the value whose key begins so. */
static void change(const char *path, const char *key, size_t from_end) {
    an_lmdb database;
    assert_ok(an_lmdb_open(path, &database, error));
    const an_lmdb_record *record = database.records;
    while (memcmp(record->key, key, strlen(key)) != 0)
        assert_true(++record < database.records + database.count);
    const uint8_t *at = record->value + record->value_size - from_end, byte = *at ^ 1;
    const int file = open(path, O_WRONLY);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, &byte, 1, at - database.mapping.bytes), 1);
    assert_int_equal(close(file), 0);
    an_lmdb_close(&database);
}

/* A byte that changes on the disk between writing and the end is found when all is read back: in a
 * picture, and in a class. */
static void test_read_back(void **state) {
    (void)state;
    static const struct {
        size_t from_end; /* of a Datum, whose label is followed by `encoded` */
        const char *part;
    } cases[] = {{100, "what was read back"}, {3, "is not as it was written"}};
    for (size_t i = 0; i < 2; i++) {
        an_pack_result result;
        watch on = {.stop_at = 50};
        assert_int_equal(pack_watched("disk", &on, NULL), ALEXNET_INTERRUPTED);
        change("disk/pack.part", "00000040_", cases[i].from_end);
        for (int trial = 0; trial < 2; trial++) {
            assert_fails(pack("disk", options(), &result, error), ALEXNET_FORMAT, cases[i].part);
            assert_false(an_is_file("disk/data.mdb") || an_is_file("disk/pack.copy"));
        }
        remove_folder("disk");
    }
}

/* Killed behind the last record: with a copy that is not whole, or before all was removed. */
static void test_copied(void **state) {
    (void)state;
    an_pack_result result;
    watch on = {.stop_at = 50};
    packed("done", options());
    assert_int_equal(pack_watched("copied", &on, NULL), ALEXNET_INTERRUPTED);
    change("copied/pack.part", "00000040_", 100);
    assert_fails(pack("copied", options(), &result, error), ALEXNET_FORMAT, "what was read back");
    change("copied/pack.part", "00000040_", 100);
    put_text("copied/pack.copy", "half a copy");
    packed("copied", options());
    assert_same_packs("done", "copied");
    put_text("copied/pack.copy", "half a copy");
    put_text("copied/pack.part", "a database");
    assert_ok(pack("copied", options(), &result, error));
    assert_true(result.was_there);
    assert_same_packs("done", "copied");
}

static void test_refused(void **state) {
    (void)state;
    an_pack_result result;
    an_pack_options how = options();
    how.max_broken = 0.01;
    assert_fails(pack("refused", how, &result, error), ALEXNET_FORMAT, "11 of 203 pictures");
    how = options();
    how.quality = 0;
    assert_fails(pack("quality", how, &result, error), ALEXNET_INVALID, "not 0");
    put_text("file", "a file");
    assert_fails(pack("file", options(), &result, error), ALEXNET_IO, "a file of that name");
    put_text("other/data.mdb", "another's");
    assert_fails(pack("other", options(), &result, error), ALEXNET_INVALID, "did not make");
    watch on = {.stop_at = 50};
    assert_int_equal(pack_watched("damaged", &on, NULL), ALEXNET_INTERRUPTED);
    change("damaged/pack.part", "!", 100);
    assert_fails(pack("damaged", options(), &result, error), ALEXNET_FORMAT, "begin anew");
    assert_int_equal(remove("damaged/pack.part"), 0);
    packed("damaged", options());
    on = (watch){.stop_at = 50};
    assert_int_equal(pack_watched("cut", &on, NULL), ALEXNET_INTERRUPTED);
    assert_int_equal(truncate("cut/pack.part", 8192), 0);
    assert_fails(pack("cut", options(), &result, error), ALEXNET_FORMAT, "lies outside the file");
    put_text("no-database/pack.part", "something");
    assert_fails(pack("no-database", options(), &result, error), ALEXNET_FORMAT, "begin anew");
    an_dataset *dataset = open_fake();
    ((fake *)dataset)->no_memory = true; /* which is no picture's fault */
    how = options();
    assert_fails(an_pack(dataset, "memory", &how, NULL, &result, error), ALEXNET_NO_MEMORY,
                 "none is left");
    an_dataset_close(dataset);
}

/* A disk that is full is said to be, and with room again the same call goes on. */
static void test_full_disk(void **state) {
    (void)state;
    struct rlimit before, limit;
    an_pack_result result;
    packed("roomy", options());
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 100 << 10;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_fails(pack("full", options(), &result, error), ALEXNET_IO, "what has been packed stays");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(an_is_file("full/pack.part"));
    packed("full", options());
    assert_same_packs("roomy", "full");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content),     cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_as_it_is),    cmocka_unit_test(test_threads),
        cmocka_unit_test(test_shuffle),     cmocka_unit_test(test_killed),
        cmocka_unit_test(test_interrupted), cmocka_unit_test(test_other_settings),
        cmocka_unit_test(test_read_back),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_full_disk),   cmocka_unit_test(test_copied),
    };
    return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
