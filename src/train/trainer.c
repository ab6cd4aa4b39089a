#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "eval/evaluate.h"
#include "train/setup.h"
#include "train/solver.h"

/* Share of a new loss in the smoothed one: a mean over about the last ten steps. */
static const double smoothing = 0.1;

/* The loss counts as that of guessing within this share of ln(classes); after so many steps of it
 * in a row the user is told. */
static const double flat_share = 0.015;
enum { flat_steps_hint = 100 };

/* Where the time went, without the first step, which warms caches up and waits for the loader. */
typedef struct clock_sums {
    double seconds; /* of steps, with the waiting */
    double waited;  /* for data */
    uint64_t images, steps;
} clock_sums;

typedef struct trainer {
    an_train_settings settings;
    const an_train_observer *observer;
    an_run run;
    an_setup setup;
    an_train_state state;
    uint64_t saved_step; /* the run's step at the last checkpoint; UINT64_MAX: none was written */
    uint64_t broken_before;   /* pictures of this epoch that were broken before it was resumed */
    const an_batch *repeated; /* the batch that is overfitted */
    an_update updates[AN_MAX_PARAMETERS];
    double learning_rate; /* of the last step */

    double begin, epoch_begin;                     /* on the clock */
    bool warm;                                     /* the first step is done */
    clock_sums all, epoch;                         /* of this call, of this epoch */
    double validation_seconds, checkpoint_seconds; /* how long the last one took */
} trainer;

static double ratio(double a, double b) {
    return b > 0 ? a / b : 0;
}

/* Steps since the run began. */
static uint64_t run_step(const trainer *t) {
    return t->state.epoch * t->setup.steps_per_epoch + t->state.step;
}

static bool asked_to_stop(const trainer *t) {
    return t->observer->stop && t->observer->stop(t->observer->context);
}

static void warn(const trainer *t, const char *message) {
    if (t->observer->warned)
        t->observer->warned(t->observer->context, message);
}

static void warn_broken(void *context, const char *message) {
    char text[1100];
    snprintf(text, sizeof text, "picture skipped: %s", message);
    warn(context, text);
}

/* --- checkpoints --------------------------------------------------------------------------- */

static alexnet_status diverged(const trainer *t, const char *what, uint64_t step,
                               alexnet_error *error) {
    const uint64_t epoch = (step - 1) / t->setup.steps_per_epoch + 1;
    char kept[1200] = "there is no checkpoint yet";
    if (t->saved_step != UINT64_MAX)
        snprintf(kept, sizeof kept, "%s stays as it was after step %llu", t->run.last,
                 (unsigned long long)t->saved_step);
    return an_fail(
        error, ALEXNET_DIVERGED,
        "training has diverged: %s step %llu (epoch %llu) is no number; begin again "
        "with a learning rate lower than %g, a tenth of it for a start, or with a longer "
        "warm-up; %s",
        what, (unsigned long long)step, (unsigned long long)epoch, t->learning_rate, kept);
}

static alexnet_status save(trainer *t, alexnet_error *error) {
    if (t->saved_step == run_step(t) && t->state.step > 0)
        return ALEXNET_OK; /* nothing has been learned since */
    const double begin = an_seconds();
    AN_TRY(an_run_sync(&t->run, &t->state.metrics_bytes, error));
    const alexnet_status status =
        an_checkpoint_write(t->run.last, t->setup.plan, &t->setup.preprocess,
                            t->setup.data->class_names, &t->state, error);
    if (status == ALEXNET_DIVERGED)
        return diverged(t, "a weight after", run_step(t), error);
    AN_TRY(status);
    t->saved_step = run_step(t);
    t->checkpoint_seconds = an_seconds() - begin;
    return ALEXNET_OK;
}

/* Saves what has been learned before a failure that is not the training's; the failure stays the
 * one that is reported. */
static alexnet_status save_and_fail(trainer *t, alexnet_status status) {
    (void)save(t, NULL);
    return status;
}

