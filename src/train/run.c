#include "train/run.h"

#include <dirent.h>
#include <errno.h>
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
#include "train/settings_json.h"
#include "train/tensorboard.h"

/* Bytes of a run.json, with the names of up to a million classes. */
static const size_t description_limit = (size_t)256 << 20;

static const char events_name[] = "events.out.tfevents.0.alexnet";

const an_run an_run_closed = {.metrics = {NULL, -1}, .events = {NULL, -1}};

/* --- what run.json holds beside the settings
 * --------------------------------------------------------------- */

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

/* Seconds since 1970. */
static double wall_time(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
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
                    .last = an_path_join(folder, "last.safetensors"),
                    .best = an_path_join(folder, "best.safetensors"),
                    .metrics = {an_path_join(folder, "metrics.jsonl"), -1},
                    .events = {an_path_join(folder, events_name), -1}};
    if (!run->folder || !run->description || !run->metrics.path || !run->events.path ||
        !run->last || !run->best)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for the run's paths", folder);
    return ALEXNET_OK;
}

static alexnet_status begin(an_run *run, const char *folder, an_train_settings *settings,
                            alexnet_error *error) {
    AN_TRY(name_files(run, folder, error));
    const char *const files[] = {run->description, run->metrics.path, run->last, run->best};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (an_is_file(files[i]))
            return an_fail(error, ALEXNET_INVALID,
                           "%s: already holds a run (there is a %s); go on with it by resuming it, "
                           "or choose another folder",
                           folder, an_path_base(files[i]));
    run->record = json_pack("{s:o}", "settings", an_settings_json(settings));
    if (!run->record)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for the settings", folder);
    return an_settings_read(json_object_get(run->record, "settings"), run->description, settings,
                            error);
}

alexnet_status an_run_begin(an_run *run, const char *folder, an_train_settings *settings,
                            alexnet_error *error) {
    const alexnet_status status = begin(run, folder, settings, error);
    if (status != ALEXNET_OK)
        an_run_close(run);
    return status;
}

/* Opens the logs. The lock on metrics.jsonl is what keeps two processes from training into one
 * folder. */
