/*
 * TensorBoard's event files, of scalars.
 *
 * A file is a row of records (TFRecord), all numbers little-endian:
 *
 *     u64 length | u32 mask(crc(length's 8 bytes)) | data | u32 mask(crc(data))
 *
 * with crc CRC-32C (Castagnoli) and mask(c) = ((c >> 15) | (c << 17)) + 0xa282ead8. The data is a
 * protocol buffer, tensorflow.Event: wall_time = 1 (double), step = 2 (int64), file_version = 3
 * (string, "brain.Event:2", in the first record only), summary = 5; Summary: value = 1, repeated;
 * Value: tag = 1 (string), simple_value = 2 (float). The file's name has "tfevents" in it.
 */
#ifndef AN_TRAIN_TENSORBOARD_H
#define AN_TRAIN_TENSORBOARD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "train/log.h"

/* CRC-32C of some bytes. */
uint32_t an_crc32c(const void *bytes, size_t size);

/* The first record of a file. */
alexnet_status an_events_begin(const an_log *file, double wall_time, alexnet_error *error);

/*
 * One event with the numbers of a line of metrics.jsonl: "KIND/KEY" for each member that is a
 * number, other than step and epoch, and "KIND/KEY/INNER" for those of objects in it.
 */
alexnet_status an_events_add(const an_log *file, double wall_time, const json_t *line,
                             alexnet_error *error);

#endif
