/* Help is wrapped without loss: whatever a line's end falls on, the words are those of the text. */
#include "cli/options.h"

#include <stdlib.h>

#include "testing.h"

/* Puts one space in the place of each row of spaces and newlines. */
static void squeeze(char *text) {
    char *end = text;
    for (const char *c = text; *c; c++)
        if (*c != ' ' && *c != '\n')
            *end++ = *c;
        else if (end > text && end[-1] != ' ')
            *end++ = ' ';
    if (end > text && end[-1] == ' ')
        end--;
    *end = '\0';
}

/* Words of every length meet the end of a line, the option's own and its value's too. */
static void test_wrapping(void **state) {
    (void)state;
    for (int length = 1; length < 150; length++) {
        char name[64], help[200], expected[512], *got = NULL;
        size_t size = 0;
        double value = 0;
        snprintf(name, sizeof name, "%.*s", length % 25 + 1, "abcdefghijklmnopqrstuvwxyz");
        for (int i = 0; i < length; i++)
            help[i] = i % 7 == 6 ? ' ' : 'a';
        help[length] = '\0';
        const an_option options[] = {
            {.name = name, .type = AN_OPTION_NUMBER, .value = "SHARE", .high = 1, .help = help},
            {0}};
        FILE *stream = open_memstream(&got, &size);
        assert_non_null(stream);
        an_options_help(stream, options, NULL, NULL, &value);
        fclose(stream);
        snprintf(expected, sizeof expected, "--%s SHARE %s (0 to 1; default: 0)", name, help);
        squeeze(got);
        squeeze(expected);
        assert_string_equal(got, expected);
        free(got);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wrapping)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
