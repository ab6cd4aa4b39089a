#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/threads.h"
#include "eval/evaluate.h"
#include "train/layers.h"
#include "train/learn.h"
#include "train/pace.h"
#include "train/record.h"
#include "train/run.h"

/* Share of a new loss in the smoothed one: a mean over about the last ten steps. */
static const double smoothing = 0.1;

/* The loss counts as that of guessing within this share of ln(classes); after so many steps of it
 * in a row the user is told. */
static const double flat_share = 0.015;
enum { flat_steps_hint = 100 };

/* A step that has been begun, as it is recorded when it is finished. */
typedef struct begun_step {
    double learning_rate; /* of weights */
    uint64_t broken;      /* pictures of the epoch, up to its batch */
    int pictures;
} begun_step;

typedef struct trainer {
    an_train_settings settings;
    const an_train_observer *observer;
    an_run run;
    an_setup setup;
    an_train_state state;                 /* behind the last step that is finished */
    begun_step begun[AN_STEPS_UNDER_WAY]; /* those behind it, the oldest first */
    uint64_t under_way;                   /* how many of them there are */
    bool runs_ahead;     /* the next step is begun before one is finished, where that can be */
    uint64_t saved_step; /* the run's step at the last checkpoint; UINT64_MAX: none was written */
    uint64_t broken_before;   /* pictures of this epoch that were broken before it was resumed */
    const an_batch *repeated; /* the batch that is overfitted */
    an_learner learner;
    double learning_rate;      /* of weights, in the last step that is finished */
    double begin, epoch_begin; /* on the clock */
    double lap;                /* ... when that was finished, or the first one behind it begun */
    double waited;             /* seconds since then, for data */
    an_pace pace;
} trainer;

static double ratio(double a, double b) {
    return b > 0 ? a / b : 0;
}

/* Steps since the run began that are finished. */
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

static an_checkpoint checkpoint_of(const trainer *t) {
    return (an_checkpoint){.plan = t->setup.plan,
                           .preprocess = &t->setup.preprocess,
                           .class_names = t->setup.data->class_names,
                           .state = &t->state,
                           .average = t->setup.average.values};
}

/* While a step is under way, the plan is not where the state is, and nothing can be saved. */
static alexnet_status save(trainer *t, alexnet_error *error) {
    if (t->saved_step == run_step(t) && t->state.step > 0)
        return ALEXNET_OK; /* nothing has been learned since */
    const double begin = an_seconds();
    AN_TRY(an_run_sync(&t->run, &t->state.metrics_bytes, &t->state.events_bytes, error));
    const an_checkpoint checkpoint = checkpoint_of(t);
    const alexnet_status status = an_checkpoint_write(t->run.last, &checkpoint, error);
    if (status == ALEXNET_DIVERGED)
        return diverged(t, "a weight after", run_step(t), error);
    AN_TRY(status);
    t->saved_step = run_step(t);
    t->pace.checkpoint_seconds = an_seconds() - begin;
    return ALEXNET_OK;
}

