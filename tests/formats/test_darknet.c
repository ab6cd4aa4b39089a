/* Darknet's weights: sparse files, of a header made by hand and zeros but for a few values. */
#include "formats/darknet.h"

#include <stdlib.h>

#include "formats/formats.h"
#include "formats/temporary.h"

/* Values of alexnet.cfg, a convolution's or connected layer's biases and weights at a time, counted
 * here a second time; fc8 has 4097 for each class. */
enum {
    conv1 = 96 + 96 * 3 * 11 * 11,
    conv2 = 256 + 256 * 96 * 5 * 5,
    conv3 = 384 + 384 * 256 * 3 * 3,
    conv4 = 384 + 384 * 384 * 3 * 3,
    conv5 = 256 + 256 * 384 * 3 * 3,
    fc6 = 4096 + 4096 * 9216,
    fc7 = 4096 + 4096 * 4096,
    fixed = conv1 + conv2 + conv3 + conv4 + conv5 + fc6 + fc7
};

/* A file of this version with `values` values, and `extra` bytes more, all zero. */
static const char *make(const int32_t version[3], size_t header, size_t values, int extra) {
    const char *path = write_temporary("made.weights", version, 3 * sizeof *version);
    assert_int_equal(truncate(path, (off_t)(header + values * sizeof(float)) + extra), 0);
    return path;
}

static void poke(const char *path, size_t header, size_t index, float value) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)(header + index * sizeof value), SEEK_SET), 0);
    assert_int_equal(fwrite(&value, sizeof value, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

/* As darknet's source reads versions. */
static const struct {
    int32_t version[3];
    size_t header;
    bool transposed;
} versions[] = {
    {{0, 1, 0}, 16, false},   {{0, 2, 0}, 20, false},    {{0, 2, 5}, 20, false},
    {{1, 0, 0}, 20, false},   {{1000, 0, 0}, 16, false}, {{1001, 0, 0}, 16, true},
    {{0, 1001, 0}, 16, true}, {{0, 999, 0}, 20, false},
};

static void test_reads(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        const size_t header = versions[i].header;
        const char *path = make(versions[i].version, header, fixed + 7 * 4097, 0);
        poke(path, header, 95, 1);                           /* the last bias of conv1 */
        poke(path, header, 96, 2);                           /* its first weight */
        poke(path, header, conv1 + 256, 3);                  /* conv2's first weight */
        poke(path, header, fixed - fc7 - fc6 + 4096 + 1, 4); /* fc6's second weight */
        poke(path, header, fixed + 6, 5);                    /* fc8's last bias */
        poke(path, header, (size_t)fixed + 7 * 4097 - 1, 6); /* and last weight */
        an_weights_file file;
        assert_ok(an_weights_open(path, NULL, &file, error));
        const an_network *network = &file.network;
        assert_string_equal(network->arch->name, "darknet");
        assert_int_equal(network->classes, 7);
        const float *values[AN_MAX_PARAMETERS];
        for (int p = 0; p < network->parameter_count; p++)
            assert_ok(an_weights_tensor(&file.weights, p, &values[p], error));
        assert_true(values[an_network_parameter(network, "conv1.bias")][95] == 1);
        assert_true(values[an_network_parameter(network, "conv1.weight")][0] == 2);
        assert_true(values[an_network_parameter(network, "conv2.weight")][0] == 3);
        const size_t place = versions[i].transposed ? 9216 : 1; /* of output 1, or of input 1 */
        assert_true(values[an_network_parameter(network, "fc6.weight")][place] == 4);
        assert_true(values[an_network_parameter(network, "fc8.bias")][6] == 5);
        assert_true(values[an_network_parameter(network, "fc8.weight")][7 * 4096 - 1] == 6);
        assert_true(file.preprocess.resize == 227 && file.preprocess.crop == 227);
        assert_false(file.preprocess.bgr);
        assert_true(file.preprocess.scale == 1.0f / 255 && file.preprocess.mean[0] == 0);
        if (!versions[i].transposed)
            assert_null(file.owned); /* every value is used where it lies */
        an_weights_close(&file);
        assert_fails(an_weights_open(path, "alexnet", &file, error), ALEXNET_MISMATCH,
                     "holds weights of 'darknet'");
    }
}

/* Only the length tells what a file is. */
static void test_lengths(void **state) {
    (void)state;
    static const int32_t version[] = {0, 2, 0};
    static const struct {
        size_t values;
        int extra;
        bool fits;
    } cases[] = {
        {fixed + 4097, 0, true},       {fixed + 1000 * 4097, 0, true}, {fixed, 0, false},
        {fixed + 4097, 4, false},      {fixed + 4097, -4, false},      {fixed + 4097, 1, false},
        {fixed + 4097, 16388, true},   {fixed - 4097, 0, false},       {0, 0, false},
        {fixed + 2 * 4097, -1, false},
    };
    an_weights_file file;
    const an_format *darknet;
    assert_ok(an_format_find("darknet", NULL, &darknet, error));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = make(version, 20, cases[i].values, cases[i].extra);
        if (cases[i].fits) {
            assert_ok(an_weights_open(path, NULL, &file, error));
            an_weights_close(&file);
            continue;
        }
        assert_fails(an_weights_open(path, NULL, &file, error), ALEXNET_FORMAT,
                     "none of the formats");
        assert_fails(an_weights_open_format(path, darknet, NULL, &file, error), ALEXNET_FORMAT,
                     "of another network, or was not copied whole");
    }
}

static void test_headers(void **state) {
    (void)state;
    static const int32_t wrong[][3] = {{0, 0, 0},  {-1, 2, 0},    {0, -2, 0},
                                       {0, 2, -1}, {10000, 2, 0}, {0, 2, 1 << 30}};
    const an_format *darknet;
    an_tensor_file file;
    assert_ok(an_format_find(NULL, "alexnet.weights", &darknet, error));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *path = make(wrong[i], 16, fixed + 4097, 0);
        assert_fails(an_tensor_file_open(path, darknet, &file, error), ALEXNET_FORMAT,
                     "is not a Darknet weights file");
        assert_fails(an_tensor_file_open(path, NULL, &file, error), ALEXNET_FORMAT,
                     "none of the formats");
    }
    static const int32_t version[5] = {0, 2, 0};
    for (size_t size = 0; size <= sizeof version; size++) { /* cut off at every byte */
        uint8_t *bytes = malloc(size ? size : 1);
        assert_non_null(bytes);
        memcpy(bytes, version, size);
        file = (an_tensor_file){.path = strdup("cut.weights")};
        assert_false(an_darknet_recognise(bytes, size));
        assert_fails(an_darknet_read(&file, bytes, size, error), ALEXNET_FORMAT, "cut.weights");
        an_tensor_file_close(&file);
        free(bytes);
    }
}

static void test_read_only(void **state) {
    (void)state;
    const an_format *darknet;
    an_weights_file file;
    assert_ok(an_format_find("darknet", NULL, &darknet, error));
    static const int32_t version[] = {0, 2, 0};
    assert_ok(an_weights_open(make(version, 20, fixed + 4097, 0), NULL, &file, error));
    assert_fails(an_weights_write("out.weights", darknet, &file, &(an_write_options){0}, error),
                 ALEXNET_UNSUPPORTED, "read, but not written");
    an_weights_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_read_only),
    };
    return cmocka_run_group_tests(tests, make_temporary_folder, remove_temporary_folder);
}
