/* Caffemodels that are damaged, lie about their sizes, or take more than they are. */
#include <stdlib.h>
#include <time.h>

#include "formats/caffe_messages.h"

/* Cut off anywhere, and with any byte changed, a file is refused or read, and nothing else. */
static void test_damaged(void **state) {
    (void)state;
    static const uint8_t changes[] = {0x01, 0x80, 0xff, 0x7f, 0x05};
    const version *versions[] = {&v1, &v2};
    an_tensor_file file;
    alexnet_error error;
    for (int v = 0; v < 2; v++) {
        make_net(versions[v], v ? tagged_form : packed_form | old_shape);
        size_t read = 0;
        for (size_t size = 0; size < net.size; size++) {
            const alexnet_status status = read_bytes(net.bytes, size, &file, &error);
            if (status == ALEXNET_OK) {
                read++; /* cut off between two layers */
                an_tensor_file_close(&file);
            } else {
                assert_int_equal(status, ALEXNET_FORMAT);
                assert_non_null(strstr(error.message, "made.caffemodel"));
            }
        }
        assert_int_equal(read, 7); /* behind the layers from conv1 to fc */
        for (size_t at = 0; at < net.size; at++)
            for (size_t c = 0; c < sizeof changes; c++) {
                net.bytes[at] ^= changes[c];
                if (read_net(&file, &error) == ALEXNET_OK)
                    an_tensor_file_close(&file);
                net.bytes[at] ^= changes[c];
            }
    }
}

/* A convolution whose first blob is this; NULL: without blobs. */
static alexnet_status read_blob(const message *blob, an_tensor_file *file, alexnet_error *error) {
    net.size = 0;
    begin_layer(&layer, &v2, "c", "Convolution", "data", "c");
    put_pairs(&layer, v2.convolution, PAIRS({1, 2}, {4, 1}));
    if (blob)
        put_message(&layer, v2.blobs, blob);
    end_layer(&v2);
    return read_net(file, error);
}

/* --- blobs --------------------------------------------------------------------------------- */

static void test_hostile_blobs(void **state) {
    (void)state;
    static const struct {
        uint64_t dims[9]; /* up to a 0 */
        bool old;
        size_t values;
        const char *part;
    } cases[] = {
        {{2, 1, 1, 1}, false, 1, "holds 1 values, which is not what its shape (2, 1, 1, 1) needs"},
        {{2, 1, 1, 1}, false, 3, "holds 3 values"},
        {{2, 1, 1, 1}, false, 0, "holds 0 values"},
        {{0}, false, 2, "shape ()"},
        {{(uint64_t)-2, 1, 1, 1}, false, 2, "shape (-2, 1, 1, 1)"},
        {{(uint64_t)-1, (uint64_t)-2}, false, 2, "shape (-1, -2)"},
        {{(uint64_t)-2, 1, 1, 1}, true, 2, "shape (-2, 1, 1, 1)"},
        {{1ull << 62, 4, 1, 1}, false, 0, "4611686018427387904"},
        {{1ull << 32, 1ull << 32, 1, 1}, false, 0, "4294967296"},
        {{1, 1, 1, 1, 1, 1, 1, 1, 2}, false, 2, "is damaged"},
    };
    static const float values[4] = {1, 2, 3, 4};
    an_tensor_file file;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static message blob, shape;
        blob.size = shape.size = 0;
        for (unsigned d = 0; d < 9 && cases[i].dims[d]; d++)
            put_number(cases[i].old ? &blob : &shape, cases[i].old ? d + 1 : 1, cases[i].dims[d]);
        if (!cases[i].old)
            put_message(&blob, 7, &shape);
        put_bytes(&blob, 5, values, cases[i].values * sizeof *values);
        assert_fails(read_blob(&blob, &file, error), ALEXNET_FORMAT, cases[i].part);
    }
    static message odd;
    odd.size = 0;
    put_bytes(&odd, 5, "abcdef", 6); /* not whole floats */
    assert_fails(read_blob(&odd, &file, error), ALEXNET_FORMAT, "'c.weight' is damaged");
    odd.size = 0;
    put_float(&odd, 5, 1);
    put_raw(&odd, "\x2d\x01\x02\x03", 4); /* a tag and not all of its value */
    assert_fails(read_blob(&odd, &file, error), ALEXNET_FORMAT, "'c.weight' is damaged");
    odd.size = 0;
    put_raw(&odd, "\x08\x02\x2a\xfc\xff\xff\xff\x0f\x01\x02\x03\x04", 12); /* 4 GB of values */
    assert_fails(read_blob(&odd, &file, error), ALEXNET_FORMAT, "'c.weight' is damaged");
    odd.size = 0;
    put_number(&odd, 5, 1); /* a varint */
    assert_fails(read_blob(&odd, &file, error), ALEXNET_FORMAT, "'c.weight' is damaged");
    assert_fails(read_blob(NULL, &file, error), ALEXNET_FORMAT, "has 0 blobs");
    net.size = 0;
    begin_layer(&layer, &v2, "c", "Convolution", "data", "c");
    put_pairs(&layer, v2.convolution, PAIRS({1, 2}, {4, 1}));
    for (int i = 0; i < 3; i++)
        put_blob(&layer, v2.blobs, SHAPE(2), packed_form);
    end_layer(&v2);
    assert_fails(read_net(&file, error), ALEXNET_FORMAT, "has 3 blobs");
}

