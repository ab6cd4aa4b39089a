/*
 * How far a pack is: with it packing goes on. It is the note of an unfinished database
 * (lmdb_writer.h). Bytes of one machine, which no other program reads: the structures as they lie
 * in memory, one line of JSON with the settings, and the CRC-32 of it all.
 */
#ifndef AN_DATA_PACK_STATE_H
#define AN_DATA_PACK_STATE_H

#include <jansson.h>

#include "data/colour_sums.h"

typedef struct an_pack_state {
    uint64_t position; /* in the order, of the next picture */
    uint64_t images;   /* records before it */
    uint64_t broken;   /* pictures before it that were passed over */
    uint64_t space;    /* that the records take, at most */
    uint64_t crc;      /* CRC-32 of the values of all records */
    an_colour_sums sums;
} an_pack_state;

/* Makes bytes of it. *bytes is freed with free(). */
alexnet_status an_pack_state_save(const json_t *settings, const an_pack_state *state,
                                  uint8_t **bytes, size_t *size, alexnet_error *error);

/* Makes it of bytes. FORMAT where they are damaged. *settings is released with json_decref,
 * state->sums with an_colour_sums_free. */
alexnet_status an_pack_state_load(const uint8_t *bytes, size_t size, json_t **settings,
                                  an_pack_state *state, alexnet_error *error);

#endif
