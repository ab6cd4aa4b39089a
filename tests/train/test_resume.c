/* A run that is stopped and resumed ends as the unbroken one, to the bit. */
#include <stdlib.h>

#include "fixture.h"

static an_train_result result;

/* When to stop: after so many further questions, or after a step. */
typedef struct stopper {
    int questions;
    bool after_step, stepped;
} stopper;

static bool stop(void *context) {
    stopper *s = context;
    return s->after_step ? s->stepped : s->questions-- == 0;
}

static void stepped(void *context, const an_progress *progress) {
    stopper *s = context;
    assert_in_range(progress->step, 1, progress->steps_per_epoch);
    s->stepped = true;
}

static void train_unbroken(const an_train_settings *settings, const char *folder) {
    assert_ok(an_train_arch(&tiny_arch, settings, folder, false, NULL, &result, error));
    assert_int_equal(result.epochs, settings->epochs);
    assert_int_equal(result.steps, settings->epochs * FIXTURE_STEPS);
}

/* Trains until it is stopped, again and again to the end. Returns how often it was stopped. */
static int train_in_pieces(const an_train_settings *settings, const char *folder, stopper when) {
    const an_train_settings none = no_settings();
    for (int stops = 0;; stops++) {
        stopper now = when;
        const an_train_observer observer = {.context = &now, .stepped = stepped, .stop = stop};
        alexnet_error error = {0};
        const alexnet_status status = an_train_arch(&tiny_arch, stops ? &none : settings, folder,
                                                    stops > 0, &observer, &result, &error);
        if (status == ALEXNET_OK)
            return stops;
        if (status != ALEXNET_INTERRUPTED)
            fail_msg("%s", error.message);
        assert_true(stops < 100);
    }
}

/* Four epochs of three steps, each followed by two batches of validation: 20 questions. */
static void test_stopped_everywhere(void **state) {
    (void)state;
    static const int questions[] = {2, 3, 4, 5, 8, 13, 18};
    an_train_settings settings = fixture_settings();
    for (const an_backend *const *backend = an_backends(); *backend; backend++) {
        if (!an_backend_usable(*backend))
            continue;
        char whole[64], pieces[64];
        settings.device = (*backend)->name;
        snprintf(whole, sizeof whole, "whole-%s", settings.device);
        train_unbroken(&settings, in_fixture(whole));
        for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
            snprintf(pieces, sizeof pieces, "pieces-%s-%d", settings.device, questions[i]);
            const stopper when = {.questions = questions[i]};
            assert_true(train_in_pieces(&settings, in_fixture(pieces), when) >=
                        19 / (questions[i] + 1));
            assert_same_runs(in_fixture(whole), in_fixture(pieces));
        }
    }
}

static void test_stopped_after_every_step(void **state) {
    (void)state;
    const an_train_settings settings = fixture_settings();
    const stopper when = {.after_step = true};
    train_unbroken(&settings, in_fixture("steps-whole"));
    assert_int_equal(train_in_pieces(&settings, in_fixture("steps"), when), 4 * FIXTURE_STEPS);
    assert_same_runs(in_fixture("steps-whole"), in_fixture("steps"));
}

static void test_checkpoints_between(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    train_unbroken(&settings, in_fixture("between-whole"));
    settings.checkpoint_steps = 2;
    train_unbroken(&settings, in_fixture("between"));
    assert_same_runs(in_fixture("between-whole"), in_fixture("between"));
}

static void test_workers(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.workers = 1;
    train_unbroken(&settings, in_fixture("one-worker"));
    settings.workers = 3;
    train_unbroken(&settings, in_fixture("three-workers"));
    assert_same_runs(in_fixture("one-worker"), in_fixture("three-workers"));
}

/* Everything that a resumed run could forget: the plateau, the best epoch, precision of numbers. */
static void test_other_settings(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.schedule = (an_schedule){
        .kind = AN_SCHEDULE_PLATEAU, .base = 1.0 / 30, .factor = 1.0 / 3, .patience = 1};
    settings.seed = UINT64_MAX - 5;
    settings.threads = 2;
    settings.momentum = 0.1 + 0.2;
    settings.epochs = 6;
    settings.validation_limit = 4;
    settings.augment = false;
    train_unbroken(&settings, in_fixture("other-whole"));
    assert_true(train_in_pieces(&settings, in_fixture("other"), (stopper){.questions = 2}) > 5);
    assert_same_runs(in_fixture("other-whole"), in_fixture("other"));
}

