/* The reader of PyTorch's files against files of the three generations, made byte by byte. */
#include "formats/formats.h"
#include "formats/torch_files.h"

static const float six[6] = {1, 2, 3, 4, 5, 6};

/* 2 x 3, in C order. */
static const described plain = {"a.weight", "FloatStorage", "0", 6, 0, 2, {2, 3}, {3, 1}, NULL};
/* Its transpose, in the same storage. */
static const described turned = {"b.weight", "FloatStorage", "0", 6, 0, 2, {3, 2}, {1, 3}, NULL};
/* Its last value. */
static const described scalar = {"c", "FloatStorage", "0", 6, 5, 0, {0}, {0}, NULL};
/* Nothing. */
static const described empty = {"d", "FloatStorage", "0", 6, 6, 2, {0, 4}, {4, 1}, NULL};
/* A column, four times; strides of dimensions of size 1 do not matter. */
static const described column = {"e", "FloatStorage", "0", 6, 1, 2, {2, 4}, {3, 0}, NULL};
static const described single = {"f", "FloatStorage", "0", 6, 2, 3, {1, 2, 1}, {77, 1, 5}, NULL};

static void put_six(bytes *pickle) {
    const described all[] = {turned, plain, scalar, empty, column, single};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        put_tensor(pickle, &all[i]);
}

/* The tensors of put_six. */
static void check_six(const an_tensor_file *file) {
    assert_int_equal(file->tensor_count, 6);
    const an_file_tensor *a = an_tensor_find(file, "a.weight");
    assert_string_equal(file->tensors[0].name, "a.weight"); /* by name */
    assert_string_equal(a->dtype, "F32");
    assert_int_equal(a->dims, 2);
    assert_int_equal(a->shape[0], 2);
    assert_int_equal(a->shape[1], 3);
    assert_false(a->strided);
    assert_int_equal(a->size, sizeof six);
    assert_memory_equal(a->bytes, six, sizeof six);
    const an_file_tensor *b = an_tensor_find(file, "b.weight");
    assert_true(b->strided);
    assert_int_equal(b->stride[0], 1);
    assert_int_equal(b->stride[1], 3);
    assert_ptr_equal(b->bytes, a->bytes);
    assert_int_equal(b->size, sizeof six);
    const an_file_tensor *c = an_tensor_find(file, "c");
    assert_int_equal(c->dims, 0);
    assert_int_equal(c->size, sizeof *six);
    assert_ptr_equal(c->bytes, a->bytes + 5 * sizeof *six);
    assert_int_equal(an_tensor_find(file, "d")->size, 0);
    assert_false(an_tensor_find(file, "d")->strided);
    const an_file_tensor *e = an_tensor_find(file, "e");
    assert_true(e->strided);
    assert_int_equal(e->size, 4 * sizeof *six); /* from the second value to the fifth */
    assert_false(an_tensor_find(file, "f")->strided);
}

static void test_zip(void **state) {
    (void)state;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        an_tensor_file file;
        bytes pickle = {0};
        put_plain(&pickle, BEGIN);
        put_six(&pickle);
        put_plain(&pickle, "u}(");
        put_text(&pickle, "_metadata");
        put_plain(&pickle, "ccollections\nOrderedDict\n)Rub.");
        static const char json[] = "{\"alexnet.arch\": \"alexnet\"}";
        const zipped members[] = {
            {.name = "m/data.pkl", .data = pickle.data, .size = pickle.size},
            {.name = "m/byteorder", .data = "little", .size = 6},
            {.name = "m/data/0", .data = six, .size = sizeof six},
            {.name = "m/data/10", .data = six, .size = sizeof six},
            {.name = "m/version", .data = "3\n", .size = 2},
            {.name = "m/alexnet.json", .data = json, .size = strlen(json)},
        };
        const zip_end end = {.zip64 = zip64, .comment = "PK\5\6 is no end record"};
        const bytes zip = make_zip(members, 6, &end);
        assert_true(an_torch_recognise(zip.data, zip.size));
        assert_ok(read_bytes(&zip, &file, error));
        check_six(&file);
        assert_string_equal(an_tensor_file_metadata(&file, "alexnet.arch"), "alexnet");
        an_tensor_file_close(&file);
        free(zip.data);
        free(pickle.data);
    }
    const an_format *format;
    assert_ok(an_format_find(NULL, "x/y.pt", &format, error));
    assert_string_equal(format->name, "torch");
}

