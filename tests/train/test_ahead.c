/*
 * A run on a backend that runs ahead, whose steps are begun before those in front of them are
 * finished, is the run of one that does not: files, numbers, and what is left when it is stopped,
 * killed or fails. Both are the cuda backend's plans on the device in plain C, which does
 * everything as late as it may.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/cuda/plan.h"
#include "core/file.h"
#include "fixture.h"

/* One runs ahead; in the other each step is waited for. */
static an_backend ahead, one_by_one;

static uint64_t most_under_way;

static alexnet_status create_as(const an_backend *backend, const an_network *network,
                                const an_plan_options *options, an_plan **out,
                                alexnet_error *error) {
    AN_TRY(an_backend_cuda_plan.create(network, options, out, error));
    (*out)->backend = backend;
    return ALEXNET_OK;
}

static alexnet_status create_ahead(const an_network *network, const an_plan_options *options,
                                   an_plan **out, alexnet_error *error) {
    return create_as(&ahead, network, options, out, error);
}

static alexnet_status create_one_by_one(const an_network *network, const an_plan_options *options,
                                        an_plan **out, alexnet_error *error) {
    return create_as(&one_by_one, network, options, out, error);
}

static alexnet_status step_ahead(an_plan *plan, const an_step *step, an_step_result *result,
                                 alexnet_error *error) {
    const uint64_t under_way = plan->begun - plan->finished + 1;
    most_under_way = under_way > most_under_way ? under_way : most_under_way;
    usleep(2000); /* enough for the loader to have the next batch */
    return an_backend_cuda_plan.step(plan, step, result, error);
}

static alexnet_status step_at_once(an_plan *plan, const an_step *step, an_step_result *result,
                                   alexnet_error *error) {
    AN_TRY(an_backend_cuda_plan.step(plan, step, result, error));
    return an_backend_cuda_plan.finish(plan, result, error);
}

/* Linked in the place of an_backend_find (CMakeLists.txt). */
alexnet_status __wrap_an_backend_find(const char *device, const an_backend **out,
                                      alexnet_error *error);
alexnet_status __wrap_an_backend_find(const char *device, const an_backend **out,
                                      alexnet_error *error) {
    (void)error;
    *out = strcmp(device, ahead.name) == 0 ? &ahead : &one_by_one;
    return ALEXNET_OK;
}

static int make_backends(void **state) {
    ahead = one_by_one = an_backend_cuda_plan;
    ahead.name = "ahead";
    ahead.create = create_ahead;
    ahead.step = step_ahead;
    one_by_one.name = "one by one";
    one_by_one.create = create_one_by_one;
    one_by_one.step = step_at_once;
    one_by_one.finish = NULL;
    return make_fixture(state);
}

static an_train_result result;

static alexnet_status train(an_train_settings settings, const an_backend *backend,
                            const char *folder, const an_train_observer *observer,
                            alexnet_error *error) {
    settings.device = backend->name;
    return an_train_arch(&tiny_arch, &settings, folder, false, observer, &result, error);
}

static alexnet_status resume(const char *folder, const an_train_observer *observer,
                             alexnet_error *error) {
    const an_train_settings none = no_settings();
    return an_train_arch(&tiny_arch, &none, folder, true, observer, &result, error);
}

/* Everything that a run can have, but for what wants the weights behind each step. */
static an_train_settings settings_with_everything(void) {
    an_train_settings settings = rich_settings();
    settings.layer_stats = false;
    return settings;
}

/* Two paths for a test's runs. */
static const char *expected_folder(const char *name) {
    char text[64];
    snprintf(text, sizeof text, "%s-expected", name);
    return in_fixture(text);
}

static void check_same(const an_train_settings *settings, const char *name, uint64_t under_way) {
    most_under_way = 0;
    assert_ok(train(*settings, &one_by_one, expected_folder(name), NULL, error));
    assert_ok(train(*settings, &ahead, in_fixture(name), NULL, error));
    assert_int_equal(most_under_way, under_way);
    assert_same_runs(expected_folder(name), in_fixture(name));
}

