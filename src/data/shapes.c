/*
 * The data set `shapes`: ten classes of figures and textures, drawn by the program.
 *
 * A picture is a pure function of (seed, split, index); its class is index mod 10. Colours, size,
 * place, angle, stretch, background, light and noise are drawn the same way for every class, so
 * that only the form tells the classes apart.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/random.h"
#include "data/dataset.h"
#include "data/forms.h"

enum {
    SIDE = 256, /* pictures are as large as they are resized to */
    KNOTS = 6,  /* knots a side of a paint's clouds */
    DEFAULT_TRAIN = 2000,
    DEFAULT_HELD_OUT = 500,
    MOST = 10000000,
    FIRST_GRAIN_BLOCK = 1024 /* the stream's blocks from here on are the noise */
};

typedef struct shapes {
    an_dataset base;
    uint64_t seed;
    an_purpose purpose;
} shapes;

/* A colour as lightness (0 to 1), chroma and hue (in radians). */
typedef struct colour {
    float lightness, chroma, hue;
} colour;

/* What a surface looks like: two related colours, and where between them each pixel is. */
typedef struct paint {
    float first[3], step[3]; /* sRGB, 0 to 255: tone 0, and what is added until tone 1 */
    enum { PLAIN, GRADIENT, CLOUDS } kind;
    float origin, across, down; /* GRADIENT: the tone is origin + across * x + down * y */
    float knots[KNOTS][KNOTS];  /* CLOUDS: tones between which it is interpolated */
} paint;

/*
 * OKLCh to sRGB, 0 to 255, clipped: in this space equal steps look equal, so that every hue gets
 * the same contrast. Source: Ottosson, "A perceptual color space for image processing", 2020.
 */
static void to_srgb(colour c, float rgb[3]) {
    const float a = c.chroma * cosf(c.hue), b = c.chroma * sinf(c.hue);
    const float l = c.lightness + 0.39633778f * a + 0.21580376f * b;
    const float m = c.lightness - 0.10556135f * a - 0.06385417f * b;
    const float s = c.lightness - 0.08948418f * a - 1.29148555f * b;
    const float l3 = l * l * l, m3 = m * m * m, s3 = s * s * s;
    const float linear[3] = {4.07674166f * l3 - 3.30771159f * m3 + 0.23096993f * s3,
                             -1.26843800f * l3 + 2.60975740f * m3 - 0.34131940f * s3,
                             -0.00419609f * l3 - 0.70341861f * m3 + 1.70761470f * s3};
    for (int i = 0; i < 3; i++) {
        const float v = fminf(fmaxf(linear[i], 0), 1);
        rgb[i] = 255 * (v <= 0.0031308f ? 12.92f * v : 1.055f * powf(v, 1 / 2.4f) - 0.055f);
    }
}

/* A paint around a colour: plain, with a gradient, or with soft clouds, one as likely as another.
 */
static paint random_paint(an_random *random, colour base) {
    paint result = {.kind = an_random_below(random, 3)};
    const colour other = {base.lightness + an_random_range(random, -0.08f, 0.08f),
                          base.chroma * an_random_range(random, 0.7f, 1.3f),
                          base.hue + an_random_range(random, -0.6f, 0.6f)};
    float last[3];
    to_srgb(base, result.first);
    to_srgb(other, last);
    for (int i = 0; i < 3; i++)
        result.step[i] = last[i] - result.first[i];
    const float angle = an_random_range(random, 0, 6.2831853f);
    result.across = cosf(angle) / (1.4f * SIDE);
    result.down = sinf(angle) / (1.4f * SIDE);
    result.origin = 0.5f - 0.5f * SIDE * (result.across + result.down);
    for (int i = 0; i < KNOTS * KNOTS; i++)
        result.knots[i / KNOTS][i % KNOTS] = an_random_uniform(random);
    return result;
}

static float clamp(float t) {
    return fminf(fmaxf(t, 0), 1);
}

/* 0 to 1 without a kink at either end. */
static float ease(float t) {
    return t * t * (3 - 2 * t);
}

/* The tones of row `y` of a paint. */
static void paint_row(const paint *p, int y, float tones[SIDE]) {
    static const float cells = (float)(KNOTS - 1) / SIDE;
    const int above = (int)((float)y * cells);
    const float down = ease((float)y * cells - (float)above);
    float knots[KNOTS];
    for (int i = 0; i < KNOTS; i++)
        knots[i] = p->knots[above][i] + down * (p->knots[above + 1][i] - p->knots[above][i]);
    for (int x = 0; x < SIDE; x++) {
        if (p->kind == PLAIN) {
            tones[x] = 0;
        } else if (p->kind == GRADIENT) {
            tones[x] = p->origin + p->across * (float)x + p->down * (float)y;
        } else {
            const int left = (int)((float)x * cells);
            const float right = ease((float)x * cells - (float)left);
            tones[x] = knots[left] + right * (knots[left + 1] - knots[left]);
        }
    }
}

