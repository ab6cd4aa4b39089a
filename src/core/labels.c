#include "core/labels.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

enum {
    file_limit = 64 << 20, /* names of AN_MAX_CLASSES classes */
    line_limit = 1000
};

/* The lines of a text. */
typedef struct lines {
    const char *path;
    const char *next, *end;
    int number; /* of the line taken last, from 1 */
} lines;

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next line without the blanks around it. */
static void take_line(lines *text, const char **line, size_t *length) {
    const char *begin = text->next;
    const char *end = memchr(begin, '\n', (size_t)(text->end - begin));
    text->next = end ? end + 1 : text->end;
    end = end ? end : text->end;
    while (begin < end && is_blank(*begin))
        begin++;
    while (begin < end && is_blank(end[-1]))
        end--;
    text->number++;
    *line = begin;
    *length = (size_t)(end - begin);
}

static alexnet_status take_name(lines *text, char **name, alexnet_error *error) {
    const char *line;
    size_t length;
    take_line(text, &line, &length);
    if (length == 0)
        return an_fail(error, ALEXNET_FORMAT, "%s: line %d is empty; each is to name a class",
                       text->path, text->number);
    if (length > line_limit || memchr(line, '\0', length))
        return an_fail(error, ALEXNET_FORMAT, "%s: line %d is %s; is this a text of class names?",
                       text->path, text->number, length > line_limit ? "very long" : "no text");
    *name = strndup(line, length);
    if (!*name)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its names", text->path);
    return ALEXNET_OK;
}

static int count_lines(const lines *text) {
    int count = text->next < text->end;
    for (const char *c = text->next; c < text->end; c++)
        count += *c == '\n' && c + 1 < text->end;
    return count;
}

static alexnet_status read_names(lines *text, int classes, char **names, alexnet_error *error) {
    for (int i = 0; i < classes; i++)
        AN_TRY(take_name(text, &names[i], error));
    return ALEXNET_OK;
}

alexnet_status an_labels_read(const char *path, int *classes, char ***out, alexnet_error *error) {
    static const char mark[] = "\xEF\xBB\xBF";
    uint8_t *bytes;
    size_t size;
    *out = NULL;
    AN_TRY(an_read_file(path, file_limit, &bytes, &size, error));
    lines text = {.path = path, .next = (const char *)bytes, .end = (const char *)bytes + size};
    if (size >= strlen(mark) && memcmp(bytes, mark, strlen(mark)) == 0)
        text.next += strlen(mark);
    while (text.end > text.next && is_blank(text.end[-1]))
        text.end--;
    const int found = count_lines(&text);
    char **names = NULL;
    alexnet_status status;
    if (*classes != 0 && found != *classes)
        status =
            an_fail(error, ALEXNET_MISMATCH, "%s: names %d classes, one a line, but there are %d",
                    path, found, *classes);
    else if (!(names = calloc((size_t)found + 1, sizeof *names)))
        status = an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its names", path);
    else
        status = read_names(&text, found, names, error);
    free(bytes);
    if (status == ALEXNET_OK) {
        *out = names;
        *classes = found;
    } else {
        an_labels_free(names, found);
    }
    return status;
}

void an_labels_free(char **labels, int classes) {
    for (int i = 0; labels && i < classes; i++)
        free(labels[i]);
    free(labels);
}
