#include "train/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/threads.h"

/* Bytes of a run.json, with the names of up to a million classes. */
static const size_t description_limit = (size_t)256 << 20;

/* --- settings as JSON ---------------------------------------------------------------------- */

typedef enum field_type { TEXT, PATH, INT, SIZE, U64, REAL, BOOL, WORD } field_type;

/* A member of an_train_settings. */
typedef struct field {
    const char *name;
    size_t offset;
    field_type type;
    const char *const *words; /* WORD: what the values of the enumeration are called */
} field;

static const char *const precisions[] = {"fp32", "bf16", "int8", NULL};
static const char *const schedules[] = {"constant", "step", "cosine", "plateau", NULL};

#define AT(member) offsetof(an_train_settings, member)

static const field fields[] = {
    {"arch", AT(arch), TEXT, NULL},
    {"classes", AT(classes), INT, NULL},
    {"input_size", AT(input_size), INT, NULL},
    {"data", AT(data), PATH, NULL},
    {"validation", AT(validation), PATH, NULL},
    {"limit", AT(limit), SIZE, NULL},
    {"validation_limit", AT(validation_limit), SIZE, NULL},
    {"weights", AT(weights), PATH, NULL},
    {"device", AT(device), TEXT, NULL},
    {"precision", AT(precision), WORD, precisions},
    {"threads", AT(threads), INT, NULL},
    {"workers", AT(workers), INT, NULL},
    {"seed", AT(seed), U64, NULL},
    {"epochs", AT(epochs), INT, NULL},
    {"batch", AT(batch), INT, NULL},
    {"schedule", AT(schedule.kind), WORD, schedules},
    {"learning_rate", AT(schedule.base), REAL, NULL},
    {"factor", AT(schedule.factor), REAL, NULL},
    {"every", AT(schedule.every), REAL, NULL},
    {"patience", AT(schedule.patience), INT, NULL},
    {"warmup", AT(schedule.warmup), REAL, NULL},
    {"momentum", AT(momentum), REAL, NULL},
    {"weight_decay", AT(weight_decay), REAL, NULL},
    {"bias_rate", AT(bias_rate), REAL, NULL},
    {"bias_decay", AT(bias_decay), REAL, NULL},
    {"augment", AT(augment), BOOL, NULL},
    {"overfit_batch", AT(overfit_batch), BOOL, NULL},
    {"max_broken", AT(max_broken), REAL, NULL},
    {"checkpoint_steps", AT(checkpoint_steps), U64, NULL},
    {"log_steps", AT(log_steps), U64, NULL},
};

enum { field_count = sizeof fields / sizeof *fields };

/* A path that means the same from any folder; names that are none, as `shapes`, stay. */
static json_t *describe_path(const char *path) {
    char *absolute = realpath(path, NULL);
    json_t *value = an_json_string(absolute ? absolute : path);
    free(absolute);
    return value;
}

static json_t *get_field(const field *f, const an_train_settings *settings) {
    const char *at = (const char *)settings + f->offset;
    const char *text;
    int word;
    switch (f->type) {
    case TEXT:
    case PATH:
        memcpy(&text, at, sizeof text);
        if (!text)
            return json_null();
        return f->type == PATH ? describe_path(text) : an_json_string(text);
    case INT:
        return json_integer(*(const int *)(const void *)at);
    case SIZE:
        return json_integer((json_int_t) * (const size_t *)(const void *)at);
    case U64: /* what is above 2^63 becomes negative, and itself again when read */
        return json_integer((json_int_t) * (const uint64_t *)(const void *)at);
    case REAL:
        return json_real(*(const double *)(const void *)at);
    case BOOL:
        return json_boolean(*(const bool *)(const void *)at);
    case WORD:
        break;
    }
    memcpy(&word, at, sizeof word);
    return json_string(f->words[word]);
}

