/* ILSVRC's archives: what damaged, hostile and misnamed ones are refused for. What sound ones hold
 * is compared with what Python wrote by archives_interop.py, too. */
#include <zlib.h>

#ifdef AN_WITH_MATIO
#include <matio.h>
#endif

#include "archive_files.h"
#include "data/inflate.h"

/* A class's archive with these pictures, none NULL, put into the archive to learn from. */
static void put_class(tar_file *train, const char *name, const char *const *pictures) {
    tar_file inner = {0};
    for (; *pictures; pictures++)
        tar_put(&inner, '0', *pictures, WHITE);
    tar_finish(&inner);
    tar_put(train, '0', name, inner.bytes, inner.size);
    free(inner.bytes);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_learning_without_a_kit(void **state) {
    (void)state;
    tar_file train = {0};
    tar_put_text(&train, '0', "README.tar.txt", "no class");
    put_class(&train, "n3.tar", LIST("n3_7.JPEG"));
    put_class(&train, "n1.tar", LIST("n1_9.JPEG", "notes.txt", "n1_10.JPEG"));
    put_class(&train, "deep/n2.tar", LIST("n2_1.JPEG"));
    save(&train, "ILSVRC2012_img_train.tar");
    an_dataset *dataset = opened("", AN_SPLIT_HELD_OUT);
    assert_string_equal(dataset->kind->name, "ilsvrc");
    assert_false(an_dataset_has_held_out(temporary("")));
    assert_int_equal(dataset->classes, 3);
    assert_string_equal(dataset->class_names[0], "n1");
    assert_string_equal(dataset->class_names[1], "n2");
    assert_string_equal(dataset->class_names[2], "n3");
    assert_null(dataset->class_ids);
    static const char *const names[] = {"n1_10.JPEG", "n1_9.JPEG", "n2_1.JPEG", "n3_7.JPEG"};
    assert_int_equal(dataset->count, 4);
    an_sample sample = {0};
    for (size_t i = 0; i < 4; i++) {
        char text[600];
        an_dataset_describe(dataset, i, text, sizeof text);
        assert_string_equal(an_path_base(text), names[i]);
        assert_ok(an_dataset_fetch(dataset, i, &sample, error));
        assert_int_equal(sample.size, sizeof white - 1);
        assert_memory_equal(sample.bytes, white, sizeof white - 1);
        assert_null(sample.buffer); /* nothing is copied */
    }
    assert_int_equal(dataset->labels[1], 0);
    assert_int_equal(dataset->labels[2], 1);
    assert_int_equal(dataset->labels[3], 2);
    an_dataset_close(dataset);

    put_class(&train, "n1.tar", LIST("n1_9.JPEG"));
    put_class(&train, "n2.tar", LIST("n1_9.JPEG"));
    save(&train, "ILSVRC2010_images_train.tar");
    dataset = opened("ILSVRC2010_images_train.tar", AN_SPLIT_TRAIN);
    assert_int_equal(dataset->classes, 2);
    an_dataset_close(dataset);
}

static void test_archives_to_learn_from_that_will_not_do(void **state) {
    (void)state;
    static const char name[] = "ILSVRC2012_img_train.tar";
    tar_file train = {0};
    save(&train, name);
    assert_refused(name, AN_SPLIT_TRAIN, ALEXNET_FORMAT, "train.tar: holds no archive of a class");
    put_class(&train, "n1.tar", LIST("a.jpg"));
    save(&train, name);
    assert_refused(name, AN_SPLIT_TRAIN, ALEXNET_FORMAT, "holds a single archive of a class");
    put_class(&train, "n1.tar", LIST("a.jpg"));
    put_class(&train, "x/n1.tar", LIST("a.jpg"));
    save(&train, name);
    assert_refused(name, AN_SPLIT_TRAIN, ALEXNET_FORMAT, "n1.tar: is there twice");
    put_class(&train, "n1.tar", LIST("a.jpg"));
    put_class(&train, "n2.tar", LIST("a.txt"));
    save(&train, name);
    assert_refused(name, AN_SPLIT_TRAIN, ALEXNET_FORMAT,
                   "ILSVRC2012_img_train.tar/n2.tar: holds no pictures");
    put_class(&train, "n1.tar", LIST("a.jpg"));
    put_class(&train, "n2.tar", LIST("a.jpg", "b.jpg"));
    train.bytes[train.size - (size_t)4 * AN_TAR_BLOCK]++; /* in the name b.jpg */
    save(&train, name);
    assert_refused(name, AN_SPLIT_TRAIN, ALEXNET_FORMAT,
                   "n2.tar: a tar header is damaged at byte 1024");
    put_class(&train, "n1.tar", LIST("a.jpg"));
    tar_put_claiming(&train, '0', "n2.tar", "x", 1, "00077777777");
    save(&train, name);
    assert_refused(name, AN_SPLIT_TRAIN, ALEXNET_FORMAT, "larger than what is left");
    tar_put_text(&train, '0', "ILSVRC2012_val_00000001.JPEG", "x");
    save(&train, "ILSVRC2012_img_val.tar");
    assert_refused("ILSVRC2012_img_val.tar", AN_SPLIT_TRAIN, ALEXNET_IO,
                   "is told by the development kit, ILSVRC2012_devkit..., which is to lie beside");
}

/* Packs bytes as gzip does, behind what is there. */
static void put_gzip(tar_file *out, const void *bytes, size_t size) {
    enum { gzip = 16 };
    z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)bytes, .avail_in = (uInt)size};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + gzip, 8, 0), Z_OK);
    const size_t room = deflateBound(&stream, size), before = out->size;
    stream.next_out = tar_append(out, room);
    stream.avail_out = (uInt)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out->size = before + stream.total_out;
    assert_int_equal(deflateEnd(&stream), Z_OK);
}

