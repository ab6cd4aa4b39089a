#include "data/duplicates.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum {
    WORDS = 8,    /* of 16 bits, in a likeness */
    WINDOW = 4096 /* neighbours that are compared: bounds the work where very many are as alike */
};

/* The search: the pictures that can be read, in the order of the surveys. */
typedef struct finder {
    const an_survey *const *surveys;
    an_place *places;
    size_t *parents; /* each leads to an earlier picture of its group; the first to itself */
    size_t count;
    size_t *order; /* a part of them, sorted for a comparison */
    size_t sorted;
    int word; /* ... of the likeness by which it is sorted */
} finder;

static const an_survey_picture *picture_at(const finder *self, size_t i) {
    return &self->surveys[self->places[i].survey]->pictures[self->places[i].index];
}

static const char *class_at(const finder *self, size_t i) {
    const an_dataset *dataset = self->surveys[self->places[i].survey]->dataset;
    char *const *names = dataset->class_ids ? dataset->class_ids : dataset->class_names;
    return names[dataset->labels[self->places[i].index]];
}

/* The first picture of a picture's group; the way there becomes shorter. */
static size_t first_of(finder *self, size_t i) {
    while (self->parents[i] != i)
        i = self->parents[i] = self->parents[self->parents[i]];
    return i;
}

static void join(finder *self, size_t a, size_t b) {
    a = first_of(self, a);
    b = first_of(self, b);
    self->parents[a < b ? b : a] = a < b ? a : b;
}

/* ---- The same bytes, or pixels. */

/* The hash by which pictures are the same. */
static an_hash hash_of(const finder *self, size_t i) {
    const an_survey_picture *picture = picture_at(self, i);
    return self->surveys[0]->decoded ? picture->pixels : picture->content;
}

