/* The ONNX writer against the reader; onnx_interop.py holds what it writes against onnx's checker.
 */
#include "formats/onnx.h"

#include <signal.h>

#include "formats/temporary.h"

static an_network build(const char *name, int classes, int input_size) {
    const an_arch *arch;
    an_network network;
    assert_ok(an_arch_find(name, &arch, error));
    assert_ok(an_network_build(arch, classes, input_size, &network, error));
    return network;
}

static void assert_same_preprocess(const an_preprocess *a, const an_preprocess *b) {
    assert_int_equal(a->resize, b->resize);
    assert_int_equal(a->crop, b->crop);
    assert_int_equal(a->bgr, b->bgr);
    assert_true(a->scale == b->scale);
    assert_memory_equal(a->mean, b->mean, sizeof a->mean);
    assert_memory_equal(a->std, b->std, sizeof a->std);
}

static void test_round_trip(void **state) {
    (void)state;
    char *class_names[] = {(char[]){"one"}, (char[]){"two"}, (char[]){"drei\xc3\xa4"}};
    for (const an_arch *const *arch = an_archs(); *arch; arch++) {
        if (strcmp((*arch)->name, "torchvision") == 0)
            continue; /* large at any size; onnx_interop.py has it */
        const an_network network = build((*arch)->name, 3, 67);
        an_weights_file weights, file;
        assert_ok(an_weights_initialise(&network, 1, &weights, error));
        weights.class_names = class_names;
        for (int preprocess = 0; preprocess < 2; preprocess++) {
            const an_write_options options = {.preprocess = preprocess};
            const char *path = temporary("written.onnx");
            assert_ok(an_onnx_write_weights(path, &weights, &options, error));
            assert_ok(an_weights_open(path, NULL, &file, error));
            assert_string_equal(file.network.arch->name, (*arch)->name);
            assert_int_equal(file.network.input_size, 67);
            assert_string_equal(file.class_names[2], class_names[2]);
            assert_same_preprocess(&file.preprocess, &weights.preprocess);
            assert_null(file.owned); /* all are used where they are mapped */
            for (int i = 0; i < network.parameter_count; i++) {
                assert_int_equal((uintptr_t)file.weights.tensor[i] % 64, 0);
                assert_memory_equal(file.weights.tensor[i], weights.weights.tensor[i],
                                    network.parameters[i].count * sizeof(float));
            }
            an_weights_close(&file);
        }
        weights.class_names = NULL;
        an_weights_close(&weights);
    }
}

static void test_write_refusals(void **state) {
    (void)state;
    const an_network network = build("alexnet", 3, 67);
    const int before = count_temporary_files();
    an_weights_file weights;
    assert_ok(an_weights_initialise(&network, 1, &weights, error));
    assert_fails(an_onnx_write_weights(temporary("half.onnx"), &weights,
                                       &(an_write_options){.dtype = "BF16"}, error),
                 ALEXNET_INVALID, "float32 only");
    limit_file_size(1 << 20);
    signal(SIGXFSZ, SIG_IGN);
    assert_fails(
        an_onnx_write_weights(temporary("full.onnx"), &weights, &(an_write_options){0}, error),
        ALEXNET_IO, "full.onnx");
    limit_file_size(RLIM_INFINITY);
    weights.network = build("alexnet", 200000, 67); /* whose weights are not looked at */
    assert_fails(
        an_onnx_write_weights(temporary("large.onnx"), &weights, &(an_write_options){0}, error),
        ALEXNET_INVALID, "2 GB");
    weights.network = network;
    an_weights_close(&weights);
    assert_int_equal(count_temporary_files(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_write_refusals),
    };
    return cmocka_run_group_tests(tests, make_temporary_folder, remove_temporary_folder);
}
