/*
 * Features of pictures in a file, so that each picture is computed once.
 *
 * A safetensors file of N pictures:
 *
 *     features  F32 (N, length)  of each picture, normalised (eval/similar.h)
 *     stamps    I64 (N, 3)       its file's size in bytes and last change, in seconds and
 *                                nanoseconds since 1970
 *     paths     U8 (bytes)       its file's absolute name, ended by a zero
 *
 * The metadata say what they were computed with: "alexnet.index" (the format's version, "1"),
 * "alexnet.arch", "alexnet.layer", "alexnet.precision", and "alexnet.weights", a digest of all
 * weights and of the preprocessing.
 */
#ifndef AN_EVAL_FEATURE_INDEX_H
#define AN_EVAL_FEATURE_INDEX_H

#include "backend/backend.h"
#include "formats/weights.h"

/* What features were computed with. */
typedef struct an_feature_source {
    char arch[32], layer[32], precision[8], weights[20];
    size_t length; /* of one picture's features */
} an_feature_source;

/* The source of the features that a layer, in a precision, gives with these weights: reads all of
 * them. */
alexnet_status an_feature_source_of(const an_weights_file *weights, int layer,
                                    an_precision precision, an_feature_source *out,
                                    alexnet_error *error);

/* What tells whether a file has changed. */
typedef struct an_stamp {
    int64_t size, seconds, nanoseconds;
} an_stamp;

/* The stamp of a regular file; false where there is none of that name. */
bool an_stamp_of(const char *path, an_stamp *out);

typedef struct an_index_entry {
    const char *path; /* absolute */
    an_stamp stamp;
    const float *features; /* (length), normalised */
} an_index_entry;

/* An open index: its entries, in the order of their paths, point into the mapped file. */
typedef struct an_feature_index {
    an_tensor_file file;
    an_index_entry *entries;
    size_t count;
} an_feature_index;

/*
 * Opens an index. MISMATCH where its features come from another source, saying which; FORMAT where
 * it is no index. Closed by an_feature_index_close; an all-zero index is allowed there.
 */
alexnet_status an_feature_index_open(const char *path, const an_feature_source *source,
                                     an_feature_index *out, alexnet_error *error);
void an_feature_index_close(an_feature_index *index);

/* The entry of a path; NULL where there is none. */
const an_index_entry *an_feature_index_find(const an_feature_index *index, const char *path);

/* Writes an index of these entries, in any order; their features may lie in an open index, also in
 * the one that is replaced. */
alexnet_status an_feature_index_write(const char *path, const an_feature_source *source,
                                      const an_index_entry *entries, size_t count,
                                      alexnet_error *error);

#endif
