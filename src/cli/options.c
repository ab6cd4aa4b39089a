#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"

#define COMMON(member) offsetof(an_common, member)

const an_option an_common_options[] = {
    {.name = "arch",
     .type = AN_OPTION_WORD,
     .offset = COMMON(arch),
     .value = "NAME",
     .unset = "that of the weights, or alexnet",
     .help = "the network"},
    {.name = "weights",
     .type = AN_OPTION_TEXT,
     .offset = COMMON(weights),
     .value = "FILE",
     .unset = "none",
     .help = "weights to begin with: a file, or a NAME of alexnet pull"},
    {.name = "device",
     .type = AN_OPTION_WORD,
     .offset = COMMON(device),
     .value = "NAME",
     .choices = "auto|cpu|cuda|reference",
     .synonyms = "gpu|cuda",
     .fallback = "auto",
     .help = "what computes"},
    {.name = "precision",
     .type = AN_OPTION_CHOICE,
     .offset = COMMON(precision),
     .value = "TYPE",
     .choices = "fp32|tf32|bf16|fp16|int8",
     .fallback = "fp32",
     .help = "the type of the numbers; tf32 and fp16 are for GPUs"},
    {.name = "batch",
     .type = AN_OPTION_INT,
     .offset = COMMON(batch),
     .value = "N",
     .low = 1,
     .high = 65536,
     .fallback = "64",
     .help = "images computed at a time"},
    {.name = "threads",
     .type = AN_OPTION_INT,
     .offset = COMMON(threads),
     .value = "N",
     .low = 0,
     .high = 4096,
     .unset = "every core",
     .help = "threads that compute"},
    {.name = "seed",
     .type = AN_OPTION_COUNT,
     .offset = COMMON(seed),
     .value = "S",
     .low = 0,
     .high = 9007199254740992.0,
     .fallback = "0",
     .help = "what random numbers follow from"},
    {.name = "json",
     .type = AN_OPTION_FLAG,
     .offset = COMMON(json),
     .help = "print the result as one JSON document"},
    {.name = "progress",
     .type = AN_OPTION_CHOICE,
     .offset = COMMON(progress),
     .value = "MODE",
     .choices = "auto|bar|plain|none",
     .fallback = "auto",
     .help = "how to show progress; auto: a bar on a terminal, otherwise plain lines"},
    {.name = "help", .type = AN_OPTION_FLAG, .offset = COMMON(help), .help = "print this help"},
    {0}};

static bool takes_value(const an_option *option) {
    return option->type != AN_OPTION_FLAG && option->type != AN_OPTION_OFF;
}

static void *place(const an_option *option, void *settings) {
    return (char *)settings + option->offset;
}

static const void *place_const(const an_option *option, const void *settings) {
    return (const char *)settings + option->offset;
}

static const an_option *find_in(const an_option *options, const char *name, size_t length) {
    for (; options && options->name; options++)
        if (strncmp(options->name, name, length) == 0 && options->name[length] == '\0')
            return options;
    return NULL;
}

const an_option *an_option_find(const an_option *options, const char *name) {
    const an_option *found = find_in(options, name, strlen(name));
    return found ? found : find_in(an_common_options, name, strlen(name));
}

const char *an_option_choices(const an_option *option, char *text, size_t size) {
    if (option->choices)
        return option->choices;
    if (option->type != AN_OPTION_WORD)
        return NULL;
    text[0] = '\0';
    size_t used = 0;
    for (const an_arch *const *arch = an_archs(); *arch && used < size; arch++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? "|" : "", (*arch)->name);
    return text;
}

/* The position of `word` in "a|b|c"; -1 where it is not there. */
static int position(const char *word, const char *words) {
    const size_t length = strlen(word);
    for (int i = 0; *words; i++) {
        const size_t span = strcspn(words, "|");
        if (span == length && strncmp(words, word, span) == 0)
            return i;
        words += span + (words[span] == '|');
    }
    return -1;
}

/* The word at a position of "a|b|c". */
static void word_at(const char *words, int index, char *text, size_t size) {
    for (; index > 0 && strchr(words, '|'); index--)
        words = strchr(words, '|') + 1;
    snprintf(text, size, "%.*s", (int)strcspn(words, "|"), words);
}