static void test_dtypes(void **state) {
    (void)state;
    static const struct {
        const char *class, *dtype;
        int width;
    } cases[] = {{"FloatStorage", "F32", 4},       {"HalfStorage", "F16", 2},
                 {"BFloat16Storage", "BF16", 2},   {"DoubleStorage", "F64", 8},
                 {"LongStorage", "I64", 8},        {"IntStorage", "I32", 4},
                 {"ShortStorage", "I16", 2},       {"CharStorage", "I8", 1},
                 {"ByteStorage", "U8", 1},         {"BoolStorage", "BOOL", 1},
                 {"ComplexFloatStorage", "C64", 8}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        an_tensor_file file;
        bytes pickle = {0};
        put_plain(&pickle, BEGIN);
        put_tensor(&pickle, &(described){"t", cases[i].class, "0", 3, 1, 1, {2}, {1}, NULL});
        put_plain(&pickle, END);
        assert_ok(read_pickle(&pickle, six, 3 * (size_t)cases[i].width, &file, error));
        assert_string_equal(file.tensors[0].dtype, cases[i].dtype);
        assert_int_equal(file.tensors[0].size, 2 * cases[i].width);
        assert_memory_equal(file.tensors[0].bytes, (const char *)six + cases[i].width,
                            2 * (size_t)cases[i].width);
        an_tensor_file_close(&file);
        free(pickle.data);
    }
}

/* A stream of put_six and one more tensor, in storage '1', a view of storage '7'. */
static bytes make_stream(void) {
    static const char view[] = "(U\1"
                               "1K\2K\3t";
    bytes stream = {0};
    put_stream_begin(&stream);
    put_plain(&stream, BEGIN);
    put_six(&stream);
    put_tensor(&stream, &(described){"g", "HalfStorage", "7", 5, 1, 1, {2}, {1}, view});
    put_plain(&stream, "u.\x80\x02](");
    put_text(&stream, "7");
    put_text(&stream, "0");
    put_plain(&stream, "e.");
    put_number(&stream, 5, 8);
    put_plain(&stream, "0123456789");
    put_number(&stream, 6, 8);
    put(&stream, six, sizeof six);
    return stream;
}

static void test_stream(void **state) {
    (void)state;
    an_tensor_file file;
    const bytes stream = make_stream();
    assert_true(an_torch_recognise(stream.data, stream.size));
    assert_ok(read_bytes(&stream, &file, error));
    const an_file_tensor *g = an_tensor_find(&file, "g");
    assert_string_equal(g->dtype, "F16");
    assert_memory_equal(g->bytes, "6789", 4); /* values 2 + 1 and 2 + 2 of two bytes each */
    file.tensor_count--;                      /* it comes last */
    check_six(&file);
    file.tensor_count++;
    an_tensor_file_close(&file);
    free(stream.data);
}

/* The tar generation, as Python 2 wrote it: long numbers as text, strings of bytes, OrderedDict of
 * a list of pairs. `row`: the one tensor's description in `tensors`. */
static bytes make_tar(const int64_t *row, size_t row_size) {
    bytes tar = {0}, storages = {0}, tensors = {0}, object = {0};
    put_plain(&storages, "\x80\x02K\1.");
    put_plain(&storages, "\x80\x02(I94000000000000\nU\3cpuctorch\nFloatStorage\nt.");
    put_number(&storages, 8, 8);
    put(&storages, (const float[]){9, 1, 2, 3, 4, 5, 6, 9}, 8 * sizeof(float));
    put_plain(&storages, "\x80\x02]((L5L\nI94000000000000\nK\1K\6te."); /* storage 5: the middle */
    put_plain(&tensors, "\x80\x02K\2.");
    for (int i = 0; i < 2; i++) {
        put_plain(&tensors, i == 0 ? "\x80\x02(I77000000000000\nK\5ctorch\nFloatTensor\nt."
                                   : "\x80\x02(K\1I94000000000000\nctorch\nFloatTensor\nt.");
        put(&tensors, row, row_size);
    }
    put_plain(&object, "\x80\x02"
                       "ccollections\nOrderedDict\n](](U\3w.xU\16"
                       "77000000000000Qe]("
                       "U\3w.yK\1Qee\x85R}b.");
    put_tar_member(&tar, "sys_info", &(bytes){0});
    put_tar_member(&tar, "pickle", &object);
    put_tar_member(&tar, "tensors", &tensors);
    put_tar_member(&tar, "storages", &storages);
    for (int i = 0; i < 1024; i++)
        put(&tar, "", 1);
    free(storages.data);
    free(tensors.data);
    free(object.data);
    return tar;
}