static void test_inflate(void **state) {
    (void)state;
    enum { SIZE = 3 << 20 };
    uint8_t *plain = calloc(1, SIZE), *out;
    size_t size;
    for (size_t i = 0; i < SIZE; i += 1 + i % 700)
        plain[i] = (uint8_t)(i * 7);
    tar_file packed = {0};
    put_gzip(&packed, plain, SIZE - 10);
    const size_t first = packed.size;
    put_gzip(&packed, plain + SIZE - 10, 10);
    assert_ok(an_inflate("a.gz", packed.bytes, packed.size, SIZE, &out, &size, error));
    assert_int_equal(size, SIZE);
    assert_memory_equal(out, plain, SIZE);
    free(out);
    assert_fails(an_inflate("a.gz", packed.bytes, packed.size, SIZE - 1, &out, &size, error),
                 ALEXNET_FORMAT, "a.gz: unpacks to more than the 3145727 bytes");
    assert_null(out);
    for (size_t cut = 0; cut < packed.size; cut += 1 + cut / 3) {
        assert_true(cut != first);
        assert_fails(an_inflate("a.gz", packed.bytes, cut, SIZE, &out, &size, error),
                     ALEXNET_FORMAT, "cut off");
    }
    packed.bytes[first / 2] ^= 1;
    assert_fails(an_inflate("a.gz", packed.bytes, packed.size, SIZE, &out, &size, error),
                 ALEXNET_FORMAT, "is damaged at byte");
    free(packed.bytes);
    free(plain);
}

#ifdef AN_WITH_MATIO

/* A development kit of three classes and a group of them. */
typedef struct kit {
    const char *variable, *id_field;
    double ids[4], children[4];
    const char *wnids[4];
    const char *truth;
} kit;

static const kit good = {.variable = "synsets",
                         .id_field = "ILSVRC2012_ID",
                         .ids = {1, 2, 3, 4},
                         .children = {0, 0, 0, 3},
                         .wnids = {"n3", "n1", "n2", "n9"},
                         .truth = "3\n1\n2\n2\n"};

static matvar_t *text_variable(const char *text) {
    size_t dims[2] = {1, strlen(text)};
    return Mat_VarCreate(NULL, MAT_C_CHAR, MAT_T_UTF8, 2, dims, (void *)(uintptr_t)text, 0);
}

static matvar_t *number_variable(double value) {
    size_t dims[2] = {1, 1};
    return Mat_VarCreate(NULL, MAT_C_DOUBLE, MAT_T_DOUBLE, 2, dims, &value, 0);
}