/* Many tiny fields must not take many times the memory of the file, nor more than linear time. */
static void test_bombs(void **state) {
    (void)state;
    static const struct {
        unsigned field; /* of a layer */
        int count;
        alexnet_status status;
        const char *part;
    } cases[] = {
        {8, 100000, ALEXNET_FORMAT, "many small parts take more memory"}, /* include */
        {3, 100000, ALEXNET_UNSUPPORTED, "has not one input"},            /* bottom */
        {4, 100000, ALEXNET_UNSUPPORTED, "has not one input"},            /* top */
        {7, 100000, ALEXNET_OK, ""},                                      /* blobs of a ReLU */
        {106, 2, ALEXNET_FORMAT, "convolution_param) is there twice"},
        {500, 60000, ALEXNET_OK, ""}, /* unknown */
    };
    an_tensor_file file;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        net.size = 0;
        begin_layer(&layer, &v2, "a", "ReLU", "data", "a");
        for (int f = 0; f < cases[i].count; f++)
            put_bytes(&layer, cases[i].field, "", 0);
        end_layer(&v2);
        const clock_t begin = clock();
        if (cases[i].status != ALEXNET_OK) {
            assert_fails(read_net(&file, error), cases[i].status, cases[i].part);
        } else {
            assert_ok(read_net(&file, error));
            an_tensor_file_close(&file);
        }
        assert_true(clock() - begin < 2 * CLOCKS_PER_SEC);
    }
    net.size = 0; /* layers without end */
    char names[3][24] = {"data"};
    for (int i = 0; i <= 1000; i++) {
        snprintf(names[(i + 1) % 2], sizeof names[0], "layer%d", i);
        put_layer(&v2, names[(i + 1) % 2], "ReLU", i ? names[i % 2] : "data", names[(i + 1) % 2]);
    }
    assert_fails(read_net(&file, error), ALEXNET_FORMAT, "more than 1000 layers");
}

static void test_names(void **state) {
    (void)state;
    an_tensor_file file;
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    net.size = 0;
    put_layer(&v2, name, "ReLU", "data", "a");
    assert_fails(read_net(&file, error), ALEXNET_FORMAT, "at most 200 bytes");
    static const struct {
        const char *name;
        size_t size;
    } no_texts[] = {{"\xff\xfe\x80", 3}, {"a\0b", 3}};
    for (size_t i = 0; i < 2; i++) {
        net.size = 0;
        layer.size = 0;
        put_bytes(&layer, v2.name, no_texts[i].name, no_texts[i].size);
        end_layer(&v2);
        assert_fails(read_net(&file, error), ALEXNET_FORMAT, "is not UTF-8");
    }
    net.size = layer.size = 0;
    put_text(&layer, v2.type, "ReLU");
    put_text(&layer, v2.bottom, "data");
    end_layer(&v2);
    assert_fails(read_net(&file, error), ALEXNET_FORMAT, "without a name");
}

static void test_hostile_preprocessing(void **state) {
    (void)state;
    static const float means[] = {1, 2, 3, 4}, odd[] = {1, 0x1p127f * 2, 3};
    an_tensor_file file;
    const struct {
        const float *means;
        int count;
        float scale;
        unsigned crop;
        const char *part;
    } cases[] = {{means, 2, 1, 0, "has 2 means"},
                 {means, 4, 1, 0, "has 4 means"},
                 {odd, 3, 1, 0, "no finite number"},
                 {means, 3, -0x1p127f * 2, 0, "no finite number"},
                 {means, 3, 1, 12, "pictures of 12 pixels"},
                 {means, 3, 1, 4294967295u, "pictures of 4294967295 pixels"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        net.size = 0;
        put_data_layer(&v2, cases[i].means, cases[i].count, cases[i].scale, cases[i].crop);
        put_layer(&v2, "a", "ReLU", "data", "a");
        assert_fails(read_net(&file, error), ALEXNET_FORMAT, cases[i].part);
    }
    net.size = 0;
    put_layer(&v2, "a", "ReLU", "data", "a");
    for (int i = 0; i < 4; i++)
        put_number(&net, 4, i == 3 ? 226 : 227);
    assert_fails(read_net(&file, error), ALEXNET_UNSUPPORTED, "227 x 226");
    net.size = 0;
    put_layer(&v2, "a", "ReLU", "data", "a");
    for (int i = 0; i < 4; i++)
        put_number(&net, 4, UINT64_MAX);
    assert_fails(read_net(&file, error), ALEXNET_FORMAT, "pictures of -1 pixels");
}

static int release(void **state) {
    (void)state;
    release_bytes();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_hostile_blobs),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_hostile_preprocessing),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
