/*
 * The ten forms of `shapes`, each one function: the signed distance from a point to the form's
 * edge, negative inside. A form knows neither colour nor place; shapes.c draws it at any size and
 * angle, with edges as smooth as the distance is exact.
 */
#ifndef AN_DATA_FORMS_H
#define AN_DATA_FORMS_H

#include <stdbool.h>

enum { AN_FORMS = 10 };

typedef struct an_form {
    const char *name;
    /*
     * The distance at (x, y) in the form's own unit: a figure fits about the unit circle, a texture
     * repeats every unit. `detail`, 0 to 1, varies what may vary: a ring's width, a star's points.
     */
    float (*distance)(float x, float y, float detail);
    float smallest, largest; /* the unit in pixels of a 256 pixel picture */
    float extent;            /* how much round its centre must be seen, in units */
    bool is_figure;          /* a body that may cast a shadow; otherwise a texture without an end */
} an_form;

/* The forms in the order of their classes. */
extern const an_form an_forms[AN_FORMS];

#endif