/* Where a form lies: unit coordinates are map * (pixel - centre). */
typedef struct placement {
    const an_form *form;
    float detail;
    float centre[2], map[2][2];
    float size; /* of a unit, in pixels */
} placement;

static placement random_placement(an_random *random, const an_form *form) {
    placement result = {.form = form, .detail = an_random_uniform(random)};
    result.size = an_random_range(random, form->smallest, form->largest);
    /* A random crop takes up to 29 pixels off the border, which must leave figures whole. */
    const float border = fminf(20 + form->extent * result.size, 0.5f * SIDE);
    for (int i = 0; i < 2; i++)
        result.centre[i] = an_random_range(random, border, SIDE - border);
    const float angle = an_random_range(random, 0, 6.2831853f);
    const float stretch = an_random_range(random, 0.88f, 1.13f);
    const float mirror = an_random_below(random, 2) ? -1 : 1;
    const float across = mirror / (result.size * stretch), down = stretch / result.size;
    result.map[0][0] = across * cosf(angle);
    result.map[0][1] = across * sinf(angle);
    result.map[1][0] = -down * sinf(angle);
    result.map[1][1] = down * cosf(angle);
    return result;
}

/* The distance in pixels from row `y`, moved by (-dx, -dy), to the form's edge. */
static void distance_row(const placement *p, int y, float dx, float dy, float distances[SIDE]) {
    const float v = (float)y + 0.5f - dy - p->centre[1];
    for (int x = 0; x < SIDE; x++) {
        const float u = (float)x + 0.5f - dx - p->centre[0];
        distances[x] = p->size * p->form->distance(p->map[0][0] * u + p->map[0][1] * v,
                                                   p->map[1][0] * u + p->map[1][1] * v, p->detail);
    }
}

/* How much light reaches row `y` beside a figure that lies `height` pixels above the ground. */
static void shadow_row(const placement *p, int y, float height, float shade, float light[SIDE]) {
    float distances[SIDE] = {0};
    if (shade > 0)
        distance_row(p, y, 0.6f * height, height, distances);
    for (int x = 0; x < SIDE; x++)
        light[x] = 1 - shade * ease(clamp(0.5f - distances[x] / (3 * height)));
}

/*
 * Two colours, equally far from a middle gray in lightness, either of them the lighter, and mostly
 * of different hues: what a picture shows is in the contrast, whatever the colours.
 */
static void random_colours(an_random *random, colour *one, colour *other) {
    const float apart = an_random_range(random, 0.3f, 0.5f);
    const float middle = an_random_range(random, 0.6f, 0.68f);
    const float hue = an_random_range(random, 0, 6.2831853f);
    const colour dark = {middle - apart / 2, an_random_range(random, 0.03f, 0.14f), hue};
    const colour light = {middle + apart / 2, an_random_range(random, 0.03f, 0.14f),
                          hue + an_random_range(random, 0.9f, 5.4f)};
    const bool swap = an_random_below(random, 2) == 1;
    *one = swap ? light : dark;
    *other = swap ? dark : light;
}

static uint8_t to_byte(float value) {
    return (uint8_t)fminf(fmaxf(value + 0.5f, 0), 255);
}

static void draw(an_random random, const an_form *form, uint8_t *pixels) {
    const an_random stream = random;
    const placement place = random_placement(&random, form);
    colour colours[2];
    random_colours(&random, &colours[0], &colours[1]);
    const paint ground = random_paint(&random, colours[0]);
    const paint body = random_paint(&random, colours[1]);
    const float grain = an_random_range(&random, 0, 0.07f); /* times a deviation of 104 */
    const float height = an_random_range(&random, 4, 12);   /* above the ground */
    const float shade = form->is_figure ? fmaxf(an_random_range(&random, -0.3f, 0.45f), 0) : 0;

    for (int y = 0; y < SIDE; y++) {
        float coverage[SIDE], light[SIDE], ground_tones[SIDE], body_tones[SIDE], noise[SIDE];
        paint_row(&ground, y, ground_tones);
        paint_row(&body, y, body_tones);
        shadow_row(&place, y, height, shade, light);
        distance_row(&place, y, 0, 0, coverage);
        for (int x = 0; x < SIDE; x++)
            coverage[x] = clamp(0.5f - coverage[x]);
        for (int x = 0; x < SIDE; x += 8) {
            uint32_t words[4];
            an_random_block(&stream, (uint32_t)(FIRST_GRAIN_BLOCK + (y * SIDE + x) / 8), words);
            for (int i = 0; i < 8; i++) { /* the sum of two bytes has a deviation of 104 */
                const uint32_t pair = words[i / 2] >> (16 * (i % 2));
                noise[x + i] = grain * (float)((int)(pair & 255) + (int)(pair >> 8 & 255) - 255);
            }
        }
        for (int x = 0; x < SIDE; x++) {
            for (int i = 0; i < 3; i++) {
                const float under = (ground.first[i] + ground.step[i] * ground_tones[x]) * light[x];
                const float over = body.first[i] + body.step[i] * body_tones[x];
                pixels[(y * SIDE + x) * 3 + i] =
                    to_byte(under + coverage[x] * (over - under) + noise[x]);
            }
        }
    }
}

