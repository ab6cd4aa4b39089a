/*
 * How far a pack is, in pack.state: with it and what it says of pack.part, packing goes on. A file
 * of one machine, which no other program reads: one line of JSON with the settings, then the
 * structures as they lie in memory, and the CRC-32 of it all.
 */
#ifndef AN_DATA_PACK_STATE_H
#define AN_DATA_PACK_STATE_H

#include <jansson.h>

#include "data/colour_sums.h"
#include "data/lmdb_writer.h"

typedef struct an_pack_state {
    uint64_t position; /* in the order, of the next picture */
    uint64_t broken;   /* pictures before it that were passed over */
    uint64_t crc;      /* CRC-32 of the values of all records */
    an_colour_sums sums;
} an_pack_state;

/* Writes it, so that the file always is a whole one. */
alexnet_status an_pack_state_save(const char *path, const json_t *settings,
                                  const an_pack_state *state, const an_lmdb_tree *tree,
                                  alexnet_error *error);

/* Reads it. FORMAT where it is damaged. *settings is released with json_decref, state->sums with
 * an_colour_sums_free. */
alexnet_status an_pack_state_load(const char *path, json_t **settings, an_pack_state *state,
                                  an_lmdb_tree *tree, alexnet_error *error);

#endif
