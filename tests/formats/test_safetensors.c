/* The safetensors reader against files made by hand, and the writer against the reader. */
#include "formats/safetensors.h"

#include <signal.h>

#include "formats/temporary.h"

/* A file of a header and `data_size` bytes of tensors, all 0x5a. */
static const char *make_file(const char *header, size_t data_size) {
    const uint64_t length = strlen(header);
    uint8_t bytes[4096];
    assert_true(8 + length + data_size < sizeof bytes);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length + 1);
    memset(bytes + 8 + length, 0x5a, data_size);
    return write_temporary("made.safetensors", bytes, 8 + length + data_size);
}

static const char two_tensors[] =
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"b\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[8,14]},"
    "\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}   ";

static void test_reads(void **state) {
    (void)state;
    an_tensor_file file;
    assert_ok(an_safetensors_open(make_file(two_tensors, 14), &file, error));
    assert_int_equal(file.tensor_count, 2);
    assert_string_equal(file.tensors[0].name, "a"); /* in the order of the bytes */
    const an_file_tensor *b = an_tensor_find(&file, "b");
    assert_non_null(b);
    assert_string_equal(b->dtype, "F16");
    assert_int_equal(b->dims, 1);
    assert_int_equal(b->shape[0], 3);
    assert_int_equal(b->size, 6);
    assert_int_equal(b->bytes[0], 0x5a);
    assert_string_equal(an_tensor_file_metadata(&file, "format"), "pt");
    assert_null(an_tensor_file_metadata(&file, "other"));
    assert_null(an_tensor_find(&file, "__metadata__"));
    an_tensor_file_close(&file);
}

/* What the Python package writes for {"x": float32 (2), "e": float32 (0), "s": float32 ()}. */
static void test_reads_the_packages_file(void **state) {
    (void)state;
    static const char header[] = "{\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
                                 "\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                                 "\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}";
    an_tensor_file file;
    assert_ok(an_safetensors_open(make_file(header, 12), &file, error));
    assert_int_equal(an_tensor_find(&file, "e")->size, 0);
    assert_int_equal(an_tensor_find(&file, "s")->dims, 0);
    assert_int_equal(an_tensor_find(&file, "s")->size, 4);
    an_tensor_file_close(&file);
    assert_ok(an_safetensors_open(make_file("{}", 0), &file, error));
    assert_int_equal(file.tensor_count, 0);
    an_tensor_file_close(&file);
}

#define ONE(entry) "{\"t\":{" entry "}}"

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        alexnet_status status;
        const char *part;
    } cases[] = {
        {" {}", 0, ALEXNET_FORMAT, "not a safetensors"},
        {"[]", 0, ALEXNET_FORMAT, "not a safetensors"},
        {"{", 0, ALEXNET_FORMAT, "not a safetensors"},
        {"{}x", 0, ALEXNET_FORMAT, "byte 11"},
        {"{\"t\":}", 0, ALEXNET_FORMAT, "JSON"},
        {"{\"t\":\"\xff\"}", 0, ALEXNET_FORMAT, "JSON"},
        {"{\"t\":1,\"t\":2}", 0, ALEXNET_FORMAT, "duplicate"},
        {ONE("\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]"), 1,
         ALEXNET_FORMAT, "duplicate"},
        {"{\"t\":1}", 0, ALEXNET_FORMAT, "'t' has no dtype"},
        {ONE("\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,1]"), 1, ALEXNET_FORMAT, "dtype"},
        {ONE("\"dtype\":\"F12\",\"shape\":[1],\"data_offsets\":[0,1]"), 1, ALEXNET_UNSUPPORTED,
         "'F12'"},
        {ONE("\"dtype\":\"U8\",\"data_offsets\":[0,1]"), 1, ALEXNET_FORMAT, "shape"},
        {ONE("\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]"), 1,
         ALEXNET_FORMAT, "8 dimensions"},
        {ONE("\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]"), 1, ALEXNET_FORMAT,
         "dimension 0"},
        {ONE("\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]"), 1, ALEXNET_FORMAT,
         "dimension 0"},
        {ONE("\"dtype\":\"U8\",\"shape\":[99999999999999999999],\"data_offsets\":[0,1]"), 1,
         ALEXNET_FORMAT, "too big"},
        {ONE("\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]"), 0,
         ALEXNET_FORMAT, "shape"},
        {ONE("\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]"), 0,
         ALEXNET_FORMAT, "shape"},
        {ONE("\"dtype\":\"U8\",\"shape\":[1]"), 1, ALEXNET_FORMAT, "data_offsets"},
        {ONE("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]"), 1, ALEXNET_FORMAT,
         "data_offsets"},
        {ONE("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,1]"), 1, ALEXNET_FORMAT,
         "data_offsets"},
        {ONE("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]"), 1, ALEXNET_FORMAT, "lies"},
        {ONE("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]"), 1, ALEXNET_FORMAT, "lies"},
        {ONE("\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]"), 1, ALEXNET_FORMAT,
         "not copied whole"},
        {ONE("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]"), 4, ALEXNET_FORMAT, "F32"},
        {ONE("\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]"), 1, ALEXNET_FORMAT, "F4"},
        {ONE("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]"), 2, ALEXNET_FORMAT, "holes"},
        {ONE("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]"), 2, ALEXNET_FORMAT,
         "1 bytes behind"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
         3, ALEXNET_FORMAT, "overlap"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}",
         3, ALEXNET_FORMAT, "holes"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[1,1]}}",
         2, ALEXNET_FORMAT, "'b'"},
        {"{\"__metadata__\":1}", 0, ALEXNET_FORMAT, "__metadata__"},
        {"{\"__metadata__\":{\"k\":1}}", 0, ALEXNET_FORMAT, "'k'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        an_tensor_file file;
        const char *path = make_file(cases[i].header, cases[i].data);
        assert_fails(an_safetensors_open(path, &file, error), cases[i].status, cases[i].part);
        assert_fails(an_safetensors_open(path, &file, error), cases[i].status, path);
    }
}

