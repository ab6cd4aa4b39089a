#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/memory.h"

alexnet_status an_map(const char *path, an_mapping *out, alexnet_error *error) {
    *out = (an_mapping){0};
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return an_fail(error, ALEXNET_IO, "%s: cannot be opened: %s", path, strerror(errno));
    alexnet_status status = ALEXNET_OK;
    struct stat info;
    if (fstat(descriptor, &info) != 0) {
        status = an_fail(error, ALEXNET_IO, "%s: cannot be examined: %s", path, strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        status = an_fail(error, ALEXNET_IO, "%s: is not a regular file", path);
    } else if (info.st_size > 0) {
        void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (bytes == MAP_FAILED)
            status = an_fail(error, ALEXNET_IO, "%s: cannot be mapped: %s", path, strerror(errno));
        else
            *out = (an_mapping){.bytes = bytes, .size = (size_t)info.st_size};
    }
    close(descriptor);
    return status;
}

void an_unmap(an_mapping *mapping) {
    if (mapping->bytes)
        munmap((void *)(uintptr_t)mapping->bytes, mapping->size);
    *mapping = (an_mapping){0};
}

void an_mapping_forget(const an_mapping *mapping, size_t offset, size_t size) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t begin = (offset + page - 1) / page * page; /* whole pages only: */
    const size_t end = (offset + size) / page * page;       /* neighbours share the others */
    if (mapping->bytes && begin < end && end <= mapping->size)
        (void)madvise((void *)(uintptr_t)(mapping->bytes + begin), end - begin, MADV_DONTNEED);
}

static void advise(const an_mapping *mapping, int advice) {
    if (mapping->bytes)
        (void)madvise((void *)(uintptr_t)mapping->bytes, mapping->size, advice);
}

void an_mapping_read_randomly(const an_mapping *mapping) {
    advise(mapping, MADV_RANDOM);
}

void an_mapping_read_in_order(const an_mapping *mapping) {
    advise(mapping, MADV_SEQUENTIAL);
}

void an_mapping_want(const an_mapping *mapping, size_t offset, size_t size) {
    const size_t begin = offset - offset % (size_t)sysconf(_SC_PAGESIZE);
    if (offset <= mapping->size && size <= mapping->size - offset && size > 0)
        (void)madvise((void *)(uintptr_t)(mapping->bytes + begin), offset + size - begin,
                      MADV_WILLNEED);
}

alexnet_status an_read_file(const char *path, size_t limit, uint8_t **bytes, size_t *size,
                            alexnet_error *error) {
    size_t capacity = 0;
    *bytes = NULL;
    const alexnet_status status = an_read_file_into(path, limit, bytes, &capacity, size, error);
    if (status != ALEXNET_OK) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}

/* Makes a buffer hold `needed` bytes, keeping what it holds. */
static alexnet_status grow(const char *path, uint8_t **buffer, size_t *capacity, size_t needed,
                           alexnet_error *error) {
    if (needed <= *capacity)
        return ALEXNET_OK;
    uint8_t *larger = realloc(*buffer, needed);
    if (!larger)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to read it", path);
    *buffer = larger;
    *capacity = needed;
    return ALEXNET_OK;
}

