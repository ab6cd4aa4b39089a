#include "data/pack_state.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/file.h"

/* The numbers of a state, before the mean image. */
typedef struct numbers {
    uint64_t position, broken, crc;
    int32_t side, mixed;
    uint64_t pictures, pixels, sum[3], product[6];
} numbers;

enum { MOST_SETTINGS = 1 << 16, CHECK = sizeof(uint32_t) };

static size_t size_of(size_t settings, size_t image) {
    return settings + 1 + sizeof(numbers) + sizeof(an_lmdb_tree) + image * sizeof(uint64_t) + CHECK;
}

static uint32_t check_of(const uint8_t *bytes, size_t size) {
    return (uint32_t)crc32_z(0, bytes, size);
}

static uint8_t *put(uint8_t *out, const void *bytes, size_t size) {
    if (size > 0)
        memcpy(out, bytes, size);
    return out + size;
}

alexnet_status an_pack_state_save(const char *path, const json_t *settings,
                                  const an_pack_state *state, const an_lmdb_tree *tree,
                                  alexnet_error *error) {
    const an_colour_sums *sums = &state->sums;
    const size_t image = sums->image ? an_colour_sums_image_count(sums) : 0;
    numbers stored = {.position = state->position,
                      .broken = state->broken,
                      .crc = state->crc,
                      .side = sums->side,
                      .mixed = sums->mixed,
                      .pictures = sums->pictures,
                      .pixels = sums->pixels};
    memcpy(stored.sum, sums->sum, sizeof stored.sum);
    memcpy(stored.product, sums->product, sizeof stored.product);
    char *text = json_dumps(settings, JSON_COMPACT);
    const size_t size = text ? size_of(strlen(text), image) : 0;
    uint8_t *bytes = text ? malloc(size) : NULL;
    alexnet_status status;
    if (!bytes) {
        status = an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to write it", path);
    } else {
        uint8_t *next = put(bytes, text, strlen(text));
        *next++ = '\n';
        next = put(next, &stored, sizeof stored);
        next = put(next, tree, sizeof *tree);
        next = put(next, sums->image, image * sizeof *sums->image);
        const uint32_t check = check_of(bytes, size - CHECK);
        (void)put(next, &check, CHECK);
        status = an_write_file(path, bytes, size, error);
    }
    free(bytes);
    free(text);
    return status;
}

static void take_numbers(const numbers *stored, an_pack_state *state) {
    state->position = stored->position;
    state->broken = stored->broken;
    state->crc = stored->crc;
    state->sums.mixed = stored->mixed;
    state->sums.pictures = stored->pictures;
    state->sums.pixels = stored->pixels;
    memcpy(state->sums.sum, stored->sum, sizeof stored->sum);
    memcpy(state->sums.product, stored->product, sizeof stored->product);
}

/* Everything behind the settings; false where its sizes are not right. */
static bool take(const uint8_t *bytes, size_t size, size_t settings, an_pack_state *state,
                 an_lmdb_tree *tree, alexnet_error *error) {
    numbers stored;
    if (size < size_of(settings, 0))
        return false;
    const uint8_t *next = bytes + settings + 1;
    memcpy(&stored, next, sizeof stored);
    memcpy(tree, next + sizeof stored, sizeof *tree);
    next += sizeof stored + sizeof *tree;
    const size_t image = (size - size_of(settings, 0)) / sizeof(uint64_t);
    const bool valid = stored.side >= 0 && stored.side <= AN_MAX_IMAGE_SIDE &&
                       size == size_of(settings, image) && tree->levels >= 1 &&
                       tree->levels <= AN_LMDB_LEVELS;
    if (!valid)
        return false;
    if (stored.pictures > 0 &&
        an_colour_sums_reserve(&state->sums, stored.side, error) != ALEXNET_OK)
        return false;
    take_numbers(&stored, state);
    if (image != (stored.pictures > 0 ? an_colour_sums_image_count(&state->sums) : 0))
        return false;
    if (image > 0)
        memcpy(state->sums.image, next, image * sizeof *state->sums.image);
    return true;
}

alexnet_status an_pack_state_load(const char *path, json_t **settings, an_pack_state *state,
                                  an_lmdb_tree *tree, alexnet_error *error) {
    const size_t most = size_of(MOST_SETTINGS, (size_t)3 * AN_MOST_MEAN_SIDE * AN_MOST_MEAN_SIDE);
    uint8_t *bytes;
    size_t size;
    uint32_t check = 0;
    *settings = NULL;
    *state = (an_pack_state){0};
    AN_TRY(an_read_file(path, most, &bytes, &size, error));
    const uint8_t *end = memchr(bytes, '\n', size);
    if (size > CHECK)
        memcpy(&check, bytes + size - CHECK, CHECK);
    bool valid = end && size > CHECK && check == check_of(bytes, size - CHECK);
    if (valid)
        *settings = json_loadb((const char *)bytes, (size_t)(end - bytes), 0, NULL);
    valid = valid && *settings && take(bytes, size, (size_t)(end - bytes), state, tree, error);
    free(bytes);
    if (valid)
        return ALEXNET_OK;
    json_decref(*settings);
    *settings = NULL;
    an_colour_sums_free(&state->sums);
    return an_fail(
        error, ALEXNET_FORMAT,
        "%s: is damaged, so that packing cannot go on; remove the folder's pack.part and "
        "pack.state to begin anew",
        path);
}
