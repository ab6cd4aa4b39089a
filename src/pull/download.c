#include "pull/download.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "pull/part.h"
#include "pull/transfer.h"

static const double longest_pause = 60;
/* An attempt that brought so much was none in vain. */
static const uint64_t progress_bytes = 1 << 20;

bool an_download_available(void) {
    return true;
}

static alexnet_status check_arguments(const an_source *source, const char *path,
                                      alexnet_error *error) {
    struct stat info;
    if (strncasecmp(source->url, "http://", 7) != 0 && strncasecmp(source->url, "https://", 8) != 0)
        return an_fail(error, ALEXNET_INVALID,
                       "%.200s: the address must begin with https:// or http://", source->url);
    for (const char *c = source->url; *c; c++)
        if (*c <= ' ' || *c == 127)
            return an_fail(error, ALEXNET_INVALID,
                           "%.200s: an address has no blanks and control characters; write %%20 "
                           "for a blank",
                           source->url);
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return an_fail(error, ALEXNET_INVALID, "%s: is %s; name a file", path,
                       S_ISDIR(info.st_mode) ? "a folder" : "no regular file");
    return ALEXNET_OK;
}

/* "SHA-256 1234... where abcd... is expected" for the first digest that differs; false where none
 * does. */
static bool differs(const an_source *source, const an_digest_text *found, char *text, size_t size) {
    if (!an_digest_matches(source->sha256, found->sha256))
        snprintf(text, size, "its SHA-256 is %s where %s is expected", found->sha256,
                 source->sha256);
    else if (!an_digest_matches(source->sha1, found->sha1))
        snprintf(text, size, "its SHA-1 is %s where %s is expected", found->sha1, source->sha1);
    else
        return false;
    return true;
}

/* *right: whether `path` is already the file. It is never, where nothing could tell. */
static alexnet_status check_present(const an_source *source, const char *path, bool *right,
                                    an_downloaded *out, alexnet_error *error) {
    *right = false;
    if ((!source->sha256 && !source->sha1) || !an_is_file(path))
        return ALEXNET_OK;
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return an_fail(error, ALEXNET_IO, "%s: cannot be opened: %s", path, strerror(errno));
    alexnet_status status = ALEXNET_OK;
    struct stat info;
    uint64_t size = 0;
    an_digest digest = an_digest_begin();
    if (fstat(descriptor, &info) == 0 &&
        (!source->size || (uint64_t)info.st_size == source->size)) {
        char text[256];
        status = an_digest_read(descriptor, path, &digest, &size, error);
        const an_digest_text found = an_digest_of(&digest);
        *right = status == ALEXNET_OK && !differs(source, &found, text, sizeof text);
        *out = (an_downloaded){.size = size, .was_there = true};
        memcpy(out->sha256, found.sha256, sizeof out->sha256);
    }
    close(descriptor);
    return status;
}

/* The last step: the part becomes the file if it is the right one, and is removed if not. */
static alexnet_status finish(an_part *part, const an_source *source, const char *path,
                             an_downloaded *out, alexnet_error *error) {
    char text[256];
    const an_digest_text found = an_digest_of(&part->digest);
    if (differs(source, &found, text, sizeof text)) {
        an_part_remove(part);
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: what the server sent is not the file: %s; it was removed, and %s",
                       source->url, text,
                       an_is_file(path) ? "what was there before stays" : "nothing is kept");
    }
    out->size = part->size;
    memcpy(out->sha256, found.sha256, sizeof out->sha256);
    return an_part_finish(part, path, error);
}

static bool goes_on(const an_download_options *options, uint64_t done, uint64_t all) {
    return !options->progress || options->progress(options->context, done, all);
}

static alexnet_status interrupted(const an_part *part, alexnet_error *error) {
    if (part->size == 0)
        return an_fail(error, ALEXNET_INTERRUPTED, "interrupted before anything had arrived");
    return an_fail(error, ALEXNET_INTERRUPTED,
                   "interrupted; the first %llu bytes lie in %s, and the same command goes on from "
                   "there",
                   (unsigned long long)part->size, part->path);
}

