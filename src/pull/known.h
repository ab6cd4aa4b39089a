/* The pretrained weights that are known by name, and what is known of each. */
#ifndef AN_PULL_KNOWN_H
#define AN_PULL_KNOWN_H

#include "pull/download.h"

typedef struct an_known {
    const char *name;  /* what one types: "torchvision" */
    const char *title; /* one line for people */
    const char *file;  /* its name in the cache */
    an_source source;
    const char *licence; /* as its publishers state it; NULL: none is stated */
    const char *arch;    /* the network that these are weights of; NULL: they are something else */
    double top1, top5;   /* published accuracy on ImageNet's validation set, the centre of each
                            picture, as a fraction; 0: none */
} an_known;

/* Stands for what is known of ImageNet's class names. */
#define AN_KNOWN_CLASS_NAMES "imagenet-classes"

/* The table, in the order it is listed; ends with a row without a name. */
extern const an_known an_knowns[];

/* The row called `name`; NULL where there is none. */
const an_known *an_known_find(const char *name);

#endif