static alexnet_status interrupted(trainer *t, alexnet_error *error) {
    AN_TRY(save(t, error));
    return an_fail(error, ALEXNET_INTERRUPTED,
                   "stopped in epoch %llu behind step %llu of %llu; %s holds everything to resume",
                   (unsigned long long)t->state.epoch + 1, (unsigned long long)t->state.step,
                   (unsigned long long)t->setup.steps_per_epoch, t->run.last);
}

/* --- a step -------------------------------------------------------------------------------- */

static alexnet_status next_batch(trainer *t, const an_batch **out, alexnet_error *error) {
    *out = t->repeated;
    if (*out)
        return ALEXNET_OK;
    AN_TRY(an_loader_next(t->setup.loader, out, error));
    if (t->settings.overfit_batch)
        t->repeated = *out;
    return ALEXNET_OK;
}

/* Tells the user, once in a run, that the network has not begun to learn. */
static void watch_for_guessing(trainer *t) {
    an_train_state *state = &t->state;
    const double guessing = log(t->setup.plan->network.classes);
    const bool flat = fabs(state->smoothed_loss - guessing) < flat_share * guessing;
    state->flat_steps = flat ? state->flat_steps + 1 : 0;
    if (state->flat_steps < flat_steps_hint || state->hinted)
        return;
    state->hinted = 1;
    char text[512];
    snprintf(text, sizeof text,
             "for %d steps the loss has stayed at ln(%d) = %.3f, which is guessing: try another "
             "learning rate (now %g; ten times less, and more), an architecture that begins with "
             "He's initialisation (alexnet), and check that the class folders hold what their "
             "names say; overfitting one batch shows whether it can learn at all",
             flat_steps_hint, t->setup.plan->network.classes, guessing, t->learning_rate);
    warn(t, text);
}

static void add_to_state(trainer *t, const an_step_result *result) {
    an_train_state *state = &t->state;
    state->step++;
    state->broken = t->broken_before + an_loader_broken(t->setup.loader);
    if (result->counted == 0)
        return;
    state->counted += (uint64_t)result->counted;
    state->correct += (uint64_t)result->correct;
    state->loss_sum += result->loss * result->counted;
    state->smoothed_loss =
        isnan(state->smoothed_loss)
            ? result->loss
            : state->smoothed_loss + smoothing * (result->loss - state->smoothed_loss);
    watch_for_guessing(t);
}

static void add_to_clocks(trainer *t, double seconds, double waited, int images) {
    clock_sums *const sums[] = {&t->all, &t->epoch};
    for (int i = 0; i < 2 && t->warm; i++) {
        sums[i]->seconds += seconds;
        sums[i]->waited += waited;
        sums[i]->images += (uint64_t)images;
        sums[i]->steps++;
    }
    t->warm = true;
}

/* Seconds to the end of the run, from what steps, validations and checkpoints took so far. A
 * validation that has not been is taken to cost a third of training as many pictures. */
static double remaining_seconds(const trainer *t) {
    const double steps_per_epoch = (double)t->setup.steps_per_epoch;
    const double epochs = t->settings.epochs - (double)t->state.epoch;
    const double steps = epochs * steps_per_epoch - (double)t->state.step;
    double validation = t->validation_seconds;
    if (validation == 0 && t->setup.validation && t->all.images > 0)
        validation = (double)an_loader_pictures(t->setup.validation) * t->all.seconds /
                     (double)t->all.images / 3;
    double checkpoints = epochs;
    if (t->settings.checkpoint_steps > 0)
        checkpoints += steps / (double)t->settings.checkpoint_steps;
    return steps * ratio(t->all.seconds, (double)t->all.steps) + epochs * validation +
           checkpoints * t->checkpoint_seconds;
}

static an_progress progress_of(const trainer *t, double loss) {
    const an_train_state *state = &t->state;
    return (an_progress){.epoch = (uint32_t)state->epoch + 1,
                         .epochs = (uint32_t)t->settings.epochs,
                         .step = state->step,
                         .steps_per_epoch = t->setup.steps_per_epoch,
                         .loss = loss,
                         .smoothed_loss = state->smoothed_loss,
                         .top1 = ratio((double)state->correct, (double)state->counted),
                         .learning_rate = t->learning_rate,
                         .images_per_second = ratio((double)t->all.images, t->all.seconds),
                         .waiting = ratio(t->all.waited, t->all.seconds),
                         .remaining_seconds = remaining_seconds(t)};
}

