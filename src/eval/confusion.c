#include "eval/confusion.h"

#include <stdlib.h>

#include "core/memory.h"

static alexnet_status begin(const an_votes *votes, size_t mistakes, an_confusion *out,
                            alexnet_error *error) {
    const size_t classes = (size_t)votes->classes;
    *out = (an_confusion){.classes = votes->classes};
    if (votes->classes > AN_MOST_CONFUSED_CLASSES)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "which of %d classes is taken for which is not counted; at most %d can be",
                       votes->classes, AN_MOST_CONFUSED_CLASSES);
    AN_TRY(an_alloc((void **)&out->counts, classes * classes, sizeof *out->counts,
                    "the confusion matrix", error));
    AN_TRY(an_alloc((void **)&out->results, classes, sizeof *out->results, "the classes' results",
                    error));
    return an_alloc((void **)&out->mistakes, mistakes, sizeof *out->mistakes, "the worst mistakes",
                    error);
}

void an_confusion_free(an_confusion *confusion) {
    an_free(confusion->counts);
    an_free(confusion->results);
    an_free(confusion->mistakes);
    *confusion = (an_confusion){0};
}

/* The answer is the first of `top`; the label takes the third place where it is in none. */
static an_mistake describe(const an_votes *votes, size_t picture, const int *top) {
    const float *sums = votes->sums + picture * (size_t)votes->classes;
    const int label = votes->labels[picture];
    an_mistake mistake = {.index = votes->indices[picture], .label = label};
    bool found = false;
    for (; mistake.count < 3 && top[mistake.count] >= 0; mistake.count++) {
        mistake.answers[mistake.count] = top[mistake.count];
        found = found || top[mistake.count] == label;
    }
    if (!found)
        mistake.answers[mistake.count - 1] = label;
    for (int i = 0; i < mistake.count; i++) {
        const float mean = sums[mistake.answers[i]] / (float)votes->views;
        mistake.probabilities[i] = mean > 0 ? mean : 0; /* what is no number is sure of nothing */
    }
    return mistake;
}

/* Puts a mistake in its place among the worst so far, behind those that are as bad. */
static void keep(an_confusion *out, size_t most, const an_mistake *mistake) {
    size_t place = out->mistake_count;
    while (place > 0 && mistake->probabilities[0] > out->mistakes[place - 1].probabilities[0])
        place--;
    if (place == most)
        return;
    out->mistake_count += out->mistake_count < most;
    for (size_t i = out->mistake_count - 1; i > place; i--)
        out->mistakes[i] = out->mistakes[i - 1];
    out->mistakes[place] = *mistake;
}

/* The wrong answer that each class was given most often. */
static void find_confused(an_confusion *out) {
    const uint32_t *row = out->counts;
    for (int label = 0; label < out->classes; label++, row += out->classes) {
        an_class_result *result = &out->results[label];
        result->confused = -1;
        for (int answer = 0; answer < out->classes; answer++) {
            if (answer != label && row[answer] > result->confused_times) {
                result->confused = answer;
                result->confused_times = row[answer];
            }
        }
    }
}

alexnet_status an_confusion_count(const an_votes *votes, size_t mistakes, an_confusion *out,
                                  alexnet_error *error) {
    AN_TRY(begin(votes, mistakes, out, error));
    for (size_t picture = 0; picture < votes->pictures; picture++) {
        const int label = votes->labels[picture];
        int top[5];
        if (label < 0)
            continue;
        an_top_k(votes->sums + picture * (size_t)votes->classes, votes->classes, 5, top);
        an_class_result *result = &out->results[label];
        result->images++;
        result->top1 += top[0] == label;
        for (int i = 0; i < 5; i++)
            result->top5 += top[i] == label;
        out->counts[(size_t)label * (size_t)votes->classes + (size_t)top[0]]++;
        if (top[0] != label) {
            const an_mistake mistake = describe(votes, picture, top);
            keep(out, mistakes, &mistake);
        }
    }
    find_confused(out);
    return ALEXNET_OK;
}

size_t an_confusion_pairs(const an_confusion *confusion, an_confused_pair *out, size_t most) {
    size_t count = 0;
    const uint32_t *times = confusion->counts;
    for (int label = 0; label < confusion->classes; label++) {
        for (int answer = 0; answer < confusion->classes; answer++, times++) {
            if (answer == label || *times == 0)
                continue;
            size_t place = count;
            while (place > 0 && *times > out[place - 1].times)
                place--;
            if (place == most)
                continue;
            count += count < most;
            for (size_t i = count - 1; i > place; i--)
                out[i] = out[i - 1];
            out[place] = (an_confused_pair){label, answer, *times};
        }
    }
    return count;
}

/* Compares a / a_images with b / b_images, without rounding. */
static int compare_shares(uint32_t a, uint32_t a_images, uint32_t b, uint32_t b_images) {
    const uint64_t left = (uint64_t)a * b_images, right = (uint64_t)b * a_images;
    return (left > right) - (left < right);
}

static int compare_results(const void *a, const void *b, void *results) {
    const int i = *(const int *)a, j = *(const int *)b;
    const an_class_result *x = (const an_class_result *)results + i;
    const an_class_result *y = (const an_class_result *)results + j;
    int order = (x->images == 0) - (y->images == 0);
    if (order == 0)
        order = compare_shares(x->top1, x->images, y->top1, y->images);
    if (order == 0)
        order = compare_shares(x->top5, x->images, y->top5, y->images);
    return order == 0 ? (i > j) - (i < j) : order;
}

