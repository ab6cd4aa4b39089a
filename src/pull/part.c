#include "pull/part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"

enum { from_limit = 16 << 10 };

static alexnet_status failed(const an_part *part, const char *what, alexnet_error *error) {
    return an_fail(error, ALEXNET_IO, "%s: %s: %s", part->path, what, strerror(errno));
}

/* "PATH" and "ending"; NULL where memory ran out. */
static char *with_ending(const char *path, const char *ending) {
    const size_t size = strlen(path) + strlen(ending) + 1;
    char *text = malloc(size);
    if (text)
        snprintf(text, size, "%s%s", path, ending);
    return text;
}

/* True where `path` still names the open file: whoever had the lock before may have renamed or
 * removed it. */
static bool is_named(int descriptor, const char *path) {
    struct stat mine, named;
    return fstat(descriptor, &mine) == 0 && lstat(path, &named) == 0 &&
           mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
}

static alexnet_status open_locked(an_part *part, bool *busy, alexnet_error *error) {
    for (;;) {
        struct stat info;
        part->descriptor = open(part->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (part->descriptor < 0)
            return failed(part, "cannot be written", error);
        if (fstat(part->descriptor, &info) != 0 || !S_ISREG(info.st_mode))
            return an_fail(error, ALEXNET_IO, "%s: is in the way; remove it", part->path);
        if (flock(part->descriptor, LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK)
                return failed(part, "cannot be locked", error);
            *busy = true;
            return ALEXNET_OK;
        }
        if (is_named(part->descriptor, part->path))
            return ALEXNET_OK;
        close(part->descriptor);
    }
}

/* Takes the validator of what is there, if that is from `url` and was written to its end. */
static void read_from(an_part *part, const char *url) {
    uint8_t *bytes = NULL;
    size_t size, length = strlen(url);
    if (!an_is_file(part->from) ||
        an_read_file(part->from, from_limit, &bytes, &size, NULL) != ALEXNET_OK)
        return;
    if (size > length + 2 && memcmp(bytes, url, length) == 0 && bytes[length] == '\n' &&
        bytes[size - 1] == '\n' && size - length - 2 < sizeof part->validator) {
        const char *validator = (const char *)bytes + length + 1;
        snprintf(part->validator, sizeof part->validator, "%.*s", (int)(size - length - 2),
                 validator);
        if (strpbrk(part->validator, "\r\n"))
            part->validator[0] = '\0';
    }
    free(bytes);
}

static void release(an_part *part) {
    if (part->descriptor >= 0)
        close(part->descriptor);
    free(part->path);
    free(part->from);
    *part = (an_part){.descriptor = -1};
}

alexnet_status an_part_open(an_part *part, const char *path, const char *url, bool *busy,
                            alexnet_error *error) {
    *part = (an_part){.descriptor = -1,
                      .path = with_ending(path, ".part"),
                      .from = with_ending(path, ".part.from"),
                      .digest = an_digest_begin()};
    *busy = false;
    if (!part->path || !part->from) {
        release(part);
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to write it", path);
    }
    alexnet_status status = open_locked(part, busy, error);
    if (status == ALEXNET_OK && !*busy) {
        read_from(part, url);
        status = an_digest_read(part->descriptor, part->path, &part->digest, &part->size, error);
    }
    if (status != ALEXNET_OK || *busy)
        release(part);
    return status;
}

/* Not under a temporary name, of which a killed process would leave one more each time: a note that
 * was cut short has no last newline and counts for nothing. */
static alexnet_status write_from(const an_part *part, const char *url, alexnet_error *error) {
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
    const int descriptor = open(part->from, flags, 0666);
    if (descriptor < 0 || dprintf(descriptor, "%s\n%s\n", url, part->validator) < 0) {
        const int reason = errno;
        if (descriptor >= 0)
            close(descriptor);
        return an_fail(error, ALEXNET_IO, "%s: cannot be written: %s", part->from,
                       strerror(reason));
    }
    close(descriptor);
    return ALEXNET_OK;
}

alexnet_status an_part_restart(an_part *part, const char *url, const char *validator,
                               alexnet_error *error) {
    if (ftruncate(part->descriptor, 0) != 0 || lseek(part->descriptor, 0, SEEK_SET) != 0)
        return failed(part, "cannot be emptied", error);
    part->size = 0;
    part->digest = an_digest_begin();
    snprintf(part->validator, sizeof part->validator, "%s", validator ? validator : "");
    return write_from(part, url, error);
}

alexnet_status an_part_append(an_part *part, const void *bytes, size_t size, alexnet_error *error) {
    const char *next = bytes;
    while (size > 0) {
        const ssize_t written = write(part->descriptor, next, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return failed(part, "cannot be written", error);
        an_digest_add(&part->digest, next, (size_t)written);
        part->size += (uint64_t)written;
        next += written;
        size -= (size_t)written;
    }
    return ALEXNET_OK;
}

alexnet_status an_part_finish(an_part *part, const char *path, alexnet_error *error) {
    unlink(part->from); /* first: a process killed in between leaves a part that only has no note */
    return an_file_commit(part->descriptor, part->path, path, error);
}

void an_part_remove(an_part *part) {
    unlink(part->path);
    unlink(part->from);
}

void an_part_close(an_part *part) {
    if (part->size == 0 && part->descriptor >= 0 && is_named(part->descriptor, part->path))
        an_part_remove(part);
    release(part);
}