static int compare_indices(const void *a, const void *b) {
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static int by_hash(const void *a, const void *b, void *context) {
    const finder *self = context;
    const int order =
        an_hash_compare(hash_of(self, *(const size_t *)a), hash_of(self, *(const size_t *)b));
    return order == 0 ? compare_indices(a, b) : order;
}

static void join_same(finder *self) {
    for (size_t i = 0; i < self->count; i++)
        self->order[i] = self->parents[i] = i;
    qsort_r(self->order, self->count, sizeof *self->order, by_hash, self);
    for (size_t i = 1; i < self->count; i++)
        if (an_hash_compare(hash_of(self, self->order[i - 1]), hash_of(self, self->order[i])) == 0)
            join(self, self->order[i - 1], self->order[i]);
}

/* ---- Those that look alike. */

static unsigned word_of(const an_likeness *likeness, int word) {
    const uint64_t half = word < WORDS / 2 ? likeness->across : likeness->down;
    return (unsigned)(half >> (word % (WORDS / 2) * 16)) & 0xffff;
}

static int bits_set(const an_likeness *likeness) {
    return __builtin_popcountll(likeness->across) + __builtin_popcountll(likeness->down);
}

/* Bits that may differ from a picture of so many set: every eighth. In a picture with as many edges
 * as a photograph about half of the bits are set, in a digit on black a tenth. */
static int bits_allowed(const an_likeness *likeness) {
    const int allowed = bits_set(likeness) / 8;
    return allowed < AN_ALIKE_BITS ? allowed : AN_ALIKE_BITS;
}

static bool look_alike(const an_likeness *a, const an_likeness *b) {
    const int apart =
        __builtin_popcountll(a->across ^ b->across) + __builtin_popcountll(a->down ^ b->down);
    return apart <= AN_ALIKE_BITS && apart <= bits_allowed(a) && apart <= bits_allowed(b);
}

/* By one word of the likeness, then by all of it. */
static int by_word(const void *a, const void *b, void *context) {
    const finder *self = context;
    const an_likeness *x = &picture_at(self, *(const size_t *)a)->likeness;
    const an_likeness *y = &picture_at(self, *(const size_t *)b)->likeness;
    const unsigned left = word_of(x, self->word), right = word_of(y, self->word);
    if (left != right)
        return left < right ? -1 : 1;
    if (x->across != y->across)
        return x->across < y->across ? -1 : 1;
    if (x->down != y->down)
        return x->down < y->down ? -1 : 1;
    return compare_indices(a, b);
}

/* Joins pictures that agree in a word and look alike. */
static void join_by_word(finder *self, int word) {
    self->word = word;
    qsort_r(self->order, self->sorted, sizeof *self->order, by_word, self);
    for (size_t i = 0; i < self->sorted; i++) {
        const an_likeness *own = &picture_at(self, self->order[i])->likeness;
        for (size_t j = i + 1; j < self->sorted && j - i <= WINDOW; j++) {
            const an_likeness *other = &picture_at(self, self->order[j])->likeness;
            if (word_of(other, word) != word_of(own, word))
                break;
            if (look_alike(own, other))
                join(self, self->order[i], self->order[j]);
        }
    }
}

/* Of pictures that are the same one is compared; of those all but plain none. */
static void join_alike(finder *self) {
    self->sorted = 0;
    for (size_t i = 0; i < self->count; i++)
        if (self->parents[i] == i && bits_allowed(&picture_at(self, i)->likeness) > 0)
            self->order[self->sorted++] = i;
    for (int word = 0; word < WORDS; word++)
        join_by_word(self, word);
}

/* ---- Groups. */

static int by_group(const void *a, const void *b, void *context) {
    const size_t *parents = ((const finder *)context)->parents;
    const size_t x = parents[*(const size_t *)a], y = parents[*(const size_t *)b];
    return x == y ? compare_indices(a, b) : x < y ? -1 : 1;
}

/* What the pictures of a group have in common. */
static an_duplicate describe(const finder *self, const size_t *members, size_t count) {
    const an_survey_picture *first = picture_at(self, members[0]);
    an_duplicate group = {.count = count};
    for (size_t i = 1; i < count; i++) {
        const an_survey_picture *other = picture_at(self, members[i]);
        const bool same_pixels = an_hash_compare(first->pixels, other->pixels) == 0;
        const bool same_bytes = an_hash_compare(first->content, other->content) == 0;
        const an_sameness sameness = !same_pixels  ? AN_LOOK_ALIKE
                                     : !same_bytes ? AN_SAME_PIXELS
                                                   : AN_SAME_BYTES;
        group.sameness = sameness > group.sameness ? sameness : group.sameness;
        group.across_parts |= self->places[members[i]].survey != self->places[members[0]].survey;
        group.across_classes |= strcmp(class_at(self, members[i]), class_at(self, members[0])) != 0;
    }
    return group;
}

/* Writes down the groups of two and more. */
static void take_groups(finder *self, an_duplicates *out) {
    size_t placed = 0;
    for (size_t i = 0; i < self->count; i++) {
        self->parents[i] = first_of(self, i);
        self->order[i] = i;
    }
    qsort_r(self->order, self->count, sizeof *self->order, by_group, self);
    for (size_t begin = 0, end; begin < self->count; begin = end) {
        const size_t *members = self->order + begin;
        for (end = begin;
             end < self->count && self->parents[self->order[end]] == self->parents[members[0]];
             end++)
            out->places[placed + end - begin] = self->places[self->order[end]];
        if (end - begin < 2)
            continue; /* the place is written again */
        an_duplicate *group = &out->groups[out->count++];
        *group = describe(self, members, end - begin);
        group->first = placed;
        placed += end - begin;
        out->spare += end - begin - 1;
    }
}

alexnet_status an_duplicates_find(const an_survey *const *surveys, int count, an_duplicates *out,
                                  alexnet_error *error) {
    static const char what[] = "finding duplicates";
    finder self = {.surveys = surveys};
    size_t all = 0;
    alexnet_status status;
    *out = (an_duplicates){0};
    for (int s = 0; s < count; s++)
        all += surveys[s]->dataset->count;
    AN_TRY_CLEANUP(an_alloc((void **)&self.places, all, sizeof *self.places, what, error));
    AN_TRY_CLEANUP(an_alloc((void **)&self.parents, all, sizeof *self.parents, what, error));
    AN_TRY_CLEANUP(an_alloc((void **)&self.order, all, sizeof *self.order, what, error));
    AN_TRY_CLEANUP(an_alloc((void **)&out->places, all, sizeof *out->places, what, error));
    AN_TRY_CLEANUP(an_alloc((void **)&out->groups, all / 2, sizeof *out->groups, what, error));
    for (int s = 0; s < count; s++)
        for (size_t i = 0; i < surveys[s]->dataset->count; i++)
            if (!surveys[s]->pictures[i].failure)
                self.places[self.count++] = (an_place){s, i};
    join_same(&self);
    if (count > 0 && surveys[0]->decoded)
        join_alike(&self);
    take_groups(&self, out);
cleanup:
    an_free(self.places);
    an_free(self.parents);
    an_free(self.order);
    return status;
}

void an_duplicates_free(an_duplicates *duplicates) {
    an_free(duplicates->places);
    an_free(duplicates->groups);
    *duplicates = (an_duplicates){0};
}
