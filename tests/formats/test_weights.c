/*
 * Weights files as networks. Most files here are sparse: a header made by hand and as many bytes of
 * zeros as it promises, which take no room.
 */
#include "formats/safetensors.h"
#include "formats/weights.h"

#include <inttypes.h>
#include <math.h>
#include <sys/stat.h>
#include <time.h>

#include "core/memory.h"
#include "formats/temporary.h"

/* A tensor of a file to be made. */
typedef struct entry {
    char name[64];
    const char *dtype;
    int bytes; /* of one value */
    int dims;
    int64_t shape[4];
    size_t offset; /* behind the header; filled in */
} entry;

typedef struct recipe {
    entry entries[3 * AN_MAX_PARAMETERS];
    int count;
    const char *metadata; /* as JSON, inside the braces; NULL: none */
    size_t shift;         /* further blanks behind the header */
    size_t data;          /* where the tensors begin in the file; filled in */
} recipe;

static an_network build(const char *name, int classes, int input_size) {
    const an_arch *arch;
    an_network network;
    assert_ok(an_arch_find(name, &arch, error));
    assert_ok(an_network_build(arch, classes, input_size, &network, error));
    return network;
}

static recipe recipe_of(const an_network *network, const char *metadata) {
    recipe r = {.count = network->parameter_count, .metadata = metadata};
    for (int i = 0; i < r.count; i++) {
        const an_parameter *p = &network->parameters[i];
        r.entries[i] = (entry){.dtype = "F32", .bytes = 4, .dims = p->dims};
        snprintf(r.entries[i].name, sizeof r.entries[i].name, "%s", p->name);
        memcpy(r.entries[i].shape, p->shape, sizeof p->shape);
    }
    return r;
}

static entry *find_entry(recipe *r, const char *name) {
    for (int i = 0; i < r->count; i++)
        if (strcmp(r->entries[i].name, name) == 0)
            return &r->entries[i];
    fail_msg("no entry %s", name);
    return NULL;
}

static void add_entry(recipe *r, const char *name) {
    entry *e = &r->entries[r->count++];
    *e = (entry){.dtype = "F32", .bytes = 4, .dims = 1, .shape = {2}};
    snprintf(e->name, sizeof e->name, "%s", name);
}

