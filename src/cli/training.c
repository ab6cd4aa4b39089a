#include "cli/training.h"

#include "cli/interrupt.h"

static void started(void *context, const an_train_settings *settings, const an_network *network,
                    const an_plan_memory *memory, size_t pictures, size_t validation_pictures) {
    an_training_view *view = context;
    if (view->display.mode == AN_PROGRESS_NONE)
        return;
    if (view->print_settings)
        view->print_settings(view->context, settings);
    fprintf(stderr,
            "%s: %s parameters, %d classes, input %d x %d\n"
            "%s pictures to learn from, %s to validate on\n"
            "memory: weights, gradients and momentum %s, activations %s, workspace %s\n",
            network->arch->name, an_thousands(network->parameter_floats).text, network->classes,
            network->input_size, network->input_size, an_thousands(pictures).text,
            an_thousands(validation_pictures).text,
            an_bytes(memory->parameters + memory->gradients + memory->momentum).text,
            an_bytes(memory->activations).text, an_bytes(memory->workspace).text);
}

static void stepped(void *context, const an_progress *now) {
    an_training_view *view = context;
    const double steps = (double)now->steps_per_epoch * now->epochs;
    const double done = (double)(now->epoch - 1) * (double)now->steps_per_epoch + (double)now->step;
    an_display_show(
        &view->display, steps > 0 ? done / steps : 0,
        "epoch %u/%u  step %llu/%llu  loss %.3f  top-1 %s  %.1f images/s  waiting for data %s  "
        "%s left",
        now->epoch, now->epochs, (unsigned long long)now->step,
        (unsigned long long)now->steps_per_epoch, now->smoothed_loss, an_percent(now->top1).text,
        now->images_per_second, an_percent(now->waiting).text,
        an_duration(now->remaining_seconds).text);
}

static void validating(void *context, size_t done, size_t pictures) {
    an_training_view *view = context;
    an_display_show(&view->display, pictures ? (double)done / (double)pictures : 0,
                    "validating: %s of %s", an_thousands(done).text, an_thousands(pictures).text);
}

static void epoch(void *context, const an_epoch_result *now) {
    an_training_view *view = context;
    char validation[512] = "", broken[64] = "";
    if (now->validated)
        snprintf(validation, sizeof validation, "  validation: loss %.3f  top-1 %s  top-5 %s%s",
                 now->val_loss, an_percent(now->val_top1).text, an_percent(now->val_top5).text,
                 now->best ? "  (best)" : "");
    if (now->broken)
        snprintf(broken, sizeof broken, "  %zu broken pictures", now->broken);
    an_display_line(&view->display,
                    "epoch %-3u training: loss %.3f  top-1 %s%s  rate %.3g  %.1f images/s  "
                    "waiting %s  %s%s",
                    now->epoch, now->train_loss, an_percent(now->train_top1).text, validation,
                    now->learning_rate, now->images_per_second, an_percent(now->waiting).text,
                    an_duration(now->seconds).text, broken);
}

static void warned(void *context, const char *message) {
    an_training_view *view = context;
    an_display_warn(&view->display, message);
}

static bool stop(void *context) {
    (void)context;
    return an_interrupted();
}

an_train_observer an_training_observer(an_training_view *view) {
    return (an_train_observer){.context = view,
                               .started = started,
                               .stepped = stepped,
                               .validating = validating,
                               .epoch = epoch,
                               .warned = warned,
                               .stop = stop};
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
