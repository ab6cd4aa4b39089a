#include "formats/caffe_messages.h"

#include <stdlib.h>

#include "core/memory.h"

void put_varint(message *m, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        m->bytes[m->size++] = (uint8_t)(value | 0x80);
    m->bytes[m->size++] = (uint8_t)value;
}

void put_raw(message *m, const void *bytes, size_t size) {
    assert_true(m->size + size + 16 <= sizeof m->bytes);
    memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
}

void put_number(message *m, unsigned field, uint64_t value) {
    put_varint(m, field << 3);
    put_varint(m, value);
}

void put_bytes(message *m, unsigned field, const void *bytes, size_t size) {
    put_varint(m, field << 3 | 2);
    put_varint(m, size);
    put_raw(m, bytes, size);
}

void put_text(message *m, unsigned field, const char *text) {
    put_bytes(m, field, text, strlen(text));
}

void put_message(message *m, unsigned field, const message *inner) {
    put_bytes(m, field, inner->bytes, inner->size);
}

void put_float(message *m, unsigned field, float value) {
    put_varint(m, field << 3 | 5);
    put_raw(m, &value, sizeof value);
}

void put_pairs(message *m, unsigned field, const pair *pairs) {
    static message inner;
    inner.size = 0;
    for (; pairs->field; pairs++)
        put_number(&inner, pairs->field, pairs->value);
    put_message(m, field, &inner);
}

const version v2 = {100, 1, 2, 3, 4, 7, 8, 9, 100, 106, 117, 118, 121, 123, 108, 107};
const version v1 = {2, 4, 5, 2, 3, 6, 32, 33, 36, 10, 17, 18, 19, 30, 12, 11};

void begin_layer(message *m, const version *v, const char *name, const char *type,
                 const char *bottom, const char *top) {
    static const struct {
        const char *name;
        int number;
    } types[] = {{"Convolution", 4}, {"InnerProduct", 14}, {"LRN", 15},   {"Pooling", 17},
                 {"ReLU", 18},       {"Dropout", 6},       {"Split", 22}, {"Softmax", 20},
                 {"Data", 5},        {"Sigmoid", 19},      {"?", 99}};
    m->size = 0;
    put_text(m, v->name, name);
    if (v == &v2)
        put_text(m, v->type, type);
    for (size_t i = 0; v == &v1 && i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, type) == 0)
            put_number(m, v->type, (uint64_t)types[i].number);
    if (bottom)
        put_text(m, v->bottom, bottom);
    if (top)
        put_text(m, v->top, top);
}

void put_blob(message *m, unsigned field, const int *shape, unsigned form) {
    static message blob, dims;
    float values[64];
    size_t count = 1;
    int rank = 0;
    blob.size = dims.size = 0;
    for (; shape[rank]; rank++) {
        put_varint(&dims, (uint64_t)shape[rank]);
        count *= (size_t)shape[rank];
    }
    for (int i = 0; (form & old_shape) && i < 4; i++)
        put_number(&blob, (unsigned)i + 1, i < 4 - rank ? 1 : (uint64_t)shape[i - (4 - rank)]);
    assert_true(count <= 64);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)i + 1;
    if (form & packed_form)
        put_bytes(&blob, 5, values, count * sizeof *values);
    if (form & runs_form) {
        put_bytes(&blob, 5, values, sizeof *values);
        put_float(&blob, 5, values[1]);
        put_bytes(&blob, 5, values + 2, (count - 2) * sizeof *values);
    }
    for (size_t i = 0; (form & tagged_form) && i < count; i++)
        put_float(&blob, 5, values[i]);
    if (form & wide_form) {
        double wide[64];
        for (size_t i = 0; i < count; i++)
            wide[i] = (double)values[i];
        put_bytes(&blob, 8, wide, count * sizeof *wide);
    }
    if (!(form & old_shape)) {
        static message inner;
        inner.size = 0;
        put_message(&inner, 1, &dims);
        put_message(&blob, 7, &inner);
    }
    put_message(m, field, &blob);
}

message net, layer;

void end_layer(const version *v) {
    put_message(&net, v->layer, &layer);
}

void put_layer(const version *v, const char *name, const char *type, const char *bottom,
               const char *top) {
    begin_layer(&layer, v, name, type, bottom, top);
    end_layer(v);
}

void put_convolution(const version *v, const char *name, const char *bottom, unsigned form) {
    begin_layer(&layer, v, name, "Convolution", bottom, name);
    put_pairs(&layer, v->convolution, PAIRS({1, 2}, {3, 1}, {4, 2}, {6, 3}));
    put_blob(&layer, v->blobs, SHAPE(2, 3, 2, 2), form);
    put_blob(&layer, v->blobs, SHAPE(2), form == runs_form ? packed_form : form);
    end_layer(v);
}

void make_net(const version *v, unsigned form) {
    net.size = 0;
    put_text(&net, 1, "small");
    put_layer(v, "data", "Data", NULL, "data");
    put_convolution(v, "conv1", "data", form);
    put_layer(v, "relu1", "ReLU", "conv1", "conv1");
    begin_layer(&layer, v, "norm1", "LRN", "conv1", "norm1");
    static message inner;
    inner.size = 0;
    put_number(&inner, 1, 3);
    put_float(&inner, 2, 0.5f);
    put_float(&inner, 5, 2);
    put_message(&layer, v->lrn, &inner);
    end_layer(v);
    begin_layer(&layer, v, "pool1", "Pooling", "norm1", "pool1");
    put_pairs(&layer, v->pooling, PAIRS({1, 0}, {2, 3}, {3, 2}));
    end_layer(v);
    put_layer(v, "copies", "Split", "pool1", "pool1_0");
    put_layer(v, "drop1", "Dropout", "pool1_0", "drop1");
    begin_layer(&layer, v, "fc", "InnerProduct", "drop1", "fc");
    put_pairs(&layer, v->inner_product, PAIRS({1, 5}));
    put_blob(&layer, v->blobs, SHAPE(5, 4), form);
    put_blob(&layer, v->blobs, SHAPE(5), form);
    end_layer(v);
    put_layer(v, "prob", "Softmax", "fc", "prob");
}

static uint8_t *held;

alexnet_status read_bytes(const void *bytes, size_t size, an_tensor_file *file,
                          alexnet_error *error) {
    free(held);
    held = malloc(size ? size : 1);
    assert_non_null(held);
    memcpy(held, bytes, size);
    *file = (an_tensor_file){.path = an_string_copy("made.caffemodel")};
    const alexnet_status status = an_caffe_read(file, held, size, error);
    if (status != ALEXNET_OK)
        an_tensor_file_close(file);
    return status;
}

void release_bytes(void) {
    free(held);
    held = NULL;
}

alexnet_status read_net(an_tensor_file *file, alexnet_error *error) {
    return read_bytes(net.bytes, net.size, file, error);
}

/* --- preprocessing ------------------------------------------------------------------------- */

void put_data_layer(const version *v, const float *means, int count, float scale, unsigned crop) {
    static message transform;
    transform.size = 0;
    if (scale != 1)
        put_float(&transform, 1, scale);
    if (crop)
        put_number(&transform, 3, crop);
    for (int i = 0; i < count; i++)
        put_float(&transform, 5, means[i]);
    begin_layer(&layer, v, "data", "Data", NULL, "data");
    put_message(&layer, v->transform, &transform);
    end_layer(v);
}