static void test_refuses_lengths(void **state) {
    (void)state;
    static const uint64_t lengths[] = {0, 1, 3, 100000000, 100000001, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint8_t bytes[10] = {0, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
        memcpy(bytes, &lengths[i], 8);
        an_tensor_file file;
        const char *path = write_temporary("length.safetensors", bytes, sizeof bytes);
        assert_fails(an_safetensors_open(path, &file, error), ALEXNET_FORMAT, "safetensors");
    }
    /* A header that is there, but longer than the format allows; a sparse file. */
    an_tensor_file file;
    const uint64_t length = 100000001;
    uint8_t bytes[10] = {0, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    memcpy(bytes, &length, 8);
    const char *path = write_temporary("long.safetensors", bytes, sizeof bytes);
    assert_int_equal(truncate(path, 8 + (off_t)length), 0);
    assert_fails(an_safetensors_open(path, &file, error), ALEXNET_FORMAT,
                 "is not a safetensors file");
    assert_fails(an_safetensors_open(temporary("none"), &file, error), ALEXNET_IO, "none");
    assert_fails(an_safetensors_open(temporary_folder, &file, error), ALEXNET_IO, "regular");
}

static void test_refuses_deep_nesting(void **state) {
    (void)state;
    enum { depth = 100000 };
    uint8_t *bytes = malloc(8 + 5 + depth);
    assert_non_null(bytes);
    static const uint8_t begin[] = {'{', '"', 't', '"', ':'};
    const uint64_t length = sizeof begin + depth;
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, begin, sizeof begin);
    memset(bytes + 8 + sizeof begin, '[', depth);
    an_tensor_file file;
    const char *path = write_temporary("deep.safetensors", bytes, 8 + length);
    assert_fails(an_safetensors_open(path, &file, error), ALEXNET_FORMAT, "depth");
    free(bytes);
}

/* Cut off anywhere it is refused; with any one bit changed it is read or refused, no more. */
static void test_damaged(void **state) {
    (void)state;
    an_mapping whole;
    assert_ok(an_map(make_file(two_tensors, 14), &whole, error));
    uint8_t bytes[512];
    assert_true(whole.size <= sizeof bytes);
    for (size_t size = 0; size < whole.size; size++) {
        an_tensor_file file;
        const char *path = write_temporary("cut.safetensors", whole.bytes, size);
        assert_fails(an_safetensors_open(path, &file, error), ALEXNET_FORMAT, path);
        for (int bit = 0; bit < 8; bit++) {
            memcpy(bytes, whole.bytes, whole.size);
            bytes[size] ^= (uint8_t)(1 << bit);
            path = write_temporary("flip.safetensors", bytes, whole.size);
            if (an_safetensors_open(path, &file, NULL) == ALEXNET_OK)
                an_tensor_file_close(&file);
        }
    }
    an_unmap(&whole);
}

static alexnet_status fill_counting(void *context, size_t index, void *out, alexnet_error *error) {
    if (index == 9)
        return an_fail(error, ALEXNET_BACKEND, "cannot supply it");
    float *values = out;
    for (int i = 0; i < 6; i++)
        values[i] = (float)(100 * (int)index + i);
    ++*(int *)context;
    return ALEXNET_OK;
}

static void test_round_trip(void **state) {
    (void)state;
    const uint32_t odd[4] = {0x7fc12345, 0x80000000, 0x00000001, 0xff800000}; /* NaN, -0, ... */
    float values[4];
    memcpy(values, odd, sizeof values);
    const float scalar = 3;
    const an_tensor_source tensors[] = {
        {"z.weight", 2, {2, 2}, values, NULL},
        {"empty", 3, {2, 0, 5}, NULL, NULL},
        {"scalar", 0, {0}, &scalar, "F32"},
        {"filled", 2, {2, 3}, NULL, NULL},
    };
    char name_key[] = "name", name[] = "caf\xc3\xa9 \"x\"\n";
    char folder_key[] = "folder", folder[] = "caf\xe9"; /* Latin-1, which JSON cannot say */
    const an_metadata metadata[] = {{name_key, name}, {folder_key, folder}};
    int filled = 0;
    const char *path = temporary("round.safetensors");
    assert_ok(an_safetensors_write(path, tensors, 4, metadata, 2, fill_counting, &filled, error));
    assert_int_equal(filled, 1);

    an_tensor_file file;
    assert_ok(an_safetensors_open(path, &file, error));
    assert_int_equal(file.tensor_count, 4);
    const an_file_tensor *z = an_tensor_find(&file, "z.weight");
    assert_int_equal((size_t)(z->bytes - file.mappings[0].bytes) % 64, 0);
    assert_int_equal(z->size, sizeof odd);
    assert_memory_equal(z->bytes, odd, sizeof odd);
    assert_memory_equal(an_tensor_find(&file, "scalar")->bytes, &scalar, 4);
    assert_int_equal(an_tensor_find(&file, "empty")->shape[2], 5);
    const float expected[6] = {300, 301, 302, 303, 304, 305};
    assert_memory_equal(an_tensor_find(&file, "filled")->bytes, expected, sizeof expected);
    assert_string_equal(an_tensor_file_metadata(&file, "name"), name);
    assert_string_equal(an_tensor_file_metadata(&file, "folder"), "caf?");
    an_tensor_file_close(&file);

    assert_ok(an_safetensors_write(path, NULL, 0, NULL, 0, NULL, NULL, error));
    assert_ok(an_safetensors_open(path, &file, error));
    assert_int_equal(file.tensor_count + file.metadata_count, 0);
    an_tensor_file_close(&file);
}

static void test_writer_refuses(void **state) {
    (void)state;
    const float one = 1;
    an_tensor_source tensors[] = {{"a", 1, {1}, &one, NULL}, {"a", 1, {1}, &one, NULL}};
    const char *path = temporary("refused.safetensors");
    assert_fails(an_safetensors_write(path, tensors, 2, NULL, 0, NULL, NULL, error),
                 ALEXNET_INVALID, "'a'");
    tensors[1] = (an_tensor_source){"b", 2, {INT64_MAX, 8}, &one, NULL};
    assert_fails(an_safetensors_write(path, tensors, 2, NULL, 0, NULL, NULL, error),
                 ALEXNET_INVALID, "'b'");
    assert_false(an_is_file(path));
    assert_fails(an_safetensors_write(temporary("no/such"), tensors, 1, NULL, 0, NULL, NULL, error),
                 ALEXNET_IO, "no/such");
}

/* Whatever goes wrong while writing, the file that was there stays, and nothing beside it. */
static void test_failure_keeps_the_old_file(void **state) {
    (void)state;
    static float large[1 << 16];
    const float one = 1;
    an_tensor_source tensors[10] = {{"old", 1, {1}, &one, NULL}};
    const char *path = temporary("kept.safetensors");
    assert_ok(an_safetensors_write(path, tensors, 1, NULL, 0, NULL, NULL, error));
    const int files = count_temporary_files();

    signal(SIGXFSZ, SIG_IGN);
    tensors[0] = (an_tensor_source){"new", 1, {1 << 16}, large, NULL};
    limit_file_size(100000);
    assert_fails(an_safetensors_write(path, tensors, 1, NULL, 0, NULL, NULL, error), ALEXNET_IO,
                 "what it held before stays");
    limit_file_size(RLIM_INFINITY);

    char names[10][8];
    for (int i = 0; i < 10; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i);
        tensors[i] = (an_tensor_source){names[i], 1, {6}, NULL, NULL};
    }
    int filled = 0;
    assert_fails(an_safetensors_write(path, tensors, 10, NULL, 0, fill_counting, &filled, error),
                 ALEXNET_BACKEND, "supply");

    assert_int_equal(count_temporary_files(), files);
    an_tensor_file file;
    assert_ok(an_safetensors_open(path, &file, error));
    assert_non_null(an_tensor_find(&file, "old"));
    an_tensor_file_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_reads_the_packages_file),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_refuses_lengths),
        cmocka_unit_test(test_refuses_deep_nesting),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_writer_refuses),
        cmocka_unit_test(test_failure_keeps_the_old_file),
    };
    return cmocka_run_group_tests(tests, make_temporary_folder, remove_temporary_folder);
}
