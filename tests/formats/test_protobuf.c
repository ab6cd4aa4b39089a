/* The unpacking of protocol buffers, byte by byte; its messages are ONNX's. */
#include "formats/protobuf.h"

#include <stdlib.h>

#include "formats/onnx_model.h"
#include "testing.h"

static const size_t budget = 1 << 16;

static alexnet_status unpack(const ProtobufCMessageDescriptor *type, const void *bytes, size_t size,
                             size_t most, an_protobuf **memory, void *out, alexnet_error *error) {
    ProtobufCMessage *message = NULL;
    const alexnet_status status =
        an_protobuf_unpack("file", type, bytes, size, most, memory, &message, error);
    memcpy(out, &message, sizeof(void *));
    return status;
}

/* What comes out packs to the bytes that went in. */
static void test_agrees_with_protobuf_c(void **state) {
    (void)state;
    onnx_model *model = make_model();
    add_metadata(model, "k\xc3\xa9y", "");
    put_outside(model, "fc_b", "beside", "1", "20");
    size_t size;
    uint8_t *bytes = pack_model(model, &size);
    an_protobuf *memory;
    Onnx__ModelProto *out;
    assert_ok(unpack(&onnx__model_proto__descriptor, bytes, size, budget, &memory, &out, error));
    assert_int_equal(onnx__model_proto__get_packed_size(out), size);
    uint8_t *again = malloc(size);
    onnx__model_proto__pack(out, again);
    assert_memory_equal(again, bytes, size);
    const uint8_t *values = out->graph->initializer[0]->raw_data.data;
    assert_true(values > bytes && values < bytes + size); /* not a copy */
    free(again);
    an_protobuf_free(memory);
    free(bytes);
    free_model(model);
}

/* A TensorProto of these bytes; a string literal. */
#define TENSOR(literal) &onnx__tensor_proto__descriptor, literal, sizeof(literal) - 1