static const char *make(const char *name, recipe *r) {
    static char header[16384];
    size_t used = (size_t)snprintf(header, sizeof header, "{\"__metadata__\":{%s}",
                                   r->metadata ? r->metadata : "");
    size_t offset = 0;
    for (int i = 0; i < r->count; i++) {
        entry *e = &r->entries[i];
        size_t size = (size_t)e->bytes;
        used += (size_t)snprintf(header + used, sizeof header - used,
                                 ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", e->name, e->dtype);
        for (int d = 0; d < e->dims; d++) {
            used += (size_t)snprintf(header + used, sizeof header - used, "%s%" PRId64,
                                     d ? "," : "", e->shape[d]);
            size *= (size_t)e->shape[d];
        }
        used += (size_t)snprintf(header + used, sizeof header - used,
                                 "],\"data_offsets\":[%zu,%zu]}", offset, offset + size);
        e->offset = offset;
        offset += size;
    }
    used += (size_t)snprintf(header + used, sizeof header - used, "}");
    while (used % 8 != r->shift % 8)
        header[used++] = ' ';
    assert_true(used < sizeof header);
    const char *path = temporary(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    const uint64_t length = used;
    fwrite(&length, 8, 1, file);
    fwrite(header, 1, used, file);
    assert_int_equal(fclose(file), 0);
    r->data = 8 + used;
    assert_int_equal(truncate(path, (off_t)(r->data + offset)), 0);
    return path;
}

/* Puts values at the beginning of a tensor. */
static void poke(const char *path, recipe *r, const char *name, const void *values, size_t size) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, (long)(r->data + find_entry(r, name)->offset), SEEK_SET);
    assert_int_equal(fwrite(values, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

#define MADE(metadata_) "\"alexnet.arch\":\"alexnet\"" metadata_

static void test_every_architecture(void **state) {
    (void)state;
    for (const an_arch *const *arch = an_archs(); *arch; arch++) {
        const an_network network = build((*arch)->name, 7, 0);
        char metadata[64];
        snprintf(metadata, sizeof metadata, "\"alexnet.arch\":\"%s\"", (*arch)->name);
        for (int named = 0; named < 2; named++) {
            recipe r = recipe_of(&network, named ? metadata : NULL);
            const char *path = make("arch.safetensors", &r);
            an_weights_file file;
            const clock_t begin = clock();
            assert_ok(an_weights_open(path, named ? NULL : (*arch)->name, &file, error));
            assert_true(clock() - begin < CLOCKS_PER_SEC / 10); /* 240 MB are not looked through */
            assert_ptr_equal(file.network.arch, *arch);
            assert_int_equal(file.network.classes, 7);
            assert_int_equal(file.network.input_size, (*arch)->input_size);
            assert_int_equal(file.preprocess.crop, (*arch)->input_size);
            assert_int_equal(file.preprocess.resize, (*arch)->preprocess.resize);
            assert_null(file.class_names);
            assert_null(file.owned);
            an_weights_close(&file);
        }
    }
}

static void test_values_are_used_in_place(void **state) {
    (void)state;
    const an_network network = build("alexnet", 10, 67);
    recipe r = recipe_of(&network, MADE(",\"alexnet.input_size\":\"67\""));
    const float weights[3] = {1.5f, -2, 3}, bias = 7;
    const char *path = make("place.safetensors", &r);
    poke(path, &r, "conv3.weight", weights, sizeof weights);
    poke(path, &r, "fc8.bias", &bias, sizeof bias);
    an_weights_file file;
    assert_ok(an_weights_open(path, NULL, &file, error));
    const int conv3 = an_network_parameter(&file.network, "conv3.weight"),
              fc8 = an_network_parameter(&file.network, "fc8.bias");
    assert_memory_equal(file.weights.tensor[conv3], weights, sizeof weights);
    assert_true(file.weights.tensor[fc8][0] == 7);
    assert_true((const uint8_t *)file.weights.tensor[conv3] ==
                file.file.mappings[0].bytes + r.data + find_entry(&r, "conv3.weight")->offset);
    an_weights_close(&file);

    r.shift = 1; /* now no tensor lies at a multiple of four: they are copied */
    path = make("shifted.safetensors", &r);
    poke(path, &r, "conv3.weight", weights, sizeof weights);
    assert_ok(an_weights_open(path, NULL, &file, error));
    assert_non_null(file.owned);
    const float *values;
    assert_ok(an_weights_tensor(&file.weights, conv3, &values, error));
    assert_memory_equal(values, weights, sizeof weights);
    an_weights_close(&file);
}

static size_t resident_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long size = 0, resident = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void test_release_gives_pages_back(void **state) {
    (void)state;
    const an_network network = build("alexnet", 10, 67);
    recipe r = recipe_of(&network, MADE(",\"alexnet.input_size\":\"67\""));
    const char *path = make("pages.safetensors", &r);
    const float one = 1;
    poke(path, &r, "fc7.weight", &one, sizeof one);
    an_weights_file file;
    assert_ok(an_weights_open(path, NULL, &file, error));
    const int fc7 = an_network_parameter(&file.network, "fc7.weight");
    const size_t before = resident_bytes();
    double sum = 0;
    for (size_t i = 0; i < file.network.parameters[fc7].count; i++)
        sum += (double)file.weights.tensor[fc7][i];
    assert_true(sum == 1);
    const size_t touched = resident_bytes(), bytes = 4096 * 4096 * sizeof(float);
    assert_true(touched > before + bytes * 9 / 10);
    file.weights.release(file.weights.context, fc7);
    assert_true(resident_bytes() < touched - bytes * 9 / 10);
    assert_true(file.weights.tensor[fc7][0] == 1); /* it can be read again all the same */
    an_weights_close(&file);
}

static void test_converts(void **state) {
    (void)state;
    static const uint16_t half[] = {0x3c00, 0xc000, 0x0001, 0x83ff, 0x0400,
                                    0x7bff, 0x8000, 0x7c00, 0xfc00, 0x3555};
    static const float from_half[] = {1,     -2,    0x1p-24f, -1023 * 0x1p-24f, 0x1p-14f,
                                      65504, -0.0f, INFINITY, -INFINITY,        0x1.554p-2f};
    static const uint16_t brain[] = {0x3f80, 0xc049, 0x0001, 0x8000, 0x7f80};
    static const float from_brain[] = {1, -3.140625f, 0x1p-133f, -0.0f, INFINITY};
    static const double wide[] = {1, -0.1, 1e300, 1e-300};
    static const float from_wide[] = {1, -0.1f, INFINITY, 0};
    const struct {
        const char *dtype;
        int bytes;
        const void *values, *expected;
        size_t size, expected_size;
    } cases[] = {
        {"F16", 2, half, from_half, sizeof half, sizeof from_half},
        {"BF16", 2, brain, from_brain, sizeof brain, sizeof from_brain},
        {"F64", 8, wide, from_wide, sizeof wide, sizeof from_wide},
    };
    const an_network network = build("alexnet", 10, 67);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        recipe r = recipe_of(&network, MADE(",\"alexnet.input_size\":\"67\""));
        const char *names[] = {"conv2.weight", "conv2.bias"}; /* all others stay float32 */
        for (int n = 0; n < 2; n++) {
            find_entry(&r, names[n])->dtype = cases[i].dtype;
            find_entry(&r, names[n])->bytes = cases[i].bytes;
        }
        const char *path = make("narrow.safetensors", &r);
        poke(path, &r, "conv2.bias", cases[i].values, cases[i].size);
        an_weights_file file;
        assert_ok(an_weights_open(path, NULL, &file, error));
        const int bias = an_network_parameter(&file.network, "conv2.bias");
        const float *values;
        assert_ok(an_weights_tensor(&file.weights, bias, &values, error));
        assert_memory_equal(values, cases[i].expected, cases[i].expected_size);
        assert_ptr_equal(file.weights.tensor[bias - 1], file.owned);
        an_weights_release(&file.weights, bias);
        assert_ok(an_weights_tensor(&file.weights, bias, &values, error)); /* once more */
        assert_memory_equal(values, cases[i].expected, cases[i].expected_size);
        an_weights_close(&file);
    }
    recipe r = recipe_of(&network, MADE(",\"alexnet.input_size\":\"67\""));
    find_entry(&r, "conv2.bias")->dtype = "I32";
    an_weights_file file;
    assert_fails(an_weights_open(make("whole.safetensors", &r), NULL, &file, error),
                 ALEXNET_UNSUPPORTED, "conv2.bias holds I32");
}

static void test_mismatches(void **state) {
    (void)state;
    an_weights_file file;
    const an_network network = build("alexnet", 10, 0);
    recipe r = recipe_of(&network, NULL);
    snprintf(find_entry(&r, "conv3.bias")->name, sizeof r.entries[0].name, "conv9.bias");
    find_entry(&r, "fc6.weight")->shape[1] = 9;
    const char *path = make("misfit.safetensors", &r);
    assert_fails(an_weights_open(path, NULL, &file, error), ALEXNET_MISMATCH,
                 "conv3.bias is missing; fc6.weight is (4096, 9) and not (4096, 9216); conv9.bias "
                 "is unknown");

    r = recipe_of(&network, NULL);
    find_entry(&r, "fc8.bias")->shape[0] = 11;
    path = make("misfit.safetensors", &r);
    assert_fails(an_weights_open(path, NULL, &file, error), ALEXNET_MISMATCH,
                 "fc8.bias is (11) and not (10)");

    r = recipe_of(&network, NULL);
    find_entry(&r, "fc8.weight")->shape[0] = 0;
    path = make("misfit.safetensors", &r);
    assert_fails(an_weights_open(path, NULL, &file, error), ALEXNET_MISMATCH,
                 "fc8.weight is (0, 4096)");

    const an_network torch = build("torchvision", 10, 0);
    r = recipe_of(&torch, NULL);
    path = make("torch.safetensors", &r);
    assert_fails(an_weights_open(path, "alexnet", &file, error), ALEXNET_MISMATCH, "and more");

    r = recipe_of(&network, MADE());
    path = make("named.safetensors", &r);
    assert_fails(an_weights_open(path, "alexnet-code", &file, error), ALEXNET_MISMATCH,
                 "holds weights of 'alexnet', but 'alexnet-code'");
    assert_fails(an_weights_open(path, "resnet", &file, error), ALEXNET_MISMATCH, "resnet");
    r.metadata = NULL;
    assert_fails(an_weights_open(make("unnamed.safetensors", &r), "resnet", &file, error),
                 ALEXNET_INVALID, "resnet");
    const uint8_t nothing[10] = {2, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    assert_fails(
        an_weights_open(write_temporary("nothing", nothing, sizeof nothing), NULL, &file, error),
        ALEXNET_MISMATCH, "conv1.weight is missing");
}

/* Without metadata a network is recognised by its tensors; of several alike one must be named. */
static void test_recognised_by_tensors(void **state) {
    (void)state;
    static const struct {
        const char *arch, *recognised; /* NULL: it could be one of several */
    } cases[] = {{"alexnet", "alexnet"},
                 {"alexnet-code", "alexnet"},
                 {"torchvision", "torchvision"},
                 {"alexnet-paper", NULL},
                 {"caffenet", NULL}};
    an_weights_file file;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const an_network network = build(cases[i].arch, 10, 0);
        recipe r = recipe_of(&network, NULL);
        const char *path = make("unnamed.safetensors", &r);
        if (cases[i].recognised) {
            assert_ok(an_weights_open(path, NULL, &file, error));
            assert_string_equal(file.network.arch->name, cases[i].recognised);
            an_weights_close(&file);
        } else {
            assert_fails(an_weights_open(path, NULL, &file, error), ALEXNET_MISMATCH,
                         "(alexnet-paper, alexnet-2012, caffe-alexnet, caffenet)");
        }
        assert_ok(an_weights_open(path, cases[i].arch, &file, error));
        assert_string_equal(file.network.arch->name, cases[i].arch);
        an_weights_close(&file);
    }
}

/* What nn.DataParallel and the like put before every name. */
static void test_prefixes(void **state) {
    (void)state;
    an_weights_file file;
    const an_network network = build("torchvision", 10, 0);
    recipe r = recipe_of(&network, NULL);
    for (int i = 0; i < r.count; i++) {
        char name[sizeof r.entries[i].name];
        snprintf(name, sizeof name, "model.module.%.40s", r.entries[i].name);
        memcpy(r.entries[i].name, name, sizeof name);
    }
    assert_ok(an_weights_open(make("wrapped.safetensors", &r), NULL, &file, error));
    assert_string_equal(file.network.arch->name, "torchvision");
    an_weights_close(&file);
}

static void test_checkpoints(void **state) {
    (void)state;
    an_weights_file file;
    const an_network network = build("alexnet", 10, 0);
    recipe r = recipe_of(&network, MADE());
    add_entry(&r, "momentum.conv1.weight");
    add_entry(&r, "train.progress");
    assert_ok(an_weights_open(make("last.safetensors", &r), NULL, &file, error));
    assert_int_equal(file.network.classes, 10);
    an_weights_close(&file);
    add_entry(&r, "trained");
    assert_fails(an_weights_open(make("last.safetensors", &r), NULL, &file, error),
                 ALEXNET_MISMATCH, "trained is unknown");
}

#define PREPROCESS(resize_, crop_, channels_, scale_, mean_, std_, interpolation_)                 \
    MADE(",\"alexnet.preprocess\":\"{\\\"resize\\\":" resize_ ",\\\"crop\\\":" crop_               \
         ",\\\"channels\\\":\\\"" channels_ "\\\",\\\"scale\\\":" scale_ ",\\\"mean\\\":[" mean_   \
         "],\\\"std\\\":[" std_ "],\\\"interpolation\\\":\\\"" interpolation_ "\\\"}\"")

static void test_hostile_metadata(void **state) {
    (void)state;
    static const struct {
        const char *metadata;
        alexnet_status status;
        const char *part;
    } cases[] = {
        {PREPROCESS("256", "227", "bgr", "1", "1, 2, 3", "1, 2, 3", "bilinear"), ALEXNET_OK, ""},
        {PREPROCESS("256", "0", "rgb", "1", "1, 2, 3", "1, 2, 3", "bilinear"), ALEXNET_FORMAT,
         "crops 0"},
        {PREPROCESS("256", "224", "rgb", "1", "1, 2, 3", "1, 2, 3", "bilinear"), ALEXNET_FORMAT,
         "input's 227"},
        {PREPROCESS("226", "227", "rgb", "1", "1, 2, 3", "1, 2, 3", "bilinear"), ALEXNET_FORMAT,
         "resizes to 226"},
        {PREPROCESS("1000000000", "227", "rgb", "1", "1, 2, 3", "1, 2, 3", "bilinear"),
         ALEXNET_FORMAT, "at most 8192"},
        {PREPROCESS("4294967552", "227", "rgb", "1", "1, 2, 3", "1, 2, 3", "bilinear"),
         ALEXNET_FORMAT, "at most 8192"},
        {PREPROCESS("256.0", "227", "rgb", "1", "1, 2, 3", "1, 2, 3", "bilinear"), ALEXNET_FORMAT,
         "preprocess"},
        {PREPROCESS("256", "227", "hsv", "1", "1, 2, 3", "1, 2, 3", "bilinear"), ALEXNET_FORMAT,
         "'hsv'"},
        {PREPROCESS("256", "227", "rgb", "0", "1, 2, 3", "1, 2, 3", "bilinear"), ALEXNET_FORMAT,
         "scale"},
        {PREPROCESS("256", "227", "rgb", "1", "1, 2, 1e30", "1, 2, 3", "bilinear"), ALEXNET_FORMAT,
         "mean"},
        {PREPROCESS("256", "227", "rgb", "1", "1, 2, 3", "1, 0, 3", "bilinear"), ALEXNET_FORMAT,
         "std"},
        {PREPROCESS("256", "227", "rgb", "1", "1, 2, 3", "1, -1, 3", "bilinear"), ALEXNET_FORMAT,
         "std"},
        {PREPROCESS("256", "227", "rgb", "1", "1, 2, NaN", "1, 2, 3", "bilinear"), ALEXNET_FORMAT,
         "preprocess"},
        {PREPROCESS("256", "227", "rgb", "1", "1, 2", "1, 2, 3", "bilinear"), ALEXNET_FORMAT,
         "preprocess"},
        {PREPROCESS("256", "227", "rgb", "1", "1, 2, 3", "1, 2, 3, 4", "bilinear"), ALEXNET_FORMAT,
         "preprocess"},
        {PREPROCESS("256", "227", "rgb", "1", "1, 2, 3", "1, 2, 3", "nearest"), ALEXNET_UNSUPPORTED,
         "'nearest'"},
        {MADE(",\"alexnet.preprocess\":\"{}\""), ALEXNET_FORMAT, "preprocess"},
        {MADE(",\"alexnet.preprocess\":\"[\""), ALEXNET_FORMAT, "preprocess"},
        {MADE(",\"alexnet.class_names\":\"[\\\"a\\\",\\\"b\\\",\\\"c\\\"]\""), ALEXNET_OK, ""},
        {MADE(",\"alexnet.class_names\":\"[\\\"a\\\",\\\"b\\\"]\""), ALEXNET_FORMAT, "3 names"},
        {MADE(",\"alexnet.class_names\":\"[\\\"a\\\",\\\"b\\\",3]\""), ALEXNET_FORMAT, "entry 2"},
        {MADE(",\"alexnet.class_names\":\"{}\""), ALEXNET_FORMAT, "3 names"},
        {MADE(",\"alexnet.class_names\":\"[\""), ALEXNET_FORMAT, "3 names"},
        {MADE(",\"alexnet.classes\":\"3\",\"alexnet.input_size\":\"227\""), ALEXNET_OK, ""},
        {MADE(",\"alexnet.classes\":\"4\""), ALEXNET_FORMAT, "4 classes"},
        {MADE(",\"alexnet.classes\":\"1000000000\""), ALEXNET_FORMAT, "1000000000"},
        {MADE(",\"alexnet.classes\":\"-3\""), ALEXNET_FORMAT, "-3"},
        {MADE(",\"alexnet.classes\":\"\""), ALEXNET_FORMAT, "classes"},
        {MADE(",\"alexnet.input_size\":\"227x\""), ALEXNET_FORMAT, "227x"},
        {MADE(",\"alexnet.input_size\":\"99999999999999999999\""), ALEXNET_FORMAT, "999999"},
        {MADE(",\"alexnet.input_size\":\"100000\""), ALEXNET_FORMAT, "input size"},
        {MADE(",\"alexnet.input_size\":\"12\""), ALEXNET_FORMAT, "pool1"},
        {MADE(",\"alexnet.input_size\":\"67\""), ALEXNET_MISMATCH, "fc6.weight"},
        {"\"alexnet.arch\":\"vgg\"", ALEXNET_FORMAT, "'vgg'"},
    };
    const an_network network = build("alexnet", 3, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        recipe r = recipe_of(&network, cases[i].metadata);
        const char *path = make("hostile.safetensors", &r);
        an_weights_file file;
        if (cases[i].status == ALEXNET_OK) {
            assert_ok(an_weights_open(path, NULL, &file, error));
            an_weights_close(&file);
        } else {
            assert_fails(an_weights_open(path, NULL, &file, error), cases[i].status, cases[i].part);
            assert_fails(an_weights_open(path, NULL, &file, error), cases[i].status, path);
        }
    }
}

/* What is written comes back to the bit: values, preprocessing, names. */
static void test_round_trip(void **state) {
    (void)state;
    const an_network network = build("alexnet", 3, 67);
    an_weights_file initial, file;
    assert_ok(an_weights_initialise(&network, 5, &initial, error));
    assert_int_equal(initial.preprocess.crop, 67);
    float bias[96], *weights = malloc(network.parameters[0].count * sizeof *weights);
    assert_non_null(weights);
    an_initialise_parameter(&network, 0, 5, weights);
    an_initialise_parameter(&network, 1, 5, bias);
    assert_memory_equal(initial.weights.tensor[0], weights,
                        network.parameters[0].count * sizeof *weights);
    free(weights);

    char first[] = "caf\xc3\xa9", second[] = "b\xe4r", third[] = "\"quoted\"\n";
    char *names[] = {first, second, third};
    initial.preprocess = (an_preprocess){.resize = 71,
                                         .crop = 67,
                                         .bgr = true,
                                         .scale = 1.0f / 3,
                                         .mean = {0.1f, -0x1.fffffep5f, 1e-30f},
                                         .std = {0.3f, 1e-5f, 123456.789f}};
    an_metadata *metadata;
    size_t entries;
    assert_ok(
        an_weights_metadata(&network, &initial.preprocess, names, &metadata, &entries, error));
    assert_ok(an_metadata_add(&metadata, &entries, "train.epoch", "4", error));
    an_tensor_source sources[AN_MAX_PARAMETERS] = {0};
    for (int i = 0; i < network.parameter_count; i++) {
        sources[i].name = network.parameters[i].name;
        sources[i].dims = network.parameters[i].dims;
        memcpy(sources[i].shape, network.parameters[i].shape, sizeof network.parameters[i].shape);
        sources[i].values = initial.weights.tensor[i];
    }
    const char *path = temporary("round.safetensors");
    assert_ok(an_safetensors_write(path, sources, (size_t)network.parameter_count, metadata,
                                   entries, NULL, NULL, error));
    an_metadata_free(metadata, entries);

    assert_ok(an_weights_open(path, NULL, &file, error));
    assert_int_equal(file.network.input_size, 67);
    assert_memory_equal(&file.preprocess.scale, &initial.preprocess.scale, 7 * sizeof(float));
    assert_true(file.preprocess.bgr && file.preprocess.resize == 71);
    assert_string_equal(file.class_names[0], first);
    assert_string_equal(file.class_names[1], "b?r"); /* Latin-1, which JSON cannot say */
    assert_string_equal(file.class_names[2], third);
    assert_string_equal(an_tensor_file_metadata(&file.file, "train.epoch"), "4");
    for (int i = 0; i < network.parameter_count; i++)
        assert_int_equal(memcmp(file.weights.tensor[i], initial.weights.tensor[i],
                                network.parameters[i].count * sizeof(float)),
                         0);
    an_weights_close(&file);
    an_weights_close(&initial);
}

/* --- the mean picture ---------------------------------------------------------------------- */

/* It comes back from every type of file, as float32. */
static void test_mean_image(void **state) {
    (void)state;
    static float mean[3 * 67 * 67];
    const an_network network = build("alexnet", 3, 67);
    an_weights_file initial, file;
    for (size_t i = 0; i < sizeof mean / sizeof *mean; i++)
        mean[i] = (float)i / 7;
    assert_ok(an_weights_initialise(&network, 5, &initial, error));
    initial.preprocess.mean_image = mean;
    const char *const dtypes[] = {"F32", "BF16", "I8"};
    for (int i = 0; i < 3; i++) {
        const an_write_options options = {.dtype = dtypes[i]};
        const char *path = temporary("mean.safetensors");
        assert_ok(an_safetensors_write_weights(path, &initial, &options, error));
        assert_ok(an_weights_open(path, NULL, &file, error));
        assert_non_null(file.preprocess.mean_image);
        assert_memory_equal(file.preprocess.mean_image, mean, sizeof mean);
        an_weights_close(&file);
    }
    an_weights_close(&initial);
}

/* One of another size, type or with a value that is no number is refused. */
static void test_mean_image_faults(void **state) {
    (void)state;
    const an_network network = build("alexnet", 3, 67);
    const float infinite = INFINITY;
    an_weights_file file;
    for (int fault = 0; fault < 4; fault++) {
        recipe r =
            recipe_of(&network, "\"alexnet.arch\":\"alexnet\",\"alexnet.input_size\":\"67\"");
        add_entry(&r, AN_TENSOR_MEAN_IMAGE);
        entry *e = find_entry(&r, AN_TENSOR_MEAN_IMAGE);
        e->dims = 3;
        memcpy(e->shape, (int64_t[]){3, 67, fault == 1 ? 66 : 67}, 3 * sizeof *e->shape);
        if (fault == 2) {
            e->dtype = "F64";
            e->bytes = 8;
        }
        const char *path = make("mean.safetensors", &r);
        if (fault == 0) {
            assert_ok(an_weights_open(path, "alexnet", &file, error));
            an_weights_close(&file);
            continue;
        }
        if (fault == 3)
            poke(path, &r, AN_TENSOR_MEAN_IMAGE, &infinite, sizeof infinite);
        assert_fails(an_weights_open(path, "alexnet", &file, error), ALEXNET_FORMAT,
                     fault == 3 ? "no finite number" : "is not F32 (3, 67, 67)");
    }
}

/* --- int8 and bfloat16 --------------------------------------------------------------------- */

/* The network's recipe with int8 weights, their scales and every layer's range. */
static recipe int8_recipe(const an_network *network) {
    recipe r = recipe_of(network, MADE(",\"alexnet.input_size\":\"67\""));
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *p = &network->parameters[i];
        if (p->is_bias)
            continue;
        char name[64];
        const int stem = (int)(strlen(p->name) - strlen("weight"));
        r.entries[i].dtype = "I8";
        r.entries[i].bytes = 1;
        snprintf(name, sizeof name, "%s_scale", p->name);
        add_entry(&r, name);
        r.entries[r.count - 1].shape[0] = p->shape[0];
        snprintf(name, sizeof name, "%.*sinput_range", stem, p->name);
        add_entry(&r, name);
        r.entries[r.count - 1].shape[0] = 1;
    }
    return r;
}

static void test_int8_is_read(void **state) {
    (void)state;
    const an_network network = build("alexnet", 10, 67);
    recipe r = int8_recipe(&network);
    const char *path = make("int8.safetensors", &r);
    const int8_t q[2] = {127, -127};
    const float scale[2] = {0.5f, 0.25f}, range = 3, bias = 7;
    poke(path, &r, "conv3.weight", q, sizeof q);
    poke(path, &r, "conv3.weight_scale", scale, sizeof scale);
    poke(path, &r, "fc6.input_range", &range, sizeof range);
    poke(path, &r, "fc8.bias", &bias, sizeof bias);
    an_weights_file file;
    assert_ok(an_weights_open(path, NULL, &file, error));
    const int conv3 = an_network_parameter(&file.network, "conv3.weight"),
              fc8 = an_network_parameter(&file.network, "fc8.bias");
    const float *weights;
    assert_ok(an_weights_tensor(&file.weights, conv3, &weights, error));
    assert_true(weights[0] == 63.5f && weights[1] == -63.5f);
    assert_true(file.weights.tensor[fc8][0] == 7);
    assert_ptr_equal(file.weights.input_range, file.input_range);
    for (int l = 0; l < network.layer_count; l++)
        assert_true(file.weights.input_range[l] ==
                    (strcmp(network.layers[l].spec.name, "fc6") == 0 ? 3 : 0));
    an_weights_close(&file);
}

/* Opens a file and looks at every tensor. */
static alexnet_status open_and_read(const char *path, an_weights_file *file, alexnet_error *error) {
    AN_TRY(an_weights_open(path, NULL, file, error));
    alexnet_status status = ALEXNET_OK;
    const float *values;
    for (int i = 0; status == ALEXNET_OK && i < file->network.parameter_count; i++)
        status = an_weights_tensor(&file->weights, i, &values, error);
    an_weights_close(file);
    return status;
}

/* A file with one fault; `poked` (NULL: nothing) gets a value at its beginning. */
static void test_int8_faults(void **state) {
    (void)state;
    enum { SHAPE, DTYPE, NAME, POKE };
    const uint32_t nan = 0x7fc00000, infinite = 0x7f800000;
    const float negative = -1;
    const int8_t lowest = -128;
    const struct {
        int kind;
        const char *tensor, *with; /* a dtype or name */
        const void *value;
        size_t size;
        alexnet_status status;
        const char *part;
    } cases[] = {
        {SHAPE, "conv1.weight_scale", NULL, NULL, 0, ALEXNET_MISMATCH,
         "conv1.weight_scale is F32 (3) and not F32 (96)"},
        {SHAPE, "fc7.input_range", NULL, NULL, 0, ALEXNET_MISMATCH,
         "fc7.input_range is F32 (3) and not F32 (1)"},
        {DTYPE, "conv2.weight_scale", "I32", NULL, 0, ALEXNET_MISMATCH,
         "conv2.weight_scale is I32"},
        {DTYPE, "conv2.weight", "U8", NULL, 0, ALEXNET_MISMATCH,
         "conv2.weight_scale is there, but the weights are not I8"},
        {DTYPE, "conv2.bias", "I8", NULL, 0, ALEXNET_UNSUPPORTED, "conv2.bias holds I8 values"},
        {NAME, "fc6.weight_scale", "fc6.weight_scales", NULL, 0, ALEXNET_MISMATCH,
         "fc6.weight_scale is missing; fc6.weight_scales is unknown"},
        {NAME, "fc6.input_range", "momentum.x", NULL, 0, ALEXNET_FORMAT, "that of fc6.weight is"},
        {NAME, "fc6.input_range", "fc6.bias_scale", NULL, 0, ALEXNET_MISMATCH,
         "fc6.bias_scale is unknown"},
        {POKE, "fc8.weight_scale", NULL, &nan, 4, ALEXNET_FORMAT, "fc8.weight_scale holds"},
        {POKE, "fc8.weight_scale", NULL, &infinite, 4, ALEXNET_FORMAT, "fc8.weight_scale holds"},
        {POKE, "conv1.weight_scale", NULL, &negative, 4, ALEXNET_FORMAT,
         "conv1.weight_scale holds"},
        {POKE, "conv5.weight", NULL, &lowest, 1, ALEXNET_FORMAT, "conv5.weight holds -128"},
        {POKE, "conv4.input_range", NULL, &nan, 4, ALEXNET_FORMAT, "conv4.input_range is"},
        {POKE, "conv4.input_range", NULL, &infinite, 4, ALEXNET_FORMAT, "conv4.input_range is"},
        {POKE, "conv4.input_range", NULL, &negative, 4, ALEXNET_FORMAT, "conv4.input_range is"},
    };
    const an_network network = build("alexnet", 10, 67);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        recipe r = int8_recipe(&network);
        entry *e = find_entry(&r, cases[i].tensor);
        if (cases[i].kind == SHAPE)
            e->shape[0] = 3;
        if (cases[i].kind == DTYPE) {
            e->dtype = cases[i].with;
            e->bytes = strcmp(cases[i].with, "I32") == 0 ? 4 : 1;
        }
        if (cases[i].kind == NAME)
            snprintf(e->name, sizeof e->name, "%s", cases[i].with);
        const char *path = make("fault.safetensors", &r);
        if (cases[i].kind == POKE)
            poke(path, &r, cases[i].tensor, cases[i].value, cases[i].size);
        an_weights_file file;
        assert_fails(open_and_read(path, &file, error), cases[i].status, cases[i].part);
        assert_fails(open_and_read(path, &file, error), cases[i].status, path);
    }
}