static tar_file meta_of(const kit *self, enum matio_compression compression) {
    static const char *const words[4] = {"three", "one, Una", "tw\303\266", "all"};
    const char *path = temporary("meta.mat");
    size_t dims[2] = {4, 1};
    const char *fields[4] = {self->id_field, "WNID", "words", "num_children"};
    unlink(path);
    mat_t *mat = Mat_CreateVer(path, NULL, MAT_FT_MAT5);
    matvar_t *synsets = Mat_VarCreateStruct(self->variable, 2, dims, fields, 4);
    for (size_t i = 0; i < 4; i++) {
        Mat_VarSetStructFieldByName(synsets, self->id_field, i, number_variable(self->ids[i]));
        Mat_VarSetStructFieldByName(synsets, "WNID", i, text_variable(self->wnids[i]));
        Mat_VarSetStructFieldByName(synsets, "words", i, text_variable(words[i]));
        Mat_VarSetStructFieldByName(synsets, "num_children", i, number_variable(self->children[i]));
    }
    assert_int_equal(Mat_VarWrite(mat, synsets, compression), 0);
    Mat_VarFree(synsets);
    Mat_Close(mat);
    tar_file out;
    assert_ok(an_read_file(path, 1 << 20, &out.bytes, &out.size, error));
    unlink(path);
    return out;
}

/* Writes a kit whose meta.mat is what `meta` holds, which is forgotten. */
static void save_kit(tar_file *meta, const char *truth) {
    tar_file tar = {0}, packed = {0};
    tar_put(&tar, '0', "a kit/data/meta.mat", meta->bytes, meta->size);
    if (truth)
        tar_put_text(&tar, '0', "a kit/data/ILSVRC2012_validation_ground_truth.txt", truth);
    tar_finish(&tar);
    put_gzip(&packed, tar.bytes, tar.size);
    (void)write_temporary("ILSVRC2012_devkit_t12.tar.gz", packed.bytes, packed.size);
    free(tar.bytes);
    free(packed.bytes);
    free(meta->bytes);
    *meta = (tar_file){0};
}

static void put_kit(const kit *self) {
    tar_file meta = meta_of(self, MAT_COMPRESSION_ZLIB);
    save_kit(&meta, self->truth);
}

static void put_train(void) {
    tar_file train = {0};
    put_class(&train, "n2.tar", LIST("n2_1.JPEG"));
    put_class(&train, "n3.tar", LIST("n3_1.JPEG"));
    save(&train, "ILSVRC2012_img_train.tar");
}

static void test_kit(void **state) {
    (void)state;
    tar_file val = {0};
    put_train();
    put_kit(&good);
    tar_put(&val, '0', "val/ILSVRC2012_val_00000004.JPEG", WHITE);
    tar_put(&val, '0', "val/ILSVRC2012_val_00000001.JPEG", WHITE);
    tar_put_text(&val, '0', "val/index.html", "no picture");
    tar_put(&val, '0', "val/ILSVRC2012_val_00000003.JPEG", WHITE);
    save(&val, "ILSVRC2012_img_val.tar");
    assert_true(an_dataset_has_held_out(temporary("")));
    for (an_split split = AN_SPLIT_TRAIN; split <= AN_SPLIT_HELD_OUT; split++) {
        an_dataset *dataset = opened("", split);
        assert_int_equal(dataset->classes, 3); /* though the archive has but two of them */
        assert_string_equal(dataset->class_names[0], "one, Una");
        assert_string_equal(dataset->class_names[1], "tw\303\266");
        assert_string_equal(dataset->class_names[2], "three");
        assert_string_equal(dataset->class_ids[0], "n1");
        assert_string_equal(dataset->class_ids[2], "n3");
        if (split == AN_SPLIT_TRAIN) {
            assert_int_equal(dataset->count, 2);
            assert_int_equal(dataset->labels[0], 1);
            assert_int_equal(dataset->labels[1], 2);
        } else { /* IDs 3, 2, 2 of the pictures 1, 3, 4 */
            assert_int_equal(dataset->count, 3);
            assert_int_equal(dataset->labels[0], 1);
            assert_int_equal(dataset->labels[1], 0);
            assert_int_equal(dataset->labels[2], 0);
        }
        an_dataset_close(dataset);
    }

    static const char *const strangers[] = {"ILSVRC2012_val_00000005.JPEG",
                                            "ILSVRC2012_val_00000000.JPEG", "ILSVRC2012_val_x.JPEG",
                                            "ILSVRC2012_val_1x.JPEG", "n2_1.JPEG"};
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        tar_put(&val, '0', strangers[i], WHITE);
        save(&val, "ILSVRC2012_img_val.tar");
        assert_refused("", AN_SPLIT_HELD_OUT, ALEXNET_MISMATCH,
                       "is none of the 4 pictures that the development kit has classes for");
    }
}

