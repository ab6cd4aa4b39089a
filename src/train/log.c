#include "train/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static alexnet_status failed(const an_log *log, alexnet_error *error) {
    return an_fail(error, ALEXNET_IO, "%s: cannot be written: %s; the checkpoint is whole",
                   log->path, strerror(errno));
}

alexnet_status an_log_open(an_log *log, alexnet_error *error) {
    log->descriptor = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    return log->descriptor < 0 ? failed(log, error) : ALEXNET_OK;
}

alexnet_status an_log_append(const an_log *log, const void *bytes, size_t size,
                             alexnet_error *error) {
    for (size_t done = 0; done < size;) {
        const ssize_t written = write(log->descriptor, (const char *)bytes + done, size - done);
        if (written < 0 && errno != EINTR)
            return failed(log, error);
        done += written > 0 ? (size_t)written : 0;
    }
    return ALEXNET_OK;
}

alexnet_status an_log_sync(const an_log *log, uint64_t *bytes, alexnet_error *error) {
    struct stat info;
    if (fdatasync(log->descriptor) != 0 || fstat(log->descriptor, &info) != 0)
        return failed(log, error);
    *bytes = (uint64_t)info.st_size;
    return ALEXNET_OK;
}

alexnet_status an_log_cut(const an_log *log, uint64_t bytes, alexnet_error *error) {
    struct stat info;
    if (fstat(log->descriptor, &info) != 0 ||
        ((uint64_t)info.st_size > bytes && ftruncate(log->descriptor, (off_t)bytes) != 0))
        return failed(log, error);
    return ALEXNET_OK;
}

void an_log_close(an_log *log) {
    if (log->descriptor >= 0)
        close(log->descriptor);
    free(log->path);
    *log = (an_log){.descriptor = -1};
}
