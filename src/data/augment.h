/*
 * Augmentation (§4.1 of the paper, and what has been done since): which part of a picture the
 * network sees, mirrored or not, and how its colours are shifted. All of it is drawn from the
 * stream (seed, AN_RANDOM_AUGMENT, epoch, sample).
 */
#ifndef AN_DATA_AUGMENT_H
#define AN_DATA_AUGMENT_H

#include "data/image.h"

typedef enum an_crop_kind {
    AN_CROP_CENTRE, /* the centre, or the view that the loader is asked for: nothing is random */
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
    int shared;                 /* so many neighbours in the order have crop and mirror in common;
                                   0, 1: none (net #145: 32) */
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

/* The eigenvectors and deviations of ImageNet's colours that the authors published
 * (cuda-convnet2's example data, decoded). */
extern const double an_imagenet_vectors[3][3];
extern const double an_imagenet_deviations[3];

/* The eigenvectors (rows, unit length, largest deviation last) and deviations of a covariance. */
void an_colour_axes(const double covariance[3][3], double vectors[3][3], double deviations[3]);

#endif
