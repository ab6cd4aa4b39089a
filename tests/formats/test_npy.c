/* The .npy reader against files made by hand, and the writer against the reader. */
#include "formats/npy.h"

#include "formats/temporary.h"

/* A file of this version whose dictionary is padded so that the values begin at a multiple of 4. */
static const char *make_file(int version, const char *dictionary, size_t data_size) {
    uint8_t bytes[1024] = "\x93NUMPY";
    const size_t begin = version == 1 ? 10 : 12;
    const size_t length = (begin + strlen(dictionary) + 4) / 4 * 4 - begin;
    bytes[6] = (uint8_t)version;
    bytes[8] = (uint8_t)length;
    memset(bytes + begin, ' ', length);
    memcpy(bytes + begin, dictionary, strlen(dictionary) + 1);
    bytes[begin + strlen(dictionary)] = ' ';
    bytes[begin + length - 1] = '\n';
    memset(bytes + begin + length, 0, data_size);
    return write_temporary("made.npy", bytes, begin + length + data_size);
}

static void test_reads(void **state) {
    (void)state;
    static const struct {
        const char *dictionary;
        size_t data;
        int dims;
        size_t count;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24, 2, 6},
        {"{\"shape\":(2,),\"descr\":\"<f4\",\"fortran_order\":False}", 8, 1, 2},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ()}", 4, 0, 1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (5, 0), }", 0, 2, 0},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 2), }", 8, 8, 2},
    };
    for (int version = 1; version <= 3; version++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            an_npy npy;
            assert_ok(
                an_npy_open(make_file(version, cases[i].dictionary, cases[i].data), &npy, error));
            assert_int_equal(npy.dims, cases[i].dims);
            assert_int_equal(npy.count, cases[i].count);
            assert_true((npy.values != NULL) == (npy.count > 0));
            an_npy_close(&npy);
        }
}

#define ORDER ", 'fortran_order': False"

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *dictionary;
        size_t data;
        alexnet_status status;
        const char *part;
    } cases[] = {
        {"{'descr': '<f8'" ORDER ", 'shape': (2,), }", 16, ALEXNET_UNSUPPORTED, "'<f8'"},
        {"{'descr': '>f4'" ORDER ", 'shape': (2,), }", 8, ALEXNET_UNSUPPORTED, "'>f4'"},
        {"{'descr': '|u1'" ORDER ", 'shape': (2,), }", 2, ALEXNET_UNSUPPORTED, "astype"},
        {"{'descr': [('x', '<f4')]" ORDER ", 'shape': (2,), }", 8, ALEXNET_UNSUPPORTED, "records"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", 16, ALEXNET_UNSUPPORTED,
         "Fortran"},
        {"{'descr': '<f4'" ORDER ", 'shape': (2,), }", 4, ALEXNET_FORMAT, "4 bytes of values"},
        {"{'descr': '<f4'" ORDER ", 'shape': (2,), }", 12, ALEXNET_FORMAT, "12 bytes of values"},
        {"{'descr': '<f4'" ORDER ", 'shape': (4611686018427387904, 4), }", 0, ALEXNET_FORMAT,
         "0 bytes"},
        {"{'descr': '<f4'" ORDER ", 'shape': (4611686018427387904,), }", 0, ALEXNET_FORMAT,
         "0 bytes"},
        {"{'descr': '<f4'" ORDER ", 'shape': (99999999999999999999,), }", 0, ALEXNET_FORMAT,
         "header"},
        {"{'descr': '<f4'" ORDER ", 'shape': (-1,), }", 4, ALEXNET_FORMAT, "header"},
        {"{'descr': '<f4'" ORDER ", 'shape': (1,1,1,1,1,1,1,1,1), }", 4, ALEXNET_FORMAT, "8 dim"},
        {"{'descr': '<f4'" ORDER ", 'shape': (2 2), }", 16, ALEXNET_FORMAT, "header"},
        {"{'descr': '<f4'" ORDER ", 'shape': 2, }", 8, ALEXNET_FORMAT, "header"},
        {"{'descr': '<f4'" ORDER "}", 4, ALEXNET_FORMAT, "header"},
        {"{'descr': '<f4', 'shape': (1,)}", 4, ALEXNET_FORMAT, "header"},
        {"{'shape': (1,)" ORDER "}", 4, ALEXNET_FORMAT, "header"},
        {"{'descr': '<f4'" ORDER ", 'shape': (1,), 'x': 1}", 4, ALEXNET_FORMAT, "header"},
        {"{'descr': '<f4'" ORDER ", 'shape': (1,)} 7", 4, ALEXNET_FORMAT, "header"},
        {"{'descr': '<f4'" ORDER ", 'shape': (1,)", 4, ALEXNET_FORMAT, "header"},
        {"{'descr': '<f4" ORDER, 4, ALEXNET_FORMAT, "header"},
        {"[]", 4, ALEXNET_FORMAT, "header"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        an_npy npy;
        const char *path = make_file(1, cases[i].dictionary, cases[i].data);
        assert_fails(an_npy_open(path, &npy, error), cases[i].status, cases[i].part);
        assert_fails(an_npy_open(path, &npy, error), cases[i].status, path);
    }
    an_npy npy;
    assert_fails(an_npy_open(make_file(4, "{}", 0), &npy, error), ALEXNET_UNSUPPORTED, "version 4");
    assert_fails(an_npy_open(temporary("none.npy"), &npy, error), ALEXNET_IO, "none.npy");
    static const char odd[] = "\x93NUMPY\x01\x00\x37\x00"
                              "{'descr':'<f4','fortran_order':False,'shape':(1,)}    \nabcd";
    assert_fails(an_npy_open(write_temporary("odd.npy", odd, sizeof odd - 1), &npy, error),
                 ALEXNET_FORMAT, "byte 65");
}

