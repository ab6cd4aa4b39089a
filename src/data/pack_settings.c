#include "data/pack_settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static uint32_t crc_of(uint32_t crc, const void *bytes, size_t size) {
    return (uint32_t)crc32_z(crc, bytes, size);
}

const char *an_pack_name(const an_dataset *dataset, size_t picture, char *text, size_t size) {
    const size_t length = strlen(dataset->name);
    an_dataset_describe(dataset, picture, text, size);
    const char *rest = strncmp(text, dataset->name, length) == 0 ? text + length : text;
    return rest + strspn(rest, "/");
}

/* Tells one list of pictures and classes from another. */
static uint32_t list_crc(const an_dataset *dataset) {
    char text[512];
    uint32_t crc = 0;
    for (int i = 0; i < dataset->classes; i++)
        crc = crc_of(crc, dataset->class_names[i], strlen(dataset->class_names[i]) + 1);
    for (size_t i = 0; i < dataset->count; i++) {
        const char *name = an_pack_name(dataset, i, text, sizeof text);
        crc = crc_of(crc, name, strlen(name) + 1);
        crc = crc_of(crc, &dataset->labels[i], sizeof dataset->labels[i]);
    }
    return crc;
}

json_t *an_pack_settings(const an_dataset *dataset, const an_pack_options *options) {
    char encoding[64] = "raw", list[16];
    if (!options->raw)
        snprintf(encoding, sizeof encoding, "JPEG %d %s%s", options->quality,
                 options->full_colour ? "4:4:4" : "4:2:0", options->reencode ? " anew" : "");
    snprintf(list, sizeof list, "%08" PRIx32, list_crc(dataset));
    return json_pack("{s:s, s:I, s:i, s:s, s:i, s:b, s:s, s:b, s:I}", "kind", dataset->kind->name,
                     "pictures", (json_int_t)dataset->count, "classes", dataset->classes, "list",
                     list, "resize", options->resize, "square", options->square, "encoding",
                     encoding, "shuffle", options->shuffle, "seed", (json_int_t)options->seed);
}

alexnet_status an_pack_settings_compare(const char *folder, json_t *ours, const json_t *theirs,
                                        alexnet_error *error) {
    const char *key;
    json_t *value;
    json_object_foreach(ours, key, value) {
        const json_t *other = json_object_get(theirs, key);
        if (json_equal(value, other))
            continue;
        char *now = json_dumps(value, JSON_ENCODE_ANY);
        char *before = other ? json_dumps(other, JSON_ENCODE_ANY) : NULL;
        (void)an_fail(
            error, ALEXNET_INVALID,
            "%s: holds a pack that began with %s %s, and now it is %s; give what it began "
            "with, or choose another folder",
            folder, strcmp(key, "list") == 0 ? "the list of pictures" : key,
            before ? before : "unknown", now ? now : "another");
        free(now);
        free(before);
        return ALEXNET_INVALID;
    }
    return ALEXNET_OK;
}
