/*
 * Recipes (`--recipe`): settings that belong together, a row of a table each. What a row does not
 * decide (data, weights, device, threads, seed, how often is logged) is as an_train_defaults has
 * it.
 */
#ifndef AN_TRAIN_RECIPES_H
#define AN_TRAIN_RECIPES_H

#include "train/settings.h"

typedef struct an_recipe {
    const char *title; /* one line for people */
    an_train_settings settings;
} an_recipe;

/* The recipes in the order they are listed, which ends with one that has no title. */
extern const an_recipe an_recipes[];

/* The settings of the recipe called `name`; INVALID with the list where there is none. */
alexnet_status an_recipe_find(const char *name, an_train_settings *out, alexnet_error *error);

#endif
