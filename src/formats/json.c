#include "formats/json.h"

#include <math.h>
#include <stdlib.h>

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
