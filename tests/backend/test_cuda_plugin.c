/* How the library finds the plug-in of the backend cuda and what it says where that fails, with
 * fakes of it (fake_plugin.c). */
#include "backend/cuda/plugin.h"

#include <unistd.h>

#include "core/file.h"
#include "tiny.h"

/* Beside this program, where it is looked for first. */
static const char place[] = FOLDER "/" AN_CUDA_FILE;

static alexnet_status make_plan(an_plan **out, alexnet_error *error) {
    const an_plan_options options = {.batch = 1, .threads = 1};
    an_network network;
    AN_TRY(an_network_build(&an_tiny_arch, 7, 0, &network, error));
    return an_plan_create(&an_backend_cuda, &network, &options, out, error);
}

static void test_missing(void **state) {
    (void)state;
    static const char sentence[] = "no CUDA plug-in (alexnet-cuda.so in " FOLDER "/)";
    const an_backend *backend;
    an_plan *plan;
    assert_fails(an_backend_find("cuda", &backend, error), ALEXNET_UNSUPPORTED, sentence);
    assert_null(backend);
    assert_fails(make_plan(&plan, error), ALEXNET_UNSUPPORTED, sentence);
    assert_null(plan);
    assert_false(an_backend_usable(&an_backend_cuda));
    assert_ok(an_backend_find("auto", &backend, error));
    assert_ptr_equal(backend, an_backends()[1]);
    assert_fails(an_backend_find("abacus", &backend, error), ALEXNET_UNSUPPORTED,
                 "there are: auto cuda ");
}

static void test_not_loadable(void **state) {
    (void)state;
    static const char path[] = FOLDER "/text.so", text[] = "no library";
    const an_cuda_plugin *plugin;
    assert_ok(an_write_file(path, text, sizeof text, error));
    assert_fails(an_cuda_load(path, &plugin, error), ALEXNET_UNSUPPORTED, "cannot be loaded");
    assert_null(plugin);
    assert_int_equal(unlink(path), 0);
    assert_fails(an_cuda_load("libmissing.so.13", &plugin, error), ALEXNET_UNSUPPORTED,
                 "libmissing.so.13: cannot open shared object file");
}

static void test_other_version(void **state) {
    (void)state;
    const an_cuda_plugin *plugin;
    assert_fails(an_cuda_load(FOLDER "/other_plugin.so", &plugin, error), ALEXNET_UNSUPPORTED,
                 "is of version 0.0.0, but this is ");
    assert_null(plugin);
    assert_fails(an_cuda_load("libm.so.6", &plugin, error), ALEXNET_UNSUPPORTED,
                 "is of version unknown");
    an_plan *plan;
    assert_int_equal(symlink("other_plugin.so", place), 0);
    assert_fails(make_plan(&plan, error), ALEXNET_UNSUPPORTED, "is of version 0.0.0");
    assert_int_equal(unlink(place), 0);
}

/* The last test: a plug-in that was loaded stays, whatever its file becomes. */
static void test_plans(void **state) {
    (void)state;
    an_plan *plan;
    assert_int_equal(symlink("fake_plugin.so", place), 0);
    assert_ok(make_plan(&plan, error));
    assert_string_equal(plan->backend->name, "reference");
    assert_ptr_not_equal(plan->backend, &an_backend_reference); /* but its own copy */
    an_plan_free(plan);
    assert_int_equal(unlink(place), 0);
}

static int set_up(void **state) {
    (void)state;
    unlink(place); /* of a run that was broken off */
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_not_loadable),
        cmocka_unit_test(test_other_version),
        cmocka_unit_test(test_plans),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