static alexnet_status read_all(int descriptor, const char *path, size_t limit, uint8_t **buffer,
                               size_t *capacity, size_t *size, alexnet_error *error) {
    struct stat info;
    size_t expected = 64 << 10;
    if (fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
        (size_t)info.st_size <= limit)
        expected = (size_t)info.st_size + 1; /* one more, so that the end is seen without growing */
    AN_TRY(grow(path, buffer, capacity, expected, error));
    for (;;) {
        const ssize_t got = read(descriptor, *buffer + *size, *capacity - *size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return an_fail(error, ALEXNET_IO, "%s: cannot be read: %s", path, strerror(errno));
        if (got == 0)
            return ALEXNET_OK;
        *size += (size_t)got;
        if (*size > limit)
            return an_fail(error, ALEXNET_FORMAT, "%s: is larger than the %zu bytes allowed", path,
                           limit);
        if (*size == *capacity)
            AN_TRY(grow(path, buffer, capacity, *capacity * 2, error));
    }
}

alexnet_status an_read_file_into(const char *path, size_t limit, uint8_t **buffer, size_t *capacity,
                                 size_t *size, alexnet_error *error) {
    *size = 0;
    const bool standard_input = strcmp(path, "-") == 0;
    const int descriptor = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return an_fail(error, ALEXNET_IO, "%s: cannot be opened: %s", path, strerror(errno));
    const alexnet_status status = read_all(descriptor, path, limit, buffer, capacity, size, error);
    if (!standard_input)
        close(descriptor);
    return status;
}

alexnet_status an_writer_open(an_writer *writer, const char *path, alexnet_error *error) {
    *writer = (an_writer){.descriptor = -1};
    const size_t size = strlen(path) + sizeof ".XXXXXX";
    writer->path = an_string_copy(path);
    writer->temporary = malloc(size);
    if (!writer->path || !writer->temporary) {
        an_writer_abandon(writer);
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to write it", path);
    }
    snprintf(writer->temporary, size, "%s.XXXXXX", path);
    writer->descriptor = mkostemp(writer->temporary, O_CLOEXEC);
    if (writer->descriptor < 0) {
        const int reason = errno;
        free(writer->temporary);
        writer->temporary = NULL;
        an_writer_abandon(writer);
        return an_fail(error, ALEXNET_IO, "%s: cannot be written: %s", path, strerror(reason));
    }
    (void)fchmod(writer->descriptor, 0644); /* mkostemp makes files that only their owner reads */
    return ALEXNET_OK;
}

alexnet_status an_writer_write(an_writer *writer, const void *bytes, size_t size,
                               alexnet_error *error) {
    const char *next = bytes;
    while (size > 0) {
        const ssize_t written = write(writer->descriptor, next, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return an_fail(error, ALEXNET_IO,
                           "%s: cannot be written: %s; what it held before stays", writer->path,
                           strerror(errno));
        next += written;
        size -= (size_t)written;
    }
    return ALEXNET_OK;
}

alexnet_status an_writer_seek(an_writer *writer, uint64_t offset, alexnet_error *error) {
    if (offset <= INT64_MAX && lseek(writer->descriptor, (off_t)offset, SEEK_SET) >= 0)
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_IO, "%s: cannot be written at byte %llu: %s", writer->path,
                   (unsigned long long)offset, strerror(errno));
}

/* A rename survives a power cut only once the folder that records it is on the disk too. */
static void sync_folder_of(const char *path) {
    char *folder = an_string_copy(path);
    if (!folder)
        return;
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    const int descriptor = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
        (void)fsync(descriptor);
        close(descriptor);
    }
    free(folder);
}

alexnet_status an_file_commit(int descriptor, const char *temporary, const char *path,
                              alexnet_error *error) {
    if (fsync(descriptor) != 0 || rename(temporary, path) != 0)
        return an_fail(error, ALEXNET_IO, "%s: cannot be written: %s; what it held before stays",
                       path, strerror(errno));
    sync_folder_of(path);
    return ALEXNET_OK;
}

alexnet_status an_writer_commit(an_writer *writer, alexnet_error *error) {
    const alexnet_status status =
        an_file_commit(writer->descriptor, writer->temporary, writer->path, error);
    if (status == ALEXNET_OK) {
        free(writer->temporary);
        writer->temporary = NULL;
    }
    an_writer_abandon(writer);
    return status;
}

void an_writer_abandon(an_writer *writer) {
    if (writer->temporary) {
        close(writer->descriptor);
        unlink(writer->temporary);
    } else if (writer->path && writer->descriptor >= 0) {
        close(writer->descriptor);
    }
    free(writer->temporary);
    free(writer->path);
    *writer = (an_writer){.descriptor = -1};
}

alexnet_status an_write_file(const char *path, const void *bytes, size_t size,
                             alexnet_error *error) {
    an_writer writer;
    AN_TRY(an_writer_open(&writer, path, error));
    const alexnet_status status = an_writer_write(&writer, bytes, size, error);
    if (status != ALEXNET_OK) {
        an_writer_abandon(&writer);
        return status;
    }
    return an_writer_commit(&writer, error);
}

alexnet_status an_make_folder(const char *path, alexnet_error *error) {
    char *copy = an_string_copy(path);
    if (!copy)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to make the folder", path);
    alexnet_status status = ALEXNET_OK;
    for (char *slash = copy; status == ALEXNET_OK && slash;) {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = '\0';
        if (mkdir(copy, 0777) != 0 && !(errno == EEXIST && an_is_folder(copy)))
            status = an_fail(error, ALEXNET_IO, "%s: folder cannot be made: %s", path,
                             errno == EEXIST ? "a file of that name is there" : strerror(errno));
        if (slash)
            *slash = '/';
    }
    free(copy);
    return status;
}

bool an_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool an_is_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

char *an_path_join(const char *folder, const char *name) {
    const size_t length = strlen(folder);
    const bool slash = length > 0 && folder[length - 1] != '/';
    const size_t size = length + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s%s", folder, slash ? "/" : "", name);
    return path;
}

char *an_path_beside(const char *path, const char *name) {
    const size_t folder = (size_t)(an_path_base(path) - path), size = strlen(name) + 1;
    char *out = malloc(folder + size);
    if (out) {
        memcpy(out, path, folder);
        memcpy(out + folder, name, size);
    }
    return out;
}

const char *an_path_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *an_path_extension(const char *path) {
    const char *base = an_path_base(path);
    const char *dot = strrchr(base, '.');
    return dot && dot != base ? dot : "";
}