static void test_kits_that_will_not_do(void **state) {
    (void)state;
    static const struct {
        kit kit;
        alexnet_status status;
        const char *part;
    } cases[] = {
        {{"others", "ILSVRC2012_ID", {1, 2, 3, 4}, {0, 0, 0, 3}, {"n3", "n1", "n2", "n9"}, "1\n"},
         ALEXNET_FORMAT,
         "kit/data/meta.mat: holds no variable `synsets`"},
        {{"synsets", "ILSVRC2010_ID", {1, 2, 3, 4}, {0, 0, 0, 3}, {"n3", "n1", "n2", "n9"}, "1\n"},
         ALEXNET_FORMAT,
         "the IDs of its classes are not 1, 2, ..."},
        {{"synsets", "ILSVRC2012_ID", {1, 2, 2, 4}, {0, 0, 0, 3}, {"n3", "n1", "n2", "n9"}, "1\n"},
         ALEXNET_FORMAT,
         "the IDs of its classes are not 1, 2, ..."},
        {{"synsets", "ILSVRC2012_ID", {1, 2, 4, 3}, {0, 0, 0, 3}, {"n3", "n1", "n2", "n9"}, "1\n"},
         ALEXNET_FORMAT,
         "the IDs of its classes are not 1, 2, ..."},
        {{"synsets", "ILSVRC2012_ID", {1, 2, 3, 4}, {1, 1, 1, 3}, {"n3", "n1", "n2", "n9"}, "1\n"},
         ALEXNET_FORMAT,
         "none of its synsets has the number of children 0"},
        {{"synsets", "ILSVRC2012_ID", {1, 2, 3, 4}, {0, 0, 0, 3}, {"n3", "n1", "", "n9"}, "1\n"},
         ALEXNET_FORMAT,
         "a class has no WNID or no words"},
        {{"synsets", "ILSVRC2012_ID", {1, 2, 3, 4}, {0, 0, 0, 3}, {"n3", "n1", "n3", "n9"}, "1\n"},
         ALEXNET_FORMAT,
         "has the class n3 twice"},
        {{"synsets", "ILSVRC2012_ID", {1, 2, 3, 4}, {0, 0, 0, 3}, {"n3", "n1", "n4", "n9"}, "1\n"},
         ALEXNET_MISMATCH,
         "n2.tar: its class is none of those of the development kit"},
        {{"synsets", "ILSVRC2012_ID", {1, 2, 3, 4}, {0, 0, 0, 3}, {"n3", "n1", "n2", "n9"}, "1\n4"},
         ALEXNET_FORMAT,
         "ground_truth.txt: line 2 is no ID of a class, 1 to 3"},
        {{"synsets", "ILSVRC2012_ID", {1, 2, 3, 4}, {0, 0, 0, 3}, {"n3", "n1", "n2", "n9"}, "0\n"},
         ALEXNET_FORMAT,
         "line 1 is no ID"},
        {{"synsets", "ILSVRC2012_ID", {1, 2, 3, 4}, {0, 0, 0, 3}, {"n3", "n1", "n2", "n9"}, "1\nx"},
         ALEXNET_FORMAT,
         "line 2 is no ID"},
        {{"synsets",
          "ILSVRC2012_ID",
          {1, 2, 3, 4},
          {0, 0, 0, 3},
          {"n3", "n1", "n2", "n9"},
          "99999999999999999999999\n"},
         ALEXNET_FORMAT,
         "line 1 is no ID"},
        {{"synsets", "ILSVRC2012_ID", {1, 2, 3, 4}, {0, 0, 0, 3}, {"n3", "n1", "n2", "n9"}, NULL},
         ALEXNET_FORMAT,
         "holds no data/ILSVRC2012_validation_ground_truth.txt"},
    };
    put_train();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_kit(&cases[i].kit);
        assert_refused("", AN_SPLIT_TRAIN, cases[i].status, cases[i].part);
    }
    tar_file meta = {0};
    tar_append(&meta, 300);
    save_kit(&meta, "1\n");
    assert_refused("", AN_SPLIT_TRAIN, ALEXNET_FORMAT, "meta.mat: is no MATLAB 5 file");
    (void)write_temporary("ILSVRC2012_devkit_t12.tar.gz", "no gzip", 7);
    assert_refused("", AN_SPLIT_TRAIN, ALEXNET_FORMAT, "devkit_t12.tar.gz: is damaged at byte");
}