static void test_everything_at_once(void **state) {
    (void)state;
    static const int questions[] = {2, 5, 13};
    an_train_settings settings = rich_settings();
    for (const an_backend *const *backend = an_backends(); *backend; backend++) {
        if (!an_backend_usable(*backend))
            continue;
        char whole[64], pieces[64];
        settings.device = (*backend)->name;
        snprintf(whole, sizeof whole, "rich-%s", settings.device);
        train_unbroken(&settings, in_fixture(whole));
        for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
            snprintf(pieces, sizeof pieces, "rich-%s-%d", settings.device, questions[i]);
            train_in_pieces(&settings, in_fixture(pieces), (stopper){.questions = questions[i]});
            assert_same_runs(in_fixture(whole), in_fixture(pieces));
        }
        snprintf(pieces, sizeof pieces, "rich-%s-steps", settings.device);
        train_in_pieces(&settings, in_fixture(pieces), (stopper){.after_step = true});
        assert_same_runs(in_fixture(whole), in_fixture(pieces));
    }
}

/* A run that ended on its plateau is complete, before its last epoch. */
static void test_ended_plateau(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    const an_train_settings none = no_settings();
    settings.epochs = 40;
    settings.schedule = (an_schedule){
        .kind = AN_SCHEDULE_PLATEAU, .base = 1e-30, .factor = 0.1, .patience = 1, .max_drops = 3};
    assert_ok(
        an_train_arch(&tiny_arch, &settings, in_fixture("ended"), false, NULL, &result, error));
    assert_int_equal(result.epochs, 1 + 4);
    assert_ok(an_train_arch(&tiny_arch, &none, in_fixture("ended"), true, NULL, &result, error));
    assert_int_equal(result.epochs, 1 + 4);
    assert_int_equal(
        train_in_pieces(&settings, in_fixture("ended-pieces"), (stopper){.questions = 3}) > 3, 1);
    assert_same_runs(in_fixture("ended"), in_fixture("ended-pieces"));
}

static void test_overfitting(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.overfit_batch = true;
    settings.epochs = 1;
    assert_ok(an_train_arch(&tiny_arch, &settings, in_fixture("overfit-whole"), false, NULL,
                            &result, error));
    train_in_pieces(&settings, in_fixture("overfit"), (stopper){.questions = 30});
    assert_same_runs(in_fixture("overfit-whole"), in_fixture("overfit"));
}

/* Broken pictures are counted over the whole epoch. */
static void test_broken_pictures(void **state) {
    (void)state;
    write_data(in_fixture("broken"));
    break_picture(in_fixture("broken/train/red/2.ppm"));
    break_picture(in_fixture("broken/train/green/3.ppm"));
    break_picture(in_fixture("broken/train/blue/5.ppm"));
    const an_train_settings settings = fixture_settings_on("broken");
    train_unbroken(&settings, in_fixture("broken-whole"));
    train_in_pieces(&settings, in_fixture("broken-pieces"), (stopper){.after_step = true});
    assert_same_runs(in_fixture("broken-whole"), in_fixture("broken-pieces"));
}

static void test_complete(void **state) {
    (void)state;
    const an_train_settings settings = fixture_settings(), none = no_settings();
    train_unbroken(&settings, in_fixture("complete"));
    const an_train_result first = result;
    result = (an_train_result){0};
    assert_ok(an_train_arch(&tiny_arch, &none, in_fixture("complete"), true, NULL, &result, error));
    assert_int_equal(result.steps, first.steps);
    assert_memory_equal(&result.val_top1, &first.val_top1, sizeof first.val_top1);
    assert_memory_equal(&result.train_loss, &first.train_loss, sizeof first.train_loss);
    assert_string_equal(result.checkpoint, first.checkpoint);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopped_everywhere),  cmocka_unit_test(test_stopped_after_every_step),
        cmocka_unit_test(test_checkpoints_between), cmocka_unit_test(test_workers),
        cmocka_unit_test(test_other_settings),      cmocka_unit_test(test_overfitting),
        cmocka_unit_test(test_broken_pictures),     cmocka_unit_test(test_complete),
        cmocka_unit_test(test_everything_at_once),  cmocka_unit_test(test_ended_plateau)};
    return cmocka_run_group_tests(tests, make_fixture, remove_fixture);
}