static alexnet_status shapes_fetch(const an_dataset *dataset, size_t index, an_sample *out,
                                   alexnet_error *error) {
    const shapes *self = (const shapes *)dataset;
    AN_TRY(an_sample_reserve_rgb(out, SIDE, SIDE, error));
    draw(an_random_stream(self->seed, self->purpose, 0, index), &an_forms[index % AN_FORMS],
         out->buffer);
    return ALEXNET_OK;
}

static void shapes_describe(const an_dataset *dataset, size_t index, char *text, size_t size) {
    (void)dataset;
    snprintf(text, size, "shapes/%s/%zu", an_forms[index % AN_FORMS].name, index);
}

static void shapes_destroy(an_dataset *dataset) {
    free(dataset);
}

static const an_dataset_kind shapes_kind = {"shapes", shapes_destroy, shapes_fetch, shapes_describe,
                                            NULL};

alexnet_status an_shapes_open(size_t count, an_split split, uint64_t seed, an_dataset **out,
                              alexnet_error *error) {
    *out = NULL;
    if (count == 0)
        count = split == AN_SPLIT_TRAIN ? DEFAULT_TRAIN : DEFAULT_HELD_OUT;
    if (count > MOST)
        return an_fail(error, ALEXNET_INVALID,
                       "shapes:%zu: at most %d pictures can be drawn; ask for fewer", count, MOST);
    shapes *self = calloc(1, sizeof *self);
    if (!self)
        return an_fail(error, ALEXNET_NO_MEMORY, "shapes: memory ran out");
    self->seed = seed;
    self->purpose = split == AN_SPLIT_TRAIN ? AN_RANDOM_SHAPES_TRAIN : AN_RANDOM_SHAPES_HELD;

    alexnet_status status;
    char name[32];
    snprintf(name, sizeof name, "shapes:%zu", count);
    AN_TRY_CLEANUP(an_dataset_begin(&self->base, &shapes_kind, name, count, AN_FORMS, error));
    for (size_t i = 0; i < count; i++)
        self->base.labels[i] = (int32_t)(i % AN_FORMS);
    for (int i = 0; i < AN_FORMS; i++) {
        self->base.class_names[i] = an_string_copy(an_forms[i].name);
        if (!self->base.class_names[i]) {
            status = an_fail(error, ALEXNET_NO_MEMORY, "shapes: memory ran out");
            goto cleanup;
        }
    }
    *out = &self->base;
    return ALEXNET_OK;

cleanup:
    an_dataset_close(&self->base);
    return status;
}

static bool shapes_recognise(const char *name) {
    return strcmp(name, "shapes") == 0 || strncmp(name, "shapes:", 7) == 0;
}

static bool shapes_has_held_out(const char *name) {
    (void)name;
    return true;
}

/* `shapes`, or `shapes:N`: N pictures to learn from, and a quarter as many held out. */
static alexnet_status shapes_open(const char *name, an_split split, uint64_t seed, an_dataset **out,
                                  alexnet_error *error) {
    *out = NULL;
    size_t count = 0; /* the default */
    if (name[6] == ':') {
        const char *digits = name + 7;
        char *end;
        errno = 0;
        count = strtoul(digits, &end, 10);
        if (*digits < '0' || *digits > '9' || *end || errno || count == 0)
            return an_fail(error, ALEXNET_INVALID,
                           "%s: behind the colon stands how many pictures to draw, as in "
                           "shapes:2000",
                           name);
        if (split == AN_SPLIT_HELD_OUT)
            count = (count + 3) / 4;
    }
    return an_shapes_open(count, split, seed, out, error);
}

const an_dataset_source an_shapes_source = {shapes_recognise, shapes_has_held_out, shapes_open};
