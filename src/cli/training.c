#include "cli/training.h"

#include <errno.h> /* program_invocation_name */
#include <time.h>

#include "cli/interrupt.h"
#include "inspect/inspect.h"
#include "train/run.h"

/* What the run will need, and whether the machine has it. */
static void print_forecast(an_training_view *view, const an_train_start *start) {
    const an_forecast *need = &start->forecast;
    const an_plan_memory *plan = &need->plan;
    char average[160] = "";
    if (need->average)
        snprintf(average, sizeof average, "averaged weights %s, ", an_bytes(need->average).text);
    fprintf(stderr,
            "memory: %s (weights, gradients and momentum %s, activations %s, workspace %s, "
            "%sloader %s)\n",
            an_bytes(need->total).text,
            an_bytes(plan->parameters + plan->gradients + plan->momentum).text,
            an_bytes(plan->activations).text, an_bytes(plan->workspace).text, average,
            an_bytes(need->loader).text);
    if (need->available)
        fprintf(stderr, "        of %s available; the largest batch that fits is about %s\n",
                an_bytes(need->available).text, an_thousands(need->largest_batch).text);
    fprintf(stderr, "disk:   %s for checkpoints\n", an_bytes(need->checkpoints).text);
    if (need->available && need->total > need->available)
        an_display_warn(&view->display, "this run needs more memory than there is: choose a "
                                        "smaller --batch, or expect it to be slow or killed");
}

/* Where nothing is validated, what counts is the loss of what is learned from. */
static void warn_unvalidated(an_training_view *view, const an_train_settings *settings) {
    char text[320];
    snprintf(text, sizeof text,
             "nothing is held out to validate on: %s the training loss, which falls also where "
             "pictures are only learned by heart; name others with --val DATA",
             settings->schedule.kind == AN_SCHEDULE_PLATEAU
                 ? "the learning rate and the best epoch follow"
                 : "the best epoch follows");
    an_display_warn(&view->display, text);
}

static void print_start(an_training_view *view, const an_train_start *start) {
    const an_network *network = start->network;
    if (view->print_settings)
        view->print_settings(view->context, start->settings);
    fprintf(stderr,
            "%s: %s parameters, %d classes, input %d x %d\n"
            "%s pictures to learn from, %s to validate on\n",
            network->arch->name, an_thousands(network->parameter_floats).text, network->classes,
            network->input_size, network->input_size, an_thousands(start->pictures).text,
            an_thousands(start->validation_pictures).text);
    if (start->last_layer[0]) {
        an_print_name(stderr, start->last_layer);
        fputc('\n', stderr);
    }
    print_forecast(view, start);
}

static void started(void *context, const an_train_start *start) {
    an_training_view *view = context;
    if (view->display.mode != AN_PROGRESS_NONE)
        print_start(view, start);
    if (start->validation_pictures == 0 && !start->settings->overfit_batch)
        warn_unvalidated(view, start->settings);
}

/* Says once, when the pace is known, when the run will end. */
static void foretell(an_training_view *view, const an_progress *now) {
    enum { steps_to_know = 5 };
    char when[64];
    struct tm local;
    if (view->foretold || now->step < steps_to_know || now->images_per_second == 0)
        return;
    view->foretold = true;
    const time_t end = time(NULL) + (time_t)now->remaining_seconds;
    strftime(when, sizeof when, "%A %H:%M", localtime_r(&end, &local));
    an_display_line(&view->display, "at this pace (%.1f images/s) it will end in %s, on %s",
                    now->images_per_second, an_duration(now->remaining_seconds).text, when);
}

static void stepped(void *context, const an_progress *now) {
    an_training_view *view = context;
    char pace[320] = ""; /* in the first step there is none */
    if (now->images_per_second > 0)
        snprintf(pace, sizeof pace, "  %.1f images/s  waiting for data %s  %s left",
                 now->images_per_second, an_percent(now->waiting).text,
                 an_duration(now->remaining_seconds).text);
    foretell(view, now);
    an_display_show(&view->display, now->done, "epoch %u/%u  step %llu/%llu  loss %.3f  top-1 %s%s",
                    now->epoch, now->epochs, (unsigned long long)now->step,
                    (unsigned long long)now->steps_per_epoch, now->smoothed_loss,
                    an_percent(now->top1).text, pace);
}

static void validating(void *context, size_t done, size_t pictures) {
    an_training_view *view = context;
    an_display_show(&view->display, pictures ? (double)done / (double)pictures : 0,
                    "validating: %s of %s", an_thousands(done).text, an_thousands(pictures).text);
}

/* Curves that cannot be drawn are no reason to stop learning; a build that cannot draw is none to
 * say so. */
static void draw_curves(an_training_view *view) {
    char path[1024];
    alexnet_error error;
    snprintf(path, sizeof path, "%s/" AN_RUN_CURVES, view->folder);
    const alexnet_status status = an_draw_curves(view->folder, path, &error);
    if (status != ALEXNET_OK && status != ALEXNET_UNSUPPORTED && !view->undrawn)
        an_display_warn(&view->display, error.message);
    view->undrawn = view->undrawn || status != ALEXNET_OK;
}

static void epoch(void *context, const an_epoch_result *now) {
    an_training_view *view = context;
    char validation[512] = "", broken[64] = "";
    if (now->validated)
        snprintf(validation, sizeof validation, "  validation: loss %.3f  top-1 %s  top-5 %s%s",
                 now->val_loss, an_percent(now->val_top1).text, an_percent(now->val_top5).text,
                 now->best ? "  (best)" : "");
    if (now->broken)
        snprintf(broken, sizeof broken, "  %zu broken picture%s", now->broken,
                 an_plural(now->broken));
    an_display_line(&view->display,
                    "epoch %-3u training: loss %.3f  top-1 %s%s  rate %.3g  %.1f images/s  "
                    "waiting %s  %s%s",
                    now->epoch, now->train_loss, an_percent(now->train_top1).text, validation,
                    now->learning_rate, now->images_per_second, an_percent(now->waiting).text,
                    an_duration(now->seconds).text, broken);
    draw_curves(view);
}

static void warned(void *context, const char *message) {
    an_training_view *view = context;
    an_display_warn(&view->display, message);
}

static bool stop(void *context) {
    (void)context;
    return an_interrupted();
}

alexnet_status an_training_run(an_training_view *view, const an_train_settings *settings,
                               bool resume, an_train_result *result, alexnet_error *error) {
    const an_train_observer observer = {.context = view,
                                        .started = started,
                                        .stepped = stepped,
                                        .validating = validating,
                                        .epoch = epoch,
                                        .warned = warned,
                                        .stop = stop};
    an_interrupt_watch();
    const alexnet_status status =
        an_train(settings, view->folder, resume, &observer, result, error);
    an_display_end(&view->display);
    if (status == ALEXNET_INTERRUPTED)
        return an_fail(error, status, "stopped, with a checkpoint; to go on: %s train --resume %s",
                       program_invocation_name, view->folder);
    return status;
}

json_t *an_training_json(const an_train_result *result, const char *folder) {
    return json_pack("{s:i, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "epochs", (int)result->epochs,
                     "steps", (json_int_t)result->steps, "train_loss",
                     an_json_number(result->train_loss), "val_top1",
                     an_json_number(result->val_top1), "val_top5", an_json_number(result->val_top5),
                     "images_per_second", an_json_number(result->images_per_second), "seconds",
                     an_json_number(result->seconds), "checkpoint",
                     an_json_string(result->checkpoint), "folder", an_json_string(folder));
}