static void test_same_runs(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    check_same(&settings, "plain", 2);
    settings.checkpoint_steps = 2;
    settings.log_steps = 2;
    check_same(&settings, "saving", 2);
    settings.checkpoint_steps = 1;
    check_same(&settings, "saving-always", 1);
    settings = settings_with_everything();
    check_same(&settings, "everything", 2);
    settings.layer_stats = true;
    check_same(&settings, "layers", 1);
    settings = fixture_settings();
    settings.overfit_batch = true;
    settings.epochs = 1;
    check_same(&settings, "overfitting", 2);
}

/* When to stop: after so many further questions, or after a step. */
typedef struct stopper {
    int questions;
    bool after_step;
    uint64_t steps;
} stopper;

static bool stop(void *context) {
    stopper *s = context;
    return s->after_step ? s->steps > 0 : s->questions-- == 0;
}

/* Steps come one after the other, whatever is under way. */
static void stepped(void *context, const an_progress *progress) {
    stopper *s = context;
    const uint64_t step = (progress->epoch - 1) * progress->steps_per_epoch + progress->step;
    if (s->steps > 0)
        assert_int_equal(step, s->steps + 1);
    s->steps = step;
}

/* Trains until it is stopped, again and again to the end. Returns how often it was stopped. */
static int train_in_pieces(const an_train_settings *settings, const char *name, stopper when) {
    for (int stops = 0;; stops++) {
        stopper now = when;
        const an_train_observer observer = {.context = &now, .stepped = stepped, .stop = stop};
        const alexnet_status status =
            stops > 0 ? resume(in_fixture(name), &observer, NULL)
                      : train(*settings, &ahead, in_fixture(name), &observer, NULL);
        if (status == ALEXNET_OK)
            return stops;
        assert_int_equal(status, ALEXNET_INTERRUPTED);
        assert_true(stops < 100);
    }
}

static void test_stopped(void **state) {
    (void)state;
    static const int questions[] = {2, 3, 5, 13};
    const an_train_settings settings = settings_with_everything();
    assert_ok(train(settings, &one_by_one, expected_folder("stopped"), NULL, error));
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        char name[64];
        snprintf(name, sizeof name, "stopped-%d", questions[i]);
        assert_true(train_in_pieces(&settings, name, (stopper){.questions = questions[i]}) > 0);
        assert_same_runs(expected_folder("stopped"), in_fixture(name));
    }
    assert_true(train_in_pieces(&settings, "stopped-steps", (stopper){.after_step = true}) >
                FIXTURE_STEPS);
    assert_same_runs(expected_folder("stopped"), in_fixture("stopped-steps"));
}

/* What a process that is killed now leaves behind. */
static void copy_run(const char *from, const char *to) {
    static const char *const names[] = {"run.json", "metrics.jsonl",
                                        "events.out.tfevents.0.alexnet", "last.safetensors",
                                        "best.safetensors"};
    assert_ok(an_make_folder(to, error));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[600], copy[600];
        uint8_t *bytes;
        size_t size;
        snprintf(path, sizeof path, "%s/%s", from, names[i]);
        snprintf(copy, sizeof copy, "%s/%s", to, names[i]);
        if (!an_is_file(path))
            continue;
        assert_ok(an_read_file(path, 1 << 24, &bytes, &size, error));
        assert_ok(an_write_file(copy, bytes, size, error));
        free(bytes);
    }
}

static const char *killed_after(int step) {
    char name[64];
    snprintf(name, sizeof name, "killed-%d", step);
    return in_fixture(name);
}

static void keep_copy(void *context, const an_progress *progress) {
    int *steps = context;
    (void)progress;
    copy_run(in_fixture("killed"), killed_after(++*steps));
}

