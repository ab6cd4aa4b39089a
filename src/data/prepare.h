/* One picture's way from the data set to the network: decode, resize, normalise. */
#ifndef AN_DATA_PREPARE_H
#define AN_DATA_PREPARE_H

#include "data/augment.h"

/* What one thread reuses from picture to picture. All-zero is valid and empty. */
typedef struct an_workspace {
    an_sample stored;
    an_decoded decoded;
    an_image resized;
    an_resizer resizer;
} an_workspace;

/* Where a picture is made: its inputs (views, 3, crop, crop), or the bytes that stand for one
 * (an_normalise_picture); the other is NULL. */
typedef struct an_target {
    float *input;
    an_picture *picture;
} an_target;

/* Frees the memory; the workspace may be used again. */
void an_workspace_free(an_workspace *workspace);

/*
 * Makes the first `views` of the ten views of the stored picture; only one as bytes. The first is
 * what an_image_preprocess makes, and each of them what an_image_preprocess_crop makes of its crop,
 * to the bit. `name` stands in messages. Errors as an_image_decode's.
 */
alexnet_status an_prepare_views(an_workspace *workspace, const char *name,
                                const an_preprocess *preprocess, int views, an_target out,
                                alexnet_error *error);

/* Makes the view of the stored picture that an_view_draw draws, decoding no more than it needs
 * (an_sample_decode_part). */
alexnet_status an_prepare_drawn(an_workspace *workspace, const char *name,
                                const an_preprocess *preprocess,
                                const an_augmentation *augmentation, const an_occasion *occasion,
                                an_target out, alexnet_error *error);

#endif