static alexnet_status log_step(trainer *t, const an_progress *now, alexnet_error *error) {
    if (run_step(t) % t->settings.log_steps != 0 || isnan(now->smoothed_loss))
        return ALEXNET_OK;
    return an_run_log(&t->run,
                      json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "kind", "step",
                                "epoch", (json_int_t)now->epoch, "step", (json_int_t)run_step(t),
                                "loss", now->loss, "smoothed_loss", now->smoothed_loss, "top1",
                                now->top1, "learning_rate", now->learning_rate, "images_per_second",
                                now->images_per_second, "waiting", now->waiting),
                      error);
}

static alexnet_status train_step(trainer *t, alexnet_error *error) {
    const an_train_settings *settings = &t->settings;
    const double begin = an_seconds();
    const an_batch *batch;
    const alexnet_status status = next_batch(t, &batch, error);
    if (status != ALEXNET_OK)
        return save_and_fail(t, status);
    const double arrived = an_seconds();

    t->learning_rate = an_schedule_rate(&settings->schedule, &t->state.plateau, run_step(t),
                                        t->setup.steps_per_epoch);
    an_solver_updates(settings, &t->setup.plan->network, t->learning_rate, t->updates);
    const an_step step = {.input = batch->input,
                          .labels = batch->labels,
                          .no_dropout = settings->overfit_batch,
                          .seed = settings->seed,
                          .epoch = (uint32_t)t->state.epoch,
                          .position = batch->position,
                          .momentum = (float)settings->momentum,
                          .updates = t->updates};
    an_step_result result;
    AN_TRY(an_plan_step(t->setup.plan, &step, &result, error));
    if (!isfinite(result.loss))
        return diverged(t, "the loss of", run_step(t) + 1, error);
    add_to_state(t, &result);
    add_to_clocks(t, an_seconds() - begin, arrived - begin, batch->count);

    const an_progress now = progress_of(t, result.loss);
    if (t->observer->stepped)
        t->observer->stepped(t->observer->context, &now);
    return log_step(t, &now, error);
}

/* --- an epoch ------------------------------------------------------------------------------ */

/* The steps of the epoch that are still to be done. */
static alexnet_status train_epoch(trainer *t, alexnet_error *error) {
    an_train_state *state = &t->state;
    t->epoch_begin = an_seconds();
    t->epoch = (clock_sums){0};
    t->broken_before = state->broken;
    if (!t->repeated)
        AN_TRY(an_loader_start(t->setup.loader,
                               t->settings.overfit_batch ? 0 : (uint32_t)state->epoch,
                               t->settings.overfit_batch ? 0 : state->step, error));
    while (state->step < t->setup.steps_per_epoch) {
        AN_TRY(train_step(t, error));
        const uint64_t every = t->settings.checkpoint_steps;
        if (every > 0 && run_step(t) % every == 0)
            AN_TRY(save(t, error));
        if (asked_to_stop(t))
            return interrupted(t, error);
    }
    return ALEXNET_OK;
}

static bool show_validation(void *context, size_t done, size_t pictures) {
    const trainer *t = context;
    if (t->observer->validating)
        t->observer->validating(t->observer->context, done, pictures);
    return !asked_to_stop(t);
}

static alexnet_status validate(trainer *t, an_epoch_result *result, alexnet_error *error) {
    an_evaluation found;
    const alexnet_status status =
        an_evaluate(t->setup.plan, t->setup.validation, &found, show_validation, t, error);
    if (status == ALEXNET_INTERRUPTED)
        return interrupted(t, error);
    if (status != ALEXNET_OK)
        return save_and_fail(t, status);
    if (!isfinite(found.loss))
        return diverged(t, "the validation loss after", run_step(t), error);
    t->validation_seconds = found.seconds;
    result->validated = true;
    result->val_loss = found.loss;
    result->val_top1 = found.top1;
    result->val_top5 = found.top5;
    result->broken += found.broken;
    return ALEXNET_OK;
}

