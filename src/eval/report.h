/*
 * A confusion written down: confusion.csv, the matrix with a row for what pictures are and a column
 * for what they were taken for; classes.csv, a row for each class; report.json, all of it, with the
 * worst mistakes by name.
 */
#ifndef AN_EVAL_REPORT_H
#define AN_EVAL_REPORT_H

#include <jansson.h>

#include "data/dataset.h"
#include "eval/confusion.h"

/* [{name, images, top1, top5}, ...], accuracies as fractions, null for a class without a picture.
 * NULL where memory ran out. */
json_t *an_report_classes(const an_dataset *dataset, const an_confusion *confusion);

/* Writes the three files into a folder that is there; each is replaced whole or not at all. */
alexnet_status an_report_write(const char *folder, const an_dataset *dataset,
                               const an_evaluation *evaluation, const an_confusion *confusion,
                               alexnet_error *error);

#endif