/* False where `value` is not of the field's type. */
static bool set_field(const field *f, const json_t *value, an_train_settings *settings) {
    char *at = (char *)settings + f->offset;
    const json_int_t integer = json_integer_value(value);
    const char *text = json_string_value(value);
    switch (f->type) {
    case TEXT:
    case PATH:
        memcpy(at, &text, sizeof text);
        return text || json_is_null(value);
    case INT:
        *(int *)(void *)at = (int)integer;
        return json_is_integer(value) && integer >= INT_MIN && integer <= INT_MAX;
    case SIZE:
        *(size_t *)(void *)at = (size_t)integer;
        return json_is_integer(value) && integer >= 0;
    case U64:
        *(uint64_t *)(void *)at = (uint64_t)integer;
        return json_is_integer(value);
    case REAL:
        *(double *)(void *)at = json_number_value(value);
        return json_is_number(value);
    case BOOL:
        *(bool *)(void *)at = json_is_true(value);
        return json_is_boolean(value);
    case WORD:
        break;
    }
    for (int word = 0; text && f->words[word]; word++)
        if (strcmp(f->words[word], text) == 0) {
            memcpy(at, &word, sizeof word);
            return true;
        }
    return false;
}

static json_t *describe_settings(const an_train_settings *settings) {
    json_t *object = json_object();
    for (int i = 0; i < field_count; i++)
        json_object_set_new(object, fields[i].name, get_field(&fields[i], settings));
    return object;
}

/* Sets every field from `object`, in which the strings stay. */
static alexnet_status read_settings(const json_t *object, const char *path,
                                    an_train_settings *settings, alexnet_error *error) {
    for (int i = 0; i < field_count; i++)
        if (!set_field(&fields[i], json_object_get(object, fields[i].name), settings))
            return an_fail(error, ALEXNET_FORMAT,
                           "%s: its setting '%s' is missing or not what it should be", path,
                           fields[i].name);
    return ALEXNET_OK;
}

/* --- what else run.json holds --------------------------------------------------------------- */

static json_t *describe_data(const an_dataset *data, const an_dataset *held_out) {
    json_t *names = json_array();
    for (int i = 0; i < data->classes; i++)
        json_array_append_new(names, an_json_string(data->class_names[i]));
    return json_pack("{s:I, s:I, s:o}", "pictures", (json_int_t)data->count, "validation_pictures",
                     (json_int_t)(held_out ? held_out->count : 0), "classes", names);
}

/* "model name : ..." of /proc/cpuinfo. */
static void cpu_name(char *name, size_t size) {
    snprintf(name, size, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file)
        return;
    char line[256];
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "model name", strlen("model name")) == 0 && strstr(line, ": ")) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(name, size, "%s", strstr(line, ": ") + 2);
            break;
        }
    fclose(file);
}

static json_t *describe_machine(void) {
    char cpu[256];
    cpu_name(cpu, sizeof cpu);
    return json_pack("{s:o, s:i, s:I}", "cpu", an_json_string(cpu), "cores", an_cpu_count(),
                     "memory_bytes",
                     (json_int_t)sysconf(_SC_PHYS_PAGES) * (json_int_t)sysconf(_SC_PAGESIZE));
}

static json_t *describe_time(void) {
    char text[32];
    struct tm utc;
    const time_t now = time(NULL);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    return json_string(text);
}

/* With 15 digits, which shows 0.1 as 0.1, where that loses nothing, and with 17 otherwise. */
static char *dump_exactly(const json_t *root) {
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    json_t *back = text ? json_loads(text, 0, NULL) : NULL;
    if (back && !json_equal(root, back)) {
        free(text);
        text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    }
    json_decref(back);
    return text;
}

/* --- opening ------------------------------------------------------------------------------- */

static alexnet_status name_files(an_run *run, const char *folder, alexnet_error *error) {
    *run = (an_run){.folder = an_string_copy(folder),
                    .description = an_path_join(folder, "run.json"),
                    .metrics_path = an_path_join(folder, "metrics.jsonl"),
                    .last = an_path_join(folder, "last.safetensors"),
                    .best = an_path_join(folder, "best.safetensors"),
                    .metrics = -1};
    if (!run->folder || !run->description || !run->metrics_path || !run->last || !run->best)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for the run's paths", folder);
    return ALEXNET_OK;
}

