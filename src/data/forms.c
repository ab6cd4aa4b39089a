#include "data/forms.h"

#include <math.h>

static float length(float x, float y) {
    return sqrtf(x * x + y * y);
}

/* How far x is from the middle of its cell, where cells reach from one whole number to the next. */
static float from_middle(float x) {
    return fabsf(x - floorf(x) - 0.5f);
}

/* Mirrors what lies beyond the line through the origin at the angle (sine, cosine) from upright. */
static void fold(float *x, float *y, float sine, float cosine) {
    const float beyond = *x * cosine - *y * sine;
    if (beyond > 0) {
        *x -= 2 * beyond * cosine;
        *y += 2 * beyond * sine;
    }
}

/* Circle: all points nearer to the centre than the radius. */
static float circle(float x, float y, float detail) {
    (void)detail;
    return length(x, y) - 0.92f;
}

/* Square: the larger of |x| and |y| is under half the side; detail rounds the corners a little. */
static float square(float x, float y, float detail) {
    const float rounding = 0.02f + 0.03f * detail;
    const float right = fabsf(x) - 0.8f + rounding, above = fabsf(y) - 0.8f + rounding;
    const float outside = length(fmaxf(right, 0), fmaxf(above, 0));
    return outside + fminf(fmaxf(right, above), 0) - rounding;
}

/* Triangle: what three straight edges leave, two of them mirrored; equilateral, its tip up. */
static float triangle(float x, float y, float detail) {
    (void)detail;
    const float beside = fabsf(x) * 0.8660254f - y * 0.5f;
    return fmaxf(beside, y) - 0.56f;
}

/*
 * Star: four mirrors fold its ten half points into one, bounded by the line from a point (0, 1) to
 * the notch beside it; detail makes the points slender or stout.
 */
static float star(float x, float y, float detail) {
    static const float sine_36 = 0.58778525f, cosine_36 = 0.80901699f;
    static const float sine_108 = 0.95105652f, cosine_108 = -0.30901699f;
    x = fabsf(x);
    fold(&x, &y, sine_108, cosine_108);
    fold(&x, &y, sine_36, cosine_36);
    x = fabsf(x);
    const float notch = 0.38f + 0.14f * detail;
    const float run = notch * sine_36, fall = 1.08f - notch * cosine_36;
    return (x * fall + (y - 1.08f) * run) / length(run, fall);
}

/* Cross: two bars, mirrored into the half of one arm; detail is their width. */
static float cross(float x, float y, float detail) {
    x = fabsf(x);
    y = fabsf(y);
    return fmaxf(fmaxf(x, y) - 0.95f, fminf(x, y) - 0.2f - 0.1f * detail);
}

/* Ring: all points about as far from the centre as its radius; detail is its width. */
static float ring(float x, float y, float detail) {
    const float half_width = 0.12f + 0.12f * detail;
    return fabsf(length(x, y) - (0.97f - half_width)) - half_width;
}

/* Stripes: a wave between 0 and 1 over x; detail shares the width between the two colours. */
static float stripes(float x, float y, float detail) {
    (void)y;
    return from_middle(x) - (0.19f + 0.12f * detail);
}

/* Checkerboard: inside where the waves over x and y agree. */
static float checkerboard(float x, float y, float detail) {
    (void)detail;
    const float a = from_middle(x) - 0.25f, b = from_middle(y) - 0.25f;
    const float near = fminf(fabsf(a), fabsf(b));
    return (a > 0) == (b > 0) ? -near : near;
}

/* Dots: discs on a honeycomb, which is two rectangular lattices one between the other. */
static float dots(float x, float y, float detail) {
    static const float height = 1.7320508f;
    const float a = length(from_middle(x), height * from_middle(y / height));
    const float b = length(from_middle(x + 0.5f), height * from_middle(y / height + 0.5f));
    return fminf(a, b) - (0.19f + 0.08f * detail);
}

/* Spiral: stripes over the radius that move on by one with every turn (Archimedes). */
static float spiral(float x, float y, float detail) {
    const float radius = length(x, y), turns = atan2f(y, x) * 0.15915494f;
    const float wave = from_middle(radius - turns) - (0.21f + 0.08f * detail);
    /* Near the centre the wave is steeper than the distance is. */
    const float slope = 0.15915494f / fmaxf(radius, 0.05f);
    return wave / sqrtf(1 + slope * slope);
}

const an_form an_forms[AN_FORMS] = {
    {"circle", circle, 76, 106, 1, true},
    {"square", square, 76, 106, 1, true},
    {"triangle", triangle, 82, 110, 0.9f, true},
    {"star", star, 82, 110, 0.9f, true},
    {"cross", cross, 76, 106, 1, true},
    {"ring", ring, 76, 106, 1, true},
    {"stripes", stripes, 40, 76, 0, false},
    {"checkerboard", checkerboard, 64, 112, 0, false},
    {"dots", dots, 44, 76, 0, false},
    {"spiral", spiral, 36, 56, 2, false},
};
