/* Checkpoints hold everything exactly, or are not written at all. */
#include <math.h>
#include <stdlib.h>

#include "core/file.h"
#include "core/random.h"
#include "fixture.h"
#include "formats/safetensors.h"
#include "train/checkpoint.h"

static an_network network;
static float *values; /* (parameter_floats) */

static an_plan *make_plan(void) {
    const an_plan_options options = {.batch = 1, .training = true, .threads = 1};
    const an_backend *backend;
    an_plan *plan;
    assert_ok(an_backend_find("reference", &backend, error));
    assert_ok(an_network_build(&tiny_arch, FIXTURE_CLASSES, 0, &network, error));
    assert_ok(an_plan_create(backend, &network, &options, &plan, error));
    return plan;
}

/* The begin of a tensor; -0.0, a subnormal and a third come back as they are. */
static void fill_plan(an_plan *plan) {
    values = calloc(network.parameter_floats, sizeof *values);
    assert_non_null(values);
    const an_random random = an_random_stream(1, AN_RANDOM_TEST, 0, 0);
    an_random_fill_normal(&random, 0, network.parameter_floats, 1, values);
    values[0] = -0.0f;
    values[1] = 1e-42f;
    values[2] = 1.0f / 3;
    const an_weights weights = an_weights_of(&network, values);
    assert_ok(an_plan_load(plan, &weights, error));
    for (int i = 0; i < network.parameter_count; i++)
        assert_ok(an_plan_write_momentum(
            plan, i, values + network.parameter_floats - network.parameters[i].count, error));
}

static alexnet_status write_checkpoint(an_plan *plan, const an_train_state *state,
                                       alexnet_error *error) {
    const an_preprocess preprocess = an_network_preprocess(&network);
    const an_checkpoint checkpoint = {.plan = plan, .preprocess = &preprocess, .state = state};
    return an_checkpoint_write(in_fixture("a.safetensors"), &checkpoint, error);
}

static void assert_same_state(const an_train_state *a, const an_train_state *b) {
    /* Every member is eight bytes wide, or an int beside another: there is no padding. */
    assert_memory_equal(a, b, sizeof *a);
}

static void test_round_trip(void **state) {
    (void)state;
    const an_train_state written = {.epoch = 3,
                                    .step = UINT64_MAX,
                                    .counted = 1,
                                    .correct = 2,
                                    .broken = 4,
                                    .loss_sum = 1.0 / 3,
                                    .smoothed_loss = nextafter(2, 3),
                                    .flat_steps = 5,
                                    .hinted = 1,
                                    .plateau = {.best = INFINITY, .bad = 6, .drops = 7},
                                    .train_loss = 5e-324,
                                    .best_epoch = 8,
                                    .best_loss = -0.0,
                                    .best_val_top1 = 0.1,
                                    .best_val_top5 = 0.7,
                                    .metrics_bytes = 9,
                                    .events_bytes = 10};
    an_plan *plan = make_plan(), *other = make_plan();
    fill_plan(plan);
    assert_ok(write_checkpoint(plan, &written, error));

    an_weights_file file;
    an_train_state read;
    assert_ok(an_weights_open_network(in_fixture("a.safetensors"), &network, &file, error));
    assert_ok(an_checkpoint_state(&file, &read, error));
    assert_same_state(&read, &written);
    assert_ok(an_checkpoint_load(&file, other, error));
    an_weights_close(&file);
    float *back = calloc(network.parameter_floats, sizeof *back);
    assert_non_null(back);
    for (int i = 0; i < network.parameter_count; i++) {
        const an_parameter *p = &network.parameters[i];
        const size_t bytes = p->count * sizeof *back;
        assert_ok(an_plan_read(other, AN_PARAMETER, i, back, error));
        assert_memory_equal(back, values + p->offset, bytes);
        assert_ok(an_plan_read(other, AN_MOMENTUM, i, back, error));
        assert_memory_equal(back, values + network.parameter_floats - p->count, bytes);
    }
    free(back);
    free(values);
    an_plan_free(plan);
    an_plan_free(other);
}

/* A state without a number (nothing validated yet) is one, too. */
static void test_beginning(void **state) {
    (void)state;
    an_plan *plan = make_plan();
    fill_plan(plan);
    const an_train_state begin = an_train_state_begin();
    assert_ok(write_checkpoint(plan, &begin, error));
    an_weights_file file;
    an_train_state read;
    assert_ok(an_weights_open_network(in_fixture("a.safetensors"), &network, &file, error));
    assert_ok(an_checkpoint_state(&file, &read, error));
    assert_true(isnan(read.smoothed_loss) && isnan(read.best_val_top1));
    assert_true(isinf(read.plateau.best));
    an_weights_close(&file);
    free(values);
    an_plan_free(plan);
}

static void test_no_numbers(void **state) {
    (void)state;
    an_plan *plan = make_plan();
    fill_plan(plan);
    const an_train_state begin = an_train_state_begin();
    assert_ok(write_checkpoint(plan, &begin, error));
    uint8_t *before, *after;
    size_t size, size_after;
    assert_ok(an_read_file(in_fixture("a.safetensors"), 1 << 20, &before, &size, error));
    values[network.parameters[3].offset + 5] = NAN;
    assert_ok(an_plan_write_momentum(plan, 3, values + network.parameters[3].offset, error));
    assert_fails(write_checkpoint(plan, &begin, error), ALEXNET_DIVERGED,
                 network.parameters[3].name);
    assert_ok(an_read_file(in_fixture("a.safetensors"), 1 << 20, &after, &size_after, error));
    assert_int_equal(size_after, size);
    assert_memory_equal(after, before, size);
    free(before);
    free(after);
    free(values);
    an_plan_free(plan);
}

/* Weights alone, as another program writes them, are not enough to go on from. */
static void test_weights_are_no_checkpoint(void **state) {
    (void)state;
    an_plan *plan = make_plan();
    fill_plan(plan);
    an_tensor_source tensors[AN_MAX_PARAMETERS];
    for (int i = 0; i < network.parameter_count; i++) {
        const an_parameter *p = &network.parameters[i];
        tensors[i] =
            (an_tensor_source){.name = p->name, .dims = p->dims, .values = values + p->offset};
        memcpy(tensors[i].shape, p->shape, sizeof p->shape);
    }
    assert_ok(an_safetensors_write(in_fixture("b.safetensors"), tensors,
                                   (size_t)network.parameter_count, NULL, 0, NULL, NULL, error));
    an_weights_file file;
    an_train_state read;
    assert_ok(an_weights_open_network(in_fixture("b.safetensors"), &network, &file, error));
    assert_fails(an_checkpoint_state(&file, &read, error), ALEXNET_FORMAT,
                 "train.epoch is missing");
    assert_fails(an_checkpoint_load(&file, plan, error), ALEXNET_FORMAT,
                 "momentum.conv1.weight is missing");
    an_weights_close(&file);
    free(values);
    an_plan_free(plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_beginning),
        cmocka_unit_test(test_no_numbers), cmocka_unit_test(test_weights_are_no_checkpoint)};
    return cmocka_run_group_tests(tests, make_fixture, remove_fixture);
}
