/*
 * Pickles as PyTorch writes them, read by a machine that executes nothing.
 *
 * A pickle is a program of one-byte instructions for a stack machine that builds values: numbers,
 * strings, tuples, lists and dictionaries. In Python it may also import any function by name and
 * call it. Here four instructions stand for that (GLOBAL, REDUCE, NEWOBJ, BUILD), and all that they
 * do is look the name up in a constant table (pickle.c): the few things of which weights and the
 * checkpoints around them are made become plain values, everything else is refused by its name.
 *
 * Instructions are those of protocol 2 that picklers of Python 2 and 3 write: PROTO STOP MARK
 * EMPTY_DICT EMPTY_LIST EMPTY_TUPLE TUPLE TUPLE1-3 GLOBAL REDUCE BUILD NEWOBJ BINPUT LONG_BINPUT
 * BINGET LONG_BINGET BINUNICODE BINSTRING SHORT_BINSTRING BININT BININT1-2 LONG1 INT LONG BINFLOAT
 * NONE NEWTRUE NEWFALSE SETITEM SETITEMS APPEND APPENDS BINPERSID.
 *
 * Values are few (AN_PICKLE_MOST in all), and nothing is copied from the pickle, so that memory is
 * bounded; containers may hold each other or themselves, so that who walks them must mind cycles.
 */
#ifndef AN_FORMATS_PICKLE_H
#define AN_FORMATS_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

enum { AN_PICKLE_MOST = 1 << 20 }; /* values that are pushed or copied, in all pickles of a file */

typedef enum an_pickle_kind {
    AN_PICKLE_NONE,
    AN_PICKLE_BOOL,
    AN_PICKLE_INT,
    AN_PICKLE_TEXT,
    AN_PICKLE_TUPLE,
    AN_PICKLE_LIST,
    AN_PICKLE_DICT,   /* items: key, value, key, value, ... in the order in which they came */
    AN_PICKLE_GLOBAL, /* a name of the table */
    AN_PICKLE_TENSOR, /* a call of _rebuild_tensor or _rebuild_tensor_v2; items: its arguments */
    AN_PICKLE_PERSISTENT, /* what lies outside the pickle; integer: which of an_pickle.ids */
    AN_PICKLE_OPAQUE, /* anything harmless of which nothing is needed: floats, numpy's scalars */
    AN_PICKLE_MARK    /* on the machine's stack only */
} an_pickle_kind;

typedef struct an_pickle_object an_pickle_object;
typedef struct an_pickle_global an_pickle_global;

typedef struct an_pickle_value {
    an_pickle_kind kind;
    uint32_t length; /* AN_PICKLE_TEXT: in bytes */
    union {
        int64_t integer;  /* AN_PICKLE_INT, _BOOL, _PERSISTENT */
        const char *text; /* AN_PICKLE_TEXT: in the pickle, without an end of its own */
        an_pickle_object *object;
        const an_pickle_global *global;
    };
} an_pickle_value;

/* A container. */
struct an_pickle_object {
    an_pickle_object *next; /* in the list of all */
    an_pickle_value *items;
    size_t count, room;
    bool visited; /* for who walks containers; false at first */
};

/* What pickles of one file have made. All zero but for the path before the first is read. */
typedef struct an_pickle {
    const char *path;          /* for messages */
    an_pickle_object *objects; /* every container */
    an_pickle_value *ids;      /* (id_count) of what lies outside the pickles */
    size_t id_count;
    size_t values; /* counted against AN_PICKLE_MOST */
} an_pickle;

/*
 * Reads the pickle that begins at `bytes` and sets *used to its bytes. The value points into the
 * bytes and into `pickle`, which an_pickle_free releases, after a failure too. FORMAT with the byte
 * at fault; UNSUPPORTED with the name that is refused.
 */
alexnet_status an_pickle_read(an_pickle *pickle, const uint8_t *bytes, size_t size, size_t *used,
                              an_pickle_value *out, alexnet_error *error);

void an_pickle_free(an_pickle *pickle);

/* Whether a value is this string. */
bool an_pickle_is(const an_pickle_value *value, const char *text);

/* The value under a key of a dictionary, or NULL. */
const an_pickle_value *an_pickle_find(const an_pickle_value *dict, const char *key);

/* The dtype of a storage's class ("F32" for torch.FloatStorage); NULL for any other value. */
const char *an_pickle_storage_dtype(const an_pickle_value *value);

#endif
