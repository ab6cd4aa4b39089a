#include "data/augment.h"

#include <math.h>
#include <string.h>

#include "core/random.h"

const an_augmentation an_no_augmentation = {.crop = AN_CROP_CENTRE, .shared = 1};
const an_augmentation an_plain_augmentation = {.crop = AN_CROP_RANDOM, .mirror = true, .shared = 1};

const double an_imagenet_vectors[3][3] = {
    {0.41796, -0.81698, 0.39731}, {-0.71258, -0.02354, 0.70120}, {-0.56351, -0.57618, -0.59200}};
const double an_imagenet_deviations[3] = {19.7208, 37.0939, 121.7801};

void an_augmentation_set_noise(an_augmentation *augmentation, double noise) {
    augmentation->noise = noise;
    memcpy(augmentation->vectors, an_imagenet_vectors, sizeof augmentation->vectors);
    memcpy(augmentation->deviations, an_imagenet_deviations, sizeof augmentation->deviations);
}

bool an_augmentation_is_random(const an_augmentation *augmentation) {
    return augmentation->crop != AN_CROP_CENTRE || augmentation->mirror || augmentation->noise > 0;
}

alexnet_status an_augmentation_check(const an_augmentation *augmentation, alexnet_error *error) {
    const double low = augmentation->area_low, high = augmentation->area_high;
    if (augmentation->crop == AN_CROP_RESIZED && !(low > 0 && low <= high && high <= 1))
        return an_fail(error, ALEXNET_INVALID,
                       "parts of %g to %g of a picture's area cannot be cut out; choose shares "
                       "above 0 and up to 1, the smaller first",
                       low, high);
    if (augmentation->crop == AN_CROP_RESIZED &&
        !(augmentation->aspect >= 1 && augmentation->aspect <= 100))
        return an_fail(error, ALEXNET_INVALID,
                       "an aspect of %g: parts %g times as wide as high, and the other way round; "
                       "choose 1 to 100",
                       augmentation->aspect, augmentation->aspect);
    if (!(augmentation->noise >= 0 && augmentation->noise <= 100))
        return an_fail(error, ALEXNET_INVALID, "colour noise of %g; choose 0 to 100",
                       augmentation->noise);
    if (augmentation->shared < 0)
        return an_fail(error, ALEXNET_INVALID, "crops shared by %d pictures; choose 1 or more",
                       augmentation->shared);
    return ALEXNET_OK;
}

/* The numbers for crop and mirror; those of a group have items that no sample has. */
static an_random place_stream(const an_augmentation *augmentation, const an_occasion *occasion) {
    const uint64_t first_group = (uint64_t)1 << 55;
    const bool shared = augmentation->shared > 1;
    const uint64_t item = shared ? first_group + occasion->position / (uint64_t)augmentation->shared
                                 : occasion->sample;
    return an_random_stream(occasion->seed, AN_RANDOM_AUGMENT, occasion->epoch, item);
}

/* A crop of the picture resized to preprocess->resize, in the picture's own pixels. */
static an_box box_of_crop(an_crop crop, int side, int width, int height, int resized_width,
                          int resized_height) {
    const double across = (double)width / resized_width, down = (double)height / resized_height;
    return (an_box){crop.x * across, crop.y * down, side * across, side * down};
}

/* Any place among the resized picture's (RANDOM), among its centre square's (SQUARE), or the
 * centre. */
static an_box draw_place(const an_augmentation *augmentation, const an_preprocess *preprocess,
                         an_random *random, int width, int height) {
    const int side = preprocess->crop;
    int resized_width, resized_height;
    an_short_side_size(width, height, preprocess->resize, &resized_width, &resized_height);
    an_crop crop = an_crop_centre(resized_width, resized_height, side);
    if (augmentation->crop == AN_CROP_RANDOM) {
        crop.x = (int)an_random_below(random, (uint32_t)(resized_width - side + 1));
        crop.y = (int)an_random_below(random, (uint32_t)(resized_height - side + 1));
    } else if (augmentation->crop == AN_CROP_SQUARE) {
        const uint32_t places = (uint32_t)(preprocess->resize - side + 1);
        crop = an_crop_centre(resized_width, resized_height, preprocess->resize);
        crop.x += (int)an_random_below(random, places);
        crop.y += (int)an_random_below(random, places);
    }
    return box_of_crop(crop, side, width, height, resized_width, resized_height);
}

/*
 * torchvision's RandomResizedCrop: ten tries to find a part of drawn area and aspect that fits;
 * then the largest centre part whose aspect is allowed.
 */
