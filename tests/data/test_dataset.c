/* Data sets as folders: what is found, in which order, and what is refused. */
#include "data/dataset.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "testing.h"

/* A folder of its own for every test. */
typedef struct scratch {
    char root[64];
    uint8_t pictures[2][16]; /* two PPM files of one pixel, black and white */
} scratch;

static int setup(void **state) {
    static scratch self;
    strcpy(self.root, "/tmp/alexnet-test-XXXXXX");
    memcpy(self.pictures[0], "P6 1 1 255\n\0\0", 14);
    memcpy(self.pictures[1], "P6 1 1 255\n\xff\xff\xff", 14);
    *state = &self;
    return mkdtemp(self.root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *ftw) {
    (void)info;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state) {
    return nftw(((scratch *)*state)->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file below the root, with the folders above it. */
static void put(const scratch *self, const char *name, const void *bytes, size_t size) {
    char *path = an_path_join(self->root, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_ok(an_make_folder(path, error));
    *slash = '/';
    assert_ok(an_write_file(path, bytes, size, error));
    free(path);
}

static void put_pictures(const scratch *self, const char *const *names) {
    for (; *names; names++)
        put(self, *names, self->pictures[0], 14);
}

static void make_folder(const scratch *self, const char *name) {
    char *path = an_path_join(self->root, name);
    assert_ok(an_make_folder(path, error));
    free(path);
}

static an_dataset *opened(const char *name, an_split split) {
    an_dataset *dataset = NULL;
    assert_ok(an_dataset_open(name, split, 1, &dataset, error));
    return dataset;
}

/* The pictures' names behind the root and a slash. */
static void assert_holds(const scratch *self, const an_dataset *dataset, const char *const *names,
                         const int *labels) {
    size_t count = 0;
    for (; names[count]; count++) {
        char text[200];
        assert_true(count < dataset->count);
        an_dataset_describe(dataset, count, text, sizeof text);
        assert_memory_equal(text, self->root, strlen(self->root));
        assert_string_equal(text + strlen(self->root) + 1, names[count]);
        assert_int_equal(dataset->labels[count], labels[count]);
    }
    assert_int_equal(dataset->count, count);
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The order is that of Python's sorted() over (folder, name), as in torchvision's ImageFolder. */
static void test_folder(void **state) {
    const scratch *self = *state;
    put_pictures(self, NAMES("cat/b.JPG", "cat/a.png", "cat/B.ppm", "cat/sub/z.pgm",
                             "cat/sub-2/y.webp", "cat/sub/a.jpg", "cat/.hidden.jpg", "Zebra/1.jpg",
                             ".git/x.jpg", "dog/10.jpg", "dog/9.jpg", "beside.jpg"));
    put(self, "cat/notes.txt", "no picture", 10);
    put(self, "cat/jpg", "no picture", 10);
    put(self, "dog/2.ppm", self->pictures[1], 14);
    an_dataset *dataset = opened(self->root, AN_SPLIT_TRAIN);
    assert_string_equal(dataset->kind->name, "folder");
    assert_string_equal(dataset->name, self->root);
    assert_int_equal(dataset->classes, 3);
    assert_string_equal(dataset->class_names[0], "Zebra");
    assert_string_equal(dataset->class_names[1], "cat");
    assert_string_equal(dataset->class_names[2], "dog");
    assert_holds(self, dataset,
                 NAMES("Zebra/1.jpg", "cat/B.ppm", "cat/a.png", "cat/b.JPG", "cat/sub/a.jpg",
                       "cat/sub/z.pgm", "cat/sub-2/y.webp", "dog/10.jpg", "dog/2.ppm", "dog/9.jpg"),
                 (const int[]){0, 1, 1, 1, 1, 1, 1, 2, 2, 2});
    an_image image = {0};
    assert_ok(an_dataset_read(dataset, 7, &image, error));
    assert_int_equal(image.pixels[0], 0);
    assert_ok(an_dataset_read(dataset, 8, &image, error));
    assert_int_equal(image.pixels[0], 255);
    assert_fails(an_dataset_read(dataset, 10, &image, error), ALEXNET_INVALID, "no picture 10");
    put(self, "dog/2.ppm", "no picture at all", 17);
    assert_fails(an_dataset_read(dataset, 8, &image, error), ALEXNET_FORMAT, "dog/2.ppm: is no");
    an_image_free(&image);
    an_dataset_close(dataset);
    assert_false(an_dataset_has_held_out(self->root));

    /* Links are followed, and slashes behind the name do no harm. */
    char target[100], link[100], name[100];
    snprintf(target, sizeof target, "%s/dog", self->root);
    snprintf(link, sizeof link, "%s/ant", self->root);
    assert_int_equal(symlink(target, link), 0);
    snprintf(name, sizeof name, "%s//", self->root);
    dataset = opened(name, AN_SPLIT_HELD_OUT);
    assert_int_equal(dataset->classes, 4);
    assert_int_equal(dataset->count, 13);
    assert_string_equal(dataset->class_names[1], "ant");
    an_dataset_close(dataset);

    /* A link that leads back up is refused, rather than followed round and round. */
    snprintf(link, sizeof link, "%s/dog/loop", self->root);
    assert_int_equal(symlink(self->root, link), 0);
    assert_fails(an_dataset_open(self->root, AN_SPLIT_TRAIN, 1, &dataset, error), ALEXNET_IO,
                 "/loop: this link leads back up");
    assert_null(dataset);
}

static void test_folder_of_splits(void **state) {
    const scratch *self = *state;
    put_pictures(self, NAMES("train/a/1.jpg", "train/b/2.jpg", "test/a/3.jpg", "test/b/4.jpg"));
    an_dataset *dataset = opened(self->root, AN_SPLIT_TRAIN);
    assert_holds(self, dataset, NAMES("train/a/1.jpg", "train/b/2.jpg"), (const int[]){0, 1});
    an_dataset_close(dataset);
    assert_true(an_dataset_has_held_out(self->root));
    dataset = opened(self->root, AN_SPLIT_HELD_OUT);
    assert_holds(self, dataset, NAMES("test/a/3.jpg", "test/b/4.jpg"), (const int[]){0, 1});
    an_dataset_close(dataset);
    put_pictures(self, NAMES("val/a/5.jpg", "val/b/6.jpg")); /* goes before test/ */
    dataset = opened(self->root, AN_SPLIT_HELD_OUT);
    assert_holds(self, dataset, NAMES("val/a/5.jpg", "val/b/6.jpg"), (const int[]){0, 1});
    an_dataset_close(dataset);
}

static void assert_refused(const scratch *self, alexnet_status status, const char *sentence) {
    an_dataset *dataset = NULL;
    assert_fails(an_dataset_open(self->root, AN_SPLIT_TRAIN, 1, &dataset, error), status, sentence);
    assert_fails(an_dataset_open(self->root, AN_SPLIT_TRAIN, 1, &dataset, error), status,
                 self->root);
    assert_null(dataset);
}

static void test_folders_that_will_not_do(void **state) {
    const scratch *self = *state;
    assert_refused(self, ALEXNET_FORMAT, "holds no class folders");
    put_pictures(self, NAMES("1.jpg", "2.jpg"));
    assert_refused(self, ALEXNET_FORMAT, "holds pictures but no class folders");
    put_pictures(self, NAMES("train/a/1.jpg", "train/b/1.jpg"));
    assert_refused(self, ALEXNET_FORMAT, "a single class folder, train");
    make_folder(self, "other");
    assert_refused(self, ALEXNET_FORMAT, "other: this class folder holds no pictures");
    put(self, "other/text.txt", "x", 1);
    assert_refused(self, ALEXNET_FORMAT, "other: this class folder holds no pictures");
    an_dataset *dataset = NULL;
    assert_ok(an_dataset_open_to_look(self->root, AN_SPLIT_TRAIN, 1, &dataset, error));
    assert_int_equal(dataset->classes, 2);
    assert_int_equal(dataset->count, 2);
    assert_int_equal(dataset->labels[0], 1); /* `other` is the first */
    an_dataset_close(dataset);

    char missing[100];
    snprintf(missing, sizeof missing, "%s/nothing/a", self->root);
    assert_ok(an_make_folder(missing, error));
    snprintf(missing, sizeof missing, "%s/nothing/b", self->root);
    assert_ok(an_make_folder(missing, error));
    snprintf(missing, sizeof missing, "%s/nothing", self->root);
    assert_fails(an_dataset_open_to_look(missing, AN_SPLIT_TRAIN, 1, &dataset, error),
                 ALEXNET_FORMAT, "nothing: its class folders hold no pictures");
    snprintf(missing, sizeof missing, "%s/nowhere", self->root);
    assert_fails(an_dataset_open(missing, AN_SPLIT_TRAIN, 1, &dataset, error), ALEXNET_IO,
                 "nowhere: there is no such folder");
    snprintf(missing, sizeof missing, "%s/1.jpg", self->root);
    assert_fails(an_dataset_open(missing, AN_SPLIT_TRAIN, 1, &dataset, error), ALEXNET_IO,
                 "1.jpg: is a file");
    assert_false(an_dataset_has_held_out(missing));
}

/* Pictures that cannot be read are counted, by their extension; where there are no others, that is
 * said. */
static void test_unread(void **state) {
    const scratch *self = *state;
    char text[512], part[128];
    put_pictures(self, NAMES("a/1.jpg", "a/sub/2.BMP", "b/1.jpg", "b/2.gif", "b/3.bmp", "b/4.txt"));
    an_dataset *dataset = opened(self->root, AN_SPLIT_TRAIN);
    assert_int_equal(dataset->count, 2);
    assert_int_equal(an_unread_sum(&dataset->unread), 3);
    assert_true(an_unread_tell(&dataset->unread, "photos", text, sizeof text));
    assert_string_equal(text, "photos: 3 pictures of formats that are not read (2 .bmp, 1 .gif) "
                              "are left out");
    an_dataset_close(dataset);
    put_pictures(self, NAMES("c/1.heic"));
    snprintf(part, sizeof part, "%s/c: this class folder holds no pictures (", self->root);
    assert_refused(self, ALEXNET_FORMAT, part);
    assert_refused(self, ALEXNET_FORMAT, "only 1 picture of a format that is not read (1 .heic)");
}

/* A pipe would be waited for. */
static void test_pipe(void **state) {
    const scratch *self = *state;
    put_pictures(self, NAMES("a/1.jpg", "b/1.jpg"));
    char *pipe = an_path_join(self->root, "b/pipe.jpg");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    free(pipe);
    an_dataset *dataset = opened(self->root, AN_SPLIT_TRAIN);
    assert_int_equal(dataset->count, 2);
    an_dataset_close(dataset);
}

/* Root may read everything, and so becomes somebody else meanwhile. */
static void test_unreadable_folder(void **state) {
    const scratch *self = *state;
    put_pictures(self, NAMES("a/1.jpg", "b/locked/2.jpg"));
    char locked[100];
    snprintf(locked, sizeof locked, "%s/b/locked", self->root);
    assert_int_equal(chmod(self->root, 0755), 0);
    assert_int_equal(chmod(locked, 0), 0);
    const uid_t user = geteuid();
    if (user == 0)
        assert_int_equal(seteuid(65534), 0);
    assert_refused(self, ALEXNET_IO, "locked: this folder cannot be read: Permission denied");
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(chmod(locked, 0755), 0);
}

enum { RECORD = 3073 };

/* A batch whose record i has class (first + i) % 10 and pixels that tell channels and places apart.
 */
static void put_batch(const scratch *self, const char *name, int first, size_t records,
                      size_t extra) {
    uint8_t *bytes = calloc(records + 1, RECORD);
    for (size_t i = 0; i < records; i++) {
        bytes[i * RECORD] = (uint8_t)((first + (int)i) % 10);
        for (size_t p = 0; p < 3072; p++)
            bytes[i * RECORD + 1 + p] = (uint8_t)(p / 1024 * 80 + p % 32 + i);
    }
    put(self, name, bytes, records * RECORD + extra);
    free(bytes);
}

static void test_cifar10(void **state) {
    const scratch *self = *state;
    for (int i = 1; i <= 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        put_batch(self, name, i, (size_t)i, 0);
    }
    assert_false(an_dataset_has_held_out(self->root));
    an_dataset *dataset = NULL;
    assert_fails(an_dataset_open(self->root, AN_SPLIT_HELD_OUT, 1, &dataset, error), ALEXNET_IO,
                 "test_batch.bin");
    put_batch(self, "test_batch.bin", 7, 2, 0);
    assert_true(an_dataset_has_held_out(self->root));

    dataset = opened(self->root, AN_SPLIT_TRAIN);
    assert_string_equal(dataset->kind->name, "cifar10");
    assert_int_equal(dataset->count, 15);
    assert_int_equal(dataset->classes, 10);
    assert_string_equal(dataset->class_names[0], "airplane");
    assert_string_equal(dataset->class_names[9], "truck");
    static const int labels[15] = {1, 2, 3, 3, 4, 5, 4, 5, 6, 7, 5, 6, 7, 8, 9};
    an_image image = {0};
    for (size_t i = 0; i < 15; i++)
        assert_int_equal(dataset->labels[i], labels[i]);
    assert_ok(an_dataset_read(dataset, 14, &image, error)); /* record 4 of data_batch_5.bin */
    assert_int_equal(image.width, 32);
    assert_int_equal(image.height, 32);
    for (int i = 0; i < 1024; i++)
        for (int c = 0; c < 3; c++)
            assert_int_equal(image.pixels[3 * i + c], c * 80 + i % 32 + 4);
    char text[200];
    an_dataset_describe(dataset, 14, text, sizeof text);
    assert_non_null(strstr(text, "data_batch_5.bin, record 4"));
    assert_fails(an_dataset_read(dataset, 15, &image, error), ALEXNET_INVALID, "no picture 15");
    an_dataset_close(dataset);
    an_image_free(&image);

    static const char names[] = "a\nb\nc\r\nd\ne\nf\ng\nh\ni\nlast\n\n";
    put(self, "batches.meta.txt", names, sizeof names - 1);
    dataset = opened(self->root, AN_SPLIT_HELD_OUT);
    assert_int_equal(dataset->count, 2);
    assert_int_equal(dataset->labels[0], 7);
    assert_string_equal(dataset->class_names[2], "c");
    assert_string_equal(dataset->class_names[9], "last");
    an_dataset_close(dataset);
    put(self, "batches.meta.txt", names, 10);
    assert_refused(self, ALEXNET_MISMATCH,
                   "batches.meta.txt: names 5 classes, one a line, but there are 10");
}

/* Two labels a record, of which the second is the class. */
static void put_cifar100(const scratch *self, const char *name, size_t records) {
    enum { RECORD_100 = 3074 };
    uint8_t *bytes = calloc(records, RECORD_100);
    for (size_t i = 0; i < records; i++) {
        uint8_t *record = bytes + i * RECORD_100;
        record[0] = (uint8_t)(i % 20);
        record[1] = (uint8_t)(99 - i);
        for (size_t p = 0; p < 3072; p++)
            record[2 + p] = (uint8_t)(p / 1024 * 80 + p % 32 + i);
    }
    put(self, name, bytes, records * RECORD_100);
    free(bytes);
}

static void test_cifar100(void **state) {
    const scratch *self = *state;
    put_cifar100(self, "train.bin", 3);
    assert_false(an_dataset_has_held_out(self->root));
    put_cifar100(self, "test.bin", 100);
    assert_true(an_dataset_has_held_out(self->root));
    an_dataset *dataset = opened(self->root, AN_SPLIT_TRAIN);
    assert_string_equal(dataset->kind->name, "cifar100");
    assert_int_equal(dataset->count, 3);
    assert_int_equal(dataset->classes, 100);
    assert_int_equal(dataset->labels[2], 97);
    assert_string_equal(dataset->class_names[0], "apple");
    assert_string_equal(dataset->class_names[47], "maple_tree");
    assert_string_equal(dataset->class_names[99], "worm");
    for (int i = 1; i < 100; i++)
        assert_true(strcmp(dataset->class_names[i - 1], dataset->class_names[i]) < 0);
    an_image image = {0};
    assert_ok(an_dataset_read(dataset, 2, &image, error));
    for (int i = 0; i < 1024; i++)
        for (int c = 0; c < 3; c++)
            assert_int_equal(image.pixels[3 * i + c], c * 80 + i % 32 + 2);
    an_image_free(&image);
    an_dataset_close(dataset);
    dataset = opened(self->root, AN_SPLIT_HELD_OUT);
    assert_int_equal(dataset->count, 100);
    assert_int_equal(dataset->labels[99], 0);
    an_dataset_close(dataset);

    char names[300] = "";
    for (int i = 0; i < 100; i++)
        snprintf(names + strlen(names), 4, "%d\n", i);
    put(self, "fine_label_names.txt", names, strlen(names));
    dataset = opened(self->root, AN_SPLIT_TRAIN);
    assert_string_equal(dataset->class_names[42], "42");
    an_dataset_close(dataset);
    put(self, "fine_label_names.txt", names, strlen(names) - 3);
    assert_refused(self, ALEXNET_MISMATCH, "fine_label_names.txt: names 99 classes");
    put(self, "train.bin", names, 100);
    assert_refused(self, ALEXNET_FORMAT,
                   "train.bin: its 100 bytes are not a number of whole CIFAR-100 records of 3074");
}

static void test_cifar10_that_will_not_do(void **state) {
    const scratch *self = *state;
    for (int i = 1; i <= 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        put_batch(self, name, 0, 1, 0);
    }
    put_batch(self, "data_batch_3.bin", 0, 2, 1);
    assert_refused(self, ALEXNET_FORMAT, "data_batch_3.bin: its 6147 bytes");
    put(self, "data_batch_3.bin", "", 0);
    assert_refused(self, ALEXNET_FORMAT, "data_batch_3.bin: its 0 bytes");
    put_batch(self, "data_batch_3.bin", 0, 10, 0);
    char path[100];
    snprintf(path, sizeof path, "%s/data_batch_4.bin", self->root);
    unlink(path);
    assert_refused(self, ALEXNET_IO, "data_batch_4.bin: cannot be opened");
    uint8_t record[2 * RECORD] = {0};
    record[RECORD] = 10;
    put(self, "data_batch_4.bin", record, sizeof record);
    assert_refused(self, ALEXNET_FORMAT, "data_batch_4.bin: record 1 says class 10 of 10");
}

/* What other names are, and what cannot be compared. */
static void test_other_classes(void **state) {
    const scratch *self = *state;
    char tench[] = "tench", goldfish[] = "goldfish", shark[] = "great white shark";
    char first[] = "n01440764", second[] = "n01443537", zero[] = "0", one[] = "1";
    char *same[] = {first, second}, *swapped[] = {second, first};
    char *words[] = {tench, goldfish}, *others[] = {tench, shark}, *numbers[] = {zero, one};
    put_pictures(self, NAMES("n01440764/1.jpg", "n01443537/1.jpg"));
    an_dataset *dataset;
    assert_ok(an_dataset_open(self->root, AN_SPLIT_TRAIN, 1, &dataset, error));
    assert_int_equal(an_dataset_other_class(dataset, NULL), -1);
    assert_int_equal(an_dataset_other_class(dataset, same), -1);
    assert_int_equal(an_dataset_other_class(dataset, swapped), 0);
    assert_int_equal(an_dataset_other_class(dataset, numbers), -1);
    assert_int_equal(an_dataset_other_class(dataset, words), -1); /* ids on one side alone */

    dataset->class_ids = dataset->class_names;
    dataset->class_names = words;
    assert_int_equal(an_dataset_other_class(dataset, words), -1);
    assert_int_equal(an_dataset_other_class(dataset, same), -1);
    assert_int_equal(an_dataset_other_class(dataset, swapped), 0);
    assert_int_equal(an_dataset_other_class(dataset, others), 1);
    dataset->class_names = dataset->class_ids;
    dataset->class_ids = NULL;
    an_dataset_close(dataset);
}

int main(void) {
#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_folder),
        SCRATCH_TEST(test_folder_of_splits),
        SCRATCH_TEST(test_folders_that_will_not_do),
        SCRATCH_TEST(test_unread),
        SCRATCH_TEST(test_pipe),
        SCRATCH_TEST(test_unreadable_folder),
        SCRATCH_TEST(test_other_classes),
        SCRATCH_TEST(test_cifar10),
        SCRATCH_TEST(test_cifar100),
        SCRATCH_TEST(test_cifar10_that_will_not_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
