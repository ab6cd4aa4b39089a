/* Hostile files of PyTorch's: one sentence, nothing executed, memory and time bounded. */
#include <time.h>

#include "formats/torch_files.h"

static const float six[6] = {1, 2, 3, 4, 5, 6};

static void refuses(const bytes *pickle, alexnet_status status, const char *part) {
    an_tensor_file file;
    assert_fails(read_pickle(pickle, six, sizeof six, &file, error), status, part);
    assert_fails(read_pickle(pickle, six, sizeof six, &file, error), status, "made.pth");
}

static void refuses_text(const char *pickle, alexnet_status status, const char *part) {
    const bytes copy = {(uint8_t *)strdup(pickle), strlen(pickle), 0};
    refuses(&copy, status, part);
    free(copy.data);
}

static void test_names(void **state) {
    (void)state;
    static const char *const names[][2] = {
        {"cposix\nsystem\n(U\11echo pwndtR.", "'posix system'"},
        {"cos\nsystem\n.", "'os system'"},
        {"c__builtin__\neval\n.", "'__builtin__ eval'"},
        {"cbuiltins\nexec\n.", "'builtins exec'"},
        {"csubprocess\nPopen\n.", "'subprocess Popen'"},
        {"ctorch\nload\n.", "'torch load'"},
        {"ctorch.storage\n_load_from_bytes\n.", "'torch.storage _load_from_bytes'"},
        {"ctorchvision.models.alexnet\nAlexNet\n)\x81.", "save the state_dict()"},
        {"ctorch\nFloatStorag\n.", "'torch FloatStorag'"},
        {"ctorc\nFloatStorage\n.", "'torc FloatStorage'"},
        {"c\n\n.", "' '"},
        {"cposix\n\33[2Jsystem\n.", "'posix ?[2Jsystem'"},
        /* Within what is otherwise not looked at. */
        {"}U\5extracposix\nsystem\n(U\11echo pwndtRs.", "nothing was executed"},
        {"cargparse\nNamespace\n)\x81}U\1xcposix\nsystem\nsb.", "'posix system'"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        refuses_text(names[i][0], ALEXNET_UNSUPPORTED, names[i][1]);
    refuses_text("\x80\4}.", ALEXNET_UNSUPPORTED, "protocol 4");
}

static void test_instructions(void **state) {
    (void)state;
    static const char known[] = "\x80(NJMKILGXTU)]}t\x85\x86\x87"
                                "aesuqrhjcR\x81"
                                "bQ\x88\x89\x8a.";
    for (int i = 0; i < 256; i++) {
        const char pickle[] = {(char)i, '\0'};
        if (i == 0 || !strchr(known, i)) {
            uint8_t byte = (uint8_t)i;
            refuses(&(bytes){&byte, 1, 1}, ALEXNET_FORMAT, "is no instruction");
        } else {
            refuses_text(pickle, ALEXNET_FORMAT, "byte");
        }
    }
    static const char *const faults[][2] = {
        {".", "lacks a value"},
        {"(.", "lacks a value"},
        {"K\1", "ends within"},
        {"U\5ab.", "ends within"},
        {"X\377\377\377\377ab.", "ends within"},
        {"T\377\377\377\377ab.", "ends within"},
        {"\x8a\5a.", "ends within"},
        {"G1234567", "ends within"},
        {"\x80", "ends within"},
        {"R.", "lacks a value"},
        {")R.", "lacks a value"},
        {"K\1)R.", "called that is no function"},
        {"ctorch\nSize\nK\1R.", "not with a tuple"},
        {"ctorch\nSize\n)R.", "without what it needs"},
        {"ctorch\nFloatStorage\n)R.", "class of a storage"},
        {"ccollections\nOrderedDict\nK\1\x85R.", "no list"},
        {"ccollections\nOrderedDict\n]K\1a\x85R.", "no pairs"},
        {"ccollections\nOrderedDict\n]K\1\x85"
         "a\x85R.",
         "no pairs"},
        {"a.", "lacks a value"},
        {"]a.", "lacks a value"},
        {"](a.", "lacks a value"},
        {"K\1K\2a.", "cannot hold"},
        {"}K\1a.", "cannot hold"},
        {"]K\1K\2s.", "cannot hold"},
        {"}K\1s.", "lacks a value"},
        {"}(K\1s.", "lacks a value"},
        {"}(K\1u.", "a key has no value"},
        {"e.", "lacks a mark"},
        {"K\1t.", "lacks a mark"},
        {"(K\1e.", "lacks a value"},
        {"K\1\x86.", "lacks a value"},
        {"K\1(K\1\x87.", "lacks a value"},
        {"K\1}b.", "no attributes"},
        {"}b.", "lacks a value"},
        {"h\5.", "nobody remembered"},
        {"K\1q\1h\2.", "nobody remembered"},
        {"j\377\377\377\377.", "nobody remembered"},
        {"K\1q\377.", "number that is too large"},
        {"K\1r\377\377\377\377.", "number that is too large"},
        {"(q\1.", "lacks a value"},
        {"Q.", "lacks a value"},
        {"I\n.", "number cannot be read"},
        {"I1x\n.", "number cannot be read"},
        {"LL\n.", "number cannot be read"},
        {"L123456789012345678901234567890L\n.", "number cannot be read"},
        {"I1", "has no end"},
        {"cposix", "has no end"},
        {"cposix\nsystem", "has no end"},
        /* Sound pickles that are no state dictionary. */
        {"N.", "holds no state dictionary"},
        {"}(U\5epochK\1U\6weightK\2u.", "its keys are epoch, weight"},
        {"}U\1aU\1bQs.", "holds no state dictionary"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        refuses_text(faults[i][0], ALEXNET_FORMAT, faults[i][1]);
    bytes endless = {0};
    put_plain(&endless, "c");
    for (int i = 0; i < 300; i++)
        put_plain(&endless, "x");
    put_plain(&endless, "\nx\n.");
    refuses(&endless, ALEXNET_FORMAT, "has no end");
    free(endless.data);
}

static void test_places(void **state) {
    (void)state;
    enum { M = 1 << 30 };
    static const struct {
        int64_t first;
        int dims;
        int64_t shape[10], stride[10];
        bool fits;
    } cases[] = {
        {0, 2, {2, 3}, {3, 1}, true},
        {6, 1, {0}, {1}, true},
        {7, 1, {0}, {1}, false},
        {5, 0, {0}, {0}, true},
        {6, 0, {0}, {0}, false},
        {1, 2, {2, 3}, {3, 1}, false},
        {0, 2, {2, 3}, {4, 1}, false},
        {0, 2, {7, 1}, {1, 1}, false},
        {-1, 1, {1}, {1}, false},
        {INT64_MAX, 1, {1}, {1}, false},
        {INT64_MIN, 1, {1}, {1}, false},
        {0, 1, {-1}, {1}, false},
        {5, 1, {2}, {-1}, false},
        {0, 1, {INT64_MAX}, {INT64_MAX}, false},
        {0, 2, {INT64_MAX, INT64_MAX}, {0, 0}, false},
        {0, 2, {INT64_MAX / 2, 2}, {0, 0}, false}, /* their bytes cannot be counted */
        {0, 4, {M, M, M, M}, {M, M, M, M}, false},
        {0, 2, {3, 3}, {INT64_MAX, INT64_MAX}, false},
        {3, 2, {2, 2}, {INT64_MAX - 2, INT64_MAX - 2}, false},
        {0, 8, {1, 1, 1, 1, 1, 1, 1, 6}, {9, 9, 9, 9, 9, 9, 9, 1}, true},
        {0, 9, {1, 1, 1, 1, 1, 1, 1, 1, 6}, {9, 9, 9, 9, 9, 9, 9, 9, 1}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        described it = {"t", "FloatStorage", "0", 6, cases[i].first, cases[i].dims, {0}, {0}, NULL};
        memcpy(it.shape, cases[i].shape, sizeof it.shape);
        memcpy(it.stride, cases[i].stride, sizeof it.stride);
        bytes pickle = {0};
        put_plain(&pickle, BEGIN);
        put_tensor(&pickle, &it);
        put_plain(&pickle, END);
        if (cases[i].fits) {
            an_tensor_file file;
            assert_ok(read_pickle(&pickle, six, sizeof six, &file, error));
            an_tensor_file_close(&file);
        } else {
            refuses(&pickle, ALEXNET_FORMAT, cases[i].dims > 8 ? "8 dimensions" : "outside");
        }
        free(pickle.data);
    }
}

static void test_tensors(void **state) {
    (void)state;
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define ID                                                                                         \
    "(U\7storagectorch\nFloatStorage\nU\1"                                                         \
    "0U\3cpuK\6"
#define NAMED(call) "}U\1t" call "s."
    static const char *const cases[][2] = {
        {NAMED(REBUILD "(tR"), "not described"},
        {NAMED(REBUILD "(K\1K\1K\6\x85K\1\x85tR"), "not described"},
        {NAMED(REBUILD "(" ID "tQK\1K\1\x85tR"), "not described"},
        {NAMED(REBUILD "(" ID "tQNK\1\x85K\1\x85tR"), "not described"},
        {NAMED(REBUILD "(" ID "tQK\1K\1K\1\x85tR"), "not described"},
        {NAMED(REBUILD "(" ID "tQK\1N\x85K\1\x85tR"), "not described"},
        {NAMED(REBUILD "(" ID "tQK\1K\1K\1\x86K\1\x85tR"), "not described"},
        {NAMED(REBUILD "(NQK\1K\1\x85K\1\x85tR"), "storage is not described"},
        {NAMED(REBUILD "(" ID "K\1K\1tQK\1K\1\x85K\1\x85tR"), "storage is not described"},
        {NAMED(REBUILD "(" ID "K\1tQK\1K\1\x85K\1\x85tR"), "storage is not described"},
        {NAMED(REBUILD "(" ID "(U\1vK\7K\1ttQK\1K\1\x85K\1\x85tR"), "storage is not described"},
        {NAMED(REBUILD "(" ID "(U\1vK\5K\2ttQK\1K\1\x85K\1\x85tR"), "storage is not described"},
        {NAMED(REBUILD "(" ID "(U\1vK\5K\1ttQK\1K\1\x85K\1\x85tR"), "outside its storage of 1"},
        {"}U\1" REBUILD "s.", "lacks"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuses_text(cases[i][0], ALEXNET_FORMAT, cases[i][1]);

    static const struct {
        described tensor;
        const char *part;
    } described_wrong[] = {
        {{"t", "FloatStorage", "1", 6, 0, 1, {1}, {1}, NULL}, "storage '1' is missing"},
        {{"t", "FloatStorage", "0", 7, 0, 1, {1}, {1}, NULL}, "24 bytes, but is said to hold 7"},
        {{"t", "FloatStorage", "0", 5, 0, 1, {1}, {1}, NULL}, "24 bytes, but is said to hold 5"},
        {{"t", "HalfStorage", "0", 6, 0, 1, {1}, {1}, NULL}, "6 values of F16"},
        {{"t", "FloatStorage", "0", INT64_C(1) << 62, 0, 1, {1}, {1}, NULL}, "is said to hold"},
        {{"t", "FloatStorage", "0", -6, 0, 1, {1}, {1}, NULL}, "storage is not described"},
        {{"", "FloatStorage", "0", 6, 0, 1, {1}, {1}, NULL}, "has 0 characters"},
    };
    for (size_t i = 0; i < sizeof described_wrong / sizeof *described_wrong; i++) {
        bytes pickle = {0};
        put_plain(&pickle, BEGIN);
        put_tensor(&pickle, &described_wrong[i].tensor);
        put_plain(&pickle, END);
        refuses(&pickle, ALEXNET_FORMAT, described_wrong[i].part);
        free(pickle.data);
    }
}

static void put_one(bytes *pickle, const char *name) {
    put_tensor(pickle, &(described){name, "FloatStorage", "0", 6, 0, 1, {1}, {1}, NULL});
}

static void test_tensor_names(void **state) {
    (void)state;
    bytes pickle = {0};
    put_plain(&pickle, BEGIN);
    put_one(&pickle, "twice");
    put_one(&pickle, "once");
    put_one(&pickle, "twice");
    put_plain(&pickle, END);
    refuses(&pickle, ALEXNET_FORMAT, "two tensors called 'twice'");
    free(pickle.data);

    for (int i = 0; i < 2; i++) {
        char name[257] = "";
        memset(name, 'x', i == 0 ? 256 : 3);
        pickle = (bytes){0};
        put_plain(&pickle, BEGIN);
        put_one(&pickle, name);
        put_plain(&pickle, END);
        if (i == 1)
            ((uint8_t *)memmem(pickle.data, pickle.size, "xxx", 3))[1] = '\0';
        refuses(&pickle, ALEXNET_FORMAT, i == 0 ? "256 characters" : "odd ones");
        free(pickle.data);
    }

    pickle = (bytes){0};
    put_plain(&pickle, BEGIN);
    for (int i = 0; i <= 4096; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        put_one(&pickle, name);
    }
    put_plain(&pickle, END);
    refuses(&pickle, ALEXNET_UNSUPPORTED, "more than 4096 tensors");
    free(pickle.data);
}

/* `count` copies of some instructions. */
static void repeat(bytes *pickle, const char *instructions, int count) {
    for (int i = 0; i < count; i++)
        put_plain(pickle, instructions);
}

static void test_nesting(void **state) {
    (void)state;
    enum { deep = 100000 };
    static const struct {
        const char *open, *middle, *close, *part;
        alexnet_status status;
    } cases[] = {
        {"(", "", "", "lacks a value", ALEXNET_FORMAT},
        {"(", "K\1", "t", "holds no state dictionary", ALEXNET_FORMAT},
        {"]", "N", "a", "holds no state dictionary", ALEXNET_FORMAT},
        {"}U\5model", "N", "s", "holds no state dictionary", ALEXNET_FORMAT},
        {"ctorch\nSize\n", ")", "\x85R", "holds no state dictionary", ALEXNET_FORMAT},
        {"NNNNNNNNNNN", "", "", "more than 1048576 values", ALEXNET_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes pickle = {0};
        repeat(&pickle, cases[i].open, deep);
        put_plain(&pickle, cases[i].middle);
        repeat(&pickle, cases[i].close, deep);
        put_plain(&pickle, ".");
        refuses(&pickle, cases[i].status, cases[i].part);
        free(pickle.data);
    }
}

static void test_cycles(void **state) {
    (void)state;
    const clock_t begin = clock();
    refuses_text("]q\1h\1a.", ALEXNET_FORMAT, "holds no state dictionary");
    refuses_text("}q\1(U\5modelh\1U\3neth\1u.", ALEXNET_FORMAT, "holds no state dictionary");
    refuses_text("]q\1(h\1h\1e\x85q\2h\2a.", ALEXNET_FORMAT, "cannot hold");

    /* A dictionary that holds itself under every usual key and many others. */
    bytes pickle = {0};
    put_plain(&pickle, "}q\1(");
    repeat(&pickle, "U\5modelh\1U\12state_dicth\1U\3neth\1U\1xh\1", 50000);
    put_plain(&pickle, END);
    refuses(&pickle, ALEXNET_FORMAT, "holds no state dictionary");
    free(pickle.data);

    /* Around tensors a cycle does no harm. */
    an_tensor_file file;
    pickle = (bytes){0};
    put_plain(&pickle, "}q\1(U\5modelh\1");
    put_one(&pickle, "t");
    put_plain(&pickle, END);
    assert_ok(read_pickle(&pickle, six, sizeof six, &file, error));
    assert_int_equal(file.tensor_count, 1);
    an_tensor_file_close(&file);
    free(pickle.data);

    /* A long list that many dictionaries are made of: copies count. */
    pickle = (bytes){0};
    put_plain(&pickle, "ccollections\nOrderedDict\nq\1](");
    repeat(&pickle, "(K\1K\2t", 10000);
    put_plain(&pickle, "e\x85q\2");
    repeat(&pickle, "h\1h\2R", 100000);
    put_plain(&pickle, ".");
    refuses(&pickle, ALEXNET_UNSUPPORTED, "values");
    free(pickle.data);

    /* A list that is in itself as the pairs of a dictionary. */
    refuses_text("ccollections\nOrderedDict\n]q\1(h\1h\1e\x85R.", ALEXNET_FORMAT,
                 "holds no state dictionary");
    assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 20);
}

/* --- containers ---------------------------------------------------------------------------- */

static bytes sound_pickle(void) {
    bytes pickle = {0};
    put_plain(&pickle, BEGIN);
    put_one(&pickle, "t");
    put_plain(&pickle, END);
    return pickle;
}

static void test_zips(void **state) {
    (void)state;
    const int64_t G = 1 << 30;
    static const char big[] = "big", json[] = "[\"alexnet.arch\"]", numbers[] = "{\"k\":1}",
                      twice[] = "{\"k\":\"v\",\"k\":\"v\"}";
    const struct {
        zipped wrong; /* a further member; NULL name: none */
        zip_end end;
        alexnet_status status;
        const char *part; /* NULL: it is read */
    } cases[] = {
        {{0}, {0}, ALEXNET_OK, NULL},
        {{0}, {.zip64 = true}, ALEXNET_OK, NULL},
        {{.name = "m/x"}, {0}, ALEXNET_OK, NULL},
        {{.name = "m/x", .data = big, .size = 3, .flags = 1},
         {0},
         ALEXNET_UNSUPPORTED,
         "'m/x' is encrypted"},
        {{.name = "m/x", .data = big, .size = 3, .method = 8, .more_size = G},
         {0},
         ALEXNET_UNSUPPORTED,
         "'m/x' is compressed (method 8)"},
        {{.name = "m/x", .data = big, .size = 3, .more_size = G},
         {0},
         ALEXNET_FORMAT,
         "sizes of its member 'm/x' contradict"},
        {{.name = "m/x", .data = big, .size = 3, .more_stored = -1},
         {0},
         ALEXNET_FORMAT,
         "contradict"},
        {{.name = "m/x", .data = big, .size = 3, .more_size = G, .more_stored = G},
         {0},
         ALEXNET_FORMAT,
         "does not lie where"},
        {{.name = "m/x",
          .data = big,
          .size = 3,
          .more_size = INT64_MAX - 3,
          .more_stored = INT64_MAX - 3},
         {.zip64 = true},
         ALEXNET_FORMAT,
         "does not lie where"},
        {{.name = "m/x", .data = big, .size = 3, .more_offset = 1},
         {0},
         ALEXNET_FORMAT,
         "does not lie where"},
        {{.name = "m/x", .data = big, .size = 3, .more_offset = G},
         {0},
         ALEXNET_FORMAT,
         "does not lie where"},
        {{.name = "m/x", .data = big, .size = 3, .more_offset = INT64_MIN},
         {.zip64 = true},
         ALEXNET_FORMAT,
         "does not lie where"},
        {{.name = "m/x", .data = big, .size = 3, .local_name = "m/y"},
         {0},
         ALEXNET_FORMAT,
         "does not lie where"},
        {{.name = "m/x", .data = big, .size = 3, .local_name = "m/xy"},
         {0},
         ALEXNET_FORMAT,
         "does not lie where"},
        {{.name = "m/data/0", .data = big, .size = 3},
         {0},
         ALEXNET_FORMAT,
         "two members called 'm/data/0'"},
        {{.name = "m/data.pkl", .data = big, .size = 3}, {0}, ALEXNET_FORMAT, "two members"},
        {{.name = "m/byteorder", .data = big, .size = 3},
         {0},
         ALEXNET_UNSUPPORTED,
         "byteorder is 'big'"},
        {{.name = "m/alexnet.json", .data = json, .size = sizeof json - 1},
         {0},
         ALEXNET_FORMAT,
         "no object of metadata"},
        {{.name = "m/alexnet.json", .data = json, .size = 3},
         {0},
         ALEXNET_FORMAT,
         "no object of metadata"},
        {{.name = "m/alexnet.json", .data = twice, .size = sizeof twice - 1},
         {0},
         ALEXNET_FORMAT,
         "duplicate"},
        {{.name = "m/alexnet.json", .data = numbers, .size = sizeof numbers - 1},
         {0},
         ALEXNET_FORMAT,
         "'k'"},
        {{0}, {.more_members = 1}, ALEXNET_FORMAT, "does not lie where its end record says"},
        {{0}, {.more_members = 60000}, ALEXNET_FORMAT, "does not lie where its end record says"},
        {{0},
         {.more_members = INT32_MAX - 2, .zip64 = true},
         ALEXNET_FORMAT,
         "does not lie where its end record says"},
        {{0}, {.more_size = 1}, ALEXNET_FORMAT, "does not lie where its end record says"},
        {{0}, {.more_size = -1}, ALEXNET_FORMAT, "entry of its directory does not fit"},
        {{0}, {.more_offset = 1}, ALEXNET_FORMAT, "does not lie where its end record says"},
        {{0}, {.more_offset = -1}, ALEXNET_FORMAT, "fewer entries"},
        {{0},
         {.more_offset = INT64_MAX, .zip64 = true},
         ALEXNET_FORMAT,
         "does not lie where its end record says"},
        {{0},
         {.more_size = INT64_MAX, .zip64 = true},
         ALEXNET_FORMAT,
         "does not lie where its end record says"},
    };
    const bytes pickle = sound_pickle();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const zipped members[] = {{.name = "m/data.pkl", .data = pickle.data, .size = pickle.size},
                                  {.name = "m/data/0", .data = six, .size = sizeof six},
                                  cases[i].wrong};
        const bytes zip = make_zip(members, cases[i].wrong.name ? 3 : 2, &cases[i].end);
        an_tensor_file file;
        if (cases[i].part) {
            assert_fails(read_bytes(&zip, &file, error), cases[i].status, cases[i].part);
            assert_fails(read_bytes(&zip, &file, error), cases[i].status, "made.pth");
        } else {
            assert_ok(read_bytes(&zip, &file, error));
            an_tensor_file_close(&file);
        }
        free(zip.data);
    }
    static const zipped others[][2] = {{{.name = "data.pkl"}, {.name = "data/0"}},
                                       {{.name = "m/x"}, {.name = "n/data.pkl"}},
                                       {{.name = "m/x/data.pkl"}, {.name = "m/data/0"}}};
    for (int i = 0; i < 4; i++) {
        an_tensor_file file;
        const bytes zip = make_zip(i < 3 ? others[i] : NULL, i < 3 ? 2 : 0, NULL);
        assert_fails(read_bytes(&zip, &file, error), ALEXNET_FORMAT,
                     i < 3 ? "has no data.pkl" : "no file of torch.save");
        free(zip.data);
    }
    free(pickle.data);
}

/* 64 KB of end records, each of which a reader might try. */
static void test_many_ends(void **state) {
    (void)state;
    bytes zip = {0};
    put_plain(&zip, "PK\3\4");
    for (int i = 0; i < 3000; i++) {
        put_plain(&zip, "PK\5\6");
        put_number(&zip, 0, 4);
        put_number(&zip, UINT32_MAX, 4);
        put_number(&zip, 0, 8);
        put_number(&zip, (uint64_t)(2999 - i) * 22 + 1, 2);
    }
    an_tensor_file file;
    assert_fails(read_bytes(&zip, &file, error), ALEXNET_FORMAT, "no end record");
    free(zip.data);
}

static void test_streams(void **state) {
    (void)state;
    static const struct {
        const char *keys;
        uint64_t values;
        const char *part;
    } cases[] = {{"]U\1"
                  "0a.",
                  7, "7 values at byte"},
                 {"]U\1"
                  "0a.",
                  UINT64_MAX, "values at byte"},
                 {"](U\1"
                  "0U\1"
                  "0e.",
                  6, "ends before"},
                 {"]U\1"
                  "1a.",
                  6, "no tensor uses"},
                 {"]K\1a.", 6, "no tensor uses"},
                 {"].", 6, "'0' is missing"},
                 {"N.", 6, "no list of its storages"}};
    const bytes pickle = sound_pickle();
    an_tensor_file file;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes stream = {0};
        put_stream_begin(&stream);
        put(&stream, pickle.data, pickle.size);
        put_plain(&stream, cases[i].keys);
        put_number(&stream, cases[i].values, 8);
        put(&stream, six, sizeof six);
        assert_fails(read_bytes(&stream, &file, error), ALEXNET_FORMAT, cases[i].part);
        free(stream.data);
    }
    bytes stream = {0};
    put_stream_begin(&stream);
    put(&stream, pickle.data, pickle.size);
    put_plain(&stream, "](U\1"
                       "0U\1"
                       "0e.");
    for (int i = 0; i < 2; i++) {
        put_number(&stream, 6, 8);
        put(&stream, six, sizeof six);
    }
    assert_fails(read_bytes(&stream, &file, error), ALEXNET_FORMAT, "storage twice");
    uint8_t *const little = memmem(stream.data, stream.size, "little_endian", 13);
    little[13] = 0x89;
    assert_fails(read_bytes(&stream, &file, error), ALEXNET_UNSUPPORTED, "little-endian");
    stream.data[18]++; /* of 1001 */
    assert_fails(read_bytes(&stream, &file, error), ALEXNET_UNSUPPORTED, "1001");
    free(stream.data);

    /* One storage as values of two sizes. */
    stream = (bytes){0};
    put_stream_begin(&stream);
    put_plain(&stream, BEGIN);
    put_one(&stream, "t");
    put_tensor(&stream, &(described){"u", "HalfStorage", "0", 6, 0, 1, {1}, {1}, NULL});
    put_plain(&stream, END "]U\1"
                           "0a.");
    put_number(&stream, 6, 8);
    put(&stream, six, sizeof six);
    assert_fails(read_bytes(&stream, &file, error), ALEXNET_FORMAT, "is said to hold 6 values");
    free(stream.data);
    free(pickle.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),        cmocka_unit_test(test_instructions),
        cmocka_unit_test(test_places),       cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_tensor_names), cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_cycles),       cmocka_unit_test(test_zips),
        cmocka_unit_test(test_many_ends),    cmocka_unit_test(test_streams),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)read_bytes(NULL, NULL, NULL);
    return failed;
}
