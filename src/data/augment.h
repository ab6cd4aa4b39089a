/*
 * Augmentation (§4.1 of the paper, and what has been done since): which part of a picture the
 * network sees, mirrored or not, and how its colours are shifted. All of it is drawn from the
 * streams (seed, AN_RANDOM_AUGMENT, epoch, sample) and (seed, AN_RANDOM_COLOUR, epoch, sample).
 */
#ifndef AN_DATA_AUGMENT_H
#define AN_DATA_AUGMENT_H

#include "data/decode.h"
#include "data/normalise.h"

typedef enum an_crop_kind {
    AN_CROP_CENTRE, /* the centre, or the views that the loader is asked for: no place is random */
    AN_CROP_RANDOM, /* any place in the picture, its short side resized to preprocess->resize */
    AN_CROP_SQUARE, /* any place in the centre square of the resized picture, as the paper's
                       pictures were cut to 256 x 256 beforehand */
    AN_CROP_RESIZED /* a part of random area and aspect, resized (Szegedy et al. 2015, §6) */
} an_crop_kind;

typedef struct an_augmentation {
    an_crop_kind crop;
    double area_low, area_high; /* AN_CROP_RESIZED: share of the picture's area */
    double aspect;              /* ... its width over height is in [1 / aspect, aspect], its
                                   logarithm uniform */
    bool mirror;                /* half of the pictures */
    int shared;                 /* so many neighbours in the order draw the same numbers for crop
                                   and mirror; 0, 1: none (net #145: 32) */
    /*
     * PCA colour noise: to each pixel is added sum over i of a_i s_i p_i, with p_i the eigenvectors
     * of the colours' covariance, s_i their standard deviations along them (the eigenvalues' roots;
     * 0 to 255), and a_i drawn from N(0, noise^2) once a picture.
     */
    double noise;
    double vectors[3][3], deviations[3]; /* vectors[i]: p_i, RGB */
    bool noise_divides;                  /* net #145: the sum is divided by 1 + noise */
} an_augmentation;

/* Nothing is random; and random places and mirroring, nothing else. */
extern const an_augmentation an_no_augmentation, an_plain_augmentation;

/* Whether anything is random. */
bool an_augmentation_is_random(const an_augmentation *augmentation);

/* INVALID where a setting is out of its range. */
alexnet_status an_augmentation_check(const an_augmentation *augmentation, alexnet_error *error);

/* Which picture of which epoch: what everything is drawn by. */
typedef struct an_occasion {
    uint64_t seed;
    uint32_t epoch;
    uint64_t sample;   /* the picture's index in the data set */
    uint64_t position; /* in the epoch's order: says with whom crop and mirror are shared */
} an_occasion;

/* How a picture becomes an input. */
typedef struct an_view {
    an_need need; /* of the picture, in its pixels */
    bool mirror;
    an_tint tint;
} an_view;

/* Draws the view of a picture of that size, a pure function of its arguments. */
an_view an_view_draw(const an_augmentation *augmentation, const an_preprocess *preprocess,
                     const an_occasion *occasion, int width, int height);

/*
 * The paper's ten views (§4.1) of a picture that has been resized to width x height: 0 the centre,
 * 1 to 4 the corners of the centre square whose side is the short one, 5 to 9 these mirrored.
 */
enum { AN_VIEWS = 10 };
an_crop an_view_crop(int width, int height, const an_preprocess *preprocess, int view);

/* The eigenvectors and deviations of ImageNet's colours that the authors published
 * (cuda-convnet2's example data, decoded). */
extern const double an_imagenet_vectors[3][3];
extern const double an_imagenet_deviations[3];

/* Sets colour noise of that strength along them. */
void an_augmentation_set_noise(an_augmentation *augmentation, double noise);

/* The eigenvectors (rows, unit length, largest deviation last) and deviations of a covariance. */
void an_colour_axes(const double covariance[3][3], double vectors[3][3], double deviations[3]);

#endif
