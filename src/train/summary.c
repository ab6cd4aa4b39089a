#include "train/summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/file.h"
#include "core/json.h"
#include "train/run.h"

static void copy_text(const char *text, char *out, size_t size) {
    snprintf(out, size, "%s", text ? text : "-");
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127)
            *c = '?';
}

static alexnet_status read_settings(const char *folder, an_run_summary *out, alexnet_error *error) {
    an_run run;
    an_train_settings settings;
    AN_TRY(an_run_read(&run, folder, &settings, error));
    copy_text(settings.recipe, out->recipe, sizeof out->recipe);
    copy_text(settings.arch, out->arch, sizeof out->arch);
    out->planned = settings.epochs > 0 ? (uint32_t)settings.epochs : 0;
    an_run_close(&run);
    return ALEXNET_OK;
}

static double number(const json_t *line, const char *key) {
    const json_t *value = json_object_get(line, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static alexnet_status read_line(void *context, const json_t *line, alexnet_error *error) {
    an_run_summary *out = context;
    (void)error;
    const double loss = number(line, "train_loss"), seconds = number(line, "seconds");
    if (isnan(loss) || isnan(seconds))
        return ALEXNET_OK; /* a step's */
    out->epochs++;
    out->train_loss = loss;
    out->images_per_second += seconds * number(line, "images_per_second");
    out->seconds += seconds;
    if (json_is_true(json_object_get(line, "best"))) {
        out->best_epoch = out->epochs;
        out->val_top1 = number(line, "val_top1");
        out->val_top5 = number(line, "val_top5");
    }
    return ALEXNET_OK;
}

alexnet_status an_run_summarise(const char *folder, an_run_summary *out, alexnet_error *error) {
    *out = (an_run_summary){.train_loss = NAN, .val_top1 = NAN, .val_top5 = NAN};
    AN_TRY(read_settings(folder, out, error));
    char *metrics = an_path_join(folder, "metrics.jsonl");
    if (!metrics)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to read it", folder);
    const alexnet_status status = an_json_lines(metrics, read_line, out, error);
    free(metrics);
    out->images_per_second = out->seconds > 0 ? out->images_per_second / out->seconds : NAN;
    return status;
}