/* Opens what there is: for a damaged kit that is success, or a sentence. */
static bool is_opened(void) {
    an_dataset *dataset = NULL;
    alexnet_error error = {0};
    const bool is =
        an_dataset_open(temporary(""), AN_SPLIT_TRAIN, 1, &dataset, &error) == ALEXNET_OK;
    assert_true(is || error.message[0]);
    an_dataset_close(dataset);
    return is;
}

/* Cut off and changed meta.mat: read or refused, and nothing else. */
static void test_damaged_synsets(void **state) {
    (void)state;
    put_train();
    size_t refused = 0;
    tar_file meta = meta_of(&good, MAT_COMPRESSION_NONE);
    for (size_t at = 0; at < meta.size; at++) {
        tar_file copy = {0};
        const size_t size = at % 8 == 5 ? at : meta.size;
        memcpy(tar_append(&copy, size), meta.bytes, size);
        if (size == meta.size && at % 2)
            copy.bytes[at] ^= (uint8_t)(1 << at / 8 % 8);
        else if (size == meta.size)
            copy.bytes[at] = 0xff;
        save_kit(&copy, "1\n");
        refused += !is_opened();
    }
    assert_true(refused >
                meta.size / 3); /* of sizes and types each, but not of padding and words */
    free(meta.bytes);
    meta = meta_of(&good, MAT_COMPRESSION_NONE);
    save_kit(&meta, "1\n");
    assert_true(is_opened());
}

/* Wrong sizes that libmatio would take, or that would have it read beyond the end. */
static void test_checked_synsets(void **state) {
    (void)state;
    enum { header = 128, tag = 8, single = 7 };
    static const char damaged[] = "meta.mat: `synsets` is damaged, or no array of structures";
    put_train();
    tar_file meta = meta_of(&good, MAT_COMPRESSION_NONE);
    assert_int_equal(meta.bytes[meta.size - 2 * tag], 9); /* a double, of 8 bytes, comes last */
    meta.bytes[meta.size - 2 * tag] = single;
    save_kit(&meta, "1\n");
    assert_refused("", AN_SPLIT_TRAIN, ALEXNET_FORMAT, damaged);
    meta = meta_of(&good, MAT_COMPRESSION_NONE);
    (void)tar_append(&meta, tag); /* more than its fields, within the array */
    meta.bytes[header + 4] = (uint8_t)(meta.size - header - tag);
    meta.bytes[header + 5] = (uint8_t)((meta.size - header - tag) >> 8);
    save_kit(&meta, "1\n");
    assert_refused("", AN_SPLIT_TRAIN, ALEXNET_FORMAT, damaged);
    meta = meta_of(&good, MAT_COMPRESSION_NONE);
    meta.size -= tag; /* of the last number */
    save_kit(&meta, "1\n");
    assert_refused("", AN_SPLIT_TRAIN, ALEXNET_FORMAT,
                   "holds no variable `synsets`, or is damaged");
}

#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_learning_without_a_kit, setup),
        cmocka_unit_test_setup(test_archives_to_learn_from_that_will_not_do, setup),
        cmocka_unit_test_setup(test_inflate, setup),
#ifdef AN_WITH_MATIO
        cmocka_unit_test_setup(test_kit, setup),
        cmocka_unit_test_setup(test_kits_that_will_not_do, setup),
        cmocka_unit_test_setup(test_damaged_synsets, setup),
        cmocka_unit_test_setup(test_checked_synsets, setup),
#endif
    };
    return cmocka_run_group_tests(tests, make_temporary_folder, remove_temporary_folder);
}
