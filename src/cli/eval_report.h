/* What alexnet eval --report writes: tables, a document, and pictures. */
#ifndef AN_CLI_EVAL_REPORT_H
#define AN_CLI_EVAL_REPORT_H

#include "data/dataset.h"
#include "eval/report.h"

/* Writes all of it into `folder`, which is there. Without cairo and Pango only a line on stderr
 * stands for the pictures. */
alexnet_status an_eval_report_write(const char *folder, const an_dataset *dataset,
                                    const an_evaluation *evaluation, const an_confusion *confusion,
                                    alexnet_error *error);

/* Prints the classes about which the network is wrong most often. */
void an_eval_report_print(const an_dataset *dataset, const an_confusion *confusion);

#endif
