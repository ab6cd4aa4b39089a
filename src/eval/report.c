#include "eval/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"

/* A text file being made in memory. */
typedef struct text_file {
    FILE *stream;
    char *bytes;
    size_t size;
} text_file;

static alexnet_status begin_text(text_file *file, const char *name, alexnet_error *error) {
    *file = (text_file){0};
    file->stream = open_memstream(&file->bytes, &file->size);
    return file->stream ? ALEXNET_OK
                        : an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to write it", name);
}

/* Writes the text to folder/name and releases it. */
static alexnet_status end_text(text_file *file, const char *folder, const char *name,
                               alexnet_error *error) {
    const bool failed = ferror(file->stream) != 0;
    char *path = an_path_join(folder, name);
    alexnet_status status;
    if (fclose(file->stream) != 0 || failed || !path)
        status = an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to write it", name);
    else
        status = an_write_file(path, file->bytes, file->size, error);
    free(file->bytes);
    free(path);
    return status;
}

/* A field of a CSV file (RFC 4180): in quotes where it holds a comma, quotes or an end of line. */
static void put_field(FILE *stream, const char *text) {
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, stream);
        return;
    }
    fputc('"', stream);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', stream);
        fputc(*text, stream);
    }
    fputc('"', stream);
}

static alexnet_status write_matrix(const char *folder, const an_dataset *dataset,
                                   const an_confusion *confusion, alexnet_error *error) {
    text_file file;
    AN_TRY(begin_text(&file, "confusion.csv", error));
    fputs("class", file.stream);
    for (int answer = 0; answer < confusion->classes; answer++) {
        fputc(',', file.stream);
        put_field(file.stream, dataset->class_names[answer]);
    }
    const uint32_t *times = confusion->counts;
    for (int label = 0; label < confusion->classes; label++) {
        fputc('\n', file.stream);
        put_field(file.stream, dataset->class_names[label]);
        for (int answer = 0; answer < confusion->classes; answer++)
            fprintf(file.stream, ",%u", *times++);
    }
    fputc('\n', file.stream);
    return end_text(&file, folder, "confusion.csv", error);
}

static double share(uint32_t part, uint32_t whole) {
    return whole ? (double)part / whole : (double)NAN;
}

/* ",0.75", or an empty field where there is no number. */
static void put_share(FILE *stream, uint32_t part, uint32_t whole) {
    fputc(',', stream);
    if (whole)
        fprintf(stream, "%.6g", share(part, whole));
}

static alexnet_status write_classes(const char *folder, const an_dataset *dataset,
                                    const an_confusion *confusion, alexnet_error *error) {
    text_file file;
    AN_TRY(begin_text(&file, "classes.csv", error));
    fputs("index,class,id,images,top1,top5,confused_with,times\n", file.stream);
    for (int i = 0; i < confusion->classes; i++) {
        const an_class_result *result = &confusion->results[i];
        fprintf(file.stream, "%d,", i);
        put_field(file.stream, dataset->class_names[i]);
        fputc(',', file.stream);
        if (dataset->class_ids)
            put_field(file.stream, dataset->class_ids[i]);
        fprintf(file.stream, ",%u", result->images);
        put_share(file.stream, result->top1, result->images);
        put_share(file.stream, result->top5, result->images);
        fputc(',', file.stream);
        if (result->confused >= 0)
            put_field(file.stream, dataset->class_names[result->confused]);
        fprintf(file.stream, ",%u\n", result->confused_times);
    }
    return end_text(&file, folder, "classes.csv", error);
}

json_t *an_report_classes(const an_dataset *dataset, const an_confusion *confusion) {
    json_t *classes = json_array();
    for (int i = 0; i < confusion->classes; i++) {
        const an_class_result *result = &confusion->results[i];
        json_array_append_new(classes,
                              json_pack("{s:o, s:I, s:o, s:o}", "name",
                                        an_json_string(dataset->class_names[i]), "images",
                                        (json_int_t)result->images, "top1",
                                        an_json_number(share(result->top1, result->images)), "top5",
                                        an_json_number(share(result->top5, result->images))));
    }
    return classes;
}

/* The classes with what else is known about each. */
static json_t *detailed_classes(const an_dataset *dataset, const an_confusion *confusion) {
    json_t *classes = an_report_classes(dataset, confusion);
    for (int i = 0; i < confusion->classes; i++) {
        const an_class_result *result = &confusion->results[i];
        json_t *entry = json_array_get(classes, (size_t)i);
        if (dataset->class_ids)
            json_object_set_new(entry, "id", an_json_string(dataset->class_ids[i]));
        if (result->confused < 0)
            continue;
        json_object_set_new(entry, "confused_with",
                            an_json_string(dataset->class_names[result->confused]));
        json_object_set_new(entry, "times", json_integer((json_int_t)result->confused_times));
    }
    return classes;
}

static json_t *pairs_json(const an_dataset *dataset, const an_confusion *confusion) {
    enum { most = 100 };
    an_confused_pair pairs[most];
    const size_t count = an_confusion_pairs(confusion, pairs, most);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:o, s:o, s:I}", "class",
                                              an_json_string(dataset->class_names[pairs[i].label]),
                                              "answer",
                                              an_json_string(dataset->class_names[pairs[i].answer]),
                                              "times", (json_int_t)pairs[i].times));
    return list;
}

static json_t *mistakes_json(const an_dataset *dataset, const an_confusion *confusion) {
    json_t *list = json_array();
    for (size_t i = 0; i < confusion->mistake_count; i++) {
        const an_mistake *mistake = &confusion->mistakes[i];
        char name[1024];
        an_dataset_describe(dataset, mistake->index, name, sizeof name);
        json_t *answers = json_array();
        for (int a = 0; a < mistake->count; a++)
            json_array_append_new(
                answers,
                json_pack("{s:o, s:o}", "class",
                          an_json_string(dataset->class_names[mistake->answers[a]]), "probability",
                          an_json_number((double)mistake->probabilities[a])));
        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:o}", "file", an_json_string(name), "class",
                                        an_json_string(dataset->class_names[mistake->label]),
                                        "answers", answers));
    }
    return list;
}

static alexnet_status write_json(const char *folder, const an_dataset *dataset,
                                 const an_evaluation *evaluation, const an_confusion *confusion,
                                 alexnet_error *error) {
    static const char name[] = "report.json";
    json_t *json =
        json_pack("{s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "data",
                  an_json_string(dataset->name), "images", (json_int_t)evaluation->images, "broken",
                  (json_int_t)evaluation->broken, "top1", an_json_number(evaluation->top1), "top5",
                  an_json_number(evaluation->top5), "loss", an_json_number(evaluation->loss),
                  "classes", detailed_classes(dataset, confusion), "confusions",
                  pairs_json(dataset, confusion), "mistakes", mistakes_json(dataset, confusion));
    char *text = json ? json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    char *path = an_path_join(folder, name);
    alexnet_status status;
    if (text && path)
        status = an_write_file(path, text, strlen(text), error);
    else
        status = an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to write it", name);
    free(path);
    free(text);
    json_decref(json);
    return status;
}

alexnet_status an_report_write(const char *folder, const an_dataset *dataset,
                               const an_evaluation *evaluation, const an_confusion *confusion,
                               alexnet_error *error) {
    AN_TRY(write_matrix(folder, dataset, confusion, error));
    AN_TRY(write_classes(folder, dataset, confusion, error));
    return write_json(folder, dataset, evaluation, confusion, error);
}