/* Makes what has just been saved the best there is. */
static alexnet_status keep_best(const trainer *t, alexnet_error *error) {
    const an_checkpoint checkpoint = checkpoint_of(t);
    if (checkpoint.average)
        return an_checkpoint_write_average(t->run.best, &checkpoint, error);
    return an_run_keep_best(&t->run, error);
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

/* Announces the input of the step behind this one, if that is there and stays as it is. */
static void stage_next(const trainer *t) {
    const bool changes = t->repeated || t->setup.second_labels;
    const an_batch *next = changes ? NULL : an_loader_peek(t->setup.loader);
    if (next)
        an_plan_stage(t->setup.plan, next->input, next->pictures);
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

static void add_to_state(trainer *t, const begun_step *step, const an_step_result *result) {
    an_train_state *state = &t->state;
    state->step++;
    state->broken = step->broken;
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

/* Seconds for so many steps and ends of epochs, at the pace so far. */
static double seconds_for(const trainer *t, double steps, double epochs) {
    an_pace_rest rest = {.steps = steps, .epochs = epochs, .checkpoints = epochs};
    if (t->settings.checkpoint_steps > 0)
        rest.checkpoints += rest.steps / (double)t->settings.checkpoint_steps;
    if (t->setup.validation)
        rest.validation_pictures = an_loader_pictures(t->setup.validation);
    return an_pace_remaining(&t->pace, &rest);
}

static an_progress progress_of(const trainer *t, double loss) {
    const an_train_state *state = &t->state;
    const double epochs = t->settings.epochs, ended = (double)state->epoch;
    const double steps = epochs * (double)t->setup.steps_per_epoch, done = (double)run_step(t);
    const double spent = seconds_for(t, done, ended);
    const double remaining = seconds_for(t, steps - done, epochs - ended);
    return (an_progress){.epoch = (uint32_t)state->epoch + 1,
                         .epochs = (uint32_t)t->settings.epochs,
                         .step = state->step,
                         .steps_per_epoch = t->setup.steps_per_epoch,
                         .loss = loss,
                         .smoothed_loss = state->smoothed_loss,
                         .top1 = ratio((double)state->correct, (double)state->counted),
                         .learning_rate = t->learning_rate,
                         .images_per_second = an_pace_rate(&t->pace.all),
                         .waiting = an_pace_waiting(&t->pace.all),
                         .done = spent > 0 ? spent / (spent + remaining) : done / steps,
                         .remaining_seconds = remaining};
}

static alexnet_status log_step(trainer *t, const an_progress *now, alexnet_error *error) {
    if (run_step(t) % t->settings.log_steps != 0 || isnan(now->smoothed_loss))
        return ALEXNET_OK;
    AN_TRY(an_run_log(&t->run, an_record_step(now, run_step(t)), error));
    if (!t->settings.layer_stats)
        return ALEXNET_OK;
    json_t *parameters;
    AN_TRY(
        an_layers_measure(t->setup.plan, t->learner.updates, t->setup.scratch, &parameters, error));
    return an_run_log(&t->run, an_record_layers(now, run_step(t), parameters), error);
}

/* Takes in the result of the oldest step under way. */
static alexnet_status finish_step(trainer *t, alexnet_error *error) {
    const begun_step step = t->begun[0];
    an_step_result result;
    t->begun[0] = t->begun[1];
    t->under_way--;
    AN_TRY(an_plan_finish(t->setup.plan, &result, error));
    t->learning_rate = step.learning_rate;
    if (!isfinite(result.loss))
        return diverged(t, "the loss of", run_step(t) + 1, error);
    add_to_state(t, &step, &result);
    const double end = an_seconds();
    an_pace_add(&t->pace, end - t->lap, t->waited, step.pictures);
    t->lap = end;
    t->waited = 0;

    const an_progress now = progress_of(t, result.loss);
    if (t->observer->stepped)
        t->observer->stepped(t->observer->context, &now);
    return log_step(t, &now, error);
}

static alexnet_status finish_steps(trainer *t, alexnet_error *error) {
    while (t->under_way > 0)
        AN_TRY(finish_step(t, error));
    return ALEXNET_OK;
}

/* Saves what has been learned before a failure that is not the training's; the failure stays the
 * one that is reported. */
static alexnet_status save_and_fail(trainer *t, alexnet_status status) {
    if (finish_steps(t, NULL) == ALEXNET_OK)
        (void)save(t, NULL);
    return status;
}

static alexnet_status interrupted(trainer *t, alexnet_error *error) {
    AN_TRY(finish_steps(t, error));
    AN_TRY(save(t, error));
    return an_fail(error, ALEXNET_INTERRUPTED,
                   "stopped in epoch %llu behind step %llu of %llu; %s holds everything to resume",
                   (unsigned long long)t->state.epoch + 1, (unsigned long long)t->state.step,
                   (unsigned long long)t->setup.steps_per_epoch, t->run.last);
}

static alexnet_status begin_step(trainer *t, alexnet_error *error) {
    const double begin = an_seconds();
    if (t->under_way == 0)
        t->lap = begin;
    const an_batch *batch;
    const alexnet_status status = next_batch(t, &batch, error);
    if (status != ALEXNET_OK)
        return save_and_fail(t, status);
    t->waited += an_seconds() - begin;
    AN_TRY(an_learner_begin(&t->learner, &t->state, t->under_way, batch, error));
    t->begun[t->under_way++] =
        (begun_step){.learning_rate = t->learner.learning_rate,
                     .broken = t->broken_before + an_loader_broken(t->setup.loader),
                     .pictures = batch->count};
    stage_next(t);
    return ALEXNET_OK;
}

/* --- an epoch ------------------------------------------------------------------------------ */

static alexnet_status start_loader(trainer *t, alexnet_error *error) {
    bool renewed;
    if (t->repeated)
        return ALEXNET_OK;
    AN_TRY(an_setup_epoch(&t->settings, t->state.epoch, &t->setup, &renewed, error));
    if (renewed)
        an_loader_on_broken(t->setup.loader, warn_broken, t);
    const bool whole = !t->settings.overfit_batch;
    return an_loader_start(t->setup.loader, whole ? (uint32_t)t->state.epoch : 0,
                           whole ? t->state.step : 0, error);
}

/* Whether there is a checkpoint behind a step of the run. */
static bool saves_behind(const trainer *t, uint64_t step) {
    const uint64_t every = t->settings.checkpoint_steps;
    return every > 0 && step % every == 0;
}

/*
 * Whether a step is to be begun now, rather than one under way to be finished. What is under way is
 * finished before a checkpoint, the end of the epoch, and waiting for data: then that is the time
 * for which nothing is computed.
 */
static bool may_begin(const trainer *t) {
    if (t->state.step + t->under_way == t->setup.steps_per_epoch)
        return false;
    return t->under_way == 0 || (t->runs_ahead && t->under_way < AN_STEPS_UNDER_WAY &&
                                 !saves_behind(t, run_step(t) + t->under_way) &&
                                 (t->repeated || an_loader_peek(t->setup.loader)));
}

/* The steps of the epoch that are still to be done. */
static alexnet_status train_epoch(trainer *t, alexnet_error *error) {
    an_train_state *state = &t->state;
    t->epoch_begin = an_seconds();
    t->pace.epoch = (an_pace_sums){0};
    t->broken_before = state->broken;
    AN_TRY(start_loader(t, error));
    while (state->step < t->setup.steps_per_epoch) {
        if (may_begin(t)) {
            AN_TRY(begin_step(t, error));
            continue;
        }
        AN_TRY(finish_step(t, error));
        if (saves_behind(t, run_step(t)))
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
    an_plan *plan;
    AN_TRY(an_setup_validating(&t->setup, &plan, error));
    const alexnet_status status =
        an_evaluate(plan, t->setup.validation, &found, show_validation, t, error);
    if (status == ALEXNET_INTERRUPTED)
        return interrupted(t, error);
    if (status != ALEXNET_OK)
        return save_and_fail(t, status);
    if (!isfinite(found.loss))
        return diverged(t, "the validation loss after", run_step(t), error);
    t->pace.validation_seconds = found.seconds;
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

/* Validates, records and saves an epoch whose steps are all done. */
static alexnet_status finish_epoch(trainer *t, alexnet_error *error) {
    an_train_state *state = &t->state;
    const double counted = (double)state->counted;
    an_learner_prepare(&t->learner, &state->plateau, run_step(t) - 1); /* none was, if resumed */
    t->learning_rate = t->learner.learning_rate;
    an_epoch_result result = {.epoch = (uint32_t)state->epoch + 1,
                              .train_loss = ratio(state->loss_sum, counted),
                              .train_top1 = ratio((double)state->correct, counted),
                              .learning_rate = t->learning_rate,
                              .images_per_second = an_pace_rate(&t->pace.epoch),
                              .waiting = an_pace_waiting(&t->pace.epoch),
                              .broken = state->broken};
    if (t->setup.validation)
        AN_TRY(validate(t, &result, error));
    result.seconds = an_seconds() - t->epoch_begin;
    an_plateau_update(&t->settings.schedule, &state->plateau,
                      result.validated ? result.val_loss : result.train_loss);
    result.best = note_best(state, &result);
    AN_TRY(an_run_log(&t->run, an_record_epoch(&result, run_step(t)), error));

    state->epoch++;
    state->step = state->counted = state->correct = state->broken = 0;
    state->loss_sum = 0;
    state->train_loss = result.train_loss;
    AN_TRY(save(t, error));
    if (result.best)
        AN_TRY(keep_best(t, error));
    if (t->observer->epoch)
        t->observer->epoch(t->observer->context, &result);
    return ALEXNET_OK;
}

/* --- a run --------------------------------------------------------------------------------- */

/* A new run: everything must be sound before the folder is made. */
static alexnet_status begin_run(trainer *t, const an_arch *arch, const char *folder,
                                alexnet_error *error) {
    AN_TRY(an_settings_check(&t->settings, error));
    AN_TRY(an_run_begin(&t->run, folder, &t->settings, error));
    AN_TRY(an_setup_data(&t->settings, &t->setup, error));
    AN_TRY(an_setup_make(&t->settings, arch, NULL, &t->setup, &t->state, error));
    return an_run_write(&t->run, &t->settings, t->setup.plan->backend, t->setup.data,
                        t->setup.held_out, error);
}

/* A run that was stopped, perhaps before its first checkpoint. */
static alexnet_status resume_run(trainer *t, const an_arch *arch, const char *folder,
                                 alexnet_error *error) {
    bool begun;
    AN_TRY(an_run_resume(&t->run, folder, &t->settings, error));
    AN_TRY(an_run_has_begun(&t->run, &begun, error));
    AN_TRY(an_settings_check(&t->settings, error));
    AN_TRY(an_setup_data(&t->settings, &t->setup, error));
    AN_TRY(an_run_check_data(&t->run, t->setup.data, t->setup.held_out, error));
    AN_TRY(
        an_setup_make(&t->settings, arch, begun ? t->run.last : NULL, &t->setup, &t->state, error));
    AN_TRY(an_run_check_data(&t->run, t->setup.data, t->setup.held_out, error));
    if (t->state.step > t->setup.steps_per_epoch)
        return an_fail(error, ALEXNET_MISMATCH,
                       "%s: stands behind step %llu of an epoch, but an epoch has only %llu",
                       t->run.last, (unsigned long long)t->state.step,
                       (unsigned long long)t->setup.steps_per_epoch);
    AN_TRY(an_run_rewind(&t->run, t->state.metrics_bytes, t->state.events_bytes, error));
    if (begun)
        t->saved_step = run_step(t);
    else
        warn(t, "this run was stopped before its first checkpoint; it begins anew");
    /* The process may have been killed between the two names of the best checkpoint. */
    if (t->state.best_epoch > 0 && t->state.best_epoch == t->state.epoch && t->state.step == 0)
        AN_TRY(keep_best(t, error));
    return ALEXNET_OK;
}

static void announce(const trainer *t) {
    const an_setup *setup = &t->setup;
    if (!t->observer->started)
        return;
    an_train_start start = {.settings = &t->settings,
                            .network = &setup->plan->network,
                            .pictures = an_loader_pictures(setup->loader),
                            .last_layer = setup->last_layer};
    if (setup->validation)
        start.validation_pictures = an_loader_pictures(setup->validation);
    an_forecast_of(&t->settings, setup, &start.forecast);
    t->observer->started(t->observer->context, &start);
}

static bool is_complete(const trainer *t) {
    return t->state.epoch >= (uint64_t)t->settings.epochs ||
           an_plateau_ended(&t->settings.schedule, &t->state.plateau);
}

/* Says what of a data set (NULL: none) is no part of the run. */
static void warn_unread(const trainer *t, const an_dataset *dataset) {
    char text[1100];
    if (dataset && an_unread_tell(&dataset->unread, dataset->name, text, sizeof text))
        warn(t, text);
}

static alexnet_status train_epochs(trainer *t, alexnet_error *error) {
    while (!is_complete(t)) {
        AN_TRY(train_epoch(t, error));
        AN_TRY(finish_epoch(t, error));
    }
    return ALEXNET_OK;
}

static alexnet_status train(trainer *t, alexnet_error *error) {
    an_loader_on_broken(t->setup.loader, warn_broken, t);
    if (t->setup.validation)
        an_loader_on_broken(t->setup.validation, warn_broken, t);
    const char *fallback = an_plan_fallback(t->setup.plan, t->settings.precision);
    if (fallback)
        warn(t, fallback);
    announce(t);
    warn_unread(t, t->setup.data);
    warn_unread(t, t->setup.held_out);
    /* The statistics of layers want the weights behind each step, not those behind the next one. */
    t->runs_ahead = an_plan_runs_ahead(t->setup.plan) && !t->settings.layer_stats;
    const int previous = an_threads_enter(t->settings.threads); /* for what no plan does */
    const alexnet_status status = train_epochs(t, error);
    an_threads_leave(previous);
    return status;
}

static void describe_result(const trainer *t, an_train_result *result) {
    *result = (an_train_result){.epochs = (uint32_t)t->state.epoch,
                                .steps = run_step(t),
                                .train_loss = t->state.train_loss,
                                .val_top1 = t->state.best_val_top1,
                                .val_top5 = t->state.best_val_top5,
                                .images_per_second = an_pace_rate(&t->pace.all),
                                .seconds = an_seconds() - t->begin};
    snprintf(result->checkpoint, sizeof result->checkpoint, "%s", t->run.best);
}

alexnet_status an_train_arch(const an_arch *arch, const an_train_settings *settings,
                             const char *folder, bool resume, const an_train_observer *observer,
                             an_train_result *result, alexnet_error *error) {
    static const an_train_observer deaf = {0};
    trainer t = {.settings = *settings,
                 .observer = observer ? observer : &deaf,
                 .run = an_run_closed,
                 .saved_step = UINT64_MAX,
                 .begin = an_seconds()};
    t.learner = (an_learner){.settings = &t.settings, .setup = &t.setup};
    alexnet_status status = ALEXNET_OK;
    AN_TRY_CLEANUP(resume ? resume_run(&t, arch, folder, error)
                          : begin_run(&t, arch, folder, error));
    const bool was_complete = is_complete(&t);
    if (!was_complete)
        AN_TRY_CLEANUP(train(&t, error));
    describe_result(&t, result);
    result->was_complete = was_complete;

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
