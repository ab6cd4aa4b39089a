/*
 * Pictures that are there more than once, within a data set and across the part to learn from and
 * the one held out, where they make a network look better than it is.
 *
 * Two pictures are the same where their stored bytes are, or their decoded pixels. They look alike
 * where of the 128 bits of their difference hashes at most AN_ALIKE_BITS differ, and fewer where a
 * picture is so plain that few bits are set: another size, quality or brightness, a few pixels more
 * of a border, but not turned, mirrored or cropped by more.
 */
#ifndef AN_DATA_DUPLICATES_H
#define AN_DATA_DUPLICATES_H

#include "data/survey.h"

/* Two hashes that differ in no more agree in one of their eight words of 16 bits at least, by which
 * they are found. */
enum { AN_ALIKE_BITS = 7 };

typedef enum an_sameness { AN_SAME_BYTES, AN_SAME_PIXELS, AN_LOOK_ALIKE } an_sameness;

/* A picture among those of several surveys. */
typedef struct an_place {
    int survey;
    size_t index; /* in its data set */
} an_place;

/* Two pictures or more, each as much the same as `sameness` says as at least one other. */
typedef struct an_duplicate {
    an_sameness sameness; /* the least that holds for all */
    size_t first, count;  /* in `places` */
    bool across_parts;    /* they are of more than one survey */
    bool across_classes;  /* ... of more than one class, by its ID or name */
} an_duplicate;

/* An all-zero one is valid and empty. */
typedef struct an_duplicates {
    an_place *places;     /* of each group in the order of the surveys */
    an_duplicate *groups; /* in the order of their first pictures */
    size_t count;         /* of the groups */
    size_t spare;         /* pictures that could go: all but one of each group */
} an_duplicates;

/*
 * Finds them among the pictures that can be read; where headers alone were, only the same bytes.
 * The surveys must all have been taken in the same way. Freed with an_duplicates_free, after a
 * failure too.
 */
alexnet_status an_duplicates_find(const an_survey *const *surveys, int count, an_duplicates *out,
                                  alexnet_error *error);

void an_duplicates_free(an_duplicates *duplicates);

#endif
