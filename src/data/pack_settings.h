/* What is packed and how: what a pack that goes on must have begun with. */
#ifndef AN_DATA_PACK_SETTINGS_H
#define AN_DATA_PACK_SETTINGS_H

#include <jansson.h>

#include "data/pack.h"

/* A picture's name without that of the data set; in `text`, of `size` bytes. */
const char *an_pack_name(const an_dataset *dataset, size_t picture, char *text, size_t size);

/* The settings, with the CRC-32 of the list of pictures and classes. NULL where memory ran out;
 * released with json_decref. */
json_t *an_pack_settings(const an_dataset *dataset, const an_pack_options *options);

/* INVALID, with the first difference, where what is in `folder` was not made in our way. */
alexnet_status an_pack_settings_compare(const char *folder, json_t *ours, const json_t *theirs,
                                        alexnet_error *error);

#endif
