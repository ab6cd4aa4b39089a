/*
 * LPIPS: how different two pictures look, measured on what a network makes of them.
 *
 * Source: Zhang, Isola, Efros, Shechtman, Wang, "The Unreasonable Effectiveness of Deep Features as
 * a Perceptual Metric", CVPR 2018, eq. 1, with torchvision's AlexNet and the linear weights w that
 * its authors published as version 0.1 (alex.pth):
 *
 *     d(a, b) = sum over l of the mean over the pixels p of  sum over c of w_lc (a_lcp - b_lcp)^2
 *
 * where l runs over the outputs of relu1 to relu5 and a_l is the output for picture a, at every
 * pixel divided by its length over the maps plus 1e-10. The network's input is (x - shift) / scale
 * for pixels x from -1 to 1, shift (-0.030, -0.088, -0.188) and scale (0.458, 0.448, 0.450). 0:
 * alike to the network; there is no upper bound, but few pictures are further than 1 apart.
 *
 * Pictures are compared at their own size, so that both must have the same; memory grows with it,
 * about 200 bytes a pixel.
 */
#ifndef AN_EVAL_LPIPS_H
#define AN_EVAL_LPIPS_H

#include "backend/backend.h"

/* Strings are not owned. */
typedef struct an_lpips_options {
    const char *weights; /* of `torchvision` */
    const char *linear;  /* lin0.model.1.weight (1, 64, 1, 1) to lin4.model.1.weight */
    int size; /* not 0: of each picture, resized so that its short side is this, the centre square
               */
    const char *device;   /* NULL: "auto" */
    an_plan_options plan; /* precision and threads; the rest is chosen here */
} an_lpips_options;

typedef struct an_lpips an_lpips;

/* *out: freed with an_lpips_free; NULL after a failure. MISMATCH where one of the files belongs to
 * another network. */
alexnet_status an_lpips_open(const an_lpips_options *options, an_lpips **out, alexnet_error *error);

/* NULL is allowed. */
void an_lpips_free(an_lpips *lpips);

/*
 * The distance of two pictures ("-": standard input). INVALID where their sizes differ or are less
 * than 31 pixels. Pairs of one size after the other are the fastest: another size takes new memory.
 */
alexnet_status an_lpips_files(an_lpips *lpips, const char *a, const char *b, double *out,
                              alexnet_error *error);

#endif
