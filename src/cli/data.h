/* What alexnet data has found about a data set, and the ways to tell it. */
#ifndef AN_CLI_DATA_H
#define AN_CLI_DATA_H

#include "cli/output.h"
#include "data/duplicates.h"

enum { AN_MOST_PARTS = 2 };

/* One part of the data set: to learn from, or held out. */
typedef struct data_part {
    const char *name; /* "train", "held-out"; "all" where there is but one */
    an_dataset *dataset;
    an_survey survey;
    an_survey_summary summary;
    size_t *class_counts; /* (classes) */
    size_t empty_classes; /* how many of them are 0 */
    an_spread class_sizes;
} data_part;

typedef struct data_findings {
    const char *data; /* as it was named */
    data_part parts[AN_MOST_PARTS];
    int part_count;
    an_duplicates duplicates;
    double seconds;
} data_findings;

/* For people; at most `most` pictures of each finding are named. */
void an_data_print(const data_findings *found, size_t most);

/* For programs: everything. */
alexnet_status an_data_print_json(const data_findings *found, alexnet_error *error);

/* A row of pictures for each class of the first part. */
alexnet_status an_data_draw(const data_findings *found, size_t per_class, const char *path,
                            alexnet_error *error);

/* "bytes", "pixels", "alike". */
const char *an_sameness_key(an_sameness sameness);

#endif