static void test_tar(void **state) {
    (void)state;
    /* i32 2 and what is above it, shape 2 x 3, strides, first value. */
    const int64_t row[] = {INT64_C(0x7700000002), 2, 3, 3, 1, 0};
    an_tensor_file file;
    bytes tar = make_tar(row, sizeof row);
    assert_true(an_torch_recognise(tar.data, tar.size));
    assert_ok(read_bytes(&tar, &file, error));
    assert_int_equal(file.tensor_count, 2);
    const an_file_tensor *x = an_tensor_find(&file, "w.x");
    assert_string_equal(x->dtype, "F32");
    assert_int_equal(x->shape[1], 3);
    assert_int_equal(x->size, sizeof six);
    assert_memory_equal(x->bytes, six, sizeof six);
    assert_int_equal(an_tensor_find(&file, "w.y")->bytes - x->bytes, -4);
    an_tensor_file_close(&file);
    free(tar.data);

    static const struct {
        int64_t row[6];
        const char *part;
    } cases[] = {{{9, 2, 3, 3, 1, 0}, "8 dimensions"},
                 {{-1, 2, 3, 3, 1, 0}, "8 dimensions"},
                 {{2, 2, 3, 3, 1, 1}, "outside its storage"},
                 {{2, 2, 3, 3, 1, -1}, "outside its storage"},
                 {{2, 2, -3, 3, 1, 0}, "outside its storage"},
                 {{2, 2, 3, 3, -1, 0}, "outside its storage"},
                 {{2, 2, 3, INT64_MAX, 1, 0}, "outside its storage"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tar = make_tar(cases[i].row, sizeof cases[i].row);
        assert_fails(read_bytes(&tar, &file, error), ALEXNET_FORMAT, cases[i].part);
        free(tar.data);
    }
    tar = make_tar(row, sizeof row);
    tar.data[512 + 3]++; /* a letter of a name */
    assert_fails(read_bytes(&tar, &file, error), ALEXNET_FORMAT, "header is damaged at byte 512");
    free(tar.data);
}

/* What is found in a checkpoint: a dictionary of tensor X under name N is {N: X}. */
static void test_checkpoints(void **state) {
    (void)state;
    static const struct {
        const char *outline; /* {} dictionaries, a-z names, T a tensor called as its name, 0 None */
        const char *names;   /* of the tensors that are read */
    } cases[] = {
        {"{aT bT c0}", "ab"},
        {"{epoch0 state_dict{aT} optimizer{state{mT}}}", "a"},
        {"{model{aT} net{bT}}", "a"},
        {"{net{bT} model{aT} state_dict0}", "a"},
        {"{model{state_dict{aT}} zT}", "a"},
        {"{model{z0} bT}", "b"},
        {"{odd{aT} optimizer{state{mT}} best0}", "a"},
        {"{odd{aT} other{bT}}", NULL},
        {"{optimizer{state{mT}}}", NULL},
        {"{a0 b{}}", NULL},
        {"{}", NULL},
        {"0", NULL},
        {"T", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        an_tensor_file file;
        bytes pickle = {0};
        put_plain(&pickle, "\x80\x02");
        for (const char *at = cases[i].outline; *at;) {
            char name[32] = "";
            while ((*at >= 'a' && *at <= 'z') || *at == '_')
                name[strlen(name)] = *at++;
            if (name[0])
                put_text(&pickle, name);
            if (*at == 'T')
                put_tensor(&pickle,
                           &(described){NULL, "FloatStorage", "0", 6, 0, 1, {1}, {1}, NULL});
            put_plain(&pickle, *at == '{' ? "}(" : *at == '}' ? "u" : *at == '0' ? "N" : "");
            at++;
        }
        put_plain(&pickle, ".");
        if (cases[i].names) {
            assert_ok(read_pickle(&pickle, six, sizeof six, &file, error));
            char names[8] = "";
            for (size_t t = 0; t < file.tensor_count; t++)
                names[t] = file.tensors[t].name[0];
            assert_string_equal(names, cases[i].names);
            an_tensor_file_close(&file);
        } else {
            assert_fails(read_pickle(&pickle, six, sizeof six, &file, error), ALEXNET_FORMAT,
                         "holds no state dictionary");
        }
        free(pickle.data);
    }
}

/* What may stand beside weights, and is not looked at. */
static void test_harmless(void **state) {
    (void)state;
    /* A numpy.float64, as protocol 2 has it. */
    static const char numpy_scalar[] =
        "cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(U\2f8\x89\x88tR(K\3U\1<NNNJ\377\377\377"
        "\377J\377\377\377\377K\1tbc_codecs\nencode\n(U\1xU\6latin1tRtR";
    static const char *const values[] = {
        "N",
        "G\x40\x09\x21\xfb\x54\x44\x2d\x18", /* a float */
        "\x88",
        "I-12\n",
        "L123456789012L\n",
        "I01\n",
        "cargparse\nNamespace\n)\x81}(U\2lrK\1ub",
        "ctorch\ndevice\nU\3cpu\x85R",
        "ctorch\nSize\nK\1K\2\x86\x85R",
        "ctorch\nfloat32\n",
        "ccollections\nCounter\n}K\1K\2s\x85R",
        "ccollections\ndefaultdict\nc__builtin__\ndict\n\x85RK\1K\2s",
        "c__builtin__\nset\n](K\1K\2e\x85R",
        "cpathlib\nPosixPath\n(U\1/U\1atR",
        numpy_scalar,
        "](K\1K\2}(K\1](K\3eue",
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        an_tensor_file file;
        bytes pickle = {0};
        put_plain(&pickle, BEGIN);
        put_tensor(&pickle, &plain);
        put_text(&pickle, "extra");
        put_plain(&pickle, values[i]);
        put_plain(&pickle, END);
        assert_ok(read_pickle(&pickle, six, sizeof six, &file, error));
        assert_int_equal(file.tensor_count, 1);
        an_tensor_file_close(&file);
        free(pickle.data);
    }
}

/* Cut off anywhere a file is refused; with any one bit changed it is read or refused, no more. */
static void test_damaged(void **state) {
    (void)state;
    const int64_t row[] = {2, 2, 3, 3, 1, 0};
    bytes pickle = {0};
    put_plain(&pickle, BEGIN);
    put_six(&pickle);
    put_plain(&pickle, END);
    bytes files[] = {zip_of(&pickle, six, sizeof six), make_stream(), make_tar(row, sizeof row)};
    for (int f = 0; f < 3; f++) {
        const bytes whole = files[f];
        an_tensor_file file;
        for (size_t size = 0; size < whole.size; size++) {
            const bytes cut = {whole.data, size, size};
            const alexnet_status status = read_bytes(&cut, &file, NULL);
            if (status == ALEXNET_OK) {
                assert_int_equal(f, 2); /* blocks of zeros end a tar */
                assert_true(size >= whole.size - 1024 - 511);
                an_tensor_file_close(&file);
            }
            for (int bit = 0; bit < 8; bit++) {
                whole.data[size] ^= (uint8_t)(1 << bit);
                if (read_bytes(&whole, &file, NULL) == ALEXNET_OK)
                    an_tensor_file_close(&file);
                whole.data[size] ^= (uint8_t)(1 << bit);
            }
        }
        free(whole.data);
    }
    free(pickle.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zip),         cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_stream),      cmocka_unit_test(test_tar),
        cmocka_unit_test(test_checkpoints), cmocka_unit_test(test_harmless),
        cmocka_unit_test(test_damaged),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)read_bytes(NULL, NULL, NULL);
    return failed;
}
