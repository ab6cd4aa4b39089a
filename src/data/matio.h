/*
 * libmatio, which reads MATLAB's files, loaded when one is read. Linked, it would bring HDF5 and
 * some thirty libraries more into every command, which then began 15 ms later.
 */
#ifndef AN_DATA_MATIO_H
#define AN_DATA_MATIO_H

#include <matio.h>

#include "core/status.h"

/* The functions that are used, by their names in libmatio without "Mat_". */
typedef struct an_matio {
    __typeof__(Mat_Open) *open;
    __typeof__(Mat_Close) *close;
    __typeof__(Mat_VarReadInfo) *read_info;
    __typeof__(Mat_VarReadDataAll) *read_data;
    __typeof__(Mat_VarFree) *free;
    __typeof__(Mat_VarGetStructFieldByName) *field;
} an_matio;

/* Loads it, for the life of the process. UNSUPPORTED where this machine has none. */
alexnet_status an_matio_load(an_matio *matio, alexnet_error *error);

#endif
