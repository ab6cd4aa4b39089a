#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *alexnet_version(void) {
    return ALEXNET_VERSION;
}

/* Names out of hostile files stand in messages: none may break the line or command a terminal. */
static void blank_controls(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            *text = '?';
}

alexnet_status an_fail(alexnet_error *error, alexnet_status status, const char *format, ...) {
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        error->status = status;
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
        blank_controls(error->message);
    }
    return status;
}

alexnet_status an_fail_in(alexnet_error *error, alexnet_status status, const char *format, ...) {
    if (error) {
        char inner[sizeof error->message];
        memcpy(inner, error->message, sizeof inner);
        va_list arguments;
        va_start(arguments, format);
        int used = vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
        if (used >= 0 && (size_t)used < sizeof error->message)
            snprintf(error->message + used, sizeof error->message - (size_t)used, ": %.*s",
                     (int)(sizeof inner - (size_t)used), inner);
        blank_controls(error->message);
        error->status = status;
    }
    return status;
}
