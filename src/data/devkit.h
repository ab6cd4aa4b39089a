/*
 * ILSVRC's development kit: which classes there are, what they are called, and which of them the
 * validation pictures show. In its folder data/ lie meta.mat (data/synsets.h) and
 * ILSVRC2012_validation_ground_truth.txt, a line with an ID for each picture.
 */
#ifndef AN_DATA_DEVKIT_H
#define AN_DATA_DEVKIT_H

#include <stddef.h>
#include <stdint.h>

#include "data/dataset.h"

typedef struct an_devkit {
    int classes;
    char **wnids, **words; /* (classes) in the order of the WNIDs */
    int32_t *truth;        /* (truth_count) the class of validation picture 1, 2, ... */
    size_t truth_count;
} an_devkit;

/*
 * Reads the kit of `year`, a folder or the .tar.gz that it is distributed as. *out is released with
 * an_devkit_free, and all zero after a failure. UNSUPPORTED where this build, or this machine, has
 * no libmatio.
 */
alexnet_status an_devkit_read(const char *path, int year, an_devkit *out, alexnet_error *error);

/* Allowed on one that is all zero. */
void an_devkit_free(an_devkit *kit);

/* The first by name of the kits in a folder, packed or not, freed with free(); NULL: there is none.
 */
char *an_devkit_in(const char *folder, int year);

/* The number in "ILSVRC2012_val_00000001.JPEG", from 1; 0: there is none. */
size_t an_devkit_picture(const char *name, int year);

/* Moves the kit's names, where it has any, into a data set of its classes. */
void an_devkit_name(an_devkit *kit, an_dataset *dataset);

/* The class of a WNID; -1: the kit does not know it. */
int an_devkit_find(const an_devkit *kit, const char *wnid);

#endif