/* Levenshtein's distance: insertions, deletions and substitutions that make `b` of `a`. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    enum { longest = 40 };
    size_t row[longest + 1];
    if (a_length > longest || b_length > longest)
        return longest;
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            const size_t above = row[j];
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[b_length];
}

const char *an_nearest(const char *word, const char *words, char *text, size_t size) {
    const size_t length = strlen(word);
    size_t best = length < 4 ? 1 : length < 8 ? 2 : 3;
    bool found = false;
    while (*words) {
        const size_t span = strcspn(words, "|");
        const size_t off = distance(word, length, words, span);
        if (off <= best && off < span && (!found || off < best)) {
            best = off;
            found = true;
            snprintf(text, size, "%.*s", (int)span, words);
        }
        words += span + (words[span] == '|');
    }
    return found ? text : NULL;
}

static alexnet_status unknown(const an_option *options, const char *name, size_t length,
                              alexnet_error *error) {
    char words[2048] = "", near[64], wrong[64];
    size_t used = 0;
    const an_option *const tables[] = {options, an_common_options};
    for (int t = 0; t < 2; t++)
        for (const an_option *option = tables[t]; option && option->name; option++)
            if (used < sizeof words)
                used += (size_t)snprintf(words + used, sizeof words - used, "%s%s", used ? "|" : "",
                                         option->name);
    snprintf(wrong, sizeof wrong, "%.*s", (int)length, name);
    const char *nearest = an_nearest(wrong, words, near, sizeof near);
    if (nearest)
        return an_fail(error, ALEXNET_INVALID, "there is no option --%s; did you mean --%s?", wrong,
                       nearest);
    return an_fail(error, ALEXNET_INVALID, "there is no option --%s", wrong);
}

/* Numbers are refused as written: a range reads "1 to 65536", or "0 or more" where it is open. */
static alexnet_status out_of_range(const an_option *option, const char *text,
                                   alexnet_error *error) {
    if (option->high >= 9e15)
        return an_fail(error, ALEXNET_INVALID, "--%s %s: it must be %.15g or more", option->name,
                       text, option->low);
    return an_fail(error, ALEXNET_INVALID, "--%s %s: it must be %.15g to %.15g", option->name, text,
                   option->low, option->high);
}

static alexnet_status parse_number(const an_option *option, const char *text, void *out,
                                   alexnet_error *error) {
    char *end;
    errno = 0;
    if (option->type == AN_OPTION_NUMBER) {
        const double value = strtod(text, &end);
        if (end == text || *end || isnan(value))
            return an_fail(error, ALEXNET_INVALID, "--%s '%s': this is no number", option->name,
                           text);
        if (value < option->low || value > option->high)
            return out_of_range(option, text, error);
        *(double *)out = value;
        return ALEXNET_OK;
    }
    const long long value = strtoll(text, &end, 10);
    if (end == text || *end)
        return an_fail(error, ALEXNET_INVALID, "--%s '%s': this is no whole number", option->name,
                       text);
    if (errno == ERANGE || (double)value < option->low || (double)value > option->high)
        return out_of_range(option, text, error);
    if (option->type == AN_OPTION_INT)
        *(int *)out = (int)value;
    else
        *(uint64_t *)out = (uint64_t)value;
    return ALEXNET_OK;
}

/* What somebody who typed `word` may have meant; NULL where that is not known. */
static const char *meant(const an_option *option, const char *word, const char *choices, char *text,
                         size_t size) {
    const int synonym = option->synonyms ? position(word, option->synonyms) : -1;
    if (synonym < 0 || synonym % 2 != 0)
        return an_nearest(word, choices, text, size);
    word_at(option->synonyms, synonym + 1, text, size);
    return text;
}

static alexnet_status parse_choice(const an_option *option, const char *text, void *out,
                                   alexnet_error *error) {
    char words[512], near[64];
    const char *choices = an_option_choices(option, words, sizeof words);
    const int index = position(text, choices);
    if (index < 0) {
        const char *nearest = meant(option, text, choices, near, sizeof near);
        return an_fail(error, ALEXNET_INVALID, "--%s '%s': it must be one of %s%s%s%s",
                       option->name, text, choices, nearest ? "; did you mean " : "",
                       nearest ? nearest : "", nearest ? "?" : "");
    }
    if (option->type == AN_OPTION_CHOICE)
        *(int *)out = index;
    else
        *(const char **)out = text;
    return ALEXNET_OK;
}

