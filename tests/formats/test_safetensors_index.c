/* Indices of shards, and shards, made by hand. */
#include "formats/safetensors_index.h"

#include <stdlib.h>

#include "formats/formats.h"
#include "formats/safetensors.h"
#include "formats/temporary.h"

/* A shard of one-dimensional F32 tensors: names apart by blanks, one value each, `first` and on. */
static void write_shard(const char *file, const char *names, float first, const char *metadata) {
    char header[1024] = "{", list[256], *rest = list;
    float values[16];
    size_t count = 0;
    snprintf(list, sizeof list, "%s", names);
    if (metadata)
        snprintf(header, sizeof header, "{\"__metadata__\":%s", metadata);
    for (char *name; (name = strtok_r(rest, " ", &rest)); count++) {
        const size_t used = strlen(header);
        snprintf(header + used, sizeof header - used,
                 "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}",
                 used > 1 ? "," : "", name, count * 4, count * 4 + 4);
        values[count] = first + (float)count;
    }
    snprintf(header + strlen(header), sizeof header - strlen(header), "}");
    uint8_t bytes[2048];
    const uint64_t length = strlen(header);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length); /* NOLINT(bugprone-not-null-terminated-result) */
    memcpy(bytes + 8 + length, values, count * 4);
    write_temporary(file, bytes, 8 + length + count * 4);
}

static const char *write_index(const char *text) {
    return write_temporary("model.safetensors.index.json", text, strlen(text));
}

static float value_of(const an_tensor_file *file, const char *name) {
    const an_file_tensor *tensor = an_tensor_find(file, name);
    float value;
    assert_non_null(tensor);
    assert_int_equal(tensor->size, sizeof value);
    memcpy(&value, tensor->bytes, sizeof value);
    return value;
}

static void test_reads(void **state) {
    (void)state;
    write_shard("model-1.safetensors", "a b extra", 1, "{\"format\":\"pt\",\"who\":\"shard\"}");
    write_shard("model-2.safetensors", "c", 9, NULL);
    const char *path =
        write_index(" \n{\"metadata\": {\"total_size\": 12, \"who\": \"index\"}, \"weight_map\":"
                    "{\"a\": \"model-1.safetensors\", \"c\": \"model-2.safetensors\","
                    " \"b\": \"model-1.safetensors\"}}");
    an_tensor_file file;
    assert_ok(an_tensor_file_open(path, NULL, &file, error));
    assert_int_equal(file.tensor_count, 3);
    assert_int_equal(file.mapping_count, 3); /* the index and each shard once */
    assert_true(value_of(&file, "a") == 1 && value_of(&file, "b") == 2);
    assert_true(value_of(&file, "c") == 9);
    assert_null(an_tensor_find(&file, "extra"));
    assert_string_equal(an_tensor_file_metadata(&file, "who"), "index");
    assert_string_equal(an_tensor_file_metadata(&file, "format"), "pt");
    an_tensor_file_close(&file);
    assert_ok(an_tensor_file_open(write_index("{\"weight_map\":{}}"), NULL, &file, error));
    assert_int_equal(file.tensor_count, 0);
    an_tensor_file_close(&file);
}

#define MAP(entries) "{\"weight_map\":{" entries "}}"

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *index;
        alexnet_status status;
        const char *part;
    } cases[] = {
        {"{\"weight_map\":", ALEXNET_FORMAT, "no JSON at byte"},
        {"{\"weight_map\":{}} x", ALEXNET_FORMAT, "no JSON at byte"},
        {"{\"weight_map\":[]}", ALEXNET_FORMAT, "weight_map is not an object"},
        {"{\"a\":\"\\\"weight_map\\\"\",\"b\":\"weight_map\"}", ALEXNET_FORMAT,
         "weight_map is not an object"},
        {MAP("\"a\":1"), ALEXNET_FORMAT, "no name of a file"},
        {MAP("\"a\":\"\""), ALEXNET_FORMAT, "no name of a file"},
        {MAP("\"a\":\"..\""), ALEXNET_FORMAT, "'..'"},
        {MAP("\"a\":\".hidden\""), ALEXNET_FORMAT, "no name of a file"},
        {MAP("\"a\":\"../one.safetensors\""), ALEXNET_FORMAT, "no name of a file"},
        {MAP("\"a\":\"/etc/passwd\""), ALEXNET_FORMAT, "'/etc/passwd'"},
        {MAP("\"a\":\"x/one.safetensors\""), ALEXNET_FORMAT, "no name of a file"},
        {MAP("\"a\":\"x\\\\one.safetensors\""), ALEXNET_FORMAT, "no name of a file"},
        {MAP("\"a\":\"one\\u0000.safetensors\""), ALEXNET_FORMAT, "no JSON"},
        {MAP("\"a\":\"one.safetensors\",\"a\":\"one.safetensors\""), ALEXNET_FORMAT, "duplicate"},
        {MAP("\"a\":\"none.safetensors\""), ALEXNET_IO, "none.safetensors"},
        {MAP("\"a\":\"broken.safetensors\""), ALEXNET_FORMAT, "broken.safetensors: is not"},
        {MAP("\"z\":\"one.safetensors\""), ALEXNET_FORMAT,
         "'z' is not in one.safetensors, where the index places it"},
        {MAP("\"a\":\"one.safetensors\",\"b\":\"two.safetensors\""), ALEXNET_FORMAT,
         "where the index does not place it"},
        {MAP("\"a\":\"one.safetensors\",\"b\":\"three.safetensors\""), ALEXNET_FORMAT,
         "'b' is in one.safetensors, where the index does not place it"},
    };
    write_shard("one.safetensors", "a b", 1, NULL);
    write_shard("three.safetensors", "c", 1, NULL);
    write_shard("two.safetensors", "b", 1, NULL);
    write_temporary("broken.safetensors", "abcdefghij", 10);
    an_tensor_file file;
    const an_format *index;
    assert_ok(an_format_find("safetensors-index", NULL, &index, error));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = write_index(cases[i].index);
        assert_fails(an_tensor_file_open(path, index, &file, error), cases[i].status,
                     cases[i].part);
        assert_fails(an_tensor_file_open(path, index, &file, error), cases[i].status,
                     temporary_folder);
    }
}