static alexnet_status open_logs(an_run *run, alexnet_error *error) {
    AN_TRY(an_log_open(&run->metrics, error));
    if (flock(run->metrics.descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return an_fail(error, ALEXNET_IO,
                       "%s: another process is training into this folder; wait for it or stop it",
                       run->folder);
    return an_log_open(&run->events, error);
}

alexnet_status an_run_write(an_run *run, const an_train_settings *settings,
                            const an_backend *backend, const an_dataset *data,
                            const an_dataset *held_out, alexnet_error *error) {
    AN_TRY(an_make_folder(run->folder, error));
    json_t *record =
        json_pack("{s:o, s:o, s:s, s:s, s:o, s:o}", "settings", an_settings_json(settings), "data",
                  describe_data(data, held_out), "version", alexnet_version(), "backend",
                  backend->description, "machine", describe_machine(), "started", describe_time());
    char *text = record ? dump_exactly(record) : NULL;
    json_decref(record);
    if (!text)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to write it", run->description);
    const alexnet_status status = an_write_file(run->description, text, strlen(text), error);
    free(text);
    AN_TRY(status);
    AN_TRY(open_logs(run, error));
    return an_events_begin(&run->events, wall_time(), error);
}

static alexnet_status read_run(an_run *run, const char *folder, an_train_settings *settings,
                               alexnet_error *error) {
    AN_TRY(name_files(run, folder, error));
    if (!an_is_file(run->description))
        return an_fail(error, ALEXNET_IO, "%s: holds no run (there is no run.json)", folder);
    uint8_t *bytes;
    size_t size;
    json_error_t reason;
    AN_TRY(an_read_file(run->description, description_limit, &bytes, &size, error));
    run->record = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, &reason);
    free(bytes);
    if (!run->record)
        return an_fail(error, ALEXNET_FORMAT, "%s: is no JSON (line %d: %s)", run->description,
                       reason.line, reason.text);
    return an_settings_read(json_object_get(run->record, "settings"), run->description, settings,
                            error);
}

alexnet_status an_run_read(an_run *run, const char *folder, an_train_settings *settings,
                           alexnet_error *error) {
    const alexnet_status status = read_run(run, folder, settings, error);
    if (status != ALEXNET_OK)
        an_run_close(run);
    return status;
}

alexnet_status an_run_resume(an_run *run, const char *folder, an_train_settings *settings,
                             alexnet_error *error) {
    const an_train_settings passed = *settings;
    AN_TRY(an_run_read(run, folder, settings, error));
    if (passed.device)
        settings->device = passed.device;
    if (passed.threads)
        settings->threads = passed.threads;
    if (passed.workers)
        settings->workers = passed.workers;
    const alexnet_status status = open_logs(run, error);
    if (status != ALEXNET_OK)
        an_run_close(run);
    return status;
}

/* Whether metrics.jsonl goes on behind its first epoch. */
static alexnet_status goes_on_behind_epoch(const an_run *run, bool *out, alexnet_error *error) {
    static const char epoch[] = "\"kind\": \"epoch\"";
    an_mapping metrics;
    AN_TRY(an_map(run->metrics.path, &metrics, error));
    const char *text = (const char *)metrics.bytes, *end = text + metrics.size;
    const char *line = metrics.size ? memmem(text, metrics.size, epoch, strlen(epoch)) : NULL;
    const char *last = line ? memchr(line, '\n', (size_t)(end - line)) : NULL;
    *out = last && last + 1 < end;
    an_unmap(&metrics);
    return ALEXNET_OK;
}

alexnet_status an_run_has_begun(const an_run *run, bool *begun, alexnet_error *error) {
    bool got_on = an_is_file(run->best);
    *begun = an_is_file(run->last);
    if (!*begun && !got_on)
        AN_TRY(goes_on_behind_epoch(run, &got_on, error));
    if (!*begun && got_on)
        return an_fail(error, ALEXNET_IO,
                       "%s: is not there any more, and without it the run cannot go on; put it "
                       "back, or begin a new run in another folder, with the best weights of this "
                       "one where it still has them",
                       run->last);
    return ALEXNET_OK;
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
    an_log_close(&run->metrics);
    an_log_close(&run->events);
    free(run->folder);
    free(run->description);
    free(run->last);
    free(run->best);
    json_decref(run->record);
    *run = an_run_closed;
}

/* --- the logs ------------------------------------------------------------------------------ */

static alexnet_status log_line(const an_run *run, const json_t *line, alexnet_error *error) {
    char *text = line ? json_dumps(line, JSON_REAL_PRECISION(9)) : NULL;
    if (!text)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for a line", run->metrics.path);
    const size_t length = strlen(text);
    text[length] = '\n'; /* in the place of the terminating zero */
    const alexnet_status status = an_log_append(&run->metrics, text, length + 1, error);
    free(text);
    AN_TRY(status);
    return an_events_add(&run->events, wall_time(), line, error);
}

alexnet_status an_run_log(const an_run *run, json_t *line, alexnet_error *error) {
    const alexnet_status status = log_line(run, line, error);
    json_decref(line);
    return status;
}

alexnet_status an_run_sync(const an_run *run, uint64_t *metrics_bytes, uint64_t *events_bytes,
                           alexnet_error *error) {
    AN_TRY(an_log_sync(&run->metrics, metrics_bytes, error));
    return an_log_sync(&run->events, events_bytes, error);
}

/* A killed process leaves its unfinished "last.safetensors.XXXXXX", which nobody else would remove.
 */
static void remove_unfinished(const an_run *run) {
    const char *const finished[] = {run->description, run->last, run->best, AN_RUN_CURVES};
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

alexnet_status an_run_rewind(const an_run *run, uint64_t metrics_bytes, uint64_t events_bytes,
                             alexnet_error *error) {
    remove_unfinished(run);
    AN_TRY(an_log_cut(&run->metrics, metrics_bytes, error));
    AN_TRY(an_log_cut(&run->events, events_bytes, error));
    return events_bytes > 0 ? ALEXNET_OK : an_events_begin(&run->events, wall_time(), error);
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