static alexnet_status set(const an_option *option, const char *text, void *settings,
                          alexnet_error *error) {
    void *out = place(option, settings);
    switch (option->type) {
    case AN_OPTION_FLAG:
    case AN_OPTION_OFF:
        *(bool *)out = option->type == AN_OPTION_FLAG;
        break;
    case AN_OPTION_INT:
    case AN_OPTION_COUNT:
    case AN_OPTION_NUMBER:
        return parse_number(option, text, out, error);
    case AN_OPTION_TEXT:
        if (text[0] == '\0')
            return an_fail(error, ALEXNET_INVALID, "--%s needs a value that is not empty",
                           option->name);
        *(const char **)out = text;
        break;
    case AN_OPTION_WORD:
    case AN_OPTION_CHOICE:
        return parse_choice(option, text, out, error);
    case AN_OPTION_LIST: {
        an_list *list = out;
        if (list->count == AN_LIST_LENGTH)
            return an_fail(error, ALEXNET_INVALID, "--%s can be given at most %d times",
                           option->name, AN_LIST_LENGTH);
        list->items[list->count++] = text;
        break;
    }
    }
    return ALEXNET_OK;
}

void an_options_defaults(const an_option *options, void *settings) {
    const an_option *const tables[] = {an_common_options, options};
    for (int t = 0; t < 2; t++)
        for (const an_option *option = tables[t]; option && option->name; option++) {
            /* A row of the command's own counts instead, also one whose default is in the struct.
             */
            const bool hidden = t == 0 && find_in(options, option->name, strlen(option->name));
            if (option->fallback && !hidden)
                set(option, option->fallback, settings, NULL);
        }
}

alexnet_status an_options_parse(const an_option *options, void *settings, int argc, char **argv,
                                int *count, alexnet_error *error) {
    an_common *common = settings;
    *count = 0;
    for (int i = 0; i < argc; i++) {
        char *word = argv[i];
        if (strcmp(word, "--") == 0) {
            while (++i < argc)
                argv[(*count)++] = argv[i];
            break;
        }
        if (word[0] != '-' || word[1] == '\0') {
            argv[(*count)++] = word;
            continue;
        }
        if (word[1] != '-' && strcmp(word, "-h") != 0)
            return an_fail(error, ALEXNET_INVALID,
                           "there is no option %s; options are words, as in --batch 64", word);
        const char *name = word[1] == '-' ? word + 2 : "help";
        const size_t length = strcspn(name, "=");
        const an_option *option = find_in(options, name, length);
        uint64_t *given = &common->given;
        ptrdiff_t row = option ? option - options : 0;
        if (!option) {
            option = find_in(an_common_options, name, length);
            given = &common->given_common;
            row = option ? option - an_common_options : 0;
        }
        if (!option)
            return unknown(options, name, length, error);
        *given |= UINT64_C(1) << row;
        const char *value = name[length] == '=' ? name + length + 1 : NULL;
        if (!takes_value(option) && value)
            return an_fail(error, ALEXNET_INVALID, "--%s takes no value", option->name);
        if (takes_value(option) && !value) {
            if (i + 1 == argc)
                return an_fail(error, ALEXNET_INVALID, "--%s needs a value (%s)", option->name,
                               option->value);
            value = argv[++i];
        }
        AN_TRY(set(option, value, settings, error));
    }
    return ALEXNET_OK;
}

static size_t value_size(an_option_type type) {
    switch (type) {
    case AN_OPTION_FLAG:
    case AN_OPTION_OFF:
        return sizeof(bool);
    case AN_OPTION_INT:
    case AN_OPTION_CHOICE:
        return sizeof(int);
    case AN_OPTION_COUNT:
        return sizeof(uint64_t);
    case AN_OPTION_NUMBER:
        return sizeof(double);
    case AN_OPTION_TEXT:
    case AN_OPTION_WORD:
        return sizeof(const char *);
    case AN_OPTION_LIST:
        break;
    }
    return sizeof(an_list);
}

void an_options_overlay(const an_option *options, uint64_t given, const void *from, void *to) {
    for (int row = 0; options[row].name; row++)
        if (given >> row & 1)
            memcpy(place(&options[row], to), place_const(&options[row], from),
                   value_size(options[row].type));
}