static an_box draw_resized(const an_augmentation *augmentation, an_random *random, int width,
                           int height) {
    enum { TRIES = 10 };
    const double area = (double)width * height, aspect = augmentation->aspect;
    for (int i = 0; i < TRIES; i++) {
        const double share =
            augmentation->area_low +
            an_random_uniform(random) * (augmentation->area_high - augmentation->area_low);
        const double ratio = exp(log(aspect) * (2.0 * an_random_uniform(random) - 1));
        const double wide = rint(sqrt(area * share * ratio));
        const double high = rint(sqrt(area * share / ratio));
        if (wide < 1 || wide > width || high < 1 || high > height)
            continue;
        const uint32_t y = an_random_below(random, (uint32_t)(height - (int)high + 1));
        const uint32_t x = an_random_below(random, (uint32_t)(width - (int)wide + 1));
        return (an_box){x, y, wide, high};
    }
    double wide = width, high = height;
    if (wide < high / aspect)
        high = rint(wide * aspect);
    else if (wide > high * aspect)
        wide = rint(high * aspect);
    return (an_box){floor((width - wide) / 2), floor((height - high) / 2), wide, high};
}

static an_tint draw_tint(const an_augmentation *augmentation, an_random *random) {
    an_tint tint = {.divisor = 1};
    if (augmentation->noise <= 0)
        return tint;
    if (augmentation->noise_divides)
        tint.divisor = 1 + augmentation->noise;
    for (int i = 0; i < 3; i++) {
        const double along =
            augmentation->noise * an_random_normal(random) * augmentation->deviations[i];
        for (int c = 0; c < 3; c++)
            tint.shift[c] += along * augmentation->vectors[i][c];
    }
    return tint;
}

an_view an_view_draw(const an_augmentation *augmentation, const an_preprocess *preprocess,
                     const an_occasion *occasion, int width, int height) {
    const bool resized = augmentation->crop == AN_CROP_RESIZED;
    an_random places = place_stream(augmentation, occasion);
    an_view view = {.need = {.side = preprocess->crop, .cut = resized}};
    view.need.box = resized ? draw_resized(augmentation, &places, width, height)
                            : draw_place(augmentation, preprocess, &places, width, height);
    view.mirror = augmentation->mirror && an_random_below(&places, 2) == 1;
    /* The colours are each picture's own, whoever shares its place. */
    an_random own =
        an_random_stream(occasion->seed, AN_RANDOM_COLOUR, occasion->epoch, occasion->sample);
    view.tint = draw_tint(augmentation, &own);
    return view;
}

an_crop an_view_crop(int width, int height, const an_preprocess *preprocess, int view) {
    an_crop crop = an_crop_centre(width, height, preprocess->crop);
    const int corner = view % 5, margin = preprocess->resize - preprocess->crop;
    if (corner > 0) {
        const an_crop square = an_crop_centre(width, height, preprocess->resize);
        crop.x = square.x + (corner % 2 == 0 ? margin : 0);
        crop.y = square.y + (corner > 2 ? margin : 0);
    }
    crop.mirror = view >= 5;
    return crop;
}

/* One of Jacobi's rotations: in the plane of axes p and q, by the angle that makes a[p][q] zero.
 * (Golub, Van Loan, "Matrix Computations", 4th ed., §8.5.2.) */
static void rotate(double a[3][3], double vectors[3][3], int p, int q) {
    if (a[p][q] == 0)
        return;
    const double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
    const double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + hypot(theta, 1));
    const double c = 1 / hypot(t, 1), s = t * c;
    for (int k = 0; k < 3; k++) { /* columns */
        const double kp = a[k][p], kq = a[k][q];
        a[k][p] = c * kp - s * kq;
        a[k][q] = s * kp + c * kq;
    }
    for (int k = 0; k < 3; k++) { /* rows, and the vectors, which are rows */
        const double pk = a[p][k], qk = a[q][k], vp = vectors[p][k], vq = vectors[q][k];
        a[p][k] = c * pk - s * qk;
        a[q][k] = s * pk + c * qk;
        vectors[p][k] = c * vp - s * vq;
        vectors[q][k] = s * vp + c * vq;
    }
}

void an_colour_axes(const double covariance[3][3], double vectors[3][3], double deviations[3]) {
    enum { SWEEPS = 20 }; /* five or six suffice: the convergence is quadratic */
    double a[3][3], unordered[3][3];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            a[i][j] = (covariance[i][j] + covariance[j][i]) / 2;
            unordered[i][j] = i == j;
        }
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        rotate(a, unordered, 0, 1);
        rotate(a, unordered, 0, 2);
        rotate(a, unordered, 1, 2);
    }
    for (int i = 0; i < 3; i++) {
        int rank = 0; /* how many are smaller */
        for (int j = 0; j < 3; j++)
            rank += a[j][j] < a[i][i] || (j < i && a[j][j] == a[i][i]);
        deviations[rank] = sqrt(fmax(0, a[i][i])); /* rounding may have left it below zero */
        for (int c = 0; c < 3; c++)
            vectors[rank][c] = unordered[i][c];
    }
}