void an_confusion_worst(const an_confusion *confusion, int *out) {
    for (int i = 0; i < confusion->classes; i++)
        out[i] = i;
    qsort_r(out, (size_t)confusion->classes, sizeof *out, compare_results, confusion->results);
}

/* ---- The order that brings confused classes together. */

/* The clusters so far: each is known by its first class, and its classes are a linked list. */
typedef struct clustering {
    size_t classes;
    float *similarity; /* (classes, classes) of the clusters; of those that are gone undefined */
    int *sizes;        /* 0: gone */
    int *next, *last;  /* the class behind this one in its cluster, -1: none; the cluster's last */
    int *joined;       /* (classes) 1: this class stands in the same block as the one before it */
    int *chain;        /* of nearest neighbours */
} clustering;

static float *similarity_at(const clustering *self, int a, int b) {
    return self->similarity + (size_t)a * self->classes + (size_t)b;
}

/* Fills the similarities of single classes; returns the mean of those of two different ones. */
static double measure(const an_confusion *confusion, clustering *self) {
    const size_t n = self->classes;
    double sum = 0;
    for (size_t a = 0; a < n; a++) {
        for (size_t b = 0; b < a; b++) {
            const uint32_t there = confusion->results[a].images,
                           back = confusion->results[b].images;
            double mean = there ? (double)confusion->counts[a * n + b] / there / 2 : 0;
            mean += back ? (double)confusion->counts[b * n + a] / back / 2 : 0;
            self->similarity[a * n + b] = self->similarity[b * n + a] = (float)mean;
            sum += mean;
        }
    }
    return n > 1 ? sum / ((double)n * (double)(n - 1) / 2) : 0;
}

/* The cluster most like `a`: of equals `before`, so that a chain ends, or else the first. */
static int nearest(const clustering *self, int a, int before) {
    int best = before;
    for (int b = 0; b < (int)self->classes; b++)
        if (b != a && self->sizes[b] > 0 &&
            (best < 0 || *similarity_at(self, a, b) > *similarity_at(self, a, best)))
            best = b;
    return best;
}

/* Puts `b` behind `a`; both as one cluster are as like others as their classes are on average. */
static void merge(clustering *self, int a, int b, bool same_block) {
    for (int c = 0; c < (int)self->classes; c++) {
        if (self->sizes[c] == 0 || c == a || c == b)
            continue;
        const float mean = (*similarity_at(self, a, c) * (float)self->sizes[a] +
                            *similarity_at(self, b, c) * (float)self->sizes[b]) /
                           (float)(self->sizes[a] + self->sizes[b]);
        *similarity_at(self, a, c) = *similarity_at(self, c, a) = mean;
    }
    self->next[self->last[a]] = b;
    self->last[a] = self->last[b];
    self->joined[b] = same_block;
    self->sizes[a] += self->sizes[b];
    self->sizes[b] = 0;
}

/*
 * Merges until one cluster is left, by chains of nearest neighbours: two that are nearest to each
 * other may be merged at once, whatever else is nearer elsewhere (Benzecri 1982).
 */
static void merge_all(clustering *self, double average) {
    int length = 0;
    for (int left = (int)self->classes; left > 1;) {
        if (length == 0) {
            int first = 0;
            while (self->sizes[first] == 0)
                first++;
            self->chain[length++] = first;
        }
        const int top = self->chain[length - 1];
        const int before = length > 1 ? self->chain[length - 2] : -1;
        const int near = nearest(self, top, before);
        if (near != before) {
            self->chain[length++] = near;
            continue;
        }
        const float similarity = *similarity_at(self, top, near);
        merge(self, top < near ? top : near, top < near ? near : top, (double)similarity > average);
        length -= 2;
        left--;
    }
}

alexnet_status an_confusion_order(const an_confusion *confusion, int *order, int *blocks,
                                  alexnet_error *error) {
    const size_t n = (size_t)confusion->classes;
    clustering self = {.classes = n};
    int *links = NULL;
    alexnet_status status;
    AN_TRY_CLEANUP(an_alloc((void **)&self.similarity, n * n, sizeof *self.similarity,
                            "the order of the confusion matrix", error));
    AN_TRY_CLEANUP(an_alloc((void **)&links, 5 * n, sizeof *links,
                            "the order of the confusion matrix", error));
    self.sizes = links;
    self.next = links + n;
    self.last = links + 2 * n;
    self.joined = links + 3 * n;
    self.chain = links + 4 * n;
    for (int i = 0; i < confusion->classes; i++) {
        self.sizes[i] = 1;
        self.next[i] = -1;
        self.last[i] = i;
    }
    merge_all(&self, measure(confusion, &self));
    int place = 0, block = -1;
    for (int c = 0; c >= 0; c = self.next[c]) { /* the smaller index stays: all is in class 0's */
        block += place == 0 || !self.joined[c];
        order[place] = c;
        blocks[place++] = block;
    }
cleanup:
    an_free(links);
    an_free(self.similarity);
    return status;
}