/* Converted tensors take room only while someone uses them. */
static void test_converted_pages_come_and_go(void **state) {
    (void)state;
    const an_network network = build("alexnet", 10, 67);
    recipe r = int8_recipe(&network);
    const char *path = make("rooms.safetensors", &r);
    const int8_t one = 1;
    const float scale = 0.5f;
    poke(path, &r, "fc7.weight", &one, sizeof one);
    poke(path, &r, "fc7.weight_scale", &scale, sizeof scale);
    an_weights_file file;
    const size_t before = resident_bytes(), bytes = 4096 * 4096 * sizeof(float);
    assert_ok(an_weights_open(path, NULL, &file, error));
    assert_true(resident_bytes() < before + bytes / 10);
    const int fc7 = an_network_parameter(&file.network, "fc7.weight");
    const float *first, *second;
    assert_ok(an_weights_tensor(&file.weights, fc7, &first, error));
    assert_true(resident_bytes() > before + bytes * 9 / 10);
    assert_ok(an_weights_tensor(&file.weights, fc7, &second, error));
    an_weights_release(&file.weights, fc7); /* the second leaves what the first still uses */
    assert_true(first == second && first[0] == 0.5f);
    an_weights_release(&file.weights, fc7);
    assert_true(resident_bytes() < before + bytes / 5);
    assert_ok(an_weights_tensor(&file.weights, fc7, &first, error));
    assert_true(first[0] == 0.5f);
    an_weights_close(&file);
}