void an_option_format(const an_option *option, const void *settings, char *text, size_t size) {
    const void *in = place_const(option, settings);
    const char *unset = option->unset ? option->unset : "none";
    switch (option->type) {
    case AN_OPTION_FLAG:
    case AN_OPTION_OFF:
        snprintf(text, size, "%s", *(const bool *)in ? "yes" : "no");
        break;
    case AN_OPTION_INT:
        if (*(const int *)in == 0 && option->unset)
            snprintf(text, size, "%s", unset);
        else
            snprintf(text, size, "%d", *(const int *)in);
        break;
    case AN_OPTION_COUNT:
        if (*(const uint64_t *)in == 0 && option->unset)
            snprintf(text, size, "%s", unset);
        else
            snprintf(text, size, "%llu", (unsigned long long)*(const uint64_t *)in);
        break;
    case AN_OPTION_NUMBER:
        snprintf(text, size, "%g", *(const double *)in);
        break;
    case AN_OPTION_TEXT:
    case AN_OPTION_WORD:
        snprintf(text, size, "%s", *(const char *const *)in ? *(const char *const *)in : unset);
        break;
    case AN_OPTION_CHOICE:
        word_at(option->choices, *(const int *)in, text, size);
        break;
    case AN_OPTION_LIST: {
        const an_list *list = in;
        size_t used = (size_t)snprintf(text, size, "%s", list->count ? "" : unset);
        for (int i = 0; i < list->count && used < size; i++)
            used +=
                (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", list->items[i]);
        break;
    }
    }
}

/* "1 to 65536, default 64", "auto, cpu or reference, default auto": what follows the help. */
static void describe(const an_option *option, const void *settings, char *text, size_t size) {
    char words[512], value[512];
    const char *choices = an_option_choices(option, words, sizeof words);
    int used = 0;
    text[0] = '\0';
    if (!takes_value(option))
        return;
    if (choices)
        used = snprintf(text, size, "%s; ", choices);
    else if (option->high >= 9e15 && option->low > 0)
        used = snprintf(text, size, "%.15g or more; ", option->low);
    else if (option->high > 0 && option->high < 9e15)
        used = snprintf(text, size, "%.15g to %.15g; ", option->low, option->high);
    an_option_format(option, settings, value, sizeof value);
    snprintf(text + used, size - (size_t)used, "default: %s", value);
}

/* Writes a text in lines of at most `width` columns, the later ones indented; lines may break at
 * spaces and behind the bars of "a|b|c". The first begins at column `column`. */
static void wrap(FILE *stream, const char *text, int column, int indent, int width) {
    int used = column;
    bool space = false; /* before what comes next, unless that begins a line */
    while (*text) {
        int span = (int)strcspn(text, " |");
        span += text[span] == '|';
        if (used + space + span > width && used > indent) {
            fprintf(stream, "\n%*s", indent, "");
            used = indent;
            space = false;
        }
        used += fprintf(stream, "%s%.*s", space ? " " : "", span, text);
        text += span;
        space = *text == ' ';
        text += space;
    }
    fputc('\n', stream);
}

bool an_option_is_among(const an_option *option, const char *names) {
    return names && position(option->name, names) >= 0;
}

void an_options_help(FILE *stream, const an_option *options, const an_option *hidden,
                     const char *idle, const void *settings) {
    enum { indent = 24, width = 90 };
    for (const an_option *option = options; option && option->name; option++) {
        char left[64], details[1024], right[1200];
        if (find_in(hidden, option->name, strlen(option->name)) || an_option_is_among(option, idle))
            continue;
        snprintf(left, sizeof left, "--%s%s%s", option->name, takes_value(option) ? " " : "",
                 takes_value(option) ? option->value : "");
        describe(option, settings, details, sizeof details);
        snprintf(right, sizeof right, details[0] ? "%s (%s)" : "%s%s", option->help, details);
        const int column = fprintf(stream, "  %-*s ", indent - 3, left);
        wrap(stream, right, column, indent, width);
    }
}

void an_options_print(FILE *stream, const an_option *options, const void *settings) {
    for (const an_option *option = options; option && option->name; option++) {
        char value[1024];
        an_option_format(option, settings, value, sizeof value);
        /* "--no-augment" turns off what is then called "augment". */
        fprintf(stream, "  %-18s %s\n", option->name + (option->type == AN_OPTION_OFF ? 3 : 0),
                value);
    }
}
