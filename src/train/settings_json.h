/* The settings of a run as JSON: an object with a member each. */
#ifndef AN_TRAIN_SETTINGS_JSON_H
#define AN_TRAIN_SETTINGS_JSON_H

#include <jansson.h>

#include "train/settings.h"

/* Paths become absolute. NULL where memory ran out. */
json_t *an_settings_json(const an_train_settings *settings);

/*
 * Sets the settings from `object`, in which the strings stay; what it lacks, as those that an older
 * version did not know, is as an_train_defaults has it. FORMAT, naming `path`, where a member is
 * not what it should be.
 */
alexnet_status an_settings_read(const json_t *object, const char *path, an_train_settings *settings,
                                alexnet_error *error);

#endif
