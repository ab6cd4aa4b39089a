#include "cli/output.h"

#include <langinfo.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

an_text an_thousands(uint64_t value) {
    char digits[32];
    an_text out = {""};
    const int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    int used = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            out.text[used++] = ',';
        out.text[used++] = digits[i];
    }
    out.text[used] = '\0';
    return out;
}

an_text an_bytes(uint64_t bytes) {
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    an_text out;
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 999.95 && unit < 4; unit++)
        value /= 1000;
    snprintf(out.text, sizeof out.text, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}

an_text an_duration(double seconds) {
    an_text out;
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e9) {
        snprintf(out.text, sizeof out.text, "-");
        return out;
    }
    const long whole = lround(seconds);
    if (whole < 10)
        snprintf(out.text, sizeof out.text, "%.1f s", seconds);
    else if (whole < 60)
        snprintf(out.text, sizeof out.text, "%ld s", whole);
    else if (whole < 3600)
        snprintf(out.text, sizeof out.text, "%ld min %02ld s", whole / 60, whole % 60);
    else
        snprintf(out.text, sizeof out.text, "%ld h %02ld min", whole / 3600, whole / 60 % 60);
    return out;
}

an_text an_percent(double fraction) {
    an_text out;
    if (isnan(fraction))
        snprintf(out.text, sizeof out.text, "-");
    else
        snprintf(out.text, sizeof out.text, "%.1f %%", 100 * fraction);
    return out;
}

const char *an_plural(uint64_t count) {
    return count == 1 ? "" : "s";
}

an_terminal an_terminal_of(FILE *stream) {
    an_terminal terminal = {.width = 80, .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0};
    const char *no_colour = getenv("NO_COLOR"), *kind = getenv("TERM");
    struct winsize size;
    if (!isatty(fileno(stream)) || (kind && strcmp(kind, "dumb") == 0))
        return terminal;
    terminal.is_terminal = true;
    terminal.colour = !no_colour || no_colour[0] == '\0';
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        terminal.width = size.ws_col;
    return terminal;
}

an_text an_bar(double fraction, int width, bool utf8) {
    static const char *const parts[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
    an_text out = {""};
    fraction = fraction > 0 ? fmin(fraction, 1) : 0; /* NaN is nothing, too */
    const int eighths = (int)lround(fraction * 8 * width);
    int used = 0;
    for (int i = 0; i < width && used < (int)sizeof out.text - 4; i++) {
        int part = eighths - 8 * i;
        part = part < 0 ? 0 : part > 8 ? 8 : part;
        used += snprintf(out.text + used, sizeof out.text - (size_t)used, "%s",
                         utf8       ? parts[part]
                         : part > 3 ? "#"
                                    : " ");
    }
    return out;
}

void an_print_name(FILE *stream, const char *name) {
    for (; *name; name++)
        fputc((unsigned char)*name < 32 || *name == 127 ? '?' : *name, stream);
}

/* Whether a terminal gives a character two columns: Unicode's East Asian Width W and F, by blocks.
 */
static bool is_wide(uint32_t character) {
    static const struct {
        uint32_t first, last;
    } blocks[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},  {0x3041, 0xA4CF}, {0xAC00, 0xD7A3},
                  {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},  {0xFF01, 0xFF60}, {0xFFE0, 0xFFE6},
                  {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD}};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (character >= blocks[i].first && character <= blocks[i].last)
            return true;
    return false;
}

int an_columns(const char *text) {
    int columns = 0;
    while (*text) {
        const unsigned char first = (unsigned char)*text++;
        uint32_t character = first < 0xE0   ? first & 0x1Fu
                             : first < 0xF0 ? first & 0xFu
                                            : first & 7u;
        for (; ((unsigned char)*text & 0xC0) == 0x80; text++)
            character = character << 6 | ((unsigned char)*text & 0x3Fu);
        columns += first >= 0xE0 && is_wide(character) ? 2 : 1;
    }
    return columns;
}

int an_columns_left(int columns, const char *text) {
    const int taken = an_columns(text);
    return taken < columns ? columns - taken : 0;
}

alexnet_status an_print_json(json_t *json, alexnet_error *error) {
    if (!json)
        return an_fail(error, ALEXNET_NO_MEMORY,
                       "the result cannot be written as JSON: memory ran out, or a name in it is "
                       "not UTF-8");
    const int failed = json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(json);
    if (failed || putchar('\n') == EOF)
        return an_fail(error, ALEXNET_IO, "the result could not be written to standard output");
    return ALEXNET_OK;
}

an_display an_display_begin(const an_common *common) {
    an_display display = {.command = common->command,
                          .mode = (an_progress_mode)common->progress,
                          .terminal = an_terminal_of(stderr)};
    if (display.mode == AN_PROGRESS_AUTO)
        display.mode = display.terminal.is_terminal ? AN_PROGRESS_BAR : AN_PROGRESS_PLAIN;
    if (display.mode == AN_PROGRESS_PLAIN)
        display.shown = an_seconds(); /* what is done at once needs no line */
    return display;
}

static void wipe(an_display *display) {
    if (display->drawn)
        fprintf(stderr, "\r\033[K");
    display->drawn = false;
}

void an_display_show(an_display *display, double fraction, const char *format, ...) {
    const double now = an_seconds();
    const double pause = display->mode == AN_PROGRESS_BAR ? 0.1 : 10;
    if (display->mode == AN_PROGRESS_NONE || (display->shown > 0 && now - display->shown < pause))
        return;
    display->shown = now;
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (display->mode == AN_PROGRESS_PLAIN) {
        fprintf(stderr, "%3.0f %%  %s\n", 100 * fraction, text);
        return;
    }
    enum { bar_width = 20 };
    const bool colour = display->terminal.colour;
    const int room = display->terminal.width - bar_width - 4;
    wipe(display);
    fprintf(stderr, "%s[%s]%s %.*s", colour ? "\033[32m" : "",
            an_bar(fraction, bar_width, display->terminal.utf8).text, colour ? "\033[0m" : "",
            room > 0 ? room : 0, text);
    fflush(stderr);
    display->drawn = true;
}

void an_display_line(an_display *display, const char *format, ...) {
    if (display->mode == AN_PROGRESS_NONE)
        return;
    va_list arguments;
    va_start(arguments, format);
    wipe(display);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void an_display_warn(an_display *display, const char *message) {
    wipe(display);
    fprintf(stderr, "alexnet %s: %s\n", display->command, message);
}

void an_display_unread(an_display *display, const an_dataset *dataset) {
    char text[1100];
    if (an_unread_tell(&dataset->unread, dataset->name, text, sizeof text))
        an_display_warn(display, text);
}

void an_display_end(an_display *display) {
    wipe(display);
}