static void test_forms_of_numbers(void **state) {
    (void)state;
    an_protobuf *memory;
    Onnx__TensorProto *tensor;
    /* dims one by one, packed, empty, one by one; an unknown field of each wire type between */
    assert_ok(unpack(TENSOR("\x08\x05"
                            "\x0a\x04\x96\x01\x00\x07"
                            "\x0a\x00"
                            "\xf8\x07\x01\xf9\x07"
                            "12345678"
                            "\xfa\x07\x01x\xfd\x07"
                            "1234"
                            "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                     budget, &memory, &tensor, error));
    const int64_t dims[] = {5, 150, 0, 7, -1};
    assert_int_equal(tensor->n_dims, 5);
    assert_memory_equal(tensor->dims, dims, sizeof dims);
    assert_false(tensor->has_data_type);
    assert_null(tensor->name);
    an_protobuf_free(memory);
    /* A negative 32-bit number takes ten bytes, too. */
    assert_ok(unpack(TENSOR("\x10\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x22\x04"
                            "1234"),
                     budget, &memory, &tensor, error));
    assert_true(tensor->has_data_type);
    assert_int_equal(tensor->data_type, -2);
    assert_int_equal(tensor->float_data.len, 4);
    assert_memory_equal(tensor->float_data.data, "1234", 4);
    an_protobuf_free(memory);
    assert_ok(unpack(&onnx__tensor_proto__descriptor, NULL, 0, budget, &memory, &tensor, error));
    an_protobuf_free(memory);
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *part;
    } cases[] = {
        {"\x08", 1, "byte 0 does not end"},
        {"\x08\x80", 2, "byte 0 does not end"},
        {"\x10\x01\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 13, "byte 2 does not end"},
        {"\x80", 1, "no field begins at byte 0"},
        {"\x00\x01", 2, "no field begins at byte 0, where one of TensorProto"},
        {"\x0b\x0c", 2, "no field begins"},                 /* a group */
        {"\x0e\x01", 2, "no field begins"},                 /* wire type 6 */
        {"\x88\x80\x80\x80\x10\x01", 6, "no field begins"}, /* a number of more than 29 bits */
        {"\x42", 1, "(name) has no length"},
        {"\x42\x02x", 3, "(name) takes 2 bytes where only 1"},
        {"\x42\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "takes 18446744073709551615 bytes"},
        {"\x0d"
         "123",
         4, "(dims) takes 4 bytes where only 3"},
        {"\x0d"
         "1234",
         5, "(dims) is 4 bytes, which is not known of it"},
        {"\x12\x01\x01", 3, "(data_type) is a length with bytes"},
        {"\x25"
         "1234",
         5, "(float_data) is 4 bytes"}, /* not packed */
        {"\x40\x01", 2, "(name) is a varint"},
        {"\x0a\x02\x01\x80", 4, "(dims) end within one"},
        {"\x0a\x0b\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 13, "more than 10 bytes"},
        {"\x10\x01\x10\x02", 4, "byte 2 (data_type) is there twice"},
        {"\x42\x01x\x42\x01y", 6, "byte 3 (name) is there twice"},
        {"\x42\x01\x00", 3, "not UTF-8"},
        {"\x42\x01\x80", 3, "not UTF-8"},
        {"\x42\x02\xc3x", 4, "not UTF-8"},
        {"\x42\x02\xc0\x80", 4, "not UTF-8"},         /* longer than it need be */
        {"\x42\x03\xe0\x80\x80", 5, "not UTF-8"},     /* likewise */
        {"\x42\x03\xed\xa0\x80", 5, "not UTF-8"},     /* half a surrogate */
        {"\x42\x04\xf4\x90\x80\x80", 6, "not UTF-8"}, /* above the last code */
        {"\x42\x01\xe2", 3, "not UTF-8"},
        {"\x6a\x03\x0a\x02x", 5, "byte 2 (key) takes 2 bytes where only 1"}, /* of the inner one */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t *exact = malloc(cases[i].size);
        memcpy(exact, cases[i].bytes, cases[i].size);
        an_protobuf *memory;
        Onnx__TensorProto *tensor;
        alexnet_error error = {0};
        assert_int_equal(unpack(&onnx__tensor_proto__descriptor, exact, cases[i].size, budget,
                                &memory, &tensor, &error),
                         ALEXNET_FORMAT);
        if (!strstr(error.message, cases[i].part))
            fail_msg("case %zu: \"%s\" lacks \"%s\"", i, error.message, cases[i].part);
        assert_null(memory);
        free(exact);
    }
}

/* Messages of two bytes each, which would take sixty times as much. */
static void test_keeps_to_the_budget(void **state) {
    (void)state;
    enum { count = 1 << 20 };
    uint8_t *bytes = malloc(2 * count);
    for (size_t i = 0; i < count; i++) { /* GraphProto.node, of no bytes */
        bytes[2 * i] = 0x0a;
        bytes[2 * i + 1] = 0;
    }
    an_protobuf *memory;
    Onnx__GraphProto *graph;
    assert_fails(unpack(&onnx__graph_proto__descriptor, bytes, 2 * count, 4 * 2 * count, &memory,
                        &graph, error),
                 ALEXNET_FORMAT, "many small parts");
    assert_ok(
        unpack(&onnx__graph_proto__descriptor, bytes, 2 * 100, budget, &memory, &graph, error));
    assert_int_equal(graph->n_node, 100);
    void *more;
    assert_fails(an_protobuf_take(memory, SIZE_MAX, 2, &more, error), ALEXNET_FORMAT,
                 "small parts");
    assert_null(more);
    assert_fails(an_protobuf_take(memory, budget, 1, &more, error), ALEXNET_FORMAT, "small parts");
    assert_ok(an_protobuf_take(memory, 8, 4, &more, error));
    assert_non_null(more);
    an_protobuf_free(memory);
    an_protobuf_free(NULL);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_protobuf_c),
        cmocka_unit_test(test_forms_of_numbers),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_keeps_to_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
