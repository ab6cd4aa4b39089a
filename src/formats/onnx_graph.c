#include "formats/onnx_graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a model may take in memory beside the file: this much, and so many times the file's size.
 * Numbers in varints grow fourfold at most. */
static const size_t base_budget = (size_t)1 << 20;
enum { budget_factor = 4 };

/* --- names --------------------------------------------------------------------------------- */

static int compare_entries(const void *left, const void *right) {
    const an_onnx_entry *a = left, *b = right;
    const int names = strcmp(a->name, b->name);
    return names != 0 ? names : (a->index > b->index) - (a->index < b->index);
}

const an_onnx_entry *an_onnx_find(const an_onnx_index *index, const char *name, size_t *count) {
    size_t low = 0, high = index->count;
    *count = 0;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(index->entries[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + *count < index->count && strcmp(index->entries[low + *count].name, name) == 0)
        ++*count;
    return index->entries + low;
}

static void add_entry(an_onnx_index *index, const char *name, size_t at) {
    if (name && *name) /* an empty name stands for an input that is left out */
        index->entries[index->count++] = (an_onnx_entry){name, at};
}

static alexnet_status make_index(an_onnx *onnx, an_onnx_index *index, size_t most,
                                 alexnet_error *error) {
    void *entries;
    AN_TRY(an_protobuf_take(onnx->memory, most, sizeof *index->entries, &entries, error));
    *index = (an_onnx_index){.entries = entries};
    return ALEXNET_OK;
}

static void sort_index(an_onnx_index *index) {
    if (index->count > 1)
        qsort(index->entries, index->count, sizeof *index->entries, compare_entries);
}

/* The first name that is there twice; NULL where there is none. */
static const char *find_twice(const an_onnx_index *index) {
    for (size_t i = 1; i < index->count; i++)
        if (strcmp(index->entries[i - 1].name, index->entries[i].name) == 0)
            return index->entries[i].name;
    return NULL;
}

static alexnet_status index_graph(an_onnx *onnx, alexnet_error *error) {
    const Onnx__GraphProto *graph = onnx->graph;
    size_t inputs = 0, outputs = 0;
    for (size_t i = 0; i < graph->n_node; i++) {
        inputs += graph->node[i]->n_input;
        outputs += graph->node[i]->n_output;
    }
    AN_TRY(make_index(onnx, &onnx->consumers, inputs, error));
    AN_TRY(make_index(onnx, &onnx->producers, outputs, error));
    AN_TRY(make_index(onnx, &onnx->initialisers, graph->n_initializer, error));
    for (size_t i = 0; i < graph->n_node; i++) {
        const Onnx__NodeProto *node = graph->node[i];
        for (size_t k = 0; k < node->n_input; k++)
            add_entry(&onnx->consumers, node->input[k], i);
        for (size_t k = 0; k < node->n_output; k++)
            add_entry(&onnx->producers, node->output[k], i);
    }
    for (size_t i = 0; i < graph->n_initializer; i++)
        add_entry(&onnx->initialisers, graph->initializer[i]->name, i);
    sort_index(&onnx->consumers);
    sort_index(&onnx->producers);
    sort_index(&onnx->initialisers);
    const char *twice = find_twice(&onnx->initialisers);
    if (twice)
        return an_fail(error, ALEXNET_FORMAT, "%s: two initialisers are called '%.100s'",
                       onnx->file->path, twice);
    twice = find_twice(&onnx->producers);
    if (twice)
        return an_fail(error, ALEXNET_FORMAT, "%s: two nodes have the output '%.100s'",
                       onnx->file->path, twice);
    return ALEXNET_OK;
}

alexnet_status an_onnx_open(an_tensor_file *file, const uint8_t *bytes, size_t size, an_onnx *out,
                            alexnet_error *error) {
    ProtobufCMessage *message;
    *out = (an_onnx){.file = file};
    AN_TRY(an_protobuf_unpack(file->path, &onnx__model_proto__descriptor, bytes, size,
                              base_budget + budget_factor * size, &out->memory, &message, error));
    file->content = out->memory;
    file->free_content = an_protobuf_free;
    out->model = (const Onnx__ModelProto *)message;
    out->graph = out->model->graph;
    if (!out->graph || out->graph->n_node == 0)
        return an_fail(error, ALEXNET_FORMAT, "%s: is a model without a graph of nodes",
                       file->path);
    return index_graph(out, error);
}

/* --- nodes --------------------------------------------------------------------------------- */

const char *an_onnx_input(const Onnx__NodeProto *node, size_t index) {
    return index < node->n_input ? node->input[index] : "";
}

const char *an_onnx_output(const Onnx__NodeProto *node, size_t index) {
    return index < node->n_output ? node->output[index] : "";
}

an_onnx_text an_onnx_node_text(const Onnx__NodeProto *node) {
    an_onnx_text out;
    const bool named = node->name && *node->name;
    snprintf(out.text, sizeof out.text, "%s '%.80s' (%.40s)",
             named ? "node" : "the node that makes", named ? node->name : an_onnx_output(node, 0),
             node->op_type ? node->op_type : "without operator");
    return out;
}

alexnet_status an_onnx_fail(const an_onnx *onnx, const Onnx__NodeProto *node, alexnet_error *error,
                            const char *format, ...) {
    char reason[320];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return an_fail(error, ALEXNET_UNSUPPORTED, "%s: %s %s", onnx->file->path,
                   an_onnx_node_text(node).text, reason);
}

bool an_onnx_is(const Onnx__NodeProto *node, const char *op_type) {
    const char *domain = node->domain ? node->domain : "";
    return node->op_type && strcmp(node->op_type, op_type) == 0 &&
           (*domain == '\0' || strcmp(domain, "ai.onnx") == 0);
}

const Onnx__AttributeProto *an_onnx_attribute(const Onnx__NodeProto *node, const char *name) {
    for (size_t i = 0; i < node->n_attribute; i++)
        if (node->attribute[i]->name && strcmp(node->attribute[i]->name, name) == 0)
            return node->attribute[i];
    return NULL;
}

/* Some writers leave out a value that is 0: the attribute is there without. */
int64_t an_onnx_int(const Onnx__NodeProto *node, const char *name, int64_t fallback) {
    const Onnx__AttributeProto *attribute = an_onnx_attribute(node, name);
    return attribute ? attribute->i : fallback;
}

float an_onnx_float(const Onnx__NodeProto *node, const char *name, float fallback) {
    const Onnx__AttributeProto *attribute = an_onnx_attribute(node, name);
    return attribute ? attribute->f : fallback;
}

alexnet_status an_onnx_ints(const an_onnx *onnx, const Onnx__NodeProto *node, const char *name,
                            int low, int high, size_t count, int *out, alexnet_error *error) {
    const Onnx__AttributeProto *attribute = an_onnx_attribute(node, name);
    if (!attribute)
        return ALEXNET_OK;
    if (attribute->n_ints != count)
        return an_onnx_fail(onnx, node, error, "has %zu values of %s, where pictures have %zu",
                            attribute->n_ints, name, count);
    for (size_t i = 0; i < count; i++) {
        if (attribute->ints[i] < low || attribute->ints[i] > high)
            return an_onnx_fail(onnx, node, error, "has the %s %lld, which no layer here has", name,
                                (long long)attribute->ints[i]);
        out[i] = (int)attribute->ints[i];
    }
    return ALEXNET_OK;
}

alexnet_status an_onnx_square(const an_onnx *onnx, const Onnx__NodeProto *node, const char *name,
                              int low, int high, int *out, alexnet_error *error) {
    int sides[2] = {*out, *out};
    AN_TRY(an_onnx_ints(onnx, node, name, low, high, 2, sides, error));
    if (sides[0] != sides[1])
        return an_onnx_fail(onnx, node, error, "has the %s %d x %d, where layers here are square",
                            name, sides[0], sides[1]);
    *out = sides[0];
    return ALEXNET_OK;
}
