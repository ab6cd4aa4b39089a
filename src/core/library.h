/*
 * Libraries that are loaded when they are first needed: linked, each would bring dozens of others
 * into every command, which would then begin later.
 */
#ifndef AN_CORE_LIBRARY_H
#define AN_CORE_LIBRARY_H

#include <stddef.h>

#include "core/status.h"

/* A function of a library, and where a struct of pointers to functions holds its own. */
typedef struct an_library_function {
    const char *name;
    size_t offset;
} an_library_function;

typedef struct an_library {
    const char *const *names; /* of the file, the first that is there; ends with NULL */
    const char *what;         /* as in "libcurl, which downloads, cannot be loaded" */
    const char *package;      /* that brings it */
    const an_library_function *functions;
    size_t function_count;
} an_library;

/* Loads it, for the life of the process, and fills in the pointers in `out`. UNSUPPORTED where this
 * machine has it not, or without one of the functions; `out` may then be filled in part. */
alexnet_status an_library_load(const an_library *library, void *out, alexnet_error *error);

#endif
