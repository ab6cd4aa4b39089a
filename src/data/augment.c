#include "data/augment.h"

const an_augmentation an_no_augmentation = {.crop = AN_CROP_CENTRE, .shared = 1};
const an_augmentation an_plain_augmentation = {.crop = AN_CROP_RANDOM, .mirror = true, .shared = 1};