static alexnet_status begin(an_run *run, const char *folder, an_train_settings *settings,
                            alexnet_error *error) {
    AN_TRY(name_files(run, folder, error));
    const char *const files[] = {run->description, run->metrics_path, run->last, run->best};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (an_is_file(files[i]))
            return an_fail(error, ALEXNET_INVALID,
                           "%s: already holds a run (there is a %s); go on with it by resuming it, "
                           "or choose another folder",
                           folder, an_path_base(files[i]));
    run->record = json_pack("{s:o}", "settings", describe_settings(settings));
    if (!run->record)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for the settings", folder);
    return read_settings(json_object_get(run->record, "settings"), run->description, settings,
                         error);
}

alexnet_status an_run_begin(an_run *run, const char *folder, an_train_settings *settings,
                            alexnet_error *error) {
    const alexnet_status status = begin(run, folder, settings, error);
    if (status != ALEXNET_OK)
        an_run_close(run);
    return status;
}

/* Opens metrics.jsonl, whose lock is what keeps two processes from training into one folder. */
static alexnet_status open_metrics(an_run *run, alexnet_error *error) {
    run->metrics = open(run->metrics_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (run->metrics < 0)
        return an_fail(error, ALEXNET_IO, "%s: cannot be written: %s", run->metrics_path,
                       strerror(errno));
    if (flock(run->metrics, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return an_fail(error, ALEXNET_IO,
                       "%s: another process is training into this folder; wait for it or stop it",
                       run->folder);
    return ALEXNET_OK;
}

alexnet_status an_run_write(an_run *run, const an_train_settings *settings,
                            const an_backend *backend, const an_dataset *data,
                            const an_dataset *held_out, alexnet_error *error) {
    AN_TRY(an_make_folder(run->folder, error));
    json_t *record =
        json_pack("{s:o, s:o, s:s, s:s, s:o, s:o}", "settings", describe_settings(settings), "data",
                  describe_data(data, held_out), "version", alexnet_version(), "backend",
                  backend->description, "machine", describe_machine(), "started", describe_time());
    char *text = record ? dump_exactly(record) : NULL;
    json_decref(record);
    if (!text)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to write it", run->description);
    const alexnet_status status = an_write_file(run->description, text, strlen(text), error);
    free(text);
    AN_TRY(status);
    return open_metrics(run, error);
}

static alexnet_status resume(an_run *run, const char *folder, an_train_settings *settings,
                             alexnet_error *error) {
    AN_TRY(name_files(run, folder, error));
    if (!an_is_file(run->description))
        return an_fail(error, ALEXNET_IO, "%s: holds no run that could be resumed (no run.json)",
                       folder);
    uint8_t *bytes;
    size_t size;
    json_error_t reason;
    AN_TRY(an_read_file(run->description, description_limit, &bytes, &size, error));
    run->record = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, &reason);
    free(bytes);
    if (!run->record)
        return an_fail(error, ALEXNET_FORMAT, "%s: is no JSON (line %d: %s)", run->description,
                       reason.line, reason.text);
    const an_train_settings passed = *settings;
    AN_TRY(
        read_settings(json_object_get(run->record, "settings"), run->description, settings, error));
    if (passed.device)
        settings->device = passed.device;
    if (passed.threads)
        settings->threads = passed.threads;
    if (passed.workers)
        settings->workers = passed.workers;
    return open_metrics(run, error);
}

alexnet_status an_run_resume(an_run *run, const char *folder, an_train_settings *settings,
                             alexnet_error *error) {
    const alexnet_status status = resume(run, folder, settings, error);
    if (status != ALEXNET_OK)
        an_run_close(run);
    return status;
}

alexnet_status an_run_check_data(const an_run *run, const an_dataset *data,
                                 const an_dataset *held_out, alexnet_error *error) {
    const json_t *then = json_object_get(run->record, "data");
    json_t *now = describe_data(data, held_out);
    if (!now)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to compare it", data->name);
    alexnet_status status = ALEXNET_OK;
    if (!json_equal(then, now)) {
        const json_t *classes = json_object_get(then, "classes");
        status = an_fail(
            error, ALEXNET_MISMATCH,
            "%s: is no longer what the run began with: then %lld pictures of %zu classes and %lld "
            "to validate on, now %zu of %d and %zu%s; put it back, or begin a new run from these "
            "weights",
            data->name, (long long)json_integer_value(json_object_get(then, "pictures")),
            json_array_size(classes),
            (long long)json_integer_value(json_object_get(then, "validation_pictures")),
            data->count, data->classes, held_out ? held_out->count : 0,
            json_equal(classes, json_object_get(now, "classes")) ? "" : ", with other class names");
    }
    json_decref(now);
    return status;
}

void an_run_close(an_run *run) {
    if (run->metrics >= 0)
        close(run->metrics);
    free(run->folder);
    free(run->description);
    free(run->metrics_path);
    free(run->last);
    free(run->best);
    json_decref(run->record);
    *run = (an_run){.metrics = -1};
}

/* --- metrics.jsonl ------------------------------------------------------------------------- */

alexnet_status an_run_log(an_run *run, json_t *line, alexnet_error *error) {
    char *text = line ? json_dumps(line, JSON_REAL_PRECISION(9)) : NULL;
    json_decref(line);
    if (!text)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for a line", run->metrics_path);
    const size_t length = strlen(text);
    text[length] = '\n'; /* in the place of the terminating zero */
    size_t done = 0;
    while (done <= length) {
        const ssize_t written = write(run->metrics, text + done, length + 1 - done);
        if (written < 0 && errno != EINTR)
            break;
        done += written > 0 ? (size_t)written : 0;
    }
    alexnet_status status = ALEXNET_OK;
    if (done <= length)
        status = an_fail(error, ALEXNET_IO, "%s: cannot be written: %s; the checkpoint is whole",
                         run->metrics_path, strerror(errno));
    free(text);
    return status;
}

alexnet_status an_run_sync(an_run *run, uint64_t *bytes, alexnet_error *error) {
    struct stat info;
    if (fdatasync(run->metrics) != 0 || fstat(run->metrics, &info) != 0)
        return an_fail(error, ALEXNET_IO, "%s: cannot be written: %s", run->metrics_path,
                       strerror(errno));
    *bytes = (uint64_t)info.st_size;
    return ALEXNET_OK;
}

/* A killed process leaves its unfinished "last.safetensors.XXXXXX", which nobody else would remove.
 */
static void remove_unfinished(const an_run *run) {
    const char *const finished[] = {run->description, run->last, run->best};
    DIR *folder = opendir(run->folder);
    if (!folder)
        return;
    for (const struct dirent *entry; (entry = readdir(folder));)
        for (size_t i = 0; i < sizeof finished / sizeof *finished; i++) {
            const char *name = an_path_base(finished[i]);
            const size_t length = strlen(name);
            if (strncmp(entry->d_name, name, length) == 0 && entry->d_name[length] == '.' &&
                strlen(entry->d_name) == length + strlen(".XXXXXX"))
                (void)unlinkat(dirfd(folder), entry->d_name, 0);
        }
    closedir(folder);
}

alexnet_status an_run_rewind(an_run *run, uint64_t bytes, alexnet_error *error) {
    remove_unfinished(run);
    struct stat info;
    if (fstat(run->metrics, &info) != 0 ||
        ((uint64_t)info.st_size > bytes && ftruncate(run->metrics, (off_t)bytes) != 0))
        return an_fail(error, ALEXNET_IO, "%s: cannot be cut off: %s", run->metrics_path,
                       strerror(errno));
    return ALEXNET_OK;
}

/* --- the best checkpoint -------------------------------------------------------------------- */

alexnet_status an_run_keep_best(const an_run *run, alexnet_error *error) {
    char temporary[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s.linked", run->best);
    (void)unlink(temporary);
    if (link(run->last, temporary) == 0) {
        const int renamed = rename(temporary, run->best);
        const int reason = errno;
        (void)unlink(temporary); /* stays where both names were of one file already */
        if (renamed == 0)
            return ALEXNET_OK;
        return an_fail(error, ALEXNET_IO, "%s: cannot be written: %s", run->best, strerror(reason));
    }
    an_mapping last;
    AN_TRY(an_map(run->last, &last, error));
    const alexnet_status status = an_write_file(run->best, last.bytes, last.size, error);
    an_unmap(&last);
    return status;
}
