#include "core/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"

json_t *an_json_string(const char *text) {
    json_t *string = json_string(text);
    if (string)
        return string;
    char *copy = an_string_copy(text);
    if (!copy)
        return NULL;
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    string = json_string(copy);
    free(copy);
    return string;
}

json_t *an_json_number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

alexnet_status an_json_lines(const char *path,
                             alexnet_status (*take)(void *context, const json_t *line,
                                                    alexnet_error *error),
                             void *context, alexnet_error *error) {
    uint8_t *bytes;
    size_t size;
    AN_TRY(an_read_file(path, (size_t)1 << 30, &bytes, &size, error));
    alexnet_status status = ALEXNET_OK;
    size_t number = 1;
    for (const uint8_t *at = bytes, *end; status == ALEXNET_OK; at = end + 1, number++) {
        const size_t left = size - (size_t)(at - bytes);
        json_error_t reason;
        end = left ? memchr(at, '\n', left) : NULL;
        if (!end)
            break; /* what is being written just now, or was when a process was killed */
        json_t *line = json_loadb((const char *)at, (size_t)(end - at), 0, &reason);
        status =
            line ? take(context, line, error)
                 : an_fail(error, ALEXNET_FORMAT, "%s, line %zu: %s", path, number, reason.text);
        json_decref(line);
    }
    free(bytes);
    return status;
}
