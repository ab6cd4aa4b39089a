/*
 * What a network takes pictures for: how often which class is answered for which, how right it is
 * about each class, and its worst mistakes. All of it follows from the votes of an evaluation.
 */
#ifndef AN_EVAL_CONFUSION_H
#define AN_EVAL_CONFUSION_H

#include "eval/votes.h"

/* The matrix has a place for each pair of classes; more would be of no use to anybody. */
enum { AN_MOST_CONFUSED_CLASSES = 4096 };

/* How right the answers for one class's pictures are. */
typedef struct an_class_result {
    uint32_t images, top1, top5; /* pictures; those whose class came first, and among five */
    int confused;                /* the wrong answer most often given, of equals the first;
                                    -1: there was none */
    uint32_t confused_times;
} an_class_result;

/* A picture whose class did not come first. */
typedef struct an_mistake {
    size_t index; /* in the data set */
    int label;
    int count;      /* answers: the first three, the label the last where it is not among them */
    int answers[3]; /* classes, the most probable first */
    float probabilities[3];
} an_mistake;

/* How often one class was taken for another. */
typedef struct an_confused_pair {
    int label, answer;
    uint32_t times;
} an_confused_pair;

/* An all-zero one is valid and empty. */
typedef struct an_confusion {
    int classes;
    uint32_t *counts;         /* (label, answer) pictures */
    an_class_result *results; /* (classes) */
    an_mistake *mistakes;     /* worst first */
    size_t mistake_count;
} an_confusion;

/*
 * Counts what the votes come to; broken pictures are left out. Of the wrong answers the `mistakes`
 * given with the highest probability are kept; of equals, the first pictures. Freed with
 * an_confusion_free, after a failure too. UNSUPPORTED above AN_MOST_CONFUSED_CLASSES.
 */
alexnet_status an_confusion_count(const an_votes *votes, size_t mistakes, an_confusion *out,
                                  alexnet_error *error);

void an_confusion_free(an_confusion *confusion);

/*
 * The pairs of classes that are most often confused, at most `most` into `out`, by times, then in
 * the order of the matrix. Returns how many there are.
 */
size_t an_confusion_pairs(const an_confusion *confusion, an_confused_pair *out, size_t most);

/* The classes by accuracy, worst first; equals by top-5, then in order; those without a picture
 * last. `out`: (classes) */
void an_confusion_worst(const an_confusion *confusion, int *out);

/*
 * An order in which classes that are confused stand beside each other: the leaves of a hierarchical
 * clustering by average linkage (Sokal and Michener 1958), the similarity of two classes being the
 * mean of the shares of their pictures that were taken for the other. `blocks` numbers, from 0, the
 * clusters that are left when merging ends where two are no more alike than classes are on average.
 * order, blocks: (classes), blocks in this order.
 */
alexnet_status an_confusion_order(const an_confusion *confusion, int *order, int *blocks,
                                  alexnet_error *error);

#endif
