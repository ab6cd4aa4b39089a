/* A small network, a small data set and small runs, for the tests of the trainer. */
#ifndef AN_TRAIN_FIXTURE_H
#define AN_TRAIN_FIXTURE_H

#include "testing.h"
#include "train/trainer.h"

/* 21 pictures to learn from, 9 to validate on: 3 steps of 8, 8 and 5 pictures an epoch. */
enum { FIXTURE_CLASSES = 3, FIXTURE_TRAIN = 7, FIXTURE_HELD_OUT = 3, FIXTURE_BATCH = 8 };
enum { FIXTURE_STEPS = 3 };

/* conv 5x5/2 - relu - lrn - pool 3x3/2 - fc - relu - dropout - fc on 16 x 16 pixels. */
extern const an_arch tiny_arch;

/* Group setup and teardown: a folder for everything, with the data set in "data". */
int make_fixture(void **state);
int remove_fixture(void **state);

/* "name" in the fixture's folder: valid until eight calls later. */
const char *in_fixture(const char *name);

/* Writes the data set into a folder: train/ and val/, each with red/, green/ and blue/. */
void write_data(const char *folder);

/* Replaces a picture by bytes that are none. */
void break_picture(const char *path);

/* Four epochs over "data", or the data set called `data`, with warm-up, cosine, augmentation and
 * dropout, one thread. */
an_train_settings fixture_settings(void);
an_train_settings fixture_settings_on(const char *data);

/* The same with everything that a run can have: averaged weights, mixup, smoothed labels, LARS,
 * colour noise that ends, a layer that is frozen on the way, one order, layers logged. */
an_train_settings rich_settings(void);

/* No settings, so that a resumed run has to read them from its folder. */
an_train_settings no_settings(void);

/* The two runs ended alike: last and best weights, momentum and progress to the bit, metrics up to
 * what is measured in time. */
void assert_same_runs(const char *folder, const char *other);

#endif
