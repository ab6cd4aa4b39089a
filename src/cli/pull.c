/* alexnet pull: known weights from where their makers published them. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "core/cache.h"
#include "core/file.h"
#include "core/memory.h"
#include "pull/cache.h"

typedef struct pull_settings {
    an_common common;
    bool list;
    const char *url;
    const char *sha256;
    const char *out;
    int timeout;
    int retries;
} pull_settings;

static const an_option options[] = {
    {.name = "list",
     .type = AN_OPTION_FLAG,
     .offset = offsetof(pull_settings, list),
     .help = "say what there is, and what of it is in the cache"},
    {.name = "out",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(pull_settings, out),
     .value = "FILE",
     .unset = "in the cache",
     .help = "where the file goes"},
    {.name = "url",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(pull_settings, url),
     .value = "URL",
     .unset = "where it was published",
     .help = "take NAME from this mirror; without NAME, any file"},
    {.name = "sha256",
     .type = AN_OPTION_TEXT,
     .offset = offsetof(pull_settings, sha256),
     .value = "HEX",
     .unset = "that of NAME",
     .help = "the digest that a file without NAME must have, or at least its first 8 digits"},
    {.name = "timeout",
     .type = AN_OPTION_INT,
     .offset = offsetof(pull_settings, timeout),
     .value = "SECONDS",
     .low = 1,
     .high = 3600,
     .fallback = "30",
     .help = "how long to wait for a connection, and for the next byte"},
    {.name = "retries",
     .type = AN_OPTION_INT,
     .offset = offsetof(pull_settings, retries),
     .value = "N",
     .low = 0,
     .high = 1000,
     .fallback = "5",
     .help = "how often to try again when a connection breaks"},
    {0}};

enum { least_digits = 8 };

/* --- the list ------------------------------------------------------------------------------ */

static json_t *describe(const an_known *known, const char *cached) {
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s?, s:s?, s:s?, s:o, s:o, s:o}", "name",
                     known->name, "title", known->title, "url", known->source.url, "bytes",
                     (json_int_t)known->source.size, "sha256", known->source.sha256, "sha1",
                     known->source.sha1, "licence", known->licence, "arch", known->arch, "top1",
                     known->top1 > 0 ? json_real(known->top1) : json_null(), "top5",
                     known->top5 > 0 ? json_real(known->top5) : json_null(), "cached",
                     cached ? an_json_string(cached) : json_null());
}

static void print_row(const an_known *known, const char *cached) {
    an_text top1 = {"-"}, top5 = {"-"};
    if (known->top1 > 0) {
        top1 = an_percent(known->top1);
        top5 = an_percent(known->top5);
    }
    printf("%-16s  %8s  %-12s  %6s  %6s  %-6s  %s\n", known->name,
           an_bytes(known->source.size).text, known->licence ? known->licence : "none stated",
           top1.text, top5.text, cached ? "yes" : "no", known->title);
}

static alexnet_status list(const pull_settings *settings, alexnet_error *error) {
    json_t *document = settings->common.json ? json_array() : NULL;
    char *folder;
    AN_TRY(an_cache_folder(&folder, error));
    if (!document)
        printf("%-16s  %8s  %-12s  %6s  %6s  %-6s\n", "name", "size", "licence", "top-1", "top-5",
               "cached");
    for (const an_known *known = an_knowns; known->name; known++) {
        char *cached = an_cache_find(known);
        if (document)
            json_array_append_new(document, describe(known, cached));
        else
            print_row(known, cached);
        free(cached);
    }
    if (!document) {
        printf("\nThe cache is ");
        an_print_name(stdout, folder);
        printf(", unless ALEXNET_CACHE names another folder.\n");
    }
    free(folder);
    return document ? an_print_json(document, error) : ALEXNET_OK;
}

/* --- one file ------------------------------------------------------------------------------ */

/* What is told while it goes. */
typedef struct view {
    an_display display;
    const char *what;
    double begin;   /* when the first byte of this run came; 0: not yet */
    uint64_t first; /* how many were there before it */
} view;

static bool show(void *context, uint64_t done, uint64_t all) {
    view *on = context;
    const double now = an_seconds();
    if (on->begin == 0 || done < on->first) {
        on->begin = now;
        on->first = done;
    }
    const double seconds = now - on->begin;
    const double rate = seconds > 0 ? (double)(done - on->first) / seconds : 0;
    an_text speed = {""}, left = {""}, of = {""};
    if (all > 0)
        snprintf(of.text, sizeof of.text, " of %.60s", an_bytes(all).text);
    if (rate > 0)
        snprintf(speed.text, sizeof speed.text, ", %.60s/s", an_bytes((uint64_t)rate).text);
    if (rate > 0 && all > done && seconds > 1)
        snprintf(left.text, sizeof left.text, ", %.60s left",
                 an_duration((double)(all - done) / rate).text);
    an_display_show(&on->display, all ? (double)done / (double)all : 0, "%s: %s%s%s%s", on->what,
                    an_bytes(done).text, of.text, speed.text, left.text);
    return !an_interrupted();
}

static void note(void *context, const char *message) {
    view *on = context;
    an_display_warn(&on->display, message);
}

