/* What is written as PyTorch's file against the reader. */
#include "formats/torch.h"

#include <signal.h>

#include "formats/formats.h"
#include "formats/quantise.h"
#include "formats/temporary.h"

/* A small network with class names; closed with an_weights_close. */
static void make_weights(an_weights_file *out) {
    static const char *const names[] = {"cat", "\"dog\"", "caf\xc3\xa9", "fish\n"};
    const an_arch *arch;
    an_network network;
    assert_ok(an_arch_find("alexnet", &arch, error));
    assert_ok(an_network_build(arch, 4, 67, &network, error));
    assert_ok(an_weights_initialise(&network, 1, out, error));
    out->preprocess.mean[1] = 0.5f;
    out->class_names = calloc(4, sizeof *out->class_names);
    assert_non_null(out->class_names);
    for (int i = 0; i < 4; i++)
        assert_non_null(out->class_names[i] = strdup(names[i]));
}

static void check_values(const an_weights_file *written, const an_weights_file *read, bool bfloat) {
    for (int i = 0; i < written->network.parameter_count; i++) {
        const size_t count = written->network.parameters[i].count;
        const float *expected = written->weights.tensor[i], *values;
        assert_ok(an_weights_tensor(&read->weights, i, &values, error));
        if (!bfloat) {
            assert_memory_equal(values, expected, count * sizeof *values);
            assert_int_equal((uintptr_t)values % 64, 0); /* used where they lie */
            assert_null(read->converted[i].source);
        } else {
            uint8_t *halves = malloc(count * 2);
            float *rounded = malloc(count * sizeof *rounded);
            assert_non_null(halves);
            assert_non_null(rounded);
            an_to_bfloat(expected, count, halves);
            an_from_bfloat(halves, count, rounded);
            assert_memory_equal(values, rounded, count * sizeof *values);
            free(halves);
            free(rounded);
        }
        an_weights_release(&read->weights, i);
    }
}

static void test_round_trip(void **state) {
    (void)state;
    an_weights_file weights, read;
    const char *path = temporary("round.pth");
    make_weights(&weights);
    for (int bfloat = 0; bfloat < 2; bfloat++) {
        const an_write_options options = {.dtype = bfloat ? "BF16" : NULL};
        assert_ok(an_torch_write(path, &weights, &options, error));
        assert_ok(an_weights_open(path, NULL, &read, error));
        assert_string_equal(read.network.arch->name, "alexnet");
        assert_int_equal(read.network.input_size, 67);
        assert_int_equal(read.network.classes, 4);
        assert_memory_equal(&read.preprocess, &weights.preprocess, sizeof read.preprocess);
        for (int i = 0; i < 4; i++)
            assert_string_equal(read.class_names[i], weights.class_names[i]);
        const an_file_tensor *tensor = an_tensor_find(&read.file, "conv1.weight");
        assert_string_equal(tensor->dtype, bfloat ? "BF16" : "F32");
        check_values(&weights, &read, bfloat);
        an_weights_close(&read);
    }
    an_weights_close(&weights);
}

/* Whatever goes wrong, the file that was there stays, and nothing beside it. */
static void test_failures(void **state) {
    (void)state;
    an_weights_file weights;
    const an_write_options options = {0}, int8 = {.dtype = "I8"};
    const char *path = write_temporary("kept.pth", "old", 3);
    const int files = count_temporary_files();
    make_weights(&weights);
    assert_fails(an_torch_write(path, &weights, &int8, error), ALEXNET_INVALID, "float32");
    assert_fails(an_torch_write(temporary("no/such.pth"), &weights, &options, error), ALEXNET_IO,
                 "no/such.pth");
    signal(SIGXFSZ, SIG_IGN);
    static const rlim_t limits[] = {10, 100000, 50 << 20};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        limit_file_size(limits[i]);
        assert_fails(an_torch_write(path, &weights, &options, error), ALEXNET_IO,
                     "what it held before stays");
        limit_file_size(RLIM_INFINITY);
    }
    an_weights_close(&weights);
    assert_int_equal(count_temporary_files(), files);
    an_mapping kept;
    assert_ok(an_map(path, &kept, error));
    assert_int_equal(kept.size, 3);
    an_unmap(&kept);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, make_temporary_folder, remove_temporary_folder);
}
