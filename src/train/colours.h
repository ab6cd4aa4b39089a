/* What a run has to know of its data set's colours: the means that are subtracted, the axes of
 * colour noise. */
#ifndef AN_TRAIN_COLOURS_H
#define AN_TRAIN_COLOURS_H

#include "data/dataset.h"
#include "train/settings.h"

/*
 * Makes the preprocessing and the augmentation that the settings ask for. Where they need what the
 * data set's colours are like and it does not say, that is measured on pictures spread over it.
 * *mean_image, freed with an_free: what the preprocessing then points at, or NULL.
 */
alexnet_status an_colours_apply(const an_train_settings *settings, const an_dataset *data,
                                an_preprocess *preprocess, an_augmentation *augmentation,
                                float **mean_image, alexnet_error *error);

#endif