static size_t file_size(const char *path) {
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    return (size_t)about.st_size;
}

/* Two files hold the same bytes. */
static void assert_same_file(const char *a, const char *b) {
    an_mapping first, second;
    assert_ok(an_map(a, &first, error));
    assert_ok(an_map(b, &second, error));
    assert_int_equal(first.size, second.size);
    assert_int_equal(memcmp(first.bytes, second.bytes, first.size), 0);
    an_unmap(&first);
    an_unmap(&second);
}

/* Written in every type, read, and written again: the same bytes, of the size that is promised. */
static void test_every_type_comes_back(void **state) {
    (void)state;
    static const struct {
        const char *dtype;
        double bytes;
    } types[] = {{"F32", 4}, {"BF16", 2}, {"I8", 1}};
    const an_network network = build("alexnet", 3, 67);
    an_weights_file initial, file;
    char first[] = "a", second[] = "b", third[] = "c";
    char *names[] = {first, second, third};
    assert_ok(an_weights_initialise(&network, 5, &initial, error));
    initial.class_names = names;
    for (int l = 0; l < network.layer_count; l++)
        initial.input_range[l] = network.layers[l].weight < 0 ? 0 : (float)l + 0.1f;
    for (int ranges = 0; ranges < 2; ranges++)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            initial.weights.input_range = ranges ? initial.input_range : NULL;
            const char *path = temporary("first.safetensors");
            const char *again = temporary("again.safetensors");
            assert_ok(an_safetensors_write_weights(
                path, &initial, &(an_write_options){.dtype = types[t].dtype}, error));
            assert_true((double)file_size(path) <
                        1.01 * types[t].bytes * (double)network.parameter_floats);
            assert_ok(an_weights_open(path, NULL, &file, error));
            assert_string_equal(file.class_names[2], "c");
            assert_int_equal(file.network.input_size, 67);
            if (ranges)
                assert_memory_equal(file.weights.input_range, initial.input_range,
                                    sizeof initial.input_range);
            else
                assert_null(file.weights.input_range);
            assert_ok(an_safetensors_write_weights(
                again, &file, &(an_write_options){.dtype = types[t].dtype}, error));
            assert_same_file(path, again);
            an_weights_close(&file);
        }
    initial.class_names = NULL;
    initial.owned[network.parameters[4].offset] = INFINITY;
    assert_fails(an_safetensors_write_weights(temporary("inf.safetensors"), &initial,
                                              &(an_write_options){.dtype = "I8"}, error),
                 ALEXNET_FORMAT, "conv3.weight holds a value that is no finite number");
    an_weights_close(&initial);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_architecture),
        cmocka_unit_test(test_values_are_used_in_place),
        cmocka_unit_test(test_release_gives_pages_back),
        cmocka_unit_test(test_converts),
        cmocka_unit_test(test_mismatches),
        cmocka_unit_test(test_recognised_by_tensors),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_hostile_metadata),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_mean_image),
        cmocka_unit_test(test_mean_image_faults),
        cmocka_unit_test(test_int8_is_read),
        cmocka_unit_test(test_int8_faults),
        cmocka_unit_test(test_converted_pages_come_and_go),
        cmocka_unit_test(test_every_type_comes_back),
    };
    return cmocka_run_group_tests(tests, make_temporary_folder, remove_temporary_folder);
}
