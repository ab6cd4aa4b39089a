/*
 * The synsets of ILSVRC: meta.mat of the development kit, a MATLAB 5 file with the structure array
 * `synsets`, whose fields ILSVRC2012_ID, WNID, words and num_children are read. Those without
 * children are the classes, with the IDs 1, 2, ...; IDs are not in the order of the WNIDs.
 */
#ifndef AN_DATA_SYNSETS_H
#define AN_DATA_SYNSETS_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct an_synset {
    char *wnid;  /* WordNet's number: "n01440764" */
    char *words; /* "tench, Tinca tinca" */
} an_synset;

/*
 * Reads the classes of the challenge of `year`, in the order of their IDs: *out[0] has ID 1. *out
 * is freed with an_synsets_free. `path` stands in messages. FORMAT where the bytes are no such
 * file, UNSUPPORTED where libmatio is missing.
 */
alexnet_status an_synsets_read(const char *path, const uint8_t *bytes, size_t size, int year,
                               an_synset **out, size_t *count, alexnet_error *error);

/* NULL is allowed. */
void an_synsets_free(an_synset *synsets, size_t count);

#endif
