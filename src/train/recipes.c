/*
 * Sources.
 *
 * paper: §3.4, §4.1 and §5 of the paper's text. How long validation has to stand still before the
 * rate drops, it does not say. The noise's axes are those that the authors published later.
 *
 * 2012: net #145 as the authors' own configuration and log have it (layer-params-145-2010.cfg, the
 * run on LSVRC-2012; convdata_jpeg.py; layer.cu). That biases kept twice the rate that weights
 * began with is inferred from the end state of layer-params-145.cfg (epsB = 0.02).
 *
 * caffe: BVLC's models/bvlc_alexnet, solver.prototxt and train_val.prototxt: 450,000 steps of 256
 * pictures, the rate lowered every 100,000, which are 90 and 20 epochs of ImageNet.
 *
 * modern: cosine (Loshchilov and Hutter 2017) with warm-up (Goyal et al. 2017) and label smoothing
 * (Szegedy et al. 2016). No dropout, and no small crops or averaged weights: those are for runs
 * that see each picture many times. docs/results.md has what was measured.
 */
#include "train/recipes.h"

#include <stdio.h>
#include <string.h>

/* What all have in common, and what only counts where something else asks for it. */
#define EVERYWHERE                                                                                 \
    .momentum = 0.9, .weight_decay = 0.0005, .augment = true, .max_broken = 0.1, .log_steps = 10
#define STEPS .factor = 0.1, .every = 30, .patience = 3
#define PARTS .area_low = 0.35, .area_high = 1, .aspect = 4.0 / 3

const an_recipe an_recipes[] = {
    {.title = "a sound start: random crops, mirroring, a rate that drops on a plateau",
     .settings = {.recipe = "default",
                  .epochs = 90,
                  .batch = 128,
                  .schedule = {.kind = AN_SCHEDULE_PLATEAU, .base = 0.01, STEPS},
                  .bias_rate = 1,
                  .bias_decay = 1,
                  .augmentation = {.crop = AN_CROP_RANDOM, PARTS, .mirror = true, .shared = 1},
                  EVERYWHERE}},
    {.title = "the paper's text",
     .settings = {.recipe = "paper",
                  .arch = "alexnet-paper",
                  .init = AN_BEGIN_PAPER,
                  .epochs = 90,
                  .batch = 128,
                  .schedule = {.kind = AN_SCHEDULE_PLATEAU, .base = 0.01, STEPS, .max_drops = 3},
                  .bias_rate = 1,
                  .bias_decay = 1,
                  .augmentation =
                      {.crop = AN_CROP_SQUARE, PARTS, .mirror = true, .shared = 1, .noise = 0.1},
                  .noise_axes = AN_AXES_PUBLISHED,
                  .mean = AN_MEAN_DATA,
                  EVERYWHERE}},
    {.title = "net #145, as the authors trained it in 2012",
     .settings = {.recipe = "2012",
                  .arch = "alexnet-2012",
                  .epochs = 91,
                  .batch = 128,
                  .schedule = {.kind = AN_SCHEDULE_CONSTANT, .base = 0.01, STEPS},
                  .phases = "25:weights=0.1 51:weights=0.01 67:conv1.weight=0.1,noise=0 72:conv1=0 "
                            "79:weights=0.001 91:end",
                  .bias_rate = 2,
                  .bias_decay = 0,
                  .augmentation = {.crop = AN_CROP_SQUARE,
                                   PARTS,
                                   .mirror = true,
                                   .shared = 32,
                                   .noise = 0.1,
                                   .noise_divides = true},
                  .noise_axes = AN_AXES_PUBLISHED,
                  .mean = AN_MEAN_IMAGE,
                  .shuffle = AN_SHUFFLE_ONCE,
                  EVERYWHERE}},
    {.title = "BVLC's reference in Caffe",
     .settings = {.recipe = "caffe",
                  .arch = "caffe-alexnet",
                  .epochs = 90,
                  .batch = 256,
                  .schedule = {.kind = AN_SCHEDULE_STEP,
                               .base = 0.01,
                               .factor = 0.1,
                               .every = 20,
                               .patience = 3},
                  .bias_rate = 2,
                  .bias_decay = 0,
                  .augmentation = {.crop = AN_CROP_SQUARE, PARTS, .mirror = true, .shared = 1},
                  EVERYWHERE}},
    {.title = "the most accuracy in few epochs",
     .settings = {.recipe = "modern",
                  .arch = "alexnet",
                  .epochs = 5,
                  .batch = 64,
                  .schedule = {.kind = AN_SCHEDULE_COSINE, .base = 0.02, STEPS, .warmup = 0.2},
                  .bias_rate = 1,
                  .bias_decay = 0,
                  .dropout = AN_DROPOUT_NONE,
                  .augmentation = {.crop = AN_CROP_RANDOM, PARTS, .mirror = true, .shared = 1},
                  .label_smoothing = 0.1,
                  EVERYWHERE}},
    {0}};

an_train_settings an_train_defaults(void) {
    return an_recipes[0].settings;
}

alexnet_status an_recipe_find(const char *name, an_train_settings *out, alexnet_error *error) {
    char names[256] = "";
    for (const an_recipe *recipe = an_recipes; recipe->title; recipe++) {
        const size_t used = strlen(names);
        *out = recipe->settings;
        if (strcmp(recipe->settings.recipe, name) == 0)
            return ALEXNET_OK;
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "",
                 recipe->settings.recipe);
    }
    return an_fail(error, ALEXNET_INVALID, "there is no recipe '%.40s'; there are %s", name, names);
}
