/*
 * What is in a data set: the size, format and colours of every picture, and what is odd or broken
 * about it. Whoever trains on a data set wants to know that before.
 */
#ifndef AN_DATA_SURVEY_H
#define AN_DATA_SURVEY_H

#include "core/hash.h"
#include "data/dataset.h"
#include "data/decode.h"

/* What may be odd about a picture; a bit each. */
typedef enum an_oddity {
    AN_ODD_EXTENSION = 1 << 0, /* its name says another format than its content */
    AN_ODD_CMYK = 1 << 1,
    AN_ODD_GRAYSCALE = 1 << 2, /* stored with one channel */
    AN_ODD_ALPHA = 1 << 3,     /* transparency, which is put over white */
    AN_ODD_TURNED = 1 << 4,    /* stored otherwise than it is shown, by its EXIF orientation */
    AN_ODD_DEEP = 1 << 5,      /* more than 8 bits a channel */
    AN_ODD_SMALL = 1 << 6,     /* a side of fewer than AN_SMALL_SIDE pixels */
    AN_ODD_NARROW = 1 << 7,    /* a side more than AN_NARROW times the other */
    AN_ODD_FLAT = 1 << 8       /* decoded: all of one colour */
} an_oddity;

enum { AN_ODDITIES = 9, AN_SMALL_SIDE = 16, AN_NARROW = 4 };

/* "extension", "cmyk", ... for programs, and a phrase for people, of bit `index`. */
const char *an_oddity_key(int index);
const char *an_oddity_phrase(int index);

/* What pictures that look alike have in common. */
typedef struct an_likeness {
    uint64_t across, down; /* difference hashes (Krawetz 2013): bit i of `across` is set where cell
                              i of 8 x 8 is brighter than its right neighbour in a grid of 9 x 8;
                              `down` the same with the cell below in 8 x 9 */
} an_likeness;

typedef struct an_survey_picture {
    char *failure; /* why it cannot be read; NULL: it can. What is below may be missing then. */
    an_image_info info;
    uint64_t bytes;  /* as stored */
    an_hash content; /* of the stored bytes */
    unsigned odd;    /* an_oddity bits */
    /* Of the decoded picture; zeros where headers alone are read. */
    an_hash pixels; /* of its size and pixels */
    an_likeness likeness;
    float mean[3], square[3]; /* mean of the values, 0 to 255, RGB, and of their squares */
} an_survey_picture;

/* An all-zero one is valid and empty. */
typedef struct an_survey {
    const an_dataset *dataset;
    bool decoded;                /* whether the pictures were, or their headers alone read */
    an_survey_picture *pictures; /* (dataset->count) */
} an_survey;

typedef struct an_survey_options {
    int threads;       /* 0: the cores this process may use */
    bool headers_only; /* a few times as fast; damage inside pictures is not found then */
    /* Called on the calling thread now and then; may be NULL. INTERRUPTED where it says false. */
    bool (*progress)(void *context, size_t done, size_t pictures);
    void *context;
} an_survey_options;

/*
 * Looks at every picture of a data set, which must outlive the survey. What is found does not
 * depend on the number of threads. A picture that cannot be read is a finding, not a failure. Freed
 * with an_survey_free, after a failure too.
 */
alexnet_status an_survey_take(const an_dataset *dataset, const an_survey_options *options,
                              an_survey *out, alexnet_error *error);

void an_survey_free(an_survey *survey);

/* The smallest, the middle (of an even number the lower) and the largest of some numbers. */
typedef struct an_spread {
    double least, median, most;
} an_spread;

/* What the survey comes to over all pictures that can be read. */
typedef struct an_survey_summary {
    size_t pictures, broken;
    uint64_t bytes; /* of all pictures, as stored */
    size_t jpeg, png, webp, ppm, pixels, progressive;
    size_t odd[AN_ODDITIES];
    an_spread width, height, shorter, aspect; /* aspect: width over height */
    double mean[3], deviation[3];             /* of the colours, RGB, 0 to 255; every picture counts
                                                 the same, however large it is */
} an_survey_summary;

alexnet_status an_survey_summarise(const an_survey *survey, an_survey_summary *out,
                                   alexnet_error *error);

/* Pictures of each class, broken ones included. counts: (classes) */
void an_survey_classes(const an_dataset *dataset, size_t *counts);

/* The spread of some numbers, which are sorted on the way; zeros where there are none. */
an_spread an_spread_of(double *values, size_t count);

#endif
