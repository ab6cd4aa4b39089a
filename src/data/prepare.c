#include "data/prepare.h"

#include <math.h>

void an_workspace_free(an_workspace *workspace) {
    an_sample_free(&workspace->stored);
    an_decoded_free(&workspace->decoded);
    an_image_free(&workspace->resized);
    an_resizer_free(&workspace->resizer);
}

static int least(int a, int b) {
    return a < b ? a : b;
}

/* The smallest rectangle that holds the first crops of a picture resized to width x height. */
static an_part around(int width, int height, const an_preprocess *preprocess, int views) {
    int left = width, top = height, right = 0, bottom = 0;
    for (int view = 0; view < views; view++) {
        const an_crop crop = an_view_crop(width, height, preprocess, view);
        left = least(left, crop.x);
        top = least(top, crop.y);
        right = -least(-right, -(crop.x + preprocess->crop));
        bottom = -least(-bottom, -(crop.y + preprocess->crop));
    }
    return (an_part){left, top, right - left, bottom - top};
}

/* The last step: the pixels of a view into its place. */
static void finish(const an_raster *pixels, bool mirror, const an_preprocess *preprocess,
                   const an_tint *tint, an_target out, int view) {
    const size_t side = (size_t)preprocess->crop;
    if (out.picture)
        an_normalise_picture(pixels, mirror, preprocess, tint, out.picture);
    else
        an_normalise_pixels(pixels, mirror, preprocess, tint,
                            out.input + (size_t)view * 3 * side * side);
}

alexnet_status an_prepare_views(an_workspace *workspace, const char *name,
                                const an_preprocess *preprocess, int views, an_target out,
                                alexnet_error *error) {
    an_decoded *decoded = &workspace->decoded;
    const int side = preprocess->crop;
    int width, height;
    AN_TRY(an_sample_decode_part(&workspace->stored, name, NULL, decoded, error));
    an_short_side_size(decoded->width, decoded->height, preprocess->resize, &width, &height);
    const an_part part = around(width, height, preprocess, views);
    an_raster seen;
    if (width == decoded->width && height == decoded->height) {
        seen = an_raster_part(&decoded->raster, part);
    } else {
        const alexnet_status status = an_resize_part(&workspace->resizer, &decoded->raster, width,
                                                     height, part, &workspace->resized, error);
        if (status != ALEXNET_OK)
            return an_fail_in(error, status, "%s", name);
        seen = an_raster_of(&workspace->resized);
    }
    for (int view = 0; view < views; view++) {
        const an_crop crop = an_view_crop(width, height, preprocess, view);
        const an_raster cut =
            an_raster_part(&seen, (an_part){crop.x - part.x, crop.y - part.y, side, side});
        finish(&cut, crop.mirror, preprocess, NULL, out, view);
    }
    return ALEXNET_OK;
}

/* What an_view_draw is asked, and its answer. */
typedef struct question {
    const an_augmentation *augmentation;
    const an_preprocess *preprocess;
    const an_occasion *occasion;
    an_view view;
} question;

static an_need ask(void *context, int width, int height) {
    question *q = context;
    q->view = an_view_draw(q->augmentation, q->preprocess, q->occasion, width, height);
    return q->view.need;
}

/* Whether a box holds whole pixels, as many as are needed. */
static bool is_as_needed(const an_box *box, int side) {
    return box->width == side && box->height == side && box->x == floor(box->x) &&
           box->y == floor(box->y);
}

/* Brings the needed box of what was decoded to its size; `out` points where the pixels are. */
static alexnet_status fit(an_workspace *workspace, const an_need *need, an_raster *out,
                          alexnet_error *error) {
    an_box box = an_need_within(need, &workspace->decoded);
    const int side = need->side;
    *out = workspace->decoded.raster;
    if (is_as_needed(&box, side)) {
        *out = an_raster_part(out, (an_part){(int)box.x, (int)box.y, side, side});
        return ALEXNET_OK;
    }
    if (need->cut) {
        const int left = (int)box.x, top = (int)box.y;
        const int right = least(out->width, (int)ceil(box.x + box.width));
        const int bottom = least(out->height, (int)ceil(box.y + box.height));
        *out = an_raster_part(out, (an_part){left, top, right - left, bottom - top});
        box.x -= left;
        box.y -= top;
    }
    AN_TRY(an_resize_box(&workspace->resizer, out, box, side, side, &workspace->resized, error));
    *out = an_raster_of(&workspace->resized);
    return ALEXNET_OK;
}

alexnet_status an_prepare_drawn(an_workspace *workspace, const char *name,
                                const an_preprocess *preprocess,
                                const an_augmentation *augmentation, const an_occasion *occasion,
                                an_target out, alexnet_error *error) {
    question asked = {.augmentation = augmentation, .preprocess = preprocess, .occasion = occasion};
    const an_chooser chooser = {ask, &asked};
    an_raster pixels;
    AN_TRY(an_sample_decode_part(&workspace->stored, name, &chooser, &workspace->decoded, error));
    /* Decoders that know no parts have not asked. */
    (void)ask(&asked, workspace->decoded.width, workspace->decoded.height);
    const alexnet_status status = fit(workspace, &asked.view.need, &pixels, error);
    if (status != ALEXNET_OK)
        return an_fail_in(error, status, "%s", name);
    finish(&pixels, asked.view.mirror, preprocess, &asked.view.tint, out, 0);
    return ALEXNET_OK;
}