static void test_truncated(void **state) {
    (void)state;
    static const char whole[] = MAP("\"a\":\"one.safetensors\"");
    write_shard("one.safetensors", "a", 1, NULL);
    const an_format *index;
    an_tensor_file file;
    assert_ok(an_format_find("safetensors-index", NULL, &index, error));
    for (size_t size = 0; size < sizeof whole - 1; size++) {
        const char *path = write_temporary("cut.json", whole, size);
        assert_fails(an_tensor_file_open(path, index, &file, error), ALEXNET_FORMAT, "no JSON");
    }
}

static void test_limits(void **state) {
    (void)state;
    char *text = malloc(1 << 16), *next = text;
    assert_non_null(text);
    next += sprintf(next, "{\"weight_map\":{\"a\":\"one\"");
    for (int i = 0; i < 1001; i++)
        next += sprintf(next, ",\"t%d\":\"s%d\"", i, i);
    sprintf(next, "}}");
    an_tensor_file file;
    assert_fails(an_tensor_file_open(write_index(text), NULL, &file, error), ALEXNET_FORMAT,
                 "more than 1000 files");
    free(text);
    const char *path = write_index("{\"weight_map\":{}}");
    assert_int_equal(truncate(path, (off_t)17 << 20), 0);
    assert_fails(an_tensor_file_open(path, NULL, &file, error), ALEXNET_FORMAT, "larger than");
}

static void test_recognised(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool index;
    } cases[] = {{"{\"weight_map\":{}}", true},
                 {"\t{ \"weight_map\" : {", true},
                 {"[\"weight_map\"]", false},
                 {"{\"weights\":{}}", false},
                 {"", false},
                 {"  ", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(
            an_safetensors_index_recognise((const uint8_t *)cases[i].text, strlen(cases[i].text)),
            cases[i].index);
}

/* A network in two files: the convolutions, and the rest. */
static void test_network_in_shards(void **state) {
    (void)state;
    const an_arch *arch;
    an_weights_file whole, parts;
    an_network network;
    assert_ok(an_arch_find("torchvision", &arch, error));
    assert_ok(an_network_build(arch, 3, 63, &network, error));
    assert_ok(an_weights_initialise(&network, 1, &whole, error));
    an_tensor_source sources[AN_MAX_PARAMETERS];
    char text[4096] = "{\"metadata\":{\"alexnet.input_size\":\"63\"},\"weight_map\":{";
    const int parts_at = 10, count = network.parameter_count;
    for (int i = 0; i < count; i++) {
        const an_parameter *p = &network.parameters[i];
        sources[i] =
            (an_tensor_source){.name = p->name, .dims = p->dims, .values = whole.weights.tensor[i]};
        memcpy(sources[i].shape, p->shape, sizeof p->shape);
        const size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s\"%s\":\"part-%d\"", i ? "," : "", p->name,
                 i < parts_at ? 1 : 2);
    }
    snprintf(text + strlen(text), sizeof text - strlen(text), "}}");
    assert_ok(an_safetensors_write(temporary("part-1"), sources, (size_t)parts_at, NULL, 0, NULL,
                                   NULL, error));
    assert_ok(an_safetensors_write(temporary("part-2"), sources + parts_at,
                                   (size_t)(count - parts_at), NULL, 0, NULL, NULL, error));
    assert_ok(an_weights_open(write_index(text), NULL, &parts, error));
    assert_string_equal(parts.network.arch->name, "torchvision");
    assert_int_equal(parts.network.input_size, 63);
    for (int i = 0; i < count; i++) {
        const float *values;
        assert_ok(an_weights_tensor(&parts.weights, i, &values, error));
        assert_memory_equal(values, whole.weights.tensor[i],
                            network.parameters[i].count * sizeof(float));
        an_weights_release(&parts.weights, i);
    }
    an_weights_close(&parts);
    an_weights_close(&whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),      cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_truncated),  cmocka_unit_test(test_limits),
        cmocka_unit_test(test_recognised), cmocka_unit_test(test_network_in_shards),
    };
    return cmocka_run_group_tests(tests, make_temporary_folder, remove_temporary_folder);
}