/* Cut off anywhere it is refused; with any one bit changed it is read or refused, no more. */
static void test_damaged(void **state) {
    (void)state;
    an_mapping whole;
    assert_ok(
        an_map(make_file(2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24),
               &whole, error));
    uint8_t bytes[256];
    assert_true(whole.size <= sizeof bytes);
    for (size_t size = 0; size < whole.size; size++) {
        an_npy npy;
        assert_fails(an_npy_open(write_temporary("cut.npy", whole.bytes, size), &npy, error),
                     ALEXNET_FORMAT, "cut.npy");
        for (int bit = 0; bit < 8; bit++) {
            memcpy(bytes, whole.bytes, whole.size);
            bytes[size] ^= (uint8_t)(1 << bit);
            if (an_npy_open(write_temporary("flip.npy", bytes, whole.size), &npy, NULL) ==
                ALEXNET_OK)
                an_npy_close(&npy);
        }
    }
    an_unmap(&whole);
}

static void test_round_trip(void **state) {
    (void)state;
    static const struct {
        int dims;
        int64_t shape[AN_NPY_DIMS];
        const char *text;
    } cases[] = {
        {0, {0}, "'shape': (), }"},
        {1, {3}, "'shape': (3,), }"},
        {4, {2, 3, 1, 2}, "'shape': (2, 3, 1, 2), }"},
        {2, {4, 0}, "'shape': (4, 0), }"},
    };
    const uint32_t values[12] = {0x7fc12345, 0x80000000, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t count = 1;
        for (int d = 0; d < cases[i].dims; d++)
            count *= (size_t)cases[i].shape[d];
        an_writer writer;
        const char *path = temporary("round.npy");
        assert_ok(an_npy_begin(&writer, path, cases[i].shape, cases[i].dims, error));
        assert_ok(an_writer_write(&writer, values, count * 4, error));
        assert_ok(an_writer_commit(&writer, error));
        an_npy npy;
        assert_ok(an_npy_open(path, &npy, error));
        assert_int_equal(npy.dims, cases[i].dims);
        for (int d = 0; d < npy.dims; d++)
            assert_int_equal(npy.shape[d], cases[i].shape[d]);
        assert_int_equal(npy.count, count);
        if (count > 0) {
            assert_memory_equal(npy.values, values, count * 4);
            assert_int_equal((size_t)((const uint8_t *)npy.values - npy.mapping.bytes) % 64, 0);
        }
        char header[129] = "";
        memcpy(header, npy.mapping.bytes + 10, npy.mapping.size - count * 4 - 10);
        assert_non_null(strstr(header, cases[i].text));
        an_npy_close(&npy);
    }
    an_writer writer;
    assert_fails(an_npy_begin(&writer, temporary("x.npy"), (const int64_t[1]){-1}, 1, error),
                 ALEXNET_INVALID, "x.npy");
    assert_fails(an_npy_begin(&writer, temporary("x.npy"), cases[0].shape, 9, error),
                 ALEXNET_INVALID, "9 dimensions");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, make_temporary_folder, remove_temporary_folder);
}