static alexnet_status print_result(const pull_settings *settings, const an_known *known,
                                   const char *path, const an_source *source,
                                   const an_downloaded *got, alexnet_error *error) {
    if (settings->common.json)
        return an_print_json(json_pack("{s:o, s:s, s:I, s:s, s:b, s:b}", "file",
                                       an_json_string(path), "sha256", got->sha256, "bytes",
                                       (json_int_t)got->size, "url", source->url, "downloaded",
                                       !got->was_there, "checked", source->sha256 || source->sha1),
                             error);
    an_print_name(stdout, path);
    printf(": %s, %s%s\n  SHA-256 %s\n", an_bytes(got->size).text,
           got->was_there ? "was there already" : "downloaded",
           source->sha256 || source->sha1 ? " and is right" : "", got->sha256);
    if (!source->sha256 && !source->sha1)
        printf("  No digest is known, so that only its length is checked; see that this is the one "
               "you expect.\n");
    if (known && known->licence)
        printf("  licence: %s\n", known->licence);
    if (known && known->arch && !settings->out)
        printf("  use it so: alexnet classify --weights %s PICTURE\n", known->name);
    return ALEXNET_OK;
}

static alexnet_status pull(const pull_settings *settings, const an_known *known, const char *path,
                           const an_source *source, alexnet_error *error) {
    view on = {.display = an_display_begin(&settings->common),
               .what = known ? known->name : an_path_base(path)};
    an_downloaded got;
    an_interrupt_watch();
    const alexnet_status status =
        an_download(source, path,
                    &(an_download_options){.timeout = settings->timeout,
                                           .retries = settings->retries ? settings->retries : -1,
                                           .progress = show,
                                           .note = note,
                                           .context = &on},
                    &got, error);
    an_display_end(&on.display);
    AN_TRY(status);
    return print_result(settings, known, path, source, &got, error);
}

/* --- what is asked for --------------------------------------------------------------------- */

static alexnet_status unknown(const char *name, alexnet_error *error) {
    char names[512] = "", near[64];
    size_t used = 0;
    for (const an_known *known = an_knowns; known->name && used < sizeof names; known++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? "|" : "",
                                 known->name);
    const char *nearest = an_nearest(name, names, near, sizeof near);
    return an_fail(error, ALEXNET_INVALID, "'%s' is not known; there are %s%s%s%s", name, names,
                   nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static alexnet_status check_digest(const char *digits, alexnet_error *error) {
    const size_t length = strlen(digits);
    size_t good = 0;
    while (isxdigit((unsigned char)digits[good]))
        good++;
    if (good < length || length < least_digits || length > 64)
        return an_fail(error, ALEXNET_INVALID,
                       "--sha256 '%.80s': it must be %d to 64 hexadecimal digits", digits,
                       least_digits);
    return ALEXNET_OK;
}

/* The row of NAME and what is to be downloaded; without NAME what --url says. */
static alexnet_status choose(const pull_settings *settings, const char *name,
                             const an_known **known, an_source *source, alexnet_error *error) {
    *known = NULL;
    *source = (an_source){.url = settings->url, .sha256 = settings->sha256};
    if (name) {
        *known = an_known_find(name);
        if (!*known)
            return unknown(name, error);
        if (settings->sha256)
            return an_fail(error, ALEXNET_INVALID,
                           "--sha256: that of %s is known; leave this out, or leave out %s", name,
                           name);
        *source = (*known)->source;
        source->url = settings->url ? settings->url : source->url;
        return ALEXNET_OK;
    }
    if (!settings->url)
        return an_fail(error, ALEXNET_INVALID, "it needs a NAME, --list, or --url");
    if (!settings->out)
        return an_fail(error, ALEXNET_INVALID, "--url without a NAME needs --out FILE");
    return settings->sha256 ? check_digest(settings->sha256, error) : ALEXNET_OK;
}

static alexnet_status prepare_cache(const an_known *known, char **path, alexnet_error *error) {
    char *folder;
    AN_TRY(an_cache_folder(&folder, error));
    const alexnet_status status = an_make_folder(folder, error);
    free(folder);
    AN_TRY(status);
    return an_cache_path(known, path, error);
}

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    const pull_settings *settings = chosen;
    const an_known *known;
    an_source source;
    char *path;
    if (settings->list)
        return list(settings, error);
    AN_TRY(choose(settings, count > 0 ? arguments[0] : NULL, &known, &source, error));
    if (settings->out)
        path = an_string_copy(settings->out);
    else
        AN_TRY(prepare_cache(known, &path, error));
    if (!path)
        return an_fail(error, ALEXNET_NO_MEMORY, "memory ran out");
    const alexnet_status status = pull(settings, known, path, &source, error);
    free(path);
    return status;
}

const an_command an_command_pull = {
    .name = "pull",
    .arguments = "[NAME]",
    .least = 0,
    .most = 1,
    .title = "download known pretrained weights",
    .text =
        "Downloads weights that are known by NAME, or ImageNet's class names, from where they\n"
        "were published into the cache: $ALEXNET_CACHE, or alexnet in $XDG_CACHE_HOME, or\n"
        "~/.cache/alexnet. Afterwards --weights NAME is enough for every command. --list says\n"
        "what there is, under which licence, and how often it is right on ImageNet.\n"
        "\n"
        "A file appears only when it is complete and its size and SHA-256 are right; one that is\n"
        "already there and right is not downloaded again. When the connection breaks it is tried\n"
        "again, and a download that was stopped goes on where it ended. Proxies are taken from\n"
        "https_proxy, http_proxy, all_proxy and no_proxy.",
    .examples =
        "  alexnet pull --list\n"
        "  alexnet pull torchvision && alexnet pull imagenet-classes\n"
        "  alexnet classify --weights torchvision cat.jpg\n"
        "  alexnet pull caffenet --url https://mirror.example.org/caffenet.caffemodel\n"
        "  alexnet pull --url https://example.org/best.safetensors --out best.safetensors \\\n"
        "    --sha256 f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2",
    .options = options,
    .idle = "arch|weights|device|precision|batch|threads|seed",
    .size = sizeof(pull_settings),
    .run = run,
};