/* False where the caller does not want to wait any longer. */
static bool wait_for(double seconds, const an_download_options *options, uint64_t done,
                     uint64_t all) {
    const double end = an_seconds() + seconds;
    while (goes_on(options, done, all)) {
        const double left = end - an_seconds(), nap = left < 0.1 ? left : 0.1;
        if (left <= 0)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = (long)(nap * 1e9)}, NULL);
    }
    return false;
}

/* Tries until all bytes are there, or there is no hope. */
static alexnet_status fetch(an_transfer *transfer, alexnet_error *error) {
    const an_download_options *options = transfer->options;
    const int retries = options->retries ? options->retries : 5;
    const double first_pause = options->pause > 0 ? options->pause : 1;
    double pause = first_pause;
    for (int failures = 0;;) {
        const uint64_t before = transfer->part->size;
        const alexnet_status status = an_transfer_run(transfer, error);
        if (status == ALEXNET_INTERRUPTED)
            return interrupted(transfer->part, error);
        if (status == ALEXNET_OK || !transfer->transient)
            return status;
        if (transfer->part->size >= before + progress_bytes) {
            failures = 0;
            pause = first_pause;
        }
        if (failures++ >= retries)
            return status;
        if (options->note && error) {
            char text[sizeof error->message + 64];
            snprintf(text, sizeof text, "%s; trying again in %.3g s", error->message, pause);
            options->note(options->context, text);
        }
        if (!wait_for(pause, options, transfer->part->size, transfer->source->size))
            return interrupted(transfer->part, error);
        pause = pause * 2 < longest_pause ? pause * 2 : longest_pause;
    }
}

static alexnet_status fetch_into(an_part *part, const an_source *source, const char *path,
                                 const an_download_options *options, an_downloaded *out,
                                 alexnet_error *error) {
    an_transfer transfer;
    *out = (an_downloaded){.begun = part->size};
    AN_TRY(an_transfer_begin(&transfer, part, source, options, error));
    alexnet_status status = fetch(&transfer, error);
    if (transfer.anew)
        out->begun = 0;
    an_transfer_end(&transfer);
    if (status == ALEXNET_OK)
        status = finish(part, source, path, out, error);
    return status;
}

/* Opens the part as soon as no other process has it. *right: another one has completed the file. */
static alexnet_status take_turn(an_part *part, const an_source *source, const char *path,
                                const an_download_options *options, bool *right, an_downloaded *out,
                                alexnet_error *error) {
    for (bool told = false;; told = true) {
        bool busy;
        AN_TRY(check_present(source, path, right, out, error));
        if (*right)
            return ALEXNET_OK;
        AN_TRY(an_part_open(part, path, source->url, &busy, error));
        if (!busy)
            break;
        if (!told && options->note)
            options->note(options->context, "another process is downloading this file; waiting");
        if (!wait_for(0.2, options, 0, source->size))
            return an_fail(error, ALEXNET_INTERRUPTED,
                           "interrupted while another process downloads the file");
    }
    /* It may have been completed between the look and the lock. */
    const alexnet_status status = check_present(source, path, right, out, error);
    if (status != ALEXNET_OK || *right)
        an_part_close(part);
    return status;
}

alexnet_status an_download(const an_source *source, const char *path,
                           const an_download_options *options, an_downloaded *out,
                           alexnet_error *error) {
    an_part part;
    bool right;
    *out = (an_downloaded){0};
    AN_TRY(check_arguments(source, path, error));
    AN_TRY(take_turn(&part, source, path, options, &right, out, error));
    if (right)
        return ALEXNET_OK;
    const alexnet_status status = fetch_into(&part, source, path, options, out, error);
    an_part_close(&part);
    return status;
}
