/*
 * Pictures with their features: taken from an index where they have been computed before, computed
 * where not, and written to the index.
 */
#ifndef AN_EVAL_GALLERY_H
#define AN_EVAL_GALLERY_H

#include "eval/classifier.h"
#include "eval/feature_index.h"

typedef struct an_gallery_picture {
    const char *name; /* as it was named; not owned */
    char *path;       /* absolute and without links; NULL where it is no file that can be found */
    an_stamp stamp;
    size_t same;           /* the first picture that is the same file: this one, or one before */
    const float *features; /* (length), normalised; NULL: not known yet, or broken; only of the
                              first of the same */
} an_gallery_picture;

/* All zero: empty. */
typedef struct an_gallery {
    an_gallery_picture *pictures;
    size_t count, length;
    float *computed; /* features of those that the index did not have */
} an_gallery;

/* Hears of what happens; every function may be NULL. */
typedef struct an_gallery_watch {
    void (*progress)(void *context, size_t done, size_t pictures);
    /* A picture that cannot be read. */
    void (*broken)(void *context, const char *name, const alexnet_error *why);
    void *context;
} an_gallery_watch;

/* Of `count` files ("-": standard input), which may be the same ones; names must stay. Freed with
 * an_gallery_free, after a failure too. */
alexnet_status an_gallery_begin(an_gallery *gallery, const char *const *names, size_t count,
                                alexnet_error *error);
void an_gallery_free(an_gallery *gallery);

/* Takes the features of pictures that have not changed from an index, which must outlive the
 * gallery. */
void an_gallery_take(an_gallery *gallery, const an_feature_index *index);

/*
 * Computes the features that are missing: `layer` of an observing classifier, a batch at a time.
 * *broken: how many of the pictures cannot be read, and stay without.
 */
alexnet_status an_gallery_compute(an_gallery *gallery, alexnet_classifier *classifier, int layer,
                                  const an_gallery_watch *watch, size_t *broken,
                                  alexnet_error *error);

/*
 * Writes an index of the first `indexed` pictures and of those in `old` (as it was; all zero: there
 * was none) whose files are still there; nothing where that is what it holds already.
 */
alexnet_status an_gallery_save(const an_gallery *gallery, size_t indexed,
                               const an_feature_index *old, const an_feature_source *source,
                               const char *path, alexnet_error *error);

#endif
