#include "pull/response.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { line_limit = 512 }; /* no line that is looked at is longer */

/* Digits at *text, which moves behind them; AN_UNKNOWN_LENGTH where there is no number. */
static uint64_t take_number(const char **text) {
    char *end;
    if (!isdigit((unsigned char)**text))
        return AN_UNKNOWN_LENGTH;
    errno = 0;
    const unsigned long long value = strtoull(*text, &end, 10);
    *text = end;
    return errno == 0 ? value : AN_UNKNOWN_LENGTH;
}

/* "HTTP/1.1 206 Partial Content". From HTTP/2 on the protocol itself says where an answer ends. */
static void take_status(an_response *response, const char *text) {
    *response = (an_response){.length = AN_UNKNOWN_LENGTH,
                              .begin = AN_UNKNOWN_LENGTH,
                              .all = AN_UNKNOWN_LENGTH,
                              .framed = text[0] >= '2'};
    const char *code = strchr(text, ' ');
    if (code)
        response->code = (int)strtol(code, NULL, 10);
}

/* "bytes 100-199/200", a star for what the server does not know, and with 416 "bytes *" and "/200".
 */
static void take_range(an_response *response, const char *text) {
    if (strncasecmp(text, "bytes ", 6) != 0)
        return;
    text += 6;
    if (*text != '*')
        response->begin = take_number(&text);
    text = strchr(text, '/');
    if (text) {
        text++;
        response->all = take_number(&text);
    }
}

static void take_text(char *out, size_t size, const char *text) {
    const size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~') /* it will be sent back in a line of a request */
            return;
    if (length < size)
        memcpy(out, text, length + 1);
}

void an_response_line(an_response *response, const char *line, size_t size) {
    char text[line_limit] = "";
    while (size > 0 && (unsigned char)line[size - 1] <= ' ') /* CR, LF and blanks */
        size--;
    if (size >= sizeof text || memchr(line, '\0', size))
        return;
    memcpy(text, line, size);
    text[size] = '\0';
    if (strncmp(text, "HTTP/", 5) == 0) {
        take_status(response, text + 5);
        return;
    }
    char *value = strchr(text, ':');
    if (!value)
        return;
    *value++ = '\0';
    value += strspn(value, " \t");
    if (strcasecmp(text, "Content-Length") == 0) {
        const char *number = value;
        response->length = take_number(&number);
        response->framed = response->framed || response->length != AN_UNKNOWN_LENGTH;
    } else if (strcasecmp(text, "Transfer-Encoding") == 0) {
        response->framed = response->framed || strcasestr(value, "chunked") != NULL;
    } else if (strcasecmp(text, "Content-Range") == 0) {
        take_range(response, value);
    } else if (strcasecmp(text, "ETag") == 0 && value[0] == '"') {
        take_text(response->etag, sizeof response->etag, value);
    } else if (strcasecmp(text, "Last-Modified") == 0) {
        take_text(response->modified, sizeof response->modified, value);
    }
}

const char *an_response_validator(const an_response *response) {
    if (response->etag[0])
        return response->etag;
    return response->modified[0] ? response->modified : NULL;
}
