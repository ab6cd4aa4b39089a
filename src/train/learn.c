#include "train/learn.h"

#include "train/mix.h"
#include "train/solver.h"

void an_learner_prepare(an_learner *learner, const an_plateau *plateau, uint64_t step) {
    const an_train_settings *settings = learner->settings;
    const an_setup *setup = learner->setup;
    const double epoch = (double)step / (double)setup->steps_per_epoch;
    const double rate =
        an_schedule_rate(&settings->schedule, plateau, step, setup->steps_per_epoch);
    an_solver_updates(settings, &setup->phases, &setup->plan->network, rate, epoch,
                      learner->updates);
    learner->learning_rate = an_solver_rate(&setup->phases, rate, epoch);
}

/* Mixes the pictures of a batch; the share of each that is its own. */
static double mix(const an_learner *learner, uint64_t epoch, const an_batch *batch) {
    const an_train_settings *settings = learner->settings;
    const an_setup *setup = learner->setup;
    const double share =
        an_mix_share(settings->mixup, settings->seed, (uint32_t)epoch, batch->position);
    an_mix(batch, settings->batch, an_shape_count(setup->plan->network.input), share,
           setup->second_labels);
    return share;
}

alexnet_status an_learner_begin(an_learner *learner, const an_train_state *state,
                                uint64_t under_way, const an_batch *batch, alexnet_error *error) {
    const an_train_settings *settings = learner->settings;
    an_setup *setup = learner->setup;
    const uint64_t done = state->epoch * setup->steps_per_epoch + state->step + under_way;
    an_lars lars = {.plan = setup->plan,
                    .updates = learner->updates,
                    .trust = settings->lars,
                    .scratch = setup->scratch,
                    .error = error};
    an_learner_prepare(learner, &state->plateau, done);
    an_step step = {.input = batch->input,
                    .pictures = batch->pictures,
                    .labels = batch->labels,
                    .smoothing = settings->overfit_batch ? 0 : settings->label_smoothing,
                    .no_dropout = settings->overfit_batch || settings->dropout == AN_DROPOUT_NONE,
                    .seed = settings->seed,
                    .epoch = (uint32_t)state->epoch,
                    .position = batch->position,
                    .momentum = (float)settings->momentum,
                    .updates = learner->updates};
    if (setup->second_labels) {
        step.share = mix(learner, state->epoch, batch);
        step.second_labels = setup->second_labels;
    }
    if (settings->lars > 0) {
        step.gradient_ready = an_lars_scale;
        step.context = &lars;
    }
    AN_TRY(an_plan_begin(setup->plan, &step, error));
    AN_TRY(lars.status);
    return setup->average.values ? an_average_add(&setup->average, setup->plan, done + 1, error)
                                 : ALEXNET_OK;
}
