/*
 * The run folder.
 *
 *     run.json           "settings", "data" (what was found there), "version", "backend",
 *                        "machine", "started"
 *     metrics.jsonl      one JSON object a line
 *     last.safetensors   the last checkpoint
 *     best.safetensors   the checkpoint of the best epoch, or where weights are averaged, their
 *                        averages then
 *     events.out.tfevents.0.alexnet   the numbers of metrics.jsonl for TensorBoard
 *     curves.png         drawn by the command after each epoch
 *
 * A line of metrics.jsonl is of a logged step or of an epoch (val_*: where it was validated):
 *     {"kind": "step", "epoch", "step", "loss", "smoothed_loss", "top1", "learning_rate",
 *      "images_per_second", "waiting"}
 *     {"kind": "epoch", "epoch", "step", "train_loss", "train_top1", "learning_rate",
 *      "images_per_second", "waiting", "seconds", "broken", "best", "val_loss", "val_top1",
 *      "val_top5"}
 *     {"kind": "layers", "epoch", "step", "conv1.weight": {"size", "update", "ratio"}, ...}
 *                        beside a step's, where layer_stats are asked for; layers.h
 * "epoch" counts 1, 2, ...; "step" the steps since the run began, 1, 2, ...; what is measured in
 * pictures are shares, 0 to 1.
 */
#ifndef AN_TRAIN_RUN_H
#define AN_TRAIN_RUN_H

#include <jansson.h>

#include "data/dataset.h"
#include "train/log.h"
#include "train/settings.h"

/* What the command draws into the folder. */
#define AN_RUN_CURVES "curves.png"

/* An open run folder. */
typedef struct an_run {
    char *folder, *description, *last, *best; /* paths */
    json_t *record; /* what run.json holds; the settings' strings lie in it */
    an_log metrics; /* locked against other processes */
    an_log events;
} an_run;

/* One that is not open. */
extern const an_run an_run_closed;

/*
 * Begins a run: `folder` must not hold one. Nothing is written yet. The strings of `settings` are
 * replaced by copies that live as long as the run, the paths among them made absolute, so that the
 * run can be resumed from elsewhere. Closed with an_run_close.
 */
alexnet_status an_run_begin(an_run *run, const char *folder, an_train_settings *settings,
                            alexnet_error *error);

/* Writes run.json and opens the logs. held_out: NULL where nothing is validated. */
alexnet_status an_run_write(an_run *run, const an_train_settings *settings,
                            const an_backend *backend, const an_dataset *data,
                            const an_dataset *held_out, alexnet_error *error);

/* Reads a run's settings, whose strings live as long as it, without opening its logs. Closed with
 * an_run_close. IO where the folder holds none. */
alexnet_status an_run_read(an_run *run, const char *folder, an_train_settings *settings,
                           alexnet_error *error);

/*
 * Opens a run to go on with: reads its settings, of which device, threads and workers are kept as
 * they are passed where they are not NULL or 0. IO where another process is at work on it.
 */
alexnet_status an_run_resume(an_run *run, const char *folder, an_train_settings *settings,
                             alexnet_error *error);

/*
 * *begun: whether there is a checkpoint to go on from. IO where it is gone: an epoch is put down in
 * metrics.jsonl before its checkpoint is written, so that a run whose first epoch is the last line
 * may never have had one, but none of which there is a best checkpoint, or a line behind that.
 */
alexnet_status an_run_has_begun(const an_run *run, bool *begun, alexnet_error *error);

/* MISMATCH where the data sets are not those that a resumed run began with. */
alexnet_status an_run_check_data(const an_run *run, const an_dataset *data,
                                 const an_dataset *held_out, alexnet_error *error);

/* Appends a line to metrics.jsonl, and its numbers to the event file; `line` is given up. */
alexnet_status an_run_log(const an_run *run, json_t *line, alexnet_error *error);

/* Brings the logs safely to the disk and finds their lengths. */
alexnet_status an_run_sync(const an_run *run, uint64_t *metrics_bytes, uint64_t *events_bytes,
                           alexnet_error *error);

/* Cuts the logs off behind these lengths, and removes what a killed process was writing. */
alexnet_status an_run_rewind(const an_run *run, uint64_t metrics_bytes, uint64_t events_bytes,
                             alexnet_error *error);

/* Makes the last checkpoint the best one, too: as a second name of the same file where links are
 * supported, a copy otherwise. */
alexnet_status an_run_keep_best(const an_run *run, alexnet_error *error);

/* Closes a run; one that is not open is allowed. */
void an_run_close(an_run *run);

#endif
