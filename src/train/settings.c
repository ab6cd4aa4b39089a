#include "train/settings.h"

#include "train/phases.h"

/* A setting that is a number, and what it may be. */
typedef struct range {
    const char *name;
    double value, least, most;
} range;

static alexnet_status check_ranges(const range *ranges, size_t count, alexnet_error *error) {
    for (size_t i = 0; i < count; i++)
        if (!(ranges[i].value >= ranges[i].least && ranges[i].value <= ranges[i].most))
            return an_fail(error, ALEXNET_INVALID, "%s %g: it must be between %g and %g",
                           ranges[i].name, ranges[i].value, ranges[i].least, ranges[i].most);
    return ALEXNET_OK;
}

static alexnet_status check_solver(const an_train_settings *settings, alexnet_error *error) {
    const an_schedule *schedule = &settings->schedule;
    const range ranges[] = {
        {"epochs", settings->epochs, 1, 1e6},
        {"batch", settings->batch, 1, 65536},
        {"classes", settings->classes, 0, AN_MAX_CLASSES},
        {"steps between two log lines", (double)settings->log_steps, 1, 1e18},
        {"learning rate", schedule->base, 0, 1e6},
        {"momentum", settings->momentum, 0, 0.99999},
        {"weight decay", settings->weight_decay, 0, 1e6},
        {"bias rate", settings->bias_rate, 0, 1e6},
        {"bias decay", settings->bias_decay, 0, 1e6},
        {"trust coefficient of LARS", settings->lars, 0, 1e6},
        {"decay of the averaged weights", settings->ema, 0, 0.9999999},
        {"schedule's factor", schedule->factor, 0, 1},
    };
    AN_TRY(check_ranges(ranges, sizeof ranges / sizeof *ranges, error));
    const range step = {"epochs between two steps of the schedule", schedule->every, 1e-6, 1e9};
    const range plateau[] = {{"patience", schedule->patience, 1, 1e6},
                             {"drops of the learning rate", schedule->max_drops, 0, 1e5}};
    if (schedule->kind == AN_SCHEDULE_STEP)
        AN_TRY(check_ranges(&step, 1, error));
    if (schedule->kind == AN_SCHEDULE_PLATEAU)
        AN_TRY(check_ranges(plateau, 2, error));
    if (!(schedule->warmup >= 0 && schedule->warmup < settings->epochs))
        return an_fail(error, ALEXNET_INVALID,
                       "a warm-up of %g epochs does not fit into a run of %d; make it shorter",
                       schedule->warmup, settings->epochs);
    return ALEXNET_OK;
}

static alexnet_status check_pictures(const an_train_settings *settings, alexnet_error *error) {
    const range ranges[] = {
        {"mixup's alpha", settings->mixup, 0, 4},
        {"label smoothing", settings->label_smoothing, 0, 1},
    };
    AN_TRY(check_ranges(ranges, sizeof ranges / sizeof *ranges, error));
    return an_augmentation_check(&settings->augmentation, error);
}

alexnet_status an_settings_check(const an_train_settings *settings, alexnet_error *error) {
    an_phases phases;
    if (!settings->data)
        return an_fail(error, ALEXNET_INVALID, "no data set was named to learn from");
    if (settings->precision == AN_INT8)
        return an_fail(error, ALEXNET_INVALID,
                       "int8 is for inference; train in fp32 or bf16, or on a GPU also in tf32 or "
                       "fp16");
    AN_TRY(check_solver(settings, error));
    AN_TRY(check_pictures(settings, error));
    return an_phases_of(settings, &phases, error);
}