/* Whether an epoch is the best so far, and if so, remembers it. */
static bool note_best(an_train_state *state, const an_epoch_result *result) {
    const double loss = result->validated ? result->val_loss : result->train_loss;
    bool better = state->best_epoch == 0 || loss < state->best_loss;
    if (result->validated && state->best_epoch > 0 && result->val_top1 != state->best_val_top1)
        better = result->val_top1 > state->best_val_top1;
    if (better) {
        state->best_epoch = result->epoch;
        state->best_loss = loss;
        state->best_val_top1 = result->validated ? result->val_top1 : NAN;
        state->best_val_top5 = result->validated ? result->val_top5 : NAN;
    }
    return better;
}

static alexnet_status log_epoch(trainer *t, const an_epoch_result *result, alexnet_error *error) {
    json_t *line =
        json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:b}", "kind", "epoch",
                  "epoch", (json_int_t)result->epoch, "step", (json_int_t)run_step(t), "train_loss",
                  result->train_loss, "train_top1", result->train_top1, "learning_rate",
                  result->learning_rate, "images_per_second", result->images_per_second, "waiting",
                  result->waiting, "seconds", result->seconds, "broken", (json_int_t)result->broken,
                  "best", result->best);
    if (result->validated) {
        json_object_set_new(line, "val_loss", json_real(result->val_loss));
        json_object_set_new(line, "val_top1", json_real(result->val_top1));
        json_object_set_new(line, "val_top5", json_real(result->val_top5));
    }
    return an_run_log(&t->run, line, error);
}

/* Validates, records and saves an epoch whose steps are all done. */
static alexnet_status finish_epoch(trainer *t, alexnet_error *error) {
    an_train_state *state = &t->state;
    const double counted = (double)state->counted;
    an_epoch_result result = {.epoch = (uint32_t)state->epoch + 1,
                              .train_loss = ratio(state->loss_sum, counted),
                              .train_top1 = ratio((double)state->correct, counted),
                              .learning_rate =
                                  an_schedule_rate(&t->settings.schedule, &state->plateau,
                                                   run_step(t) - 1, t->setup.steps_per_epoch),
                              .images_per_second = ratio((double)t->epoch.images, t->epoch.seconds),
                              .waiting = ratio(t->epoch.waited, t->epoch.seconds),
                              .broken = state->broken};
    if (t->setup.validation)
        AN_TRY(validate(t, &result, error));
    result.seconds = an_seconds() - t->epoch_begin;
    an_plateau_update(&t->settings.schedule, &state->plateau,
                      result.validated ? result.val_loss : result.train_loss);
    result.best = note_best(state, &result);
    AN_TRY(log_epoch(t, &result, error));

    state->epoch++;
    state->step = state->counted = state->correct = state->broken = 0;
    state->loss_sum = 0;
    state->train_loss = result.train_loss;
    AN_TRY(save(t, error));
    if (result.best)
        AN_TRY(an_run_keep_best(&t->run, error));
    if (t->observer->epoch)
        t->observer->epoch(t->observer->context, &result);
    return ALEXNET_OK;
}

/* --- a run --------------------------------------------------------------------------------- */

/* A new run: everything must be sound before the folder is made. */
static alexnet_status begin_run(trainer *t, const an_arch *arch, const char *folder,
                                alexnet_error *error) {
    AN_TRY(an_setup_check(&t->settings, error));
    AN_TRY(an_run_begin(&t->run, folder, &t->settings, error));
    AN_TRY(an_setup_data(&t->settings, &t->setup, error));
    AN_TRY(an_setup_make(&t->settings, arch, NULL, &t->setup, &t->state, error));
    return an_run_write(&t->run, &t->settings, t->setup.backend, t->setup.data, t->setup.held_out,
                        error);
}

