#include "data/pack_state.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* The numbers of a state, before the mean image (uint64) and the settings (text). */
typedef struct numbers {
    uint64_t check;           /* CRC-32 of everything behind it */
    uint64_t settings, image; /* bytes; values */
    an_pack_state state;      /* pointers in it are NULL */
} numbers;

static uint64_t check_of(const uint8_t *bytes, size_t size) {
    return crc32_z(0, bytes + sizeof(uint64_t), size - sizeof(uint64_t));
}

alexnet_status an_pack_state_save(const json_t *settings, const an_pack_state *state,
                                  uint8_t **bytes, size_t *size, alexnet_error *error) {
    const an_colour_sums *sums = &state->sums;
    const size_t image = sums->image ? an_colour_sums_image_count(sums) : 0;
    const size_t image_size = image * sizeof *sums->image;
    char *text = json_dumps(settings, JSON_COMPACT);
    const size_t length = text ? strlen(text) : 0;
    numbers stored;
    *size = sizeof stored + image_size + length;
    *bytes = text ? malloc(*size) : NULL;
    if (*bytes) {
        memset(&stored, 0, sizeof stored);
        stored.settings = length;
        stored.image = image;
        stored.state = *state;
        stored.state.sums.image = NULL;
        memcpy(*bytes, &stored, sizeof stored);
        if (image > 0)
            memcpy(*bytes + sizeof stored, sums->image, image_size);
        memcpy(*bytes + sizeof stored + image_size, text, length);
        const uint64_t check = check_of(*bytes, *size);
        memcpy(*bytes, &check, sizeof check);
    }
    free(text);
    if (*bytes)
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_NO_MEMORY, "no memory to note how far packing is");
}

/* True where the numbers and what is behind them are of right sizes. */
static bool is_whole(const uint8_t *bytes, size_t size, numbers *stored) {
    if (size < sizeof *stored)
        return false;
    memcpy(stored, bytes, sizeof *stored);
    const size_t left = size - sizeof *stored;
    if (stored->check != check_of(bytes, size) || stored->image > left / sizeof(uint64_t) ||
        stored->settings != left - (size_t)stored->image * sizeof(uint64_t))
        return false;
    stored->state.sums.image = NULL;
    return stored->state.sums.side >= 0 && stored->state.sums.side <= AN_MAX_IMAGE_SIDE &&
           stored->image == (stored->state.sums.pictures > 0
                                 ? an_colour_sums_image_count(&stored->state.sums)
                                 : 0);
}

alexnet_status an_pack_state_load(const uint8_t *bytes, size_t size, json_t **settings,
                                  an_pack_state *state, alexnet_error *error) {
    numbers stored;
    *settings = NULL;
    *state = (an_pack_state){0};
    if (is_whole(bytes, size, &stored)) {
        const size_t image = (size_t)stored.image * sizeof(uint64_t);
        const uint8_t *behind = bytes + sizeof stored;
        if (image > 0) {
            AN_TRY(an_colour_sums_reserve(&state->sums, stored.state.sums.side, error));
            memcpy(state->sums.image, behind, image);
        }
        uint64_t *const room = state->sums.image;
        *state = stored.state;
        state->sums.image = room;
        *settings = json_loadb((const char *)behind + image, (size_t)stored.settings, 0, NULL);
    }
    if (*settings)
        return ALEXNET_OK;
    an_colour_sums_free(&state->sums);
    return an_fail(error, ALEXNET_FORMAT, "the note of how far packing is, is damaged");
}