static void test_killed_after_every_step(void **state) {
    (void)state;
    an_train_settings settings = settings_with_everything();
    int steps = 0;
    const an_train_observer observer = {.context = &steps, .stepped = keep_copy};
    assert_ok(train(settings, &one_by_one, expected_folder("killed"), NULL, error));
    settings.checkpoint_steps = 2;
    assert_ok(train(settings, &ahead, in_fixture("killed"), &observer, error));
    assert_int_equal(steps, 4 * FIXTURE_STEPS);
    for (int step = 1; step <= steps; step++) {
        assert_ok(resume(killed_after(step), NULL, error));
        assert_same_runs(expected_folder("killed"), killed_after(step));
    }
}

/* Pictures that could not be read are counted in the step that would have had them: the checkpoint
 * of a run that is stopped has those of its own steps. */
static void test_broken_pictures(void **state) {
    (void)state;
    write_data(in_fixture("few-broken"));
    break_picture(in_fixture("few-broken/train/red/2.ppm"));
    break_picture(in_fixture("few-broken/train/green/3.ppm"));
    break_picture(in_fixture("few-broken/train/blue/5.ppm"));
    const an_train_settings settings = fixture_settings_on("few-broken");
    check_same(&settings, "broken", 2);
    train_in_pieces(&settings, "broken-pieces", (stopper){.after_step = true});
    assert_same_runs(expected_folder("broken"), in_fixture("broken-pieces"));
}

/* A run that cannot have its next batch saves the steps before it: when the pictures are mended, it
 * does not learn from those of that step again. */
static void test_too_many_broken_pictures(void **state) {
    (void)state;
    const char *const names[] = {"many-expected", "many"};
    an_train_settings settings = fixture_settings_on("many-broken");
    for (int i = 0; i < 2; i++) {
        write_data(in_fixture("many-broken"));
        for (int p = 0; p < 11; p++) {
            char name[64];
            snprintf(name, sizeof name, "many-broken/train/%s/%d.ppm", p < 6 ? "red" : "green",
                     p % 6);
            break_picture(in_fixture(name));
        }
        assert_fails(
            train(settings, i == 0 ? &one_by_one : &ahead, in_fixture(names[i]), NULL, error),
            ALEXNET_FORMAT, "could not be read");
        write_data(in_fixture("many-broken"));
        assert_ok(resume(in_fixture(names[i]), NULL, error));
    }
    assert_same_runs(in_fixture("many-expected"), in_fixture("many"));
}

/* Said with the step and its rate, though the next one is under way, and with the checkpoint that
 * there is. Step 7 leaves weights so large that step 8 has no loss. */
static void test_divergence(void **state) {
    (void)state;
    alexnet_error expected = {0}, found = {0};
    an_train_settings settings = fixture_settings();
    settings.schedule.base = 1e6;
    settings.phases = "0:lr=0 2:lr=1e6,weights=1e6,biases=1e6,fc2=1e6,fc3=1e6";
    settings.checkpoint_steps = 5;
    assert_int_equal(train(settings, &one_by_one, in_fixture("x"), NULL, &expected),
                     ALEXNET_DIVERGED);
    assert_non_null(strstr(expected.message, "the loss of step 8 (epoch 3)"));
    most_under_way = 0;
    assert_int_equal(train(settings, &ahead, in_fixture("y"), NULL, &found), ALEXNET_DIVERGED);
    assert_int_equal(most_under_way, 2);
    char *other = strstr(found.message, "/y/");
    assert_non_null(other);
    other[1] = 'x';
    assert_string_equal(found.message, expected.message);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_runs),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_killed_after_every_step),
        cmocka_unit_test(test_broken_pictures),
        cmocka_unit_test(test_too_many_broken_pictures),
        cmocka_unit_test(test_divergence),
    };
    return cmocka_run_group_tests(tests, make_backends, remove_fixture);
}
