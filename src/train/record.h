/* The lines of metrics.jsonl, as run.h describes them. */
#ifndef AN_TRAIN_RECORD_H
#define AN_TRAIN_RECORD_H

#include <jansson.h>

#include "train/trainer.h"

/* `run_step`: steps since the run began. NULL where memory ran out. */
json_t *an_record_step(const an_progress *progress, uint64_t run_step);
json_t *an_record_epoch(const an_epoch_result *result, uint64_t run_step);

/* `parameters`, of an_layers_measure, is given up. */
json_t *an_record_layers(const an_progress *progress, uint64_t run_step, json_t *parameters);

#endif