/* A run that was stopped, perhaps before its first checkpoint. */
static alexnet_status resume_run(trainer *t, const an_arch *arch, const char *folder,
                                 alexnet_error *error) {
    AN_TRY(an_run_resume(&t->run, folder, &t->settings, error));
    AN_TRY(an_setup_check(&t->settings, error));
    AN_TRY(an_setup_data(&t->settings, &t->setup, error));
    AN_TRY(an_run_check_data(&t->run, t->setup.data, t->setup.held_out, error));
    const bool begun = an_is_file(t->run.last);
    AN_TRY(
        an_setup_make(&t->settings, arch, begun ? t->run.last : NULL, &t->setup, &t->state, error));
    AN_TRY(an_run_check_data(&t->run, t->setup.data, t->setup.held_out, error));
    if (t->state.step > t->setup.steps_per_epoch)
        return an_fail(error, ALEXNET_MISMATCH,
                       "%s: stands behind step %llu of an epoch, but an epoch has only %llu",
                       t->run.last, (unsigned long long)t->state.step,
                       (unsigned long long)t->setup.steps_per_epoch);
    AN_TRY(an_run_rewind(&t->run, t->state.metrics_bytes, error));
    if (begun)
        t->saved_step = run_step(t);
    /* The process may have been killed between the two names of the best checkpoint. */
    if (t->state.best_epoch > 0 && t->state.best_epoch == t->state.epoch && t->state.step == 0)
        AN_TRY(an_run_keep_best(&t->run, error));
    return ALEXNET_OK;
}

static alexnet_status train(trainer *t, alexnet_error *error) {
    an_loader_on_broken(t->setup.loader, warn_broken, t);
    if (t->setup.validation)
        an_loader_on_broken(t->setup.validation, warn_broken, t);
    const char *fallback = an_plan_fallback(t->setup.plan, t->settings.precision);
    if (fallback)
        warn(t, fallback);
    if (t->observer->started) {
        const an_plan_memory memory = an_plan_memory_of(t->setup.plan);
        t->observer->started(t->observer->context, &t->settings, &t->setup.plan->network, &memory,
                             an_loader_pictures(t->setup.loader),
                             t->setup.validation ? an_loader_pictures(t->setup.validation) : 0);
    }
    while (t->state.epoch < (uint64_t)t->settings.epochs) {
        AN_TRY(train_epoch(t, error));
        AN_TRY(finish_epoch(t, error));
    }
    return ALEXNET_OK;
}

static void describe_result(const trainer *t, an_train_result *result) {
    *result = (an_train_result){.epochs = (uint32_t)t->state.epoch,
                                .steps = run_step(t),
                                .train_loss = t->state.train_loss,
                                .val_top1 = t->state.best_val_top1,
                                .val_top5 = t->state.best_val_top5,
                                .images_per_second = ratio((double)t->all.images, t->all.seconds),
                                .seconds = an_seconds() - t->begin};
    snprintf(result->checkpoint, sizeof result->checkpoint, "%s", t->run.best);
}

alexnet_status an_train_arch(const an_arch *arch, const an_train_settings *settings,
                             const char *folder, bool resume, const an_train_observer *observer,
                             an_train_result *result, alexnet_error *error) {
    static const an_train_observer deaf = {0};
    trainer t = {.settings = *settings,
                 .observer = observer ? observer : &deaf,
                 .run = {.metrics = -1},
                 .saved_step = UINT64_MAX,
                 .begin = an_seconds()};
    alexnet_status status = ALEXNET_OK;
    AN_TRY_CLEANUP(resume ? resume_run(&t, arch, folder, error)
                          : begin_run(&t, arch, folder, error));
    AN_TRY_CLEANUP(train(&t, error));
    describe_result(&t, result);

cleanup:
    an_setup_free(&t.setup);
    an_run_close(&t.run);
    return status;
}

alexnet_status an_train(const an_train_settings *settings, const char *folder, bool resume,
                        const an_train_observer *observer, an_train_result *result,
                        alexnet_error *error) {
    return an_train_arch(NULL, settings, folder, resume, observer, result, error);
}
