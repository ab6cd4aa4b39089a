#include "train/record.h"

json_t *an_record_step(const an_progress *progress, uint64_t run_step) {
    return json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "kind", "step", "epoch",
                     (json_int_t)progress->epoch, "step", (json_int_t)run_step, "loss",
                     progress->loss, "smoothed_loss", progress->smoothed_loss, "top1",
                     progress->top1, "learning_rate", progress->learning_rate, "images_per_second",
                     progress->images_per_second, "waiting", progress->waiting);
}

json_t *an_record_layers(const an_progress *progress, uint64_t run_step, json_t *parameters) {
    json_t *line = json_pack("{s:s, s:I, s:I}", "kind", "layers", "epoch",
                             (json_int_t)progress->epoch, "step", (json_int_t)run_step);
    if (line && json_object_update(line, parameters) != 0) {
        json_decref(line);
        line = NULL;
    }
    json_decref(parameters);
    return line;
}

json_t *an_record_epoch(const an_epoch_result *result, uint64_t run_step) {
    json_t *line = json_pack(
        "{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:b}", "kind", "epoch", "epoch",
        (json_int_t)result->epoch, "step", (json_int_t)run_step, "train_loss", result->train_loss,
        "train_top1", result->train_top1, "learning_rate", result->learning_rate,
        "images_per_second", result->images_per_second, "waiting", result->waiting, "seconds",
        result->seconds, "broken", (json_int_t)result->broken, "best", result->best);
    if (result->validated) {
        json_object_set_new(line, "val_loss", json_real(result->val_loss));
        json_object_set_new(line, "val_top1", json_real(result->val_top1));
        json_object_set_new(line, "val_top5", json_real(result->val_top5));
    }
    return line;
}
