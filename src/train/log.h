/*
 * A log: a file that only grows, and is cut off where a checkpoint says how long it was, so that a
 * run that goes on from there writes nothing twice.
 */
#ifndef AN_TRAIN_LOG_H
#define AN_TRAIN_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* All zero but `descriptor` -1 is one that is not open. */
typedef struct an_log {
    char *path;     /* owned */
    int descriptor; /* -1: not open */
} an_log;

/* Opens the file log->path, made where it is not there, to append to. */
alexnet_status an_log_open(an_log *log, alexnet_error *error);

alexnet_status an_log_append(const an_log *log, const void *bytes, size_t size,
                             alexnet_error *error);

/* Brings it safely to the disk; *bytes: its length. */
alexnet_status an_log_sync(const an_log *log, uint64_t *bytes, alexnet_error *error);

/* Cuts off what is behind `bytes`. */
alexnet_status an_log_cut(const an_log *log, uint64_t bytes, alexnet_error *error);

/* Closes it and frees the path; one that is not open is allowed. */
void an_log_close(an_log *log);

#endif
